"""The Greatest Hits (Owens et al. 2016) as a data set: a person hits and scratches things with a drumstick.

A user's copy, unpacked, holds for every video::

    <id>_denoised.mp4 | <id>_denoised_thumb.mp4 | <id>_mic.mp4     pictures, the first that is there
    <id>_denoised.wav | <id>_mic.wav                               sound
    <id>_times.txt                                                 `time material action reaction` per line
    train.txt, test.txt                                            ids of the published splits (optional)

There is no robot: motion, position, keypoints and numbers are NaN, and the picture is its central square.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_common.enumerations import ACTIONS, UNKNOWN
from foley_perception.audio.resample import resampled
from foley_perception.audio.sound_file import UnreadableSound, read_sound
from foley_perception.clips import grid as clip_grid
from foley_perception.clips import pictures
from foley_perception.dataset import schema
from foley_perception.dataset.hit_times import Hit, read_text, read_times
from foley_perception.dataset.rows import Rows
from foley_perception.dataset.schema import Clip, ClipData, DatasetError
from foley_perception.dataset.staging import BuildReport, Cut, Progress, build_from, identity_of
from foley_perception.geometry import crop

_VIDEOS = ("_denoised.mp4", "_denoised_thumb.mp4", "_mic.mp4")
_SOUNDS = ("_denoised.wav", "_mic.wav")
_TIMES = "_times.txt"
_VALIDATION_SHARE = 0.1  # of the published training videos
_VERSION = 2
_NS = 1_000_000_000


@dataclasses.dataclass(frozen=True)
class Recording:
    """The files of one video."""

    name: str
    video: Path
    sound: Path
    times: Path
    split: str  # empty: not in a list


def find_recordings(folder: Path) -> tuple[list[Recording], dict[str, str]]:
    """Complete recordings below a folder, and why others were left out.

    Raises:
        DatasetError: there is none, or one of them twice.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: is not a folder")
    published = _published_splits(folder)
    found: list[Recording] = []
    left_out: dict[str, str] = {}
    for times in sorted(folder.rglob(f"*{_TIMES}")):
        name = times.name.removesuffix(_TIMES)
        video, sound = (
            next((p for s in suffixes if (p := times.with_name(name + s)).is_file()), None)
            for suffixes in (_VIDEOS, _SOUNDS)
        )
        if video is None or sound is None:
            left_out[name] = f"no {name}{(_VIDEOS if video is None else _SOUNDS)[0]}"
            continue
        if any(other.name == name for other in found):
            raise DatasetError(f"{times}: `{name}` is there twice; give a folder that holds one copy")
        found.append(Recording(name, video, sound, times, published.get(name, "")))
    if not found:
        raise DatasetError(
            f"{folder}: holds no complete recording of The Greatest Hits (<id>_times.txt with <id>_denoised.mp4 and "
            f"<id>_denoised.wav beside it); {len(left_out)} were incomplete"
        )
    return found, left_out


