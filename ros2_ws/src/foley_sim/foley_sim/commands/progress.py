"""How far a command that simulates is: a bar on a terminal, lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def simulated(what: str, total_s: float) -> Iterator[tuple[Callable[[float], None], Callable[[str], None]]]:
    """Shows progress while it lasts. Gives a function for simulated seconds done and one for warnings."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} s simulated"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    tty = sys.stderr.isatty()
    lines = ProgressLines(total_s)
    with Progress(*columns, console=Console(stderr=True), disable=not tty) as bar:
        task = bar.add_task(what, total=total_s)

        def advance(seconds: float) -> None:
            bar.advance(task, seconds)
            line = lines.advance(seconds, time.monotonic())
            if line and not tty:
                print(line, file=sys.stderr, flush=True)

        yield advance, lambda text: bar.console.print(f"foley sim: warning: {text}")


class ProgressLines:
    """Lines for a log where no bar can be drawn: how far it is, how fast, and how long it will still take."""

    def __init__(self, total_s: float, every_s: float = 30.0) -> None:
        self._total_s, self._every_s = total_s, every_s
        self._done_s = self._kept_s = 0.0
        self._started: float | None = None
        self._last = 0.0

    def advance(self, seconds: float, now_s: float) -> str:
        """A line if it is time for one. What the first call brings was there before."""
        self._done_s += seconds
        if self._started is None:
            self._started = self._last = now_s
            self._kept_s = self._done_s
        if now_s - self._last < self._every_s:
            return ""
        self._last = now_s
        speed = (self._done_s - self._kept_s) / (now_s - self._started)
        left = (self._total_s - self._done_s) / speed / 60 if speed > 0 else float("inf")
        return (
            f"{self._done_s:.0f} of {self._total_s:.0f} s simulated, {speed:.1f} x real time, "
            f"about {left:.1f} min left"
        )
