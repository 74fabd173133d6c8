import itertools

import numpy as np
import pytest

from foley_sim.sound.events import Hold, Impact, Sliding
from foley_sim.world.contacts import EPISODE_GAP_S, IMPACT_WINDOW_S, Reading, TouchTracker

DT = 0.0005
MASS = 0.03


def _reading(time_s, velocity, force=1.0, penetration=1e-5, name="a"):
    return Reading(
        time_s=time_s,
        object_id=name,
        point=np.array([0.1, 0.0, 0.05]),
        normal=np.array([0.0, 0.0, 1.0]),
        penetration=penetration,
        velocity=np.array(velocity),
        normal_force=force,
    )


def _bounce(tracker, start_s, speed, restitution, steps=10, name="a"):
    """A contact whose velocity runs evenly from -v to +e v."""
    change = (1 + restitution) * speed
    for i in range(steps + 1):
        v = -speed + change * i / steps
        force = MASS * change / (steps * DT) if i < steps else 0.0
        tracker.step(start_s + i * DT, _reading(start_s + i * DT, (0, 0, v), force, name=name), "tap", "p1")
    tracker.step(start_s + (steps + 1) * DT, None)


@pytest.mark.parametrize("restitution", [0.0, 0.3, 0.9])
def test_impulse_is_that_of_compression_and_rebound(restitution):
    tracker = TouchTracker(MASS, DT)
    _bounce(tracker, 1.0, 0.5, restitution)
    impact, *holds = tracker.events
    assert all(isinstance(e, Hold) for e in holds)
    assert isinstance(impact, Impact)
    assert impact.speed == pytest.approx(0.5)
    assert impact.impulse == pytest.approx(MASS * 0.5 * (1 + restitution), rel=1e-6)
    assert impact.time_s == pytest.approx(1.0 - 1e-5 / 0.5)


def test_a_pressed_tip_does_not_count_as_impulse():
    tracker = TouchTracker(MASS, DT)
    for i in range(200):
        v = -0.2 if i == 0 else 0.0
        tracker.step(i * DT, _reading(i * DT, (0, 0, v), 50.0))
        if i * DT > IMPACT_WINDOW_S:
            assert len(tracker.events) == 1, "told within the window"
    assert MASS * 0.2 <= tracker.events[0].impulse <= 2 * MASS * 0.2


def test_bounces_are_one_contact_and_later_touches_another():
    tracker = TouchTracker(MASS, DT)
    _bounce(tracker, 0.0, 0.4, 0.5)
    _bounce(tracker, 0.04, 0.2, 0.5)
    _bounce(tracker, 0.5, 0.3, 0.5)
    for i in range(int(EPISODE_GAP_S / DT) + 2):
        tracker.step(0.6 + i * DT, None)
    assert [c.touches for c in tracker.contacts] == [2, 1]
    assert [c.action for c in tracker.contacts] == ["tap", "tap"]
    assert tracker.contacts[0].impulse == pytest.approx(MASS * 0.4 * 1.5, rel=1e-6)
    assert tracker.contacts[0].duration_s == pytest.approx(0.045, abs=2e-3)


def test_another_object_is_another_contact():
    tracker = TouchTracker(MASS, DT)
    _bounce(tracker, 0.0, 0.4, 0.5, name="a")
    _bounce(tracker, 0.02, 0.4, 0.5, name="b")
    tracker.finish()
    assert [c.object_id for c in tracker.contacts] == ["a", "b"]


def test_sliding_is_told_in_pieces_that_join():
    tracker = TouchTracker(MASS, DT)
    for i in range(80):
        tracker.step(i * DT, _reading(i * DT, (0.06, 0.08, -0.05 if i == 0 else 0.0), 2.0), "scratch", "p1")
        if i % 8 == 7:
            tracker.flush()
    tracker.finish()
    slides = [e for e in tracker.events if isinstance(e, Sliding)]
    assert len(slides) == 10
    assert all(s.slip_speed == pytest.approx(0.1) and s.normal_force == pytest.approx(2.0) for s in slides)
    assert all(b.start_s == pytest.approx(a.end_s) for a, b in itertools.pairwise(slides))
    assert tracker.contacts[0].slip_m == pytest.approx(0.1 * 80 * DT)


def test_a_flicker_without_approach_is_no_impact():
    tracker = TouchTracker(MASS, DT)
    tracker.step(0.0, _reading(0.0, (0, 0, -1e-4)))
    tracker.finish()
    assert not tracker.events and not tracker.contacts


@pytest.mark.parametrize(("action", "contacts"), [("knock", 1), ("pat", 1), ("tap", 2)])
def test_only_the_blows_of_a_knock_or_pat_are_joined_over_a_pause(action, contacts):
    tracker = TouchTracker(MASS, DT)
    for start in (0.0, 0.25):
        tracker.step(start, _reading(start, (0, 0, -0.3)), action, "p1", "tip")
        for i in range(1, 200):
            tracker.step(start + i * DT, None, action, "p1")
    tracker.finish()
    assert [c.touches for c in tracker.contacts] == [2 // contacts] * contacts


def test_another_plan_is_another_contact_even_after_a_knock():
    tracker = TouchTracker(MASS, DT)
    for start, plan in ((0.0, "p1"), (0.2, "p2")):
        tracker.step(start, _reading(start, (0, 0, -0.3)), "knock", plan)
        tracker.step(start + DT, None, "knock", plan)
    tracker.finish()
    assert [c.plan_id for c in tracker.contacts] == ["p1", "p2"]


def test_holding_is_told_with_its_force_and_speed():
    tracker = TouchTracker(MASS, DT)
    for i in range(16):
        tracker.step(i * DT, _reading(i * DT, (0, 0, -0.05), 2.0 if i < 8 else 4.0), "press", "p1", "pad")
        if i % 8 == 7:
            tracker.flush()
    holds = [e for e in tracker.events if isinstance(e, Hold)]
    assert [h.normal_force for h in holds] == pytest.approx([2.0, 4.0])
    assert all(h.indent_speed == pytest.approx(0.05) and h.head == "pad" for h in holds)
    assert holds[1].start_s == pytest.approx(holds[0].end_s)
