"""Messages and middleware of the recorder: QoS as bags write it, subscriptions that fit their publishers,
statistics as messages."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from foley_common import topic_map, topics
from foley_common.foreign_audio import INFO_TYPE, info_topics, raw_formats
from foley_common.foreign_audio import TYPES as FOREIGN_AUDIO
from foley_common.robot_file import Sound
from foley_common.topics import CAMERA, CAMERA_COMPRESSED, MICROPHONE, RECORDED_QOS
from foley_msgs.msg import SegmentLabel, TopicStatistics
from foley_msgs.srv import StartRecording
from foley_perception.audit.recording import RecordingAudit
from foley_perception.recording import session
from foley_perception.recording.config import RecorderConfig
from foley_perception.recording.errors import (
    BagError,
    DurationError,
    MissingTopicError,
    NoSpaceError,
    NotWritableError,
)
from foley_perception.recording.recording import (
    LatchedStore,
    RawMessage,
    Recording,
    RecordingResult,
    TopicSpec,
)
from foley_perception.recording.statistics import TopicReport
from foley_perception.recording.takes import Take, Takes
from foley_perception.ros.image_topics import compressed_names, published_form
from foley_ros import convert, qos
from foley_ros.foreign_audio import class_of
from foley_ros.node import PATIENCE, Health
from foley_ros.polling import UnwatchedGroup
from foley_ros.topics import message_class

IMAGE_TYPE, COMPRESSED_TYPE = CAMERA.type, CAMERA_COMPRESSED.type
_PROFILES: dict[str, QoSProfile] = {
    **{name: qos.PROFILES[name] for name in RECORDED_QOS},
    # Three seconds of images: nothing is lost while a busy machine does not let the recorder run.
    "image": QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=90, reliability=ReliabilityPolicy.BEST_EFFORT),
}


def _never_called(data: bytes) -> None:
    """The callback of a subscription that is polled."""


OnMessage = Callable[[str, RawMessage], None]


_START_ERRORS: dict[type[BagError], int] = {
    DurationError: StartRecording.Response.ERROR_BAD_DURATION,
    MissingTopicError: StartRecording.Response.ERROR_MISSING_TOPIC,
    NoSpaceError: StartRecording.Response.ERROR_NO_SPACE,
    NotWritableError: StartRecording.Response.ERROR_NOT_WRITABLE,
}


def start_error_code(error: BagError) -> int:
    """StartRecording's code for a refusal; what is wrong with no other thing is wrong with its metadata."""
    return _START_ERRORS.get(type(error), int(StartRecording.Response.ERROR_BAD_METADATA))


def begin_recording(
    config: RecorderConfig,
    subscriptions: RawSubscriptions,
    latched: LatchedStore,
    request: Any,
    now_ns: int,
    mapping: topic_map.TopicMap,
    robot: str = "",
) -> tuple[Recording, str]:
    """A recording as StartRecording asks for it, and its session id.

    Args:
        mapping: the registry's names -> topics that are recorded for them under other names.
        robot: text of the robot's file; the request's metadata may hold another one.

    Raises:
        BagError: refused; see :func:`start_error_code`.
    """
    if not 0.0 < request.max_duration <= config.longest_recording_s:
        raise DurationError(
            f"max_duration is {request.max_duration} s, must be above 0 and at most "
            f"{config.longest_recording_s} s (parameter `longest_recording_s`)"
        )
    if wrong := subscriptions.wrong_types(mapping):
        raise MissingTopicError("; ".join(wrong))
    absent = subscriptions.without_publisher()
    if absent and not config.start_without_required:
        raise MissingTopicError(f"no publisher on {', '.join(absent)}")
    session_id = session.new_session_id()
    name = session.check_name(request.name or session_id)
    metadata = session.session_metadata(
        session_id,
        start_ns=now_ns,
        max_duration_s=request.max_duration,
        recorded_by=request.recorded_by,
        notes=request.notes,
        tags=list(request.tags),
        extra_yaml=request.metadata_yaml,
        topics=mapping,
        robot=robot,
    )
    described, _ = session.recorded_robot(
        metadata
    )  # as it is kept: what is judged is what a reader will hear
    sound = described.sound if described is not None else {}
    recording = Recording(
        folder_of(config) / name,
        subscriptions.specs,
        session=metadata,
        start_ns=now_ns,
        latched=latched.items(),
        offered_qos=subscriptions.offered_qos(),
        flush_period_s=config.flush_period_s,
        queue_bytes=round(config.queue_mb * 2**20),
        min_free_bytes=round(config.min_free_mb * 2**20),
        audit=RecordingAudit(
            topic_map.ours(mapping),
            heard_channels(sound, subscriptions.named | dict(mapping)),
            raw_formats(sound),
        ),
    )
    return recording, session_id


