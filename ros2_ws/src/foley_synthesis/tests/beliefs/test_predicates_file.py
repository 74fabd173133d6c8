"""The predicates file: what it says, and how errors name the line, the field and the cure."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from foley_synthesis.beliefs import predicates_file
from foley_synthesis.beliefs.predicates import PredicateSpec
from foley_synthesis.beliefs.predicates_file import VocabularyError

LABELS = ("wood", "metal")


def read(predicates: str, defaults: str = "{}") -> tuple[PredicateSpec, ...]:
    return predicates_file.read(
        f"version: 1\ndefaults: {defaults}\npredicates:\n{predicates}", LABELS, where="mine.yaml"
    )


def test_default_file() -> None:
    specs = predicates_file.load(predicates_file.default_path(), LABELS)
    assert [(spec.name, *spec.parameters) for spec in specs] == [
        ("is_made_of_wood", "x"),
        ("is_made_of_metal", "x"),
        ("is_hard", "x"),
        ("surface_is_rough", "x"),
        ("is_hollow", "x"),
        ("was_hit", "x"),
        ("was_scratched", "x"),
        ("sounds_as_expected", "x"),
        ("is_harder_than", "x", "y"),
        ("is_same_material", "x", "y"),
    ]
    assert all(spec.text and spec.parameter_types == ("object",) * len(spec.parameters) for spec in specs)


def test_what_a_predicate_says_of_itself() -> None:
    (spec, derived, struck) = read(
        "  - {name: is_dented, expression: hollowness, doc: Has a dent., observed_by: [rub, look], true_above: 0.9}\n"
        "  - {name: is_metal, expression: 'probability(\"metal\")', observation_cost_s: 2}\n"
        '  - {name: struck, expression: \'happened("hit", "pat")\', lifetime_s: 5}\n',
        "{lifetime_s: 30, false_below: 0.2, observation_cost_s: 4.5}",
    )
    assert (spec.text, spec.observed_by, spec.observation_cost_s) == ("Has a dent.", ("rub", "look"), 4.5)
    assert (spec.thresholds.true_above, spec.thresholds.false_below, spec.lifetime_s) == (0.9, 0.2, 30.0)
    assert (derived.observed_by, derived.observation_cost_s) == (("tap", "look"), 2.0)
    assert (struck.observed_by, struck.lifetime_s) == (("hit", "pat"), 5.0)


def test_cost_is_not_known_unless_said() -> None:
    (spec,) = read("  - {name: a, expression: roughness}")
    assert math.isnan(spec.observation_cost_s) and spec.lifetime_s == 600.0


def test_merge_keys_of_yaml_are_read() -> None:
    specs = read("  - &a {name: a, expression: roughness, lifetime_s: 7}\n  - {<<: *a, name: b}\n")
    assert [(spec.name, spec.lifetime_s) for spec in specs] == [("a", 7.0), ("b", 7.0)]


def test_taught_predicates_may_be_named() -> None:
    text = "version: 1\npredicates:\n  - {name: safe, expression: 'taught(\"lid_is_tight\")'}"
    (spec,) = predicates_file.read(text, LABELS, taught=["lid_is_tight"])
    assert spec.observed_by == ("tap",)
    with pytest.raises(
        VocabularyError, match=r"predicates:3: predicate `safe`: expression .* not known to `taught`"
    ):
        predicates_file.read(text, LABELS)


GOOD = "  - {name: a, expression: roughness}\n"


@pytest.mark.parametrize(
    ("defined", "said"),
    [
        ("  text", "mine.yaml:3: `predicates` must be a list"),
        ("  - 7", "mine.yaml:4: predicate number 1"),
        (GOOD + "  - {expression: '1'}", "mine.yaml:5: predicate number 2: name is None"),
        ("  - {name: a}", "mine.yaml:4: predicate `a`: expression is None"),
        (
            "  - name: a\n\n    # why\n    expression: softness",
            "mine.yaml:7: predicate `a`: expression `softness`: `softness` is not known",
        ),
        ("  - name: a\n    expression: roughnes", "mine.yaml:5: .* did you mean `roughness`"),
        (
            "  - name: a\n    expression: '1'\n    colour: 1",
            "mine.yaml:6: predicate `a`: unknown key `colour`",
        ),
        (
            "  - name: a\n    expresion: '1'",
            "mine.yaml:5: .* unknown key `expresion`; did you mean `expression`",
        ),
        ("  - name: a\n    expression: '1'\n    name: b", "mine.yaml:6: `name` stands in line 4 too"),
        (GOOD + GOOD, "mine.yaml:5: predicate `a` is defined twice"),
        ("  - {name: A b, expression: '1'}", "mine.yaml:4: predicate `A b`: a name"),
        ("  - name: a\n    expression: '1'\n    true_above: 0.2", "mine.yaml:6: predicate `a`: false_below"),
        ("  - {name: a, expression: '1', margin: wide}", "predicate `a`: margin is 'wide'"),
        ("  - {name: a, expression: '1', margin: 0.9}", "predicate `a`: margin"),
        (
            "  - name: a\n    expression: '1'\n    lifetime_s: 0",
            "mine.yaml:6: .* lifetime_s is 0, must be positive",
        ),
        ("  - {name: a, expression: '1', when_abstaining: 'no'}", "when_abstaining is 'no'"),
        ("  - {name: 'is_{label}', expression: 'probability(\"{label}s\")'}", "predicate `is_wood`"),
        ("  - {name: a, expression: roughness, parameters: x}", "parameters is 'x', expected"),
        ("  - {name: a, expression: roughness, parameters: [x, x]}", "name of its own"),
        ("  - {name: a, expression: roughness, parameters: [roughness]}", "name of its own"),
        ("  - {name: a, expression: roughness, parameters: [x, y, z]}", r"expected \[x\] or \[x, y\]"),
        ("  - {name: a, expression: x.roughness, parameters: [x, y]}", "uses nothing of `y`"),
        ("  - {name: a, expression: roughness, observed_by: tap}", "observed_by is 'tap', expected a list"),
        ("  - {name: a, expression: roughness, observed_by: [tab]}", "names `tab`; did you mean `tap`"),
        ("  - {name: a, expression: roughness, observation_cost_s: free}", "observation_cost_s is 'free'"),
    ],
)
def test_bad_predicates_are_named_with_their_line(defined: str, said: str) -> None:
    with pytest.raises(VocabularyError, match=said):
        read(defined)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("version: [", r"mine\.yaml:1: not YAML"),
        ("version: 1\npredicates: [}", r"mine\.yaml:2: not YAML"),
        ("", r"mine\.yaml:1: expected a mapping"),
        ("- 1", r"mine\.yaml:1: expected a mapping"),
        ("version: 2\npredicates: []", r"mine\.yaml:1: version is 2"),
        ("version: 1\npredicate: []", r"mine\.yaml:2: unknown key `predicate`; did you mean `predicates`"),
        ("version: 1", r"mine\.yaml:1: `predicates` must be a list"),
        (
            "version: 1\ndefaults: {lifetime: 3}\npredicates: []",
            r"mine\.yaml:2: `defaults`: unknown key `lifetime`",
        ),
        ("version: 1\npredicates: &a [*a]", r"mine\.yaml:2"),
        ("version: 1\npredicates: [{name: 2026-13-45, expression: '1'}]", r"mine\.yaml:2: `name`: month"),
        ("[" * 3000, r"mine\.yaml"),
    ],
)
def test_bad_file_is_named(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    with pytest.raises(VocabularyError, match=said):
        predicates_file.load(file, LABELS)


def test_bad_bytes_are_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(b"version: \xff")
    with pytest.raises(VocabularyError, match=r"mine\.yaml: not text"):
        predicates_file.load(file, LABELS)
