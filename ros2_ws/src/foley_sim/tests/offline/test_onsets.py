"""Onsets: one for every blow and stroke, and when plans have them."""

import dataclasses

import numpy as np
import pytest

from foley_common.times import NS_PER_S
from foley_sim.editions import make_scene
from foley_sim.motion.policy import Policy
from foley_sim.offline.onsets import Onset, action_at, match, onsets, planned
from foley_sim.robots.actions import Target
from foley_sim.sound.events import Hold, Impact, Sliding

AT = (0.0, 0.0, 0.03)
SCENE = make_scene(0, "stream", "foleysim-1")


def blow(time_s, impulse=0.01, thing="a"):
    return Impact(time_s, thing, AT, (0.0, 0.0, 1.0), impulse, 0.3)


def slides(begin, end, speed=0.1, thing="a"):
    times = np.arange(begin, end - 1e-9, 0.004)
    return [Sliding(float(t), float(t) + 0.004, thing, AT, speed, 0.5) for t in times]


def plan_of(action, **fields):
    policy = Policy(SCENE, 0)
    item = next(o for o in SCENE.objects if o.shape != "heap")
    target = Target(item.object_id, action, (*item.position[:2], item.top), **fields)
    return policy.plan(NS_PER_S, policy.home(), target)


def test_bounces_belong_to_their_blow_and_blows_of_a_knock_do_not():
    events = [blow(1.0), blow(1.01), blow(1.2), blow(1.209), Hold(1.0, 1.02, "a", AT, 1.0), blow(2.0, 5e-4)]
    found = onsets(events)
    assert [o.time_s for o in found] == [1.0, 1.2]
    assert {o.kind for o in found} == {"blow"} and found[0].impulse == 0.01


def test_each_stroke_begins_once_and_where_it_is_fast_enough():
    crawl = slides(0.5, 0.6, 0.01)
    events = [*slides(1.0, 1.3, 0.01), *slides(1.3, 1.6), *slides(1.7, 2.0), *crawl]
    found = onsets(events)
    assert [o.time_s for o in found] == pytest.approx([1.3, 1.7])
    assert {o.kind for o in found} == {"stroke"} and all(np.isnan(o.impulse) for o in found)


def test_what_brushes_against_another_thing_meanwhile_does_not_begin_again():
    events = [*slides(1.0, 1.6), *slides(1.1, 1.5, 0.003, "b"), *slides(1.7, 2.0, thing="b")]
    assert [(o.time_s, o.object_id) for o in onsets(events)] == [(1.0, "a"), (1.7, "b")]


def test_what_slides_as_it_lands_is_heard_as_the_landing():
    found = onsets([blow(1.0, 0.003), *slides(1.002, 1.4)])
    assert [(o.time_s, o.kind) for o in found] == [(1.0, "blow")]


def test_a_knock_is_planned_blow_by_blow():
    plan = plan_of("knock", speed=0.3, depth=0.002, repeats=3, interval_s=0.2)
    times = planned(plan)
    contact = plan.contact_ns / NS_PER_S
    assert times["blow"] == pytest.approx([contact, contact + 0.2, contact + 0.4], abs=1e-3)
    assert times["stroke"] == []


def test_a_rub_is_planned_stroke_by_stroke():
    plan = plan_of("rub", speed=0.2, stroke=(0.04, 0.0), landing_speed=0.06, depth=0.002, repeats=2)
    times = planned(plan)
    assert times["blow"] == pytest.approx([plan.contact_ns / NS_PER_S])
    stroke = 1.875 * 0.04 / 0.2
    assert len(times["stroke"]) == 2 and times["stroke"][0] > times["blow"][0]
    assert np.diff(times["stroke"])[0] == pytest.approx(stroke, abs=2e-3)


def test_planned_times_go_to_the_nearest_onset_of_their_kind():
    plan = plan_of("knock", speed=0.3, depth=0.002, repeats=2, interval_s=0.2)
    contact = plan.contact_ns / NS_PER_S
    onset = Onset(contact + 0.003, "blow", "a", 0.01)
    second = dataclasses.replace(onset, time_s=contact + 0.197)
    stray = dataclasses.replace(onset, time_s=contact + 0.1)
    stroke = dataclasses.replace(onset, time_s=contact, kind="stroke")
    times = match([onset, stroke, stray, second], [plan])
    assert times == pytest.approx([contact, np.nan, np.nan, contact + 0.2], nan_ok=True, abs=1e-3)
    assert action_at(contact, [plan]) == "knock" and action_at(0.5, [plan]) == ""
