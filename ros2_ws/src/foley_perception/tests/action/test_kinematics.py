import sys

import numpy as np
import pytest

from foley_perception.action.config import HandMapperConfig
from foley_perception.action.kinematics import ForwardKinematics, KinematicsError, chain_in
from foley_perception.action.mapper import HandMapper
from foley_perception.action.told_joints import StaleJoint, ToldJoints
from foley_perception.action.trajectory import (
    TrajectoryError,
    interpolate_joints,
    resample_poses,
    sample_times,
)
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformBuffer, TransformUnavailable

S = 1_000_000_000


def link(name: str) -> str:
    return f'<link name="{name}"/>'


def joint(name: str, kind: str, parent: str, child: str, xyz: str = "0 0 0", axis: str = "0 0 1") -> str:
    limit = '<limit lower="-9" upper="9" effort="1" velocity="1"/>' if kind != "fixed" else ""
    return (
        f'<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>'
        f'<origin xyz="{xyz}" rpy="0 0 0"/><axis xyz="{axis}"/>{limit}</joint>'
    )


def planar_arm(root: str = "world") -> str:
    """Two links of 1 m and 0.5 m that turn about z, a slide along z, and a gripper joint beside the chain."""
    return (
        '<robot name="planar">'
        + "".join(link(n) for n in (root, "upper", "lower", "tool", "finger"))
        + joint("shoulder", "continuous", root, "upper")
        + joint("elbow", "revolute", "upper", "lower", xyz="1 0 0")
        + joint("slide", "prismatic", "lower", "tool", xyz="0.5 0 0")
        + joint("gripper_width", "prismatic", "tool", "finger", axis="0 1 0")
        + "</robot>"
    )


def expected(q: np.ndarray) -> np.ndarray:
    a, b, z = q.T
    return np.stack([np.cos(a) + 0.5 * np.cos(a + b), np.sin(a) + 0.5 * np.sin(a + b), z], axis=1)


def test_forward_kinematics_of_a_planar_arm() -> None:
    arm = ForwardKinematics(planar_arm(), "tool")
    assert arm.joints == ("shoulder", "elbow", "slide")
    assert arm.root_link == "world"
    q = np.random.default_rng(0).uniform(-2, 2, (20, 3))
    poses = arm.poses(["shoulder", "elbow", "slide"], q)
    np.testing.assert_allclose(poses.translation, expected(q), atol=1e-12)
    yaw = np.arctan2(poses.rotation[:, 1, 0], poses.rotation[:, 0, 0])
    np.testing.assert_allclose(np.exp(1j * yaw), np.exp(1j * (q[:, 0] + q[:, 1])), atol=1e-12)


def test_order_of_names_and_joints_from_elsewhere() -> None:
    arm = ForwardKinematics(planar_arm(), "tool")
    pose = arm.poses(["slide", "elbow"], np.array([[0.3, 0.5]]), others={"shoulder": 0.2, "wheel": 3.0})
    np.testing.assert_allclose(pose.translation, expected(np.array([[0.2, 0.5, 0.3]])), atol=1e-12)


def test_relative_to_another_link() -> None:
    arm = ForwardKinematics(planar_arm(), "tool", "upper")
    assert arm.joints == ("elbow", "slide")
    pose = arm.poses(["elbow", "slide"], np.array([[np.pi / 2, 0.1]]))
    np.testing.assert_allclose(pose.translation, [[1.0, 0.5, 0.1]], atol=1e-12)


def test_nan_joints_give_nan_poses() -> None:
    poses = ForwardKinematics(planar_arm(), "tool").poses(
        ["shoulder", "elbow", "slide"], np.array([[0, 0, 0], [0, np.nan, 0]])
    )
    assert poses.finite.tolist() == [True, False]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["shoulder", "elbow", "slide", "lift"],
            "joint `lift` is not in robot_description; it has shoulder, elbow",
        ),
        (["shoulder", "elbow"], "joint `slide` has no position"),
    ],
)
def test_wrong_joints_are_refused_by_name(names: list[str], message: str) -> None:
    with pytest.raises(KinematicsError, match=message):
        ForwardKinematics(planar_arm(), "tool").poses(names, np.zeros((1, len(names))))


def test_bad_descriptions_are_refused() -> None:
    with pytest.raises(KinematicsError, match="no link `hand`; it has world, upper"):
        ForwardKinematics(planar_arm(), "hand")
    with pytest.raises(KinematicsError, match="not a URDF"):
        ForwardKinematics("<nonsense", "tool")


