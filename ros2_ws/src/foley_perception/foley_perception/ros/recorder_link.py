"""What every client of a recorder has: a node of its own, the recorder's services, what it publishes, its names."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import State
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from foley_common import topic_map
from foley_common.topics import DIAGNOSTICS, HEARTBEAT, RECORDER_STATUS
from foley_msgs.msg import RecorderStatus
from foley_perception.recording.takes import process_of
from foley_perception.recording.watch import RecorderWatch, process_lives
from foley_perception.ros.image_topics import compressed_names
from foley_ros.topics import profile

MAP = "topic_map"  # the recorder's parameter
PATIENCE_S = 10.0  # until a service appears
ANSWER_S = 60.0  # until it answers
GRAPH_PERIOD_S = 0.25


class RecordClientError(RuntimeError):
    """The recorder is not there or refused; the message says what to do."""


class RecorderLink:
    """A node for as long as it is entered. The given signals are counted in ``interrupts`` and end nothing."""

    signals: Sequence[signal.Signals] = (signal.SIGINT,)

    def __init__(self, recorder: str) -> None:
        self.name = "/" + recorder.strip("/")
        self.interrupts = 0
        self.pid = 0  # of the recorder, as it told
        self._watch: RecorderWatch | None = None
        self._looked = 0.0  # at the graph
        self._mapped: dict[str, str] = {}
        self._map_before: list[str] | None = None

    def __enter__(self) -> Self:
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self._handlers = {number: signal.signal(number, self._on_signal) for number in self.signals}
        self._node = rclpy.create_node("foley_record")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._heartbeat_topic = self._own(HEARTBEAT.name)
        for kind, entry, callback in (
            (DiagnosticArray, DIAGNOSTICS, self._on_diagnostics),
            (State, HEARTBEAT, self._on_heartbeat),
            (RecorderStatus, RECORDER_STATUS, self._on_status),
        ):
            self._node.create_subscription(kind, self._own(entry.name), callback, profile(entry))
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
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _own(self, name: str) -> str:
        """A name of the registry as the recorder's node has it."""
        return name.replace("~", self.name) if name.startswith("~/") else name

    # ---- names -----------------------------------------------------------------------------------------
    def map_topics(self, mapping: Mapping[str, str]) -> None:
        """Have the recorder subscribe to topics of other names, until :meth:`unmap_topics`.

        Raises:
            RecordClientError: no recorder answers, or it refuses.
        """
        before, wanted = list(self.parameter(MAP).string_array_value), topic_map.entries(mapping)
        if self._mapped and before == list(wanted):
            return  # it is the same one still
        self._set_map(wanted)
        self._map_before = before
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

    def parameter(self, name: str) -> ParameterValue:
        """One of the recorder's parameters; an empty value where it has none of that name. Raises RecordClientError."""
        answer = self.call(GetParameters, "get_parameters", GetParameters.Request(names=[name]))
        return answer.values[0] if answer.values else ParameterValue()

    def _set_map(self, entries: Sequence[str]) -> None:
        value = ParameterValue(type=ParameterType.PARAMETER_STRING_ARRAY, string_array_value=list(entries))
        request = SetParameters.Request(parameters=[Parameter(name=MAP, value=value)])
        (result,) = self.call(SetParameters, "set_parameters", request).results
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

    # ---- services ----------------------------------------------------------------------------------------
    def call(self, kind: Any, service: str, request: Any, patience_s: float = PATIENCE_S) -> Any:
        """Call one of the recorder's services and wait for its answer.

        Raises:
            RecordClientError: no recorder answers, or it dies meanwhile.
        """
        client = self._node.create_client(kind, f"{self.name}/{service}")
        try:
            if not client.wait_for_service(timeout_sec=patience_s):
                raise RecordClientError(
                    f"no recorder answers at {self.name}: start the system (`foley up`) or check ROS_DOMAIN_ID, "
                    "--namespace and --recorder"
                )
            future = client.call_async(request)
            end = time.monotonic() + ANSWER_S
            while not future.done() and time.monotonic() < end:
                self._executor.spin_once(timeout_sec=0.1)
                if self._watch is not None and self._watch.dead:
                    raise RecordClientError("the recorder died")
            if not future.done():
                raise RecordClientError(f"{self.name}/{service} did not answer within {ANSWER_S:.0f} s")
            return future.result()
        finally:
            self._node.destroy_client(client)

    # ---- what comes ----------------------------------------------------------------------------------------
    def watch(self, path: str, *, local: bool) -> RecorderWatch:
        """Watch a recording that has been started."""
        pid = self.pid if process_lives(self.pid) else 0
        if local and (process := process_of(Path(path))) is not None:
            pid = process.pid  # known before it tells it
        self._watch = RecorderWatch(path, time.monotonic(), local=local, pid=pid)
        return self._watch

    def spin(self, timeout_s: float) -> None:
        """Take what has come, and look at the graph now and then."""
        self._executor.spin_once(timeout_sec=timeout_s)
        now = time.monotonic()
        if self._watch is not None and now - self._looked > GRAPH_PERIOD_S:
            self._looked = now
            self._watch.publishers(self._node.count_publishers(self._heartbeat_topic))

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # A terminal that is closed says so twice: by its shell, and by the kernel when the shell has ended.
        self.interrupts = max(self.interrupts, 1) if number == signal.SIGHUP else self.interrupts + 1

    def _on_heartbeat(self, message: State, info: Mapping[str, Any]) -> None:
        if self._watch is not None:
            sequence = int(info.get("publication_sequence_number") or 0)
            self._watch.heartbeat(message.label, sequence, time.monotonic())

    def _on_status(self, message: RecorderStatus) -> None:
        if self._watch is not None:
            self._watch.own_status(message.path, time.monotonic())

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name != self.name:
                continue
            values = {pair.key: pair.value for pair in status.values}
            word, _, pid = status.hardware_id.partition(" ")
            told = int(pid) if word == "pid" and pid.isdigit() else 0
            self.pid = told or self.pid
            if self._watch is not None:
                self._watch.status(told, values.get("path", ""), time.monotonic())
            self._on_line(message, status, values)

    def _on_line(self, message: DiagnosticArray, status: DiagnosticStatus, values: Mapping[str, str]) -> None:
        """Its line of /diagnostics came."""
