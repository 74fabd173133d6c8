import dataclasses

import numpy as np
import pytest

from foley_sim import golden
from foley_sim.condition import NONE, OPPOSITE, PREDICATE
from foley_sim.config import SimWorldConfig
from foley_sim.editions import make_scene, sound_for
from foley_sim.judge.scenes import EDITION as JUDGE
from foley_sim.scene import check_scene, describe
from foley_sim.states import STATES, can_be, in_state, with_states

SCENE = make_scene(3, "test", "foleysim-1")


@pytest.mark.parametrize("state", STATES)
def test_some_are_so_and_some_are_not(state):
    scene = with_states(SCENE, state)
    check_scene(scene)
    assert scene == with_states(SCENE, state)
    states = [item.condition.states for item in scene.objects]
    able = [can_be(item, state) for item in SCENE.objects]
    assert any(able)
    for item, was, can in zip(scene.objects, SCENE.objects, able, strict=True):
        assert dataclasses.replace(item, condition=NONE) == was
        assert can or item.condition == NONE
    assert sum(state in told for told in states) == max(round(sum(able) / 2), 1)
    everything = with_states(SCENE, state, 1.0)
    assert [state in item.condition.states for item in everything.objects] == able


def test_the_truth_is_told_only_where_there_is_something_to_tell():
    assert all("condition" not in item for item in describe(SCENE)["objects"])
    told = [item.get("condition") for item in describe(with_states(SCENE, "loose"))["objects"]]
    assert {"loose", "tight"} == {t["part"] for t in told if t}
    full = [item.get("condition", {}) for item in describe(with_states(SCENE, "full", 1.0))["objects"]]
    assert all(0.85 <= t["fill"] <= 1.0 and t["filling"] in ("water", "grain") for t in full if t) and any(
        full
    )


def test_one_thing_has_the_same_part_and_crack_in_every_scene():
    item = next(item for item in SCENE.objects if can_be(item, "full"))
    first, second = (in_state(item, "loose", np.random.default_rng(n)).condition.part for n in (1, 2))
    assert first.play != second.play
    assert dataclasses.replace(first, play=second.play) == second
    tight = in_state(item, "tight", np.random.default_rng(1)).condition.part
    assert dataclasses.replace(tight, loose=True) == first  # the pair differs in nothing else
    cracks = [in_state(item, "cracked", np.random.default_rng(n)).condition.crack for n in (1, 2)]
    assert cracks[0] == cracks[1]
    levels = [in_state(item, "full", np.random.default_rng(n)).condition.fill for n in (1, 2)]
    assert levels[0].level != levels[1].level and levels[0].filling == levels[1].filling
    assert in_state(item, "empty", np.random.default_rng(1)) == item


def test_scenes_without_conditions_keep_their_digest_and_others_have_their_own():
    plain = golden.digest(SCENE)
    assert plain == golden.read()["scenes"][SCENE.scene_id]
    assert len({plain, *(golden.digest(with_states(SCENE, state)) for state in STATES)}) == 4


def test_every_state_has_an_opposite_and_a_predicate():
    assert all(OPPOSITE[OPPOSITE[state]] == state for state in PREDICATE)
    assert all(PREDICATE[state][1] != PREDICATE[OPPOSITE[state]][1] for state in PREDICATE)


def test_what_cannot_be_is_refused():
    solid = next(item for item in SCENE.objects if item.wall == 0)
    with pytest.raises(ValueError, match="cannot be full"):
        in_state(solid, "full", np.random.default_rng(0))
    with pytest.raises(ValueError, match="state is `broken`"):
        with_states(SCENE, "broken")
    with pytest.raises(ValueError, match=r"state_share is 0\.0"):
        with_states(SCENE, "loose", 0.0)
    with pytest.raises(ValueError, match="nothing in scene"):
        with_states(dataclasses.replace(SCENE, objects=(solid,)), "full")
    judge = make_scene(0, "test", JUDGE)
    with pytest.raises(ValueError, match="frozen"):
        with_states(judge, "loose")
    loose = next(item for item in with_states(SCENE, "loose").objects if item.condition != NONE)
    item = dataclasses.replace(
        judge.objects[0], condition=loose.condition, shape="plate", fixed=True, wall=0.0
    )
    with pytest.raises(ValueError, match="does not know"):
        sound_for(dataclasses.replace(judge, objects=(item,)), seed=0)
    for bad, match in (
        ({"state": "broken"}, "state is `broken`"),
        ({"state_share": 2.0}, r"state_share is 2\.0"),
    ):
        with pytest.raises(ValueError, match=match):
            SimWorldConfig(**bad)
