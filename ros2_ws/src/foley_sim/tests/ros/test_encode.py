"""Templates filled in place must equal messages built and serialised by rclpy."""

import dataclasses
import math

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy")

from geometry_msgs.msg import PoseStamped  # noqa: E402
from rclpy.serialization import deserialize_message  # noqa: E402

from foley_msgs.msg import ContactEvent  # noqa: E402
from foley_ros import convert  # noqa: E402
from foley_sim.robots import robot_of  # noqa: E402
from foley_sim.robots.actions import ACTIONS  # noqa: E402
from foley_sim.robots.gantry import Gantry  # noqa: E402
from foley_sim.ros import topics  # noqa: E402
from foley_sim.ros.encode import (  # noqa: E402
    Encoder,
    contact_message,
    plan_message,
    quaternion,
    static_frames,
)
from foley_sim.ros.message_template import MARK, Template, marker  # noqa: E402
from foley_sim.scene import make_scene  # noqa: E402
from foley_sim.spec import ContactMicrophoneSpec, StrikerSpec  # noqa: E402
from foley_sim.world.contacts import Contact  # noqa: E402
from foley_sim.world.world import World  # noqa: E402

ORIGIN = 1_700_000_000_123_456_789
SCENE = make_scene(0, "test")


@pytest.fixture(scope="module")
def world_and_batch():
    world = World(SCENE, 0, camera_rate_hz=0, depth_rate_hz=0)
    world.advance(100_000_000)
    return world, world.advance(600_000_000)


@pytest.fixture(scope="module")
def sent(world_and_batch):
    encoder = Encoder(SCENE, origin_ns=ORIGIN, stream_id="s", first_sample=960)
    found = {}
    for message in encoder.batch(world_and_batch[1]):
        found.setdefault(message.topic.name, []).append(deserialize_message(message.data, message.topic.type))
    return found


def test_states_survive_the_round_trip_exactly(world_and_batch, sent):
    states = world_and_batch[1].states
    for i in (0, 7, len(states) - 1):
        state = states[i]
        pose, joints = sent["ee_pose"][i], sent["joint_states"][i]
        wrench, tf = sent["wrench"][i], sent["/tf"][i].transforms[0]
        assert {convert.to_ns(m.header.stamp) for m in (pose, joints, wrench, tf)} == {ORIGIN + state.time_ns}
        position, rotation = convert.pose_to_arrays(pose.pose)
        assert np.array_equal(position, state.tool_position) and np.array_equal(
            rotation, state.tool_quaternion
        )
        moved, turned = convert.transform_to_arrays(tf)
        assert np.array_equal(moved, position) and np.array_equal(turned, rotation)
        assert joints.name == [*Gantry(SCENE.striker).joints, "gripper_width"]
        assert list(joints.position[:-1]) == state.positions.tolist() and joints.position[-1] == state.width
        f, t = wrench.wrench.force, wrench.wrench.torque
        assert [f.x, f.y, f.z, t.x, t.y, t.z] == state.wrench.tolist() and wrench.header.frame_id == "tool"


def test_audio_counts_from_the_start_of_its_stream(world_and_batch, sent):
    chunk, source = sent["mic/audio"][3], world_and_batch[1].audio[3]
    assert chunk.first_sample == source.first_sample - 960
    assert np.array_equal(convert.audio_to_array(chunk)[:, 0], source.samples)
    assert (chunk.stream_id, chunk.channels, chunk.stamp_source) == ("s", 1, 2)


def test_a_contact_microphone_has_a_topic_a_frame_and_its_own_samples():
    scene = dataclasses.replace(SCENE, contact_microphone=ContactMicrophoneSpec())
    batch = World(scene, 0, camera_rate_hz=0, depth_rate_hz=0).advance(200_000_000)
    encoder = Encoder(scene, origin_ns=ORIGIN, stream_id="s")
    chunks = [m for m in encoder.batch(batch) if m.topic is topics.CONTACT_AUDIO]
    assert len(chunks) == len(batch.audio) > 5
    message = deserialize_message(chunks[4].data, topics.CONTACT_AUDIO.type)
    assert np.array_equal(convert.audio_to_array(message)[:, 0], batch.audio[4].contact)
    assert message.header.frame_id == "contact_microphone" and message.first_sample == 4 * 480
    assert not np.array_equal(batch.audio[4].contact, batch.audio[4].samples)
    frames = {t.child_frame_id: t.header.frame_id for t in static_frames(scene, ORIGIN).transforms}
    assert frames["contact_microphone"] == "tool"


