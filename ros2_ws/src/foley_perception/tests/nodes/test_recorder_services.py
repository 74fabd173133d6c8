"""~/pause, ~/resume, ~/split, ~/snapshot, ~/status and ~/label of a running recorder."""

from __future__ import annotations

import math
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foley_perception.recording.bag import Bag
from foley_perception.recording.cdr import audio_head_or_none, read_audio_samples
from foley_perception.recording.inspect import inspect_bag
from foley_perception.recording.labels import read_label

pytestmark = pytest.mark.nodes

TOPICS = """
/**:
  ros__parameters:
    compression: ["wrist_camera/image_raw=jpeg:90", "foley_msgs/msg/AudioChunk=zstd"]
    topics:
      - "mic/audio foley_msgs/msg/AudioChunk audio required"
      - "contact_mic/audio foley_msgs/msg/AudioChunk audio"
      - "wrist_camera/image_raw sensor_msgs/msg/Image image"
      - "robot_description std_msgs/msg/String latched"
      - "labels foley_msgs/msg/SegmentLabel event"
      - "wrench geometry_msgs/msg/WrenchStamped state required"
"""
STEREO = np.stack([np.full(480, 0.5, np.float32), np.zeros(480, np.float32)], axis=1)  # one channel is dead


class Source:
    """Publishes from the test's own process, whenever it spins."""

    def __init__(self, ros_context: Any) -> None:
        from sensor_msgs.msg import Image
        from std_msgs.msg import String

        from foley_msgs.msg import AudioChunk
        from foley_ros import qos

        node = ros_context.helper
        self._sound = {
            t: node.create_publisher(AudioChunk, t, qos.AUDIO) for t in ("mic/audio", "contact_mic/audio")
        }
        self._image = node.create_publisher(Image, "wrist_camera/image_raw", qos.IMAGE)
        urdf = node.create_publisher(String, "robot_description", qos.LATCHED)
        urdf.publish(String(data="<robot/>"))
        self._count = 0
        self._timer = node.create_timer(0.01, self._send)
        ros_context.spin_until(self._found, 30)

    def _found(self) -> bool:
        return all(p.get_subscription_count() for p in (*self._sound.values(), self._image))

    def _send(self) -> None:
        from foley_ros import convert

        now, first = time.time_ns(), 480 * self._count
        for topic, publisher in self._sound.items():
            samples = STEREO if topic == "mic/audio" else STEREO[:, 0]
            publisher.publish(
                convert.array_to_audio(
                    samples,
                    time_ns=now - 10**7,
                    frame_id="m",
                    stream_id="s",
                    first_sample=first,
                    sample_rate=48_000,
                )
            )
        if self._count % 3 == 0:
            pixels = np.full((48, 64, 3), (self._count % 200, 50, 20), np.uint8)
            self._image.publish(convert.array_to_image(pixels, "rgb8", now, "wrist"))
        self._count += 1


@pytest.fixture
def recorder(ros_context: Any, start_node: Any, tmp_path: Path) -> Any:
    file = tmp_path / "recorder.yaml"
    file.write_text(TOPICS)
    parameters = {
        "output_dir": tmp_path / "bags",
        "min_free_mb": 1.0,
        "flush_period_s": 0.1,
        "snapshot_s": 20.0,
    }
    start_node("foley_perception.nodes.recorder", parameters=parameters, parameter_files=[file])
    ros_context.transition("/recorder", "configure", "activate")


def trigger(ros_context: Any, name: str) -> Any:
    from std_srvs.srv import Trigger

    return ros_context.call(Trigger, f"/recorder/{name}", Trigger.Request())


def label(ros_context: Any, key: str, value: str) -> Any:
    from foley_msgs.srv import LabelSegment

    return ros_context.call(LabelSegment, "/recorder/label", LabelSegment.Request(key=key, value=value))


