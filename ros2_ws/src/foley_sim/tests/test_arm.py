"""URDF, closed form and MuJoCo must agree on where the tool and the tip are."""

import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from foley_sim import arm, mjcf
from foley_sim.gl import import_mujoco
from foley_sim.scene import make_scene
from foley_sim.spec import StrikerSpec

pinocchio = pytest.importorskip("pinocchio")

SCENE = make_scene(0, "train")


@pytest.fixture(scope="module")
def robot():
    model = pinocchio.buildModelFromXML(arm.urdf(SCENE.striker))
    return model, model.createData()


@pytest.fixture(scope="module")
def physics():
    model = mjcf.load(SCENE)
    return model, import_mujoco().MjData(model)


def _configurations():
    rng = np.random.default_rng(5)
    for _ in range(20):
        yield np.array(
            [
                *rng.uniform(-0.3, 0.3, 2),
                rng.uniform(0.2, 0.4),
                rng.uniform(-1.5, 1.5),
                rng.uniform(-0.01, 0.01),
                *rng.uniform(0, 0.02, 2),
            ]
        )


def _pinocchio_frame(robot, joints, frame):
    model, data = robot
    q = pinocchio.neutral(model)
    for name, value in zip(arm.JOINTS, joints, strict=True):
        q[model.joints[model.getJointId(name)].idx_q] = value
    pinocchio.framesForwardKinematics(model, data, q)
    pose = data.oMf[model.getFrameId(frame)]
    return pose.translation.copy(), pose.rotation.copy()


def _rotation(q):
    x, y, z, w = q
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def test_every_joint_of_the_model_is_in_the_urdf(robot):
    assert set(arm.JOINTS) <= set(robot[0].names)
    assert arm.GRIPPER_WIDTH in robot[0].names


def test_pinocchio_mujoco_and_closed_form_agree_on_the_tool(robot, physics):
    mujoco = import_mujoco()
    model, data = physics
    for joints in _configurations():
        data.qpos[:] = joints
        mujoco.mj_kinematics(model, data)
        position, rotation = _pinocchio_frame(robot, joints, "tool")
        own_position, own_quaternion = arm.tool_pose(joints)
        assert np.abs(position - data.body("tool").xpos).max() < 1e-6
        assert np.abs(rotation - data.body("tool").xmat.reshape(3, 3)).max() < 1e-6
        assert own_position == pytest.approx(position, abs=1e-9)
        assert np.abs(_rotation(own_quaternion) - rotation).max() < 1e-9


def test_the_tip_frame_is_the_lowest_point_of_the_tip(robot, physics):
    mujoco = import_mujoco()
    model, data = physics
    for joints in _configurations():
        data.qpos[:] = joints
        mujoco.mj_kinematics(model, data)
        position, _ = _pinocchio_frame(robot, joints, "tip")
        sphere = data.geom(mjcf.TIP).xpos
        assert position == pytest.approx(sphere - [0, 0, SCENE.striker.tip_radius], abs=1e-6)


def test_fingers_are_as_far_apart_as_the_width(physics):
    mujoco = import_mujoco()
    model, data = physics
    data.qpos[:] = [0, 0, 0.3, 0.4, 0, 0.01, 0.01]
    mujoco.mj_kinematics(model, data)
    gap = data.body("left_finger_link").xpos - data.body("right_finger_link").xpos
    assert np.linalg.norm(gap) == pytest.approx(0.02, abs=1e-9)


def test_rebound_in_mujoco_follows_the_coefficient():
    """A damped spring that lets go when its force would pull rebounds at least as fast as the half oscillation."""
    for e in (0.2, 0.4, 0.65):
        time_constant, ratio = mjcf.solref(e)
        assert time_constant > 2 * mjcf.TIMESTEP_S
        assert math.exp(-math.pi * ratio / math.sqrt(1 - ratio**2)) == pytest.approx(e)
    coefficients = {o.material.name: mjcf.restitution(o.material) for o in SCENE.objects}
    assert all(0.2 <= c <= 0.65 for c in coefficients.values())


def test_the_pad_is_part_of_the_robot_where_there_is_one():
    joints = {j.get("name"): j for j in ET.fromstring(arm.urdf(StrikerSpec(has_pad=True))).iter("joint")}
    assert joints["pad"].find("limit").get("upper") == str(arm.PAD_TRAVEL)
    assert "pad" not in arm.urdf(StrikerSpec())
