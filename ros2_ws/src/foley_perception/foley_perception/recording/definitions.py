"""The text of message definitions, as bags carry them ("ros2msg"), and what can be told from it.

Definitions come from the installed packages (``share/<package>/msg/*.msg`` below ``AMENT_PREFIX_PATH``);
where a package is not installed, from the standard set that ships with `rosbags`.
"""

from __future__ import annotations

import functools
import json
import os
import re
from pathlib import Path
from typing import NamedTuple

_SEPARATOR = "=" * 80
_INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
_PRIMITIVES = frozenset([*_INTEGERS, "bool", "byte", "char", "string", "wstring", "float32", "float64"])


class DefinitionError(ValueError):
    """A message type of which no definition is known."""


class Definition(NamedTuple):
    type: str  # package/msg/Name
    text: str  # own fields, then every type they need, each behind a separator
    type_hash: str  # RIHS01_...; empty if not known


class Field(NamedTuple):
    type: str  # package/Name or a primitive
    is_array: bool


@functools.cache
def find(message_type: str) -> Definition:
    """Definition of ``package/msg/Name``.

    Raises:
        DefinitionError: neither installed nor a standard type.
    """
    own = _installed(message_type)
    if own is None:
        return _standard(message_type)
    parts, seen, queue = [own.rstrip("\n")], {message_type}, _needs(message_type, own)
    while queue:
        needed = queue.pop(0)
        if needed in seen:
            continue
        seen.add(needed)
        text = _installed(needed)
        if text is None:
            text = _standard(needed).text.split(_SEPARATOR)[0]
        package, _, name = needed.split("/")
        parts.append(f"{_SEPARATOR}\nMSG: {package}/{name}\n{text.rstrip()}")
        queue += _needs(needed, text)
    return Definition(message_type, "\n".join(parts) + "\n", _installed_hash(message_type))


def stamp_offset(definition_text: str) -> tuple[int, bool] | None:
    """Where the first header stamp lies in the serialised bytes.

    Returns:
        Offset in bytes and whether it lies inside the first item of a sequence (whose length, at byte 4, may
        be 0); None if the message does not begin with a stamp.
    """
    sections = _sections(definition_text)
    text, offset, in_sequence = sections.get("", ""), 4, False
    for _ in range(8):
        fields = _fields(text)
        if not fields:
            return None
        first = fields[0]
        if first.is_array:
            if in_sequence or first.type in _PRIMITIVES:
                return None
            offset, in_sequence = offset + 4, True
        if first.type.split("/")[-1] == "Time" and first.type.startswith("builtin_interfaces"):
            return offset, in_sequence
        text = sections.get(first.type.split("/")[-1], "")
    return None


# ---- inside --------------------------------------------------------------------------------------------
def _fields(text: str) -> list[Field]:
    fields = []
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        # A constant has its `=` behind the name; a default value has none.
        if len(words) < 2 or "=" in words[1] or (len(words) > 2 and words[2].startswith("=")):
            continue
        kind = re.sub(r"<=\d+", "", words[0])
        fields.append(Field(kind.split("[")[0], "[" in kind))
    return fields


def _sections(text: str) -> dict[str, str]:
    """Texts by bare type name; the message's own under the empty name."""
    first, *others = re.split(r"^=+\n", text, flags=re.MULTILINE)
    sections = {"": first}
    for other in others:
        head, _, body = other.partition("\n")
        sections[head.removeprefix("MSG:").strip().split("/")[-1]] = body
    return sections


def _needs(message_type: str, text: str) -> list[str]:
    package = message_type.split("/")[0]
    needed = []
    for field in _fields(text):
        if field.type in _PRIMITIVES:
            continue
        words = field.type.split("/")
        needed.append(f"{words[0] if len(words) > 1 else package}/msg/{words[-1]}")
    return needed


def _share_file(message_type: str, suffix: str) -> Path | None:
    package, kind, name = message_type.split("/")
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        path = Path(prefix) / "share" / package / kind / f"{name}{suffix}"
        if prefix and path.is_file():
            return path
    return None


def _installed(message_type: str) -> str | None:
    if message_type.count("/") != 2:
        raise DefinitionError(f"type is `{message_type}`, expected package/msg/Name")
    path = _share_file(message_type, ".msg")
    return path.read_text(encoding="utf-8") if path is not None else None


def _installed_hash(message_type: str) -> str:
    path = _share_file(message_type, ".json")
    if path is None:
        return ""
    hashes = json.loads(path.read_text(encoding="utf-8")).get("type_hashes", [])
    return str(next((h["hash_string"] for h in hashes if h["type_name"] == message_type), ""))


def _standard(message_type: str) -> Definition:
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    if message_type not in store.fielddefs:
        raise DefinitionError(
            f"no definition of `{message_type}`: build and source the workspace that has its package"
        )
    text, _ = store.generate_msgdef(message_type, ros_version=2)
    return Definition(message_type, str(text), str(store.hash_rihs01(message_type)))
