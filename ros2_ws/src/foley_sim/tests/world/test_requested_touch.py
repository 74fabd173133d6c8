import numpy as np
import pytest

from foley_common.times import NS_PER_S
from foley_sim.motion.requested import ContactRequest, target_of
from foley_sim.scene import make_scene
from foley_sim.world.requested_touch import RequestedTouch, Stage
from foley_sim.world.world import World

SCENE = make_scene(4, "train")
STRIDE_NS = 20_000_000
LONGEST_NS = 6 * NS_PER_S


def _world():
    return World(SCENE, 3, explore=False, camera_rate_hz=0.0, depth_rate_hz=0.0)


def _touch(world, action="tap", item=SCENE.objects[1]):
    return RequestedTouch(world, target_of(SCENE, world.policy, ContactRequest(action, item.object_id)))


def _stages(world, touch, until):
    """What was told on the way, each once, until a stage of ``until``."""
    told = []
    end_ns = world.time_ns + LONGEST_NS
    while not told or told[-1] not in until:
        assert world.time_ns < end_ns, told
        stage = touch.take(world.advance(world.time_ns + STRIDE_NS))
        if not told or told[-1] is not stage:
            told.append(stage)
    return told


def test_a_requested_touch_goes_through_its_stages_and_touches_what_was_meant():
    world = _world()
    touch = _touch(world)
    stages = _stages(world, touch, {Stage.TOUCHED, Stage.NOT_TOUCHED, Stage.GIVEN_UP})
    assert stages == [Stage.WAITING, Stage.APPROACH, Stage.CONTACT, Stage.RETREAT, Stage.TOUCHED]
    assert touch.contact.object_id == SCENE.objects[1].object_id and touch.contact.action == "tap"
    assert touch.contact.plan_id == touch.plan.plan_id
    assert abs(touch.contact.onset_ns - touch.plan.contact_ns) < 20e6
    assert touch.plan.contact_ns - touch.plan.published_ns > 0.9 * NS_PER_S, "a prediction has time to come"
    assert world.hands[0].free


def test_one_after_another_and_nothing_else_is_touched():
    world = _world()
    for item in SCENE.objects[:2]:
        touch = _touch(world, "hit", item)
        assert _stages(world, touch, {Stage.TOUCHED, Stage.NOT_TOUCHED})[-1] is Stage.TOUCHED
        assert touch.contact.object_id == item.object_id
    idle = world.advance(world.time_ns + 2 * NS_PER_S)
    assert not idle.plans and not idle.contacts


def test_a_retreat_before_the_touch_touches_nothing_and_leaves_the_arm_ready():
    world = _world()
    touch = _touch(world)
    _stages(world, touch, {Stage.APPROACH})
    while world.time_ns < touch.plan.contact_ns - 100_000_000:
        touch.take(world.advance(world.time_ns + STRIDE_NS))
    world.retreat()
    assert touch.take(world.advance(world.time_ns + STRIDE_NS)) is Stage.GIVEN_UP
    risen = world.advance(world.time_ns + 3 * NS_PER_S)
    assert not risen.contacts and world.hands[0].free and not world.busy
    assert risen.states[-1].tool_position[2] == pytest.approx(world.policy.hover_z, abs=2e-3)
    again = _touch(world)
    assert _stages(world, again, {Stage.TOUCHED, Stage.NOT_TOUCHED})[-1] is Stage.TOUCHED


def test_a_retreat_forgets_what_still_waits():
    world = _world()
    _touch(world)
    world.retreat()
    assert world.done and not world.advance(2 * NS_PER_S).plans


def test_steering_gives_the_touch_up():
    world = _world()
    touch = _touch(world)
    _stages(world, touch, {Stage.APPROACH})
    world.steer(np.array([0.1, 0.1, world.policy.hover_z, 0.0]))
    assert touch.take(world.advance(world.time_ns + STRIDE_NS)) is Stage.GIVEN_UP
