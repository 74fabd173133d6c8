"""The file of the predicates (``data/predicates.yaml`` is the default one)::

    version: 1
    defaults: {true_above: 0.7, false_below: 0.3, margin: 0.1, lifetime_s: 600}
    predicates:
      - name: is_made_of_{label}           # one predicate per label of the material vocabulary
        expression: probability("{label}")
      - name: is_hard
        expression: above(log10_youngs_modulus_pa_mean, 10.3, log10_youngs_modulus_pa_std)
        doc: Stiffer than 20 GPa.
        observed_by: [tap, look]           # what brings evidence; without it as the expression says
        observation_cost_s: 4.0            # of the cheapest of these
      - name: was_hit
        expression: happened("tap", "hit")
        when_abstaining: true              # holds whether or not the material belief abstains
      - name: is_rougher_than
        parameters: [x, y]                 # about two objects; without it one, x
        expression: above(x.roughness - y.roughness, 0, 0.2)

Errors say the file, the line, the predicate, the field, its value and what to write.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from foley_common.enumerations import KNOWN_ACTIONS
from foley_perception.near_names import among
from foley_synthesis.beliefs.expressions import FIELDS, Expression, ExpressionError
from foley_synthesis.beliefs.hysteresis import Thresholds
from foley_synthesis.beliefs.predicates import LOOK, NAN, PredicateSpec

VERSION = 1
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_THRESHOLDS = ("true_above", "false_below", "margin")
_TIMES = ("lifetime_s", "observation_cost_s")
_TOP = ("version", "defaults", "predicates")
_DEFAULTS = (*_THRESHOLDS, *_TIMES)
_KEYS = ("name", "expression", "doc", "parameters", "observed_by", "when_abstaining", *_DEFAULTS)
_MOST_PARAMETERS = 2


class VocabularyError(ValueError):
    """A predicates file that is refused; the message names the file, the line, the predicate and the cure."""


def default_path() -> Path:
    """The predicates that ship with the package."""
    return Path(__file__).resolve().parent.parent / "data" / "predicates.yaml"


def load(path: Path, labels: Sequence[str], *, taught: Sequence[str] = ()) -> tuple[PredicateSpec, ...]:
    """Read a predicates file.

    Args:
        labels: of the materials.
        taught: predicates that are learned, which expressions may name.

    Raises:
        VocabularyError: not YAML, unknown keys, a bad expression, thresholds or names.
        OSError: the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise VocabularyError(f"{path}: not text: {error}") from error
    return read(text, labels, taught=taught, where=str(path))


def read(
    text: str, labels: Sequence[str], *, taught: Sequence[str] = (), where: str = "predicates"
) -> tuple[PredicateSpec, ...]:
    """Specs from the text of a file; ``where`` begins every error. See :func:`load`."""
    try:
        return tuple(_Reader(text, where, labels, taught).specs())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        what = getattr(error, "problem", None) or " ".join(str(error).split())
        raise VocabularyError(f"{where}{line}: not YAML: {what}") from error
    except RecursionError as error:
        raise VocabularyError(f"{where}: not YAML that can be read: nested too deeply") from error


class _Entry:
    """A mapping of the file: its values, and the lines that they stand in."""

    def __init__(
        self, loader: yaml.SafeLoader, where: str, line: int, nodes: Mapping[str, tuple[yaml.Node, int]]
    ) -> None:
        self._loader, self._where, self._line, self.nodes = loader, where, line, nodes

    def __contains__(self, key: str) -> bool:
        return key in self.nodes

    def get(self, key: str, default: Any = None) -> Any:
        if key not in self.nodes:
            return default
        try:
            return self._loader.construct_object(self.nodes[key][0], deep=True)
        except ValueError as error:  # of a date that there is not
            raise self.error(f"`{key}`: {error}", key) from error

    def error(self, what: str, key: str = "") -> VocabularyError:
        """That ``what`` is wrong in the line of this key, or of the whole mapping."""
        line = self.nodes[key][1] if key in self.nodes else self._line
        return VocabularyError(f"{self._where}:{line}: {what}")

    def only(self, known: Sequence[str], what: str = "") -> None:
        for key in self.nodes:
            if key not in known:
                raise self.error(f"{what}unknown key `{key}`; {among(key, known)}", key)


