"""What has only a time of arrival, brought to the clock of the stamps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S

SAME_CLOCK_S = 1.0  # stamps that lie nearer to arrival are of one clock with it
Times = NDArray[np.int64]


class ArrivalClock:
    """Arrival to stamp, by interpolation between messages that have both; the identity where clocks agree.

    Simulated time that is recorded with the wall's, or a bag that is played into a recorder, has stamps that are
    offset, and run faster or slower.
    """

    def __init__(self, arrivals_ns: Times | None = None, stamps_ns: Times | None = None) -> None:
        empty = np.empty(0, np.int64)
        arrivals = empty if arrivals_ns is None else arrivals_ns
        stamps = empty if stamps_ns is None else stamps_ns
        order = np.argsort(arrivals, kind="stable")
        arrivals, stamps = arrivals[order], stamps[order]
        keep = np.ones(arrivals.size, np.bool_)
        keep[1:] = np.diff(arrivals) > 0
        self._arrivals, self._latencies = arrivals[keep], (arrivals - stamps)[keep]
        self.same = not self._latencies.size or bool(np.abs(self._latencies).max() <= SAME_CLOCK_S * NS_PER_S)

    @property
    def offset_s(self) -> float:
        """Arrival minus stamp at the begin."""
        return float(self._latencies[0]) / NS_PER_S if self._latencies.size else 0.0

    @property
    def factor(self) -> float:
        """How fast stamps run against arrival: the real-time factor of a simulation; 1 in a moment's recording."""
        if self._arrivals.size < 2:
            return 1.0
        return 1.0 - float(self._latencies[-1] - self._latencies[0]) / float(
            self._arrivals[-1] - self._arrivals[0]
        )

    def stamp_ns(self, arrival_ns: int) -> int:
        """When, by the stamps' clock, something arrived."""
        if self.same:
            return arrival_ns
        first, last = int(self._arrivals[0]), int(self._arrivals[-1])
        inside = min(max(arrival_ns, first), last)
        # Relative to the first, for float64 holds 1.8e18 ns to 256 ns only.
        base = int(self._latencies[0])
        latency = np.interp(
            inside - first, self._arrivals - first, (self._latencies - base).astype(np.float64)
        )
        beyond = round((arrival_ns - inside) * self.factor)
        return inside - base - round(float(latency)) + beyond
