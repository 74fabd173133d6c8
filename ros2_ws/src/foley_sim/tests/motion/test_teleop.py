"""Steering by hand: limits of the motion, what is refused, and that a steered touch is a touch like any other."""

import numpy as np
import pytest

from foley_common.times import NS_PER_S
from foley_sim.motion.teleop import ACCELERATION, HOLD_S, SPEED, Follower, WishRefused, clamp, yaw_of
from foley_sim.robots.gantry import Gantry
from foley_sim.scene import make_scene
from foley_sim.spec import StrikerSpec
from foley_sim.world.world import World


def test_the_follower_arrives_within_its_limits_and_does_not_overshoot():
    follower, wish = Follower(np.zeros(4)), np.array([0.3, -0.2, 0.25, 1.0])
    speeds, accelerations, steps = [], [], 0
    while not follower.at_rest(wish):
        _, velocity, acceleration = follower.step(wish, 5e-4)
        speeds.append(np.abs(velocity).max())
        accelerations.append(np.abs(acceleration).max())
        assert np.all(np.abs(follower.position) <= np.abs(wish) + 1e-3)
        steps += 1
        assert steps < 20_000
    assert max(speeds) <= SPEED + 1e-9 and max(speeds) > 0.9 * SPEED
    assert max(accelerations) <= ACCELERATION + 1e-9


def test_wishes_out_of_reach_are_clamped_and_impossible_ones_refused():
    inside, clamped = clamp(np.array([9.0, 0.0, 0.3, 0.0]), Gantry.reach)
    assert clamped and inside[0] == Gantry.reach[0][1]
    assert not clamp(np.array([0.1, 0.0, 0.3, 0.0]), Gantry.reach)[1]
    with pytest.raises(WishRefused, match="finite"):
        clamp(np.array([np.nan, 0.0, 0.3, 0.0]), Gantry.reach)
    with pytest.raises(WishRefused, match="quaternion"):
        yaw_of(np.zeros(4))


def test_yaw_is_that_of_the_tool():
    for yaw in (-1.2, 0.0, 0.7):
        _, quaternion = Gantry(StrikerSpec()).tool_pose(np.array([0.0, 0.0, 0.3, yaw, 0.0]))
        assert yaw_of(quaternion) == pytest.approx(yaw)


def test_pressing_down_by_hand_makes_a_contact_and_a_sound_and_exploring_goes_on_afterwards():
    scene = make_scene(4, "train")
    world = World(scene, 0, camera_rate_hz=0, depth_rate_hz=0)
    item, length = scene.objects[0], scene.striker.length
    above = np.array([item.position[0], item.position[1], item.top + length + 0.03, 0.0])
    contacts, audio, plans = [], [], []

    def run(seconds, wish=None):
        for _ in range(round(seconds / 0.1)):
            if wish is not None:
                assert world.steer(wish)
            batch = world.advance(world.time_ns + NS_PER_S // 10)
            contacts.extend(batch.contacts)
            audio.extend(a.samples for a in batch.audio)
            plans.extend(batch.plans)

    run(1.5, above)
    assert world.steered and not plans and not contacts
    np.testing.assert_allclose(world.observe().positions[:2], above[:2], atol=2e-3)
    quiet = max(float(np.abs(a).max()) for a in audio[-30:])
    run(0.6, above - np.array([0.0, 0.0, 0.034, 0.0]))
    run(0.5, above)
    assert [c.action for c in contacts] == [""] and contacts[0].object_id == item.object_id
    assert max(float(np.abs(a).max()) for a in audio[-110:]) > 3 * quiet
    run(HOLD_S + 4.0)
    assert not world.steered and plans


def test_pressing_far_below_a_face_goes_no_deeper_than_the_wrist_allows():
    scene = make_scene(4, "train")
    world = World(scene, 0, camera_rate_hz=0, depth_rate_hz=0)
    item = scene.objects[0]
    touch = item.top + scene.striker.length
    deepest = 0.0
    for k in range(40):
        world.steer(np.array([item.position[0], item.position[1], touch + (0.03 if k < 15 else -0.08), 0.0]))
        states = world.advance(world.time_ns + NS_PER_S // 10).states
        deepest = max(deepest, *(float(s.positions[4]) for s in states))
    assert 0.008 < deepest < 0.024
    assert np.abs(states[-1].wrench[:3]).max() < 12.0


def test_a_steered_world_repeats():
    def states():
        world = World(make_scene(4, "train"), 0, camera_rate_hz=0, depth_rate_hz=0)
        world.steer(np.array([0.1, 0.1, 0.4, 0.5]))
        return np.concatenate([s.positions for s in world.advance(NS_PER_S).states])

    assert np.array_equal(states(), states())
