"""Own noise as the onset detector is told it: levels out of which an onset must stand to be clear."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from foley_perception.own_noise.model import OwnNoise
from foley_perception.own_noise.motion import JointPositions, Times, speeds_at

Array = NDArray[np.float64]

SPREADS = 3.0  # of the model, above its mean: noise seldom exceeds it in several bands at once


@dataclasses.dataclass(frozen=True, eq=False)
class NoiseSource:
    """A model, and where the speeds come from."""

    model: OwnNoise
    positions: JointPositions

    def mask(self, time_ns: Callable[[Array], Times]) -> OnsetMask:
        """For a stream whose samples [n] were captured at those times."""
        return OnsetMask(self.model, self.positions, time_ns)

    def wrong_rate(self, sample_rate: int) -> str:
        """What is told of sound of another rate."""
        return (
            f"own noise was learnt at {self.model.sample_rate} Hz, the microphone gives {sample_rate} Hz: it is not "
            "used; learn it anew with `foley calibrate noise`"
        )


@dataclasses.dataclass
class MaskCounts:
    """What became of the times asked for."""

    asked: int = 0
    unknown: int = 0  # joints were not told: as without
    beyond: int = 0  # faster than was learnt


class OnsetMask:
    """Levels of own noise at any sample; see :data:`foley_perception.audio.onset.ExpectedLevels`.

    Args:
        positions: of the joints.
        time_ns: when samples [n] were captured.
        spreads: of the model above its mean.
    """

    def __init__(
        self,
        model: OwnNoise,
        positions: JointPositions,
        time_ns: Callable[[Array], Times],
        *,
        spreads: float = SPREADS,
    ) -> None:
        self.model, self.spreads = model, spreads
        self.counts = MaskCounts()
        self._positions, self._time_ns = positions, time_ns
        self._into: dict[bytes, Array] = {}  # by the edges of who asks

    def __call__(self, samples: Array, edges_hz: Array) -> Array:
        """[n, bands] dB; -inf where own noise is not known."""
        times = self._time_ns(samples)
        expected = self.model.expect(speeds_at(self._positions, self.model.joints, times))
        self.counts.asked += len(times)
        self.counts.unknown += int(np.count_nonzero(~expected.known))
        self.counts.beyond += int(np.count_nonzero(expected.wider_db))
        key = edges_hz.tobytes()
        if key not in self._into:
            self._into[key] = self.model.into_bands(edges_hz, spreads=self.spreads)
        return self.model.levels(expected, self._into[key])