def heard_channels(sound: Mapping[str, Sound], topics_of: Mapping[str, str]) -> dict[str, int]:
    """Topics of which another channel than the first is heard -> that.

    Args:
        sound: by microphone, as the robot's file has it.
        topics_of: the registry's names -> topics.
    """
    heard = {topics.topic(role).name: one.channel for role, one in sound.items() if one.channel}
    return {topics_of[name]: channel for name, channel in heard.items() if name in topics_of}


def folder_of(config: RecorderConfig) -> Path:
    """Of its bags."""
    return Path(config.output_dir).expanduser().resolve()


def recording_health(recording: Recording, now_ns: int, config: RecorderConfig, interrupted: str) -> Health:
    """A failure of the disk is an error; dropped messages and silent required topics are warnings.

    Args:
        interrupted: what became of earlier recordings, where that is still to be told.
    """
    silent = recording.silent(now_ns, config.silent_after_s)
    values = {
        "path": recording.path,
        "seconds": f"{(now_ns - recording.start_ns) * 1e-9:.1f}",
        "bytes": recording.bytes_written,
        "queued_bytes": recording.queued_bytes,
        "dropped": recording.dropped,
        "silent": ", ".join(f"{topic} {seconds:.1f} s" for topic, seconds in silent.items()),
        PATIENCE: config.hang_timeout_s,
    }
    if recording.failure is not None:
        return Health.error(str(recording.failure), **values)
    if recording.dropped:
        return Health.warn(f"{recording.dropped} messages dropped: the disk is too slow", **values)
    if silent:
        return Health.warn(f"nothing arrives on {', '.join(silent)}", **values)
    if interrupted:
        return Health.warn(f"recording; before: {interrupted}", **values)
    return Health.ok("recording", **values)


def statistics_message(report: TopicReport) -> TopicStatistics:
    return TopicStatistics(
        topic=report.topic,
        type=report.type,
        messages=report.messages,
        bytes=report.bytes,
        rate=report.rate,
        max_gap=report.max_gap,
        lost=report.lost,
        gaps=report.gaps,
        skew_median=report.skew_median,
        skew_p99=report.skew_p99,
        expected=report.expected,
    )


def label_message(request: Any, now_ns: int, start_ns: int, end_ns: int) -> SegmentLabel:
    return SegmentLabel(
        header=convert.header(now_ns, ""),
        start=convert.to_stamp(start_ns),
        end=convert.to_stamp(end_ns),
        object_id=request.object_id,
        key=request.key,
        value=request.value,
    )


def fill_stop_response(response: Any, result: RecordingResult) -> Any:
    """StopRecording.Response of a finished recording: failure first, then missing topics, then success."""
    response.path = str(result.path)
    response.duration = result.duration_s
    response.bytes = result.bytes
    response.topics = [statistics_message(report) for report in result.topics]
    response.findings = list(result.findings)
    if result.failure is not None:
        response.error_code, response.error_msg = response.ERROR_WRITE_FAILED, str(result.failure)
    elif result.missing:
        response.error_code = response.ERROR_MISSING_TOPIC
        response.error_msg = (
            f"nothing was received on {', '.join(result.missing)}: is the driver running, does its topic "
            "have this name? The bag was kept"
        )
    return response


