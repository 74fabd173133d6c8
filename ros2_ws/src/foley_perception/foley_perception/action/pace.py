"""How often a pose is made, and of how old parts: the same live and for recordings."""

from __future__ import annotations

from foley_common.times import NS_PER_S

JOINT_AGE_S = 0.25  # a pose is made of joints, or transforms, that were told within this time
POSE_RATE_HZ = 250.0  # of poses that are made where nobody tells them, at most


class Pace:
    """Says which of many stamps are due at a rate: those nearest to a steady grid."""

    def __init__(self, rate_hz: float) -> None:
        self._period_ns = int(NS_PER_S / rate_hz)
        self._next_ns: int | None = None

    def due(self, time_ns: int) -> bool:
        """Whether a period has passed since the last one. A stamp before it is late, unless time was set back."""
        period = self._period_ns
        late = time_ns - self._next_ns if self._next_ns is not None else period
        if -NS_PER_S <= late < -(period // 4):
            return False
        # After a pause, or a jump of time, the grid starts anew.
        self._next_ns = time_ns - late + period if -period < late < period else time_ns + period
        return True
