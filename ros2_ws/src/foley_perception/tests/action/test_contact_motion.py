"""Channels of motions whose heights and derivatives are known in closed form."""

import numpy as np
import pytest
from numpy.typing import NDArray

from foley_perception.action.contact_motion import (
    GROUPS,
    MOTION_CHANNELS,
    NAMES,
    ContactMotion,
    contact_motion,
    moved_up,
    tip_heights,
)
from foley_perception.action.contact_onsets import deceleration_onsets, surface_contacts
from foley_perception.action.gripper import GripperHand
from foley_perception.geometry.height_map import HeightMap
from foley_perception.geometry.se3 import SE3

ROWS = 250
TIME = np.arange(ROWS) / 125
TIP = SE3.from_translation([0, 0, 0.16])
DOWN = SE3.from_rotation_vector([np.pi, 0, 0])  # the tool's z points down
TABLE = 0.02


def table(slope: float = 0.0) -> HeightMap:
    x, y = (g.ravel() for g in np.meshgrid(np.arange(-0.2, 0.2, 0.003), np.arange(-0.2, 0.2, 0.003)))
    return HeightMap.from_points(np.stack([x, y, TABLE + slope * x], axis=1))


def held(tips: NDArray[np.float64], turn: SE3 = DOWN) -> SE3:
    """Poses of a tool whose tip follows a path."""
    quaternions = np.broadcast_to(turn.quaternion, (len(tips), 4))
    return SE3(quaternions, tips - turn.rotate(TIP.translation))


def falling(speed: float = 0.3, contact_s: float = 1.0) -> NDArray[np.float64]:
    """Down at a steady speed, on the table at a moment, and at rest 3 mm below it from 10 ms later on."""
    height = np.maximum(speed * (contact_s - TIME), -0.003)
    return np.stack([np.full(ROWS, 0.01), np.full(ROWS, -0.02), TABLE + height], axis=1)


def channel(motion: ContactMotion, name: str) -> NDArray[np.float32]:
    return motion.values[:, NAMES.index(name)]


def test_height_crosses_zero_when_the_tip_touches() -> None:
    for contact in (1.0, 1.0035):
        tips = falling(contact_s=contact)
        motion = contact_motion(held(tips), np.full(ROWS, 0.01), TIP, table())
        height = tips[:, 2] - TABLE
        np.testing.assert_allclose(tip_heights(motion.values), np.clip(height, -0.05, 0.15), atol=1e-6)
        np.testing.assert_allclose(surface_contacts(tip_heights(motion.values)), [contact], atol=1e-4)
        np.testing.assert_allclose(channel(motion, "within_2mm"), np.exp(-abs(height) / 0.002), atol=1e-3)
        assert (np.sign(np.round(channel(motion, "side"), 3)) == np.sign(np.round(height, 6))).all()
        assert channel(motion, "surface_seen").all() and channel(motion, "surface_known").all()


def test_speeds_are_split_along_and_across_the_surface() -> None:
    normal = np.array([-0.5, 0, 1]) / np.hypot(0.5, 1)
    along = np.array([1, 0, 0.5]) / np.hypot(0.5, 1)
    tips = np.array([0, 0, TABLE + 0.05]) - 0.06 * normal * TIME[:, None] + 0.09 * along * (TIME[:, None] - 1)
    motion = contact_motion(held(tips), np.full(ROWS, np.nan), TIP, table(slope=0.5))
    np.testing.assert_allclose(channel(motion, "velocity_normal"), -0.2, atol=0.01)
    np.testing.assert_allclose(channel(motion, "speed_tangential"), 0.3, atol=0.01)
    np.testing.assert_allclose(channel(motion, "normal_x"), normal[0], atol=0.02)
    np.testing.assert_allclose(channel(motion, "acceleration_normal"), 0.0, atol=1e-3)
    assert not channel(motion, "width_known").any() and not channel(motion, "width").any()


def test_acceleration_of_an_oscillation() -> None:
    omega, size = 2 * np.pi * 2, 0.02
    tips = np.stack([np.zeros(ROWS), np.zeros(ROWS), TABLE + size * np.sin(omega * TIME)], axis=1)
    motion = contact_motion(held(tips), np.zeros(ROWS), TIP, table())
    inner = slice(2, -2)
    np.testing.assert_allclose(
        channel(motion, "acceleration_normal")[inner] * 10.0,
        -size * omega**2 * np.sin(omega * TIME)[inner],
        atol=0.03,
    )


def test_force_is_turned_into_the_world_and_kept_apart() -> None:
    tips = falling()
    wrench = np.tile([0.0, 0.0, -10.0, 0.0, 0.0, 0.0], (ROWS, 1))  # up, as the tool's z points down
    wrench[7] = np.nan
    motion = contact_motion(held(tips), np.zeros(ROWS), TIP, table(), wrench)
    known = np.arange(ROWS) != 7
    assert channel(motion, "force_known").tolist() == known.astype(float).tolist()
    np.testing.assert_allclose(channel(motion, "force_normal")[known], 1.0, atol=1e-5)
    np.testing.assert_allclose(channel(motion, "force_z")[known], 1.0, atol=1e-5)
    np.testing.assert_allclose(channel(motion, "force_tangential"), 0.0, atol=1e-5)
    without = contact_motion(held(tips), np.zeros(ROWS), TIP, table())
    np.testing.assert_array_equal(without.motion, motion.motion)
    assert motion.motion.shape == (ROWS, MOTION_CHANNELS) and not without.force.any()


