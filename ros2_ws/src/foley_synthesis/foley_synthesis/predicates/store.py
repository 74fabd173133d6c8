"""All evidence, by object, and its file: beliefs survive a restart of the node that holds them."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from foley_synthesis.predicates.evidence import Evidence, EvidenceError
from foley_synthesis.predicates.fusion import FusedBelief, FusionConfig, fuse

SCHEMA = 1


class StateError(ValueError):
    """A state file that cannot be used; the message says why."""


class BeliefStore:
    """Evidence per object, bounded; not thread-safe (its owner's worker is the only user).

    Args:
        vocabulary: labels that all probabilities refer to.
        fusion: how evidence adds up.
        same_object_radius_m: contacts without an object id that are this close to an object belong to it.
        max_evidence: pieces kept per object and kind; the oldest go first.
        max_objects: objects kept; the one with the oldest newest evidence goes first.
    """

    def __init__(
        self,
        vocabulary: Sequence[str],
        fusion: FusionConfig | None = None,
        *,
        same_object_radius_m: float = 0.08,
        max_evidence: int = 64,
        max_objects: int = 256,
    ) -> None:
        self.vocabulary = tuple(vocabulary)
        self.fusion = fusion or FusionConfig()
        self._radius = same_object_radius_m
        self._max_evidence = max_evidence
        self._max_objects = max_objects
        self._evidence: dict[str, list[Evidence]] = {}
        self._named = 0

    @property
    def objects(self) -> list[str]:
        return sorted(self._evidence)

    def evidence(self, object_id: str) -> list[Evidence]:
        return list(self._evidence.get(object_id, ()))

    def belief(self, object_id: str) -> FusedBelief:
        return fuse(self._evidence.get(object_id, ()), self.fusion)

    def resolve(self, object_id: str, position: Sequence[float], *, create: bool = True) -> str:
        """The object that a contact belongs to: its id if given, else the nearest known object.

        Returns "" when nothing is known of the contact, or when no object is near and ``create`` is False.
        """
        if object_id:
            return object_id
        if len(position) != 3 or not all(math.isfinite(v) for v in position):
            return ""
        nearest, distance = "", math.inf
        for name, items in self._evidence.items():
            known = [item.position for item in items if all(math.isfinite(v) for v in item.position)]
            if known:
                d = float(np.linalg.norm(np.asarray(known) - np.asarray(position), axis=1).min())
                if d < distance:
                    nearest, distance = name, d
        if distance <= self._radius:
            return nearest
        if not create:
            return ""
        while True:
            self._named += 1
            if f"object_{self._named}" not in self._evidence:
                return f"object_{self._named}"

    def add(self, object_id: str, item: Evidence) -> None:
        """Add one piece; it replaces an older one of the same kind and key.

        A heard contact takes the place of what was predicted for it (same plan: see :meth:`forget`).

        Raises:
            EvidenceError: no object, or probabilities over another vocabulary.
        """
        if not object_id:
            raise EvidenceError("object_id is empty")
        if item.probabilities and len(item.probabilities) != len(self.vocabulary):
            raise EvidenceError(
                f"{len(item.probabilities)} probabilities for a vocabulary of {len(self.vocabulary)} labels"
            )
        items = [o for o in self._evidence.get(object_id, ()) if (o.kind, o.key) != (item.kind, item.key)]
        items.append(item)
        items.sort(key=lambda o: o.time_ns)
        same_kind = [o for o in items if o.kind == item.kind]
        if len(same_kind) > self._max_evidence:
            items.remove(same_kind[0])
        self._evidence[object_id] = items
        if len(self._evidence) > self._max_objects:
            oldest = min(self._evidence, key=lambda name: max(o.time_ns for o in self._evidence[name]))
            del self._evidence[oldest]

    def forget_predicted(self, object_id: str, *, plan_id: str, time_ns: int, within_s: float) -> int:
        """Drop predicted evidence that a heard contact has overtaken: same plan, or about the same time."""
        items = self._evidence.get(object_id, [])
        kept = [
            o
            for o in items
            if o.kind != "predicted"
            or not ((plan_id and o.key == plan_id) or abs(o.time_ns - time_ns) <= within_s * 1e9)
        ]
        if kept:
            self._evidence[object_id] = kept
        else:
            self._evidence.pop(object_id, None)
        return len(items) - len(kept)

    # ---- file ------------------------------------------------------------------------------------------
    def save(self, path: Path, *, model_id: str) -> None:
        """Write atomically: a reader finds the old file or the new one, never half of one.

        Raises:
            OSError: the folder is not writable or the disk is full.
        """
        data = {
            "schema": SCHEMA,
            "model_id": model_id,
            "vocabulary": list(self.vocabulary),
            "named": self._named,
            "objects": {name: [o.to_dict() for o in items] for name, items in self._evidence.items()},
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

    def restore(self, path: Path) -> int:
        """Read what :meth:`save` wrote and return the number of objects; all or nothing.

        Evidence of an earlier checkpoint is kept as long as the labels are the same.

        Raises:
            StateError: not a state file, of another schema, or over another vocabulary.
            OSError: the file cannot be read.
        """
        try:
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if data["schema"] != SCHEMA:
                raise StateError(f"{path}: schema is {data['schema']}, expected {SCHEMA}")
            if tuple(data["vocabulary"]) != self.vocabulary:
                raise StateError(
                    f"{path}: beliefs are over the labels {data['vocabulary']}, not {self.vocabulary}"
                )
            restored = {
                str(name): [Evidence.from_dict(item) for item in items]
                for name, items in data["objects"].items()
                if items
            }
            named = int(data["named"])
        except StateError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StateError(
                f"{path}: not a state file of beliefs ({type(error).__name__}: {error})"
            ) from error
        sizes = {len(o.probabilities) for items in restored.values() for o in items} - {0}
        if sizes - {len(self.vocabulary)}:
            raise StateError(f"{path}: probabilities do not fit the {len(self.vocabulary)} labels")
        self._evidence, self._named = restored, named
        return len(restored)
