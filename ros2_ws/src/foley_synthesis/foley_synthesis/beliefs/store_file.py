"""The file of a belief store: JSON, written atomically, read all or nothing."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fusion import newest_sight
from foley_synthesis.beliefs.write_log import Entry

# Version 1 called sight `predicted`, kept several looks at an object and forgot them at a touch; 2 knew no image model,
# and neither what objects became nor what was retracted.
SCHEMA = 3
_READ = (1, 2, SCHEMA)


class StateError(ValueError):
    """A state file that cannot be used; the message says why."""


@dataclasses.dataclass(frozen=True)
class State:
    """What a store holds; see there."""

    objects: dict[str, list[Evidence]]
    named: int
    became: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    retracted: tuple[tuple[str, int], ...] = ()
    writes: tuple[Entry, ...] = ()


def _of_another(item: Evidence) -> Evidence:
    """What another model heard, as evidence that abstains; what was seen stays as it is."""
    if item.kind != "heard" or (item.belief.abstain and not item.belief.unsure):
        return item
    return dataclasses.replace(item, belief=item.belief.abstaining("heard by another model"))


def write_state(path: Path, state: State, vocabulary: Sequence[str], *, model_id: str) -> None:
    """Write atomically: a reader finds the old file or the new one, never half of one.

    Raises:
        OSError: the folder is not writable or the disk is full.
    """
    data = {
        "schema": SCHEMA,
        "model_id": model_id,
        "vocabulary": list(vocabulary),
        "named": state.named,
        "objects": {name: [o.to_dict() for o in items] for name, items in state.objects.items()},
        "became": {name: list(names) for name, names in state.became.items()},
        "retracted": [list(contact) for contact in state.retracted],
        "writes": [list(entry) for entry in state.writes],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(data, file, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_state(path: Path, vocabulary: Sequence[str], *, model_id: str = "") -> State:
    """Read what :func:`write_state` wrote, and files of earlier versions.

    Args:
        model_id: of what hears now. What another model heard stays as evidence that abstains: nobody has measured
            how it adds up with what this one hears. Empty: whoever heard it is believed.

    Raises:
        StateError: not a state file, of another schema, or over another vocabulary.
        OSError: the file cannot be read.
    """
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] not in _READ:
            raise StateError(f"{path}: schema is {data['schema']}, known are {', '.join(map(str, _READ))}")
        if data["vocabulary"] != list(vocabulary):
            raise StateError(
                f"{path}: beliefs are over the labels {data['vocabulary']}, not {tuple(vocabulary)}"
            )
        objects = {
            str(name): newest_sight(Evidence.from_dict(item) for item in items)
            for name, items in data["objects"].items()
            if items
        }
        if model_id and data["model_id"] != model_id:
            objects = {name: [_of_another(item) for item in items] for name, items in objects.items()}
        became = {
            str(name): tuple(str(new) for new in names) for name, names in data.get("became", {}).items()
        }
        retracted = tuple((str(key), int(time_ns)) for key, time_ns in data.get("retracted", ()))
        writes = tuple((str(key), str(asked), dict(answer)) for key, asked, answer in data.get("writes", ()))
        state = State(objects, int(data["named"]), became, retracted, writes)
    except StateError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(f"{path}: not a state file of beliefs ({type(error).__name__}: {error})") from error
    sizes = {len(o.belief.probabilities) for items in objects.values() for o in items} - {0}
    if sizes - {len(vocabulary)}:
        raise StateError(f"{path}: probabilities do not fit the {len(vocabulary)} labels")
    return state