def fill_interrupted(response: Any, takes: Takes, take: Take, *, discard: bool) -> Any:
    """StopRecording.Response of a recording whose process is gone; it is told once."""
    left = take if take.finished else take.left()
    response.path, response.duration, response.bytes = take.path, left.duration_s, left.bytes
    if not take.finished:
        response.error_code, response.error_msg = response.ERROR_INTERRUPTED, take.text
    elif take.trouble:
        response.error_code, response.error_msg = response.ERROR_WRITE_FAILED, take.trouble
    else:
        response.findings = [
            f"note: it ended with its recorder's process; `foley bag check {take.path}` judges it"
        ]
    if discard:
        takes.discard(take)
    else:
        takes.told(take.path)
    return response


class RawSubscriptions:
    """One raw subscription per topic, with the QoS of its publishers, asked for messages in batches.

    A thousand messages a second cost rclpy's executor half a core, nearly all of it for building a wait set
    per message. So the executor does not watch these subscriptions; :meth:`poll` takes what has come. Nothing
    waits in vain for that: arrival times are the middleware's, and its queues hold seconds.

    A reliable subscription never meets a best-effort publisher, nor a latched one a volatile publisher. So
    every topic begins with its profile, and is subscribed anew when its publishers offer less (as `ros2 bag
    record` does at its start; publishers may also come later).
    """

    def __init__(self, node: Node, specs: Mapping[str, TopicSpec], on_message: OnMessage) -> None:
        self._node = node
        self._on_message = on_message
        self._group = UnwatchedGroup()
        # Where ROS time is simulated the middleware's own times mean nothing.
        self._system_time = not node.get_parameter("use_sim_time").value
        self._classes: dict[str, Any] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self.unavailable: dict[str, str] = {}  # topic -> why it cannot be subscribed
        self.specs: dict[str, TopicSpec] = {}
        self._required_unavailable: list[str] = []
        for topic, spec in specs.items():
            try:
                self._classes[topic] = message_class(spec.type)
            except (ModuleNotFoundError, AttributeError) as error:
                self.unavailable[topic] = f"type {spec.type} is not installed ({error})"
                if spec.required:
                    self._required_unavailable.append(topic)
                continue
            self.specs[topic] = spec
            self._subscribe(topic, _PROFILES[spec.profile])
        self._configured = dict(self.specs)

    @property
    def named(self) -> dict[str, str]:
        """Names as they were configured -> topics."""
        return {spec.name: topic for topic, spec in self._configured.items()}

    def follow_images(self) -> list[str]:
        """Take a topic's compressed images where only these are published, and raw ones where they are.

        What was required of the one is required of the other. Not to be called during a recording, whose topics are
        fixed.

        Returns:
            The topics that are new.
        """
        new = []
        for raw, spec in [(t, s) for t, s in self._configured.items() if s.type == IMAGE_TYPE]:
            wanted = published_form(self._node, raw)
            if wanted is None or (wanted in self.specs and (wanted == raw or raw not in self.specs)):
                continue
            for name in (raw, *compressed_names(raw)):
                if name in self.specs and (name == raw or name not in self._configured):
                    del self.specs[name]
                    self._node.destroy_subscription(self._subscriptions.pop(name))
            required = spec.required or (wanted in self.specs and self.specs[wanted].required)
            kind = IMAGE_TYPE if wanted == raw else COMPRESSED_TYPE
            self._classes[wanted] = message_class(kind)
            taken = dataclasses.replace(spec, name=wanted, type=kind, required=required)
            self.specs[wanted] = taken
            if wanted not in self._subscriptions:
                self._subscribe(wanted, _PROFILES[taken.profile])
            new.append(wanted)
        return new

    def follow_sound(self) -> list[str]:
        """Take a microphone's topic as the type that it has, and the AudioInfo beside it. Not during a recording.

        Returns:
            What is new, in words.
        """
        new = []
        for topic, spec in [(t, s) for t, s in self._configured.items() if s.type == MICROPHONE.type]:
            publishers = {p.topic_type: p for p in self._node.get_publishers_info_by_topic(topic)}
            known = [kind for kind in (MICROPHONE.type, *FOREIGN_AUDIO) if kind in publishers]
            if not known:
                continue
            kind = known[0]
            if kind != self.specs[topic].type:
                try:
                    found = class_of(kind, publishers[kind])
                except (ImportError, AttributeError, ValueError) as error:
                    if self.unavailable.get(topic) != str(error):
                        new.append(f"{topic} {error}")
                    self.unavailable[topic] = str(error)
                    continue
                self.unavailable.pop(topic, None)
                self._node.destroy_subscription(self._subscriptions.pop(topic))
                self._classes[topic] = found
                self.specs[topic] = dataclasses.replace(spec, type=kind)
                self._subscribe(topic, _PROFILES[spec.profile])
                new.append(f"{topic} is recorded as {kind}")
            new += self._follow_info(topic) if kind in FOREIGN_AUDIO else []
        return new

    def _follow_info(self, topic: str) -> list[str]:
        for name in info_topics(topic):
            kinds = {p.topic_type for p in self._node.get_publishers_info_by_topic(name)}
            if name in self.specs or INFO_TYPE not in kinds:
                continue
            self._classes[name] = message_class(INFO_TYPE)
            self.specs[name] = TopicSpec(name, INFO_TYPE, "latched")
            self._subscribe(name, _PROFILES["latched"])
            return [f"{name} is recorded: it says what {topic} holds"]
        return []

    def _subscribe(self, topic: str, profile: QoSProfile) -> None:
        self._subscriptions[topic] = self._node.create_subscription(
            self._classes[topic], topic, _never_called, profile, raw=True, callback_group=self._group
        )

    def poll(self) -> int:
        """Hand over every message that has come, in order of arrival. Returns how many."""
        now = int(self._node.get_clock().now().nanoseconds)
        batch: list[tuple[int, str, RawMessage]] = []
        for topic, subscription in self._subscriptions.items():
            with subscription.handle:
                while (taken := subscription.handle.take_message(subscription.msg_type, True)) is not None:
                    message = self._message(*taken, now)
                    batch.append((message.arrival_ns, topic, message))
        batch.sort(key=lambda item: item[0])
        for _, topic, message in batch:
            self._on_message(topic, message)
        return len(batch)

    def _message(self, data: bytes, info: Mapping[str, Any], now_ns: int) -> RawMessage:
        sequence = int(info.get("publication_sequence_number") or 0)
        if not self._system_time:
            return RawMessage(data, now_ns, 0, sequence)
        arrival, published = info["received_timestamp"], info["source_timestamp"]
        return RawMessage(data, int(arrival or now_ns), int(published or 0), sequence)

    def adapt(self) -> list[str]:
        """Fit subscriptions to their publishers; the topics that were subscribed anew."""
        changed = []
        for topic, spec in self.specs.items():
            publishers = self._node.get_publishers_info_by_topic(topic)
            if not publishers:
                continue
            offered = [p.qos_profile for p in publishers]
            profile = qos.fitting(_PROFILES[spec.profile], offered)
            if not qos.same(profile, self._subscriptions[topic].qos_profile):
                self._node.destroy_subscription(self._subscriptions[topic])
                self._subscribe(topic, profile)
                changed.append(topic)
        return changed

    def offered_qos(self) -> dict[str, list[dict[str, object]]]:
        """Profiles of each topic's publishers; the subscription's own where none is known yet, as it may still come."""
        offered = {}
        for topic, subscription in self._subscriptions.items():
            known = [p.qos_profile for p in self._node.get_publishers_info_by_topic(topic)]
            offered[topic] = [qos.entry(profile) for profile in known or [subscription.qos_profile]]
        return offered

    def without_publisher(self) -> list[str]:
        """Required topics that nobody publishes or whose type is not installed."""
        absent = [t for t, s in self.specs.items() if s.required and not self._node.count_publishers(t)]
        return sorted(absent + self._required_unavailable)

    def wrong_types(self, mapping: Mapping[str, str]) -> list[str]:
        """Mapped topics that are published as another type than ours: a sentence for each."""
        wrong = []
        for name, topic in mapping.items():
            kinds = sorted({p.topic_type for p in self._node.get_publishers_info_by_topic(topic)})
            if kinds and topic in self.specs and self.specs[topic].type not in kinds:
                told = f"{name} is mapped to {topic}, which has type {', '.join(kinds)}"
                wrong.append(f"{told}, expected {self.specs[topic].type}")
        return wrong

    def destroy(self) -> None:
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
