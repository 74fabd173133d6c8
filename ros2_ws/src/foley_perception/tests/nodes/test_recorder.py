"""The recorder with real publishers in another process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.nodes

# Publishes audio (100 Hz), pose (250 Hz) and images (30 Hz) of known content for as long as stdin gives a
# number of seconds per line; says on stdout what was sent.
PUBLISHER = """
import json, sys, time
import numpy as np
import rclpy
from foley_msgs.msg import AudioChunk
from foley_ros import convert, qos
from geometry_msgs.msg import PoseStamped, TransformStamped
from sensor_msgs.msg import Image
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

rclpy.init()
node = rclpy.create_node("source")
audio = node.create_publisher(AudioChunk, "mic/audio", qos.AUDIO)
pose = node.create_publisher(PoseStamped, "ee_pose", qos.STATE)
image = node.create_publisher(Image, "camera/image_raw", qos.IMAGE)
urdf = node.create_publisher(String, "robot_description", qos.LATCHED)
fixed = node.create_publisher(TFMessage, "/tf_static", qos.TF_STATIC)
urdf.publish(String(data="<robot/>"))
for child in ("camera_optical", "microphone"):
    fixed.publish(TFMessage(transforms=[convert.arrays_to_transform(np.zeros(3), np.array([0, 0, 0, 1.0]), 1,
                                                                    "world", child)]))
deadline = time.monotonic() + 120
while min(p.get_subscription_count() for p in (audio, pose, image)) == 0 and time.monotonic() < deadline:
    time.sleep(0.01)
print("ready", flush=True)
sample, sent = 0, {"audio": 0, "pose": 0, "image": 0}
pixels = np.zeros((240, 320, 3), np.uint8)
for line in sys.stdin:
    word, seconds = line.split()
    begin = time.monotonic()
    ticks = round(float(seconds) * 500)
    for tick in range(ticks):
        ahead = begin + tick / 500 - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        now = time.time_ns()
        if tick % 5 == 0:
            if word != "unplugged":
                audio.publish(convert.array_to_audio(np.zeros(480, np.float32), time_ns=now,
                    frame_id="microphone", stream_id="s0", first_sample=sample, sample_rate=48000))
                sent["audio"] += 1
            sample += 480
        if tick % 2 == 0:
            pose.publish(convert.pose_stamped(np.zeros(3), np.array([0, 0, 0, 1.0]), now, "world"))
            sent["pose"] += 1
        if tick % 17 == 0:
            image.publish(convert.array_to_image(pixels, "rgb8", now, "camera_optical"))
            sent["image"] += 1
    print(json.dumps(sent), flush=True)
