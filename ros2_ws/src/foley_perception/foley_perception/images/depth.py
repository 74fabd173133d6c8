"""The unit of depth images: what ROS says, unless the values cannot be that."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FRAMES = 5  # with readings, by which the unit is decided
# REP 118: 16UC1 are millimetres, 32FC1 metres. What else the median reading may mean, nearest guess first: the
# factor to metres, and from and to which median of the values. A depth camera of a robot sees 0.06 to 10 m (mm), one
# that sends floats up to 60 m.
_INTEGERS = ((1e-3, 60.0, 10_000.0), (1e-4, 10_000.0, 65_536.0), (1e-2, 10.0, 60.0))
_FLOATS = ((1.0, 0.03, 60.0), (1e-3, 60.0, 60_000.0))
_NAMES = {1.0: "metres", 1e-2: "centimetres", 1e-3: "millimetres", 1e-4: "tenths of a millimetre"}


class DepthScale:
    """The factor from a stream's depth values to metres, decided by its first images.

    The first five images with readings that :meth:`look` is shown decide. Depth in a unit that no camera sends is
    unknown throughout: :attr:`usable` is False then.
    """

    def __init__(self) -> None:
        self._medians: list[float] = []
        self._floats = False
        self._factor: float | None = None
        self._decided = False

    @property
    def decided(self) -> bool:
        """An image with readings was shown."""
        return self._decided

    @property
    def settled(self) -> bool:
        """No further image changes it."""
        return len(self._medians) >= _FRAMES

    @property
    def usable(self) -> bool:
        return not self._decided or self._factor is not None

    @property
    def problem(self) -> str:
        """Which values are taken for what; empty where they are what their encoding says."""
        usual = 1.0 if self._floats else 1e-3
        if not self._decided or self._factor == usual:
            return ""
        kind = "32FC1" if self._floats else "16UC1"
        median = float(np.median(self._medians))
        said = f"half of the values of its {kind} images are above {median:.4g}; {kind} means {_NAMES[usual]}"
        if self._factor is None:
            return f"{said}, and no unit makes a distance of it: depth is left out; publish it in {_NAMES[usual]}"
        return f"{said}, which cannot be: they are taken for {_NAMES[self._factor]}; publish it in {_NAMES[usual]}"

    def look(self, values: NDArray[np.generic]) -> None:
        """Take in values [H, W] of one image; after the first five this does nothing."""
        if self.settled:
            return
        known = values[_known(values)]
        if not known.size:
            return
        self._floats = values.dtype.kind == "f"
        self._medians.append(float(np.median(known.astype(np.float64))))
        median = float(np.median(self._medians))
        table = _FLOATS if self._floats else _INTEGERS
        self._factor = next((factor for factor, low, high in table if low <= median < high), None)
        self._decided = True

    def metres(self, values: NDArray[np.generic]) -> NDArray[np.float32]:
        """Depth [H, W] float32 in metres of values [H, W]; NaN where there is no reading."""
        factor = self._factor if self._decided else (1.0 if values.dtype.kind == "f" else 1e-3)
        if factor is None:
            return np.full(values.shape, np.nan, dtype=np.float32)
        metres = values.astype(np.float32) * np.float32(factor)
        metres[~_known(values)] = np.nan
        return metres


def _known(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(values) & (values > 0))  # type: ignore[operator]
