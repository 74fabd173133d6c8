"""A flow as a sound model: planned motion of the hand and views of it to the sound around the planned contact.

The flow knows windows of 8 s. The contact is put into the middle of one; beyond the ends of its plan the hand rests
where the plan begins and ends. Views are rendered from a reconstructed scene, or, where there is none, taken from the
camera's picture of the place (`gaussians/views/picture_views.py`). Of the window's sound the clip around the contact is
kept, and only that much of the spectrogram goes through the vocoder.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.action.gripper import GripperHand
from foley_perception.action.trajectory import ToolTrajectory
from foley_perception.clips.grid import (
    CLIP_BEFORE_S,
    CLIP_S,
    FRAME_RATE,
    WINDOW_KEYPOINTS,
    WINDOW_S,
    sample_times_ns,
)
from foley_perception.gaussians.views.cameras import ViewConfig, ViewRenderer
from foley_perception.gaussians.views.picture_views import PictureViews
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3, interpolate_at
from foley_synthesis.flow.inference.model import FlowModel, load_model
from foley_synthesis.flow.inference.motion import HandMotion, MotionCondition, MotionError, ViewSource
from foley_synthesis.flow.inference.scene import Scene, load_scene
from foley_synthesis.flow.networks.mel import HOP, RATE
from foley_synthesis.flow.networks.rectified_flow import SampleConfig
from foley_synthesis.flow.windows import MEL_FRAMES
from foley_synthesis.sound_model import ContactQuery, Input, Mode, PlannedTool, PredictedSound
from foley_synthesis.vision.encoders import load_encoder
from foley_synthesis.vision.protocol import VisionEncoder

CONTACT_S = WINDOW_S / 2  # of the contact in its window
_MARGIN_S = 0.5  # of spectrogram beyond each end of the clip, for the vocoder
_BY_PICTURE = (
    "no scene is given: the flow sees views cut from the camera's picture, not rendered ones as in training"
)


class FlowSoundModel:
    """A `FlowModel` behind the contract of `SoundModel`: planned predictions at 16 kHz, without features or beliefs.

    Args:
        encoder: of the views; None for a flow that was trained without vision.
        hand: the gripper as a hand, the one that the flow was trained with.
        scene: that views are rendered of, in the frame of plans and camera; None: the camera's picture serves.
        sampling: steps and guidance.
        seed: of the noise; the same one for every contact.

    Raises:
        ValueError: the encoder is not the one that the flow was trained with, or the seed is not positive.
    """

    modes: frozenset[Mode] = frozenset({"planned"})
    vocabulary = None
    wants: frozenset[Input] = frozenset()

    def __init__(
        self,
        model: FlowModel,
        encoder: VisionEncoder | None,
        hand: GripperHand,
        *,
        scene: Scene | None = None,
        sampling: SampleConfig | None = None,
        seed: int = 1,
        views: ViewConfig | None = None,
    ) -> None:
        if seed < 1:
            raise ValueError(f"seed is {seed}, must be at least 1")
        self._model, self._scene, self._seed = model, scene, seed
        self._sampling = sampling or SampleConfig()
        self._condition = MotionCondition(model, encoder, hand)
        self._views = views or ViewConfig()
        self._renderer: tuple[CameraModel, ViewRenderer] | None = None
        self.model_id = model.model_id
        self.domain = str(model.facts.get("dataset", {}).get("domain", ""))
        needs = {Input.TOOL}
        if model.looks:
            needs |= {Input.CAMERA} if scene is not None else {Input.CAMERA, Input.PICTURE}
        self.needs: frozenset[Input] = frozenset(needs)
        self.note = _BY_PICTURE if Input.PICTURE in needs else ""

    @classmethod
    def load(
        cls,
        path: Path,
        hand: GripperHand,
        *,
        scene: Path | None = None,
        sampling: SampleConfig | None = None,
        seed: int = 1,
        threads: int = 1,
    ) -> FlowSoundModel:
        """From a checkpoint folder.

        Raises:
            CorruptCheckpoint: the flow cannot be read.
            ValueError, OSError: the scene cannot be read, or the encoder is not there.
        """
        import torch

        torch.set_num_threads(threads)
        model = load_model(path)
        encoder = load_encoder(str(model.facts["encoder"]["name"]), threads=threads) if model.looks else None
        opened = load_scene(scene) if scene is not None and model.looks else None
        return cls(model, encoder, hand, scene=opened, sampling=sampling, seed=seed)

    def warm_up(self) -> None:
        """One prediction for a tool at rest before a camera: kernels are compiled, networks loaded."""
        focus = self._scene.focus if self._scene is not None else np.zeros(3)
        camera = CameraModel.looking_at(
            focus + np.array([0.0, -0.6, 0.6]), focus, width=320, height=240, fovy_deg=50.0
        )
        rest = SE3(np.tile([0.0, 0.0, 0.0, 1.0], (2, 1)), np.tile(focus, (2, 1)))
        times = np.array([0, NS_PER_S], np.int64)
        tool = PlannedTool(ToolTrajectory("", times, rest, np.full(2, np.nan)), SE3.identity())
        picture = np.full((240, 320, 3), 127, np.uint8)
        self.predict(ContactQuery(contact_ns=NS_PER_S // 2, picture=picture, camera=camera, tool=tool))

    def predict(self, query: ContactQuery) -> PredictedSound:
        """Raises ValueError where an input that it needs is missing, or the tool's poses are not known."""
        if query.mode != "planned":
            raise ValueError("a flow predicts planned contacts only, this one is executed")
        if query.tool is None:
            raise ValueError("the query lacks the planned poses of the tool, a flow needs them")
        motion = window_motion(query.tool, query.contact_ns - round(CONTACT_S * NS_PER_S))
        batch, _ = self._condition(motion, self._source(query) if self._model.looks else None)
        mel = self._model.mels(batch, self._seed, self._sampling)[0].numpy()
        waveform, onset_s = self._clip(mel)
        return PredictedSound(
            waveform,
            RATE,
            onset_s,
            "planned",
            self.model_id,
            solver_steps=self._sampling.steps,
            seed=self._seed,
        )

    def _source(self, query: ContactQuery) -> ViewSource:
        if query.camera is None:
            raise ValueError("the query lacks the camera, a flow that looks at views needs it")
        if self._scene is None:
            if query.picture is None:
                raise ValueError("the query lacks the camera's picture, a flow without a scene needs it")
            return PictureViews(query.picture, query.camera, self._views)
        if self._renderer is None or not _same(self._renderer[0], query.camera):
            renderer = ViewRenderer(self._scene.gaussians, query.camera, self._scene.focus, self._views)
            self._renderer = (query.camera, renderer)
        return self._renderer[1]

    def _clip(self, mel: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        """Of a window's spectrogram [80, 500] the sound of the clip [16000], and where in it the contact is [s]."""
        begin = max(int((CONTACT_S - CLIP_BEFORE_S - _MARGIN_S) * RATE / HOP), 0)
        end = min(int((CONTACT_S - CLIP_BEFORE_S + CLIP_S + _MARGIN_S) * RATE / HOP) + 1, MEL_FRAMES)
        sound = self._model.vocoder.waveform(mel[:, begin:end])
        first = round((CONTACT_S - CLIP_BEFORE_S) * RATE) - begin * HOP
        return sound[first : first + round(CLIP_S * RATE)], CLIP_BEFORE_S


def window_motion(tool: PlannedTool, start_ns: int) -> HandMotion:
    """A plan on the grid of a window; before and after it the hand rests.

    Raises:
        MotionError: fewer than two poses of the plan are known.
    """
    trajectory = tool.trajectory
    known = trajectory.poses.finite
    if int(known.sum()) < 2:
        raise MotionError(f"plan `{trajectory.plan_id}` has {int(known.sum())} known poses, needs at least 2")
    times, poses, widths = trajectory.times_ns[known], trajectory.poses[known], trajectory.widths[known]
    grid = np.clip(sample_times_ns(start_ns, WINDOW_KEYPOINTS, FRAME_RATE), times[0], times[-1])
    # Nanoseconds since 1970 do not fit a float64; differences to a near origin do.
    width = np.interp((grid - start_ns).astype(np.float64), (times - start_ns).astype(np.float64), widths)
    return HandMotion(interpolate_at(times, poses, grid), width, tool.tx_tool_tip)


def _same(a: CameraModel, b: CameraModel) -> bool:
    """Whether two cameras see the same, to a hundredth of a millimetre and of a pixel."""
    if (a.width, a.height) != (b.width, b.height) or not np.allclose(a.K, b.K, atol=1e-2, rtol=0.0):
        return False
    pose_a, pose_b = a.tx_world_camera, b.tx_world_camera
    return bool(
        np.allclose(pose_a.translation, pose_b.translation, atol=1e-5, rtol=0.0)
        and np.allclose(pose_a.rotation, pose_b.rotation, atol=1e-5, rtol=0.0)
    )
