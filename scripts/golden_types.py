"""Messages of golden bags by their definitions: today's, or earlier ones that are given."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from foley_perception.recording import definitions
from foley_perception.recording.metadata import TopicInfo

START_NS = 1_800_000_000_000_000_000


class Message(NamedTuple):
    time_ns: int  # arrival
    topic: str
    type: str
    value: Any


class Types:
    """Definitions by type: today's, but for some that are given."""

    def __init__(self, given: dict[str, str]) -> None:
        self.given = given
        self.store = get_typestore(Stores.EMPTY)

    def text(self, kind: str) -> str:
        """The definition with those of all that it holds."""
        if kind in self.given:
            return (
                self.given[kind] if "Header" not in self.given[kind] else self._with_header(self.given[kind])
            )
        text = definitions.find(kind).text
        for name, own in self.given.items():
            package, _, bare = name.split("/")
            head = f"MSG: {package}/{bare}\n"
            if head in text:
                before, _, after = text.partition(head)
                rest = after.find("=" * 80)
                text = before + head + own.rstrip() + "\n" + (after[rest:] if rest >= 0 else "")
        return text

    def _with_header(self, text: str) -> str:
        return (
            text.rstrip()
            + "\n"
            + "=" * 80
            + "\nMSG: std_msgs/Header\n"
            + definitions.find("std_msgs/msg/Header").text
        )

    def info(self, topic: str, kind: str) -> TopicInfo:
        known = not any(name in self.text(kind) for name in self.given.values())
        return TopicInfo(
            topic, kind, self.text(kind), type_hash=definitions.find(kind).type_hash if known else ""
        )

    def new(self, kind: str, *values: Any) -> Any:
        if kind not in self.store.types:
            types = get_types_from_msg(self.text(kind), kind)
            self.store.register({k: v for k, v in types.items() if k not in self.store.fielddefs})
        return self.store.types[kind](*values)

    def bytes(self, message: Message) -> bytes:
        return bytes(self.store.serialize_cdr(message.value, message.type))


def filled(types: Types, kind: str) -> Any:
    """A message whose every number is 1 or 0.5, every text `world`, and every list one item long."""
    if kind not in types.store.fielddefs:
        own = get_types_from_msg(types.text(kind), kind)
        types.store.register({k: v for k, v in own.items() if k not in types.store.fielddefs})
    if kind == "builtin_interfaces/msg/Time":
        return types.new(kind, *divmod(START_NS + 700_000_000, 10**9))
    return types.new(kind, *(filled_field(types, form) for _, form in types.store.fielddefs[kind][1]))


def filled_field(types: Types, form: Any) -> Any:
    node, inner = form
    if node == Nodetype.NAME:
        return filled(types, inner)
    if node == Nodetype.BASE:
        name = inner[0]
        return "world" if name == "string" else name == "bool" or (0.5 if name.startswith("float") else 1)
    item, count = inner[0], inner[1] if node == Nodetype.ARRAY else 1
    if item[0] == Nodetype.BASE and item[1][0] != "string":
        return np.full(count, filled_field(types, item), item[1][0])
    return [filled_field(types, item) for _ in range(count)]
