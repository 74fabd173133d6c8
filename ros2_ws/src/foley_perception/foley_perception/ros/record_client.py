"""The recorder's services, called from a command, and an eye on the recorder while it records."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import State
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from foley_common import topic_map
from foley_common.topics import DIAGNOSTICS, HEARTBEAT
from foley_msgs.srv import StartRecording, StopRecording
from foley_perception.recording.watch import Ending, RecorderWatch
from foley_perception.ros.image_topics import compressed_names
from foley_ros.topics import profile

_MAP = "topic_map"  # the recorder's parameter
_PATIENCE_S = 10.0  # until a service appears
_REASON_S = 1.0  # until the reason is heard, where a recording is over
_GRAPH_PERIOD_S = 0.25
_GRAPH_KNOWN_S = 3.0  # after the start


class RecordClientError(RuntimeError):
    """The recorder is not there or refused; the message says what to do."""


class RecorderClient:
    """A node of its own for as long as one recording lasts. SIGINT ends :meth:`wait`, not the process."""

    def __init__(self, recorder: str) -> None:
        self._name = "/" + recorder.strip("/")
        self._stopping = False
        self._failed = False  # the status of this recording is an error
        self._watch: RecorderWatch | None = None
        self._looked = 0.0  # at the graph
        self._path = ""
        self._message = ""  # of its status
        self.local = False  # its bag lies on this machine
        self._mapped: dict[str, str] = {}  # for this recording
        self._map_before: list[str] | None = None

    def __enter__(self) -> RecorderClient:
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self._handler = signal.signal(signal.SIGINT, self._on_interrupt)
        self._node = rclpy.create_node("foley_record")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._node.create_subscription(
            DiagnosticArray, DIAGNOSTICS.name, self._on_diagnostics, profile(DIAGNOSTICS)
        )
        self._heartbeat_topic = f"{self._name}/{HEARTBEAT.name.removeprefix('~/')}"
        self._node.create_subscription(State, self._heartbeat_topic, self._on_heartbeat, profile(HEARTBEAT))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown()
        signal.signal(signal.SIGINT, self._handler)

    # ---- names -----------------------------------------------------------------------------------------
    def map_topics(self, mapping: Mapping[str, str]) -> None:
        """Have the recorder subscribe to topics of other names, until :meth:`unmap_topics`.

        Raises:
            RecordClientError: no recorder answers, or it refuses.
        """
        answer = self._call(GetParameters, "get_parameters", GetParameters.Request(names=[_MAP]))
        before = answer.values[0] if answer.values else ParameterValue()
        self._set_map(topic_map.entries(mapping))
        self._map_before = list(before.string_array_value)
        self._mapped = dict(mapping)

    def unmap_topics(self, told: Callable[[str], None]) -> None:
        """Give the recorder back the names that it had; tell where that cannot be."""
        before, self._map_before = self._map_before, None
        if before is None:
            return
        try:
            self._set_map(before)
        except RecordClientError as error:
            told(f"the recorder could not be given its own names back ({error}); start it anew")

    def _set_map(self, entries: Sequence[str]) -> None:
        value = ParameterValue(type=ParameterType.PARAMETER_STRING_ARRAY, string_array_value=list(entries))
        request = SetParameters.Request(parameters=[Parameter(name=_MAP, value=value)])
        (result,) = self._call(SetParameters, "set_parameters", request).results
        if not result.successful:
            raise RecordClientError(result.reason)

    def unpublished(self) -> list[str]:
        """Mapped topics that nobody publishes, and what is published: a sentence for each."""
        there = [
            name for name, _ in self._node.get_topic_names_and_types() if self._node.count_publishers(name)
        ]
        absent = {
            n: t for n, t in self._mapped.items() if not {t, *compressed_names(t)} & set(there)
        }  # of pictures, the compressed form is recorded where only that is published
        return [
            f"nobody publishes {topic}, which {name} is mapped to; there are "
            f"{', '.join(topic_map.near(topic, there)[:6])}"
            for name, topic in absent.items()
        ]

    # ---- recording ---------------------------------------------------------------------------------------
    def start(
        self,
        *,
        name: str,
        max_duration: float,
        recorded_by: str,
        notes: str,
        tags: Sequence[str],
        metadata_yaml: str,
    ) -> StartRecording.Response:
        """Begin a recording.

        Raises:
            RecordClientError: no recorder answers, or it refuses.
        """
        request = StartRecording.Request(
            name=name,
            max_duration=max_duration,
            recorded_by=recorded_by,
            notes=notes,
            tags=list(tags),
            metadata_yaml=metadata_yaml,
        )
        response = self._call(StartRecording, "start", request)
        if response.error_code:
            raise RecordClientError(response.error_msg)
        self._path = response.path
        self.local = Path(response.path).is_dir()
        self._watch = RecorderWatch(response.path, time.monotonic(), local=self.local)
        return response

    def wait(
        self, seconds: float, progress: Callable[[float, str], None], told: Callable[[str], None]
    ) -> Ending | None:
        """Until the time is over, the recorder reports an error, or Ctrl-C.

        Args:
            progress: called several times a second with the seconds and what the recorder says.
            told: called with sentences about what is wrong and does not end the recording.

        Returns:
            Why the recording was over before, if it was.
        """
        assert self._watch is not None
        begin = time.monotonic()
        known = False
        while not self._stopping and not self._failed and (now := time.monotonic()) - begin < seconds:
            ending = self._look(self._watch)
            if ending is not None:
                end = time.monotonic() + _REASON_S
                while ending is not None and not ending.cause.has_a_reason and time.monotonic() < end:
                    ending = self._look(self._watch)
                return ending
            if not known and now - begin > _GRAPH_KNOWN_S:
                known = True
                for sentence in self.unpublished():
                    told(sentence)
            progress(now - begin, self._message)
        progress(min(time.monotonic() - begin, seconds), "")
        return None

    def stop(self, *, patience_s: float = _PATIENCE_S) -> StopRecording.Response:
        """End the recording, or have the result of one that has ended.

        Raises:
            RecordClientError: the recorder does not answer, or dies meanwhile.
        """
        return self._call(StopRecording, "stop", StopRecording.Request(), patience_s)

    # ---- inside ------------------------------------------------------------------------------------------
    def _look(self, watch: RecorderWatch) -> Ending | None:
        """Take what has come, and look at the graph now and then. Why the recording is over, if it is."""
        self._executor.spin_once(timeout_sec=0.1)
        now = time.monotonic()
        if now - self._looked > _GRAPH_PERIOD_S:
            self._looked = now
            watch.publishers(self._node.count_publishers(self._heartbeat_topic))
        return watch.ending(now)

    def _call(self, kind: Any, service: str, request: Any, patience_s: float = _PATIENCE_S) -> Any:
        client = self._node.create_client(kind, f"{self._name}/{service}")
        if not client.wait_for_service(timeout_sec=patience_s):
            raise RecordClientError(
                f"no recorder answers at {self._name}: start the system (`foley up`) or check ROS_DOMAIN_ID, "
                "--namespace and --recorder"
            )
        future = client.call_async(request)
        end = time.monotonic() + 60.0
        while not future.done() and time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.1)
            if self._watch is not None and self._watch.dead:
                raise RecordClientError("the recorder died")
        if not future.done():
            raise RecordClientError(f"{self._name}/{service} did not answer within 60 s")
        return future.result()

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True

    def _on_heartbeat(self, message: State, info: Mapping[str, Any]) -> None:
        if self._watch is not None:
            sequence = int(info.get("publication_sequence_number") or 0)
            self._watch.heartbeat(message.label, sequence, time.monotonic())

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        if self._watch is None:
            return
        for status in message.status:
            if status.name != self._name:
                continue
            path = next((pair.value for pair in status.values if pair.key == "path"), "")
            word, _, pid = status.hardware_id.partition(" ")
            known = word == "pid" and pid.isdigit()
            self._watch.status(int(pid) if known else 0, path, time.monotonic())
            if path == self._path:
                self._message = status.message
                self._failed |= status.level == DiagnosticStatus.ERROR