def follower(name: str, leader: str, multiplier: float, offset: float = 0.0) -> str:
    """A joint from `tool` to `<name>_link` that turns about z as another one does."""
    made = joint(name, "revolute", "tool", f"{name}_link", xyz="0 0.1 0")
    mimic = f'<mimic joint="{leader}" multiplier="{multiplier}" offset="{offset}"/>'
    return link(f"{name}_link") + made.replace("</joint>", f"{mimic}</joint>")


def gripper() -> str:
    """A driven knuckle, a finger that follows it, and a pad on the finger that follows the finger."""
    pad = joint("pad_turn", "revolute", "finger_link", "pad", xyz="0.2 0 0")
    pad = pad.replace("</joint>", '<mimic joint="finger" multiplier="0.5" offset="0.1"/></joint>')
    return (
        '<?xml version="1.0"?><robot name="gripper">'
        + "".join(link(n) for n in ("world", "tool", "knuckle_link", "pad"))
        + joint("mount", "fixed", "world", "tool")
        + joint("knuckle", "revolute", "tool", "knuckle_link")
        + follower("finger", "knuckle", -1.0, 0.2)
        + pad
        + '<drake:member link="pad"/></robot>'  # of a prefix that is not declared
    )


@pytest.mark.parametrize("stale", [{}, {"knuckle": 0.0, "finger": 0.2, "pad_turn": 0.2}])
def test_mimic_joints_follow_their_leader(stale: dict[str, float]) -> None:
    chain = ForwardKinematics(gripper(), "pad")
    assert chain.joints == ("knuckle",) and chain.moved_by == {"knuckle", "finger", "pad_turn"}
    poses = chain.poses(["knuckle"], np.array([[0.0], [0.7]]), others=stale)
    turned = 0.2 - np.array([0.0, 0.7])  # the finger
    np.testing.assert_allclose(
        poses.translation, np.stack([0.2 * np.cos(turned), 0.1 + 0.2 * np.sin(turned), [0, 0]], 1), atol=1e-12
    )
    yaw = np.arctan2(poses.rotation[:, 1, 0], poses.rotation[:, 0, 0])
    np.testing.assert_allclose(yaw, 1.5 * turned + 0.1, atol=1e-12)
    follower_alone = chain.poses(["finger"], np.array([[-0.5]]))
    np.testing.assert_allclose(follower_alone.translation[0], poses.translation[1], atol=1e-12)
    with pytest.raises(KinematicsError, match="joint `finger`, which follows `knuckle`, has no position"):
        chain.poses([], np.zeros((1, 0)))


