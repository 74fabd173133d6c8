"""Values over the time of a recording, in memory that does not grow with it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST = 512  # bins; beyond it two and two become one
_FIRST_S = 0.1


class TimeLine:
    """Lowest, highest, mean and count of the values in each bin of time. Bins become wider as the recording goes on.

    Args:
        bin_s: width of a bin at first [s].
        most: bins that are kept.
    """

    def __init__(self, bin_s: float = _FIRST_S, most: int = _MOST) -> None:
        self.bin_s, self._most = bin_s, most + most % 2
        self._low = np.full(self._most, np.inf)
        self._high = np.full(self._most, -np.inf)
        self._sum = np.zeros(self._most)
        self._count = np.zeros(self._most, np.int64)
        self._used = 0

    def add(self, time_s: float, value: float) -> None:
        """A value at a time since the recording's start; before it counts as at it. NaN is no value."""
        if not (math.isfinite(value) and math.isfinite(time_s)):
            return
        index = max(int(time_s / self.bin_s), 0)
        while index >= self._most:
            self._halve()
            index = max(int(time_s / self.bin_s), 0)
        self._used = max(self._used, index + 1)
        if value < self._low[index]:
            self._low[index] = value
        if value > self._high[index]:
            self._high[index] = value
        self._sum[index] += value
        self._count[index] += 1

    def _halve(self) -> None:
        half = self._most // 2
        for kept, joined, rest in (
            (self._low, np.minimum, np.inf),
            (self._high, np.maximum, -np.inf),
            (self._sum, np.add, 0.0),
            (self._count, np.add, 0),
        ):
            kept[:half] = joined(kept[::2], kept[1::2])
            kept[half:] = rest
        self.bin_s *= 2
        self._used = (self._used + 1) // 2

    @property
    def empty(self) -> bool:
        return not self._count.any()

    def slope_ppm(self) -> float:
        """By how much the lowest values rise with time, in millionths: Theil's slope; NaN of less than 10 s.

        Of arrival minus stamp that is how much slower the stamps' clock runs: delays only ever add.
        """
        at = np.flatnonzero(self._count)
        if len(at) < 10 or (at[-1] - at[0]) * self.bin_s < 10.0:
            return math.nan
        half = len(at) // 2
        first, second = at[:half], at[-half:]
        slopes = (self._low[second] - self._low[first]) / ((second - first) * self.bin_s)
        return float(np.median(slopes) * 1e6)

    def told(self, points: int = 120, *, rate: bool = False) -> dict[str, Any]:
        """For JSON and plots: ``step_s``, and ``low``, ``mid``, ``high`` of at most ``points`` steps, None where there
        is nothing.

        Args:
            rate: `mid` is how many values there were per second, and there is neither low nor high.
        """
        group = max(math.ceil(self._used / points), 1)
        low, high, total, count = self._grouped(group)
        step = self.bin_s * group
        if rate:
            whole = count[:-1] if len(count) > 4 else count  # the last step is cut off by the recording's end
            return {"step_s": step, "mid": [round(c / step, 3) for c in whole.tolist()]}
        some = count > 0
        mean = np.divide(total, count, out=np.zeros_like(total), where=some)
        return {
            "step_s": step,
            "low": _rounded(low, some),
            "mid": _rounded(mean, some),
            "high": _rounded(high, some),
        }

    def _grouped(
        self, group: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        size = math.ceil(self._used / group) * group
        missing = max(size - self._most, 0)

        def rows(values: NDArray[Any], rest: float) -> NDArray[Any]:
            return np.append(values[:size], np.full(missing, rest, values.dtype)).reshape(-1, group)

        return (
            rows(self._low, np.inf).min(axis=1, initial=np.inf),
            rows(self._high, -np.inf).max(axis=1, initial=-np.inf),
            rows(self._sum, 0.0).sum(axis=1),
            rows(self._count, 0).sum(axis=1),
        )


def _rounded(values: NDArray[np.float64], known: NDArray[np.bool_]) -> list[float | None]:
    return [float(f"{v:.5g}") if k else None for v, k in zip(values.tolist(), known.tolist(), strict=True)]
