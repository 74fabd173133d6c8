"""Where a session shows itself: a terminal that is drawn anew, or lines of text."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

from rich.console import Console, RenderableType
from rich.live import Live

from foley_perception.collecting import lines, screen
from foley_perception.collecting.commands import Command
from foley_perception.collecting.session import Event
from foley_perception.collecting.takes import Take
from foley_perception.collecting.view import View

_PERIOD_S = 0.25  # as often as the recorder tells its status


class Output:
    """Draws at most four times a second. A terminal that was closed ends nothing: the take must still be ended well.

    Args:
        console: of a terminal it is redrawn, else it gets a line every few seconds.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console if console is not None else Console(highlight=False)
        self._drawn = -lines.PERIOD_S
        self._live: Live | None = None
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(
                console=self._console, auto_refresh=False, transient=True, vertical_overflow="crop",
                redirect_stdout=False, redirect_stderr=False,
            )  # fmt: skip
        elif not self._console.is_terminal:
            self._console = Console(
                file=self._console.file, width=140, highlight=False
            )  # is not cut at 80 columns

    def __enter__(self) -> Output:
        if self._live is not None:
            try:
                self._live.start()
            except OSError:
                self._live = None
        return self

    def __exit__(self, *how: object) -> None:
        with self._if_there():
            if self._live is not None:
                self._live.stop()

    def show(self, view: Callable[[float], View], now: float, *, at_once: bool = False) -> None:
        """Draw, where it is time to; `now` is monotonic [s]."""
        period = _PERIOD_S if self._live is not None else lines.PERIOD_S
        if now - self._drawn < period and not (at_once and self._live is not None):
            return
        self._drawn = now
        with self._if_there():
            if self._live is None:
                self._console.print(lines.line(view(now)), markup=False, soft_wrap=True)
                return
            size = self._console.size
            plain = not self._console.encoding.lower().startswith("utf")
            self._live.update(screen.draw(view(now), size.width, size.height, plain=plain), refresh=True)

    def tell(self, event: Event) -> None:
        """A sentence above what is drawn; it stays."""
        self._print(
            screen.event_text(event.level, event.text), soft_wrap=True
        )  # so that a path can be copied

    def keys(self, pedals: Mapping[str, Command]) -> None:
        """The table of keys."""
        self._print(screen.keys_table(dict(pedals)))

    def summary(self, takes: list[Take]) -> None:
        """The table of takes, for the end."""
        if takes:
            self._print(screen.takes_table(takes))

    def _print(self, what: RenderableType, *, soft_wrap: bool = False) -> None:
        with self._if_there():
            self._console.print(what, soft_wrap=soft_wrap)

    @contextlib.contextmanager
    def _if_there(self) -> Iterator[None]:
        with contextlib.suppress(OSError):
            yield
