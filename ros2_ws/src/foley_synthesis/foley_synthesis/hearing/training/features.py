"""Features of a generated set, made once by several processes and kept beside it in half precision."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_common.worker_processes import end_with_parent
from foley_synthesis.hearing.front_end import FrontEndConfig, log_mel
from foley_synthesis.hearing.inference.onset_search import clearest_onset
from foley_synthesis.hearing.training.generated_set import GeneratedSet, shard_audio

MARGIN = 4  # frames on either side, so that an onset can be moved by 20 ms
_VERSION = 1  # to be raised whenever `log_mel` says something else
_LATEST_SHARE = 0.5  # of a clip, at which a sound that is no contact is asked for
_CACHE = "features_{key}"


def feature_key(config: FrontEndConfig) -> str:
    """Of the folder in which they lie."""
    said = json.dumps([_VERSION, MARGIN, dataclasses.asdict(config)], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:12]


class Features:
    """Levels [n, frames + 2 MARGIN, bands] in dB, NaN where unknown, read from the disk as they are needed."""

    def __init__(self, shards: list[NDArray[np.float16]], rows: NDArray[np.int64] | None = None) -> None:
        self._shards = shards
        self._starts = np.cumsum([0, *(len(shard) for shard in shards)])
        self._rows = np.arange(self._starts[-1]) if rows is None else rows

    def __len__(self) -> int:
        return len(self._rows)

    def of(self, rows: NDArray[np.int64]) -> Features:
        """A part; nothing is read."""
        return Features(self._shards, self._rows[rows])

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """Those of some rows."""
        rows = self._rows[rows]
        taken = np.empty((len(rows), *self._shards[0].shape[1:]), np.float16)
        shard = np.searchsorted(self._starts, rows, side="right") - 1
        for index in np.unique(shard):
            there = shard == index
            taken[there] = self._shards[index][rows[there] - self._starts[index]]
        return taken


def open_features(
    data: GeneratedSet,
    config: FrontEndConfig,
    *,
    jobs: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Features:
    """Those of all clips; what is missing is made."""
    folder = data.path / _CACHE.format(key=feature_key(config))
    folder.mkdir(exist_ok=True)
    files = [folder / f"{shard.stem}.npy" for shard in data.shards]
    wanted = [
        (i, file)
        for i, file in enumerate(files)
        if not file.is_file() or file.stat().st_mtime < data.shards[i].stat().st_mtime
    ]
    bounds = np.cumsum([0, *data.counts])
    onsets = [data.labels["onset_s"][bounds[i] : bounds[i + 1]] for i in range(len(files))]
    work = [(data.shards[i], data.rate, onsets[i], config, file) for i, file in wanted]
    if jobs > 1 and len(work) > 1:
        with ProcessPoolExecutor(jobs, get_context("spawn"), end_with_parent) as pool:
            for done, _ in enumerate(pool.map(_write, work), 1):
                progress(done, len(work))
    else:
        for done, item in enumerate(work, 1):
            _write(item)
            progress(done, len(work))
    return Features([np.load(file, mmap_mode="r") for file in files])


def _asked_at(sound: NDArray[np.float32], rate: int, onset_s: float) -> float:
    """The contact, or where one would be taken for it in a sound without."""
    if math.isfinite(onset_s):
        return onset_s
    return min(clearest_onset(sound, rate), _LATEST_SHARE * len(sound) / rate)


def _write(work: tuple[Path, int, NDArray[np.float32], FrontEndConfig, Path]) -> None:
    shard, rate, onsets, config, file = work
    levels = [
        log_mel(sound, rate, _asked_at(sound, rate, float(onset)), config, margin=MARGIN)
        for sound, onset in zip(shard_audio(shard), onsets, strict=True)
    ]
    part = file.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as stream:
        np.save(stream, np.asarray(levels, np.float16))
    part.replace(file)
