"""Processes that never said who they are: which of them hang, told by how long they live without a word.

A node tells its process in its diagnostics. One that hangs before the first of them cannot be told from a healthy
successor that still loads, except by this: it was there through a silence that is longer than any start.
"""

from __future__ import annotations

from collections.abc import Iterable

from foley_common.processes import Process


class SilentProcesses:
    """Those seen of one node while nothing is heard of it. Times are monotonic seconds."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._since: dict[Process, float] = {}

    def heard(self) -> None:
        """The node lives, whichever process it is."""
        self._since.clear()

    def seen(self, processes: Iterable[Process], now: float) -> list[Process]:
        """Those that were there through the whole of the patience."""
        self._since = {process: self._since.get(process, now) for process in processes}
        return [process for process, since in self._since.items() if now - since >= self._patience_s]
