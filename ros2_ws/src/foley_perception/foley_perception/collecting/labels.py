"""Labels of a take: what a key writes into the bag, and from when to when it holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from foley_perception.collecting.commands import Command, OptionError
from foley_perception.collecting.requests import OPEN_NS, Label
from foley_perception.recording.void_labels import VOID


@dataclasses.dataclass(frozen=True)
class Constant:
    """A label that every take gets."""

    key: str
    value: str
    object_id: str = ""

    @classmethod
    def parse(cls, text: str) -> Constant:
        """`key=value` or `object:key=value`. Raises OptionError."""
        left, equals, value = text.partition("=")
        thing, _, key = left.rpartition(":")
        if not equals or not key.strip() or not value.strip():
            raise OptionError(
                f"--label {text}: expected KEY=VALUE or OBJECT:KEY=VALUE, such as mug:material=ceramic"
            )
        return cls(key.strip(), value.strip(), thing.strip())


class TakeLabels:
    """Of one take. Times are the recorder's [ns].

    Args:
        segments: names of the segments, in their order; further ones are numbered.
    """

    def __init__(self, began_ns: int = 0, segments: Sequence[str] = ()) -> None:
        self.began_ns = began_ns
        self.open_segment: int | None = None  # when it began
        self._segments = segments
        self._ended = 0
        self._asked: list[Label] = []  # by a key, and not void: what may be made so
        self._written: list[Label] = []  # those of them that are in the bag
        self._constant = 0  # labels in the bag that every take gets

    @property
    def segment_name(self) -> str:
        """Of the one that is open, or comes next."""
        return self._segments[self._ended] if self._ended < len(self._segments) else str(self._ended + 1)

    @property
    def success(self) -> bool | None:
        """What was said last; None: nothing."""
        values = [label.value for label in self._written if label.key == "success"]
        return values[-1] == "true" if values else None

    @property
    def count(self) -> int:
        """Of labels in the bag, void ones left out."""
        return self._constant + len(self._written)

    # ---- keys --------------------------------------------------------------------------------------------
    def constants(self, constants: Sequence[Constant]) -> list[Label]:
        """Labels that hold from the beginning."""
        start = self.began_ns
        return [Label(c.key, c.value, start, start + OPEN_NS, c.object_id, quiet=True) for c in constants]

    def of(self, command: Command, text: str, now_ns: int) -> Label | str:
        """The label that a command writes, or what is to be told instead."""
        if command is Command.UNDO:
            return self._undo()
        if command is Command.SEGMENT:
            if self.open_segment is not None:
                return self.end_segment(now_ns)
            self.open_segment = now_ns
            return f"segment {self.segment_name} begins"
        if command in (Command.SUCCESS, Command.FAILURE):
            value = "true" if command is Command.SUCCESS else "false"
            return self._ask(Label("success", value, self.began_ns, now_ns))
        if command is Command.NOTE:
            return self._ask(Label("note", text, now_ns, now_ns))
        return self._ask(Label(command.value, text, now_ns, now_ns + OPEN_NS))

    def end_segment(self, now_ns: int) -> Label:
        """The label of the open segment."""
        assert self.open_segment is not None
        label = Label("segment", self.segment_name, self.open_segment, now_ns)
        self.open_segment = None
        self._ended += 1
        return self._ask(label)

    def _ask(self, label: Label) -> Label:
        self._asked.append(label)
        return label

    def _undo(self) -> Label | str:
        if self.open_segment is not None:
            self.open_segment = None
            return f"segment {self.segment_name} is not begun any more"
        if not self._asked:
            return "undo: there is no label of this take that a key gave"
        last = self._asked.pop()
        self._ended -= last.key == "segment"
        return Label(VOID, last.key, last.start_ns, last.end_ns, last.object_id)

    # ---- what the recorder took --------------------------------------------------------------------------
    def written(self, label: Label) -> str:
        """It is in the bag: what is to be told of it."""
        if label.key == VOID:
            place = (label.value, label.start_ns, label.end_ns, label.object_id)
            found = [w for w in self._written if (w.key, w.start_ns, w.end_ns, w.object_id) == place]
            for void in found[-1:]:
                self._written.remove(void)
                return f"label {void.key} = {void.value} is void"
            return ""
        if label.quiet:
            self._constant += 1
            return ""
        self._written.append(label)
        return f"label {label.key} = {label.value}"

    def refused(self, label: Label) -> None:
        """It is not in the bag, and cannot be made void."""
        if label in self._asked:
            self._asked.remove(label)
