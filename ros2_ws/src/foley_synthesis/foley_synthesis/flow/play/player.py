"""A reconstructed scene that can be played: a hand's motion in it becomes the sound that the flow makes of it.

Hearing Hands' interactive scene: views of the motion are drawn, looked at by the encoder, and told to the flow together
with the hand's keypoints, exactly as in training.
"""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foley_common.topics import CAMERA_INFO, EE_POSE, TF_STATIC
from foley_perception.action.gripper import SIDES, GripperHand
from foley_perception.clips.grid import FRAME_RATE, WINDOW_FRAME_RATE, WINDOW_FRAMES, WINDOW_KEYPOINTS
from foley_perception.episodes.reader import read_episode
from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.ply import load_ply
from foley_perception.gaussians.views.cameras import Image, ViewConfig, ViewRenderer
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_synthesis.flow.inference.model import FlowModel, load_model
from foley_synthesis.flow.networks.rectified_flow import SampleConfig
from foley_synthesis.flow.networks.vector_field import ACTION_DIMS, latent_index
from foley_synthesis.flow.play.motions import MOMENTS_S, MotionError, strokes, surface_below, taps
from foley_synthesis.flow.windows import LATENT_FRAMES, Batch
from foley_synthesis.vision.encoders import load_encoder
from foley_synthesis.vision.protocol import VisionEncoder

Array = NDArray[np.float64]
PRESETS = ("tap", "stroke", "recorded")
STAGES = ("views", "flow", "vocoder")


@dataclasses.dataclass(frozen=True, eq=False)
class Stage:
    """Where it is played: what a recording and its scene give.

    Args:
        camera: from which the recording saw the scene, in the scene's frame.
        focus: what the scene was scanned around [3].
        motion: of the recording's tool over 8 s of it [240].
        width: how far the gripper was open then [m]; NaN where it was not measured.
    """

    name: str
    gaussians: Gaussians
    camera: CameraModel
    focus: Array
    tx_tool_tip: SE3
    motion: SE3
    width: float


@dataclasses.dataclass(frozen=True, eq=False)
class Played:
    """What a motion sounds like."""

    sound: NDArray[np.float32]  # [128000] at 16 kHz
    mel: NDArray[np.float32]  # [80, 500]
    pictures: dict[str, list[Image]]  # of each view, 32 moments; empty where it was never drawn
    seconds: dict[str, float]  # that each of `STAGES` took


