"""Predicates that are taught while contacts are made: which contacts may be labelled, and what is said of objects.

The newest contacts are remembered with their embeddings, which the model made of them anyway, and their sounds. What is
believed of an object follows from those of its contacts that the belief store still holds, so that whatever is
retracted, moved, merged or split there is so here.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import math
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from foley_perception.near_names import among
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.expressions import Expression
from foley_synthesis.beliefs.predicates import PredicateSpec
from foley_synthesis.hearing.inference.hearing import Hearing
from foley_synthesis.live.contact_queue import HeardSound
from foley_synthesis.live.material_core import ContactOutcome
from foley_synthesis.teaching.embedding import PLAIN, Embedding, Plain, of_features
from foley_synthesis.teaching.example import Example, TaughtSound, TeachingError
from foley_synthesis.teaching.files import replace_file
from foley_synthesis.teaching.library import TaughtLibrary
from foley_synthesis.teaching.taught import TaughtPredicate, fused

MOST = 64  # contacts that are remembered
_NOBODY = "nobody has touched anything yet"


class UnknownContact(TeachingError):
    """It is not among those that are remembered."""


@dataclasses.dataclass(frozen=True, eq=False)
class _Remembered:
    object_id: str  # when it was heard
    embedding: Embedding
    sound: TaughtSound | None  # None: of an earlier run


class LiveTeaching:
    """All public methods may be called from any thread.

    Args:
        library: the predicates.
        labels: vocabulary of materials, for expressions.
        taken: names of predicates that are not taught.
    """

    def __init__(self, library: TaughtLibrary, labels: Sequence[str], taken: Sequence[str]) -> None:
        self.library = library
        self._labels, self._taken = tuple(labels), frozenset(taken)
        self._lock = threading.Lock()
        self._contacts: collections.OrderedDict[str, _Remembered] = collections.OrderedDict()
        self._newest = ""  # contact that was heard, remembered or not
        self._changed = False  # since contacts were last kept
        self._said: dict[str, tuple[TaughtPredicate, dict[str, float]]] = {}  # of contacts, by predicate

    # ---- contacts ----------------------------------------------------------------------------------------
    def remember(self, sound: HeardSound, outcome: ContactOutcome) -> None:
        """A contact that was heard; one whose sound was not received whole cannot be labelled."""
        heard, contact = outcome.heard, outcome.contact
        with self._lock:
            self._newest = contact.contact_id or self._newest
        if (
            not isinstance(heard, Hearing)
            or heard.features is None
            or not sound.complete
            or not contact.contact_id
        ):
            return
        kept = TaughtSound(sound.samples.copy(), sound.sample_rate, sound.onset_s)
        with self._lock:
            self._contacts.pop(contact.contact_id, None)
            self._changed = True
            self._contacts[contact.contact_id] = _Remembered(
                contact.object_id, of_features(heard.features), kept
            )
            while len(self._contacts) > MOST:
                gone, _ = self._contacts.popitem(last=False)
                for _, known in self._said.values():
                    known.pop(gone, None)

    def said_of(self, heard: Sequence[Evidence]) -> tuple[dict[str, float], int]:
        """What taught predicates say of a thing with which these contacts were heard, oldest first: probabilities
        without what is not known, and the stamp of the newest contact that they rest on.
        """
        found: dict[str, float] = {}
        newest_ns = 0
        for name, taught in self.library.taught.items():
            if not taught.enough or name in self._taken:
                continue
            each = [(item.time_ns, self._of_contact(taught, item.key)) for item in heard]
            known = [(time_ns, p) for time_ns, p in each if not math.isnan(p)]
            if known:
                found[name] = fused([p for _, p in known])
                newest_ns = max(newest_ns, known[-1][0])
        return found, newest_ns

    # ---- labels ------------------------------------------------------------------------------------------
    def label(
        self, name: str, contact_id: str, label: bool | None, write_id: str
    ) -> tuple[TaughtPredicate, str]:
        """Label a contact, or take its label back (None); the predicate after it, and which contact it was.

        Args:
            contact_id: empty: the newest one.

        Raises:
            UnknownContact: it is not remembered, or has no label to take back.
            TeachingError: a bad name.
            OSError: it cannot be kept.
        """
        if name in self._taken:
            raise TeachingError(f"name is `{name}`, which is one of predicates_file; take another one")
        with self._lock:
            contact_id = contact_id or self._newest
            unheard = contact_id == self._newest
            contact = self._contacts.get(contact_id)
            known = list(reversed(self._contacts))
        if label is None:
            of = self.library[name].examples
            if contact_id not in {example.contact_id for example in of}:
                raise UnknownContact(
                    f"contact `{contact_id}` has no label for `{name}`; nothing to take back"
                )
            return self.library.take_back(name, [contact_id]), contact_id
        if contact is None:
            what = f"contact `{contact_id[:60]}` is not among the newest {MOST}" if contact_id else _NOBODY
            if contact_id and unheard:
                what = f"the sound of contact `{contact_id[:60]}`, the newest, was not received whole: touch once more"
            raise UnknownContact(f"{what}; {among(contact_id[:60], known)}" if contact_id else what)
        example = Example(
            contact_id,
            label,
            contact.embedding,
            contact.object_id or contact_id,
            "live",
            write_id,
            contact.sound,
        )
        return self.library.add(name, [example]), contact_id

    # ---- predicates --------------------------------------------------------------------------------------
    def specs(self) -> list[PredicateSpec]:
        """Of all taught predicates; those that are not enough are never known."""
        return [
            PredicateSpec(
                name,
                Expression(f'taught("{name}")', self._labels, taught=(name,)),
                taught.thresholds,
                when_abstaining=True,  # it is not the material that is asked for
                text=taught.text
                or f"taught with {taught.positives} positives and {taught.negatives} negatives",
                taught=True,
            )
            for name, taught in self.library.taught.items()
            if name not in self._taken
        ]

    def calibrations(self) -> dict[str, str]:
        """As :func:`foley_synthesis.beliefs.predicates.calibration_of` takes them."""
        return {f"taught:{name}": taught.calibration_id for name, taught in self.library.taught.items()}

    def problems(self) -> list[str]:
        """Why some are not answered."""
        clash = [
            f"`{name}` was taught and is one of predicates_file as well, which counts; teach it under another name"
            for name in self.library.taught
            if name in self._taken
        ]
        return [*self.library.problems, *clash]

    # ---- file --------------------------------------------------------------------------------------------
    def save(self, path: Path, features_id: str) -> None:
        """Keep the embeddings of remembered contacts over a restart, without their sounds, where any are new.

        Raises:
            OSError: it cannot be written.
        """
        from safetensors.numpy import save

        with self._lock:
            contacts, self._changed = dict(self._contacts) if self._changed else {}, False
        if not contacts:
            return
        rows = [contact.embedding for contact in contacts.values()]
        tensors = {
            "embeddings": np.stack([row.values for row in rows]).astype(np.float16),
            "plain": np.array([dataclasses.astuple(row.plain) for row in rows], np.float32),
        }
        about = {
            "features": features_id,
            "sizes": json.dumps(rows[0].sizes),
            "contacts": json.dumps([[name, contact.object_id] for name, contact in contacts.items()]),
        }
        replace_file(path, save(tensors, about), durable=False)

    def restore(self, path: Path, features_id: str) -> str:
        """What :meth:`save` kept; what goes wrong, empty if nothing does. Of another model nothing is taken."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="np") as file:
                about = file.metadata()
                if about["features"] != features_id:
                    return ""
                values, plain = file.get_tensor("embeddings"), file.get_tensor("plain")
            names, sizes = json.loads(about["contacts"]), tuple(json.loads(about["sizes"]))
            if plain.shape != (len(names), len(PLAIN)):
                raise ValueError(f"plain has shape {plain.shape} for {len(names)} contacts")
            with self._lock:
                for (name, object_id), row, numbers in zip(names, values, plain, strict=True):
                    embedding = Embedding(row.astype(np.float32), sizes, Plain(*map(float, numbers)))
                    self._contacts[str(name)] = _Remembered(str(object_id), embedding, None)
                    self._newest = str(name)
        except FileNotFoundError:
            return ""
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            return f"{path}: contacts of earlier runs are not restored ({error}); it is written anew"
        return ""

    # ---- inside ------------------------------------------------------------------------------------------
    def _of_contact(self, taught: TaughtPredicate, contact_id: str) -> float:
        with self._lock:
            of, known = self._said.get(taught.name, (None, {}))
            if of is not taught:
                known = {}
                self._said[taught.name] = (taught, known)
            if contact_id not in known:
                contact = self._contacts.get(contact_id)
                if contact is None:
                    return math.nan
                known[contact_id] = taught.probability(contact.embedding.values)
            return known[contact_id]


def answer_of(taught: TaughtPredicate, contact_id: str) -> Mapping[str, object]:
    """As a write log keeps it: plain data, None where a number is not known."""
    judged = taught.judged is not None
    return {
        "contact_id": contact_id,
        "positives": taught.positives,
        "negatives": taught.negatives,
        "left_out_accuracy": taught.accuracy if judged else None,
        "left_out_log_loss": taught.log_loss if judged else None,
        "enough": taught.enough,
        "advice": str(taught.verdict),
    }
