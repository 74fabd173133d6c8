"""Frozen features of a generated set, made once by several processes and kept beside it in half precision."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_common.worker_processes import end_with_parent
from foley_synthesis.hearing.inference.calibration import STAGES_S
from foley_synthesis.hearing.training.generated_set import GeneratedSet, shard_audio

_VERSION = 2  # to be raised whenever `FrozenPair` says something else
_CACHE = f"frozen_{_VERSION}"
_AT_ONCE = 32
_ONSET_S = 0.2  # of a patch of what has no onset


@dataclasses.dataclass(frozen=True, eq=False)
class FrozenRows:
    """Features of some of a set's clips, each heard for some time."""

    features: NDArray[np.float32]  # [n, f]
    row: NDArray[np.int64]  # [n], of the set
    heard_s: NDArray[np.float64]  # [n]

    def heard_for(self, seconds: float) -> FrozenRows:
        """Those that were heard for just so long."""
        rows = self.heard_s == seconds
        return FrozenRows(self.features[rows], self.row[rows], self.heard_s[rows])


def frozen_features(
    data: GeneratedSet,
    *,
    clips: int,  # at most, the set's first
    every_stage: bool,  # each clip for each length of sound; else all of it, and for every second clip one length more
    jobs: int = 1,
    progress: Callable[[float], None] = lambda done: None,
) -> FrozenRows:
    """What is missing is made. Raises FrozenMissing where the networks have not been fetched."""
    folder = data.path / _CACHE
    folder.mkdir(exist_ok=True)
    bounds = np.cumsum([0, *data.counts])
    wanted = [i for i in range(len(data.shards)) if bounds[i] < clips]
    files = [folder / f"{data.shards[i].stem}{'.every' if every_stage else ''}.npz" for i in wanted]
    work = [
        (data.shards[i], data.rate, data.labels["onset_s"][bounds[i] : bounds[i + 1]], every_stage, file)
        for i, file in zip(wanted, files, strict=True)
        if not file.is_file() or file.stat().st_mtime < data.shards[i].stat().st_mtime
    ]
    if jobs > 1 and len(work) > 1:
        with ProcessPoolExecutor(jobs, get_context("spawn"), end_with_parent) as pool:
            for done, _ in enumerate(pool.map(_write, work), 1):
                progress(done / len(work))
    else:
        for done, item in enumerate(work, 1):
            _write(item)
            progress(done / len(work))
    parts = [np.load(file, allow_pickle=False) for file in files]
    rows = np.concatenate([part["row"] + bounds[i] for part, i in zip(parts, wanted, strict=True)])
    features = np.concatenate([part["features"] for part in parts]).astype(np.float32)
    kept = rows < clips
    return FrozenRows(features[kept], rows[kept], np.concatenate([part["heard_s"] for part in parts])[kept])


def _write(work: tuple[Path, int, NDArray[np.float32], bool, Path]) -> None:
    from foley_synthesis.hearing.frozen_pair import FrozenPair, Heard, cached_tensors

    shard, rate, onsets, every_stage, file = work
    pair = FrozenPair(cached_tensors())
    audio = shard_audio(shard)
    lengths = _lengths(len(audio), every_stage)
    features = []
    for begin in range(0, len(lengths), _AT_ONCE):
        sounds = [
            Heard(audio[i], rate, float(np.nan_to_num(onsets[i], nan=_ONSET_S)), heard_s)
            for i, heard_s in lengths[begin : begin + _AT_ONCE]
        ]
        features.append(pair.hear(sounds).features.astype(np.float16))
    part = file.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as stream:
        np.savez(
            stream,
            features=np.concatenate(features),
            row=np.array([i for i, _ in lengths], np.int64),
            heard_s=np.array([s for _, s in lengths], np.float64),
        )
    part.replace(file)


def _lengths(clips: int, every_stage: bool) -> list[tuple[int, float]]:
    if every_stage:
        return [(i, heard_s) for heard_s in STAGES_S for i in range(clips)]
    shorter = STAGES_S[:-1]
    more = [(i, shorter[i // 2 % len(shorter)]) for i in range(0, clips, 2)]
    return [(i, math.inf) for i in range(clips)] + more
