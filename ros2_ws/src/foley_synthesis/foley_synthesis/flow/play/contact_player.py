"""A scene that can be played with a contact flow: a hand's motion over the scene's surface becomes sound.

The surface is read off the scene from straight above, the room's tone off the recording's sound. Where there is sight
it looks at what lies under the motion, and each sound is of one possibility of what that is.
"""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import torch
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.action.gripper import GripperHand
from foley_perception.action.trajectory import ToolTrajectory
from foley_perception.audio.resample import resampled
from foley_perception.gaussians.views.cameras import ViewRenderer
from foley_perception.geometry.se3 import SE3
from foley_synthesis.flow.contact.model import ContactFlowModel
from foley_synthesis.flow.contact.seen import told
from foley_synthesis.flow.contact.ways import takes_views
from foley_synthesis.flow.inference.contact_channels import planned_channels
from foley_synthesis.flow.inference.contact_told import condition_of
from foley_synthesis.flow.inference.motion import MotionError
from foley_synthesis.flow.inference.room_tone import room_tone
from foley_synthesis.flow.inference.seen_surface import surface_in_scene
from foley_synthesis.flow.networks.mel import RATE
from foley_synthesis.flow.networks.motion_encoder import STRIDE
from foley_synthesis.flow.networks.rectified_flow import SampleConfig
from foley_synthesis.flow.play.motions import FINE_MOMENTS_S, strokes, taps
from foley_synthesis.flow.play.player import Array, Played, SceneContext, ScenePlayer
from foley_synthesis.flow.session_features import log_mel
from foley_synthesis.flow.sight.inference import Sight, local_views
from foley_synthesis.flow.sight.things import Things

_TURN_M = 0.003  # of a tap below the surface, as robots in training have it
_PRESS_M = 0.0025  # of a stroke


class ContactPlayer(ScenePlayer):
    """A contact flow in a scene.

    Args:
        hand: the gripper as a hand, the one that the flow was trained with.
        sight: looks at what is touched; None: the flow is told nothing of it.
    """

    def __init__(
        self, model: ContactFlowModel, scene: SceneContext, hand: GripperHand, sight: Sight | None = None
    ) -> None:
        super().__init__(scene, hand)
        self._model, self._sight = model, sight
        self._view = local_views(ViewRenderer(scene.gaussians, scene.camera, scene.focus))
        self._floor = None if scene.sound is None else room_tone(scene.sound, RATE)

    @property
    def moments_s(self) -> Array:
        """See `ScenePlayer`."""
        return FINE_MOMENTS_S

    @property
    def sampling(self) -> SampleConfig:
        """See `ScenePlayer`."""
        return SampleConfig(self._model.sampling.steps, self._model.sampling.guidance)

    def _touching(self, name: str, tx_world_tool: SE3, tip: Array, surface: Array) -> SE3:
        make, depth_m = (taps, _TURN_M) if name == "tap" else (strokes, _PRESS_M)
        return make(tx_world_tool, tip, surface, depth_m=depth_m, moments_s=FINE_MOMENTS_S)

    def play(self, motion: SE3, seed: int, config: SampleConfig | None = None) -> Played:
        """See `ScenePlayer`."""
        if motion.batch != FINE_MOMENTS_S.shape or not bool(motion.finite.all()):
            raise MotionError(f"a motion has {len(FINE_MOMENTS_S)} known poses, this one {motion.batch}")
        marks = [time.monotonic()]
        surface = surface_in_scene(self.scene.gaussians, self.tip(motion))
        times = np.round(FINE_MOMENTS_S * NS_PER_S).astype(np.int64)
        plan = ToolTrajectory("played", times, motion, np.full(len(times), self.scene.width))
        channels = planned_channels(0, len(times), [plan], self.scene.tx_tool_tip, surface, self._hand)
        known = condition_of(channels, executed=False, floor=self._floor)
        marks.append(time.monotonic())
        if self._sight is not None and surface is not None:
            seen = self._sight.around(self.tip(motion), Things.of(surface), self._view).over(self.tip(motion))
            known = told(known, self._sight.posterior(seen).draw(np.random.default_rng(seed)))
            if takes_views(self._model, self._sight):
                shown = torch.from_numpy(self._sight.features(seen)[seen.under])[None]
                known = dataclasses.replace(known, views=shown)
        marks.append(time.monotonic())
        model = self._model
        if config is not None:
            sampling = dataclasses.replace(model.sampling, steps=config.steps, guidance=config.guidance)
            model = dataclasses.replace(model, sampling=sampling)
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(1, model.field.config.latent, len(times) // STRIDE, generator=generator)
        sound = np.asarray(model.sounds(known, noise)[0].numpy(), np.float32)
        marks.append(time.monotonic())
        rate = model.codec.config.rate
        stages = ("surface", "sight", "flow and codec")
        seconds = {n: b - a for n, a, b in zip(stages, marks[:-1], marks[1:], strict=True)}
        if self._sight is None:
            del seconds["sight"]
        return Played(sound, _mel(sound, rate), {}, seconds, rate)


@torch.no_grad()
def _mel(sound: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """[80, frames] of a sound."""
    return np.asarray(log_mel()(torch.from_numpy(resampled(sound, rate, RATE))).numpy())
