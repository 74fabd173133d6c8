"""Recordings made here, a source that plays them in chunks, and a model that hears in stages."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio_devices.mailbox import Chunk
from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.hearing.inference.heard_model import HeardModel

RATE = 48_000
TAPS_S = (0.7, 1.4, 2.6)


def ring(frequency: float, t60_s: float) -> NDArray[np.float64]:
    t = np.arange(round(min(1.3 * t60_s, 2.0) * RATE)) / RATE
    modes = sum(np.sin(2 * np.pi * frequency * k * t) / k for k in (1.0, 2.41, 3.9))
    sound = 0.25 * modes * np.exp(-6.9 * t / t60_s)
    sound[:200] += 0.1 * np.random.default_rng(0).standard_normal(200) * np.exp(-np.arange(200) / 50)
    return np.asarray(sound)


def taps(seconds: float = 4.0, times: tuple[float, ...] = TAPS_S) -> NDArray[np.float32]:
    """A ring that fades within half a second at each time, over noise at -70 dBFS."""
    sound = 10 ** (-70 / 20) * np.random.default_rng(1).standard_normal(round(seconds * RATE))
    for at in times:
        begin, tap = round(at * RATE), ring(1200.0, 0.4)
        n = min(len(tap), len(sound) - begin)
        sound[begin : begin + n] += tap[:n]
    return sound.astype(np.float32)


class Recording:
    """A capture that plays samples [n, channels] in chunks of so many."""

    name = "a recording"

    def __init__(
        self, samples: NDArray[np.float32], chunk: int = 480, lost: dict[int, int] | None = None
    ) -> None:
        """Args: lost: number of a chunk -> samples before it that are lost."""
        self.sample_rate = RATE
        self._samples, self._chunk, self._lost = samples, chunk, lost or {}
        self.open = False

    def chunks(self) -> Iterator[Chunk]:
        at = 0
        number = 0
        while at < len(self._samples):
            lost = self._lost.get(number, 0)
            at += lost
            yield Chunk(self._samples[at : at + self._chunk], time.monotonic(), lost)
            at, number = at + self._chunk, number + 1

    def __enter__(self) -> Recording:
        self.open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.open = False


@dataclasses.dataclass(frozen=True)
class StagedHeard:
    """What a model that hears in stages says."""

    belief: MaterialBelief
    material_set: tuple[str, ...]
    heard_s: float
    coverage: float = 0.9
    families: dict[str, float] = dataclasses.field(default_factory=lambda: {"hard": 0.7})
    action: dict[str, float] = dataclasses.field(default_factory=lambda: {"hit": 0.8, "scratch": 0.2})

    def to_dict(self) -> dict[str, Any]:
        return {**self.belief.to_dict(), "material_set": list(self.material_set), "coverage": self.coverage}


class Staged:
    """The shipped model, asked in stages: what is not heard yet is padded with silence."""

    def __init__(self, model: HeardModel, names: tuple[str, ...]) -> None:
        self.model, self.names = model, names
        self.vocabulary, self.model_id, self.domain = model.vocabulary, model.model_id, model.domain

    def predict(
        self, samples: NDArray[np.float32], sample_rate: int, *, onset_s: float | None = None
    ) -> MaterialBelief:
        return self.hear(samples, sample_rate, onset_s=onset_s).belief

    def hear(
        self,
        samples: NDArray[np.float32],
        sample_rate: int,
        *,
        onset_s: float | None = None,
        heard_s: float = math.inf,
    ) -> StagedHeard:
        known_s = min(len(samples) / sample_rate - (onset_s or 0.0), heard_s)
        whole = np.pad(samples, (0, sample_rate // 2))
        return StagedHeard(self.model.predict(whole, sample_rate, onset_s=onset_s), self.names, known_s)
