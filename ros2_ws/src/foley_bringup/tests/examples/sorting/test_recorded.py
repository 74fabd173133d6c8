import math

import numpy as np
import pytest

from foley_bringup.examples.sorting.recorded import Models, RecordedThing, RecordedWorld
from foley_bringup.examples.sorting.task import SortingTask
from foley_bringup.examples.sorting.truth import truly
from foley_common.predicate_view import State
from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.beliefs.contact_bank import bank_of
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fusion import FusionConfig

LABELS = ("metal", "rubber")
LOG10_E = {"metal": 11.2, "rubber": 7.5}


def _belief(material, sure):
    p = sure if material == "metal" else 1.0 - sure
    spread = 0.3 if sure > 0.8 else 3.0
    return MaterialBelief((p, 1.0 - p), (), LOG10_E[material], spread, roughness=0.3, hollowness=0.0)


def _thing(name, material, *actions):
    def one(kind, i, action, sure):
        return Evidence(kind, f"{name}_{i}", 100 + i, _belief(material, sure), action)

    return RecordedThing(
        "scene",
        name,
        material == "metal",
        tuple(one("seen", i, "", 0.6) for i in range(len(actions))),
        tuple(one("heard", i, action, 0.95) for i, action in enumerate(actions)),
    )


@pytest.fixture(scope="module")
def models():
    rng = np.random.default_rng(0)
    contacts = [
        (LABELS.index(m), "tap", _belief(m, float(s))) for m in LABELS for s in rng.uniform(0.85, 0.99, 12)
    ]
    return Models(LABELS, FusionConfig(), bank_of(contacts, LABELS))


def _world(models, seed=0):
    things = [_thing("a", "metal", "scratch", "tap"), _thing("b", "rubber", "tap")]
    return RecordedWorld(things, models, SortingTask(), seed)


@pytest.mark.parametrize("seed", range(4))
def test_sight_is_a_bet_and_a_blow_is_made_before_a_stroke(models, seed):
    world = _world(models, seed)
    assert world.things == world.touchable() == ("thing_1", "thing_2")
    before = world.believed()["thing_1"]
    assert before.state is State.UNKNOWN and 0.5 < before.probability < 0.7
    assert world.touch("thing_1")
    after = world.believed()["thing_1"]
    assert after.state is State.TRUE and after.probability > 0.95
    (heard,) = [item for item in world._store.evidence("thing_1") if item.kind == "heard"]
    assert heard.action == "tap"


def test_recorded_touches_run_out(models):
    world = _world(models)
    assert world.touch("thing_2") and world.touchable() == ("thing_1",)
    assert not world.touch("thing_2")
    assert world.believed()["thing_2"].state is State.FALSE


def test_what_is_known_is_not_suggested_before_what_is_not(models):
    world = _world(models)
    world.touch("thing_1")  # has another recorded contact
    assert world.suggested() == "thing_2"
    saved = world.savings()
    assert saved["thing_2"] > 0.1 > abs(saved["thing_1"])


def test_truth_is_what_the_judge_sees(models):
    world = _world(models)
    assert world.truth("thing_1") and not world.truth("thing_2")


def test_the_truth_of_a_predicate_is_its_own_expression(models):
    about = {"roughness": 0.2, "hollowness": 0.6}
    for material in LABELS:
        known = {"material": material, "log10_youngs_modulus": LOG10_E[material], **about}
        assert truly(models.spec("is_hard"), LABELS, **known) == (material == "metal")
        assert truly(models.spec("is_made_of_rubber"), LABELS, **known) == (material == "rubber")
        assert truly(models.spec("is_hollow"), LABELS, **known)
    with pytest.raises(ValueError, match="sounds_as_expected"):
        truly(models.spec("sounds_as_expected"), LABELS, **known)
    with pytest.raises(ValueError, match="predicate is `is_tasty`, known of one thing are"):
        models.spec("is_tasty")


def test_nothing_known_is_no_risk_that_is_lowered_below_nothing(models):
    world = _world(models)
    assert all(-0.5 <= value <= 0.5 and math.isfinite(value) for value in world.savings().values())
