"""The node over real middleware: rates, stamps, account, life cycle, refusals."""

import itertools

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy")

pytestmark = pytest.mark.nodes

LIVE_S = 4.0


def _collect(ros_context, wanted):
    node = ros_context.create_node("observer")
    found = {t.name: [] for t in wanted}
    for topic in wanted:
        node.create_subscription(topic.type, topic.name, found[topic.name].append, topic.qos)
    return found


@pytest.mark.real_time
def test_streams_are_live_complete_and_on_time(ros_context, start_node):
    from foley_ros import convert
    from foley_sim.ros import topics

    found = _collect(ros_context, topics.ALL)
    start_node("foley_sim.nodes.sim_world", parameters={"scene_seed": 3, "split": "test", "policy_seed": 1})
    ros_context.transition("sim_world", "configure", "activate")
    accounts = found["sim/sent"]

    def told(index):
        return yaml.safe_load(accounts[index].data) if accounts else {"sim_time_s": 0.0, "time_ns": 0}

    ros_context.spin_until(lambda: told(-1)["sim_time_s"] >= LIVE_S, 60.0, "four simulated seconds")
    # Discovery may take a while; from the first account that arrived on, everything must.
    first = told(0)
    ros_context.transition("sim_world", "deactivate")
    ros_context.spin_until(lambda: told(-1)["sim_time_s"] > LIVE_S + 0.4, 20.0, "the final account")
    final = told(-1)

    def received(name):
        stamps = [convert.to_ns(m.header.stamp) for m in found[name]]
        return sum(first["time_ns"] < stamp <= final["time_ns"] for stamp in stamps)

    sent = {name: count - first["topics"][name] for name, count in final["topics"].items()}
    steady = [name for name in sent if "camera" not in name]
    ros_context.spin_until(
        lambda: all(received(n) >= sent[n] for n in steady),
        20.0,
        f"every message: {sent} sent",
    )
    assert {n: received(n) for n in steady} == {n: sent[n] for n in steady}
    for name in set(sent) - set(steady):
        assert 0 < received(name) <= sent[name]  # best effort, and this reader is slow
    seconds = (final["time_ns"] - first["time_ns"]) * 1e-9
    for name in ("ee_pose", "joint_states", "wrench"):
        assert sent[name] == pytest.approx(250 * seconds, abs=3)
    assert sent["mic/audio"] == pytest.approx(100 * seconds, abs=5)
    assert sent["camera/image_raw"] > 10 * seconds  # a loaded machine may skip pictures, nothing else
    assert sent["camera/depth/image_raw"] > 3 * seconds

    audio = found["mic/audio"]
    assert {b.first_sample - a.first_sample for a, b in itertools.pairwise(audio)} == {480}
    assert len(found["sim/scene"]) == len(found["robot_description"]) == len(found["/tf_static"]) == 1
    assert yaml.safe_load(found["sim/scene"][0].data)["scene_id"] == "test-00003"
    plans, contacts = found["planned_joint_trajectory"], found["sim/contacts"]
    assert plans and contacts
    onset = convert.to_ns(contacts[0].header.stamp)
    assert onset - convert.to_ns(plans[0].header.stamp) > 800_000_000


def test_a_second_activation_continues_with_a_new_stream(ros_context, start_node):
    from foley_sim.ros import topics

    found = _collect(ros_context, (topics.AUDIO, topics.SENT))
    start_node(
        "foley_sim.nodes.sim_world",
        parameters={"scene_seed": 0, "explore": False, "camera_rate_hz": 0, "depth_rate_hz": 0},
    )
    ros_context.transition("sim_world", "configure", "activate")
    audio = found["mic/audio"]
    ros_context.spin_until(lambda: len(audio) > 20, 20.0, "audio")
    ros_context.transition("sim_world", "deactivate", "activate")
    ros_context.spin_until(lambda: len({c.stream_id for c in audio}) == 2, 20.0, "a new stream")
    first_of_second = next(c for c in audio if c.stream_id != audio[0].stream_id)
    assert first_of_second.first_sample == 0
    ros_context.transition("sim_world", "deactivate", "cleanup")


@pytest.mark.parametrize(
    "parameters, reason",
    [
        ({"split": "holdout"}, "split is `holdout`, known are train, validation, test"),
        ({"scene_seed": -1}, "scene_seed is -1, must not be negative"),
        ({"camera_rate_hz": 500}, "camera_rate_hz is 500.0"),
    ],
)
def test_bad_parameters_are_refused_with_the_reason(parameters, reason):
    from foley_sim.config import SimWorldConfig

    values = {k: float(v) if k.endswith("_hz") else v for k, v in parameters.items()}
    with pytest.raises(ValueError, match=reason):
        SimWorldConfig(**values)