@pytest.mark.parametrize("told", ["knuckle", "finger", "pad_turn"])
def test_a_joint_that_is_told_no_longer_makes_no_pose_whichever_of_its_family_it_is(told: str) -> None:
    chain, joints = ForwardKinematics(gripper(), "pad"), ToldJoints()
    joints.add(S, {told: 0.3})
    joints.check(chain, S + S // 5)
    joints.add(3 * S, {"another": 0.0})  # goes on
    with pytest.raises(StaleJoint, match=f"`{told}` has not been told for more than 0.25 s"):
        joints.check(chain, 3 * S)
    joints.add(3 * S, {told: 0.4})
    joints.check(chain, 3 * S)


def test_measured_followers_do_not_hold_back_a_plan() -> None:
    mapper = HandMapper(HandMapperConfig(tool_frame="pad"), TransformBuffer())
    mapper.set_robot(gripper())
    mapper.set_joints(S, {"knuckle": 0.0, "finger": 0.2, "pad_turn": 0.2})
    plan = mapper.plan_joints(S, ["knuckle"], np.array([0.0, 1.0]), np.array([[0.0], [0.7]]))
    np.testing.assert_allclose(
        plan.poses.translation[-1], [0.2 * np.cos(0.5), 0.1 - 0.2 * np.sin(0.5), 0], atol=1e-12
    )
    assert mapper.moves_tool(["finger"]) and not mapper.moves_tool(["shoulder"])


def test_a_link_is_meant_where_a_joint_is_called_the_same() -> None:
    urdf = planar_arm().replace('name="slide"', 'name="tool"').replace('name="elbow"', 'name="upper"')
    pose = ForwardKinematics(urdf, "tool", "upper").poses(["upper", "tool"], np.array([[np.pi / 2, 0.1]]))
    np.testing.assert_allclose(pose.translation, [[1.0, 0.5, 0.1]], atol=1e-12)
    mapper = HandMapper(HandMapperConfig(tool_frame="tool", fixed_frame="upper"), TransformBuffer())
    mapper.set_robot(urdf)
    mapper.set_joints(S, {"shoulder": 1.0, "upper": 0.0, "tool": 0.2})
    measured = mapper.pose_from_joints(S)
    assert measured is not None
    np.testing.assert_allclose(measured[:3], [1.5, 0, 0.2], atol=1e-12)


def test_a_robot_that_moves_as_a_whole_is_followed_from_its_base_on() -> None:
    urdf = planar_arm("base_link").replace("<link", '<link name="map"/><link', 1)
    urdf = urdf.replace("</robot>", joint("drive", "floating", "map", "base_link") + "</robot>")
    chain = ForwardKinematics(urdf, "tool")
    assert chain.base_link == "base_link" and chain.joints == ("shoulder", "elbow", "slide")
    np.testing.assert_allclose(
        chain.poses(["shoulder", "elbow", "slide"], np.zeros((1, 3))).translation, [[1.5, 0, 0]]
    )
    with pytest.raises(KinematicsError, match="joint `drive` between `map` and `tool` has more than one"):
        ForwardKinematics(urdf, "tool", "map")


def test_a_description_that_is_still_xacro_is_called_so() -> None:
    urdf = planar_arm().replace("<link", '<xacro:arm prefix="left"/><link', 1)
    with pytest.raises(KinematicsError, match="is a xacro file that was not expanded; publish what `xacro"):
        ForwardKinematics(urdf, "tool")


def test_a_leftover_of_xacro_that_kinematics_does_not_read_is_no_fault() -> None:
    urdf = planar_arm().replace(
        link("finger"),
        '<!-- <xacro:stairs n="${n}"/> --><link name="finger"><visual><xacro:geometry/></visual></link>'
        "<gazebo><topic>${name}</topic></gazebo>",
    )
    assert ForwardKinematics(urdf, "tool").joints == ("shoulder", "elbow", "slide")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (" ", "is empty"),
        (
            "/opt/robots/ur5e.urdf",
            "is `/opt/robots/ur5e.urdf`, not a URDF: publish the text of the file, not its name",
        ),
        ('<sdf version="1.9"/>', "is SDF, not a URDF"),
        ('<mujoco model="m"/>', "is MJCF, not a URDF"),
        (
            planar_arm().replace('"0.5 0 0"', '"${length} 0 0"'),
            r"not expanded; .* \(it holds `\$\{length\} 0 0`\)",
        ),
    ],
)
def test_what_is_published_in_place_of_a_urdf_is_named(text: str, told: str) -> None:
    with pytest.raises(KinematicsError, match=told):
        ForwardKinematics(text, "tool")


def test_a_fixed_frame_before_a_free_joint_leaves_the_rest_to_tf() -> None:
    free = "".join(link(n) for n in ("map", "body")) + joint("odometry", "floating", "map", "body")
    urdf = planar_arm().replace('<robot name="planar">', f'<robot name="planar">{free}')
    urdf = urdf.replace("</robot>", joint("mount", "fixed", "body", "world") + "</robot>")
    chain = chain_in(urdf, "tool", "map")
    assert chain.base_link == "body" and chain.joints == ("shoulder", "elbow", "slide")
    assert chain_in(urdf, "tool", "upper").joints == ("elbow", "slide")
    with pytest.raises(
        KinematicsError, match="joint `odometry` between `map` and `tool` has more than one degree"
    ):
        ForwardKinematics(urdf, "tool", "map")


def test_links_of_nearly_that_name_are_told() -> None:
    with pytest.raises(KinematicsError, match="no link `tool0`; did you mean `tool`"):
        ForwardKinematics(planar_arm(), "tool0")


def test_without_pinocchio_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pinocchio", None)
    with pytest.raises(KinematicsError, match=r"foley_perception\[kinematics\]"):
        ForwardKinematics(planar_arm(), "tool")


# ---- planned motion ----------------------------------------------------------------------------------------
def test_cubic_interpolation_follows_velocities() -> None:
    t = np.array([0.0, 0.5, 1.0])
    positions, velocities = np.stack([t**3, 2 * t], 1), np.stack([3 * t**2, np.full(3, 2.0)], 1)
    query = np.linspace(0, 1, 21)
    np.testing.assert_allclose(
        interpolate_joints(t, positions, query, velocities), np.stack([query**3, 2 * query], 1), atol=1e-12
    )
    assert interpolate_joints(t, positions, query)[5, 0] == pytest.approx(0.0625)  # linear between 0 and 1/8


