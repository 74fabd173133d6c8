"""The Greatest Hits (Owens et al. 2016) as a data set: a person hits and scratches things with a drumstick.

A user's copy, unpacked, holds for every video::

    <id>_denoised.mp4 | <id>_denoised_thumb.mp4 | <id>_mic.mp4     pictures, the first that is there
    <id>_denoised.wav | <id>_mic.wav                               sound
    <id>_times.txt                                                 `time material action reaction` per line
    train.txt, test.txt                                            ids of the published sides (optional)

There is no robot: motion, position, keypoints and numbers are NaN, and the picture is its central square.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import soundfile
from numpy.typing import NDArray

from foley_perception import __version__
from foley_perception.dataset import manifest, schema, splits, store
from foley_perception.dataset.schema import Clip, ClipData, DatasetError

Progress = Callable[[int, int, str], None]  # videos done, videos in all, name of the one just done

_VIDEOS = ("_denoised.mp4", "_denoised_thumb.mp4", "_mic.mp4")
_SOUNDS = ("_denoised.wav", "_mic.wav")
_TIMES = "_times.txt"
_VALIDATION_SHARE = 0.1  # of the published training videos
_VERSION = 1
_NS = 1_000_000_000


@dataclasses.dataclass(frozen=True)
class Hit:
    """One line of a times file; what is not known is empty."""

    time_s: float
    material: str
    action: str
    reaction: str


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
        DatasetError: there is none.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: is not a folder")
    sides = _published_sides(folder)
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
        found.append(Recording(name, video, sound, times, sides.get(name, "")))
    if not found:
        raise DatasetError(
            f"{folder}: holds no complete recording of The Greatest Hits (<id>_times.txt with <id>_denoised.mp4 and "
            f"<id>_denoised.wav beside it); {len(left_out)} were incomplete"
        )
    return found, left_out


def read_times(path: Path) -> list[Hit]:
    """Hits in order of time.

    Raises:
        DatasetError: a line has no valid time; the message names file and line.
    """
    hits = []
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read ({error})") from error
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        try:
            time_s = float(words[0])
        except ValueError:
            time_s = math.nan
        if not (math.isfinite(time_s) and time_s >= 0):
            raise DatasetError(
                f"{path}, line {number}: time is `{words[0]}`, must be seconds from the beginning; correct the file"
            )
        names = [("" if word == "None" else word) for word in (*words[1:4], "", "", "")[:3]]
        hits.append(Hit(time_s, names[0], names[1], names[2]))
    return sorted(hits, key=lambda hit: hit.time_s)


def import_greatest_hits(
    folder: Path, out: Path, *, merge_s: float = 0.3, limit: int = 0, progress: Progress | None = None
) -> dict[str, Any]:
    """Write the data set, or complete one that was interrupted, and return its manifest.

    Args:
        merge_s: hits closer together than this are one clip.
        limit: at most so many videos, the first by name; 0 takes all.

    Raises:
        DatasetError: nothing to import, or a file that cannot be used.
    """
    recordings, left_out = find_recordings(folder)
    recordings = recordings[:limit] if limit else recordings
    try:
        store.make_folders(out)
    except OSError as error:
        raise DatasetError(f"{out}: cannot be written ({error.strerror})") from error
    rows: list[store.Row] = []
    skipped: collections.Counter[str] = collections.Counter()
    for done, recording in enumerate(recordings, start=1):
        part = out / "parts" / f"{recording.name}.json"
        identity = _identity(recording, merge_s)
        kept = _load_part(part, identity)
        if kept is None:
            clips, reasons = _cut(recording, merge_s)
            kept = {"identity": identity, "skipped": dict(reasons), "clips": []}
            for data in clips:
                store.store_clip(out, data)
                kept["clips"].append({**dataclasses.asdict(data.clip), "position": None})
            # Written last: without it the part does not exist.
            part.write_text(json.dumps(kept) + "\n", encoding="utf-8")
        skipped.update(kept["skipped"])
        rows += [_row(entry) for entry in kept["clips"]]
        if progress is not None:
            progress(done, len(recordings), recording.name)
    if not rows:
        raise DatasetError(f"{folder}: none of {len(recordings)} recordings gave a clip ({dict(skipped)})")
    notes = {
        "origin": "The Greatest Hits",
        "skipped": dict(skipped),
        "problems": {},
        "left_out": left_out,
        "foley_version": __version__,
    }
    sources = [{"session_id": r.name, "bag": r.video.name} for r in recordings]
    return manifest.finish(out, rows, [], sources=sources, notes=notes)


# ---- one recording -----------------------------------------------------------------------------------------
def _cut(recording: Recording, merge_s: float) -> tuple[list[ClipData], collections.Counter[str]]:
    skipped: collections.Counter[str] = collections.Counter()
    sound = _read_sound(recording.sound)
    wanted: list[tuple[Hit, int, int]] = []  # hit, merged, first sample
    for hit, merged in _merged(read_times(recording.times), merge_s):
        first = round((hit.time_s - schema.CLIP_BEFORE_S) * schema.SAMPLE_RATE)
        if first < 0 or first + schema.CLIP_SAMPLES > len(sound):
            skipped["a whole second of sound is not there"] += 1
        else:
            wanted.append((hit, merged, first))
    pictures = _pictures(recording.video, [first / schema.SAMPLE_RATE for _, _, first in wanted])
    clips = []
    for number, ((hit, merged, first), seen) in enumerate(zip(wanted, pictures, strict=True)):
        if seen is None:
            skipped["the video ends before"] += 1
            continue
        clips.append(_clip(recording, number, hit, merged, sound[first : first + schema.CLIP_SAMPLES], *seen))
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
        split=recording.split or _hashed_side(recording.name),
        domain="real",
        contact_ns=round(hit.time_s * _NS),
        start_ns=round((hit.time_s - schema.CLIP_BEFORE_S) * _NS),
        action=hit.action if hit.action in schema.ACTIONS else "unknown",
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
    action = np.full((schema.CLIP_ACTIONS, schema.ACTION_DIMS), np.nan, np.float32)
    keypoints = np.full((schema.CLIP_FRAMES, 2, 21, 3), np.nan, np.float32)
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
    """Mono at 48 kHz, [n]."""
    from scipy.signal import resample_poly

    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise DatasetError(f"{path}: cannot be read ({error}); unpack it again") from error
    mono = np.nan_to_num(samples.mean(axis=1))
    common = math.gcd(int(rate), schema.SAMPLE_RATE)
    if rate != schema.SAMPLE_RATE:
        mono = resample_poly(mono, schema.SAMPLE_RATE // common, int(rate) // common)
    return np.asarray(mono, np.float32)


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
                    kept[number] = _square(capture.retrieve()[1])
            found.append((np.stack([kept[k] for k in grid[:-1]]), kept[grid[-1]]))
            kept = {k: picture for k, picture in kept.items() if last_use[k] > clip}
        return found
    finally:
        capture.release()


def _frame_numbers(start_s: float, rate: float) -> list[int]:
    """Of the 30 frames of a clip, then of its still."""
    grid = start_s + (np.arange(schema.CLIP_FRAMES) + 1) / schema.FRAME_RATE
    still = max(start_s + schema.CLIP_BEFORE_S - schema.STILL_BEFORE_S, 0.0)
    return [int(k) for k in np.floor(np.append(grid, still) * rate + 1e-6)]


def _square(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = bgr.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    size = (schema.CROP_SIZE, schema.CROP_SIZE)
    small = cv2.resize(bgr[top : top + side, left : left + side], size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)


# ---- sides and parts ---------------------------------------------------------------------------------------
def _published_sides(folder: Path) -> dict[str, str]:
    sides: dict[str, str] = {}
    for side in ("train", "test"):
        for path in (folder / f"{side}.txt", folder.parent / f"{side}.txt"):
            if not path.is_file():
                continue
            for line in path.read_text("utf-8").split():
                name = line.split("_")[0]
                own = "validation" if side == "train" and _share(name) < _VALIDATION_SHARE else side
                if sides.setdefault(name, own) != own:
                    raise DatasetError(
                        f"{path}: `{name}` is in train.txt and in test.txt; it can be on one side only"
                    )
            break
    return sides


def _hashed_side(name: str) -> str:
    share = 0.0
    for side in schema.ASSIGNED:
        share += splits.DEFAULT_SHARES[side]
        if _share(name) < share:
            return side
    return schema.ASSIGNED[-1]


def _share(name: str) -> float:
    """In [0, 1), from the name alone."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32


def _identity(recording: Recording, merge_s: float) -> str:
    files = [
        (p.name, p.stat().st_size, p.stat().st_mtime_ns)
        for p in (recording.video, recording.sound, recording.times)
    ]
    parts = (_VERSION, schema.SCHEMA_VERSION, merge_s, recording.split, files)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _load_part(path: Path, identity: str) -> dict[str, Any] | None:
    try:
        kept: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return kept if kept["identity"] == identity else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _row(entry: Mapping[str, Any]) -> store.Row:
    """The Parquet row of a stored clip: everything that a robot would know is NaN."""
    row = {**entry, "position": [math.nan] * 3}
    for name, shape in schema.CLIP_ARRAYS.items():
        row[name] = np.full(int(np.prod(shape)), np.nan, np.float32)
    return row