node.destroy_node()
rclpy.shutdown()
"""
TOPICS = """
/**:
  ros__parameters:
    topics:
      - "mic/audio foley_msgs/msg/AudioChunk audio required"
      - "ee_pose geometry_msgs/msg/PoseStamped state required"
      - "camera/image_raw sensor_msgs/msg/Image image required"
      - "robot_description std_msgs/msg/String latched"
      - "labels foley_msgs/msg/SegmentLabel event"
      - "wrench geometry_msgs/msg/WrenchStamped state{wrench}"
      - "/tf_static tf2_msgs/msg/TFMessage tf_static"
"""


class Source:
    """The publishers' process."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(PUBLISHER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        os.set_blocking(self.process.stdout.fileno(), False)  # type: ignore[union-attr]

    def line(self) -> str:
        """A line if one has come, else empty."""
        return (self.process.stdout.readline() or "").strip()  # type: ignore[union-attr]

    def publish(self, seconds: float, word: str = "plugged") -> None:
        self.process.stdin.write(f"{word} {seconds}\n")  # type: ignore[union-attr]
        self.process.stdin.flush()  # type: ignore[union-attr]

    def close(self) -> None:
        self.process.stdin.close()  # type: ignore[union-attr]
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()


@pytest.fixture
def source(ros_domain: int) -> Iterator[Source]:
    running = Source()
    yield running
    running.close()


@pytest.fixture
def recorder(ros_context: Any, start_node: Any, tmp_path: Path) -> Any:
    """An active recorder in its own process, writing below tmp_path/bags."""

    def start(wrench: str = "", **parameters: Any) -> Any:
        file = tmp_path / "recorder.yaml"
        file.write_text(TOPICS.format(wrench=wrench))
        node = start_node(
            "foley_perception.nodes.recorder",
            parameters={"output_dir": tmp_path / "bags", "min_free_mb": 1.0, **parameters},
            parameter_files=[file],
        )
        ros_context.transition("/recorder", "configure", "activate")
        return node

    return start


def begin(ros_context: Any, name: str, max_duration: float = 60.0, **fields: Any) -> Any:
    from foley_msgs.srv import StartRecording

    request = StartRecording.Request(name=name, max_duration=max_duration, **fields)
    return ros_context.call(StartRecording, "/recorder/start", request)


def end(ros_context: Any, discard: bool = False) -> Any:
    from foley_msgs.srv import StopRecording

    return ros_context.call(StopRecording, "/recorder/stop", StopRecording.Request(discard=discard))


def count(path: str) -> Counter[str]:
    from foley_perception.recording.bag import Bag

    return Counter(message.topic for message in Bag(path).messages())


@pytest.mark.real_time
def test_records_everything(ros_context: Any, recorder: Any, source: Source, tmp_path: Path) -> None:
    from foley_msgs.srv import LabelSegment

    recorder()
    ros_context.spin_until(lambda: source.line() == "ready", 30)
    started = begin(ros_context, "take", recorded_by="ann", metadata_yaml="{scene_id: bench, split: test}")
    assert started.error_code == 0, started.error_msg
    assert begin(ros_context, "again").error_code == started.ERROR_ALREADY_RECORDING
    source.publish(3.0)
    label = LabelSegment.Request(key="material", value="wood", object_id="block")
    assert ros_context.call(LabelSegment, "/recorder/label", label).error_code == 0
    empty = ros_context.call(LabelSegment, "/recorder/label", LabelSegment.Request(key=" "))
    assert empty.error_code == LabelSegment.Response.ERROR_EMPTY_KEY
    sent = ros_context.spin_until(source.line, 20)
    import json

    sent = json.loads(sent)
    stopped = end(ros_context)
    assert stopped.error_code == 0, stopped.error_msg
    statistics = {topic.topic: topic for topic in stopped.topics}
    assert (statistics["/mic/audio"].messages, statistics["/mic/audio"].lost) == (sent["audio"], 0)
    assert (statistics["/ee_pose"].messages, statistics["/ee_pose"].lost) == (sent["pose"], 0)
    assert statistics["/camera/image_raw"].messages >= 0.98 * sent["image"]
    assert statistics["/mic/audio"].rate == pytest.approx(100, rel=0.05)
    assert statistics["/ee_pose"].expected and not statistics["/wrench"].expected
    assert 0 <= statistics["/mic/audio"].skew_median < 0.05
    # It sends zeros, and stamps a chunk when it sends it.
    assert stopped.findings[0].startswith("error: /mic/audio holds 0 in all")
    assert any("must subtract samples / sample_rate" in finding for finding in stopped.findings)
    counts = count(stopped.path)
    assert counts["/mic/audio"] == sent["audio"] and counts["/ee_pose"] == sent["pose"]
    assert counts["/labels"] == 1 and counts["/robot_description"] == 1
    assert counts["/tf_static"] == 2  # both publishers' frames, latched before the start

    from rosbags.rosbag2 import Reader

    with Reader(stopped.path) as bag:
        assert bag.message_count == sum(counts.values())
        offered = {c.topic: c.ext.offered_qos_profiles for c in bag.connections}
        assert offered["/mic/audio"][0].reliability.name == "RELIABLE"
        assert all(offered.values()) and "/wrench" in offered, (
            "a publisher may come after the start, or never"
        )
    from foley_perception.recording.bag import Bag

    bag_file = Bag(stopped.path)
    assert not list(filter(None, (bag_file.problems, [m for m in bag_file.messages() if m.log_time <= 0])))
    assert bag_file.session["scene_id"] == "bench" and bag_file.session["recorded_by"] == "ann"
    assert bag_file.session["session_id"] == started.session_id


@pytest.mark.real_time
def test_unplugged_microphone_is_a_gap(ros_context: Any, recorder: Any, source: Source) -> None:
    from diagnostic_msgs.msg import DiagnosticArray

    recorder(silent_after_s=0.5)
    warnings: list[str] = []

    def on_diagnostics(message: DiagnosticArray) -> None:
        warnings.extend(s.message for s in message.status if s.name == "/recorder" and s.level != s.OK)

    subscription = ros_context.helper.create_subscription(DiagnosticArray, "/diagnostics", on_diagnostics, 10)
    ros_context.spin_until(lambda: source.line() == "ready", 30)
    assert begin(ros_context, "unplugged").error_code == 0
    for word, seconds in (("plugged", 1.0), ("unplugged", 2.5), ("plugged", 1.0)):
        source.publish(seconds, word)
        ros_context.spin_until(source.line, 20)
    stopped = end(ros_context)
    audio = next(t for t in stopped.topics if t.topic == "/mic/audio")
    assert audio.gaps >= 1 and audio.max_gap == pytest.approx(2.5, abs=0.3)
    assert audio.lost == 250  # chunks that the sample count says are missing
    assert any("/mic/audio" in text for text in warnings)
    ros_context.helper.destroy_subscription(subscription)


@pytest.mark.real_time
def test_refusals_and_the_end_by_itself(
    ros_context: Any, recorder: Any, source: Source, tmp_path: Path
) -> None:
    from foley_msgs.srv import StartRecording

    recorder(wrench=" required")
    ros_context.spin_until(lambda: source.line() == "ready", 30)
    codes = StartRecording.Response
    assert begin(ros_context, "x", max_duration=0.0).error_code == codes.ERROR_BAD_DURATION
    assert begin(ros_context, "x", max_duration=1e9).error_code == codes.ERROR_BAD_DURATION
    assert begin(ros_context, "../x").error_code == codes.ERROR_BAD_METADATA
    assert begin(ros_context, "x", metadata_yaml="[1, 2]").error_code == codes.ERROR_BAD_METADATA
    unknown = begin(ros_context, "x", metadata_yaml="{split: foo}")
    assert unknown.error_code == codes.ERROR_BAD_METADATA and "split is `foo`" in unknown.error_msg
    assert end(ros_context).error_code == 1
    (tmp_path / "bags").mkdir(exist_ok=True)
    (tmp_path / "bags" / "taken").mkdir()
    taken = begin(ros_context, "taken")
    assert taken.error_code == codes.ERROR_NOT_WRITABLE and "exists" in taken.error_msg
    assert begin(ros_context, "short", max_duration=0.8).error_code == 0
    source.publish(1.5)
    ros_context.spin_until(source.line, 20)
    stopped = end(ros_context)  # it had ended by itself; the result was kept
    assert stopped.duration == pytest.approx(0.8, abs=0.5)
    assert stopped.error_code == stopped.ERROR_MISSING_TOPIC and "/wrench" in stopped.error_msg
    assert end(ros_context).error_code == stopped.ERROR_NOT_RECORDING
    gone = begin(ros_context, "gone", max_duration=0.1).path
    source.publish(0.6)
    assert Path(gone).is_dir()
    assert end(ros_context, discard=True).path == gone and not Path(gone).exists()


@pytest.mark.real_time
def test_killed_recorder_leaves_a_readable_bag(
    ros_context: Any, recorder: Any, source: Source, tmp_path: Path
) -> None:
    from foley_perception.recording.recovery import recover_bag

    node = recorder(flush_period_s=0.25)
    ros_context.spin_until(lambda: source.line() == "ready", 30)
    started = begin(ros_context, "killed")
    source.publish(3.0)
    ros_context.spin_until(source.line, 20)
    source.publish(0.1)
    ros_context.spin_until(source.line, 20)
    node.kill()
    # 3 s were sent, and the bound is one flush period plus one flush.
    assert count(started.path)["/ee_pose"] >= 0.85 * 750
    from rosbags.rosbag2 import Reader

    with Reader(recover_bag(Path(started.path)).path) as bag:
        assert bag.message_count == sum(count(started.path).values())


@pytest.mark.real_time
def test_record_command(ros_context: Any, recorder: Any, source: Source, tmp_path: Path) -> None:
    """`foley record` against the running recorder, as a user types it; then a name that exists."""
    import json

    recorder()
    ros_context.spin_until(lambda: source.line() == "ready", 30)
    source.publish(20.0)
    code = (
        "import argparse, sys; from foley_perception.commands import record as r; p = argparse.ArgumentParser();"
        "r.configure(p); sys.exit(r.run(p.parse_args(sys.argv[1:])))"
    )
    arguments = ["--name", "typed", "--max-duration", "1.5", "--tag", "x", "--out", str(tmp_path / "out")]
    command = [sys.executable, "-c", code, *arguments]
    first = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert first.returncode == 0, first.stderr
    assert "! error: /mic/audio holds 0 in all" in first.stdout
    figures = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert figures["findings"][0] in first.stdout
    audio = figures["topics"]["/mic/audio"]
    assert audio["lost"] == 0 and audio["messages"] == pytest.approx(150, abs=40)
    second = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert second.returncode == 2 and "exists already" in second.stderr
    source.process.kill()


@pytest.mark.parametrize("reliable", [True, False])
def test_compressed_images_stand_for_raw_ones_that_nobody_publishes(
    ros_context: Any, recorder: Any, reliable: bool
) -> None:
    """What is required of the raw topic is required of the compressed one."""
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import CompressedImage

    recorder(flush_period_s=0.1)
    how = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
    profile = QoSProfile(depth=10, reliability=how)
    publisher = ros_context.helper.create_publisher(CompressedImage, "/camera/image_raw/compressed", profile)
    ros_context.spin_until(publisher.get_subscription_count, 20)
    started = begin(ros_context, "small")
    assert started.error_code == 0
    for index in range(5):
        publisher.publish(CompressedImage(format="jpeg", data=bytes([index] * 100)))

    def arrived() -> bool:
        publisher.publish(CompressedImage(format="jpeg", data=b"more"))
        return count(started.path)["/camera/image_raw/compressed"] >= 5

    ros_context.spin_until(arrived, 20)
    stopped = end(ros_context)
    topics = {topic.topic: topic for topic in stopped.topics}
    assert topics["/camera/image_raw/compressed"].expected and "/camera/image_raw" not in topics
    assert "/mic/audio" in stopped.error_msg and "image_raw" not in stopped.error_msg


def test_no_space_is_told(ros_context: Any, recorder: Any) -> None:
    recorder(min_free_mb=1e12)
    refused = begin(ros_context, "x")
    assert refused.error_code == refused.ERROR_NO_SPACE and "min_free_mb" in refused.error_msg


def test_a_best_effort_microphone_is_recorded(ros_context: Any, recorder: Any) -> None:
    """Its publisher offers less than the profile asks for; the subscription is made anew to fit."""
    from rclpy.qos import QoSProfile, ReliabilityPolicy

    from foley_msgs.msg import AudioChunk
    from foley_ros import convert

    recorder(flush_period_s=0.1)
    profile = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
    publisher = ros_context.helper.create_publisher(AudioChunk, "/mic/audio", profile)
    started = begin(ros_context, "modest")
    assert started.error_code == 0
    ros_context.spin_until(publisher.get_subscription_count, 20)
    import numpy as np

    sent = 0

    def arrived() -> bool:
        # Best effort: what is sent before the recorder has found the publisher is lost, so more is sent.
        nonlocal sent
        sound = np.zeros(480)
        publisher.publish(
            convert.array_to_audio(
                sound, time_ns=1, frame_id="m", stream_id="s", first_sample=480 * sent, sample_rate=48_000
            )
        )
        sent += 1
        return count(started.path)["/mic/audio"] >= 3

    ros_context.spin_until(arrived, 20)
    audio = next(t for t in end(ros_context).topics if t.topic == "/mic/audio")
    assert 3 <= audio.messages <= sent