def test_fingers_hang_over_the_surface_and_yaw_is_that_of_the_tool() -> None:
    hand = GripperHand.from_yaml("parallel_gripper")
    turn = SE3.from_rotation_vector([0, 0, 0.7]) @ DOWN
    tips = falling()
    motion = contact_motion(held(tips, turn), np.full(ROWS, 0.02), TIP, table(), None, hand)
    points = hand.keypoints(held(tips, turn), 0.02)[:, 1]
    np.testing.assert_allclose(
        channel(motion, "thumb") * 0.1, np.minimum(points[:, 4, 2] - TABLE, 0.3), atol=1e-5
    )
    np.testing.assert_allclose(
        channel(motion, "palm") * 0.1,
        np.minimum(points[:, [0, 5, 17], 2].mean(axis=1) - TABLE, 0.3),
        atol=1e-5,
    )
    np.testing.assert_allclose(channel(motion, "yaw_sin"), np.sin(0.7), atol=1e-6)
    np.testing.assert_allclose(channel(motion, "width"), 0.25, atol=1e-6)
    assert np.abs(motion.values).max() <= 3.0


def test_without_a_surface_heights_are_flagged_and_unknown_poses_are_zero() -> None:
    poses = held(falling())
    translation = poses.translation.copy()
    translation[100] = np.nan
    motion = contact_motion(SE3(poses.quaternion, translation), np.full(ROWS, 0.01), TIP, None)
    assert not motion.values[:, GROUPS["height"]].any() and not motion.values[:, GROUPS["keypoints"]].any()
    assert np.flatnonzero(channel(motion, "pose_known") == 0).tolist() == [100]
    assert not motion.values[100, GROUPS["velocity"]].any() and not motion.values[100, GROUPS["place"]].any()
    assert channel(motion, "width")[100] == pytest.approx(0.125)
    # Vertical where there is no normal.
    np.testing.assert_array_equal(channel(motion, "velocity_normal"), channel(motion, "velocity_z"))


def test_a_motion_moved_up_is_that_of_a_lower_surface() -> None:
    hand = GripperHand.from_yaml("parallel_gripper")
    tips = falling(speed=0.1)
    low = contact_motion(held(tips), np.zeros(ROWS), TIP, table(), None, hand).values
    high = contact_motion(
        held(tips + np.array([0, 0, 0.004])), np.zeros(ROWS), TIP, table(), None, hand
    ).values
    moved = moved_up(np.stack([low, low]), np.array([0.004, 0.0]))
    for group in ("height", "keypoints"):
        np.testing.assert_allclose(moved[0][:, GROUPS[group]], high[:, GROUPS[group]], atol=1e-5)
    np.testing.assert_allclose(moved[1], low, atol=1e-6)
    blind = contact_motion(held(tips), np.zeros(ROWS), TIP, None).values
    np.testing.assert_array_equal(moved_up(blind, 0.004), blind)


def test_lengths_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="250 poses, widths"):
        contact_motion(held(falling()), np.zeros(249), TIP, None)


# ---- onsets ------------------------------------------------------------------------------------------------
def test_contacts_need_a_lift_between_them() -> None:
    at, corners = [0, 0.5, 0.6, 0.7, 1.0, 1.3, 2.0], [0.02, -0.001, 0.002, -0.001, 0.02, -0.01, -0.01]
    height = np.interp(TIME, at, corners)
    np.testing.assert_allclose(surface_contacts(height), [0.5 * 20 / 21, 1.2], atol=2e-4)
    assert surface_contacts(-np.ones(10)).size == 0


def test_the_time_of_a_kink_is_found_between_rows() -> None:
    for contact in (0.8, 0.8035, 0.8071):
        stopped = np.stack([0.0 * TIME, 0.1 * TIME, 0.3 * np.maximum(contact - TIME, 0)], axis=1)
        turned = np.stack([0.0 * TIME, 0.0 * TIME, 0.2 * abs(contact - TIME)], axis=1)
        for tips in (stopped, turned):
            np.testing.assert_allclose(deceleration_onsets(tips), [contact], atol=1e-6)
    assert deceleration_onsets(np.stack([TIME, TIME, TIME], axis=1)).size == 0


def test_beside_a_gap_speeds_are_those_of_the_known_side() -> None:
    tips = np.array([0.01, -0.02, 0.3]) + np.array([0.06, 0, -0.09]) * TIME[:, None]
    width = 0.02 + 0.01 * TIME
    whole = contact_motion(held(tips), width, TIP, table())
    tips[100:110], width[150:160], width[200] = np.nan, np.nan, np.inf
    broken = contact_motion(held(tips), width, TIP, table())
    known = channel(broken, "pose_known") > 0
    assert known.sum() == ROWS - 10 and np.isfinite(broken.values).all()
    for name in ("velocity_x", "velocity_z", "velocity_normal", "speed_tangential", "acceleration_normal"):
        np.testing.assert_allclose(channel(broken, name)[known], channel(whole, name)[known], atol=1e-5)
    known = channel(broken, "width_known") > 0
    assert known.sum() == ROWS - 11
    for name in ("width", "width_rate"):
        np.testing.assert_allclose(channel(broken, name)[known], channel(whole, name)[known], atol=1e-5)
        assert not channel(broken, name)[150:160].any() and channel(broken, "width")[200] == 0