class _Reader:
    def __init__(self, text: str, where: str, labels: Sequence[str], taught: Sequence[str]) -> None:
        self._where, self._labels, self._taught = where, labels, taught
        self._loader = yaml.SafeLoader(text)
        try:
            self._root = self._loader.get_single_node()
        finally:
            self._loader.dispose()  # of what parses; what constructs goes on

    def specs(self) -> list[PredicateSpec]:
        top = self._mapping(self._root, f"expected a mapping with `version: {VERSION}`")
        if top.get("version") != VERSION:
            raise top.error(f"version is {top.get('version')!r}, expected `version: {VERSION}`", "version")
        top.only(_TOP)
        defaults = _Entry(self._loader, self._where, 1, {})
        if top.get("defaults") is not None:
            defaults = self._mapping(top.nodes["defaults"][0], "`defaults` is no mapping")
            defaults.only(_DEFAULTS, "`defaults`: ")
        listed = top.nodes["predicates"][0] if "predicates" in top else None
        if not isinstance(listed, yaml.SequenceNode):
            raise top.error(
                "`predicates` must be a list of mappings with `name` and `expression`", "predicates"
            )
        specs: dict[str, PredicateSpec] = {}
        for number, node in enumerate(listed.value, start=1):
            entry = self._mapping(node, f"predicate number {number} is no mapping with a `name`")
            if not isinstance(entry.get("name"), str):
                raise entry.error(
                    f"predicate number {number}: name is {entry.get('name')!r}, expected text", "name"
                )
            for spec in self._predicates(entry, defaults):
                if spec.name in specs:
                    raise entry.error(
                        f"predicate `{spec.name}` is defined twice: rename or remove one", "name"
                    )
                specs[spec.name] = spec
        return list(specs.values())

    def _mapping(self, node: yaml.Node | None, expected: str) -> _Entry:
        line = node.start_mark.line + 1 if node is not None else 1
        if not isinstance(node, yaml.MappingNode):
            raise VocabularyError(f"{self._where}:{line}: {expected}")
        seen: dict[str, int] = {}
        for key, _ in node.value:
            at = key.start_mark.line + 1
            if str(key.value) in seen:
                raise VocabularyError(
                    f"{self._where}:{at}: `{key.value}` stands in line {seen[str(key.value)]} too: leave one out"
                )
            seen[str(key.value)] = at
        self._loader.flatten_mapping(node)
        nodes = {str(key.value): (value, key.start_mark.line + 1) for key, value in node.value}
        return _Entry(self._loader, self._where, line, nodes)

    def _predicates(self, entry: _Entry, defaults: _Entry) -> Iterator[PredicateSpec]:
        name = entry.get("name")
        what = f"predicate `{name}`: "
        entry.only(_KEYS, what)
        source = entry.get("expression")
        if not isinstance(source, str):
            raise entry.error(f"{what}expression is {source!r}, expected text", "expression")
        times = {key: _time(entry if key in entry else defaults, key, what) for key in _TIMES}
        abstaining = entry.get("when_abstaining", False)
        if not isinstance(abstaining, bool):
            raise entry.error(
                f"{what}when_abstaining is {abstaining!r}, must be true or false", "when_abstaining"
            )
        thresholds = _thresholds(entry, defaults, what)
        parameters = _parameters(entry, what)
        observed_by = _observed_by(entry, what)
        for label in self._labels if "{label}" in name else ("",):
            full = name.replace("{label}", label)
            if not _NAME.fullmatch(full):
                raise entry.error(
                    f"predicate `{full}`: a name is a lower case letter, then letters, digits and `_`", "name"
                )
            try:
                expression = Expression(
                    source.replace("{label}", label), self._labels, parameters=parameters, taught=self._taught
                )
            except ExpressionError as error:
                raise entry.error(f"predicate `{full}`: expression {error}", "expression") from error
            used = {use.parameter for use in expression.uses}
            unused = [p for i, p in enumerate(parameters) if i not in used]
            if len(parameters) > 1 and unused:
                raise entry.error(
                    f"predicate `{full}`: expression `{expression.source}` uses nothing of `{unused[0]}`: leave the "
                    "parameter out, or name a field of it",
                    "expression",
                )
            yield PredicateSpec(
                full,
                expression,
                thresholds,
                600.0 if math.isnan(times["lifetime_s"]) else times["lifetime_s"],
                abstaining,
                str(entry.get("doc", "")).replace("{label}", label),
                observed_by,
                times["observation_cost_s"],
            )


def _time(entry: _Entry, key: str, what: str) -> float:
    """Positive seconds, NaN where it does not stand there."""
    if key not in entry:
        return NAN
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise entry.error(f"{what}{key} is {value!r}, must be positive [s]", key)
    return float(value)


def _thresholds(entry: _Entry, defaults: _Entry, what: str) -> Thresholds:
    given = {key: (entry if key in entry else defaults) for key in _THRESHOLDS}
    try:
        return Thresholds(**{key: source.get(key) for key, source in given.items() if key in source})
    except ValueError as error:
        said = next((key for key in _THRESHOLDS if str(error).startswith(key) and key in entry), "")
        said = said or next((key for key in _THRESHOLDS if key in entry), "name")
        raise entry.error(f"{what}{error}", said) from error


def _parameters(entry: _Entry, what: str) -> tuple[str, ...]:
    value = entry.get("parameters", ["x"])
    if not isinstance(value, list) or not 1 <= len(value) <= _MOST_PARAMETERS:
        raise entry.error(f"{what}parameters is {value!r}, expected [x] or [x, y]", "parameters")
    for name in value:
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name in FIELDS or value.count(name) > 1:
            raise entry.error(
                f"{what}parameters is {value!r}: `{name}` must be a name of its own, as in [x, y]",
                "parameters",
            )
    return tuple(value)


def _observed_by(entry: _Entry, what: str) -> tuple[str, ...]:
    value = entry.get("observed_by", [])
    known = (*KNOWN_ACTIONS, LOOK)
    if not isinstance(value, list):
        raise entry.error(
            f"{what}observed_by is {value!r}, expected a list, as in [tap, look]", "observed_by"
        )
    for name in value:
        if name not in known:
            raise entry.error(f"{what}observed_by names `{name}`; {among(str(name), known)}", "observed_by")
    return tuple(value)
