import dataclasses
import itertools
import math

import numpy as np
import pytest

from foley_common.times import NS_PER_S
from foley_sim.physics import mjcf
from foley_sim.robots.actions import Target
from foley_sim.robots.gantry import Gantry
from foley_sim.robots.tool import stick_width
from foley_sim.scene import make_scene
from foley_sim.sound.events import Impact, Sliding
from foley_sim.world.readings import CHUNK_SAMPLES
from foley_sim.world.world import STATE_NS, World

SCENE = make_scene(4, "train")


def _run(world, seconds, stride_s=0.1):
    """All batches up to a time, merged, and what the sound was told."""
    batches = []
    while world.time_ns < round(seconds * NS_PER_S):
        batches.append(
            world.advance(min(world.time_ns + round(stride_s * NS_PER_S), round(seconds * NS_PER_S)))
        )
    batches.append(world.finish())
    merged = batches[0]
    for batch in batches[1:]:
        for field in dataclasses.fields(batch):
            getattr(merged, field.name).extend(getattr(batch, field.name))
    return merged


@pytest.fixture(scope="module")
def explored():
    world = World(SCENE, 3, explore_s=21.0, audio_block=50)
    events = []
    add = world.sound.add
    world.sound.add = lambda event: (events.append(event), add(event))
    return world, _run(world, 24.0), events


def test_every_planned_touch_happens_when_and_where_it_was_planned(explored):
    _, batch, _ = explored
    assert len(batch.plans) >= 10
    for plan in batch.plans:
        found = [c for c in batch.contacts if c.plan_id == plan.plan_id]
        assert len(found) == 1, plan.target
        contact = found[0]
        assert abs(contact.onset_ns - plan.contact_ns) < 20e6
        assert contact.object_id == plan.target.object_id
        assert contact.action == plan.target.action
        assert np.linalg.norm(np.subtract(contact.point, plan.target.point)) < 2e-3
        expected = plan.target.landing_speed if plan.target.action == "scratch" else plan.target.speed
        assert contact.speed == pytest.approx(expected, rel=0.15)
    assert len(batch.contacts) == len(batch.plans), "nothing else was touched"


def test_plans_are_published_long_before_their_contact(explored):
    _, batch, _ = explored
    leads = [(p.contact_ns - p.published_ns) / NS_PER_S for p in batch.plans]
    assert min(leads) >= 0.9
    starts = np.diff([p.published_ns for p in batch.plans]) / NS_PER_S
    assert 1.4 <= np.median(starts) <= 2.5
    assert all(b.published_ns >= a.end_ns for a, b in itertools.pairwise(batch.plans))


def test_impulses_lie_between_the_bounds_of_a_rebound(explored):
    world, batch, events = explored
    mass = SCENE.striker.tip_mass
    impacts = [e for e in events if isinstance(e, Impact)]
    assert len(impacts) >= len(batch.plans)
    for impact in impacts:
        assert mass * impact.speed <= impact.impulse * (1 + 1e-9) <= 2 * mass * impact.speed * (1 + 1e-6)
        assert impact.normal == pytest.approx((0, 0, 1), abs=1e-6)
    for contact in batch.contacts:
        assert mass * contact.speed < contact.impulse < 2 * mass * contact.speed, "measured, not clipped"
    assert world.sound.late_events == 0


def test_harder_blows_carry_more_impulse(explored):
    _, batch, _ = explored
    speeds = np.array([c.speed for c in batch.contacts])
    impulses = np.array([c.impulse for c in batch.contacts])
    assert np.corrcoef(speeds, impulses)[0, 1] > 0.95


def test_scratches_slide_as_far_as_planned_and_taps_do_not(explored):
    _, batch, events = explored
    plans = {p.plan_id: p for p in batch.plans}
    slides = [e for e in events if isinstance(e, Sliding)]
    assert slides
    for contact in batch.contacts:
        stroke = math.hypot(*plans[contact.plan_id].target.stroke)
        during = [
            s
            for s in slides
            if s.object_id == contact.object_id and contact.onset_ns <= s.start_s * NS_PER_S <= contact.end_ns
        ]
        if contact.action == "scratch":
            assert contact.slip_m == pytest.approx(stroke, rel=0.25)
            assert np.median([s.slip_speed for s in during]) == pytest.approx(
                plans[contact.plan_id].target.speed, rel=0.35
            )
            assert all(0 < s.normal_force < 20 and s.end_s - s.start_s <= 0.0041 for s in during)
        else:
            assert contact.slip_m < 1e-3 and not during


def test_streams_have_their_rates_and_no_gaps(explored):
    _, batch, _ = explored
    assert np.all(np.diff([s.time_ns for s in batch.states]) == STATE_NS)
    firsts = np.array([a.first_sample for a in batch.audio])
    assert np.all(np.diff(firsts) == CHUNK_SAMPLES)
    assert all(
        a.samples.shape == (CHUNK_SAMPLES,) and a.time_ns == a.first_sample * NS_PER_S // 48000
        for a in batch.audio
    )
    colour = [f.time_ns for f in batch.frames if f.colour]
    depth = [f.time_ns for f in batch.frames if f.depth]
    assert len(colour) == pytest.approx(24 * 30, abs=1) and len(depth) == pytest.approx(240, abs=1)
    assert np.abs(np.diff(colour) - NS_PER_S / 30).max() <= mjcf.TIMESTEP_S * NS_PER_S


