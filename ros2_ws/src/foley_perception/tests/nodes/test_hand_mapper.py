"""The hand mapper over real middleware: poses, joints and plans to keypoints."""

from __future__ import annotations

import time
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Duration
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseStamped, TransformStamped
from nav_msgs.msg import Path
from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from foley_msgs.msg import HandKeypoints, HandTrajectory, ToolTrajectory
from foley_perception.action.gripper import GripperHand
from foley_perception.action.kinematics import ForwardKinematics
from foley_perception.action.planned_motion import tool_trajectory
from foley_perception.geometry.se3 import SE3
from foley_perception.nodes.hand_mapper import LOOKS, HandMapperNode
from foley_perception.ros import motion
from foley_ros import convert, qos

pytestmark = pytest.mark.nodes

S = 1_000_000_000
HAND = GripperHand.from_yaml("parallel_gripper")
URDF = """
<robot name="gantry"><link name="world"/><link name="carriage"/><link name="tool"/>
<joint name="x" type="prismatic"><parent link="world"/><child link="carriage"/><axis xyz="1 0 0"/>
<limit lower="-1" upper="1" effort="1" velocity="1"/></joint>
<joint name="z" type="prismatic"><parent link="carriage"/><child link="tool"/><axis xyz="0 0 1"/>
<limit lower="-1" upper="1" effort="1" velocity="1"/></joint></robot>
"""


class Rig:
    def __init__(self, context: Any) -> None:
        self.context = context
        self.node = context.add(HandMapperNode())
        self.robot_node = robot = context.create_node("robot")
        self.keypoints: list[HandKeypoints] = []
        self.plans: list[HandTrajectory] = []
        self.tool_plans: list[ToolTrajectory] = []
        self.status: list[DiagnosticStatus] = []
        robot.create_subscription(HandKeypoints, "hand_keypoints", self.keypoints.append, qos.STATE)
        robot.create_subscription(HandTrajectory, "planned_trajectory", self.plans.append, qos.EVENT)
        robot.create_subscription(
            ToolTrajectory, "planned_tool_trajectory", self.tool_plans.append, qos.EVENT
        )
        robot.create_subscription(DiagnosticArray, "/diagnostics", self._diagnosed, 10)
        context.transition("/hand_mapper", "configure", "activate")
        self.pose = robot.create_publisher(PoseStamped, "ee_pose", qos.STATE)
        self.joints = robot.create_publisher(JointState, "joint_states", qos.STATE)
        self.robot = robot.create_publisher(String, "robot_description", qos.LATCHED)
        self.joint_plan = robot.create_publisher(JointTrajectory, "planned_joint_trajectory", qos.EVENT)
        self.path = robot.create_publisher(Path, "planned_path", qos.EVENT)
        publishers = (self.pose, self.joints, self.robot, self.joint_plan, self.path)
        self.until(lambda: all(p.get_subscription_count() for p in publishers), "subscriptions")

    def _diagnosed(self, message: DiagnosticArray) -> None:
        self.status += [s for s in message.status if s.name.endswith("hand_mapper")]

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        return self.context.spin_until(condition, 20.0, what)

    def until_told(self, text: str, level: bytes = DiagnosticStatus.WARN) -> None:
        self.until(
            lambda: any(text in s.message and s.level == level for s in self.status), f"diagnosis `{text}`"
        )

    def send_joints(self, **positions: float) -> None:
        self.joints.publish(
            JointState(
                header=convert.header(time.time_ns(), ""),
                name=list(positions),
                position=[float(p) for p in positions.values()],
            )
        )


@pytest.fixture
def rig(ros_context: Any) -> Iterator[Rig]:
    rig = Rig(ros_context)
    yield rig
    rig.node._release()


def joint_plan(names: list[str], *, start_ns: int = 50 * S) -> JointTrajectory:
    message = JointTrajectory(header=convert.header(start_ns, ""), joint_names=names)
    for seconds, value in ((0, 0.0), (1, 0.5)):
        message.points.append(
            JointTrajectoryPoint(positions=[value] * len(names), time_from_start=Duration(sec=seconds))
        )
    return message


