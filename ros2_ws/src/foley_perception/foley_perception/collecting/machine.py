"""Keys in, commands out: which key means what now, lines that are typed, and what is asked before it is done."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from foley_perception.collecting.commands import KEYS, Command
from foley_perception.collecting.keys import is_text

ASKED_S = 10.0  # a question that nobody answers is dropped


@dataclasses.dataclass(frozen=True)
class Action:
    """What a person asked for.

    Attributes:
        at: when its key was pressed, though a line was typed after it [s, monotonic].
        text: the line.
    """

    command: Command
    at: float
    text: str = ""


class KeyMachine:
    """Times are monotonic seconds.

    Args:
        pedals: further keys, or other meanings of known ones.
    """

    def __init__(self, pedals: Mapping[str, Command] | None = None) -> None:
        self._pedals = dict(pedals or {})
        self._keys = {**KEYS, **self._pedals}
        self._typed_for: Command | None = None
        self._typed_at = 0.0
        self._text = ""
        self._asked_at: float | None = None  # whether to discard
        self._last: dict[Command, str] = {}  # lines that were typed

    # ---- what is shown -----------------------------------------------------------------------------------
    @property
    def prompt(self) -> str:
        """The line that is being typed, or the question that waits for an answer; empty: neither."""
        if self._typed_for is not None:
            last = self._last.get(self._typed_for, "")
            again = f" (Enter: {last})" if last and not self._text else ""
            return f"{self._typed_for.value}{again}: {self._text}"
        if self._asked_at is not None:
            return "discard this take and begin it again? The same key, y or Enter: yes; any other: no"
        return ""

    @property
    def typing(self) -> bool:
        return self._typed_for is not None

    # ---- keys --------------------------------------------------------------------------------------------
    def press(self, key: str, now: float, *, recording: bool, device: bool = False) -> list[Action]:
        """What a key asks for.

        Args:
            recording: a take is in progress, so that there is something to discard.
            device: it is of a pedal's own device, whose keys are never part of a line of text.
        """
        self.tick(now, recording=recording)
        pedal = device or (key in self._pedals and not is_text(key))
        if self._typed_for is not None and not pedal:
            return self._type(key)
        command = self._keys.get(key)
        if self._asked_at is not None:
            self._asked_at = None
            if command is Command.DISCARD or key in ("y", "Enter"):
                return [Action(Command.DISCARD, now)]
            return []
        if command is None:
            return []
        if command is Command.DISCARD and recording:
            self._asked_at = now
            return []
        if command.takes_text and recording:
            self._typed_for, self._typed_at, self._text = command, now, ""
            return []
        return [Action(command, now)]

    def tick(self, now: float, *, recording: bool) -> None:
        """Drop a question that waited for too long, or whose take is over, and the line of a take that is."""
        if self._asked_at is not None and (now - self._asked_at > ASKED_S or not recording):
            self._asked_at = None
        if not recording:
            self._typed_for = None

    def _type(self, key: str) -> list[Action]:
        command = self._typed_for
        assert command is not None
        if key == "Enter":
            self._typed_for = None
            text = self._text.strip() or ("" if command is Command.NOTE else self._last.get(command, ""))
            if not text:
                return []
            self._last[command] = text
            return [Action(command, self._typed_at, text)]
        if key == "Esc":
            self._typed_for = None
        elif key == "Backspace":
            self._text = self._text[:-1]
        elif key == "Ctrl-u":
            self._text = ""
        elif is_text(key):
            self._text += " " if key == "Space" else key
        return []
