"""Labels of a recording as their bytes: foley_msgs/msg/SegmentLabel, and the stretches in which it was paused.

The recorder writes a label with the key `pause` when a pause begins (start and end are the same) and one with its start
and its end when it is over, before anything that came after it. So whoever copies a bag's messages keeps it, whatever
the tool, and whoever reads a bag from front to back knows of a pause before the first message behind it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

from foley_common.times import NS_PER_S
from foley_common.topics import LABELS
from foley_perception.recording.cdr import Buffer, CdrError, Header, read_header

LABEL_TYPE = LABELS.type
PAUSE = "pause"
"""The key of a label that tells a pause; nobody but the recorder gives it."""
_EVER = 2**62


class Label(NamedTuple):
    header: Header
    start_ns: int
    end_ns: int
    object_id: str
    key: str
    value: str


class Pause(NamedTuple):
    """From when to when nothing was kept, by the recorder's clock [ns]."""

    start_ns: int
    end_ns: int  # far ahead where the recording ended in it

    @property
    def middle_ns(self) -> int:
        """What came before it came before the pause: arrivals beside its edges may be told a moment wrong."""
        return self.start_ns + min(self.end_ns - self.start_ns, NS_PER_S) // 2

    @property
    def over(self) -> bool:
        return self.end_ns < _EVER


class Pauses:
    """The pauses of a recording, as its labels tell them.

    Attributes:
        spans: in order; one list, that grows.
    """

    def __init__(self) -> None:
        self.spans: list[Pause] = []

    def see(self, data: Buffer) -> None:
        """A message of a topic of labels; one that cannot be read tells nothing."""
        try:
            label = read_label(data)
        except CdrError:
            return
        if label.key == PAUSE:
            self.add(label.start_ns, label.end_ns)

    def add(self, start_ns: int, end_ns: int = 0) -> None:
        """A pause that begins, and the same when it is over."""
        known = next((i for i, pause in enumerate(self.spans) if pause.start_ns == start_ns), None)
        if known is None:
            self.spans.append(Pause(start_ns, end_ns if end_ns > start_ns else _EVER))
            self.spans.sort()
        elif end_ns > start_ns:
            self.spans[known] = Pause(start_ns, end_ns)


def between(pauses: Iterable[Pause], before_ns: int, after_ns: int) -> bool:
    """Whether a pause lies between two arrivals."""
    return any(before_ns <= pause.middle_ns < after_ns for pause in pauses)


def overlap_ns(pauses: Iterable[Pause], start_ns: int, end_ns: int) -> int:
    """How much of a stretch was paused."""
    return sum(max(min(p.end_ns, end_ns) - max(p.start_ns, start_ns), 0) for p in pauses)


# ---- bytes -----------------------------------------------------------------------------------------------
def write_label(label: Label) -> bytes:
    """A serialised foley_msgs/msg/SegmentLabel."""
    out = bytearray(b"\0\1\0\0")

    def time(time_ns: int) -> None:
        nonlocal out
        out += bytes(-(len(out) - 4) % 4) + struct.pack("<iI", *divmod(time_ns, NS_PER_S))

    def string(text: str) -> None:
        nonlocal out
        raw = text.encode() + b"\0"
        out += bytes(-(len(out) - 4) % 4) + struct.pack("<I", len(raw)) + raw

    time(label.header.time_ns)
    string(label.header.frame_id)
    time(label.start_ns)
    time(label.end_ns)
    for text in (label.object_id, label.key, label.value):
        string(text)
    return bytes(out)


def read_label(data: Buffer) -> Label:
    """Raises CdrError where it is none."""
    header = read_header(data)
    order = "<" if data[1] == 1 else ">"
    at = 16 + struct.unpack_from(order + "I", data, 12)[0]  # behind the frame's name, whatever is in it

    def number(code: str) -> int:
        nonlocal at
        at += -(at - 4) % 4
        try:
            (value,) = struct.unpack_from(order + code, data, at)
        except struct.error as error:
            raise CdrError(f"label ends after {len(data)} bytes") from error
        at += 4
        return int(value)

    def time() -> int:
        seconds = number("i")
        return seconds * NS_PER_S + number("I")

    def string() -> str:
        nonlocal at
        length = number("I")
        raw = bytes(data[at : at + length])
        if len(raw) != length:
            raise CdrError(f"label ends after {len(data)} bytes")
        at += length
        return raw[:-1].decode("utf-8", "replace")

    return Label(header, time(), time(), string(), string(), string())
