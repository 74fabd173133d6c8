"""Names of keys, and the bytes that terminals send for them.

A character is its own name (`b`, `?`, `ä`); others are `Space`, `Enter`, `Tab`, `Backspace`, `Esc`, `Up`, `PageDown`,
`F1` to `F24` and so on, with `Ctrl-`, `Alt-` and `Shift-` before them. Terminals send F13 to F24 as shifted F1 to F12
or as numbers of their own; both are known by the higher name.
"""

from __future__ import annotations

import re

_ESC = 0x1B
PATIENCE_S = (
    0.05  # for what follows an escape: a person is never that fast, a line over a network may be slower
)

_CONTROL = {"\t": "Tab", "\r": "Enter", "\n": "Enter", " ": "Space", "\x7f": "Backspace", "\x08": "Backspace"}
_LETTERS = {
    "A": "Up", "B": "Down", "C": "Right", "D": "Left", "E": "Begin", "F": "End", "H": "Home",
    "P": "F1", "Q": "F2", "R": "F3", "S": "F4", "M": "Enter",
}  # fmt: skip
_NUMBERS = {
    1: "Home", 2: "Insert", 3: "Delete", 4: "End", 5: "PageUp", 6: "PageDown", 7: "Home", 8: "End",
    11: "F1", 12: "F2", 13: "F3", 14: "F4", 15: "F5", 17: "F6", 18: "F7", 19: "F8", 20: "F9", 21: "F10",
    23: "F11", 24: "F12", 25: "F13", 26: "F14", 28: "F15", 29: "F16", 31: "F17", 32: "F18", 33: "F19", 34: "F20",
}  # fmt: skip
_CODES = {9: "Tab", 13: "Enter", 27: "Esc", 32: "Space", 127: "Backspace"}
_CODES |= {57376 + i: f"F{13 + i}" for i in range(12)}  # as kitty numbers them
_CONSOLE = {letter: f"F{1 + i}" for i, letter in enumerate("ABCDE")}  # of the Linux console: ESC [ [ A
_SEQUENCE = re.compile(
    rb"\x1b(?:\[\[(?P<console>[A-E])|O(?P<old>[ -~])|\[(?P<how>[0-?]*)[ -/]*(?P<end>[@-Z^-~]))"
)
_BEGUN = re.compile(rb"\x1b(?:\[\[?|O|\[[0-?]*[ -/]*)?")
_MODIFIERS = ((4, "Ctrl-"), (2, "Alt-"), (1, "Shift-"))

NAMES = tuple(
    dict.fromkeys(
        [
            *_CODES.values(),
            *_LETTERS.values(),
            *_NUMBERS.values(),
            *(f"F{i}" for i in range(1, 25)),
            "BackTab",
        ]
    )
)
"""Of keys that are no characters, without modifiers."""
_ALSO = {"escape": "Esc", "return": "Enter", "pgup": "PageUp", "pgdn": "PageDown"}
_KNOWN = {name.lower(): name for name in NAMES} | _ALSO


def key_name(text: str) -> str:
    """A key as a person writes it, such as `pagedown` or `ctrl-b`, by the name that it has here.

    Raises:
        ValueError: there is none.
    """
    rest, modifiers = text, 0
    while (match := re.match(r"(ctrl|alt|shift)[-+](?=.)", rest, re.I)) is not None:
        modifiers |= next(bit for bit, name in _MODIFIERS if name[:-1].lower() == match[1].lower())
        rest = rest[match.end() :]
    if rest == " ":
        rest = "Space"
    if len(rest) == 1 and rest.isprintable():
        return _modified(rest.lower() if modifiers & 4 else rest, modifiers)
    if rest.lower() in _KNOWN:
        return _modified(_KNOWN[rest.lower()], modifiers)
    if re.fullmatch(r"key\d+", rest, re.I):  # one that a pedal has and no keyboard
        return rest.capitalize()
    raise ValueError(
        f"`{text}` is no key: a character, or one of {', '.join(NAMES)}, or KeyN of a pedal's code N"
    )


def is_text(key: str) -> bool:
    """Whether a key writes something in a line of text."""
    return len(key) == 1 or key == "Space"


class KeyReader:
    """Bytes as they come, cut anywhere, to names of keys. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._bytes = b""
        self._came = 0.0

    def feed(self, data: bytes, now: float) -> list[str]:
        """Keys that are complete with these bytes, or, of an escape that nothing followed, by now."""
        if data:
            self._bytes += data
            self._came = now
        keys = []
        while self._bytes:
            taken, key = self._next(late=now - self._came >= PATIENCE_S)
            if not taken:
                break
            self._bytes = self._bytes[taken:]
            if key:
                keys.append(key)
        return keys

    def _next(self, *, late: bool) -> tuple[int, str]:
        """How many bytes the first key has, 0 where it is not complete, and its name, empty where it has none."""
        if self._bytes[0] != _ESC:
            return _character(self._bytes, late)
        if (match := _SEQUENCE.match(self._bytes)) is not None:
            return match.end(), _sequence(match)
        if _BEGUN.fullmatch(self._bytes) is not None:
            if not late:
                return 0, ""
            # A lone escape, or one before a character that could have begun a sequence.
            return (1, "Esc") if len(self._bytes) == 1 else (2, f"Alt-{chr(self._bytes[1])}")
        if self._bytes[1] == _ESC:
            return 1, "Esc"
        taken, key = _character(self._bytes[1:], late)
        return (taken + 1, f"Alt-{key}" if key else "") if taken else (0, "")


def _character(data: bytes, late: bool) -> tuple[int, str]:
    first = data[0]
    size = 1 if first < 0x80 else 2 if 0xC0 <= first < 0xE0 else 3 if first < 0xF0 else 4
    if 0x80 <= first < 0xC0 or first >= 0xF8:
        return 1, ""  # the middle of a character whose beginning was lost, or none
    if len(data) < size:
        return (len(data), "") if late else (0, "")
    try:
        text = data[:size].decode()
    except UnicodeDecodeError:
        return 1, ""
    if text in _CONTROL:
        return size, _CONTROL[text]
    if first < 0x20:
        return size, f"Ctrl-{chr(first + 0x60)}" if first else "Ctrl-Space"
    return size, text if text.isprintable() else ""


def _sequence(match: re.Match[bytes]) -> str:
    if match["console"]:
        return _CONSOLE[match["console"].decode()]
    if match["old"]:
        return _LETTERS.get(match["old"].decode(), "")
    parts = [
        int(part.split(b":")[0]) if part.split(b":")[0].isdigit() else 0 for part in match["how"].split(b";")
    ]
    end, modifiers = match["end"].decode(), max(parts[1] - 1, 0) if len(parts) > 1 else 0
    if end == "Z":
        return "BackTab"
    if end == "~":
        name = _NUMBERS.get(parts[0], "")
    elif end == "u":
        character = chr(parts[0]) if 0x20 < parts[0] < 0xD800 else ""
        name = _CODES.get(parts[0], character)
    else:
        name = _LETTERS.get(end, "")
    return _modified(name, modifiers) if name else ""


def _modified(name: str, modifiers: int) -> str:
    """A name with its modifiers; shifted F1 to F12 are F13 to F24."""
    function = re.fullmatch(r"F(\d+)", name)
    if function and modifiers & 1 and int(function[1]) <= 12:
        name, modifiers = f"F{int(function[1]) + 12}", modifiers & ~1
    if len(name) == 1 and modifiers & 1 and not modifiers & 4:
        modifiers &= ~1  # the character is what shift makes of the key
    return "".join(word for bit, word in _MODIFIERS if modifiers & bit) + name