def test_topics_follow_the_scene(world_and_batch, sent):
    equipped = dataclasses.replace(SCENE, contact_microphone=ContactMicrophoneSpec())
    assert topics.recorded(SCENE) == topics.RECORDED and topics.published(SCENE) == topics.ALL
    assert set(topics.recorded(equipped)) - set(topics.RECORDED) == {topics.CONTACT_AUDIO}
    assert topics.SENT in topics.published(equipped)
    assert "contact_mic/audio" not in sent and world_and_batch[1].audio[0].contact is None


def test_images_survive_the_round_trip():
    encoder = Encoder(SCENE, origin_ns=ORIGIN, stream_id="s")
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
    depth = rng.integers(0, 5000, (240, 320), dtype=np.uint16)
    info, image = encoder.colour(33_000_000, pixels)
    picture = deserialize_message(image.data, image.topic.type)
    assert np.array_equal(np.frombuffer(picture.data, np.uint8).reshape(240, 320, 3), pixels)
    assert convert.to_ns(picture.header.stamp) == ORIGIN + 33_000_000 == image.stamp_ns
    assert deserialize_message(info.data, info.topic.type).k[2] == 159.5
    far = encoder.depth(0, depth)
    flat = np.frombuffer(deserialize_message(far.data, far.topic.type).data, np.uint16)
    assert np.array_equal(flat.reshape(240, 320), depth)


def test_opening_holds_the_latched_messages():
    opening = list(Encoder(SCENE, origin_ns=ORIGIN, stream_id="s").opening(0))
    assert {m.topic for m in opening} == {topics.ROBOT, topics.SCENE, topics.TF_STATIC}
    urdf = deserialize_message(opening[0].data, opening[0].topic.type).data
    assert urdf.startswith("<robot") and 'name="wrist"' in urdf


def test_plan_and_contact_messages(world_and_batch):
    plan = world_and_batch[1].plans[0]
    message = plan_message(plan, robot_of(SCENE), ORIGIN)
    last = message.points[-1].time_from_start
    assert last.sec + last.nanosec * 1e-9 == pytest.approx(plan.trajectory.duration_s)
    contact = Contact(5, 25_000_005, "o", (0.1, 0.2, 0.3), "hit", 0.02, 0.5, 1, 0.0, "p")
    event = contact_message(contact, ORIGIN, "c")
    assert (event.action, event.object_id, event.plan_id) == (event.ACTION_HIT, "o", "p")
    assert event.duration == pytest.approx(0.025) and math.isnan(event.level)


def test_quaternion_of_random_rotations():
    rng = np.random.default_rng(1)
    for _ in range(20):
        q = rng.normal(size=4)
        q *= np.sign(q[3]) / np.linalg.norm(q)
        x, y, z, w = q
        m = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )
        assert quaternion(m) == pytest.approx(q, abs=1e-9)


def test_template_refuses_values_of_another_size_and_markers_it_cannot_find():
    values = marker(7)
    message = PoseStamped()
    message.header.stamp = MARK
    p, q = message.pose.position, message.pose.orientation
    p.x, p.y, p.z, q.x, q.y, q.z, q.w = values.tolist()
    template = Template(message, {"pose": values})
    with pytest.raises(ValueError, match="field pose has 24 bytes"):
        template.fill(0, pose=np.zeros(3))
    with pytest.raises(ValueError, match="found 0 times"):
        Template(message, {"pose": marker(7, salt=9)})


def test_every_action_has_its_number():
    numbers = [
        contact_message(
            Contact(10, 20, "a", (0.0, 0.0, 0.0), action, 0.01, 0.2, 1, 0.0, "p"), ORIGIN, "c"
        ).action
        for action in ACTIONS
    ]
    assert numbers == [getattr(ContactEvent, f"ACTION_{action.upper()}") for action in ACTIONS]


def test_joint_states_carry_the_pad_where_there_is_one():
    scene = dataclasses.replace(SCENE, striker=StrikerSpec(has_pad=True))
    batch = World(scene, 0, camera_rate_hz=0, depth_rate_hz=0).advance(20_000_000)
    sent = next(
        m for m in Encoder(scene, origin_ns=ORIGIN, stream_id="s").batch(batch) if m.topic is topics.JOINTS
    )
    joints = deserialize_message(sent.data, sent.topic.type)
    assert joints.name == [*robot_of(scene).joints, "gripper_width"]
    assert (
        joints.position[-1] == batch.states[0].width and joints.position[-2] == batch.states[0].positions[7]
    )
