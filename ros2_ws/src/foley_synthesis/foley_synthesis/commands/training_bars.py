"""How far a long command is, above all a training: a bar for each stage; where nobody watches bars, lines."""

from __future__ import annotations

import time
from typing import Any

_EVERY_S = 60.0  # at least, between lines of a stage where no bar is drawn


class Bars:
    """A bar for each stage, those of training with its figures.

    A validation is a line of its own, and stays. Where stderr is no terminal there are lines every minute, too.
    """

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("{task.description:10}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[figures]}"),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, Any] = {}
        self._told: dict[str, float] = {}

    def __enter__(self) -> Bars:
        self._progress.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._progress.__exit__(*error)

    def count(self, stage: str, done: int, total: int) -> None:
        """So many of so many."""
        self._set(stage, total=total, completed=done)
        self._tell(stage, f"{done} of {total}", done >= total)

    def share(self, stage: str, done: float, figures: dict[str, float]) -> None:
        """A share, and what is to be said."""
        text = ", ".join(
            f"{name} {value:.4f}" if isinstance(value, float) else f"{name} {value}"
            for name, value in figures.items()
        )
        self._set(stage, total=1.0, completed=done, figures=text)
        validated = bool({"validation", "foreground_db"} & set(figures))
        if validated:
            self._line(stage, f"{100 * done:.0f} %: {text}")
        else:
            self._tell(stage, f"{100 * done:.0f} %: {text}", done >= 1.0)

    def say(self, text: str) -> None:
        """A line that stays."""
        self._progress.console.print(text, highlight=False, soft_wrap=True)

    def _tell(self, stage: str, text: str, last: bool) -> None:
        since = time.monotonic() - self._told.setdefault(stage, time.monotonic())
        if not self._progress.console.is_terminal and (last or since > _EVERY_S):
            self._line(stage, text)

    def _line(self, stage: str, text: str) -> None:
        self._told[stage] = time.monotonic()
        self.say(f"{stage} {text}")

    def _set(self, stage: str, **values: Any) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=1.0, figures="")
        self._progress.update(self._tasks[stage], **values)
