"""A reconstructed scene that can be played: a hand's motion in it becomes the sound that the flow makes of it.

Hearing Hands' interactive scene: views of the motion are rendered, encoded, and condition the flow together with the
hand's keypoints, exactly as in training (`flow/inference/motion.py`). For a contact flow see `contact_player.py`.
"""

from __future__ import annotations

import abc
import dataclasses
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_common.topics import CAMERA_INFO, EE_POSE, TF_STATIC
from foley_perception.action.gripper import GripperHand
from foley_perception.clips.grid import WINDOW_S
from foley_perception.episodes.names import Naming
from foley_perception.episodes.reader import read_episode
from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.ply import load_ply
from foley_perception.gaussians.views.cameras import Image, ViewConfig, ViewRenderer
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_synthesis.flow.inference.model import FlowModel
from foley_synthesis.flow.inference.motion import HandMotion, MotionCondition, MotionError
from foley_synthesis.flow.inference.scene import scene_facts
from foley_synthesis.flow.networks.mel import RATE
from foley_synthesis.flow.networks.rectified_flow import SampleConfig
from foley_synthesis.flow.play.motions import MOMENTS_S, strokes, surface_below, taps
from foley_synthesis.flow.windows import Batch
from foley_synthesis.vision.protocol import VisionEncoder

Array = NDArray[np.float64]
PRESETS = ("tap", "stroke", "recorded")
STAGES = ("views", "flow", "vocoder")


@dataclasses.dataclass(frozen=True, eq=False)
class SceneContext:
    """Where it is played: what a recording and its scene give.

    Args:
        camera: from which the recording saw the scene, in the scene's frame.
        focus: what the scene was scanned around [3].
        motion: of the recording's tool over 8 s of it [n].
        width: how far the gripper was open then [m]; NaN where it was not measured.
        sound: of the recording, its first 8 s [128000] at 16 kHz; None where it has none.
    """

    name: str
    gaussians: Gaussians
    camera: CameraModel
    focus: Array
    tx_tool_tip: SE3
    motion: SE3
    width: float
    sound: NDArray[np.float32] | None = None

    def hand_motion(self, poses: SE3) -> HandMotion:
        """A motion [n] of the recording's tool."""
        return HandMotion(poses, self.width, self.tx_tool_tip)


@dataclasses.dataclass(frozen=True, eq=False)
class Played:
    """What a motion sounds like."""

    sound: NDArray[np.float32]  # [8 s]
    mel: NDArray[np.float32]  # [80, frames]
    pictures: dict[str, list[Image]]  # of each view, 32 moments; empty where it was never rendered
    seconds: dict[str, float]  # that each stage took
    rate: int = RATE  # of the sound [Hz]


def open_scene_context(
    scene: Path,
    bag: Path,
    hand: GripperHand,
    start_s: float = 0.0,
    naming: Naming | None = None,
    *,
    moments_s: Array = MOMENTS_S,
) -> SceneContext:
    """A reconstructed scene, seen as a recording in it saw it.

    Args:
        hand: as which hand the gripper counts.
        start_s: where the 8 s of its motion begin; where it ends before, the hand rests.
        naming: how the recording's topics are called.
        moments_s: of the motion's poses.

    Raises:
        MotionError: the recording is of another scene, or lacks camera or poses.
        SceneError: there is no manifest of the scene, or it is damaged.
        EpisodeError, PlyError, OSError: bag or scene cannot be read.
    """
    if not 0.0 <= start_s < np.inf:
        raise MotionError(f"start is {start_s} s, must not be negative")
    known, focus = scene_facts(scene)
    naming = naming or Naming()
    episode = read_episode(
        bag,
        **naming.reading,
    )
    if episode.scene_id != known:
        raise MotionError(f"{bag} was recorded in scene `{episode.scene_id}`, {scene} is `{known}`")
    if episode.camera is None or episode.ee_pose is None:
        missing = f"{CAMERA_INFO.name} with {TF_STATIC.name}" if episode.camera is None else EE_POSE.name
        raise MotionError(f"{bag} lacks {missing}; take another recording of the scene")
    times = episode.start_ns + np.round((start_s + moments_s) * 1e9).astype(np.int64)
    inside = np.clip(times, episode.ee_pose.times_ns[0], episode.ee_pose.times_ns[-1])
    width = float("nan")
    if (measured := episode.gripper_width(hand)) is not None:
        width = float(np.median(np.interp(times, *measured)))
    motion = episode.ee_pose.at(inside)
    if not bool(motion.finite.all()):
        gap_s = start_s + float(moments_s[~motion.finite][0])
        raise MotionError(f"{bag}: ee_pose has a gap at {gap_s:.2f} s; choose other 8 s (--start)")
    sound = None
    if episode.audio is not None:
        sound = episode.audio.slice(episode.audio.start_ns, round(WINDOW_S * RATE), RATE)[0]
    gaussians = load_ply(scene / "scene.ply")
    return SceneContext(known, gaussians, episode.camera, focus, episode.tx_tool_tip, motion, width, sound)


