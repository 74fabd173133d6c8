"""What a dataset on disk is made of, in one place: sizes, columns and the two kinds of item.

A clip is 1.0 s around one contact; a window is 8.0 s of a session, whatever happens in it. Both are cut
on their own grid, which starts at ``start_ns``: audio sample i is taken at ``start_ns + i / 48000 s``,
frame i is the newest camera frame whose stamp is at most ``start_ns + (i + 1) / frame_rate``, action row i
is interpolated at ``start_ns + i / 90 s``, keypoint row i at ``start_ns + i / 30 s``.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCHEMA_VERSION = 1
ASSIGNED: tuple[str, ...] = ("train", "validation", "test")
"""Sides that recordings without one are assigned to."""
SEEN = "test_seen"
"""Further recordings of training scenes, kept for tests: given by the recording, never assigned."""
SPLITS: tuple[str, ...] = (*ASSIGNED, SEEN)
DOMAINS: tuple[str, ...] = ("sim", "real")

SAMPLE_RATE = 48_000  # [Hz]
CLIP_S = 1.0
CLIP_BEFORE_S = 0.25  # of the clip lies before the contact
FRAME_RATE = 30  # [Hz], crops and keypoints
ACTION_RATE = 90  # [Hz]
CROP_SIZE = 128  # [px]
CROP_HALF_SIZE_M = 0.12
STILL_BEFORE_S = 0.6  # the still shows the place this long before the contact
STILL_AT_LEAST_S = 0.5
ACTION_DIMS = 8  # tip - contact point (3) [m], tip velocity (3) [m/s], width [m], force [N]
WINDOW_S = 8.0
WINDOW_FRAME_RATE = 4  # [Hz]

CLIP_SAMPLES = round(CLIP_S * SAMPLE_RATE)
CLIP_FRAMES = round(CLIP_S * FRAME_RATE)
CLIP_ACTIONS = round(CLIP_S * ACTION_RATE)
WINDOW_SAMPLES = round(WINDOW_S * SAMPLE_RATE)
WINDOW_FRAMES = round(WINDOW_S * WINDOW_FRAME_RATE)
WINDOW_KEYPOINTS = round(WINDOW_S * FRAME_RATE)
WINDOW_ACTIONS = round(WINDOW_S * ACTION_RATE)

ACTIONS: tuple[str, ...] = ("unknown", "tap", "hit", "knock", "scratch", "rub", "pat", "press")

# Array columns of clips.parquet and windows.parquet: row shape, stored flat as fixed-size float32 lists.
CLIP_ARRAYS: dict[str, tuple[int, ...]] = {
    "action_executed": (CLIP_ACTIONS, ACTION_DIMS),
    "action_planned": (CLIP_ACTIONS, ACTION_DIMS),
    "keypoints": (CLIP_FRAMES, 2, 21, 3),
}
WINDOW_ARRAYS: dict[str, tuple[int, ...]] = {
    "keypoints": (WINDOW_KEYPOINTS, 2, 21, 3),
    "action_executed": (WINDOW_ACTIONS, 7),  # tip position in the world (3), velocity (3), width
}


class DatasetError(ValueError):
    """A dataset cannot be read or written; the message names the file, what is wrong and the cure."""


class LeakError(DatasetError):
    """A session, scene, object or stretch of time stands on two sides of a split."""


@dataclasses.dataclass(frozen=True)
class Clip:
    """One contact and how it was made. Unknown numbers are NaN, unknown names are empty."""

    clip_id: str
    session_id: str
    scene_id: str
    object_id: str
    split: str
    domain: str  # `sim` or `real`
    contact_ns: int
    start_ns: int
    action: str  # one of ACTIONS
    material: str
    log10_youngs_modulus: float  # of the touched object [log10 Pa]
    roughness: float  # [0, 1]
    hollowness: float  # [0, 1]
    impulse: float  # [N s]
    speed: float  # of the tip just before the contact [m/s]
    position: tuple[float, float, float]  # of the contact in the world [m]
    contact_id: str = ""
    plan_id: str = ""
    duration: float = math.nan  # of the contact [s]
    merged: int = 1  # contacts closer together than merge_s that this clip stands for
    audio_gap_s: float = 0.0  # of the clip's audio that was never recorded, and is zero here
    origin: str = ""  # machine that recorded it: overlapping times of one origin are one event
    reaction: str = ""  # what the touch did to the object, such as `static`, `deforms`, `rolls` or `scatters`

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise DatasetError(f"clip `{self.clip_id}`: split is `{self.split}`, known: {', '.join(SPLITS)}")
        if self.domain not in DOMAINS:
            raise DatasetError(f"clip `{self.clip_id}`: domain is `{self.domain}`, known are sim, real")
        if self.action not in ACTIONS:
            known = ", ".join(ACTIONS)
            raise DatasetError(f"clip `{self.clip_id}`: action is `{self.action}`, known: {known}")

    @property
    def end_ns(self) -> int:
        return self.start_ns + round(CLIP_S * 1e9)


@dataclasses.dataclass(frozen=True)
class Window:
    """8.0 s of a session."""

    window_id: str
    session_id: str
    scene_id: str
    split: str
    domain: str
    start_ns: int
    contacts: tuple[str, ...] = ()  # clip ids whose contact lies inside
    object_ids: tuple[str, ...] = ()
    audio_gap_s: float = 0.0
    origin: str = ""

    @property
    def end_ns(self) -> int:
        return self.start_ns + round(WINDOW_S * 1e9)


@dataclasses.dataclass(frozen=True, eq=False)
class ClipData:
    """A clip with its media."""

    clip: Clip
    audio: NDArray[np.float32]  # [48000]
    frames: NDArray[np.uint8]  # [30, 128, 128, 3] RGB
    still: NDArray[np.uint8]  # [128, 128, 3] RGB
    action_executed: NDArray[np.float32]  # [90, 8]
    action_planned: NDArray[np.float32]  # [90, 8], all NaN without a plan
    keypoints: NDArray[np.float32]  # [30, 2, 21, 3] world

    def __post_init__(self) -> None:
        check_shape(self.clip.clip_id, "audio", self.audio, (CLIP_SAMPLES,))
        check_shape(self.clip.clip_id, "frames", self.frames, (CLIP_FRAMES, CROP_SIZE, CROP_SIZE, 3))
        check_shape(self.clip.clip_id, "still", self.still, (CROP_SIZE, CROP_SIZE, 3))
        for name, shape in CLIP_ARRAYS.items():
            check_shape(self.clip.clip_id, name, getattr(self, name), shape)


@dataclasses.dataclass(frozen=True, eq=False)
class WindowData:
    """A window with its media."""

    window: Window
    audio: NDArray[np.float32]  # [384000]
    frames: NDArray[np.uint8]  # [32, H, W, 3] RGB, the camera's own size
    action_executed: NDArray[np.float32]  # [720, 7]
    keypoints: NDArray[np.float32]  # [240, 2, 21, 3] world

    def __post_init__(self) -> None:
        check_shape(self.window.window_id, "audio", self.audio, (WINDOW_SAMPLES,))
        if self.frames.ndim != 4 or self.frames.shape[0] != WINDOW_FRAMES:
            raise DatasetError(f"`{self.window.window_id}`: frames have shape {self.frames.shape}")
        for name, shape in WINDOW_ARRAYS.items():
            check_shape(self.window.window_id, name, getattr(self, name), shape)


def check_shape(item: str, name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise DatasetError(f"`{item}`: {name} has shape {array.shape}, expected {shape}")
