"""What is wrong with a node's work at the moment: for its log, and for its line in /diagnostics."""

from __future__ import annotations

import threading
from collections.abc import Callable

LOGGED_AT_ONCE = 5  # different faults of one source, before it gets one line per pause
_PAUSE_NS = 1_000_000_000
_LONGEST = 1000  # characters of a fault: what it quotes may be a whole message


def shortened(text: str) -> str:
    """A sentence that fits into a line of a log, whatever it quotes."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 60]} ... ({len(text)} characters)"


class Faults:
    """One sentence per source; it stands until that source works again, or until it has aged. Any thread may report.

    Args:
        log: called with a fault that is new, or not what this source said last; of a source that says something else
            with every message with :data:`LOGGED_AT_ONCE` of them, then with one per second.
        hold_s: a fault that nothing repeats or clears is forgotten after this time [s].
    """

    def __init__(self, log: Callable[[str], None] = lambda sentence: None, *, hold_s: float = 30.0) -> None:
        self._log = log
        self._hold_ns = round(hold_s * 1e9)
        self._faults: dict[str, tuple[int, str]] = {}
        self._logged: dict[str, tuple[int, int]] = {}  # since when, and how many since then
        self._serious: set[str] = set()
        self._lock = threading.Lock()
        self.count = 0

    def report(self, source: str, what: str, now_ns: int, *, serious: bool = False) -> None:
        """Args: serious: what the node makes cannot be believed while it stands."""
        what = shortened(what)
        with self._lock:
            (self._serious.add if serious else self._serious.discard)(source)
            new = self._faults.get(source, (0, ""))[1] != what and self._may_log(source, now_ns)
            self._faults[source] = (now_ns, what)
            self.count += 1
        if new:
            self._log(f"{source}: {what}")

    def _may_log(self, source: str, now_ns: int) -> bool:
        since_ns, count = self._logged.get(source, (now_ns, 0))
        if count >= LOGGED_AT_ONCE and abs(now_ns - since_ns) >= _PAUSE_NS:
            since_ns, count = now_ns, count - 1
        if count >= LOGGED_AT_ONCE:
            return False
        self._logged[source] = (since_ns, count + 1)
        return True

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
