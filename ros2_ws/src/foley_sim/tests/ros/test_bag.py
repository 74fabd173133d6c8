"""Offline bags: readable by rosbags and mcap, complete, resumable."""

import argparse
import json

import numpy as np
import pytest
import yaml

rclpy = pytest.importorskip("rclpy")

from mcap.reader import make_reader  # noqa: E402
from rclpy.serialization import deserialize_message  # noqa: E402
from rosbags.highlevel import AnyReader  # noqa: E402

from foley_common.times import NS_PER_S  # noqa: E402
from foley_sim.commands import sim  # noqa: E402
from foley_sim.offline.job import PARTIAL, BagJob, finished  # noqa: E402
from foley_sim.offline.session_key import SESSION_KEY  # noqa: E402
from foley_sim.robots.gantry import Gantry  # noqa: E402
from foley_sim.ros import topics  # noqa: E402
from foley_sim.ros.bag import write_bag  # noqa: E402
from foley_sim.ros.bag_file import absolute_name, typestore  # noqa: E402
from foley_sim.scene import describe, make_scene  # noqa: E402
from foley_sim.spec import StrikerSpec  # noqa: E402

SECONDS = 6.0
NAMES = [absolute_name(topic) for topic in topics.RECORDED]


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return BagJob(tmp_path_factory.mktemp("bags") / "validation-00001", "validation", 1, 0, SECONDS)


@pytest.fixture(scope="module")
def report(job):
    return write_bag(job)


@pytest.fixture(scope="module")
def messages(job, report):
    """topic -> [(log time, message)] through rosbags."""
    found = {}
    with AnyReader([job.folder], default_typestore=typestore()) as reader:
        for connection, log_ns, raw in reader.messages():
            found.setdefault(connection.topic, []).append(
                (log_ns, reader.deserialize(raw, connection.msgtype))
            )
    return found


def _ns(stamp):
    return stamp.sec * NS_PER_S + stamp.nanosec


def test_every_topic_is_there_with_its_rate(messages, report):
    assert set(messages) == set(NAMES)
    counts = {name.lstrip("/"): len(m) for name, m in messages.items()}
    assert counts == {name.lstrip("/"): n for name, n in report.messages.items()}
    for name in ("ee_pose", "joint_states", "wrench", "tf"):
        assert counts[name] == 250 * SECONDS
    assert counts["camera/image_raw"] == counts["camera/camera_info"] == 30 * SECONDS
    assert counts["camera/depth/image_raw"] == 5 * SECONDS
    assert counts["mic/audio"] == pytest.approx(100 * SECONDS, abs=20)
    for name in ("robot_description", "tf_static", "sim/scene"):
        assert counts[name] == 1
    assert counts["sim/contacts"] == counts["planned_joint_trajectory"] == report.contacts >= 2


def test_mcap_reads_the_same(job, report):
    (file,) = job.folder.glob("*.mcap")
    with open(file, "rb") as stream:
        summary = make_reader(stream).get_summary()
    assert summary.statistics.message_count == sum(report.messages.values())
    assert {c.topic for c in summary.channels.values()} == set(NAMES)


def test_what_rosbags_reads_is_what_rclpy_sends(job):
    by_name = dict(zip(NAMES, topics.RECORDED, strict=True))
    seen = set()
    with AnyReader([job.folder], default_typestore=typestore()) as reader:
        for connection, _, raw in reader.messages():
            if connection.topic in seen:
                continue
            seen.add(connection.topic)
            topic = by_name[connection.topic]
            assert topic.type_name == connection.msgtype
            deserialize_message(bytes(raw), topic.type)
            qos = connection.ext.offered_qos_profiles
            assert len(qos) == 1 and qos[0].depth == topic.qos.depth
    assert seen == set(by_name)


def test_stamps_begin_at_the_fixed_epoch_and_log_times_follow_them(job, messages):
    poses = messages["/ee_pose"]
    assert _ns(poses[0][1].header.stamp) == job.origin_ns
    assert np.all(np.diff([_ns(m.header.stamp) for _, m in poses]) == 4_000_000)
    for name in ("/ee_pose", "/mic/audio", "/camera/image_raw", "/sim/contacts"):
        assert all(0 <= log - _ns(m.header.stamp) < 3_000_000_000 for log, m in messages[name])
    everything = [(log, name) for name, entries in messages.items() for log, _ in entries]
    assert min(log for log, _ in everything) >= job.origin_ns


def test_audio_has_no_gap(messages):
    chunks = [m for _, m in messages["/mic/audio"]]
    assert [c.first_sample for c in chunks] == [480 * i for i in range(len(chunks))]
    assert {c.stream_id for c in chunks} == {"sim-validation-00001-p0"}
    assert {(c.sample_rate, c.channels, c.stamp_source, len(c.samples)) for c in chunks} == {
        (48000, 1, 2, 480)
    }
    start = _ns(chunks[0].header.stamp)
    assert all(abs(_ns(c.header.stamp) - start - c.first_sample * 1e9 / 48000) < 2 for c in chunks)


def test_plans_come_before_their_contacts(messages):
    contacts = [_ns(m.header.stamp) for _, m in messages["/sim/contacts"]]
    plans = messages["/planned_joint_trajectory"]
    for (published, plan), onset in zip(plans, contacts, strict=True):
        assert onset - published > 800_000_000
        assert _ns(plan.header.stamp) > published
        assert tuple(plan.joint_names) == Gantry(StrikerSpec()).planned
        times = [p.time_from_start.sec + p.time_from_start.nanosec * 1e-9 for p in plan.points]
        assert times[0] == 0 and np.all(np.diff(times) > 0)


