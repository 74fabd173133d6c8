"""What a dataset on disk is made of, in one place: columns and the two kinds of item, clips and windows.

Their grids and sizes stand in :mod:`foley_perception.clips.grid`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common.enumerations import ACTIONS
from foley_common.topics import MAIN_CAMERA, MAIN_MICROPHONE
from foley_perception.clips.grid import (
    ACTION_DIMS,
    CLIP_ACTIONS,
    CLIP_FRAMES,
    CLIP_S,
    CLIP_SAMPLES,
    WINDOW_ACTIONS,
    WINDOW_FRAMES,
    WINDOW_KEYPOINTS,
    WINDOW_S,
    WINDOW_SAMPLES,
)
from foley_perception.geometry.crop import CROP_SIZE

SCHEMA_VERSION = 1
ASSIGNED: tuple[str, ...] = ("train", "validation", "test")
"""Splits that recordings without one are assigned to."""
SEEN = "test_seen"
"""Further recordings of training scenes, kept for tests: given by the recording, never assigned."""
SPLITS: tuple[str, ...] = (*ASSIGNED, SEEN)
DOMAINS: tuple[str, ...] = ("sim", "real")

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


DEVICES: tuple[str, ...] = ("microphones", "cameras", "arms")
"""Kinds of devices, and the columns that name the further ones of an item."""
NAMES_LATER: tuple[str, ...] = ("reaction", *DEVICES, "without")
"""Columns that datasets of this schema version may lack: what says nothing in all rows is as if it were not there."""


class DatasetError(ValueError):
    """A dataset cannot be read or written; the message names the file, what is wrong and the cure."""


class LeakError(DatasetError):
    """A session, scene, object or stretch of time stands on two splits."""


@dataclasses.dataclass(frozen=True, eq=False)
class Further:
    """What further devices gave of an item, by device; the shapes are those of the main ones."""

    audio: dict[str, NDArray[np.float32]] = dataclasses.field(default_factory=dict)
    frames: dict[str, NDArray[np.uint8]] = dataclasses.field(
        default_factory=dict
    )  # of a clip the still comes last
    action: dict[str, NDArray[np.float32]] = dataclasses.field(default_factory=dict)  # executed

    @property
    def microphones(self) -> tuple[str, ...]:
        return tuple(sorted(self.audio))

    @property
    def cameras(self) -> tuple[str, ...]:
        return tuple(sorted(self.frames))

    @property
    def arms(self) -> tuple[str, ...]:
        return tuple(sorted(self.action))


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
    microphones: tuple[str, ...] = ()  # further ones that heard it
    cameras: tuple[str, ...] = ()  # further ones that saw it
    arms: tuple[str, ...] = ()  # further ones whose motion is known
    without: tuple[str, ...] = ()  # main devices (`microphone`, `camera`) that gave nothing of it

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
    microphones: tuple[str, ...] = ()  # further ones, as of a clip
    cameras: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()
    without: tuple[str, ...] = ()  # main devices, as of a clip

    @property
    def end_ns(self) -> int:
        return self.start_ns + round(WINDOW_S * 1e9)


@dataclasses.dataclass(frozen=True, eq=False)
class ClipData:
    """A clip with its media; None where the microphone or the camera gave nothing."""

    clip: Clip
    audio: NDArray[np.float32] | None  # [48000]
    frames: NDArray[np.uint8] | None  # [30, 128, 128, 3] RGB
    still: NDArray[np.uint8] | None  # [128, 128, 3] RGB
    action_executed: NDArray[np.float32]  # [90, 8]
    action_planned: NDArray[np.float32]  # [90, 8], all NaN without a plan
    keypoints: NDArray[np.float32]  # [30, 2, 21, 3] world
    further: Further = dataclasses.field(default_factory=Further)

    def __post_init__(self) -> None:
        _check_main(self.clip.clip_id, self.clip, self.audio, self.frames)
        if self.audio is not None:
            check_shape(self.clip.clip_id, "audio", self.audio, (CLIP_SAMPLES,))
        if self.frames is not None:
            check_shape(self.clip.clip_id, "frames", self.frames, (CLIP_FRAMES, CROP_SIZE, CROP_SIZE, 3))
        if (self.still is None) != (self.frames is None):
            raise DatasetError(f"`{self.clip.clip_id}`: frames and still come together")
        if self.still is not None:
            check_shape(self.clip.clip_id, "still", self.still, (CROP_SIZE, CROP_SIZE, 3))
        for name, shape in CLIP_ARRAYS.items():
            check_shape(self.clip.clip_id, name, getattr(self, name), shape)
        _check_further(self.clip.clip_id, self.clip, self.further)
        for name, sound in self.further.audio.items():
            check_shape(self.clip.clip_id, name, sound, (CLIP_SAMPLES,))
        for name, pictures in self.further.frames.items():
            check_shape(self.clip.clip_id, name, pictures, (CLIP_FRAMES + 1, CROP_SIZE, CROP_SIZE, 3))
        for name, action in self.further.action.items():
            check_shape(self.clip.clip_id, name, action, CLIP_ARRAYS["action_executed"])


@dataclasses.dataclass(frozen=True, eq=False)
class WindowData:
    """A window with its media; None where the microphone or the camera gave nothing."""

    window: Window
    audio: NDArray[np.float32] | None  # [384000]
    frames: NDArray[np.uint8] | None  # [32, H, W, 3] RGB, the camera's own size
    action_executed: NDArray[np.float32]  # [720, 7]
    keypoints: NDArray[np.float32]  # [240, 2, 21, 3] world
    further: Further = dataclasses.field(default_factory=Further)

    def __post_init__(self) -> None:
        _check_main(self.window.window_id, self.window, self.audio, self.frames)
        if self.audio is not None:
            check_shape(self.window.window_id, "audio", self.audio, (WINDOW_SAMPLES,))
        if self.frames is not None and (self.frames.ndim != 4 or self.frames.shape[0] != WINDOW_FRAMES):
            raise DatasetError(f"`{self.window.window_id}`: frames have shape {self.frames.shape}")
        for name, shape in WINDOW_ARRAYS.items():
            check_shape(self.window.window_id, name, getattr(self, name), shape)
        _check_further(self.window.window_id, self.window, self.further)
        for name, sound in self.further.audio.items():
            check_shape(self.window.window_id, name, sound, (WINDOW_SAMPLES,))
        for name, pictures in self.further.frames.items():
            if pictures.ndim != 4 or pictures.shape[0] != WINDOW_FRAMES:
                raise DatasetError(f"`{self.window.window_id}`: frames of {name} have shape {pictures.shape}")
        for name, action in self.further.action.items():
            check_shape(self.window.window_id, name, action, WINDOW_ARRAYS["action_executed"])


def _check_main(item_id: str, item: Clip | Window, audio: object, frames: object) -> None:
    there = {MAIN_MICROPHONE: audio, MAIN_CAMERA: frames}
    absent = tuple(device for device, given in there.items() if given is None)
    if item.without != absent:
        raise DatasetError(f"`{item_id}`: is without {item.without}, there are no data of {absent}")


def _check_further(item_id: str, item: Clip | Window, further: Further) -> None:
    for field in DEVICES:
        named, given = getattr(item, field), getattr(further, field)
        if named != given:
            raise DatasetError(f"`{item_id}`: {field} are {named}, there are data of {given}")


def check_shape(item: str, name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise DatasetError(f"`{item}`: {name} has shape {array.shape}, expected {shape}")
