"""What a label's key and value mean to those who read recordings, and what is odd about one.

Nothing is ever refused for its value: what a person said during a recording cannot be said again.

| key | value | start and end |
| --- | --- | --- |
| `segment` | its name | an interval; without an end it begins, and ends with the next one, or one without a value |
| `action` | one of the actions that contacts have | an interval, or a moment |
| `material` | one of the vocabulary's | likewise; with an `object_id` it holds for the whole session |
| `success` | `true` or `false` | of the take, or of an interval |
| `note` | free text | |

Other keys are kept as they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from foley_common.enumerations import KNOWN_ACTIONS
from foley_perception.near_names import among
from foley_perception.recording.labels import PAUSE

SEGMENT, ACTION, MATERIAL, SUCCESS, NOTE = "segment", "action", "material", "success", "note"
KNOWN = (SEGMENT, ACTION, MATERIAL, SUCCESS, NOTE)
_TRUE, _FALSE = ("true", "yes", "1", "success"), ("false", "no", "0", "failure")


class Checked(NamedTuple):
    value: str  # as it is written
    told: str  # what is odd; empty: nothing


def check(key: str, value: str, materials: Sequence[str] = ()) -> Checked:
    """A value as it is written, and what is odd about it.

    Args:
        materials: of the vocabulary in force; empty where none is known.
    """
    plain = value.strip()
    if key == SUCCESS:
        if plain.lower() in (*_TRUE, *_FALSE):
            return Checked("true" if plain.lower() in _TRUE else "false", "")
        return Checked(value, f"success is `{value}`, and read where it is true or false only; kept as it is")
    known = KNOWN_ACTIONS if key == ACTION else materials if key == MATERIAL else ()
    if known and plain not in known:
        return Checked(
            value, f"{key} `{value}` is not in the vocabulary: {among(plain, known)}; kept as it is"
        )
    if known:
        return Checked(plain, "")  # readers compare it to the letter
    if key.lower() != key and key.lower() in KNOWN:
        return Checked(value, f"key is `{key}`, known is `{key.lower()}`; kept as it is")
    return Checked(value, "")


def refusal(key: str) -> str:
    """Why a key cannot be given; empty where it can."""
    if not key.strip():
        return "key is empty"
    if key == PAUSE:
        return f"key is `{PAUSE}`, which the recorder gives by itself; call ~/pause and ~/resume"
    return ""


@dataclasses.dataclass(frozen=True)
class Segment:
    """One that has begun and has no end yet."""

    start_ns: int
    object_id: str
    value: str
