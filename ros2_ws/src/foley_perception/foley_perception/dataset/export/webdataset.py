"""Shards of WebDataset: tar files in which the files of one sample stand together and share the name before its dot.

https://github.com/webdataset/webdataset. Clips of a split are ``<split>-000000.tar`` and on, its windows
``<split>-windows-000000.tar`` and on. A sample has

    .json                  its row of the dataset; what is unknown is null
    .flac .jpg             sound and frames, byte by byte as they are in the dataset (frames one under the other);
                           missing where the sample's row has the device in `without`
    .<column>.npy          each array of the row
    .<device>.flac .<device>.jpg .<device>.npy    of further microphones, cameras and arms

The same dataset gives the same bytes.
"""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import math
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common.topics import MAIN_CAMERA, MAIN_MICROPHONE
from foley_perception.dataset import store
from foley_perception.dataset.export.format import ExportFormat
from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.schema import CLIP_ARRAYS, SPLITS, WINDOW_ARRAYS, Clip, Window

SHARD_SAMPLES = 1000
"""In one tar at most: some 0.2 GB of clips."""


def _write(dataset: ClipDataset, folder: Path, step: Callable[[], None]) -> None:
    windows = {name: dataset.window_array(name) for name in WINDOW_ARRAYS} if dataset.windows else {}
    for split in SPLITS:
        clips = (
            _sample(dataset, clip, clip.clip_id, {name: getattr(dataset, name)(i) for name in CLIP_ARRAYS})
            for i, clip in enumerate(dataset.clips)
            if clip.split == split
        )
        _write_shards(folder, split, clips, step)
        others = (
            _sample(dataset, window, window.window_id, {name: rows[i] for name, rows in windows.items()})
            for i, window in enumerate(dataset.windows)
            if window.split == split
        )
        _write_shards(folder, f"{split}-windows", others, step)


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


def _write_shards(
    folder: Path, name: str, samples: Iterator[dict[str, bytes]], step: Callable[[], None]
) -> None:
    """Samples are named by their number: an id may hold the dot that ends a sample's name."""
    numbered = enumerate(samples)
    for shard in itertools.count():
        few = itertools.islice(numbered, SHARD_SAMPLES)
        first = next(few, None)
        if first is None:
            return
        with tarfile.open(folder / f"{name}-{shard:06d}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
            for number, sample in itertools.chain([first], few):
                for extension, content in sample.items():
                    info = tarfile.TarInfo(f"{number:08d}.{extension}")
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
                step()


def _json(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_json(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


WEBDATASET = ExportFormat(
    "webdataset", "tar shards of FLAC, JPEG, JSON and NumPy files, for WebDataset's readers", _write
)
