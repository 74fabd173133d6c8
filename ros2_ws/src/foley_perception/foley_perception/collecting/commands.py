"""What a person can ask of a session, and by which key."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Mapping

from foley_perception.collecting.keys import key_name


class OptionError(ValueError):
    """An option of a session cannot be; the message names it, and the cure."""


class Command(enum.Enum):
    """By the word that `--pedal KEY=COMMAND` takes."""

    TAKE = "take"
    PAUSE = "pause"
    SNAPSHOT = "snapshot"
    DISCARD = "discard"
    SPLIT = "split"
    MATERIAL = "material"
    ACTION = "action"
    SEGMENT = "segment"
    SUCCESS = "success"
    FAILURE = "failure"
    NOTE = "note"
    UNDO = "undo"
    HELP = "help"
    QUIT = "quit"

    @property
    def takes_text(self) -> bool:
        """A line is typed for it."""
        return self in (Command.MATERIAL, Command.ACTION, Command.NOTE)

    @property
    def labels(self) -> bool:
        """It writes a label into the take."""
        return self in _LABELS


_LABELS = frozenset(
    {
        Command.MATERIAL,
        Command.ACTION,
        Command.SEGMENT,
        Command.SUCCESS,
        Command.FAILURE,
        Command.NOTE,
        Command.UNDO,
    }
)


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table of keys."""

    key: str
    command: Command
    short: str  # beside the key at the foot of the screen
    text: str


ROWS = (
    Row("Space", Command.TAKE, "take", "begin a take, or end it and keep it"),
    Row("p", Command.PAUSE, "pause", "pause the take, or go on with it"),
    Row(
        "s",
        Command.SNAPSHOT,
        "snapshot",
        "keep the last seconds, which the recorder holds in memory, as a bag",
    ),
    Row(
        "d",
        Command.DISCARD,
        "discard",
        "delete the take in progress and begin it again by the same name; asks once",
    ),
    Row("x", Command.SPLIT, "split", "go on in another file of the same bag"),
    Row("m", Command.MATERIAL, "material", "type what is touched from here on, until it is told anew"),
    Row("a", Command.ACTION, "action", "type what is done from here on, until it is told anew"),
    Row("g", Command.SEGMENT, "segment", "begin a segment, or end it"),
    Row("y", Command.SUCCESS, "success", "the take is a success so far"),
    Row("n", Command.FAILURE, "failure", "the take is a failure so far"),
    Row("t", Command.NOTE, "note", "type a note; its time is when the key was pressed"),
    Row("u", Command.UNDO, "undo", "make the last label void; readers of the bag leave it out"),
    Row("?", Command.HELP, "keys", "show this table"),
    Row("q", Command.QUIT, "quit", "end the take, keep it, and end the session; Ctrl-C does the same"),
)
KEYS: Mapping[str, Command] = {row.key: row.command for row in ROWS}
"""Without pedals."""


def parse_pedals(entries: Iterable[str]) -> dict[str, Command]:
    """What ``--pedal KEY=COMMAND`` says.

    Raises:
        OptionError: an entry is none, names no key or no command, or a key twice.
    """
    found: dict[str, Command] = {}
    for entry in entries:
        key, equals, word = entry.rpartition("=")
        if not equals or not key:
            raise OptionError(f"--pedal {entry}: expected KEY=COMMAND, such as b=take or PageDown=discard")
        try:
            name = key_name(key)
            command = Command(word.strip().lower())
        except ValueError as error:
            commands = ", ".join(command.value for command in Command)
            told = str(error) if "is no key" in str(error) else f"`{word}` is no command: {commands}"
            raise OptionError(f"--pedal {entry}: {told}") from None
        if name in found:
            raise OptionError(f"--pedal {entry}: {name} means `{found[name].value}` already")
        found[name] = command
    return found


def table(pedals: Mapping[str, Command]) -> list[tuple[str, str, str]]:
    """All keys as they are now: keys, command, what it does. A key that a pedal took has its old meaning no more."""
    rows = []
    for row in ROWS:
        keys = [key for key, command in pedals.items() if command is row.command]
        own = [row.key] if pedals.get(row.key, row.command) is row.command and row.key not in keys else []
        rows.append((", ".join([*own, *keys]) or "-", row.command.value, row.text))
    return rows