def test_contacts_are_heard_felt_and_stop_the_tool(explored):
    _, batch, _ = explored
    audio = np.concatenate([a.samples for a in batch.audio])
    force = np.array([-s.wrench[2] for s in batch.states])  # tool z points down, so a push up is negative
    height = np.array([s.tool_position[2] for s in batch.states]) - SCENE.striker.length
    times = np.array([s.time_ns for s in batch.states])
    assert np.abs(audio).max() <= 1.0
    top = {o.object_id: o.top for o in SCENE.objects}
    for contact in batch.contacts:
        onset = contact.onset_ns * 48 // 1_000_000
        before, after = audio[onset - 4800 : onset - 480], audio[onset : onset + 2400]
        assert np.abs(after).max() > 2 * np.sqrt(np.mean(before**2)), contact
        near = (times >= contact.onset_ns) & (times < contact.onset_ns + 40_000_000)
        calm = (times < contact.onset_ns - 10_000_000) & (times > contact.onset_ns - 60_000_000)
        assert force[near].max() > force[calm].max() + 0.1
        assert height[near].min() > top[contact.object_id] - 0.004, "the wrist gives way, the face does not"


def test_joint_states_and_tool_pose_agree(explored):
    _, batch, _ = explored
    for state in batch.states[::400]:
        position, quaternion = Gantry(SCENE.striker).tool_pose(state.positions)
        assert position == pytest.approx(state.tool_position)
        assert quaternion == pytest.approx(state.tool_quaternion)
        assert np.linalg.norm(quaternion) == pytest.approx(1)
        assert state.width == pytest.approx(stick_width(), abs=1e-3)


def test_the_arm_follows_its_plans(explored):
    _, batch, _ = explored
    for plan in batch.plans[:5]:
        inside = [s for s in batch.states if plan.start_ns <= s.time_ns <= plan.end_ns]
        times = np.array([(s.time_ns - plan.start_ns) / NS_PER_S for s in inside])
        planned, _, _ = plan.trajectory.sample(times)
        measured = np.array([s.positions[:4] for s in inside])
        assert np.abs(planned - measured).max() < 1e-3


def test_a_run_repeats_bit_for_bit_however_it_is_cut():
    first = _run(World(SCENE, 5, audio_block=1), 3.0, stride_s=0.004)
    second = _run(World(SCENE, 5, audio_block=20), 3.0, stride_s=0.5)
    third = _run(World(SCENE, 5, audio_block=20), 3.0, stride_s=0.5)
    for a, b in ((first, second), (second, third)):
        for x, y in zip(a.states, b.states, strict=True):
            assert np.array_equal(x.positions, y.positions) and np.array_equal(x.wrench, y.wrench)
    heard = [np.concatenate([a.samples for a in b.audio]) for b in (first, second, third)]
    assert np.array_equal(heard[1], heard[2])
    shared = min(len(h) for h in heard)
    assert np.allclose(heard[0][:shared], heard[1][:shared], atol=1e-6)
    other = _run(World(SCENE, 6, audio_block=20), 1.0)
    assert not np.array_equal(other.states[200].wrench, second.states[200].wrench)


def test_requested_actions_come_first_and_nothing_else_without_exploring():
    item = SCENE.objects[1]
    world = World(SCENE, 0, explore=False, audio_block=50, camera_rate_hz=0, depth_rate_hz=0)
    world.request(Target(item.object_id, "hit", (*item.position[:2], item.top), 0.5, depth=0.004))
    batch = _run(world, 3.0)
    assert [c.object_id for c in batch.contacts] == [item.object_id]
    assert len(batch.plans) == 1 and world.done and not batch.frames


def test_max_actions_ends_the_exploration():
    world = World(SCENE, 1, max_actions=1, audio_block=50, camera_rate_hz=0, depth_rate_hz=0)
    assert len(_run(world, 4.0).plans) == 1
    assert world.done


def test_touching_the_table_is_told_as_such():
    free = (0.0, 0.0)
    for x, y in ((0.25, 0.2), (-0.25, 0.2), (0.25, -0.2), (-0.25, -0.2), (0.0, 0.0), (0.0, 0.2), (0.0, -0.2)):
        if all(math.dist((x, y), o.position[:2]) > 0.12 for o in SCENE.objects):
            free = (x, y)
            break
    world = World(SCENE, 0, explore=False, audio_block=50, camera_rate_hz=0, depth_rate_hz=0)
    world.request(Target("table", "tap", (*free, 0.0), 0.2))
    assert [c.object_id for c in _run(world, 3.0).contacts] == ["table"]


def test_impossible_worlds_are_refused_with_the_reason():
    x, y, _ = SCENE.objects[0].position
    floating = dataclasses.replace(SCENE.objects[0], position=(x, y, 0.5))
    with pytest.raises(ValueError, match="underside is"):
        World(dataclasses.replace(SCENE, objects=(floating,)), 0)
    with pytest.raises(ValueError, match="camera_rate_hz is -1"):
        World(SCENE, 0, camera_rate_hz=-1)
    with pytest.raises(ValueError, match="audio_block"):
        World(SCENE, 0, audio_block=0)