def test_sampling_covers_both_ends() -> None:
    times = sample_times(np.array([0.0, 0.303]), 100.0)
    assert times[0] == 0.0 and times[-1] == pytest.approx(0.303)
    assert np.all(np.diff(times) > 0) and np.diff(times).max() <= 0.0101
    with pytest.raises(TrajectoryError, match="at most"):
        sample_times(np.array([0.0, 1e6]), 100.0)


def make_mapper(root: str = "world") -> HandMapper:
    mapper = HandMapper(HandMapperConfig(), TransformBuffer())
    mapper.set_robot(planar_arm(root))
    return mapper


def test_a_joint_plan_becomes_keypoints() -> None:
    mapper = make_mapper()
    mapper.set_joints(S, {"slide": 0.4})
    offsets = np.array([0.0, 1.0])
    plan = mapper.plan_joints(
        5 * S, ["shoulder", "elbow", "gripper_width"], offsets, np.array([[0, 0, 0.02], [0.5, 0.3, 0.04]])
    )
    assert plan.times_ns[0] == 5 * S and plan.times_ns[-1] == 6 * S and len(plan.times_ns) == 101
    np.testing.assert_allclose(
        plan.poses.translation[-1], expected(np.array([[0.5, 0.3, 0.4]]))[0], atol=1e-12
    )
    np.testing.assert_allclose(plan.widths[[0, -1]], [0.02, 0.04])
    tools, widths = mapper.hand.recover(mapper.keypoints_of(plan))
    np.testing.assert_allclose(tools.translation, plan.poses.translation, atol=1e-9)
    np.testing.assert_allclose(widths, plan.widths, atol=1e-9)
    tip = plan.tip_path(SE3.from_translation([0, 0, 0.1])).tip
    np.testing.assert_allclose(tip - plan.poses.translation, np.tile([0, 0, 0.1], (101, 1)), atol=1e-12)


def test_a_robot_on_a_base_needs_tf() -> None:
    mapper = make_mapper(root="base_link")
    names, points = ["shoulder", "elbow", "slide"], np.zeros((2, 3))
    with pytest.raises(TransformUnavailable, match="base_link"):
        mapper.plan_joints(S, names, np.array([0.0, 1.0]), points)
    mapper.frames.add("world", "base_link", 0, SE3.from_translation([0, 0, 2.0]), static=True)
    plan = mapper.plan_joints(S, names, np.array([0.0, 1.0]), points)
    np.testing.assert_allclose(plan.poses.translation[0], [1.5, 0, 2.0])


def test_a_cartesian_plan_in_another_frame() -> None:
    mapper = HandMapper(HandMapperConfig(), TransformBuffer())
    mapper.frames.add("world", "table", 0, SE3.from_translation([1.0, 0, 0]), static=True)
    poses = SE3(np.tile([0, 0, 0, 1.0], (2, 1)), np.array([[0, 0, 0.3], [0, 0, 0.1]]))
    plan = mapper.plan_path(np.array([S, 2 * S]), poses, "table")
    np.testing.assert_allclose(plan.poses.translation[50], [1.0, 0, 0.2], atol=1e-12)


@pytest.mark.parametrize(
    ("offsets", "message"),
    [([0.0], "at least 2"), ([0.0, 0.0], "point 1 is 0.0 s"), ([0.0, np.nan], "point 1 is not finite")],
)
def test_bad_times_are_refused(offsets: list[float], message: str) -> None:
    with pytest.raises(TrajectoryError, match=message):
        make_mapper().plan_joints(
            S, ["shoulder", "elbow", "slide"], np.array(offsets), np.zeros((len(offsets), 3))
        )


def test_a_path_with_an_unknown_pose_is_refused() -> None:
    poses = SE3(np.tile([0, 0, 0, 1.0], (3, 1)), np.array([[0, 0, 0], [0, 0, np.nan], [0, 0, 1]]))
    with pytest.raises(TrajectoryError, match="pose 1 is not finite"):
        resample_poses(np.array([0, S, 2 * S]), poses, 100.0)


