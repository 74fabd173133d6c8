"""The keyboard of a terminal, key by key, and its state given back whatever ends the session."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from typing import Any, TextIO

from foley_perception.collecting.keys import KeyReader


class Keyboard:
    """Keys of a terminal while it is entered: nothing is echoed, and no Enter is needed.

    Ctrl-C still is a signal; Ctrl-Z is a key, as a session that is stopped would hear nothing of its recorder. What is
    no terminal gives no keys.
    """

    def __init__(self, source: TextIO | None = None) -> None:
        self._source = source if source is not None else sys.stdin
        self._reader = KeyReader()
        self._before: Any = None  # attributes of the terminal
        self.gone = False  # the terminal was closed

    def __enter__(self) -> Keyboard:
        import termios
        import tty

        if not self.is_terminal:
            return self
        self._file = self._source.fileno()
        self._before = termios.tcgetattr(self._file)
        tty.setcbreak(self._file, termios.TCSADRAIN)
        attributes = termios.tcgetattr(self._file)
        attributes[6][termios.VSUSP] = b"\x00"
        termios.tcsetattr(self._file, termios.TCSADRAIN, attributes)
        return self

    def __exit__(self, *how: object) -> None:
        self.restore()

    def restore(self) -> None:
        """The terminal as it was. May be called more than once."""
        import termios

        before, self._before = self._before, None
        if before is None:
            return
        with contextlib.suppress(OSError, termios.error):  # it may have been closed
            termios.tcsetattr(self._file, termios.TCSADRAIN, before)

    @property
    def is_terminal(self) -> bool:
        try:
            return self._source.isatty()
        except (ValueError, AttributeError):  # closed, or none
            return False

    def read(self, now: float) -> list[str]:
        """Names of keys that were pressed since the last call; `now` is monotonic [s]."""
        if self._before is None or self.gone:
            return []
        data = b""
        try:
            # Asked first: were the terminal made not to block, its output, which is the same file, would not either.
            if select.select([self._file], [], [], 0.0)[0]:
                data = os.read(self._file, 4096)
                self.gone = not data
        except OSError:
            self.gone = True
        return self._reader.feed(data, now)
