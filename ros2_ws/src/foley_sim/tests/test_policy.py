import dataclasses
import itertools
from collections import Counter

import numpy as np
import pytest

from foley_sim import arm
from foley_sim.actions import TABLETOP_ACTIONS
from foley_sim.policy import FACE_MARGIN_M, Policy, Target
from foley_sim.scene import make_scene

SCENE = make_scene(3, "train")


def _plans(count, seed=1, scene=SCENE):
    policy = Policy(scene, seed)
    joints, now, plans = policy.home(), 0, []
    for _ in range(count):
        plan = policy.plan(now, joints)
        plans.append(plan)
        joints = plan.points()[1][-1, :4]
        now = plan.end_ns
    return plans


def test_plans_follow_from_the_seed():
    assert [p.target for p in _plans(6)] == [p.target for p in _plans(6)]
    assert [p.target for p in _plans(6)] != [p.target for p in _plans(6, seed=2)]


def test_every_object_and_action_gets_its_turn():
    plans = _plans(60)
    touched = Counter(p.target.object_id for p in plans)
    assert max(touched.values()) - min(touched.values()) <= 1
    actions = Counter(p.target.action for p in plans)
    assert all(actions[a] >= 10 for a in TABLETOP_ACTIONS)


def test_speeds_and_strokes_stay_in_their_ranges():
    for plan in _plans(80):
        target = plan.target
        low, high = {"tap": (0.08, 0.25), "hit": (0.25, 0.8), "scratch": (0.03, 0.25)}[target.action]
        assert low <= target.speed <= high
        length = np.hypot(*target.stroke)
        assert (0.03 <= length <= 0.10) if target.action == "scratch" else length == 0


def test_plans_are_told_well_ahead_and_end_where_the_next_begins():
    plans = _plans(30)
    for plan, following in itertools.pairwise(plans):
        assert 0.9 <= (plan.contact_ns - plan.published_ns) / 1e9 <= 1.3
        assert plan.published_ns < plan.start_ns < plan.contact_ns < plan.end_ns
        times, position, velocity, _ = plan.points()
        assert position.shape == velocity.shape == (len(times), len(arm.PLANNED))
        assert np.diff(times).max() <= 0.0201
        assert following.points()[1][0, :4] == pytest.approx(position[-1, :4])
        assert velocity[-1] == pytest.approx(0, abs=1e-6)


def test_planned_tip_meets_the_face_at_the_planned_time_with_the_planned_speed():
    length = SCENE.striker.length
    for plan in _plans(40):
        t = (plan.contact_ns - plan.start_ns) / 1e9
        position, velocity, _ = plan.trajectory.sample(np.array([t - 1e-6]))
        tip = position[0, :3] - [0, 0, length]
        assert tip == pytest.approx(plan.target.point, abs=1e-4)
        expected = plan.target.landing_speed if plan.target.action == "scratch" else plan.target.speed
        assert -velocity[0, 2] == pytest.approx(expected, abs=1e-3)
        before, _, _ = plan.trajectory.sample(np.linspace(0, t - 0.002, 400))
        assert np.all(before[:, 2] - length > plan.target.point[2]), "the tip must come from above"
        everything = plan.trajectory.sample(plan.trajectory.times(1000.0))[0][:, 2] - length
        assert everything.min() >= plan.target.point[2] - 0.0095, "a few millimetres below the face at most"


def test_contact_points_lie_inside_the_face():
    for plan in _plans(60):
        item = next(o for o in SCENE.objects if o.object_id == plan.target.object_id)
        for end in ((0.0, 0.0), plan.target.stroke):
            d = np.array(plan.target.point[:2]) + end - item.position[:2]
            c, s = np.cos(item.yaw), np.sin(item.yaw)
            local = np.abs([c * d[0] + s * d[1], -s * d[0] + c * d[1]])
            edge = SCENE.striker.tip_radius + FACE_MARGIN_M
            assert np.all(local <= np.array(item.size[:2]) / 2 - edge + 1e-9)


def test_the_hovering_tip_clears_everything():
    policy = Policy(SCENE, 0)
    assert policy.hover_z - SCENE.striker.length > max(o.top for o in SCENE.objects) + 0.03


def test_impossible_targets_are_refused_with_the_reason():
    policy = Policy(SCENE, 0)
    item = SCENE.objects[0]
    good = Target(item.object_id, "tap", (*item.position[:2], item.top), 0.1)
    with pytest.raises(ValueError, match="not in `train-00003`"):
        policy.plan(0, policy.home(), dataclasses.replace(good, object_id="mug"))
    with pytest.raises(ValueError, match=r"joint `x` would be 2\.0"):
        policy.plan(0, policy.home(), dataclasses.replace(good, point=(2.0, 0.0, 0.05)))
    with pytest.raises(ValueError, match="action weights"):
        Policy(SCENE, 0, {"lick": 1.0})
    thin = dataclasses.replace(item, size=(0.16, 0.012, 0.03), position=(*item.position[:2], 0.015), wall=0.0)
    with pytest.raises(ValueError, match="no object has a face"):
        Policy(dataclasses.replace(SCENE, objects=(thin,)), 0)
