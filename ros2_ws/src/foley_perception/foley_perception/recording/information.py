"""What ``metadata.yaml`` says of a bag, as far as it can be used. It helps others; the files themselves are the bag.

A field of another type than rosbag2 writes is left out and told, so that damaged metadata never cost what was
recorded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

NAME = "metadata.yaml"
_KEY = "rosbag2_bagfile_information"


def read_information(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Fields of ``metadata.yaml`` that have the types of rosbag2, and what is wrong with the others.

    Empty without the file, and for a bag that is one file.
    """
    file = folder / NAME
    if not folder.is_dir() or not file.is_file():
        return {}, []
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except RecursionError:
        return {}, [_unusable("it is nested without end")]
    except (OSError, yaml.YAMLError, ValueError) as error:
        return {}, [_unusable(" ".join(str(error).split()))]
    if not isinstance(content, Mapping) or _KEY not in content:
        return {}, [_unusable(f"it has no section `{_KEY}`")]
    if not isinstance(content[_KEY], Mapping):
        return {}, [_unusable(f"`{_KEY}` is {_kind(content[_KEY])}, expected a mapping")]
    information: dict[str, Any] = {}
    wrong = []
    for key, value in content[_KEY].items():
        right, expected = _FIELDS.get(key, (lambda value: value, ""))
        usable = right(value) if value is not None else None
        if usable != value:
            wrong.append(
                f"{NAME}: `{key}` is {_shown(value)}, expected {expected}; what is wrong is not used"
            )
        if usable is not None:
            information[str(key)] = usable
    return information, wrong


# ---- inside --------------------------------------------------------------------------------------------
def _unusable(reason: str) -> str:
    return f"{NAME} cannot be used ({reason}); the files were read without it"


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _names(value: Any) -> list[str]:
    """A name alone is one of a list that lost its form."""
    names = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return [name for name in names if isinstance(name, str) and Path(name).name]


def _mapping(value: Any) -> dict[str, Any] | None:
    return (
        {key: one for key, one in value.items() if isinstance(key, str)}
        if isinstance(value, Mapping)
        else None
    )


def _files(value: Any) -> list[dict[str, Any]]:
    return [_file(entry) for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _file(entry: dict[str, Any]) -> dict[str, Any]:
    """One of ``files`` without what has another type."""
    types: dict[str, Callable[[Any], Any]] = {"path": _text, "message_count": _number}
    types |= {"starting_time": _time, "duration": _time}
    return {key: value for key, value in entry.items() if types.get(key, lambda one: one)(value) is not None}


def _time(value: Any) -> dict[str, Any] | None:
    whole = isinstance(value, dict) and value and all(_number(one) is not None for one in value.values())
    return value if whole else None


def _topics(value: Any) -> list[dict[str, Any]]:
    entries = value if isinstance(value, list) else []
    return [
        entry
        for entry in entries
        if isinstance(entry, dict)
        and isinstance(entry.get("topic_metadata"), dict)
        and isinstance(entry["topic_metadata"].get("name"), str)
        and _number(entry.get("message_count", 0)) is not None
    ]


_FIELDS: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "custom_data": (_mapping, "a mapping"),
    "relative_file_paths": (_names, "a list of names"),
    "files": (_files, "a list of mappings with path, message_count, starting_time and duration"),
    "message_count": (_number, "a whole number"),
    "topics_with_message_count": (_topics, "a list of topics, each with its metadata and message_count"),
    "compression_mode": (_text, "a text"),
    "compression_format": (_text, "a text"),
}


def _kind(value: Any) -> str:
    return {"list": "a list", "dict": "a mapping", "str": "a text", "NoneType": "empty"}.get(
        type(value).__name__, f"{value!r}"
    )


def _shown(value: Any) -> str:
    """A value in a sentence, no more than its beginning."""
    text = re.sub(r"\s+", " ", repr(value))
    return f"`{text if len(text) <= 60 else text[:57] + '...'}`"