class ScenePlayer(abc.ABC):
    """A hand in a scene, and something that makes its sound."""

    def __init__(self, scene: SceneContext, hand: GripperHand) -> None:
        self.scene, self._hand = scene, hand

    @property
    @abc.abstractmethod
    def moments_s(self) -> Array:
        """Of a motion's poses [n]."""

    @property
    @abc.abstractmethod
    def sampling(self) -> SampleConfig:
        """Steps and guidance where nobody says."""

    @abc.abstractmethod
    def play(self, motion: SE3, seed: int, config: SampleConfig | None = None) -> Played:
        """The sound of a motion [n]; another seed, another sound.

        Raises:
            MotionError: poses are missing or not known.
        """

    @abc.abstractmethod
    def _touching(self, name: str, tx_world_tool: SE3, tip: Array, surface: Array) -> SE3:
        """A tap or a stroke."""

    def keypoints(self, tx_world_tool: SE3) -> Array:
        """Both hands [n, 2, 21, 3] of a tool's poses [n]."""
        return self._hand.keypoints(tx_world_tool, self.scene.width)

    def tip(self, tx_world_tool: SE3) -> Array:
        """The end of the tool [..., 3]."""
        return (tx_world_tool @ self.scene.tx_tool_tip).translation

    def preset(self, name: str, tx_world_tool: SE3) -> SE3:
        """One of `PRESETS`, from a pose of the tool.

        Raises:
            MotionError: there is no such motion, or nothing under the tool.
        """
        if name == "recorded":
            return self.scene.motion
        if name not in PRESETS:
            raise MotionError(f"motion is `{name}`, known are {', '.join(PRESETS)}")
        tip = self.tip(tx_world_tool)
        return self._touching(name, tx_world_tool, tip, surface_below(self.scene.gaussians, tip))


class Player(ScenePlayer):
    """A flow in a scene.

    Args:
        hand: the gripper as a hand, the one that the flow was trained with.

    Raises:
        ValueError: the encoder is not the one that the flow was trained with.
    """

    def __init__(
        self,
        model: FlowModel,
        encoder: VisionEncoder,
        scene: SceneContext,
        hand: GripperHand,
        config: ViewConfig | None = None,
    ) -> None:
        super().__init__(scene, hand)
        self._condition = MotionCondition(model, encoder, hand)
        self._model = model
        self._renderer = ViewRenderer(scene.gaussians, scene.camera, scene.focus, config)

    @property
    def moments_s(self) -> Array:
        """See `ScenePlayer`."""
        return MOMENTS_S

    @property
    def sampling(self) -> SampleConfig:
        """See `ScenePlayer`."""
        return SampleConfig()

    def _touching(self, name: str, tx_world_tool: SE3, tip: Array, surface: Array) -> SE3:
        return (taps if name == "tap" else strokes)(tx_world_tool, tip, surface)

    def condition(self, motion: SE3) -> tuple[Batch, dict[str, list[Image]]]:
        """What the flow is conditioned on by a motion [240], and the views behind it; see `MotionCondition`."""
        return self._condition(self.scene.hand_motion(motion), self._renderer)

    def play(self, motion: SE3, seed: int, config: SampleConfig | None = None) -> Played:
        """See `ScenePlayer`."""
        marks = [time.monotonic()]
        part, pictures = self.condition(motion)
        marks.append(time.monotonic())
        mel = self._model.mels(part, seed, config)[0].numpy()
        marks.append(time.monotonic())
        sound = self._model.vocoder.waveform(mel)
        marks.append(time.monotonic())
        seconds = {n: b - a for n, a, b in zip(STAGES, marks[:-1], marks[1:], strict=True)}
        return Played(sound, mel, pictures, seconds)
