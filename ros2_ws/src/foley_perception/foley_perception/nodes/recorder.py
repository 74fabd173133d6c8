"""The recorder: every topic of a session, as raw bytes, into a bag.

Threads: the executor's thread takes messages in batches (see ``RawSubscriptions``), looks at a few header
bytes and queues them; the bag writer's thread (see ``recording/writer.py``) owns the disk, those of
``recording/encode.py`` encode images where that is asked for, and each snapshot has its own. Services are answered in
the executor's thread; stopping waits for the disk there, which the queues of reliable topics bridge.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from foley_common.topics import DIAGNOSTICS, LABELS
from foley_msgs.msg import SegmentLabel
from foley_msgs.srv import LabelSegment, SaveSnapshot, StartRecording, StopRecording
from foley_perception.recording.config import RecorderConfig
from foley_perception.recording.errors import BagError
from foley_perception.recording.recording import LatchedStore, RawMessage, Recording, RecordingResult
from foley_perception.recording.ring import MessageRing
from foley_perception.recording.takes import Takes
from foley_perception.ros.other_systems import of_another_system
from foley_perception.ros.raw_subscriptions import RawSubscriptions
from foley_perception.ros.recorder_labels import Labels
from foley_perception.ros.recorder_names import remapped, remapped_by_ros
from foley_perception.ros.recorder_status import PERIOD_S, StatusDesk
from foley_perception.ros.recording import (
    Ground,
    begin_recording,
    fill_interrupted,
    fill_stop_response,
    folder_of,
    recording_health,
    start_error_code,
)
from foley_perception.ros.snapshots import Snapshots
from foley_ros.node import FoleyNode, Health, run
from foley_ros.topics import profile

POLL_PERIOD_S = 0.02
WATCH_EVERY = 10  # polls
ADAPT_EVERY = 50  # polls


class RecorderNode(FoleyNode[RecorderConfig]):
    """``~/start``, ``~/stop``, ``~/label``, ``~/pause``, ``~/resume``, ``~/split`` and ``~/snapshot``."""

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
        self._labels = Labels(lambda label: self._label_publisher.publish(label))
        self._snapshots = Snapshots()
        self._ring: MessageRing | None = None
        self._takes = Takes(folder_of(config), self.get_fully_qualified_name())
        for take in self._takes.interrupted():
            self.get_logger().error(f"{take.text}; ~/stop acknowledges it")
        self._max_duration_s = 0.0
        self._polls = 0
        robot = config.read_robot()
        self._robot = robot.kept if robot is not None else ""
        self._subscribe(config)
        self._entities = [
            self.create_service(StartRecording, "~/start", self._on_start),
            self.create_service(StopRecording, "~/stop", self._on_stop),
            self.create_service(LabelSegment, "~/label", self._on_label),
            self.create_service(Trigger, "~/pause", self._on_pause),
            self.create_service(Trigger, "~/resume", self._on_resume),
            self.create_service(Trigger, "~/split", self._on_split),
            # Its answer takes as long as the disk; nothing else waits for it.
            self.create_service(
                SaveSnapshot,
                "~/snapshot",
                self._on_snapshot,
                callback_group=MutuallyExclusiveCallbackGroup(),
            ),
        ]
        self._poll_timer = self.create_timer(POLL_PERIOD_S, self._poll)
        self._status_timer = self.create_timer(PERIOD_S, self._tell_status)

    def _subscribe(self, config: RecorderConfig) -> None:
        """To every topic, under the name that it bears here."""
        specs = {self.resolve_topic_name(spec.name): spec for spec in config.specs}
        self._subscriptions_raw = RawSubscriptions(self, specs, self._on_message, self.failed)
        for topic, why in self._subscriptions_raw.unavailable.items():
            self.get_logger().warning(f"{topic} is not recorded: {why}")
        self._mapping = remapped_by_ros(self, config) | config.mapping
        labels = config.mapping.get(LABELS.name, LABELS.name)
        self._labels_topic = self.resolve_topic_name(labels)
        self._label_publisher = self.create_publisher(SegmentLabel, labels, profile(LABELS))
        subscriptions = self._subscriptions_raw
        self._status = StatusDesk(self, config, subscriptions)
        if config.snapshot_s > 0:
            most_bytes = round(config.snapshot_mb * 2**20)
            self._ring = MessageRing(subscriptions.specs, config.snapshot_s, most_bytes)

    def _unsubscribe(self) -> None:
        assert self._subscriptions_raw is not None
        self._subscriptions_raw.destroy()
        self.destroy_publisher(self._label_publisher)
        self._status.destroy()
        self._ring = None

    def stop(self) -> None:
        if self._recording is not None:
            self._end_unasked()

    def teardown(self) -> None:
        self.stop()
        if self._subscriptions_raw is None:
            return
        self._snapshots.close()
        self._unsubscribe()
        self._subscriptions_raw = None
        for service in self._entities:
            self.destroy_service(service)
        self._entities = []
        self.destroy_timer(self._poll_timer)
        self.destroy_timer(self._status_timer)

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
            remapped(self.config, changed)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _after_set_parameters(self, changed: list[Parameter]) -> None:
        if self.config is None or self._subscriptions_raw is None:
            return
        config = remapped(self.config, changed)
        if config == self.config:
            return
        self.config = config
        self._unsubscribe()
        self._subscribe(config)
        self._subscriptions_raw.adapt()
        self.get_logger().info(f"topic_map: {', '.join(config.topic_map) or 'no topic is mapped'}")

    # ---- messages --------------------------------------------------------------------------------------
    def _on_message(self, topic: str, message: RawMessage) -> None:
        assert self._subscriptions_raw is not None
        self._latched.keep(topic, self._subscriptions_raw.specs[topic], message)
        self._status.saw(topic, message)
        if self._recording is None and self._ring is None:
            return
        if topic == DIAGNOSTICS.name and of_another_system(message.data, self.get_namespace()):
            return
        if self._ring is not None and self.active:
            self._ring.add(topic, message)
        if self._recording is None or (topic == self._labels_topic and self._labels.is_own(message.data)):
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
        if recording is not None and watch and (recording.failure or self._remaining_s(recording) <= 0):
            self._end_unasked()
        if self._polls % ADAPT_EVERY == 1:
            if self._recording is None:
                self._follow_types(subscriptions)
            for topic in subscriptions.adapt():
                self.get_logger().info(f"{topic}: subscribed anew, as its publishers offer it")

    def _remaining_s(self, recording: Recording) -> float:
        """Until a recording ends by itself: pauses do not count, but none lasts for ever."""
        assert self.config is not None
        now = self.now_ns()
        left = self._max_duration_s - recording.recorded_s(now)
        if recording.paused_ns is not None:
            paused = (now - recording.paused_ns) * 1e-9
            return min(left, self.config.longest_recording_s - paused)
        return left

    def _tell_status(self) -> None:
        if self._subscriptions_raw is None:
            return
        recording, now = self._recording, self.now_ns()
        failed = self._last.failure if recording is None and self._last is not None else None
        wrong = [f"the last recording failed: {failed}"] if failed is not None else []
        wrong += [told] if (told := self._interrupted()) else []
        self._status.tick(
            now,
            recording,
            remaining_s=self._remaining_s(recording) if recording is not None else 0.0,
            snapshot_s=self._ring.seconds(now) if self._ring is not None else 0.0,
            wrong=wrong,
        )

    def _follow_types(self, subscriptions: RawSubscriptions) -> None:
        """Record sensors in the form in which they are published."""
        told = subscriptions.follow_sound()
        for topic in subscriptions.follow_images():
            told.append(f"{topic} is recorded: this is the form in which its images are published")
        for what in told:
            self.get_logger().info(what)
        if told and self._ring is not None:
            self._ring.clear()  # what it holds of a topic may be of another type than the topic is now

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
            recording, session_id = begin_recording(self._ground(config), self._latched, request, now)
        except BagError as error:
            return refuse(start_error_code(error), str(error))
        self._recording = recording
        self._ended = None
        self._takes.begun(recording.path)
        self._labels.begin()
        self._status.begin(recording.path, session_id)
        self._max_duration_s = request.max_duration
        response.path, response.session_id = str(recording.path), session_id
        self.get_logger().info(f"recording {recording.path}, at most {request.max_duration:g} s")
        return response

    def _on_stop(
        self, request: StopRecording.Request, response: StopRecording.Response
    ) -> StopRecording.Response:
        result = self._finish(discard=request.discard) if self._recording is not None else self._ended
        if result is not None and request.discard:  # also of one that has ended by itself meanwhile
            shutil.rmtree(result.path, ignore_errors=True)
        self._ended = None
        if result is not None:
            self._takes.told(result.path)
        elif self.config is not None and (takes := self._takes.of_others()):
            return fill_interrupted(response, self._takes, takes, discard=request.discard)
        if result is None:
            response.error_code = response.ERROR_NOT_RECORDING
            response.error_msg = "nothing is being recorded"
            return response
        return fill_stop_response(response, result)

    def _ground(self, config: RecorderConfig) -> Ground:
        assert self._subscriptions_raw is not None
        return Ground(config, self._subscriptions_raw, self._mapping, self._robot)

    def _on_label(
        self, request: LabelSegment.Request, response: LabelSegment.Response
    ) -> LabelSegment.Response:
        now = self.now_ns()
        return self._labels.give(request, response, now, self._recording, self._latched)

    def _on_pause(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        def pause(recording: Recording) -> str:
            if recording.paused_ns is not None:
                raise BagError(f"{recording.path} is paused already; ~/resume goes on")
            assert self._subscriptions_raw is not None
            self._subscriptions_raw.poll()  # what came before belongs to it
            now = self.now_ns()
            self._labels.end_segment(recording, now, now)
            recording.pause(now)
            return f"paused after {recording.recorded_s(now):.1f} s; ~/resume goes on"

        return self._answered(response, pause)

    def _on_resume(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        def resume(recording: Recording) -> str:
            if recording.paused_ns is None:
                raise BagError(f"{recording.path} is not paused")
            assert self._subscriptions_raw is not None
            self._subscriptions_raw.poll()  # what came in the pause is not kept
            return f"goes on after a pause of {recording.resume(self.now_ns()):.1f} s"

        return self._answered(response, resume)

    def _on_split(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        def split(recording: Recording) -> str:
            assert self._subscriptions_raw is not None
            self._subscriptions_raw.poll()  # what came before belongs to the file before
            recording.split()
            return f"what comes next goes into another file of {recording.path}"

        return self._answered(response, split)

    def _answered(self, response: Trigger.Response, act: Callable[[Recording], str]) -> Trigger.Response:
        """What is done with the recording in progress, or why not."""
        try:
            if self._recording is None:
                raise BagError("nothing is being recorded; ~/start begins")
            response.message, response.success = act(self._recording), True
        except BagError as error:
            response.message, response.success = str(error), False
        return response

    async def _on_snapshot(
        self, request: SaveSnapshot.Request, response: SaveSnapshot.Response
    ) -> SaveSnapshot.Response:
        if not self.active or self.config is None or self._subscriptions_raw is None:
            response.error_code = response.ERROR_NOT_ACTIVE
            response.error_msg = "the recorder is not active; activate it first"
            return response
        self._subscriptions_raw.poll()
        ground = self._ground(self.config)
        answered = await self._snapshots.take(
            self._ring, ground, request, response, self.now_ns(), self.executor
        )
        if answered.error_code:
            self.get_logger().error(f"snapshot: {answered.error_msg}")
        else:
            self.get_logger().info(f"snapshot {answered.path}: {answered.duration:.1f} s")
        return answered  # type: ignore[no-any-return]

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
        now = self.now_ns()
        self._labels.end_segment(self._recording, now, now)
        result = self._recording.finish(now, discard=discard)
        self._recording, self._last = None, result
        if result.failure is not None:
            self.get_logger().error(f"recording {result.path}: {result.failure}")
        else:
            self.get_logger().info(
                f"recorded {result.path}: {result.duration_s:.1f} s, {result.bytes} bytes; a kill would have cost "
                f"{result.loss_bound_s:.3f} s at most"
            )
        return result


def main(args: Sequence[str] | None = None) -> int:
    return run(RecorderNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
