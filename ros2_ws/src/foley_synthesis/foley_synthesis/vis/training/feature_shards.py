"""The features of shards: each shard of an export becomes one file below the user's cache, once, by one process.

Beside the features a file holds the sounds of the clips that are kept in memory: all of validation, and of training a
part that is drawn by the clips' names, of which statistics, components and exemplars are taken.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from foley_perception.audio.cochleagram import Cochleagram
from foley_perception.clips.grid import CLIP_FRAMES
from foley_perception.dataset.reader import Clip
from foley_perception.dataset.schema import CLIP_ARRAYS
from foley_synthesis.training import processes
from foley_synthesis.training.webdataset_files import (
    Sample,
    ShardError,
    array_of,
    find_shards,
    is_url,
    pictures_of,
    read_samples,
    row_of,
    sound_of,
)
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.training.aligned import AlignedSounds, aligned_sound
from foley_synthesis.vis.training.features import (
    SAMPLE_RATE,
    FeatureSet,
    Progress,
    cache_key,
    encoded_pictures,
)
from foley_synthesis.vision.cache import cache_folder
from foley_synthesis.vision.protocol import VisionEncoder

KEPT_CLIPS = 4096  # of training, about, that are in memory
_SHARD_CLIPS = 1000  # in one at most, as they are exported
_BLOCK = 64  # rows that are read at a time
Row = dict[str, Any]  # arrays of one clip by name, and `clip`


@dataclasses.dataclass(frozen=True)
class FeatureShards:
    """What became of the shards of an export."""

    train: tuple[Path, ...]
    validation: tuple[Path, ...]
    fingerprint: str  # of what they were made of

    @property
    def counts(self) -> list[int]:
        """Training clips of each."""
        return [int(_facts(path)["clips"]) for path in self.train]

    @property
    def materials(self) -> dict[str, int]:
        """Training clips by material."""
        found: collections.Counter[str] = collections.Counter()
        for path in self.train:
            found.update(json.loads(_facts(path)["materials"]))
        return dict(found)

    @property
    def left_out(self) -> int:
        """Clips without sound or pictures."""
        return sum(int(_facts(path)["left_out"]) for path in (*self.train, *self.validation))

    def read(self, shard: int, start: int, stop: int) -> Iterator[Row]:
        """Training clips [start, stop) of a shard."""
        path = self.train[shard]
        clips = clips_in(path)
        for first in range(start, stop, _BLOCK):
            last = min(first + _BLOCK, stop)
            arrays = _rows(path, slice(first, last))
            for k in range(last - first):
                yield {"clip": clips[first + k], **{name: values[k] for name, values in arrays.items()}}

    def kept(self) -> tuple[FeatureSet, list[NDArray[np.float32]]]:
        """The clips that are in memory, and the sounds of them."""
        rows: list[Row] = []
        sounds: list[NDArray[np.float32]] = []
        for path in (*self.train, *self.validation):
            clips, arrays, found = clips_in(path), _rows(path, slice(None)), _sounds(path)
            rows += [
                {"clip": clips[k], **{n: values[k].copy() for n, values in arrays.items()}} for k in found
            ]
            sounds += found.values()
        if not rows:
            raise ShardError(
                "no clip is kept for validation: write shards of a data set that has validation clips"
            )
        return feature_set(rows), sounds


def feature_set(rows: Sequence[Row]) -> FeatureSet:
    """Of clips one by one."""
    arrays = {name: np.stack([row[name] for row in rows]) for name in rows[0] if name != "clip"}
    lag, aligned = arrays.pop("lag_s", None), arrays.pop("aligned", None)
    sounds = AlignedSounds(lag, aligned) if lag is not None and aligned is not None else None
    return FeatureSet(**arrays, clips=tuple(row["clip"] for row in rows), aligned=sounds)


def make_features(
    given: str, encoder: VisionEncoder, config: ModelConfig, progress: Progress | None = None
) -> FeatureShards:
    """Those of an export's shards, made where they are not there yet; processes share the work.

    Raises:
        ShardError: there are no training shards or clips, one cannot be read, or what another process made is not seen.
    """
    shards = {split: find_shards(given, split) for split in ("train", "validation")}
    if not shards["train"]:
        raise ShardError(f"{given}: no shards train-NNNNNN.tar; write them with `foley dataset export`")
    everything = [(shard, split) for split, found in shards.items() for shard in found]
    key = cache_key("shards", encoder, config)
    rate = min(1.0, KEPT_CLIPS / (_SHARD_CLIPS * len(shards["train"])))
    names = {shard: f"{_identity(shard, config, rate)}.safetensors" for shard, _ in everything}
    folder = cache_folder() / "feature_shards" / key
    for number, (shard, split) in enumerate(everything):
        path = folder / names[shard]
        if number % processes.count() == processes.rank() and not path.is_file():
            _make(shard, path, encoder, config, rate if split == "train" else 1.0)
        if progress is not None:
            progress(number + 1, len(everything))
    processes.wait()
    if missing := [shard for shard, _ in everything if not (folder / names[shard]).is_file()]:
        raise ShardError(
            f"the features of {missing[0]} were made by another process and are not in {folder}: set XDG_CACHE_HOME to "
            "a folder that all machines see"
        )
    train, validation = (
        tuple(folder / names[shard] for shard in shards[split]) for split in ("train", "validation")
    )
    fingerprint = hashlib.sha256(" ".join(names[shard] for shard, _ in everything).encode()).hexdigest()
    made = FeatureShards(train, validation, fingerprint)
    if not any(made.counts):
        raise ShardError(
            f"{given}: no training clip has both sound and pictures; {made.left_out} were left out"
        )
    return made


def clip_of(row: dict[str, Any]) -> Clip:
    """A row as JSON tells it, in which what is unknown is null."""

    def told(field: dataclasses.Field[Any]) -> Any:
        value = row[field.name]
        if value is None:
            return float("nan")
        if isinstance(value, list):
            return tuple(float("nan") if v is None else v for v in value)
        return value

    return Clip(**{field.name: told(field) for field in dataclasses.fields(Clip) if field.name in row})


# ---- files -------------------------------------------------------------------------------------------------
def _identity(shard: str, config: ModelConfig, rate: float) -> str:
    """Of a shard's content, by its size and time, or its URL; and of what is made of it beside the encoder's."""
    stat = None if is_url(shard) else Path(shard).stat()
    place = shard if stat is None else (str(Path(shard).resolve()), stat.st_size, stat.st_mtime_ns)
    return hashlib.sha256(repr((place, config.decoding, rate)).encode()).hexdigest()[:32]


def _make(shard: str, path: Path, encoder: VisionEncoder, config: ModelConfig, keep: float) -> None:
    from safetensors.numpy import save_file

    cochlea = Cochleagram(SAMPLE_RATE)
    rows, sounds, left_out = list[Row](), dict[int, bytes](), 0
    for number, sample in enumerate(read_samples(shard)):
        clip = clip_of(row_of(sample))
        if clip.without:
            left_out += 1
            continue
        if _draw(clip.clip_id) < keep:
            sounds[len(rows)] = sample["flac"]
        rows.append(_encoded(sample, clip, number, cochlea, encoder, config))
    first = rows[0] if rows else {}  # none: no clip of this shard has both sound and pictures
    arrays = {name: np.stack([row[name] for row in rows]) for name in first if name != "clip"}
    arrays["sound_rows"] = np.array(list(sounds), np.int64)
    arrays["sound_ends"] = np.cumsum([len(sound) for sound in sounds.values()]).astype(np.int64)
    arrays["sound_bytes"] = np.frombuffer(b"".join(sounds.values()), np.uint8)
    counts = collections.Counter(row["clip"].material for row in rows)
    facts = {
        "clips": str(len(rows)),
        "left_out": str(left_out),
        "materials": json.dumps(counts),
        "rows": json.dumps([dataclasses.asdict(row["clip"]) for row in rows]),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    save_file(arrays, part, facts)
    part.replace(path)


def _encoded(
    sample: Sample, clip: Clip, number: int, cochlea: Cochleagram, encoder: VisionEncoder, config: ModelConfig
) -> Row:
    sound, strip = sound_of(sample), pictures_of(sample, CLIP_FRAMES + 1)
    still, frames = encoded_pictures(clip, number, strip[:CLIP_FRAMES], strip[CLIP_FRAMES], encoder, config)
    row: Row = {
        "clip": clip,
        "cochleagram": cochlea(sound)[: config.sound_frames].astype(np.float32),
        "still": still.astype(np.float16),
        "frames": frames.astype(np.float16),
    }
    for name, column in (("planned", "action_planned"), ("executed", "action_executed")):
        row[name] = array_of(sample, column).reshape(CLIP_ARRAYS[column])
    if config.decoding == "onset":
        lag, aligned = aligned_sound(sound, cochlea)
        row |= {"lag_s": np.float32(lag), "aligned": aligned[: config.sound_frames].astype(np.float32)}
    return row


def _draw(clip_id: str) -> float:
    """In [0, 1), by its name alone."""
    return int(hashlib.sha256(clip_id.encode()).hexdigest()[:8], 16) / 2**32


@lru_cache(maxsize=4096)
def _facts(path: Path) -> dict[str, str]:
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        facts: dict[str, str] = file.metadata()
    return {name: value for name, value in facts.items() if name != "rows"}


@lru_cache(maxsize=32)
def clips_in(path: Path) -> list[Clip]:
    """Of a file of features."""
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        return [clip_of(row) for row in json.loads(file.metadata()["rows"])]


def _rows(path: Path, rows: slice) -> dict[str, NDArray[Any]]:
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        names = [name for name in file.keys() if not name.startswith("sound_")]  # noqa: SIM118
        return {name: file.get_slice(name)[rows] for name in names}


def _sounds(path: Path) -> dict[int, NDArray[np.float32]]:
    """Kept sounds by their rows."""
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        rows, ends, data = (file.get_tensor(f"sound_{name}") for name in ("rows", "ends", "bytes"))
    found, begin = {}, 0
    for row, end in zip(rows.tolist(), ends.tolist(), strict=True):
        samples, _ = soundfile.read(io.BytesIO(data[begin:end].tobytes()), dtype="float32")
        found[row], begin = np.asarray(samples, np.float32), end
    return found