def test_a_recording_with_pause_split_snapshot_labels_and_status(
    ros_context: Any, recorder: Any, tmp_path: Path
) -> None:
    from foley_msgs.msg import RecorderStatus
    from foley_msgs.srv import SaveSnapshot, StartRecording, StopRecording
    from foley_ros import qos

    seen: list[Any] = []
    ros_context.helper.create_subscription(RecorderStatus, "/recorder/status", seen.append, qos.EVENT)
    for name in ("pause", "resume", "split"):
        refused = trigger(ros_context, name)
        assert not refused.success and "nothing is being recorded" in refused.message
    nothing = ros_context.call(SaveSnapshot, "/recorder/snapshot", SaveSnapshot.Request())
    assert nothing.error_code == SaveSnapshot.Response.ERROR_NOT_KEPT
    Source(ros_context)
    request = StartRecording.Request(name="take", max_duration=60.0)
    started = ros_context.call(StartRecording, "/recorder/start", request)
    assert started.error_code == 0, started.error_msg
    ros_context.spin_until(lambda: seen and seen[-1].state == seen[-1].RECORDING and seen[-1].duration > 0.8)

    # ---- status
    status = seen[-1]
    meters = {meter.topic: meter for meter in status.topics}
    sound = meters["/mic/audio"]
    assert sound.expected and sound.publishers == 1 and sound.messages > 3 and sound.lost == 0
    assert sound.peak_dbfs[0] == pytest.approx(20 * math.log10(0.5), abs=0.01)
    assert sound.rms_dbfs[0] == pytest.approx(20 * math.log10(0.5), abs=0.01)
    assert list(sound.peak_dbfs[1:]) == [-math.inf] and len(meters["/contact_mic/audio"].peak_dbfs) == 1
    assert sound.rate > 1 and 0 <= sound.silence < 5 and 0 <= sound.latency < 5
    assert status.path == started.path and status.disk_free > 0 and status.files == 1
    assert any("/wrench is required and has no publisher" in text for text in status.trouble)
    ros_context.spin_until(lambda: any("nothing but zeros in channel 1" in text for text in seen[-1].trouble))

    # ---- labels
    assert "the next one" in label(ros_context, "segment", "approach").error_msg
    odd = label(ros_context, "action", "scrach")
    assert odd.error_code == 0 and "did you mean `scratch`" in odd.error_msg
    assert label(ros_context, "success", "yes").error_msg == ""
    assert label(ros_context, "pause", "").error_code != 0

    # ---- pause, split
    assert trigger(ros_context, "pause").success
    again = trigger(ros_context, "pause")
    assert not again.success and "paused already" in again.message
    ros_context.spin_until(lambda: seen[-1].state == RecorderStatus.PAUSED)
    paused = {m.topic: m.messages for m in seen[-1].topics}
    begun = time.monotonic()
    ros_context.spin_until(lambda: time.monotonic() - begun > 1.0)
    assert {m.topic: m.messages for m in seen[-1].topics} == paused
    assert trigger(ros_context, "resume").success
    assert not trigger(ros_context, "resume").success
    assert trigger(ros_context, "split").success
    ros_context.spin_until(lambda: seen[-1].files == 2)

    # ---- snapshot, with the recording going on
    taken = ros_context.call(SaveSnapshot, "/recorder/snapshot", SaveSnapshot.Request(name="last", last=2.0))
    assert taken.error_code == 0, taken.error_msg
    assert 0.0 < taken.duration <= 2.6 and taken.path.endswith("last")
    stopped = ros_context.call(StopRecording, "/recorder/stop", StopRecording.Request())

    # ---- the bags
    reports = {report.topic: report for report in stopped.topics}
    assert reports["/mic/audio"].lost == 0 and reports["/mic/audio"].max_gap < 0.9  # the pause was longer
    assert sorted(p.name for p in Path(stopped.path).iterdir()) == [
        "metadata.yaml",
        "take_0.mcap",
        "take_1.mcap",
    ]
    report = inspect_bag(stopped.path, check_index=True)
    assert report.problems == () and len(report.pauses) == 1
    assert report.duration_s == pytest.approx(stopped.duration, abs=0.9)
    assert {t.topic: t.lost for t in report.topics}["/mic/audio"] == 0
    assert report.session["compression"]["/wrist_camera/image_raw"] == "jpeg:90"
    bag = Bag(stopped.path)
    messages = list(bag.messages())
    counts = Counter(m.topic for m in messages)
    assert counts["/wrist_camera/image_raw/compressed"] > 3 and counts["/robot_description"] == 1
    for data in (bytes(m.data) for m in messages if m.topic == "/mic/audio"):
        head = audio_head_or_none(data)
        assert head is not None and np.array_equal(read_audio_samples(data, head), STEREO)
    told = [read_label(m.data) for m in messages if m.topic == "/labels"]
    assert [(one.key, one.value) for one in told] == [
        ("segment", "approach"),
        ("action", "scrach"),
        ("success", "true"),
        ("segment", "approach"),
        ("pause", "begins"),
        ("pause", ""),
    ]
    assert told[3].end_ns > told[3].start_ns == told[0].start_ns
    snapshot = Bag(taken.path)
    inside = Counter(m.topic for m in snapshot.messages())
    assert inside["/mic/audio"] >= 1 and inside["/robot_description"] == 1 and snapshot.problems == []
    assert snapshot.session["snapshot"] is True and snapshot.session["session_id"] == taken.session_id

    # ---- discard, and the same name at once
    for discard in (True, False):
        request = StartRecording.Request(name="again", max_duration=60.0)
        assert ros_context.call(StartRecording, "/recorder/start", request).error_code == 0
        ros_context.call(StopRecording, "/recorder/stop", StopRecording.Request(discard=discard))
        assert (tmp_path / "bags" / "again").exists() is not discard


def test_an_odd_message_costs_no_other_one() -> None:
    from unittest.mock import MagicMock

    from foley_perception.ros.raw_subscriptions import RawSubscriptions

    kept: list[str] = []
    told: list[tuple[str, Exception]] = []

    def on_message(topic: str, message: Any) -> None:
        if topic == "/odd":
            raise OverflowError("a count that cannot be")
        kept.append(topic)

    subscriptions = RawSubscriptions(MagicMock(), {}, on_message, lambda *what: told.append(what))
    subscriptions._system_time = False
    for topic in ("/odd", "/pose"):
        subscription = subscriptions._subscriptions[topic] = MagicMock()
        subscription.handle.take_message.side_effect = [(b"", {}), None]
    assert subscriptions.poll() == 2 and kept == ["/pose"]
    assert [topic for topic, _ in told] == ["/odd"]