def import_greatest_hits(
    folder: Path,
    out: Path,
    *,
    merge_s: float = 0.3,
    limit: int = 0,
    workers: int = 0,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> BuildReport:
    """Write the data set, or complete one that was interrupted.

    Args:
        merge_s: hits closer together than this are one clip.
        limit: at most so many videos, the first by name; 0 takes all.
        workers: processes; 0 takes one per core, 1 stays in this process.
        skip_bad: leave recordings out that cannot be read, instead of refusing.

    Raises:
        DatasetError: nothing to import, or a file that cannot be used.
    """
    recordings, incomplete = find_recordings(folder)
    sources = [HitsSource(recording, merge_s) for recording in recordings[: limit or None]]
    notes = {"origin": "The Greatest Hits", "incomplete": incomplete}
    return build_from(sources, out, workers=workers, skip_bad=skip_bad, progress=progress, notes=notes)


# ---- one recording -----------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True)
class HitsSource:
    """One video with its sound and its hits."""

    recording: Recording
    merge_s: float

    @property
    def path(self) -> Path:
        return self.recording.video

    def key(self) -> str:
        """The video's id, which is unique in the set."""
        return self.recording.name

    def identity(self) -> str:
        """Of its three files, its split and how it is cut."""
        files = (self.recording.video, self.recording.sound, self.recording.times)
        return identity_of(files, f"{_VERSION} {schema.SCHEMA_VERSION} {self.merge_s} {self.recording.split}")

    def session_id(self) -> str:
        return self.recording.name

    def cut(self, rows: Rows) -> Cut:
        """Raises DatasetError or OSError where a file cannot be used."""
        clips, skipped = _cut(self.recording, self.merge_s)
        for data in clips:
            rows.add_clip(data)
        name = self.recording.name
        return Cut(session_id=name, scene_id=name, split=self.recording.split, skipped=skipped)


def _cut(recording: Recording, merge_s: float) -> tuple[list[ClipData], collections.Counter[str]]:
    skipped: collections.Counter[str] = collections.Counter()
    sound = _read_sound(recording.sound)
    wanted: list[tuple[Hit, int, int]] = []  # hit, merged, first sample
    for hit, merged in _merged(read_times(recording.times), merge_s):
        first = round((hit.time_s - clip_grid.CLIP_BEFORE_S) * clip_grid.SAMPLE_RATE)
        if first < 0 or first + clip_grid.CLIP_SAMPLES > len(sound):
            skipped["a whole second of sound is not there"] += 1
        else:
            wanted.append((hit, merged, first))
    pictures = _pictures(recording.video, [first / clip_grid.SAMPLE_RATE for _, _, first in wanted])
    clips = []
    for number, ((hit, merged, first), seen) in enumerate(zip(wanted, pictures, strict=True)):
        if seen is None:
            skipped["the video ends before"] += 1
            continue
        clips.append(
            _clip(recording, number, hit, merged, sound[first : first + clip_grid.CLIP_SAMPLES], *seen)
        )
    return clips, skipped


def _clip(
    recording: Recording,
    number: int,
    hit: Hit,
    merged: int,
    sound: NDArray[np.float32],
    frames: NDArray[np.uint8],
    still: NDArray[np.uint8],
) -> ClipData:
    nowhere = math.nan
    clip = Clip(
        clip_id=f"{recording.name}_{number:04d}",
        session_id=recording.name,
        scene_id=recording.name,
        object_id=f"{recording.name}/{hit.material}",
        split=schema.ASSIGNED[0],  # splits are assigned when all recordings are known
        domain="real",
        contact_ns=round(hit.time_s * _NS),
        start_ns=round((hit.time_s - clip_grid.CLIP_BEFORE_S) * _NS),
        action=hit.action if hit.action in ACTIONS else UNKNOWN,
        material=hit.material,
        log10_youngs_modulus=nowhere,
        roughness=nowhere,
        hollowness=nowhere,
        impulse=nowhere,
        speed=nowhere,
        position=(nowhere, nowhere, nowhere),
        merged=merged,
        reaction=hit.reaction,
        origin=recording.name,
    )
    action = np.full((clip_grid.CLIP_ACTIONS, clip_grid.ACTION_DIMS), np.nan, np.float32)
    keypoints = np.full((clip_grid.CLIP_FRAMES, 2, 21, 3), np.nan, np.float32)
    return ClipData(clip, sound, frames, still, action, action, keypoints)


def _merged(hits: Sequence[Hit], merge_s: float) -> Iterable[tuple[Hit, int]]:
    """The first of hits that follow one another within ``merge_s`` stands for them."""
    groups: list[list[Hit]] = []
    for hit in hits:
        if groups and hit.time_s - groups[-1][-1].time_s < merge_s:
            groups[-1].append(hit)
        else:
            groups.append([hit])
    return [(group[0], len(group)) for group in groups]


def _read_sound(path: Path) -> NDArray[np.float32]:
    """The loudest channel at 48 kHz, [n]."""
    try:
        return resampled(*read_sound(path), clip_grid.SAMPLE_RATE)
    except UnreadableSound as error:
        raise DatasetError(str(error)) from error


Seen = tuple[NDArray[np.uint8], NDArray[np.uint8]]  # frames [30, S, S, 3], still [S, S, 3]


def _pictures(path: Path, starts_s: Sequence[float]) -> list[Seen | None]:
    """For clips that start at these times, in one pass through the video; None where it ends too early."""
    capture = cv2.VideoCapture(str(path))
    try:
        rate = float(capture.get(cv2.CAP_PROP_FPS))
        if not capture.isOpened() or not (math.isfinite(rate) and 1.0 <= rate <= 1000.0):
            raise DatasetError(f"{path}: cannot be read as a video (frame rate {rate}); unpack it again")
        # Frame k is shown from k / rate on: the newest frame at or before a time.
        grids = [_frame_numbers(start, rate) for start in starts_s]
        last_use: dict[int, int] = {}
        for clip, grid in enumerate(grids):
            last_use.update(dict.fromkeys(grid, clip))
        kept: dict[int, NDArray[np.uint8]] = {}
        found: list[Seen | None] = []
        number = -1
        for clip, grid in enumerate(grids):
            while number < max(grid):
                number += 1
                if not capture.grab():
                    return found + [None] * (len(grids) - len(found))
                if number in last_use:
                    whole, picture = capture.retrieve()
                    if not whole:
                        return found + [None] * (len(grids) - len(found))
                    kept[number] = _square(picture)
            found.append((np.stack([kept[k] for k in grid[:-1]]), kept[grid[-1]]))
            kept = {k: picture for k, picture in kept.items() if last_use[k] > clip}
        return found
    finally:
        capture.release()


def _frame_numbers(start_s: float, rate: float) -> list[int]:
    """Of the 30 frames of a clip, then of its still."""
    grid = start_s + (np.arange(clip_grid.CLIP_FRAMES) + 1) / clip_grid.FRAME_RATE
    still = max(start_s + clip_grid.CLIP_BEFORE_S - pictures.STILL_BEFORE_S, 0.0)
    return [int(k) for k in np.floor(np.append(grid, still) * rate + 1e-6)]


def _square(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = bgr.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    size = (crop.CROP_SIZE, crop.CROP_SIZE)
    small = cv2.resize(bgr[top : top + side, left : left + side], size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)


# ---- splits -------------------------------------------------------------------------------------------------
def _published_splits(folder: Path) -> dict[str, str]:
    published: dict[str, str] = {}
    for split in ("train", "test"):
        for path in (folder / f"{split}.txt", folder.parent / f"{split}.txt"):
            if not path.is_file():
                continue
            for line in read_text(path).split():
                name = line.split("_")[0]
                own = "validation" if split == "train" and _share(name) < _VALIDATION_SHARE else split
                if published.setdefault(name, own) != own:
                    raise DatasetError(
                        f"{path}: `{name}` is in train.txt and in test.txt; it can be in one split only"
                    )
            break
    return published


def _share(name: str) -> float:
    """In [0, 1), from the name alone."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32
