"""The base of every Foley node: life cycle, parameters, diagnostics and heartbeat in one place.

A subclass names its configuration dataclass and fills in four hooks::

    setup(config)  on_configure: make publishers, subscriptions, load weights, warm up
    start()        on_activate
    stop()         on_deactivate
    teardown()     on_cleanup, on_shutdown and on_error: free what the base does not own

and ``health()`` for ``/diagnostics``, or only ``figures()`` and ``problems()``, of which the usual line is made.
The base owns what every node has: ``entities`` (publishers, subscriptions, services, timers), one worker thread
(``start_worker``, ``put``) and ``faults`` (``report``, ``clear``). It frees them in the order that loses nothing: what
calls back, then the worker, then the publishers.

All hooks run in the executor's thread. A hook that raises makes its transition fail, with the reason in the log and in
the diagnostics; the process lives on, so that the parameter can be corrected and the node configured again.

A callback that raises, and a message or request that cannot be read, are reported as faults, counted
(``callback_errors`` in the diagnostics), and nothing more: see :mod:`foley_ros.executor`.

The heartbeat (``~/heartbeat``, ``lifecycle_msgs/State``) is published in every state. Its liveliness is
asserted by publication: it is lost when the process dies and also when the executor hangs. While the node is
configured, which may load weights for long, a thread of its own beats (``configuring``), so that silence always
means a process that hangs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from lifecycle_msgs.msg import State as StateMsg
from rcl_interfaces.msg import SetParametersResult
from rclpy._rclpy_pybind11 import RCLError, RMWError
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from foley_common import processes
from foley_common.latencies import Latencies
from foley_common.topics import DIAGNOSTICS, HEARTBEAT
from foley_ros import middleware, params, qos, topics
from foley_ros.convert import ConversionError
from foley_ros.entities import Entities
from foley_ros.executor import GuardedExecutor
from foley_ros.faults import Faults
from foley_ros.foreign_audio import RawAudioConfig
from foley_ros.latency import LatencyConfig
from foley_ros.memory import return_freed_memory
from foley_ros.worker import Worker

Config = TypeVar("Config")
Job = Callable[[], None]

DIAGNOSTICS_PERIOD_S = 1.0
ORPHAN_GRACE_S = 30
PATIENCE = "hang_timeout_s"
"""Key of a :class:`Health`'s value: for so long [s] the lifecycle manager waits before it kills the node, should it
hang now; its own `hang_timeout_s` where that is longer, or where none is told."""


@dataclasses.dataclass(frozen=True)
class Health:
    """One line of ``/diagnostics``: a level, a sentence and the numbers behind it."""

    level: bytes = DiagnosticStatus.OK
    message: str = "ok"
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @staticmethod
    def ok(message: str = "ok", **values: Any) -> Health:
        return Health(DiagnosticStatus.OK, message, values)

    @staticmethod
    def warn(message: str, **values: Any) -> Health:
        return Health(DiagnosticStatus.WARN, message, values)

    @staticmethod
    def error(message: str, **values: Any) -> Health:
        return Health(DiagnosticStatus.ERROR, message, values)


class FoleyNode(LifecycleNode, Generic[Config]):
    """A lifecycle node configured by the frozen dataclass ``config_type``."""

    def __init__(self, name: str, config_type: type[Config], **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        self._config_type = config_type
        params.declare(self, LatencyConfig)
        params.declare(self, RawAudioConfig)
        params.declare(self, config_type)
        self.config: Config | None = None
        self.entities = Entities(self, self.failed)
        self.faults = Faults(self.get_logger().warning)
        self.callback_errors = 0
        self._traced: set[str] = set()  # sources whose first error was logged with its traceback
        self._worker: Worker[Job] | None = None
        self._finish_jobs = False
        self._failure = ""
        self._unknown_parameters: list[str] = []
        self._incompatible: list[str] = []  # publishers and subscriptions that cannot meet ours
        self._active = False
        self._beat_lock = threading.Lock()
        self._heartbeat = self.create_publisher(StateMsg, HEARTBEAT.name, topics.profile(HEARTBEAT))
        self._diagnostics = self.create_publisher(
            DiagnosticArray, DIAGNOSTICS.name, topics.profile(DIAGNOSTICS)
        )
        self.create_timer(qos.HEARTBEAT_PERIOD_S, self._beat)
        self.create_timer(DIAGNOSTICS_PERIOD_S, self._look_around)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._beat()

    # ---- hooks ---------------------------------------------------------------------------------------
    def setup(self, config: Config) -> None:
        """Make what the node needs; raise to refuse the transition."""

    def start(self) -> None:
        """Begin to work."""

    def stop(self) -> None:
        """Cease to work; keep what setup made."""

    def teardown(self) -> None:
        """Free what setup made beside entities and worker; must also work after a setup that failed half-way."""

    def problems(self) -> list[str]:
        """What is wrong beside the reported faults, one sentence each; called once a second while active."""
        return []

    def figures(self) -> dict[str, Any]:
        """The numbers of the node's line in /diagnostics."""
        return {}

    def health(self) -> Health:
        """The state of the node's work, called once a second while active."""
        problems, figures = [*self.faults.standing(self.now_ns()), *self.problems()], self.figures()
        return Health.warn("; ".join(problems), **figures) if problems else Health.ok(**figures)

    # ---- worker and faults ---------------------------------------------------------------------------
    def start_worker(self, *, capacity: int = 64, finish: bool = False) -> None:
        """Have jobs done in a thread of the node's own, from ``setup``. See :mod:`foley_ros.worker`.

        Args:
            finish: do what is queued before the node is cleaned up, instead of dropping it.
        """
        self._finish_jobs = finish
        self._worker = Worker(
            lambda job: job(), name=self.get_name(), capacity=capacity, on_error=self._on_worker_error
        )

    def put(self, job: Job) -> None:
        """Queue a job; nothing happens where there is no worker."""
        if self._worker is not None:
            self._worker.put(job)

    @property
    def pending_jobs(self) -> int:
        """Jobs that wait or are being done."""
        return self._worker.pending() if self._worker is not None else 0

    @property
    def dropped_jobs(self) -> int:
        return self._worker.dropped if self._worker is not None else 0

    def report(self, source: str, what: str, *, serious: bool = False) -> None:
        """A fault of one of the node's sources; logged when it is new, and in /diagnostics while it stands.

        Args:
            serious: the node's line in /diagnostics is then an error.
        """
        self.faults.report(source, what, self.now_ns(), serious=serious)

    def failed(self, source: str, error: Exception) -> None:
        """A message or request that could not be taken, or whose callback failed: told and counted, never the end."""
        self.callback_errors += 1
        if isinstance(error, (RCLError, RMWError)):
            self.report(source, f"refused (cut off, of another definition, or not possible now): {error}")
            return
        if isinstance(error, ConversionError):
            self.report(source, str(error))
            return
        self.report(source, f"{type(error).__name__}: {error}")
        if source not in self._traced:
            self._traced.add(source)
            self.get_logger().error("".join(traceback.format_tb(error.__traceback__)))

    def _on_worker_error(self, error: Exception) -> None:
        self.failed("worker", error)

    # ---- life cycle ----------------------------------------------------------------------------------
    @property
    def active(self) -> bool:
        return self._active

    def now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        def configure() -> None:
            self.entities.latencies = Latencies.parse(params.read(self, LatencyConfig).latencies)
            self.entities.raw_audio = params.read(self, RawAudioConfig).formats()
            config = params.read(self, self._config_type)
            self._unknown_parameters = params.unknown(self)
            for sentence in self._unknown_parameters:
                self.get_logger().warning(sentence)
            self.setup(config)
            self.config = config

        self._failure = ""
        self._diagnose()  # makes this process known: it may hang before the timer tells it
        with self._beating():
            result = self._guard("configure", configure)
            return_freed_memory()
        if result != TransitionCallbackReturn.SUCCESS:
            self._quietly(self._free)
        return result

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        def activate() -> None:
            super(FoleyNode, self).on_activate(state)
            self.start()
            self._active = True

        return self._guard("activate", activate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        def deactivate() -> None:
            self._active = False
            self.stop()
            super(FoleyNode, self).on_deactivate(state)

        return self._guard("deactivate", deactivate)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._guard("clean up", self._release)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._guard("shut down", self._release)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._quietly(self._release)
        return TransitionCallbackReturn.SUCCESS

    def _release(self) -> None:
        if self._active:
            self._active = False
            self.stop()
        self._free()
        self.config = None

    def _free(self) -> None:
        self.entities.release_inputs()
        worker, self._worker = self._worker, None
        if worker is not None and not worker.stop(drain=self._finish_jobs):
            self.get_logger().error("a job of the worker has not ended in time: what it makes is lost")
        try:
            self.teardown()
        finally:
            self.entities.release()
            self.faults.clear_all()

    def _guard(self, what: str, action: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - a refused transition must not end the process
            self._failure = f"could not {what}: {error}"
            self.get_logger().error(self._failure)
            if not isinstance(error, (ValueError, OSError)):
                self.get_logger().error(traceback.format_exc())
            self._diagnose()  # whoever asked for the transition reads the reason here
            return TransitionCallbackReturn.FAILURE
        self._failure = ""
        self._beat()
        if not self._active:
            self._diagnose()  # makes this process known before it works
        return TransitionCallbackReturn.SUCCESS

    def _quietly(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001
            self.get_logger().warning(f"while releasing: {error}")

    def _on_set_parameters(self, changed: list[Parameter]) -> SetParametersResult:
        configs: tuple[Any, ...] = (LatencyConfig, RawAudioConfig, self._config_type)
        own = {field.name for config in configs for field in dataclasses.fields(config)}
        names = sorted(own & {parameter.name for parameter in changed})
        if names and self.config is not None:
            return SetParametersResult(
                successful=False,
                reason=f"{', '.join(names)}: read when the node is configured; clean it up first",
            )
        return SetParametersResult(successful=True)

    # ---- heartbeat and diagnostics ---------------------------------------------------------------------
    def _beat(self) -> None:
        with self._beat_lock:
            state_id, label = self._state_machine.current_state
            self._heartbeat.publish(StateMsg(id=state_id, label=label))

    @contextlib.contextmanager
    def _beating(self) -> Iterator[None]:
        """Beat from a thread while the executor's is busy."""
        done = threading.Event()

        def beat() -> None:
            while not done.wait(qos.HEARTBEAT_PERIOD_S):
                self._beat()

        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _look_around(self) -> None:
        for topic in self.entities.adapt():
            self.get_logger().info(f"{topic}: subscribed anew, as its publishers offer it")
        found = self.entities.incompatible()
        for sentence in found:
            if sentence not in self._incompatible:
                self.get_logger().warning(sentence)
        self._incompatible = found
        self._diagnose()

    def _diagnose(self) -> None:
        if self._failure:
            health = Health.error(self._failure)
        elif not self._active:
            health = Health.ok(str(self._state_machine.current_state[1]))
        else:
            try:
                health = self.health()
            except Exception as error:  # noqa: BLE001
                health = Health.error(f"health check failed: {error}")
            if self.faults.serious(self.now_ns()):
                health = dataclasses.replace(health, level=max(health.level, DiagnosticStatus.ERROR))
        if self._active and not self._failure:
            standing = (f for f in self.faults.standing(self.now_ns()) if f not in health.message)
            if odd := [*self._unknown_parameters, *self._incompatible, *standing]:
                told = "" if health.level == DiagnosticStatus.OK else f"; {health.message}"
                level = max(health.level, DiagnosticStatus.WARN)
                health = Health(level, "; ".join(odd) + told, health.values)
        values = dict(health.values)
        if self.callback_errors:
            values["callback_errors"] = self.callback_errors
        status = DiagnosticStatus(
            level=health.level,
            name=self.get_fully_qualified_name(),
            message=health.message,
            hardware_id=f"pid {os.getpid()}",
            values=[KeyValue(key=str(k), value=str(v)) for k, v in values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)


def run(make_node: Callable[[], FoleyNode[Any]], args: Sequence[str] | None = None) -> int:
    """Spin one node in this process until SIGINT or SIGTERM, then release it. Returns the exit code."""
    processes.end_with_parent()
    rclpy.init(
        args=list(args) if args is not None else sys.argv, signal_handler_options=SignalHandlerOptions.NO
    )
    stopping = threading.Event()
    node: FoleyNode[Any] | None = None
    try:
        node = make_node()
        if said := middleware.profile_problem():
            node.get_logger().warning(said)
        executor = GuardedExecutor(node.failed)
        executor.add_node(node)

        def request_stop(signum: int, frame: object) -> None:
            stopping.set()
            executor.wake()

        signal.signal(signal.SIGINT, request_stop)
        signal.signal(signal.SIGTERM, request_stop)
        while not stopping.is_set():
            try:
                executor.spin_once(timeout_sec=0.5)
            except ExternalShutdownException:
                raise
            except Exception as error:
                if not rclpy.ok():
                    raise
                node.failed("executor", error)
                stopping.wait(0.05)  # where it fails again and again the process must not burn a core
        executor.remove_node(node)
        executor.shutdown()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        # Further signals must not interrupt the release.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if processes.orphaned():
            signal.alarm(ORPHAN_GRACE_S)  # nobody is left who would end what hangs in its release
        if node is not None:
            node._quietly(node._release)
            node.destroy_node()
        rclpy.try_shutdown()
    return 0
