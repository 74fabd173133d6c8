"""Brings the nodes of system.yaml up in order, watches their heartbeats and restores what comes back.

    heartbeats, liveliness events --+                        +--> <node>/change_state
    answers of transitions ---------+--> LifecycleCore.step -+--> SIGKILL to what hangs
    /diagnostics (reasons, pids) ---+    every 0.1 s         +--> /diagnostics, log

Everything runs in one executor thread; nothing here blocks. Processes are started (and started again) by whoever
started this one: `foley up` or the launch file.
"""

from __future__ import annotations

import dataclasses
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from std_srvs.srv import Trigger

from foley_bringup.lifecycle import AFTER, HELD, Change, Kill, LifecycleCore, ManagerConfig, Stage
from foley_bringup.only_system import CURE, Manager, yields
from foley_bringup.ros import summary
from foley_bringup.ros.node_processes import NodeProcesses
from foley_bringup.system import STARTUP_FAILED, default_system_file, load_system, select
from foley_common import processes
from foley_common.topics import DIAGNOSTICS
from foley_ros import params, qos
from foley_ros.executor import TIMER, GuardedExecutor
from foley_ros.faults import Faults
from foley_ros.topics import profile

STEP_PERIOD_S = 0.1
SETTLED_AFTER_S = (
    10.0  # by then another one on the network has been heard, and this one or that has given way
)
NAMESAKE_S = 5.0  # after its last word another manager is not told of any more


