"""The recorder's services, called from a command."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from foley_common.topics import DIAGNOSTICS
from foley_msgs.srv import StartRecording, StopRecording
from foley_ros.topics import profile


class RecordClientError(RuntimeError):
    """The recorder is not there or refused; the message says what to do."""


class RecorderClient:
    """A node of its own for as long as one recording lasts. SIGINT ends :meth:`wait`, not the process."""

    def __init__(self, recorder: str) -> None:
        self._name = "/" + recorder.strip("/")
        self._stopping = False
        self._status: DiagnosticStatus | None = None

    def __enter__(self) -> RecorderClient:
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self._handler = signal.signal(signal.SIGINT, self._on_interrupt)
        self._node = rclpy.create_node("foley_record")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._node.create_subscription(
            DiagnosticArray, DIAGNOSTICS.name, self._on_diagnostics, profile(DIAGNOSTICS)
        )
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
        return response

    def wait(self, seconds: float, progress: Callable[[float, str], None]) -> None:
        """Until the time is over, the recorder reports an error, or Ctrl-C."""
        begin = time.monotonic()
        while not self._stopping and (elapsed := time.monotonic() - begin) < seconds:
            self._executor.spin_once(timeout_sec=0.1)
            status = self._status
            progress(min(elapsed, seconds), status.message if status is not None else "")
            if status is not None and status.level == DiagnosticStatus.ERROR:
                return
        progress(min(time.monotonic() - begin, seconds), "")

    def stop(self) -> StopRecording.Response:
        return self._call(StopRecording, "stop", StopRecording.Request())

    def _call(self, kind: Any, service: str, request: Any) -> Any:
        client = self._node.create_client(kind, f"{self._name}/{service}")
        if not client.wait_for_service(timeout_sec=10.0):
            raise RecordClientError(
                f"no recorder answers at {self._name}: start the system (`foley up`) or check ROS_DOMAIN_ID "
                "and --recorder"
            )
        future = client.call_async(request)
        self._executor.spin_until_future_complete(future, timeout_sec=60.0)
        if not future.done():
            raise RecordClientError(f"{self._name}/{service} did not answer within 60 s")
        return future.result()

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == self._name:
                self._status = status
