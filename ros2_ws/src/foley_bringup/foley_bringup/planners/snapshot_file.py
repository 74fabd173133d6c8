"""Predicates of one moment as JSON: what `foley planner` reads and writes without a running system."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from foley_common.predicate_view import Description, Fact, State


class SnapshotFileError(ValueError):
    """A file that holds no predicates; the text names file, entry and cure."""


@dataclasses.dataclass(frozen=True)
class Known:
    """What is known at one moment, and of what."""

    facts: tuple[Fact, ...]
    descriptions: tuple[Description, ...]


def dumps(known: Known) -> str:
    """As :func:`load` reads it; a number that is not known is null."""
    listed = {
        "facts": [{**_plain(fact), "state": fact.state.name} for fact in known.facts],
        "predicates": [_plain(one) for one in known.descriptions],
    }
    return json.dumps(listed, indent=2) + "\n"


def load(path: Path) -> Known:
    """Read one.

    Raises:
        SnapshotFileError: it is no JSON, or an entry is not as it must be.
        OSError: it cannot be read.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        facts = tuple(_fact(entry) for entry in data["facts"])
        descriptions = tuple(_made(Description, entry) for entry in data.get("predicates", ()))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SnapshotFileError(f"{path}: not JSON: {error}") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise SnapshotFileError(
            f"{path}: {type(error).__name__}: {error}; `foley planner export --format json` writes such files"
        ) from error
    return Known(facts, descriptions)


def _plain(one: Any) -> dict[str, Any]:
    fields = dataclasses.asdict(one)
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in fields.items()}


def _fact(entry: dict[str, Any]) -> Fact:
    found: Fact = _made(Fact, {**entry, "state": State[entry["state"]]})
    return found


def _made(kind: type[Any], entry: dict[str, Any]) -> Any:
    values: Iterable[tuple[str, Any]] = entry.items()
    floats = {f.name for f in dataclasses.fields(kind) if f.type == "float"}
    return kind(
        **{
            k: tuple(v) if isinstance(v, list) else math.nan if v is None and k in floats else v
            for k, v in values
        }
    )
