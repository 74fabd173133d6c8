"""The recorder: every topic of a session, as raw bytes, into a bag.

Threads: the executor's thread takes messages in batches (see ``RawSubscriptions``), looks at a few header
bytes and queues them; the bag writer's thread (see ``recording/writer.py``) owns the disk. Services are
answered in the executor's thread; stopping waits for the disk there, which the queues of reliable topics
bridge.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter
from rclpy.serialization import serialize_message

from foley_common.topics import DIAGNOSTICS, LABELS, TOPICS
from foley_msgs.msg import SegmentLabel
from foley_msgs.srv import LabelSegment, StartRecording, StopRecording
from foley_perception.recording.config import RecorderConfig
from foley_perception.recording.errors import BagError
from foley_perception.recording.recording import LatchedStore, RawMessage, Recording, RecordingResult
from foley_perception.recording.takes import Takes
from foley_perception.ros.other_systems import of_another_system
from foley_perception.ros.recording import (
    RawSubscriptions,
    begin_recording,
    fill_interrupted,
    fill_stop_response,
    folder_of,
    label_message,
    recording_health,
    start_error_code,
)
from foley_ros import convert
from foley_ros.node import FoleyNode, Health, run
from foley_ros.topics import profile

POLL_PERIOD_S = 0.02
WATCH_EVERY = 10  # polls
ADAPT_EVERY = 50  # polls


class RecorderNode(FoleyNode[RecorderConfig]):
    """``~/start``, ``~/stop`` and ``~/label``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("recorder", RecorderConfig, **kwargs)
        self._subscriptions_raw: RawSubscriptions | None = None
        self._recording: Recording | None = None
        self._ended: RecordingResult | None = None  # ended by itself, not yet asked for
        self._last: RecordingResult | None = None
        self._entities: list[Any] = []
        self.add_post_set_parameters_callback(self._after_set_parameters)

    # ---- life cycle ------------------------------------------------------------------------------------
    def setup(self, config: RecorderConfig) -> None:
        self._latched = LatchedStore()
        self._own_labels: set[bytes] = set()
        self._takes = Takes(folder_of(config), self.get_fully_qualified_name())
        for take in self._takes.interrupted():
            self.get_logger().error(f"{take.text}; ~/stop acknowledges it")
        self._deadline_ns = 0
        self._polls = 0
        robot = config.read_robot()
        self._robot = robot.kept if robot is not None else ""
        self._subscribe(config)
        self._entities = [
            self.create_service(StartRecording, "~/start", self._on_start),
            self.create_service(StopRecording, "~/stop", self._on_stop),
            self.create_service(LabelSegment, "~/label", self._on_label),
        ]
        self._poll_timer = self.create_timer(POLL_PERIOD_S, self._poll)

    def _subscribe(self, config: RecorderConfig) -> None:
        """To every topic, under the name that it bears here."""
        specs = {self.resolve_topic_name(spec.name): spec for spec in config.specs}
        self._subscriptions_raw = RawSubscriptions(self, specs, self._on_message)
        for topic, why in self._subscriptions_raw.unavailable.items():
            self.get_logger().warning(f"{topic} is not recorded: {why}")
        self._mapping = self._remapped_by_ros(config) | config.mapping
        labels = config.mapping.get(LABELS.name, LABELS.name)
        self._labels_topic = self.resolve_topic_name(labels)
        self._label_publisher = self.create_publisher(SegmentLabel, labels, profile(LABELS))

    def _remapped_by_ros(self, config: RecorderConfig) -> dict[str, str]:
        """Our topics that bear other names by `-r name:=topic` or a launch file; a namespace alone is no other name."""
        ours = {entry.name for entry in TOPICS}
        resolved = {
            spec.name: (
                self.resolve_topic_name(spec.name),
                self.resolve_topic_name(spec.name, only_expand=True),
            )
            for spec in config.specs
            if spec.name in ours
        }
        return {name: topic for name, (topic, expanded) in resolved.items() if topic != expanded}

    def stop(self) -> None:
        if self._recording is not None:
            self._end_unasked()

    def teardown(self) -> None:
        self.stop()
        if self._subscriptions_raw is None:
            return
        self._subscriptions_raw.destroy()
        self._subscriptions_raw = None
        for service in self._entities:
            self.destroy_service(service)
        self._entities = []
        self.destroy_timer(self._poll_timer)
        self.destroy_publisher(self._label_publisher)

    def health(self) -> Health:
        subscriptions, recording = self._subscriptions_raw, self._recording
        if subscriptions is None or self.config is None:
            return Health.ok()
        if recording is None:
            if self._last is not None and self._last.failure is not None:
                return Health.error(f"the last recording failed: {self._last.failure}")
            if told := self._interrupted():
                return Health.warn(told)
            return Health.ok("ready", without_publisher=", ".join(subscriptions.without_publisher()))
        return recording_health(recording, self.now_ns(), self.config, self._interrupted())

    def _interrupted(self) -> str:
        """What became of recordings whose process was killed, until somebody has asked for it."""
        takes = self._takes.interrupted()
        return "; ".join(take.text for take in takes) + "; ~/stop acknowledges it" if takes else ""

    # ---- names -------------------------------------------------------------------------------------------
    def _on_set_parameters(self, changed: list[Parameter]) -> SetParametersResult:
        """Of a configured recorder `topic_map` may be changed while nothing is recorded, for `foley record --map`."""
        if self.config is None or "topic_map" not in {parameter.name for parameter in changed}:
            return super()._on_set_parameters(changed)
        others = [parameter for parameter in changed if parameter.name != "topic_map"]
        if others and not (result := super()._on_set_parameters(others)).successful:
            return result
        if self._recording is not None:
            reason = f"topic_map: {self._recording.path} is being recorded; stop that first"
            return SetParametersResult(successful=False, reason=reason)
        try:
            self._remapped(changed)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _after_set_parameters(self, changed: list[Parameter]) -> None:
        if self.config is None or self._subscriptions_raw is None:
            return
        config = self._remapped(changed)
        if config == self.config:
            return
        self.config = config
        self._subscriptions_raw.destroy()
        self.destroy_publisher(self._label_publisher)
        self._subscribe(config)
        self._subscriptions_raw.adapt()
        self.get_logger().info(f"topic_map: {', '.join(config.topic_map) or 'no topic is mapped'}")

    def _remapped(self, changed: list[Parameter]) -> RecorderConfig:
        """The configuration with the newest ``topic_map``. Raises ValueError where it cannot be."""
        assert self.config is not None
        config = self.config
        for parameter in changed:
            if parameter.name == "topic_map":
                entries = parameter.value if parameter.value is not None else []
                if isinstance(entries, str) or not all(isinstance(entry, str) for entry in entries):
                    raise ValueError(f"topic_map is {entries!r}, expected a list of `name=topic`")
                config = dataclasses.replace(config, topic_map=tuple(entries))
        return config

    # ---- messages --------------------------------------------------------------------------------------
    def _on_message(self, topic: str, message: RawMessage) -> None:
        assert self._subscriptions_raw is not None
        self._latched.keep(topic, self._subscriptions_raw.specs[topic], message)
        if self._recording is None or (topic == self._labels_topic and message.data in self._own_labels):
            return
        if topic == DIAGNOSTICS.name and of_another_system(message.data, self.get_namespace()):
            return
        self._recording.add(topic, message)

    def _poll(self) -> None:
        """Take what has come; end what is over; fit subscriptions to publishers that came."""
        subscriptions = self._subscriptions_raw
        if subscriptions is None:
            return
        subscriptions.poll()
        self._polls += 1
        recording = self._recording
        watch = self._polls % WATCH_EVERY == 0
        if recording is not None and watch and (recording.failure or self.now_ns() >= self._deadline_ns):
            self._end_unasked()
        if self._polls % ADAPT_EVERY == 1:
            if self._recording is None:
                self._follow_types(subscriptions)
            for topic in subscriptions.adapt():
                self.get_logger().info(f"{topic}: subscribed anew, as its publishers offer it")

    def _follow_types(self, subscriptions: RawSubscriptions) -> None:
        """Record sensors in the form in which they are published."""
        for what in subscriptions.follow_sound():
            self.get_logger().info(what)
        for topic in subscriptions.follow_images():
            self.get_logger().info(f"{topic} is recorded: this is the form in which its images are published")

    # ---- services --------------------------------------------------------------------------------------
    def _on_start(
        self, request: StartRecording.Request, response: StartRecording.Response
    ) -> StartRecording.Response:
        def refuse(code: int, reason: str) -> StartRecording.Response:
            self.get_logger().error(f"recording refused: {reason}")
            response.error_code, response.error_msg = code, reason
            return response

        config, subscriptions = self.config, self._subscriptions_raw
        if not self.active or config is None or subscriptions is None:
            return refuse(response.ERROR_NOT_ACTIVE, "the recorder is not active; activate it first")
        if self._recording is not None:
            return refuse(response.ERROR_ALREADY_RECORDING, f"already recording {self._recording.path}")
        self._follow_types(subscriptions)
        subscriptions.poll()  # what came before the start is no part of it, but for what is latched
        now = self.now_ns()
        try:
            recording, session_id = begin_recording(
                config, subscriptions, self._latched, request, now, self._mapping, self._robot
            )
        except BagError as error:
            return refuse(start_error_code(error), str(error))
        self._recording = recording
        self._ended = None
        self._takes.begun(recording.path)
        self._own_labels.clear()
        self._deadline_ns = now + round(request.max_duration * convert.NS_PER_S)
        response.path, response.session_id = str(recording.path), session_id
        self.get_logger().info(f"recording {recording.path}, at most {request.max_duration:g} s")
        return response

    def _on_stop(
        self, request: StopRecording.Request, response: StopRecording.Response
    ) -> StopRecording.Response:
        result = self._finish(discard=request.discard) if self._recording is not None else self._ended
        self._ended = None
        if result is not None:
            self._takes.told(result.path)
        elif self.config is not None and (takes := self._takes.of_others()):
            return fill_interrupted(response, self._takes, takes[0], discard=request.discard)
        if result is None:
            response.error_code = response.ERROR_NOT_RECORDING
            response.error_msg = "nothing is being recorded"
            return response
        return fill_stop_response(response, result)

    def _on_label(
        self, request: LabelSegment.Request, response: LabelSegment.Response
    ) -> LabelSegment.Response:
        now = self.now_ns()
        start = convert.to_ns(request.start) or now
        end = convert.to_ns(request.end) or start
        if self._recording is None:
            response.error_code, response.error_msg = (
                response.ERROR_NOT_RECORDING,
                "nothing is being recorded",
            )
        elif not request.key.strip():
            response.error_code, response.error_msg = response.ERROR_EMPTY_KEY, "key is empty"
        elif end < start:
            response.error_code = response.ERROR_BAD_INTERVAL
            response.error_msg = f"end is {(start - end) * 1e-9:.3f} s before start"
        else:
            label = label_message(request, now, start, end)
            data = serialize_message(label)
            # Written here, so that it is in the bag when this call returns; its echo is not written again.
            self._own_labels.add(data)
            self._recording.add(self._labels_topic, RawMessage(data, now))
            self._label_publisher.publish(label)
        return response

    def _end_unasked(self) -> None:
        """End the recording. Its result is told to whoever asks, be it this process or its successor."""
        result = self._ended = self._finish()
        self._takes.ended(
            result.path,
            duration_s=result.duration_s,
            size=result.bytes,
            trouble="" if result.failure is None else str(result.failure),
        )

    def _finish(self, *, discard: bool = False) -> RecordingResult:
        assert self._recording is not None and self._subscriptions_raw is not None
        self._subscriptions_raw.poll()  # what came before the end belongs to it
        result = self._recording.finish(self.now_ns(), discard=discard)
        self._recording, self._last = None, result
        if result.failure is not None:
            self.get_logger().error(f"recording {result.path}: {result.failure}")
        else:
            self.get_logger().info(f"recorded {result.path}: {result.duration_s:.1f} s, {result.bytes} bytes")
        return result


def main(args: Sequence[str] | None = None) -> int:
    return run(RecorderNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
