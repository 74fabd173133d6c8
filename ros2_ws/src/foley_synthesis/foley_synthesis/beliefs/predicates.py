"""The predicates that are published, read from YAML, and their states over time.

The file (``data/predicates.yaml`` is the default one)::

    version: 1
    defaults: {true_above: 0.7, false_below: 0.3, margin: 0.1, lifetime_s: 600}
    predicates:
      - name: is_made_of_{label}           # one predicate per label of the material vocabulary
        expression: probability("{label}")
      - name: is_hard
        expression: above(log10_youngs_modulus_mean, 10.3, log10_youngs_modulus_std)
      - name: was_hit
        expression: happened("tap", "hit")
        when_abstaining: true              # holds whether or not the material belief abstains
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from foley_synthesis.beliefs.expressions import Expression, ExpressionError, Facts
from foley_synthesis.beliefs.hysteresis import Thresholds, Truth, step

VERSION = 1
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_THRESHOLDS = ("true_above", "false_below", "margin")
_KEYS = {"name", "expression", "doc", "lifetime_s", "when_abstaining", *_THRESHOLDS}


class VocabularyError(ValueError):
    """A predicates file that is refused; the message names the file, the predicate and the cure."""


@dataclasses.dataclass(frozen=True)
class PredicateSpec:
    """One predicate of one argument."""

    name: str
    expression: Expression
    thresholds: Thresholds = dataclasses.field(default_factory=Thresholds)
    lifetime_s: float = 600.0  # a state holds for this long after its newest evidence
    when_abstaining: bool = False  # True: known even while the material belief abstains
    doc: str = ""


@dataclasses.dataclass(frozen=True)
class PredicateValue:
    """One predicate about one object at one time: the fields of foley_msgs/Predicate."""

    name: str
    argument: str
    probability: float  # NaN: no evidence
    state: Truth
    newest_evidence_ns: int
    valid_until_ns: int


def default_path() -> Path:
    """The predicates that ship with the package."""
    return Path(__file__).resolve().parent.parent / "data" / "predicates.yaml"


def load(path: Path, labels: Sequence[str]) -> tuple[PredicateSpec, ...]:
    """Read a predicates file.

    Raises:
        VocabularyError: not YAML, unknown keys, a bad expression, thresholds or names.
        OSError: the file cannot be read.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise VocabularyError(f"{path}: not YAML: {error}") from error
    try:
        return parse(data, labels)
    except VocabularyError as error:
        raise VocabularyError(f"{path}: {error}") from error


def parse(data: Any, labels: Sequence[str]) -> tuple[PredicateSpec, ...]:
    """Specs from the parsed file; see :func:`load`."""
    if not isinstance(data, Mapping) or data.get("version") != VERSION:
        raise VocabularyError(f"expected a mapping with `version: {VERSION}`")
    if unknown := set(data) - {"version", "defaults", "predicates"}:
        raise VocabularyError(f"unknown keys {sorted(map(str, unknown))}")
    defaults = data.get("defaults") or {}
    entries = data.get("predicates")
    if not isinstance(defaults, Mapping) or not isinstance(entries, list):
        raise VocabularyError("`defaults` must be a mapping and `predicates` a list")
    if unknown := set(defaults) - {"lifetime_s", *_THRESHOLDS}:
        raise VocabularyError(f"unknown defaults {sorted(map(str, unknown))}")
    specs: dict[str, PredicateSpec] = {}
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
            raise VocabularyError(f"predicate number {number} is {entry!r}, expected a mapping with a `name`")
        for spec in _specs({**defaults, **entry}, labels):
            if spec.name in specs:
                raise VocabularyError(f"predicate `{spec.name}` is defined twice")
            specs[spec.name] = spec
    return tuple(specs.values())


def _specs(entry: Mapping[str, Any], labels: Sequence[str]) -> Iterable[PredicateSpec]:
    name, source = str(entry["name"]), entry.get("expression")
    if unknown := set(entry) - _KEYS:
        raise VocabularyError(f"predicate `{name}`: unknown keys {sorted(map(str, unknown))}")
    if not isinstance(source, str):
        raise VocabularyError(f"predicate `{name}`: expression is {source!r}, expected text")
    lifetime = entry.get("lifetime_s", 600.0)
    if isinstance(lifetime, bool) or not isinstance(lifetime, (int, float)) or not 0 < lifetime < math.inf:
        raise VocabularyError(f"predicate `{name}`: lifetime_s is {lifetime!r}, must be positive [s]")
    abstaining = entry.get("when_abstaining", False)
    if not isinstance(abstaining, bool):
        raise VocabularyError(f"predicate `{name}`: when_abstaining is {abstaining!r}, must be true or false")
    try:
        thresholds = Thresholds(**{key: entry[key] for key in _THRESHOLDS if key in entry})
    except ValueError as error:
        raise VocabularyError(f"predicate `{name}`: {error}") from error
    for label in labels if "{label}" in name else ("",):
        full = name.replace("{label}", label)
        if not _NAME.fullmatch(full):
            raise VocabularyError(f"predicate `{full}`: a name is lower case letters, digits and `_`")
        try:
            expression = Expression(source.replace("{label}", label), labels)
        except ExpressionError as error:
            raise VocabularyError(f"predicate `{full}`: {error}") from error
        yield PredicateSpec(
            full, expression, thresholds, float(lifetime), abstaining, str(entry.get("doc", ""))
        )


class PredicateTable:
    """States of all predicates of all objects; remembers them for the hysteresis."""

    def __init__(self, specs: Sequence[PredicateSpec]) -> None:
        self.specs = tuple(specs)
        self._states: dict[tuple[str, str], Truth] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(spec.name for spec in self.specs)

    def evaluate(self, object_id: str, facts: Facts, newest_ns: int, now_ns: int) -> list[PredicateValue]:
        """All predicates of one object; ``newest_ns`` is the time of the newest contact used, 0 if none."""
        return [self._one(spec, object_id, facts, newest_ns, now_ns) for spec in self.specs]

    def forget(self, keep: Iterable[str]) -> None:
        """Drop the states of objects that are not in ``keep``."""
        kept = set(keep)
        self._states = {key: state for key, state in self._states.items() if key[1] in kept}

    def _one(
        self, spec: PredicateSpec, object_id: str, facts: Facts, newest_ns: int, now_ns: int
    ) -> PredicateValue:
        key = (spec.name, object_id)
        probability = spec.expression(facts) if newest_ns > 0 else math.nan
        if not math.isnan(probability):
            probability = min(max(probability, 0.0), 1.0)
        valid_until = newest_ns + round(spec.lifetime_s * 1e9) if newest_ns > 0 else 0
        abstaining = facts.numbers.get("abstain", 1.0) != 0.0 and not spec.when_abstaining
        if abstaining or now_ns > valid_until:
            state = Truth.UNKNOWN
        else:
            state = step(self._states.get(key, Truth.UNKNOWN), probability, spec.thresholds)
        self._states[key] = state
        return PredicateValue(spec.name, object_id, probability, state, newest_ns, valid_until)