class LifecycleManagerNode(Node):
    """ROS around :class:`LifecycleCore`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("lifecycle_manager", **kwargs)
        params.declare(self, ManagerConfig)
        self.config = params.read(self, ManagerConfig)
        system = load_system(Path(self.config.system_file or default_system_file()))
        chosen = select(system, only=self.config.nodes)
        names = [node.name for node in chosen if node.lifecycle]
        self.core = LifecycleCore(names, self.config)
        self.exit_code: int | None = None
        self._faults = Faults(self.get_logger().warning)
        self._requests: dict[str, Future] = {}
        self._waiting: dict[Stage, list[Future]] = {}
        self._told: dict[str, tuple[str, bool]] = {}
        self._began = time.monotonic()
        self._was_up = False
        self._self = Manager.this(time.time_ns())
        self._other: tuple[Manager, float] | None = None  # of this name, and when it was heard

        self._change_state = {name: self.create_client(ChangeState, f"{name}/change_state") for name in names}
        for name in names:
            lost = SubscriptionEventCallbacks(liveliness=partial(self._on_liveliness, name))
            beat = partial(self._on_heartbeat, name)
            self.create_subscription(State, f"{name}/heartbeat", beat, qos.HEARTBEAT, event_callbacks=lost)
        self._processes = NodeProcesses(
            self,
            names,
            silence_s=self.config.appear_timeout_s,
            on_complaint=self.core.complained,
            on_patience=self.core.asks_patience,
            on_namesake=self._on_namesake,
        )
        self._diagnostics = self.create_publisher(DiagnosticArray, DIAGNOSTICS.name, profile(DIAGNOSTICS))
        waiting = ReentrantCallbackGroup()  # a request that waits must not hold the other callbacks up
        self.create_service(Trigger, "~/startup", self._serve_startup, callback_group=waiting)
        self.create_service(Trigger, "~/shutdown", self._serve_shutdown, callback_group=waiting)
        self.create_timer(STEP_PERIOD_S, self._step)
        self.create_timer(1.0, self._diagnose)
        if self.config.autostart:
            self.core.startup(self._began)

    # ---- what is seen ----------------------------------------------------------------------------------
    def _on_heartbeat(self, name: str, message: State, info: Mapping[str, Any]) -> None:
        sequence = int(info.get("publication_sequence_number") or 0)
        self.core.heartbeat(name, message.label, time.monotonic(), sequence)
        self._processes.heard(name)

    def _on_liveliness(self, name: str, event: Any) -> None:
        if event.alive_count == 0 and event.alive_count_change < 0:
            self.core.lost(name, time.monotonic())

    def _on_namesake(self, values: Mapping[str, str]) -> None:
        """Another manager of this name, or this one itself, has told what it does."""
        other = Manager.told(values)
        if other is None or other == self._self or other.gone:
            return
        if self._other is None:
            self.get_logger().error(f"{other.sentence}: {CURE}")
        self._other = other, time.monotonic()
        if yields(self._self, other) and self.config.exit_on_failure and not self.config.force:
            self.get_logger().error(f"start-up failed: {other.sentence}: {CURE}")
            self.exit_code = STARTUP_FAILED

    def _on_answer(self, change: Change, future: Future) -> None:
        if self._requests.get(change.node) is not future:
            return
        del self._requests[change.node]
        answer = future.result() if future.exception() is None else None
        success = answer is not None and bool(answer.success)
        self.core.answered(change.node, change.transition, success, time.monotonic())

    def failed(self, source: str, error: Exception) -> None:
        """What came from outside ends nothing; an error of the manager's own steps ends it, to be started again."""
        if source == TIMER:
            raise error
        self._faults.report(source, f"{type(error).__name__}: {error}", self.get_clock().now().nanoseconds)

    # ---- what is done ----------------------------------------------------------------------------------
    def _step(self) -> None:
        before = self.core.stage
        for action in self.core.step(time.monotonic()):
            if isinstance(action, Kill):
                self._processes.kill(action.node)
            else:
                self._request(action)
        self._tell_changes()
        if self.core.stage is not before:
            self._on_stage()

    def _request(self, change: Change) -> None:
        client = self._change_state[change.node]
        stale = self._requests.pop(change.node, None)
        if stale is not None:
            client.remove_pending_request(stale)
        transition = Transition(id=getattr(Transition, f"TRANSITION_{change.transition.upper()}"))
        future = client.call_async(ChangeState.Request(transition=transition))
        self._requests[change.node] = future
        future.add_done_callback(partial(self._on_answer, change))

    def _tell_changes(self) -> None:
        for name, node in self.core.nodes.items():
            state = "lost" if node.lost_at is not None and not node.pending else node.reason or node.state
            if self._told.get(name) == (state, node.held):
                continue
            self._told[name] = state, node.held
            # One call per severity: the logger ties each call site to its first.
            if state == "lost":
                self.get_logger().error(f"{name}: no heartbeat")
            elif node.held:
                self.get_logger().warning(f"{name}: {state}, {HELD}")
            elif node.reason:
                self.get_logger().warning(f"{name}: {state}")
            elif state in AFTER.values():
                self.get_logger().info(f"{name}: {state}")

    def _on_stage(self) -> None:
        stage = self.core.stage
        elapsed = time.monotonic() - self._began
        if self.config.ready_file:
            ready = Path(self.config.ready_file)
            ready.touch() if stage is Stage.RUNNING else ready.unlink(missing_ok=True)
        self._was_up |= stage is Stage.RUNNING
        if stage is Stage.RUNNING:
            self.get_logger().info(f"the system is up: {', '.join(self.core.nodes)} after {elapsed:.1f} s")
        elif stage is Stage.FAILED:
            self.get_logger().error(f"start-up failed: {self.core.failure}")
            if self.config.exit_on_failure:
                self.exit_code = STARTUP_FAILED
        if stage not in (Stage.STARTING, Stage.STOPPING):
            for future in self._waiting.pop(Stage.STOPPING if stage is Stage.STOPPED else Stage.STARTING, []):
                future.set_result(None)

    # ---- services --------------------------------------------------------------------------------------
    async def _serve_startup(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Returns when the system is up or start-up has failed."""
        self._began = time.monotonic()
        self.core.startup(self._began)
        await self._leave(Stage.STARTING)
        response.success = self.core.stage is Stage.RUNNING and not self.core.failure
        response.message = self.core.failure or f"{len(self.core.nodes)} nodes active"
        return response

    async def _serve_shutdown(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Returns when every node is unconfigured; processes stay."""
        self.core.shutdown(time.monotonic())
        await self._leave(Stage.STOPPING)
        response.success = self.core.stage is Stage.STOPPED
        response.message = "; ".join(f"{name}: {state}" for name, state in self.core.states().items())
        return response

    async def _leave(self, stage: Stage) -> None:
        if self.core.stage is stage:
            future = Future(executor=self.executor)
            self._waiting.setdefault(stage, []).append(future)
            await future

    def _diagnose(self) -> None:
        now = time.monotonic()
        self._processes.look(now)
        if self._was_up and time.time_ns() - self._self.began_ns > SETTLED_AFTER_S * 1e9:
            self._self = dataclasses.replace(self._self, settled=True)
        if self._other is not None and now - self._other[1] > NAMESAKE_S:
            self._other = None
        other = self._other[0] if self._other is not None else None
        name, stamp = self.get_fully_qualified_name(), self.get_clock().now().to_msg()
        self._diagnostics.publish(summary.to_message(self.core, name, stamp, self._self, other))


def main(args: Sequence[str] | None = None) -> int:
    processes.end_with_parent()
    rclpy.init(
        args=list(args) if args is not None else sys.argv, signal_handler_options=SignalHandlerOptions.NO
    )
    stopping: list[int] = []
    signal.signal(signal.SIGINT, lambda signum, frame: stopping.append(signum))
    signal.signal(signal.SIGTERM, lambda signum, frame: stopping.append(signum))
    try:
        node = LifecycleManagerNode()
    except ValueError as error:  # parameters or the system file were refused
        sys.stderr.write(f"lifecycle_manager: error: {error}\n")
        rclpy.try_shutdown()
        return STARTUP_FAILED
    try:
        executor = GuardedExecutor(node.failed)
        executor.add_node(node)
        while not stopping and node.exit_code is None:
            executor.spin_once(timeout_sec=0.2)
        executor.shutdown()
    except ExternalShutdownException:
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return node.exit_code or 0


if __name__ == "__main__":
    sys.exit(main())
