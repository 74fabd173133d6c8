"""A contact flow as a sound model: motion over the surface that was seen, planned or measured, to sound.

    predict   the second around one contact, in one piece
    stream    the sound of plans as it goes on, 100 ms at a time (`contact_stream.py`)

The surface is that of a reconstructed scene, or of the depth behind the arm. Where neither knows anything, the flow is
told no heights, as it was for a share of its training, and the note says so. With sight it is told what the camera
shows of the things that a motion passes, and of touches that are over how they sounded (`surroundings.py`). Looking
takes longer than a stream may wait for its first chunk: a stream knows of a plan's things from its prediction on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.action.gripper import GripperHand
from foley_perception.action.trajectory import ToolTrajectory
from foley_perception.clips.grid import CLIP_BEFORE_S, CLIP_S
from foley_perception.clips.inputs import MeasuredTool
from foley_perception.geometry.height_map import HeightMap
from foley_perception.geometry.se3 import SE3
from foley_synthesis.flow.contact.model import ContactFlowModel, load_model
from foley_synthesis.flow.inference.contact_channels import (
    ROW_NS,
    channels_so_far,
    measured_channels,
    planned_channels,
)
from foley_synthesis.flow.inference.contact_stream import ContactStream, WindowConfig
from foley_synthesis.flow.inference.contact_told import (
    condition_of,
    known_plan,
    measured_tips,
    planned_tips,
    whole_plan,
)
from foley_synthesis.flow.inference.known_surroundings import KnownSurroundings
from foley_synthesis.flow.inference.plan_stream import PlanStream
from foley_synthesis.flow.inference.room_tone import room_tone
from foley_synthesis.flow.inference.scene import Scene, load_scene
from foley_synthesis.flow.inference.seen_surface import surface_note
from foley_synthesis.flow.inference.surroundings import Part
from foley_synthesis.flow.networks.contact_field import ContactCondition
from foley_synthesis.flow.networks.motion_encoder import STRIDE
from foley_synthesis.flow.sight.inference import Sight, open_sight
from foley_synthesis.sound_model import (
    Background,
    ContactQuery,
    HeardTouch,
    Input,
    Mode,
    PlannedTool,
    PredictedSound,
)

Array = NDArray[np.float64]

FEW_STEPS = 4
"""Of a live sound, where the checkpoint itself does not say fewer."""
_BESIDE = 14  # frames of the latent before and after a clip, 0.45 s: what field and decoder see
_FRAME_S = STRIDE * ROW_NS / NS_PER_S
_FRAMES = 2 * _BESIDE + int(np.ceil(CLIP_S / _FRAME_S))
_UNHEARD = "the room has not been heard: the flow is not told how loud it is"
_EXECUTED = 0.5  # share of a window's rows


class ContactFlowSoundModel:
    """A `ContactFlowModel` behind the contracts of `SoundModel` and `StreamingSoundModel`.

    Args:
        hand: the gripper as a hand, the one that the flow was trained with.
        sight: looks at what is touched; None: nobody does.
        scene: whose surface is touched and which is looked at, in the frame of plans; None: the depth behind the arm,
            and the camera's picture.
        seed: of the noise, and of what is told where sight is not sure; the same one for every contact and stream.

    Raises:
        ValueError: the seed is not positive.
    """

    vocabulary = None
    needs: frozenset[Input] = frozenset({Input.TOOL})
    modes: frozenset[Mode] = frozenset({"planned", "executed"})

    def __init__(
        self,
        model: ContactFlowModel,
        hand: GripperHand,
        *,
        sight: Sight | None = None,
        scene: Scene | None = None,
        seed: int = 1,
        window: WindowConfig | None = None,
    ) -> None:
        if seed < 1:
            raise ValueError(f"seed is {seed}, must be at least 1")
        self._model, self._hand = model, hand
        self._seed, self._window = seed, window
        self.model_id, self.domain = model.model_id, str(model.facts.get("domain", "sim"))
        self._known = KnownSurroundings(model, hand, sight=sight, scene=scene, seed=seed)
        self.wants: frozenset[Input] = self._known.wants
        self._floor: NDArray[np.float32] | None = None
        self._seen = ""

    @property
    def note(self) -> str:
        """What was not known of the last motion."""
        unheard = "" if self._floor is not None else _UNHEARD
        return "; ".join(filter(None, (self._seen, self._known.note, unheard)))

    @classmethod
    def load(
        cls,
        path: Path,
        hand: GripperHand,
        *,
        sight: Path | None = None,
        scene: Path | None = None,
        steps: int = 0,
        guidance: float = 1.0,
        seed: int = 1,
        threads: int = 1,
    ) -> ContactFlowSoundModel:
        """From a checkpoint folder, which holds its codec.

        Args:
            sight: folder of what looks at what is touched; None: nobody does.
            steps: 0: as many as the checkpoint says, :data:`FEW_STEPS` at most.

        Raises:
            CorruptCheckpoint: the flow, or sight, cannot be read.
            ValueError, OSError: the scene cannot be read, or the encoder of sight is not there.
        """
        torch.set_num_threads(threads)
        opened = load_scene(scene) if scene is not None else None
        eyes = open_sight(sight, threads=threads) if sight is not None else None
        model = load_live(path, steps=steps, guidance=guidance)
        return cls(model, hand, sight=eyes, scene=opened, seed=seed)

    @property
    def sample_rate(self) -> int:
        """Of its sounds [Hz]."""
        return self._model.codec.config.rate

    def warm_up(self) -> None:
        """One prediction and two chunks of a tool at rest."""
        times = np.array([0, NS_PER_S], np.int64)
        rest = SE3(np.tile([0.0, 0.0, 0.0, 1.0], (2, 1)), np.zeros((2, 3)))
        tool = PlannedTool(ToolTrajectory("", times, rest, np.full(2, np.nan)), SE3.identity())
        self.predict(ContactQuery(contact_ns=NS_PER_S // 2, tool=tool))
        stream = self.stream(0)
        for _ in range(2):
            stream.next([tool], None)
        self._known.warm_up()
        self._seen = ""

    def hear(self, samples: NDArray[np.float32], sample_rate: int) -> None:
        """See `StreamingSoundModel`; less than 0.4 s say nothing."""
        floor = room_tone(samples, sample_rate)
        self._floor = self._floor if floor is None else floor

    @property
    def remembers_s(self) -> tuple[float, float] | None:
        """See `StreamingSoundModel`."""
        return self._known.remembers_s

    def remember(self, touch: HeardTouch) -> None:
        """See `StreamingSoundModel`. Raises ValueError where sound or motion does not reach around the touch."""
        self._known.remember(touch)

    def predict(self, query: ContactQuery) -> PredictedSound:
        """Raises ValueError where the motion of the tool is not known."""
        config = self._model.codec.config
        begin_s = CLIP_BEFORE_S + _BESIDE * config.samples / config.rate  # before the contact
        start_ns, rows = query.contact_ns - round(begin_s * NS_PER_S), STRIDE * _FRAMES
        if query.mode == "planned":
            if query.tool is None:
                raise ValueError("the query lacks the planned poses of the tool, a contact flow needs them")
            motion = self.planned(start_ns, rows, [query.tool], self.surface([query.tool], query.background))
            tips, path = planned_tips(start_ns, rows, [query.tool]), whole_plan(query.tool)
        else:
            if query.measured is None:
                raise ValueError("the query lacks the measured poses of the tool, a contact flow needs them")
            places = (query.measured.poses @ query.measured.tx_tool_tip).translation
            surface = self._surface_around(places, query.background)
            motion = measured_channels(start_ns, rows, query.measured, surface, self._hand)
            tips = path = measured_tips(start_ns, rows, query.measured)
        known = condition_of(motion, executed=query.mode == "executed", floor=self._floor)
        if (around := self._known.look(path, query)) is not None:
            known = self._known.told(known, tips, start_ns, [Part(slice(0, _FRAMES), around)])
        generator = torch.Generator().manual_seed(self._seed)
        noise = torch.randn(1, self._model.field.config.latent, _FRAMES, generator=generator)
        sound = self._model.sounds(known, noise)[0].numpy()
        first = _BESIDE * config.samples
        return PredictedSound(
            np.asarray(sound[first : first + round(CLIP_S * config.rate)], np.float32),
            config.rate,
            CLIP_BEFORE_S,
            query.mode,
            self.model_id,
            solver_steps=self._model.sampling.steps,
            seed=self._seed,
        )

    def stream(self, start_ns: int) -> PlanStream:
        """Sound from a moment on."""
        return PlanStream(self, ContactStream(self._model, seed=self._seed, window=self._window), start_ns)

    def told(
        self,
        start_ns: int,
        rows: int,
        plans: Sequence[PlannedTool],
        surface: HeightMap | None,
        measured: MeasuredTool | None = None,
    ) -> ContactCondition:
        """All that is known of some rows of plans, and of what has been measured of them.

        It counts as executed, which the flow is told as well, once half of them have been measured.

        Raises:
            ValueError: the plans are not known.
        """
        motion, share = self.planned(start_ns, rows, plans, surface), 0.0
        if measured is not None:
            motion, share = channels_so_far(start_ns, motion, measured, surface, self._hand)
        known = condition_of(motion, executed=share >= _EXECUTED, floor=self._floor)
        parts = self._known.parts(start_ns, known.frames, plans)
        if not parts:
            return known
        return self._known.told(known, planned_tips(start_ns, rows, plans), start_ns, parts)

    def planned(
        self, start_ns: int, rows: int, plans: Sequence[PlannedTool], surface: HeightMap | None
    ) -> NDArray[np.float32]:
        """Channels of plans [rows, all]. Raises ValueError where they are not known."""
        motions = [known_plan(plan.trajectory) for plan in plans]
        return planned_channels(start_ns, rows, motions, plans[-1].tx_tool_tip, surface, self._hand)

    def surface(self, plans: Sequence[PlannedTool], background: Background) -> HeightMap | None:
        """What was seen around the tips of plans."""
        return self._surface_around(np.concatenate([plan.tip_path().tip for plan in plans]), background)

    def _surface_around(self, tips: Array, background: Background) -> HeightMap | None:
        surface = self._known.surface(tips, background)
        self._seen = surface_note(surface, tips)
        return surface


def load_live(path: Path, *, steps: int = 0, guidance: float = 1.0) -> ContactFlowModel:
    """A flow that takes few steps.

    Args:
        steps: 0: as many as the checkpoint says, :data:`FEW_STEPS` at most.

    Raises:
        CorruptCheckpoint: it cannot be read.
    """
    model = load_model(path)
    few = steps or min(model.sampling.steps, FEW_STEPS)
    return dataclasses.replace(
        model, sampling=dataclasses.replace(model.sampling, steps=few, guidance=guidance)
    )
