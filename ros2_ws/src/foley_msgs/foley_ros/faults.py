"""What is wrong with a node's inputs at the moment, for its line in /diagnostics. May be used from any thread."""

from __future__ import annotations

import threading


class Faults:
    """One sentence per input; it stands until that input works again, or until it has aged.

    Args:
        hold_s: a fault that nothing repeats or clears is forgotten after this time [s].
    """

    def __init__(self, hold_s: float = 30.0) -> None:
        self._hold_ns = round(hold_s * 1e9)
        self._faults: dict[str, tuple[int, str]] = {}
        self._lock = threading.Lock()
        self.count = 0

    def report(self, source: str, what: str, now_ns: int) -> None:
        with self._lock:
            self._faults[source] = (now_ns, what)
            self.count += 1

    def clear(self, source: str) -> None:
        with self._lock:
            self._faults.pop(source, None)

    def clear_all(self) -> None:
        with self._lock:
            self._faults.clear()

    def sentence(self, now_ns: int) -> str:
        """All standing faults, newest first; empty if there are none."""
        with self._lock:
            # A clock that was set back must not keep old faults for ever.
            self._faults = {
                source: fault
                for source, fault in self._faults.items()
                if abs(now_ns - fault[0]) <= self._hold_ns
            }
            newest_first = sorted(self._faults.items(), key=lambda item: -item[1][0])
        return "; ".join(f"{source}: {what}" for source, (_, what) in newest_first)
