"""Statistics, definitions, header parsing, session metadata and one recording without ROS."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foley_perception.recording import cdr, definitions, session
from foley_perception.recording.bag import Bag
from foley_perception.recording.config import RecorderConfig, default_topics
from foley_perception.recording.errors import BagError
from foley_perception.recording.inspect import inspect_bag
from foley_perception.recording.labels import Label
from foley_perception.recording.recording import LatchedStore, RawMessage, Recording, TopicSpec
from foley_perception.recording.statistics import TopicMonitor
from foley_perception.recording.writer import BagWriter

S = 1_000_000_000
START = 1_800_000_000 * S


def audio(
    serialise: Any, time_ns: int, first: int, stream: str = "a", count: int = 480, rate: int = 48000
) -> bytes:
    types = serialise.types
    stamp = types["builtin_interfaces/msg/Time"](time_ns // S, time_ns % S)
    header = types["std_msgs/msg/Header"](stamp, "microphone")
    samples = np.linspace(-1, 1, count, dtype=np.float32)
    message = types["foley_msgs/msg/AudioChunk"](header, stream, first, rate, 1, 2, 0.5, samples)
    return bytes(serialise("foley_msgs/msg/AudioChunk", message))


# ---- bytes -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("stream", ["", "a", "mic-7f3a", "äö"])
def test_audio_head(serialise: Any, stream: str) -> None:
    data = audio(serialise, START + 5, 2**40 + 7, stream, count=33)
    head = cdr.read_audio_head(data)
    assert head[:8] == ((START + 5, "microphone"), stream, 2**40 + 7, 48000, 1, 2, 0.5, 33)
    assert np.array_equal(cdr.read_audio_samples(data, head)[:, 0], np.linspace(-1, 1, 33, dtype=np.float32))
    for cut in (0, 3, 20, len(data) - 1):
        with pytest.raises(cdr.CdrError):
            cdr.read_audio_head(data[:cut])
        assert cdr.audio_head_or_none(data[:cut]) is None


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        ("foley_msgs/msg/AudioChunk", (4, False)),
        ("foley_msgs/msg/PredictedAudio", (4, False)),
        ("geometry_msgs/msg/PoseStamped", (4, False)),
        ("sensor_msgs/msg/CameraInfo", (4, False)),
        ("tf2_msgs/msg/TFMessage", (8, True)),
        ("std_msgs/msg/String", None),
        ("geometry_msgs/msg/Pose", None),
    ],
)
def test_stamp_offset(kind: str, where: tuple[int, bool] | None) -> None:
    assert definitions.stamp_offset(definitions.find(kind).text) == where


def test_stamp_of_tf(serialise: Any) -> None:
    types = serialise.types
    empty = serialise("tf2_msgs/msg/TFMessage", types["tf2_msgs/msg/TFMessage"]([]))
    assert cdr.read_first_stamp(empty, (8, True)) is None
    assert cdr.read_first_stamp(audio(serialise, START, 0), (4, False)) == START
    assert cdr.read_first_stamp(audio(serialise, 0, 0), (4, False)) is None


def test_definitions_are_complete() -> None:
    text = definitions.find("foley_msgs/msg/HandTrajectory").text
    for needed in (
        "foley_msgs/HandKeypoints",
        "geometry_msgs/Point",
        "std_msgs/Header",
        "builtin_interfaces/Time",
    ):
        assert f"MSG: {needed}\n" in text
    with pytest.raises(definitions.DefinitionError, match="no definition"):
        definitions.find("nowhere_msgs/msg/Nothing")


def test_definition_of_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMENT_PREFIX_PATH", "")
    definitions.find.cache_clear()
    try:
        found = definitions.find("geometry_msgs/msg/PoseStamped")
    finally:
        definitions.find.cache_clear()
    assert "geometry_msgs/Quaternion" in found.text and found.type_hash.startswith("RIHS01_")


# ---- statistics ------------------------------------------------------------------------------------------
def monitor(**options: Any) -> TopicMonitor:
    return TopicMonitor("/t", "x/msg/Y", **{"periodic": True, "expected": True, **options})


def test_steady_topic() -> None:
    m = monitor()
    for i in range(250):
        m.update(START + i * 4_000_000 + 1_500_000, 100, stamp_ns=START + i * 4_000_000, sequence=i + 1)
    report = m.report(start_ns=START, end_ns=START + S)
    assert report.rate == pytest.approx(250) and report.messages == 250 and report.bytes == 25_000
    assert (report.lost, report.gaps) == (0, 0)
    assert report.max_gap == pytest.approx(0.004)
    assert report.skew_median == pytest.approx(0.0015) == pytest.approx(report.skew_p99, rel=1e-3)


def test_losses_by_sequence_and_restart() -> None:
    m = monitor()
    for i in [1, 2, 3, 6, 7, 1, 2, 4]:  # 4, 5 lost; restart; 3 lost
        m.update(START, 1, sequence=i)
    assert m.report().lost == 3


@pytest.mark.parametrize(
    "sequences",
    [
        [
            n for k in range(400) for n in (500 + k, *([90_000 + k // 5] if k % 5 == 0 else []))
        ],  # arm and gripper
        [k + 1 for k in range(12) for _ in range(7)],  # seven nodes, one after the other
        [n for k in range(50) for n in (3 * k + 40, 3 * k + 7000)],  # two of which most is lost
    ],
)
def test_nothing_is_claimed_of_several_publishers(sequences: list[int]) -> None:
    m = monitor()
    for k, sequence in enumerate(sequences):
        m.update(START + k * 10_000_000, 1, stamp_ns=START + k * 10_000_000, sequence=sequence)
    assert m.report().lost == 0


def test_another_clock_of_the_stamps_is_no_loss_and_no_gap() -> None:
    m = monitor()
    for k in range(250):
        m.update(START + k * 40_000_000, 1, stamp_ns=100 * S + k * 20_000_000)
    report = m.report(start_ns=START, end_ns=START + 10 * S)
    assert (report.lost, report.gaps) == (0, 0) and report.max_gap == pytest.approx(0.02)
    assert report.skew_median == pytest.approx(START * 1e-9 - 100 + 2.5, abs=0.02)


def test_irregular_stamps_tell_of_no_loss() -> None:
    m, rng = monitor(), np.random.default_rng(0)
    for k in range(500):
        m.update(START + k * 10_000_000, 1, stamp_ns=START + round((k + 0.4 * rng.standard_normal()) * 1e7))
    assert m.report().lost == 0


def test_losses_by_stamps_alone() -> None:
    m = monitor()
    for i in range(100):
        if i not in (40, 41, 60):
            m.update(START + i * 33_000_000, 1, stamp_ns=START + i * 33_000_000)
    report = m.report()
    assert report.lost == 3 and report.gaps == 1 and report.max_gap == pytest.approx(0.099)
    assert report.max_gap_at == pytest.approx(39 * 0.033)


def test_silence_at_the_end_is_a_gap() -> None:
    m = monitor()
    for i in range(100):
        m.update(START + i * 10_000_000, 1, stamp_ns=START + i * 10_000_000)
    report = m.report(start_ns=START, end_ns=START + 5 * S)
    assert report.gaps == 1 and report.max_gap == pytest.approx(4.01, abs=0.01)
    assert report.max_gap_at == pytest.approx(0.99, abs=0.01)
    assert m.silent_s(START + 5 * S, START) == pytest.approx(4.01, abs=0.01)


def test_events_have_no_gaps() -> None:
    m = monitor(periodic=False)
    for i in range(20):
        m.update(START + i**2 * S, 1)
    report = m.report(start_ns=START, end_ns=START + 1000 * S)
    assert report.gaps == 0 and report.lost == 0 and math.isnan(report.skew_median)


def test_empty_topic() -> None:
    report = monitor().report(start_ns=START, end_ns=START + S)
    assert (report.messages, report.rate, report.max_gap, report.lost) == (0, 0.0, 0.0, 0)


def test_audio_losses_by_sample(serialise: Any) -> None:
    m = TopicMonitor("/mic", "foley_msgs/msg/AudioChunk", periodic=True, expected=True)
    for i in [0, 1, 2, 5, 6]:
        m.update(START, 1, audio=cdr.read_audio_head(audio(serialise, START, i * 480)))
    m.update(START, 1, audio=cdr.read_audio_head(audio(serialise, START, 9_999_999, "b")))  # restarted
    assert m.report().lost == 2


# ---- configuration and metadata ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("mic/audio", "is not `name"),
        ("a AudioChunk audio", "package/msg/Type"),
        ("a b/msg/C loud", "profile `loud`"),
        ("a b/msg/C audio perhaps", "is not `name"),
    ],
)
def test_bad_topic_entries(entry: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RecorderConfig(topics=(entry,))


@pytest.mark.parametrize(
    ("field", "value"),
    [("flush_period_s", 0.0), ("queue_mb", math.nan), ("min_free_mb", -1.0), ("output_dir", " ")],
)
def test_bad_config(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        RecorderConfig(**{field: value})


def test_yaml_agrees_with_defaults() -> None:
    import yaml

    file = Path(__file__).parents[2] / "config" / "recorder.yaml"
    shipped = yaml.safe_load(file.read_text())["/**"]["ros__parameters"]
    default = RecorderConfig()
    assert {k: tuple(v) if isinstance(v, list) else v for k, v in shipped.items()} == {
        name: getattr(default, name) for name in shipped
    }
    assert tuple(shipped["topics"]) == default_topics(), "run scripts/write_topics.py"
    with pytest.raises(ValueError, match="more than once"):
        RecorderConfig(topics=default_topics()[:1] * 2)


def test_session_metadata() -> None:
    stored = session.session_metadata(
        "id1",
        start_ns=5,
        max_duration_s=2.0,
        tags=["a", "b"],
        extra_yaml="{scene_id: 7, objects: [{id: cup}]}",
    )
    assert all(isinstance(value, str) for value in stored.values())
    loaded = session.load_session(stored)
    assert loaded["tags"] == ["a", "b"] and loaded["objects"] == [{"id": "cup"}] and loaded["start_ns"] == 5
    assert loaded["scene_id"] == "7"
    for text, message in (
        ("[1]", "list"),
        ("{a: [}", "not YAML"),
        ("{session_id: x}", "set by the recorder"),
    ):
        with pytest.raises(BagError, match=message):
            session.session_metadata("i", start_ns=0, max_duration_s=1, extra_yaml=text)
    for name in ("", "../up", "a/b", ".hidden", "x" * 102):
        with pytest.raises(BagError, match="name is"):
            session.check_name(name)


# ---- a recording ---------------------------------------------------------------------------------------------
def test_recording_without_ros(tmp_path: Path, serialise: Any) -> None:
    specs = {
        "/mic/audio": TopicSpec.parse("mic/audio foley_msgs/msg/AudioChunk audio required"),
        "/urdf": TopicSpec.parse("urdf std_msgs/msg/String latched"),
        "/ee_pose": TopicSpec.parse("ee_pose geometry_msgs/msg/PoseStamped state required"),
    }
    latched = LatchedStore()
    string = serialise.types["std_msgs/msg/String"]
    for text in ("old", "new"):
        data = serialise("std_msgs/msg/String", string(text))
        latched.keep("/urdf", specs["/urdf"], RawMessage(data, START - 100 * S))
    recording = Recording(
        tmp_path / "bag",
        specs,
        session={"session_id": "x"},
        start_ns=START,
        latched=latched.items(),
        flush_period_s=0.1,
        min_free_bytes=0,
    )
    for i in range(100):
        at = START + i * S // 100
        recording.add("/mic/audio", RawMessage(audio(serialise, at, i * 480), at + 11_000_000, at, i + 1))
    assert set(recording.silent(START + S, 0.5)) == {"/ee_pose"}
    result = recording.finish(START + S)
    reports = {r.topic: r for r in result.topics}
    assert result.failure is None and result.missing == ("/ee_pose",)
    assert reports["/mic/audio"].messages == 100 and reports["/mic/audio"].lost == 0
    assert reports["/mic/audio"].skew_median == pytest.approx(0.011, rel=1e-3)
    messages = list(Bag(tmp_path / "bag").messages())
    assert messages[0].topic == "/urdf" and b"new" in bytes(messages[0].data)
    assert messages[0].log_time == START and len(messages) == 101
    assert result.loss_bound_s >= 0.1 and result.bytes > 100 * 1920


def test_tf_static_accumulates() -> None:
    spec, store = TopicSpec("tf_static", "tf2_msgs/msg/TFMessage", "tf_static"), LatchedStore(limit=3)
    for data in (b"a", b"b", b"a", b"c", b"d"):
        store.keep("/tf_static", spec, RawMessage(data, 0))
    assert [message.data for _, message in store.items()] == [b"a", b"c", b"d"]
    store.keep("/other", TopicSpec("other", "a/msg/B", "event"), RawMessage(b"x", 0))
    assert len(list(store.items())) == 3


def test_one_that_adds_faster_than_the_disk_loses_nothing(tmp_path: Path) -> None:
    """As a snapshot does, with a queue that holds a few of its images."""
    topics = {"/camera": TopicSpec("camera", "sensor_msgs/msg/Image", "image")}
    recording = Recording(
        tmp_path / "bag", topics, session={}, start_ns=S, min_free_bytes=0, queue_bytes=1 << 20
    )
    for k in range(40):
        recording.wait()
        recording.add("/camera", RawMessage(bytes(300_000), S + k))
    result = recording.finish(2 * S)
    assert recording.dropped == 0 and result.topics[0].messages == 40


def test_labels_and_pauses_are_kept_where_a_slow_disk_costs_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    register = BagWriter._register

    def stuck(self: BagWriter, info: Any) -> None:
        go_on.wait(60)
        register(self, info)

    monkeypatch.setattr(BagWriter, "_register", stuck)
    topics = {"/pose": TopicSpec("pose", "geometry_msgs/msg/PoseStamped", "state")}
    recording = Recording(
        tmp_path / "bag", topics, session={}, start_ns=S, min_free_bytes=0, queue_bytes=1000
    )
    for k in range(20):
        recording.add("/pose", RawMessage(bytes(100), S + k))
    recording.pause(2 * S)
    recording.resume(3 * S)
    recording.add_label(Label(cdr.Header(4 * S, ""), 4 * S, 4 * S, "", "note", "slipped"))
    go_on.set()
    reports = {report.topic: report for report in recording.finish(5 * S).topics}
    assert (reports["/pose"].dropped, reports["/labels"].dropped) == (10, 0)
    assert [pause.end_ns for pause in inspect_bag(tmp_path / "bag").pauses] == [3 * S]


def test_a_count_that_cannot_be_costs_no_message(tmp_path: Path, serialise: Any) -> None:
    topics = {"/mic": TopicSpec("mic", "foley_msgs/msg/AudioChunk", "audio")}
    recording = Recording(tmp_path / "bag", topics, session={}, start_ns=START, min_free_bytes=0)
    for k, first in enumerate((0, 2**52, 480)):
        recording.add("/mic", RawMessage(audio(serialise, START + k, first), START + k))
    assert recording.finish(START + S).topics[0].messages == 3
    assert len(list(Bag(tmp_path / "bag").messages())) == 3


def test_discard(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "bag", {}, session={}, start_ns=0, min_free_bytes=0)
    recording.finish(S, discard=True)
    assert not (tmp_path / "bag").exists()


@pytest.mark.parametrize(
    "module",
    [
        "foley_perception.nodes.recorder",
        "foley_perception.commands.record",
        "foley_perception.recording.recording",
    ],
)
def test_recording_needs_no_heavy_parts(module: str) -> None:
    heavy = ("torch", "mujoco", "open3d", "pinocchio", "sklearn", "onnxruntime", "cv2", "pyarrow")
    code = f"import sys, {module}; print([m for m in {heavy!r} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "module",
    [
        "foley_perception.recording.recording",
        "foley_perception.episodes",
        "foley_perception.dataset.build",
        "foley_perception.commands.bag",
        "foley_perception.commands.dataset",
        "foley_perception.commands.record",
    ],
)
def test_pure_modules_know_no_ros(module: str) -> None:
    code = f"import sys, {module}; print([m for m in sys.modules if m == 'rclpy' or m.endswith('_msgs')])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"