def test_poses_become_keypoints_at_a_limited_rate(rig: Rig) -> None:
    rig.send_joints(gripper_width=0.05)
    start = time.time_ns()
    quaternion = np.array([1.0, 0.0, 0.0, 0.0])
    sent = 0

    def drive() -> bool:
        nonlocal sent
        while sent * S // 250 < time.time_ns() - start:
            position = np.array([0.001 * sent, 0.0, 0.3])
            rig.pose.publish(convert.pose_stamped(position, quaternion, start + sent * S // 250, "world"))
            sent += 1
        return len(rig.keypoints) >= 40

    rig.until(drive, "keypoints")
    stamps = np.array([convert.to_ns(k.header.stamp) for k in rig.keypoints])
    assert np.median(np.diff(stamps)) == pytest.approx(S / 50, rel=0.01)
    last = rig.keypoints[-1]
    assert last.header.frame_id == "world" and last.source == HandKeypoints.SOURCE_GRIPPER
    assert (last.left_confidence, last.right_confidence) == (0.0, 1.0)
    tool, width = HAND.recover(convert.keypoints_to_array(last)[None])
    assert width[0] == pytest.approx(0.05)
    assert tool.translation[0, 0] == pytest.approx(0.001 * (stamps[-1] - start) * 250 / S, abs=1e-6)


def test_a_joint_trajectory_becomes_a_planned_trajectory(rig: Rig) -> None:
    rig.joint_plan.publish(joint_plan(["z", "x", "gripper_width"]))
    rig.until_told("waits for robot_description")
    assert not rig.plans
    rig.robot.publish(String(data=URDF))
    rig.until(lambda: rig.plans, "a planned trajectory")
    times, keypoints = convert.trajectory_to_arrays(rig.plans[0])
    assert times[0] == 50 * S and times[-1] == 51 * S and len(times) == 101
    tools, _ = HAND.recover(keypoints)
    np.testing.assert_allclose(tools.translation[50], [0.25, 0.0, 0.25], atol=1e-9)
    assert rig.plans[0].plan_id.startswith("plan_50000000000_")

    rig.joint_plan.publish(joint_plan(["z", "elbow"]))
    rig.until_told("joint `elbow` is not in robot_description")

    # Joints that a plan leaves alone stay where they were measured.
    def drive() -> bool:
        rig.send_joints(x=0.1, z=0.0)
        return bool(rig.keypoints)

    rig.until(drive, "joints to be read")
    rig.joint_plan.publish(joint_plan(["z"]))
    rig.until(lambda: len(rig.plans) == 2, "the next plan")
    tools, _ = HAND.recover(convert.trajectory_to_arrays(rig.plans[1])[1])
    np.testing.assert_allclose(tools.translation[-1], [0.1, 0.0, 0.5], atol=1e-9)


def test_without_ee_pose_joints_give_keypoints(rig: Rig) -> None:
    rig.robot.publish(String(data=URDF))

    def drive() -> bool:
        rig.send_joints(x=0.3, z=0.2, gripper_width=0.02)
        return bool(rig.keypoints)

    rig.until(drive, "keypoints from joints")
    tool, _ = HAND.recover(convert.keypoints_to_array(rig.keypoints[-1])[None])
    np.testing.assert_allclose(tool.translation[0], [0.3, 0.0, 0.2], atol=1e-9)


def test_a_width_that_nobody_tells_is_diagnosed(rig: Rig) -> None:
    rig.robot.publish(String(data=URDF))

    def drive() -> bool:
        rig.send_joints(x=0.3, z=0.2, panda_finger_joint1=0.04, panda_finger_joint2=0.04)
        said = "joint `gripper_width` of the hand `parallel_gripper` was never seen"
        return any(said in s.message and s.level == DiagnosticStatus.WARN for s in rig.status)

    rig.until(drive, "the missing width")
    assert any("10 mm open, the file's width.default, which stands in" in s.message for s in rig.status)


def test_it_publishes_ee_pose_where_nobody_else_does(rig: Rig) -> None:
    """A robot with joint states and a description alone; then a driver begins, and has the topic for itself."""
    rig.robot.publish(String(data=URDF))
    listener, poses = rig.context.create_node("listener"), []
    listener.create_subscription(PoseStamped, "ee_pose", poses.append, qos.STATE)
    rig.robot_node.destroy_publisher(rig.pose)

    def drive() -> int:
        rig.send_joints(x=0.3, z=0.2, gripper_width=0.02)
        return len(poses) >= 20 and len(rig.keypoints) >= 5

    rig.until(drive, "poses from joints")
    position, _ = convert.pose_to_arrays(poses[-1].pose)
    np.testing.assert_allclose(position, [0.3, 0.0, 0.2], atol=1e-9)
    assert poses[-1].header.frame_id == "world"
    stamps = [convert.to_ns(pose.header.stamp) for pose in poses]
    assert len(set(stamps)) == len(stamps), "its own poses are not taken for somebody else's"
    rig.robot_node.create_publisher(PoseStamped, "ee_pose", qos.STATE)
    rig.until(lambda: rig.node._own_pose is None, "the mapper to fall silent")


def test_a_robot_that_has_tf_alone_has_poses_too(ros_context: Any) -> None:
    """A base that drives, an arm on it that is told less often, and names of its own."""
    node = ros_context.add(HandMapperNode())
    node.set_parameters([Parameter("fixed_frame", value="odom"), Parameter("tool_frame", value="tool0")])
    robot, poses, keypoints = ros_context.create_node("robot"), [], []
    robot.create_subscription(PoseStamped, "ee_pose", poses.append, qos.STATE)
    robot.create_subscription(HandKeypoints, "hand_keypoints", keypoints.append, qos.STATE)
    moving = robot.create_publisher(TFMessage, "/tf", 100)
    static = robot.create_publisher(TFMessage, "/tf_static", qos.LATCHED)
    ros_context.transition("/hand_mapper", "configure", "activate")

    def step(parent: str, child: str, time_ns: int, x: float, z: float) -> TransformStamped:
        made = TransformStamped(header=convert.header(time_ns, parent), child_frame_id=child)
        made.transform.translation.x, made.transform.translation.z = x, z
        return made

    static.publish(TFMessage(transforms=[step("wrist", "tool0", 0, 0.0, 0.1)]))
    start, sent = time.time_ns(), 0

    def drive() -> bool:
        nonlocal sent
        while sent * S // 100 < time.time_ns() - start:
            at = start + sent * S // 100
            told = [step("odom", "base_link", at, 0.001 * sent, 0.0)]
            if sent % 4 == 0:
                told.append(step("base_link", "wrist", at, 0.0, 0.5 + 0.001 * sent))
            moving.publish(TFMessage(transforms=told))
            sent += 1
        return len(poses) >= 40 and len(keypoints) >= 10

    ros_context.spin_until(drive, 30.0, "poses from tf")
    for pose in poses:
        n = (convert.to_ns(pose.header.stamp) - start) * 100 / S
        position, _ = convert.pose_to_arrays(pose.pose)
        np.testing.assert_allclose(position, [0.001 * n, 0.0, 0.6 + 0.001 * n], atol=1e-7)
    assert {pose.header.frame_id for pose in poses} == {"odom"}
    stamps = [convert.to_ns(pose.header.stamp) for pose in poses]
    assert set(np.diff(stamps)) == {S // 100}, "one for each stamp, in order"
    assert node.figures()["pose_source"] == "/tf" and node.figures()["makes_ee_pose"]
    node._release()


def test_poses_in_millimetres_are_an_error_and_give_no_keypoints(rig: Rig) -> None:
    start, sent = time.time_ns(), 0

    def drive() -> bool:
        nonlocal sent
        while sent * S // 100 < time.time_ns() - start:
            x = 300.0 + 100.0 * np.sin(sent / 20)
            pose = convert.pose_stamped(
                np.array([x, 0.0, 200.0]), np.array([1.0, 0, 0, 0]), start + sent * S // 100, "world"
            )
            rig.pose.publish(pose)
            sent += 1
        told = (s.message for s in rig.status if s.level == DiagnosticStatus.ERROR)
        return any("ee_pose: the tool went" in t and "not in metres (millimetres?)" in t for t in told)

    rig.until(drive, "the unit to be diagnosed")
    assert rig.node._mapper.counts.keypoints < 10 and rig.node.figures()["bad_poses"] > 0


def test_a_remapped_ee_pose_has_its_driver_alone(ros_context: Any) -> None:
    node = ros_context.add(HandMapperNode(cli_args=["--ros-args", "-r", "ee_pose:=/arm/tool_pose"]))
    driver = ros_context.create_node("driver")
    pose = driver.create_publisher(PoseStamped, "/arm/tool_pose", qos.STATE)
    ros_context.transition("/hand_mapper", "configure", "activate")
    node._mapper.set_robot(URDF)
    ros_context.spin_until(lambda: node.count_publishers("/arm/tool_pose"), 20.0, "the driver")
    for _ in range(2 * LOOKS):
        node._look_for_poses()
    assert node._own_pose is None, "somebody publishes it"
    # The driver is gone from the graph, but its poses still come: as over a bridge, they are somebody's.
    driver.destroy_publisher(pose)
    ros_context.spin_until(lambda: not node.count_publishers("/arm/tool_pose"), 20.0, "the driver to go")
    sent = serialize_message(convert.pose_stamped(np.zeros(3), np.array([0, 0, 0, 1.0]), S, "world"))
    for _ in range(2 * LOOKS):
        node._on_pose(sent)
        node._look_for_poses()
    assert node._own_pose is None
    ros_context.spin_until(lambda: node._own_pose is not None, 20.0, "the mapper to publish")
    assert driver.count_publishers("/arm/tool_pose") == 1
    ros_context.transition("/hand_mapper", "deactivate")
    assert node._own_pose is None, "an inactive node leaves the topic to others"
    node._release()


def test_an_arm_that_falls_silent_gives_no_poses_though_its_gripper_goes_on(
    ros_context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = ros_context.add(HandMapperNode())
    ros_context.transition("/hand_mapper", "configure", "activate")
    node._mapper.set_robot(URDF)
    sent: list[PoseStamped] = []
    take = types.SimpleNamespace(publish=lambda data: sent.append(deserialize_message(data, PoseStamped)))
    monkeypatch.setattr(node, "_own_pose", take)
    now_ns = 0
    monkeypatch.setattr(node, "now_ns", lambda: now_ns)

    def tell(time_ns: int, **positions: float) -> None:
        nonlocal now_ns
        now_ns = time_ns
        message = JointState(header=convert.header(time_ns, ""), name=list(positions))
        message.position = list(positions.values())
        node._on_joints(serialize_message(message))

    for i in range(100):  # two publishers
        tell(S + i * S // 100, x=0.3, z=0.001 * i)
        tell(S + i * S // 100 + 1, gripper_width=0.02)
    assert [convert.to_ns(pose.header.stamp) for pose in sent] == [S + i * S // 100 for i in range(100)]
    assert sent[-1].pose.position.z == pytest.approx(0.099) and not node.health().message.count("joint `")
    for i in range(100):
        tell(2 * S + i * S // 100, gripper_width=0.02)
    assert len(sent) == 100 and "joint `x` has not been told for more than" in node.health().message
    assert node.figures()["stale_joints"] > 50
    tell(3 * S, x=0.3, z=0.2)
    assert len(sent) == 101 and "joint `x`" not in node.health().message
    monkeypatch.undo()
    node._release()


def test_poses_that_tf_cannot_place_are_one_line_in_the_log(
    ros_context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = ros_context.add(HandMapperNode())
    ros_context.transition("/hand_mapper", "configure", "activate")
    node._mapper.frames.add("world", "base", S, SE3.identity(), static=False)
    logged: list[str] = []
    monkeypatch.setattr(node.faults, "_log", logged.append)
    for i in range(10):
        sent = convert.pose_stamped(np.zeros(3), np.array([0, 0, 0, 1.0]), 9 * S + i * S, "base")
        node._on_pose(serialize_message(sent))
    assert node.figures()["bad_poses"] == 10 and len(logged) == 1 and "world <- base" in logged[0]
    node._release()


def test_the_plan_of_the_tool_is_sent_as_it_was_computed(rig: Rig) -> None:
    rig.robot.publish(String(data=URDF))
    rig.until(lambda: rig.node._mapper.has_robot, "the robot")
    rig.joint_plan.publish(joint_plan(["z", "x", "gripper_width"]))
    rig.until(lambda: rig.tool_plans and rig.plans, "both messages of a plan")
    plan = motion.tool_trajectory(rig.tool_plans[0])
    chain = ForwardKinematics(URDF, "tool", "world")
    own = tool_trajectory(
        chain,
        HAND,
        50 * S,
        ["z", "x", "gripper_width"],
        np.array([0.0, 1.0]),
        np.array([[0.0] * 3, [0.5] * 3]),
        measured={},
    )
    assert plan.plan_id == own.plan_id == rig.plans[0].plan_id
    assert np.array_equal(plan.times_ns, own.times_ns) and np.array_equal(plan.widths, own.widths)
    assert np.array_equal(plan.poses.translation, own.poses.translation), "to the last bit"
    # Nobody has told the width, and the plan leaves it alone: it is not known.
    rig.joint_plan.publish(joint_plan(["z", "x"], start_ns=60 * S))
    rig.until(lambda: len(rig.tool_plans) == 2, "the next plan")
    assert np.isnan(rig.tool_plans[1].widths).all()


def test_a_cartesian_path_becomes_a_planned_trajectory(rig: Rig) -> None:
    message = Path(header=convert.header(S, "world"))
    message.poses = [
        convert.pose_stamped(np.array([0, 0, z]), np.array([0, 0, 0, 1.0]), t, "world")
        for t, z in ((5 * S, 0.4), (6 * S, 0.2))
    ]
    rig.path.publish(message)
    rig.until(lambda: rig.plans, "a planned trajectory")
    times, keypoints = convert.trajectory_to_arrays(rig.plans[0])
    assert times[0] == 5 * S and len(times) == 101
    np.testing.assert_allclose(HAND.recover(keypoints)[0].translation[50], [0, 0, 0.3], atol=1e-9)


def test_nan_poses_and_broken_descriptions_are_named(rig: Rig) -> None:
    def drive() -> bool:
        bad = convert.pose_stamped(np.full(3, np.nan), np.array([0, 0, 0, 1.0]), time.time_ns(), "world")
        rig.pose.publish(bad)
        return any("ee_pose is not finite" in s.message for s in rig.status)

    rig.until(drive, "the NaN pose to be diagnosed")
    assert not rig.keypoints
    rig.robot.publish(String(data="<robot"))
    rig.until_told("not a URDF", DiagnosticStatus.ERROR)
    rig.robot.publish(String(data=URDF))
    good = np.array([0.0, 0.0, 0.1])
    rig.pose.publish(convert.pose_stamped(good, np.array([0, 0, 0, 1.0]), time.time_ns(), "world"))
    rig.until(lambda: rig.keypoints, "keypoints after the trouble")


def test_an_unknown_hand_refuses_the_transition(ros_context: Any) -> None:
    node = ros_context.add(HandMapperNode())
    node.set_parameters([Parameter("hand", value="tentacle")])
    node.trigger_configure()
    assert node._state_machine.current_state[1] == "unconfigured"
    assert "tentacle" in node._failure and "parallel_gripper" in node._failure
