"""`~/status`: what the recorder does now, four times a second."""

from __future__ import annotations

import collections
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rclpy.node import Node

from foley_common.times import NS_PER_S
from foley_common.topics import RECORDER_STATUS
from foley_msgs.msg import RecorderStatus, TopicMeter
from foley_perception.recording.config import RecorderConfig
from foley_perception.recording.meters import Meter, Meters
from foley_perception.recording.recording import RawMessage, Recording, TopicSpec
from foley_perception.recording.trouble import Disk, troubles
from foley_perception.ros.raw_subscriptions import RawSubscriptions
from foley_perception.ros.recording import folder_of
from foley_ros import convert
from foley_ros.topics import profile

PERIOD_S = 0.25
_GRAPH_EVERY = 4  # times; publishers come and go slowly, and asking for them costs
_RATE_NS = 5 * NS_PER_S


class StatusDesk:
    """Makes the message and publishes it.

    Args:
        node: whose `~/status` it is.
    """

    def __init__(self, node: Node, config: RecorderConfig, subscriptions: RawSubscriptions) -> None:
        self._node, self._config, self._subscriptions = node, config, subscriptions
        self._publisher = node.create_publisher(
            RecorderStatus, RECORDER_STATUS.name, profile(RECORDER_STATUS)
        )
        self._ticks = 0
        self._publishers: dict[str, int] = {}
        self._types: dict[str, Sequence[str]] = {}
        self._free = math.inf
        self._written: collections.deque[tuple[int, int]] = collections.deque()  # when, bytes
        self._path, self._session_id = "", ""
        self._follow()

    def _follow(self) -> None:
        """The topics as they are recorded now."""
        self._specs: dict[str, TopicSpec] = dict(self._subscriptions.specs)
        self._meters = Meters(self._specs)

    def saw(self, topic: str, message: RawMessage) -> None:
        """One arrived; this is called for each."""
        fresh = self._meters.fresh.get(topic)
        if fresh is not None:
            fresh.append(message)

    def begin(self, path: Path, session_id: str) -> None:
        """A recording has begun."""
        if self._specs != self._subscriptions.specs:
            self._follow()
        self._path, self._session_id = str(path), session_id
        self._written.clear()
        self._meters.reset()

    def tick(
        self,
        now_ns: int,
        recording: Recording | None,
        *,
        remaining_s: float,
        snapshot_s: float,
        wrong: Sequence[str] = (),
    ) -> None:
        """Publish, where anybody listens.

        Args:
            remaining_s: until the recording ends by itself.
            snapshot_s: kept in memory.
            wrong: what else is, in sentences.
        """
        if recording is None and self._specs != self._subscriptions.specs:
            self._follow()
        meters = self._meters.take(now_ns)
        rate = self._rate(now_ns, recording)
        if not self._publisher.get_subscription_count():
            self._ticks = 0
            return
        if self._ticks % _GRAPH_EVERY == 0:
            self._look(recording)
        self._ticks += 1
        reserve = self._config.min_free_mb * 2**20
        disk = Disk(self._free, reserve, rate, remaining_s if recording is not None else math.inf)
        status = RecorderStatus(
            header=convert.header(now_ns, ""),
            remaining=remaining_s if recording is not None else 0.0,
            write_rate=rate,
            disk_free=float(disk.free),
            disk_lasts=disk.lasts_s,
            snapshot=snapshot_s,
            topics=[self._meter(meter, recording) for meter in meters],
        )
        if recording is not None:
            self._describe(status, recording, now_ns)
        status.trouble = troubles(
            meters,
            disk,
            publishers=self._publishers,
            types=self._types,
            dropped=recording.dropped if recording is not None else 0,
            silent_after_s=self._config.silent_after_s,
            further=[*wrong, *(recording.not_encoded() if recording is not None else ())],
            paused=recording is not None and recording.paused_ns is not None,
        )
        self._publisher.publish(status)

    def destroy(self) -> None:
        self._node.destroy_publisher(self._publisher)

    # ---- inside ------------------------------------------------------------------------------------------
    def _describe(self, status: Any, recording: Recording, now_ns: int) -> None:
        paused = recording.paused_ns is not None
        status.state = RecorderStatus.PAUSED if paused else RecorderStatus.RECORDING
        status.path, status.session_id = self._path, self._session_id
        status.duration = recording.recorded_s(now_ns)
        status.bytes, status.files = recording.bytes_written, recording.files
        status.queued_bytes = max(recording.queued_bytes, 0)

    def _rate(self, now_ns: int, recording: Recording | None) -> float:
        """Bytes per second that are written."""
        if recording is None:
            self._written.clear()
            return 0.0
        self._written.append((now_ns, recording.bytes_written))
        while len(self._written) > 1 and self._written[0][0] < now_ns - _RATE_NS:
            self._written.popleft()
        (first_ns, first), (last_ns, last) = self._written[0], self._written[-1]
        return max(last - first, 0) / ((last_ns - first_ns) / NS_PER_S) if last_ns > first_ns else 0.0

    def _look(self, recording: Recording | None) -> None:
        """At publishers and the disk; while it is written to, its thread looks at it."""
        node = self._node
        self._publishers = {topic: node.count_publishers(topic) for topic in self._specs}
        self._types = dict(node.get_topic_names_and_types())
        free = recording.free_bytes if recording is not None else None
        self._free = float(_free(folder_of(self._config)) if free is None else free)

    def _meter(self, meter: Meter, recording: Recording | None) -> TopicMeter:
        message = TopicMeter(
            topic=meter.topic,
            type=meter.type,
            expected=meter.expected,
            publishers=min(self._publishers.get(meter.topic, 0), 65535),
            rate=meter.rate,
            silence=meter.silence,
            latency=meter.latency,
            peak_dbfs=[level.peak_dbfs for level in meter.levels],
            rms_dbfs=[level.rms_dbfs for level in meter.levels],
        )
        monitor = recording.monitors.get(meter.topic) if recording is not None else None
        if recording is not None and monitor is not None:
            message.messages, message.bytes = monitor.messages, monitor.bytes
            message.lost = monitor.lost_so_far + recording.dropped_of.get(monitor.topic, 0)
            message.clipped = meter.clipped
        return message


def _free(folder: Path) -> float:
    """Bytes of the file system on which a folder lies or will lie."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        return float(shutil.disk_usage(folder).free)
    except OSError:
        return math.inf