# ---- measured motion ---------------------------------------------------------------------------------------
def test_rate_is_limited_on_a_steady_grid() -> None:
    mapper = HandMapper(HandMapperConfig(rate_hz=50.0), TransformBuffer())
    due = [t for t in range(0, S, S // 250) if mapper.due(t)]
    assert len(due) == 50
    assert max(np.diff(due)) <= S // 50 + S // 250
    assert mapper.due(S // 2), "time set back"


def test_a_width_that_nobody_tells_is_told() -> None:
    mapper = make_mapper()
    mapper.set_joints(S, {"panda_finger_joint1": 0.04})
    (told,) = mapper.problems()
    assert "joint `gripper_width` of the hand `parallel_gripper` was never seen" in told
    assert "panda_finger_joint1" in told and "10 mm open, the file's width.default, which stands in" in told
    mapper.set_joints(S, {"gripper_width": 0.03})
    assert mapper.problems() == [] and mapper.width == 0.03


def test_the_width_follows_the_joint_that_leads() -> None:
    mapper = HandMapper(HandMapperConfig(tool_frame="tool", width_joint="finger"), TransformBuffer())
    mapper.set_robot(gripper())
    mapper.set_joints(S, {"knuckle": 0.15})
    assert mapper.width == pytest.approx(0.05) and not mapper.problems()
    plan = mapper.plan_joints(S, ["knuckle"], np.array([0.0, 1.0]), np.array([[0.2], [0.16]]))
    np.testing.assert_allclose(plan.widths[[0, -1]], [0.0, 0.04], atol=1e-12)


def test_joints_stand_in_where_no_poses_come() -> None:
    mapper = make_mapper()
    mapper.set_joints(S, {"shoulder": 0.1, "elbow": 0.2, "slide": 0.3, "gripper_width": 0.05})
    pose = mapper.pose_from_joints(S)
    assert pose is not None
    keypoints = mapper.keypoints_at(S, SE3(np.array(pose[3:]), np.array(pose[:3])))
    assert keypoints is not None
    tool, width = mapper.hand.recover(keypoints[None])
    np.testing.assert_allclose(tool.translation, expected(np.array([[0.1, 0.2, 0.3]])), atol=1e-9)
    assert width[0] == pytest.approx(0.05)
    mapper.from_pose(2 * S, "world", SE3.identity())
    assert mapper.poses_are_fresh(2 * S + S // 10) and not mapper.poses_are_fresh(3 * S)


def test_a_pose_is_made_of_joints_of_its_own_time_only() -> None:
    mapper = make_mapper()
    mapper.set_joints(S, {"shoulder": 0.1, "elbow": 0.2})
    mapper.set_joints(S + S // 10, {"slide": 0.3})
    assert mapper.pose_from_joints(S + S // 10) is not None
    assert mapper.moves_tool(["gripper_width", "slide"]) and not mapper.moves_tool(["gripper_width"])
    mapper.set_joints(2 * S, {"shoulder": 0.1, "slide": 0.3})
    with pytest.raises(KinematicsError, match="joint `elbow` has not been told"):
        mapper.pose_from_joints(2 * S)
    assert mapper.counts.stale_joints == 1 and mapper.counts.from_joints == 1
    mapper.set_joints(2 * S - 1, {"shoulder": 0.9, "elbow": 0.2})
    pose = mapper.pose_from_joints(2 * S)
    assert pose is not None, "a late message tells what no newer one has told, and nothing else"
    np.testing.assert_allclose(pose[:3], expected(np.array([[0.1, 0.2, 0.3]]))[0], atol=1e-12)
    mapper.set_joints(S // 2, {"shoulder": 0.4, "elbow": 0.2, "slide": 0.3})
    pose = mapper.pose_from_joints(S // 2)
    assert pose is not None, "time was set back"
    np.testing.assert_allclose(pose[:3], expected(np.array([[0.4, 0.2, 0.3]]))[0], atol=1e-12)


def test_unknown_poses_are_counted() -> None:
    mapper = make_mapper()
    assert mapper.from_pose(S, "world", None) is None
    with pytest.raises(TransformUnavailable):
        mapper.from_pose(S, "elsewhere", SE3.identity())
    assert mapper.counts.bad_poses == 2


def test_config_names_what_it_refuses() -> None:
    with pytest.raises(ValueError, match="rate_hz is 0"):
        HandMapperConfig(rate_hz=0.0)
    with pytest.raises(ValueError, match="hand is empty"):
        HandMapperConfig(hand="")
