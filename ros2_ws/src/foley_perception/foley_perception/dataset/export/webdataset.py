"""Shards of WebDataset: tar files in which the files of one sample stand together and share the name before its dot.

https://github.com/webdataset/webdataset. Clips of a split are ``<split>-000000.tar`` and on, its windows
``<split>-windows-000000.tar`` and on. A sample has

    .json                  its row of the dataset; what is unknown is null
    .flac .jpg             sound and frames, byte by byte as they are in the dataset (frames one under the other);
                           missing where the sample's row has the device in `without`
    .<column>.npy          each array of the row
    .<device>.flac .<device>.jpg .<device>.npy    of further microphones, cameras and arms

Times are whole nanoseconds: sample 0 of the sound was captured at `start_ns`, frame i is the newest of the camera at
`start_ns` + (i + 1) / 30 s. The same dataset gives the same bytes.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import math
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common.topics import MAIN_CAMERA, MAIN_MICROPHONE
from foley_perception.dataset import store
from foley_perception.dataset.export.format import Facts, Plan, Shard, ShardedFormat, Step
from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.schema import CLIP_ARRAYS, SPLITS, WINDOW_ARRAYS, Clip, Window

SHARD_SAMPLES = 1000
"""In one tar at most: some 0.2 GB of clips."""


def _plan(dataset: ClipDataset) -> Plan:
    shards: list[Shard] = []
    arrays = functools.cache(dataset.window_array)
    for split in SPLITS:
        clips = [i for i, clip in enumerate(dataset.clips) if clip.split == split]
        windows = [i for i, window in enumerate(dataset.windows) if window.split == split]
        shards += _shards(split, clips, functools.partial(_clip, dataset))
        shards += _shards(f"{split}-windows", windows, functools.partial(_window, dataset, arrays))
    return Plan(tuple(shards), {})


def _clip(dataset: ClipDataset, index: int) -> dict[str, bytes]:
    arrays = {name: getattr(dataset, name)(index) for name in CLIP_ARRAYS}
    return _sample(dataset, dataset.clips[index], dataset.clips[index].clip_id, arrays)


def _window(
    dataset: ClipDataset, arrays: Callable[[str], NDArray[np.float32]], index: int
) -> dict[str, bytes]:
    rows = {name: arrays(name)[index] for name in WINDOW_ARRAYS}
    return _sample(dataset, dataset.windows[index], dataset.windows[index].window_id, rows)


def _sample(
    dataset: ClipDataset, item: Clip | Window, item_id: str, arrays: dict[str, NDArray[np.float32]]
) -> dict[str, bytes]:
    """Content by extension."""
    row = {name: _json(value) for name, value in dataclasses.asdict(item).items()}
    found = {"json": json.dumps(row, allow_nan=False).encode()}
    paths: dict[str, Path] = {}
    if MAIN_MICROPHONE not in item.without:
        paths["flac"] = store.audio_path(dataset.path, item_id)
    if MAIN_CAMERA not in item.without:
        paths["jpg"] = store.frames_path(dataset.path, item_id)
    paths |= {f"{d}.flac": store.audio_path(dataset.path, item_id, d) for d in item.microphones}
    paths |= {f"{d}.jpg": store.frames_path(dataset.path, item_id, d) for d in item.cameras}
    paths |= {f"{d}.npy": store.action_path(dataset.path, item_id, d) for d in item.arms}
    found |= {extension: store.read_media(path) for extension, path in paths.items()}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, np.asarray(array, dtype="<f4"))
        found[f"{name}.npy"] = buffer.getvalue()
    return found


def _shards(name: str, items: Sequence[int], sample: Callable[[int], dict[str, bytes]]) -> list[Shard]:
    """Samples are named by their number in the split: an id may hold the dot that ends a sample's name."""
    found = []
    for number, start in enumerate(range(0, len(items), SHARD_SAMPLES)):
        few = items[start : start + SHARD_SAMPLES]
        file = f"{name}-{number:06d}.tar"
        found.append(Shard(file, len(few), functools.partial(_write_shard, file, start, few, sample)))
    return found


def _write_shard(
    file: str,
    start: int,
    items: Sequence[int],
    sample: Callable[[int], dict[str, bytes]],
    folder: Path,
    step: Step,
) -> Facts:
    with tarfile.open(folder / file, "w", format=tarfile.USTAR_FORMAT) as tar:
        for number, item in enumerate(items, start):
            for extension, content in sample(item).items():
                info = tarfile.TarInfo(f"{number:08d}.{extension}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            step()
    return {"samples": len(items)}


def _json(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_json(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


WEBDATASET = ShardedFormat(
    "webdataset",
    "of a data set: tar shards of FLAC, JPEG, JSON and NumPy files, for WebDataset's readers",
    _plan,
)
