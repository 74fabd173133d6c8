"""A contact flow as a sound model: motion over the surface that was seen, planned or measured, to sound.

    predict   the second around one contact, in one piece
    stream    the sound of plans as it goes on, 100 ms at a time (`contact_stream.py`)

The surface is that of a reconstructed scene, or of the depth behind the arm. Where neither knows anything, the flow is
told no heights, as it was for a share of its training, and the note says so.
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
from foley_perception.gaussians.gaussians import Gaussians
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
from foley_synthesis.flow.inference.room_tone import room_tone
from foley_synthesis.flow.inference.scene import load_scene
from foley_synthesis.flow.inference.seen_surface import SeenDepth, surface_in_scene, surface_of_points
from foley_synthesis.flow.networks.contact_field import ContactCondition
from foley_synthesis.flow.networks.motion_encoder import STRIDE
from foley_synthesis.sound_model import Background, ContactQuery, Input, Mode, PlannedTool, PredictedSound

Array = NDArray[np.float64]

FEW_STEPS = 4
"""Of a live sound, where the checkpoint itself does not say fewer."""
_BESIDE = 14  # frames of the latent before and after a clip, 0.45 s: what field and decoder see
_FRAME_S = STRIDE * ROW_NS / NS_PER_S
_FRAMES = 2 * _BESIDE + int(np.ceil(CLIP_S / _FRAME_S))
_UNHEARD = "the room has not been heard: the flow is not told how loud it is"
_UNSEEN = "no surface was seen where the tool goes: the flow is told no heights over it"
_PARTLY = "of the surface under the tip only {share:.0%} was seen; the rest is a guess from what is around it"
_MOSTLY = 0.9  # share of the path near the surface over which it should have been seen
_NEAR_M = 0.02
_EXECUTED = 0.5  # share of a window's rows


class ContactFlowSoundModel:
    """A `ContactFlowModel` behind the contracts of `SoundModel` and `StreamingSoundModel`.

    Args:
        hand: the gripper as a hand, the one that the flow was trained with.
        scene: whose surface is touched, in the frame of plans; None: that of the depth behind the arm.
        seed: of the noise; the same one for every contact and every stream.

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
        scene: Gaussians | None = None,
        seed: int = 1,
        window: WindowConfig | None = None,
    ) -> None:
        if seed < 1:
            raise ValueError(f"seed is {seed}, must be at least 1")
        self._model, self._hand, self._scene = model, hand, scene
        self._seed, self._window = seed, window
        self.model_id, self.domain = model.model_id, str(model.facts.get("domain", "sim"))
        self._floor: NDArray[np.float32] | None = None
        self._seen = ""

    @property
    def note(self) -> str:
        """What was not known of the last motion."""
        return "; ".join(filter(None, (self._seen, "" if self._floor is not None else _UNHEARD)))

    @classmethod
    def load(
        cls,
        path: Path,
        hand: GripperHand,
        *,
        scene: Path | None = None,
        steps: int = 0,
        guidance: float = 1.0,
        seed: int = 1,
        threads: int = 1,
    ) -> ContactFlowSoundModel:
        """From a checkpoint folder, which holds its codec.

        Args:
            steps: 0: as many as the checkpoint says, :data:`FEW_STEPS` at most.

        Raises:
            CorruptCheckpoint: the flow cannot be read.
            ValueError, OSError: the scene cannot be read.
        """
        torch.set_num_threads(threads)
        opened = load_scene(scene).gaussians if scene is not None else None
        return cls(load_live(path, steps=steps, guidance=guidance), hand, scene=opened, seed=seed)

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
        self._seen = ""

    def hear(self, samples: NDArray[np.float32], sample_rate: int) -> None:
        """See `StreamingSoundModel`; less than 0.4 s say nothing."""
        floor = room_tone(samples, sample_rate)
        self._floor = self._floor if floor is None else floor

    def predict(self, query: ContactQuery) -> PredictedSound:
        """Raises ValueError where the motion of the tool is not known."""
        config = self._model.codec.config
        begin_s = CLIP_BEFORE_S + _BESIDE * config.samples / config.rate  # before the contact
        start_ns, rows = query.contact_ns - round(begin_s * NS_PER_S), STRIDE * _FRAMES
        if query.mode == "planned":
            if query.tool is None:
                raise ValueError("the query lacks the planned poses of the tool, a contact flow needs them")
            motion = self.planned(start_ns, rows, [query.tool], self.surface([query.tool], query.background))
        else:
            if query.measured is None:
                raise ValueError("the query lacks the measured poses of the tool, a contact flow needs them")
            tips = (query.measured.poses @ query.measured.tx_tool_tip).translation
            surface = self._surface_around(tips, query.background)
            motion = measured_channels(start_ns, rows, query.measured, surface, self._hand)
        known = condition_of(motion, executed=query.mode == "executed", floor=self._floor)
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
        return condition_of(motion, executed=share >= _EXECUTED, floor=self._floor)

    def planned(
        self, start_ns: int, rows: int, plans: Sequence[PlannedTool], surface: HeightMap | None
    ) -> NDArray[np.float32]:
        """Channels of plans [rows, all]. Raises ValueError where they are not known."""
        motions = [_known(plan.trajectory) for plan in plans]
        return planned_channels(start_ns, rows, motions, plans[-1].tx_tool_tip, surface, self._hand)

    def surface(self, plans: Sequence[PlannedTool], background: Background) -> HeightMap | None:
        """What was seen around the tips of plans."""
        return self._surface_around(np.concatenate([plan.tip_path().tip for plan in plans]), background)

    def _surface_around(self, tips: Array, background: Background) -> HeightMap | None:
        if self._scene is not None:
            surface = surface_in_scene(self._scene, tips)
        elif background is not None:
            surface = surface_of_points(SeenDepth(*background).points(), tips)
        else:
            surface = None
        self._seen = _note(surface, tips)
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