def test_a_refused_configuration_leaves_the_node_alive_and_told(ros_context, start_node):
    from diagnostic_msgs.msg import DiagnosticArray
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    node = ros_context.create_node("observer")
    said = []
    node.create_subscription(
        DiagnosticArray, "/diagnostics", lambda m: said.extend(s.message for s in m.status), 10
    )
    start_node("foley_sim.nodes.sim_world", parameters={"split": "holdout"})
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
    assert not ros_context.call(ChangeState, "sim_world/change_state", request).success
    ros_context.spin_until(lambda: any("split is `holdout`" in s for s in said), 10.0, "the reason")


def test_a_target_pose_steers_the_arm_and_a_wrong_frame_is_told(ros_context, start_node):
    from diagnostic_msgs.msg import DiagnosticArray
    from geometry_msgs.msg import PoseStamped

    from foley_ros import convert, qos

    node = ros_context.create_node("operator")
    places, told = [], {}
    node.create_subscription(PoseStamped, "ee_pose", lambda m: places.append(m.pose.position), qos.STATE)
    node.create_subscription(
        DiagnosticArray,
        "/diagnostics",
        lambda m: told.update((v.key, v.value) for s in m.status for v in s.values),
        10,
    )
    wishes = node.create_publisher(PoseStamped, "teleop/target_pose", qos.STATE)
    start_node(
        "foley_sim.nodes.sim_world",
        parameters={"explore": False, "camera_rate_hz": 0.0, "depth_rate_hz": 0.0},
    )
    ros_context.transition("sim_world", "configure", "activate")
    down = np.array([1.0, 0.0, 0.0, 0.0])

    def steer(frame):
        wishes.publish(convert.pose_stamped(np.array([0.12, -0.08, 0.45]), down, 0, frame))

    def arrived():
        steer("world")
        return places and abs(places[-1].x - 0.12) < 2e-3 and abs(places[-1].y + 0.08) < 2e-3

    ros_context.spin_until(arrived, 30.0, "the tool to arrive")

    def refused():
        steer("camera_optical")
        return int(told.get("teleop_refused", 0)) > 0

    ros_context.spin_until(refused, 20.0, "the refusal in /diagnostics")
    assert "frame_id is `camera_optical`, must be `world`" in told["teleop_refusal"]
    assert int(told["teleop_followed"]) > 0


@pytest.mark.slow
def test_another_robot_and_a_second_hand_have_their_joints_and_topics(ros_context, start_node):
    import dataclasses

    from foley_sim.editions import make_scene
    from foley_sim.robots import robots_of
    from foley_sim.ros import topics

    scene = dataclasses.replace(make_scene(3, "train", "foleysim-1"), robot="ur5e", hands=2)
    wanted = (topics.JOINTS, topics.PLAN, topics.ROBOT, topics.CONTACTS, topics.SCENE, *topics.OTHER_HAND)
    found = _collect(ros_context, wanted)
    chosen = {
        "edition": "foleysim-1",
        "split": "train",
        "scene_seed": 3,
        "robot": "ur5e",
        "hands": 2,
        "state": "loose",
    }
    start_node(
        "foley_sim.nodes.sim_world", parameters={**chosen, "camera_rate_hz": 0.0, "depth_rate_hz": 0.0}
    )
    ros_context.transition("sim_world", "configure", "activate")
    ros_context.spin_until(
        lambda: found["sim/contacts"] and found["left/ee_pose"], 40.0, "a touch by the UR5e"
    )
    first, other = robots_of(scene)
    joints = found["joint_states"][-1].name
    assert set(first.joints) | set(other.joints) | {"gripper_width", "left_gripper_width"} == set(joints)
    assert tuple(found["planned_joint_trajectory"][0].joint_names) == first.planned
    assert 'name="shoulder_pan_joint"' in found["robot_description"][0].data
    assert 'name="left_wrist"' in found["robot_description"][0].data
    told = [item.get("condition", {}) for item in yaml.safe_load(found["sim/scene"][0].data)["objects"]]
    assert {"loose", "tight"} == {condition["part"] for condition in told if condition}


def test_parameter_file_names_every_parameter():
    import dataclasses
    from pathlib import Path

    from foley_sim.config import SimWorldConfig

    file = Path(__file__).parents[2] / "config" / "sim_world.yaml"
    values = yaml.safe_load(file.read_text())["/**"]["ros__parameters"]
    assert set(values) == {f.name for f in dataclasses.fields(SimWorldConfig)}
    assert SimWorldConfig(**values) == SimWorldConfig()
