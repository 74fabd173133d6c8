"""What is wrong with a node's work at the moment: for its log, and for its line in /diagnostics."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Faults:
    """One sentence per source; it stands until that source works again, or until it has aged. Any thread may report.

    Args:
        log: called with a fault that is new, or not what this source said last.
        hold_s: a fault that nothing repeats or clears is forgotten after this time [s].
    """

    def __init__(self, log: Callable[[str], None] = lambda sentence: None, *, hold_s: float = 30.0) -> None:
        self._log = log
        self._hold_ns = round(hold_s * 1e9)
        self._faults: dict[str, tuple[int, str]] = {}
        self._serious: set[str] = set()
        self._lock = threading.Lock()
        self.count = 0

    def report(self, source: str, what: str, now_ns: int, *, serious: bool = False) -> None:
        """Args: serious: what the node makes cannot be believed while it stands."""
        with self._lock:
            (self._serious.add if serious else self._serious.discard)(source)
            new = self._faults.get(source, (0, ""))[1] != what
            self._faults[source] = (now_ns, what)
            self.count += 1
        if new:
            self._log(f"{source}: {what}")

    def clear(self, source: str) -> None:
        with self._lock:
            self._faults.pop(source, None)

    def clear_all(self) -> None:
        with self._lock:
            self._faults.clear()

    def serious(self, now_ns: int) -> bool:
        """Whether a serious one stands."""
        self.standing(now_ns)
        with self._lock:
            return not self._serious.isdisjoint(self._faults)

    def standing(self, now_ns: int) -> list[str]:
        """All standing faults, newest first."""
        with self._lock:
            # A clock that was set back must not keep old faults for ever.
            self._faults = {
                source: fault
                for source, fault in self._faults.items()
                if abs(now_ns - fault[0]) <= self._hold_ns
            }
            newest_first = sorted(self._faults.items(), key=lambda item: -item[1][0])
        return [f"{source}: {what}" for source, (_, what) in newest_first]
