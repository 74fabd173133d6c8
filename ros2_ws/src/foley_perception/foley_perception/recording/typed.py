"""Messages as objects, by the definitions that a bag carries."""

from __future__ import annotations

import functools
from typing import Any

from foley_perception.recording.cdr import Buffer


class UnreadableMessage(ValueError):
    """Bytes that are no message of their type; says why."""


@functools.lru_cache(maxsize=64)
def store_of(definitions: tuple[tuple[str, str, str], ...]) -> Any:
    """A store of these types: (name, definition, its encoding) each. Bags mostly hold the same ones, and readers are
    compiled for every type."""
    from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore

    store = get_typestore(Stores.EMPTY)
    for kind, definition, encoding in definitions:
        types = (
            get_types_from_idl(definition) if encoding == "ros2idl" else get_types_from_msg(definition, kind)
        )
        store.register({name: fields for name, fields in types.items() if name not in store.fielddefs})
    return store


def read_typed(store: Any, kind: str, data: Buffer) -> Any:
    """A message with its fields as attributes.

    Raises:
        UnreadableMessage: its type is not in the store, or its bytes do not fit the definition.
    """
    data = bytes(data)
    # Not `Typestore.deserialize_cdr`: it refuses more than three bytes behind the message, and rclpy's serialiser
    # leaves four for every empty sequence of doubles (JointState.effort), whose alignment it counts but does not write.
    if len(data) < 4 or data[0] != 0 or data[1] > 1:
        raise UnreadableMessage("its encapsulation is not plain CDR")
    try:
        definition = store.get_msgdef(kind)
    except KeyError as error:
        raise UnreadableMessage(f"the bag holds no definition of {kind}") from error
    try:
        read = definition.deserialize_cdr_le if data[1] else definition.deserialize_cdr_be
        return read(memoryview(data)[4:], 0, definition.cls, store)[0]
    except Exception as error:
        raise UnreadableMessage(f"a {kind} cannot be read ({error})") from error
