"""The other hand steadies what the first one acts on: planned with it, felt, heard, and told on topics of its own."""

import dataclasses

import numpy as np
import pytest

from foley_common.times import NS_PER_S
from foley_sim.editions import make_scene
from foley_sim.motion.second_hand import APART_M, can_hold
from foley_sim.robots import OTHER, robots_of
from foley_sim.robots.urdf import write
from foley_sim.sound.events import Hold
from foley_sim.world.contact_log import render_saved
from foley_sim.world.world import World

SCENE = dataclasses.replace(make_scene(3, "train", "foleysim-1"), hands=2)


def _run(scene, seed, seconds):
    world = World(scene, seed, camera_rate_hz=0, depth_rate_hz=0, audio_block=20, save_contacts=True)
    batch = world.advance(round(seconds * NS_PER_S))
    return world, batch


@pytest.fixture(scope="module")
def worked():
    return _run(SCENE, 0, 29.0)


def test_the_other_hand_holds_before_the_first_acts_and_until_it_is_done(worked):
    _, batch = worked
    plans = {p.plan_id: p for p in batch.plans}
    holds = {p.plan_id.removesuffix("-hold"): p for p in batch.other_plans if p.plan_id.endswith("-hold")}
    contacts = {c.plan_id: c for c in (*batch.contacts, *batch.other_contacts)}
    assert {c.plan_id.removesuffix("-hold") for c in batch.other_contacts} <= set(plans)
    assert len(holds) >= 2
    items = {o.object_id: o for o in SCENE.objects}
    for name, hold in holds.items():
        first, held = contacts[name], contacts[hold.plan_id]
        assert held.object_id == first.object_id == plans[name].target.object_id
        assert can_hold(items[held.object_id]) and held.action == "press"
        assert held.onset_ns < first.onset_ns - NS_PER_S // 10, "it rests there before the other comes"
        assert held.end_ns > first.onset_ns
        assert np.hypot(*(np.array(hold.target.point) - plans[name].target.point)[:2]) >= APART_M
        assert hold.published_ns < plans[name].published_ns


def test_states_of_both_hands_come_together(worked):
    _, batch = worked
    assert [s.time_ns for s in batch.states] == [s.time_ns for s in batch.other_states]
    robots = robots_of(SCENE)
    assert [r.prefix for r in robots] == ["", OTHER]
    for state in batch.other_states[::500]:
        assert len(state.positions) == len(robots[1].joints)
        assert robots[1].tool_pose(state.positions)[0] == pytest.approx(state.tool_position)
    pushes = max(-s.wrench[2] for s in batch.other_states)
    assert 0.5 < pushes < 15.0, "it presses gently [N]"


def test_a_held_thing_sounds_shorter(worked):
    """The same touches, with and without what the other hand held: only the hold differs."""
    world, batch = worked
    saved = world.saved_contacts()
    hold = next(p for p in batch.other_plans if p.plan_id.endswith("-hold") and "0013" in p.plan_id)
    struck = next(c for c in batch.contacts if c.plan_id == hold.plan_id.removesuffix("-hold"))
    begin = next(c for c in batch.other_contacts if c.plan_id == hold.plan_id).onset_ns / NS_PER_S
    place = np.array(hold.target.point)

    def others(event):
        near = isinstance(event, Hold) and np.linalg.norm(np.array(event.point) - place) < 0.01
        return not (near and event.start_s >= begin)

    free = dataclasses.replace(saved, events=tuple(e for e in saved.events if others(e)))
    assert len(free.events) < len(saved.events)
    rate = SCENE.microphone.sample_rate
    tail = slice(
        round((struck.onset_ns / NS_PER_S + 0.02) * rate), round((struck.onset_ns / NS_PER_S + 0.25) * rate)
    )
    energy = [float(np.sum(np.square(render_saved(SCENE, s)[0].astype(float)[tail]))) for s in (saved, free)]
    assert energy[0] < 0.9 * energy[1], energy


def test_two_hands_repeat_bit_for_bit():
    audio = [np.concatenate([a.samples for a in _run(SCENE, 4, 4.0)[1].audio]) for _ in range(2)]
    assert np.array_equal(*audio)


def test_both_hands_are_one_description():
    pinocchio = pytest.importorskip("pinocchio")
    for robot in ("gantry", "ur5e"):
        robots = robots_of(dataclasses.replace(SCENE, robot=robot))
        model = pinocchio.buildModelFromXML(write("both", robots))
        for one in robots:
            assert set(one.joints) | set(one.planned) <= set(model.names)
            assert model.existFrame(one.prefix + "tool") and model.existFrame(one.prefix + "tip")


def test_a_second_hand_without_a_pad_is_refused():
    with pytest.raises(ValueError, match="hands is 2, must be 1, or 2 where the striker has a pad"):
        dataclasses.replace(make_scene(0, "train"), hands=2)
    with pytest.raises(ValueError, match="hands is 3"):
        dataclasses.replace(SCENE, hands=3)


def test_messages_of_the_other_hand_have_topics_of_their_own(worked):
    pytest.importorskip("rclpy")
    from rclpy.serialization import deserialize_message

    from foley_sim.ros import topics
    from foley_sim.ros.encode import Encoder

    _, batch = worked
    encoder = Encoder(SCENE, origin_ns=NS_PER_S, stream_id="s")
    few = dataclasses.replace(batch, states=batch.states[:20], other_states=batch.other_states[:20], audio=[])
    sent: dict[str, list] = {}
    for out in (*encoder.opening(0), *encoder.batch(few)):
        sent.setdefault(out.topic.name, []).append(deserialize_message(out.data, out.topic.type))
    assert {t.name for t in topics.OTHER_HAND} <= set(sent) <= {t.name for t in topics.published(SCENE)}
    joints = sent["joint_states"][3]
    robots = robots_of(SCENE)
    assert joints.name == [n for r in robots for n in (*r.joints, r.prefix + "gripper_width")]
    assert len(joints.position) == len(joints.velocity) == len(joints.effort) == len(joints.name)
    pose, own = sent["left/ee_pose"][3].pose.position, batch.other_states[3].tool_position
    assert [pose.x, pose.y, pose.z] == own.tolist()
    assert sent["left/wrench"][0].header.frame_id == "left_tool"
    assert {t.child_frame_id for m in sent["/tf"] for t in m.transforms} == {"tool", "left_tool"}
    assert "left_tip" in {t.child_frame_id for t in sent["/tf_static"][0].transforms}
    assert all(n.startswith(OTHER) for n in sent["left/planned_joint_trajectory"][0].joint_names)
    assert len(sent["planned_joint_trajectory"]) == len(batch.plans)
    assert len(sent["sim/contacts"]) == len(batch.contacts) and len(sent["left/sim/contacts"]) >= 2