class PlanStream:
    """A `SoundStream` of plans: a `ContactStream`, and what it is told.

    The surface is looked at anew where a plan comes or goes; within a plan it stays what it was.
    """

    def __init__(self, model: ContactFlowSoundModel, stream: ContactStream, start_ns: int) -> None:
        self._model, self._stream, self._start_ns = model, stream, start_ns
        self._surface: HeightMap | None = None
        self._of: tuple[PlannedTool, ...] = ()

    @property
    def sample_rate(self) -> int:
        """[Hz]."""
        return self._stream.rate

    @property
    def chunk_samples(self) -> int:
        """Of every chunk."""
        return self._stream.chunk_samples

    @property
    def begin_ns(self) -> int:
        """Of the next chunk."""
        return self._start_ns + round(self._stream.begin_s * NS_PER_S)

    def next(
        self, plans: Sequence[PlannedTool], background: Background, measured: MeasuredTool | None = None
    ) -> NDArray[np.float32]:
        """See `SoundStream`."""
        self.sample(self.condition(plans, background, measured))
        return self.decode()

    def condition(
        self, plans: Sequence[PlannedTool], background: Background, measured: MeasuredTool | None = None
    ) -> ContactCondition:
        """First stage: features."""
        if self._of != tuple(plans):
            self._surface, self._of = self._model.surface(plans, background), tuple(plans)
        begin, end = self._stream.rows
        start_ns = self._start_ns + begin * ROW_NS
        return self._model.told(start_ns, end - begin, plans, self._surface, measured)

    def sample(self, known: ContactCondition) -> None:
        """Second stage: the latent."""
        self._stream.sample(known)

    def decode(self) -> NDArray[np.float32]:
        """Third stage: the waveform."""
        return self._stream.decode()


def condition_of(
    motion: NDArray[np.float32], *, executed: bool, floor: NDArray[np.float32] | None = None
) -> ContactCondition:
    """A batch of 1 of channels [4 n, all] and, where it was heard, the room's tone [80]."""
    return ContactCondition(
        torch.from_numpy(motion)[None],
        torch.tensor([executed]),
        None if floor is None else torch.from_numpy(floor)[None],
    )


def _known(trajectory: ToolTrajectory) -> ToolTrajectory:
    """A plan without the poses that are not known.

    Raises:
        ValueError: fewer than two are.
    """
    known = trajectory.poses.finite
    if int(known.sum()) < 2:
        raise ValueError(f"plan `{trajectory.plan_id}` has {int(known.sum())} known poses, needs at least 2")
    if known.all():
        return trajectory
    return ToolTrajectory(
        trajectory.plan_id, trajectory.times_ns[known], trajectory.poses[known], trajectory.widths[known]
    )


def _note(surface: HeightMap | None, tips: Array) -> str:
    """What is to be said of how well the surface under a path [n, 3] was seen."""
    if surface is None:
        return _UNSEEN
    known = tips[np.isfinite(tips).all(axis=1)]
    near = known[known[:, 2] - surface.height(known[:, :2]) < _NEAR_M]
    share = float(surface.seen_at(near[:, :2]).mean()) if len(near) else 1.0
    return "" if share >= _MOSTLY else _PARTLY.format(share=share)