def test_frames_and_calibration(messages):
    image = messages["/camera/image_raw"][10][1]
    info = messages["/camera/camera_info"][10][1]
    depth = messages["/camera/depth/image_raw"][2][1]
    assert (image.width, image.height, image.encoding, image.step) == (320, 240, "rgb8", 960)
    assert image.header.stamp == info.header.stamp and image.header.frame_id == "camera_optical"
    assert depth.encoding == "16UC1" and 300 < np.frombuffer(depth.data, "<u2").max() < 10_000
    assert info.k[0] == info.k[4] > 100 and info.k[2] == 159.5
    frames = {t.child_frame_id: t for t in messages["/tf_static"][0][1].transforms}
    assert {n: t.header.frame_id for n, t in frames.items()} == {
        "camera_optical": "world",
        "microphone": "world",
        "tip": "tool",
    }
    moving = messages["/tf"][0][1].transforms[0]
    assert (moving.header.frame_id, moving.child_frame_id) == ("world", "tool")


def test_the_camera_frame_looks_at_the_table(messages):
    """The optical axis of tf must meet the table near the target that the renderer looks at."""
    scene = make_scene(1, "validation")
    t = next(
        t for t in messages["/tf_static"][0][1].transforms if t.child_frame_id == "camera_optical"
    ).transform
    x, y, z, w = t.rotation.x, t.rotation.y, t.rotation.z, t.rotation.w
    forward = np.array([2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)])
    expected = np.subtract(scene.camera.target, scene.camera.eye)
    assert forward == pytest.approx(expected / np.linalg.norm(expected), abs=1e-9)
    down = np.array([2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w)])
    assert down[2] < 0


def test_truth_and_session_metadata_are_inside(job, messages):
    scene = describe(make_scene(1, "validation"))
    assert yaml.safe_load(messages["/sim/scene"][0][1].data) == scene
    information = yaml.safe_load((job.folder / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    session = yaml.safe_load(information["custom_data"][SESSION_KEY])
    assert (session["scene_id"], session["split"], session["domain"]) == (
        "validation-00001",
        "validation",
        "sim",
    )
    assert yaml.safe_load(session["objects"]) == scene["objects"]
    assert information["relative_file_paths"] == ["validation-00001.mcap"]


def test_a_finished_bag_is_kept_and_another_one_refused(job, report, tmp_path):
    assert finished(job)
    assert not finished(BagJob(tmp_path / "nothing", "validation", 1, 0, SECONDS))
    with pytest.raises(ValueError, match="exists and is not this bag"):
        finished(BagJob(job.folder, "validation", 1, 0, SECONDS + 1))
    assert not (job.folder.parent / PARTIAL).exists()


def _read(folder):
    # Serialised messages hold padding of any value, so messages are compared, not bytes.
    bulky = {"/mic/audio": "samples", "/camera/image_raw": "data", "/camera/depth/image_raw": "data"}
    with AnyReader([folder], default_typestore=typestore()) as reader:
        found = [
            (c.topic, log_ns, reader.deserialize(raw, c.msgtype)) for c, log_ns, raw in reader.messages()
        ]
    return [
        (topic, log_ns, getattr(message, bulky[topic]).tobytes() if topic in bulky else str(message))
        for topic, log_ns, message in found
    ]


def test_the_same_seed_writes_the_same_messages(tmp_path):
    jobs = [BagJob(tmp_path / name / "test-00007", "test", 7, 0, 1.5) for name in ("a", "b")]
    for job in jobs:
        write_bag(job)
    first, second = (_read(job.folder) for job in jobs)
    assert first == second


def test_generate_command_resumes_and_writes_metrics(tmp_path, capsys):
    arguments = ["generate", "--out", str(tmp_path / "bags"), "--split", "test", "--scenes", "2", "--duration", "1",
                 "--jobs", "2", "--metrics", str(tmp_path / "metrics")]  # fmt: skip
    assert _foley_sim(*arguments) == 0
    metrics = json.loads((tmp_path / "metrics" / "metrics.json").read_text())
    assert metrics["scenes_written"] == 2 and metrics["real_time_factor"] > 0
    assert sorted(p.name for p in (tmp_path / "bags").iterdir()) == ["test-00000", "test-00001"]
    capsys.readouterr()
    assert _foley_sim(*arguments) == 0 and "2 were there" in capsys.readouterr().out
    assert _foley_sim(*arguments[:-4], "--duration", "2") == 2
    assert "is not this bag" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (["generate", "--out", "x", "--split", "tset"], "--split is `tset`, known are train"),
        (["generate", "--out", "x", "--duration", "0"], "--duration is 0.0 s"),
        (["generate", "--out", "x", "--scenes", "0"], "--scenes is 0"),
        (["generate", "--out", "/proc/nowhere"], "/proc/nowhere"),
        (["show", "--split", "tset"], "split is `tset`"),
        (["show", "--seed", "-2"], "seed is -2"),
        (["show", "--out", "scene.txt"], "must end in .png"),
    ],
)
def test_bad_arguments_are_refused_with_the_reason(arguments, reason, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert _foley_sim(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("foley sim: error:") and reason in error


def _foley_sim(*arguments):
    parser = argparse.ArgumentParser()
    sim.configure(parser)
    return sim.run(parser.parse_args(arguments))
