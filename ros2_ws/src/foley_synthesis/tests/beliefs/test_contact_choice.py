"""Which contacts are chosen, and that laziness changes nothing."""

from __future__ import annotations

import itertools
import math

import pytest

from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.beliefs.contact_bank import Likeness, bank_of
from foley_synthesis.beliefs.contact_choice import Candidate, ContactCosts, Suggestion, suggest
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fusion import FusionConfig
from foley_synthesis.beliefs.information import ContactWorth


def belief(metal: float) -> MaterialBelief:
    return MaterialBelief((metal, 1.0 - metal))


def look(metal: float) -> Evidence:
    return Evidence("seen", "plan", 1, belief(metal))


COSTS = ContactCosts(strike_s=2.0, stroke_s=3.0, travel_speed=0.1)
CONFIG = FusionConfig(heard_correlation=0.5)
# Eight of ten contacts with either material say so.
BANK = bank_of(
    [
        (m, "tap", belief(0.8 if right == (m == 0) else 0.2))
        for m in (0, 1)
        for right in (True,) * 8 + (False,) * 2
    ],
    ("metal", "wood"),
    likeness=Likeness(0.6, 0.3),
)
OBJECTS = {
    "sure": [look(0.999)],
    "unsure": [look(0.55)],
    "half": [look(0.7), Evidence("heard", "c", 2, belief(0.6), "tap", position=(0.2, 0.0, 0.05))],
    "new": [],
}
PLACES = {name: (0.1 * k, 0.0, 0.05) for k, name in enumerate(OBJECTS)}
CANDIDATES = [Candidate(name, PLACES[name], "tap") for name in OBJECTS]


def worth() -> ContactWorth:
    return ContactWorth(OBJECTS, BANK, CONFIG)


def test_the_least_known_object_is_touched_first_and_the_sure_one_never() -> None:
    found = suggest(CANDIDATES, worth(), COSTS, most=6)
    assert found[0].contact.object_id == "new"
    assert {s.contact.object_id for s in found} <= {"new", "unsure", "half"}
    assert {"new", "unsure"} <= {s.contact.object_id for s in found}


def test_the_way_to_a_place_costs_time() -> None:
    assert COSTS.of("tap", (0.1, 0.0, 0.0), (0.0, 0.0, 0.0)) == pytest.approx(3.0)
    assert COSTS.of("rub", (0.1, 0.0, 0.0), None) == pytest.approx(3.0)
    assert COSTS.of("tap", (math.nan,) * 3, (0.0, 0.0, 0.0)) == pytest.approx(2.0)
    near = [Candidate("new", (x, 0.0, 0.0), "tap") for x in (0.5, 0.1)]
    (first,) = suggest(near, worth(), COSTS, start=(0.0, 0.0, 0.0), most=1)
    assert first.contact.place == (0.1, 0.0, 0.0) and first.cost_s == pytest.approx(3.0)


def test_the_budget_holds_for_all_together() -> None:
    found = suggest(CANDIDATES, worth(), COSTS, budget_s=5.5, start=PLACES["new"])
    assert found and sum(s.cost_s for s in found) <= 5.5
    assert suggest(CANDIDATES, worth(), COSTS, budget_s=1.9) == []


def test_lazily_is_as_greedily() -> None:
    actions = ("tap", "rub")
    candidates = [Candidate(n, PLACES[n], a) for n, a in itertools.product(OBJECTS, actions)]
    left, start, thing, eager = 14.0, None, worth(), []
    while True:
        fits = [
            (worth_of.rank / cost, Suggestion(c, worth_of.gain, cost, worth_of.settles))
            for c in candidates
            if (cost := COSTS.of(c.action, c.place, start)) <= left
            and (worth_of := thing.worth(c.object_id, c.action, c.place)).rank >= 1e-4
        ]
        if not fits:
            break
        best = max(fits, key=lambda entry: entry[0])[1]
        eager.append(best)
        left, start = left - best.cost_s, best.contact.place
        thing.take(best.contact.object_id, best.contact.action, best.contact.place)
    assert len(eager) >= 4
    assert suggest(candidates, worth(), COSTS, budget_s=14.0) == eager


def test_costs_name_the_field_that_they_refuse() -> None:
    with pytest.raises(ValueError, match=r"travel_speed is 0\.0, must be positive"):
        ContactCosts(travel_speed=0.0)
