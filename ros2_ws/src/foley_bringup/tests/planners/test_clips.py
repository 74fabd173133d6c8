"""Facts as CLIPS itself reads them; without clipspy, their text."""

from __future__ import annotations

import math
from typing import Any

import pytest

from foley_bringup.planners import clips as adapter
from foley_common.predicate_view import Description, Fact, State

FACTS = (
    Fact("is_made_of_metal", ("mug",), State.TRUE, probability=0.9, valid_until_ns=1_700_000_003_500_000_000),
    Fact("is_hollow", ('the "big" \\ box',), State.FALSE, probability=0.1),
    Fact("rattles_in", ("bead", "7up"), State.UNKNOWN, probability=math.nan),
)
# The slots of CLIPS-Executive's templates that are written to.
DOMAIN = """(deftemplate domain-predicate (slot name (type SYMBOL))
  (slot sensed (type SYMBOL) (allowed-values TRUE FALSE))
  (multislot param-names (type SYMBOL)) (multislot param-types (type SYMBOL)))
(deftemplate domain-fact (slot name (type SYMBOL) (default ?NONE)) (multislot param-values))"""


def test_text() -> None:
    metal, hollow, rattles = adapter.assertions(FACTS)
    assert metal == (
        "(assert (foley-predicate (name is_made_of_metal) (arguments mug) (state TRUE) (probability 0.900000) "
        "(valid-until 1700000003.500000000)))"
    )
    assert r'(arguments "the \"big\" \\ box")' in hollow
    assert '(arguments bead "7up")' in rattles and "(probability -1.000000)" in rattles
    assert adapter.deffacts(FACTS[:1]).splitlines() == [
        "(deffacts foley-predicates",
        f"  {metal.removeprefix('(assert ')[:-1]}",
        ")",
    ]
    described = Description("rattles_in", ("x", "y"), ("object", "container"))
    assert adapter.domain_facts(FACTS, [described]) == (
        "(assert (domain-predicate (name rattles_in) (sensed TRUE) (param-names x y) (param-types object container)))",
        "(assert (domain-fact (name is_made_of_metal) (param-values mug)))",
    )


@pytest.fixture
def environment() -> Any:
    found = pytest.importorskip("clips").Environment()
    for construct in (adapter.templates(), *DOMAIN.split("\n(deft")):
        found.build(construct if construct.startswith("(deft") else f"(deft{construct}")
    return found


def held(environment: Any, template: str) -> list[dict[str, Any]]:
    return [dict(fact) for fact in environment.facts() if fact.template.name == template]


def test_clips_reads_them_and_a_snapshot_replaces_the_one_before(environment: Any) -> None:
    for text in adapter.assertions(FACTS):
        environment.eval(text)
    metal, hollow, rattles = held(environment, "foley-predicate")
    assert (metal["name"], metal["arguments"], metal["state"]) == ("is_made_of_metal", ("mug",), "TRUE")
    assert metal["probability"] == 0.9 and metal["valid-until"] == 1_700_000_003.5
    assert hollow["arguments"] == ('the "big" \\ box',)
    assert rattles["arguments"] == ("bead", "7up") and rattles["probability"] == -1.0
    environment.eval(adapter.retraction())
    for text in adapter.assertions(FACTS[1:2]):
        environment.eval(text)
    assert [fact["name"] for fact in held(environment, "foley-predicate")] == ["is_hollow"]
    environment.build(adapter.deffacts(FACTS))
    environment.reset()
    assert len(held(environment, "foley-predicate")) == 3


def test_templates_of_the_executive(environment: Any) -> None:
    for text in adapter.domain_facts(FACTS, [Description("is_made_of_metal")]):
        environment.eval(text)
    (told,) = held(environment, "domain-predicate")
    assert (told["sensed"], told["param-types"]) == ("TRUE", ("object",))
    assert [(f["name"], f["param-values"]) for f in held(environment, "domain-fact")] == [
        ("is_made_of_metal", ("mug",))
    ]
