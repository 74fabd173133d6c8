"""How often a pose is made, and of how old parts: the same live and for recordings."""

from __future__ import annotations

from foley_common.times import NS_PER_S

JOINT_AGE_S = 0.25  # a pose is made of joints, or transforms, that were told within this time
POSE_RATE_HZ = 250.0  # of poses that are made where nobody tells them, at most


class Pace:
    """Says which of many stamps are due at a rate."""

    def __init__(self, rate_hz: float) -> None:
        self._period_ns = int(NS_PER_S / rate_hz)
        self._last_ns: int | None = None

    def due(self, time_ns: int) -> bool:
        """Whether a period has passed since the last one. A stamp before it is late, unless time was set back."""
        period = self._period_ns
        if self._last_ns is not None and -NS_PER_S <= time_ns - self._last_ns < period - period // 4:
            return False
        self._last_ns = time_ns
        return True