def open_stage(scene: Path, bag: Path, hand: GripperHand, start_s: float = 0.0) -> Stage:
    """A reconstructed scene, seen as a recording in it saw it.

    Args:
        hand: as which hand the gripper counts.
        start_s: where the 8 s of its motion begin; where it ends before, the hand rests.

    Raises:
        MotionError: the recording is of another scene, or lacks camera or poses; the scene's manifest is damaged.
        EpisodeError, PlyError, OSError: bag or scene cannot be read.
    """
    if not 0.0 <= start_s < np.inf:
        raise MotionError(f"start is {start_s} s, must not be negative")
    try:
        manifest = json.loads((scene / "scene.json").read_text())
        known, focus = (
            str(manifest.get("scene_id") or scene.name),
            np.array(manifest["focus"], dtype=np.float64),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MotionError(
            f"{scene / 'scene.json'}: damaged ({error!r}); reconstruct the scene again"
        ) from error
    episode = read_episode(bag)
    if episode.scene_id != known:
        raise MotionError(f"{bag} was recorded in scene `{episode.scene_id}`, {scene} is `{known}`")
    if episode.camera is None or episode.ee_pose is None:
        missing = f"{CAMERA_INFO.name} with {TF_STATIC.name}" if episode.camera is None else EE_POSE.name
        raise MotionError(f"{bag} lacks {missing}; take another recording of the scene")
    times = episode.start_ns + np.round((start_s + MOMENTS_S) * 1e9).astype(np.int64)
    inside = np.clip(times, episode.ee_pose.times_ns[0], episode.ee_pose.times_ns[-1])
    width = float("nan")
    if (measured := episode.gripper_width(hand)) is not None:
        width = float(np.median(np.interp(times, *measured)))
    motion = episode.ee_pose.at(inside)
    if not bool(motion.finite.all()):
        gap_s = start_s + float(MOMENTS_S[~motion.finite][0])
        raise MotionError(f"{bag}: ee_pose has a gap at {gap_s:.2f} s; choose other 8 s (--start)")
    gaussians = load_ply(scene / "scene.ply")
    return Stage(known, gaussians, episode.camera, focus, episode.tx_tool_tip, motion, width)


class Instrument:
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
        stage: Stage,
        hand: GripperHand,
        config: ViewConfig | None = None,
    ) -> None:
        trained = model.facts["encoder"]
        if encoder.identity != trained["identity"]:
            raise ValueError(f"the flow saw its views through {trained['identity']}, not {encoder.identity}")
        self.stage, self._model, self._encoder, self._hand = stage, model, encoder, hand
        self._names = tuple(model.facts["views"])
        self._renderer = ViewRenderer(stage.gaussians, stage.camera, stage.focus, config)

    def keypoints(self, tx_world_tool: SE3) -> Array:
        """Both hands [n, 2, 21, 3] of a tool's poses [n]."""
        return self._hand.keypoints(tx_world_tool, self.stage.width)

    def tip(self, tx_world_tool: SE3) -> Array:
        """The end of the tool [..., 3]."""
        return (tx_world_tool @ self.stage.tx_tool_tip).translation

    def preset(self, name: str, tx_world_tool: SE3) -> SE3:
        """One of `PRESETS`, from a pose of the tool.

        Raises:
            MotionError: there is no such motion, or nothing under the tool.
        """
        if name == "recorded":
            return self.stage.motion
        if name not in PRESETS:
            raise MotionError(f"motion is `{name}`, known are {', '.join(PRESETS)}")
        tip = self.tip(tx_world_tool)
        surface = surface_below(self.stage.gaussians, tip)
        return (taps if name == "tap" else strokes)(tx_world_tool, tip, surface)

    def condition(self, motion: SE3) -> tuple[Batch, dict[str, list[Image]]]:
        """What the flow is told of a motion [240], as a batch of one without sound, and the views behind it.

        Raises:
            MotionError: poses are missing or not known.
        """
        if motion.batch != (WINDOW_KEYPOINTS,) or not bool(motion.finite.all()):
            raise MotionError(f"a motion has {WINDOW_KEYPOINTS} known poses, this one {motion.batch}")
        keypoints = self.keypoints(motion)
        pictures, drawn = self._draw(motion, keypoints)
        silence = torch.zeros(1, self._model.field.config.latent, LATENT_FRAMES)
        return Batch(silence, self._look(pictures, drawn), _action(keypoints)), pictures

    def play(self, motion: SE3, seed: int, config: SampleConfig | None = None) -> Played:
        """The sound of a motion [240]; another seed, another sound.

        Raises:
            MotionError: poses are missing or not known.
        """
        marks = [time.monotonic()]
        part, pictures = self.condition(motion)
        marks.append(time.monotonic())
        mel = self._model.mels(part, seed, config)[0].numpy()
        marks.append(time.monotonic())
        sound = self._model.vocoder.waveform(mel)
        marks.append(time.monotonic())
        seconds = {n: b - a for n, a, b in zip(STAGES, marks[:-1], marks[1:], strict=True)}
        return Played(sound, mel, pictures, seconds)

    # ---- what is seen ----------------------------------------------------------------------------------
    def _draw(self, motion: SE3, keypoints: Array) -> tuple[dict[str, list[Image]], NDArray[np.bool_]]:
        """Views of every quarter of a second's beginning, as datasets have them, and which there are [32, views]."""
        begins = np.arange(WINDOW_FRAMES) / WINDOW_FRAME_RATE
        pictures: dict[str, list[Image]] = {name: [] for name in self._names}
        drawn = np.zeros((WINDOW_FRAMES, len(self._names)), dtype=bool)
        for k, moment in enumerate(np.round(begins * FRAME_RATE).astype(int)):
            tips = np.full((2, 3), np.nan)
            tips[SIDES.index(self._hand.main_side)] = self.tip(motion[moment])
            views = self._renderer.views(keypoints[moment], self._names, tips)
            for view, name in enumerate(self._names):
                if name in views.images:
                    pictures[name].append(views.images[name])
                    drawn[k, view] = True
        return pictures, drawn

    def _look(self, pictures: dict[str, list[Image]], drawn: NDArray[np.bool_]) -> Tensor:
        """[1, 250, views * dims], each view of unit length; 0 where it was not drawn."""
        features = torch.zeros(*drawn.shape, self._encoder.dims)
        for view, name in enumerate(self._names):
            if pictures[name]:
                seen = torch.from_numpy(self._encoder.encode(np.stack(pictures[name])))
                features[torch.from_numpy(drawn[:, view]), view] = torch.nn.functional.normalize(seen, dim=-1)
        return features.flatten(1)[latent_index(LATENT_FRAMES, WINDOW_FRAMES)][None]


def _action(keypoints: Array) -> Tensor:
    """[1, 250, 126]; 0 where a hand is absent."""
    flat = torch.from_numpy(np.nan_to_num(keypoints).reshape(len(keypoints), ACTION_DIMS).astype(np.float32))
    return flat[latent_index(LATENT_FRAMES, len(flat))][None]


def open_instrument(
    checkpoint: Path, scene: Path, bag: Path, *, start_s: float = 0.0, hand: str, threads: int
) -> Instrument:
    """What `foley flow play` plays on.

    Raises:
        CorruptCheckpoint: the flow cannot be read.
        MotionError, EpisodeError, PlyError, OSError: bag or scene cannot be used.
    """
    model = load_model(checkpoint)
    encoder = load_encoder(str(model.facts["encoder"]["name"]), threads=threads)
    gripper = GripperHand.from_yaml(hand)
    return Instrument(model, encoder, open_stage(scene, bag, gripper, start_s), gripper)
