"""The lifecycle manager's services and diagnostics, over real middleware with dummy nodes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from foley_bringup.system import plan

pytest.importorskip("rclpy")
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from std_srvs.srv import Trigger

pytestmark = pytest.mark.nodes


@pytest.fixture
def started(dummy_system: Any, ros_context: Any, tmp_path: Path) -> Iterator[Any]:
    """The processes of the dummy system under a manager that waits to be told."""
    overrides: list[tuple[str, str, Any]] = [
        ("lifecycle_manager", "autostart", False),
        ("lifecycle_manager", "exit_on_failure", False),
        ("lifecycle_manager", "retry_delay_s", 0.2),
    ]
    processes: list[subprocess.Popen[bytes]] = []

    def start(*extra: tuple[str, str, Any]) -> None:
        for program in plan(system_file=dummy_system.system_file, overrides=[*overrides, *extra]):
            with (tmp_path / f"{program.name}.log").open("wb") as log:
                processes.append(subprocess.Popen(program.command(), stdout=log, stderr=subprocess.STDOUT))

    yield start
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(120)


def test_startup_and_shutdown_answer_when_done(started: Any, dummy_system: Any, ros_context: Any) -> None:
    statuses: list[DiagnosticStatus] = []
    ros_context.helper.create_subscription(
        DiagnosticArray, "/diagnostics", lambda m: statuses.extend(m.status), 50
    )
    started()
    answer = ros_context.call(Trigger, "lifecycle_manager/startup", Trigger.Request(), 40)
    assert answer.success and answer.message == "3 nodes active"
    assert [s for s in dummy_system.steps() if "start" in s] == ["first start", "second start", "third start"]

    def summary(level: bytes) -> list[DiagnosticStatus]:
        return [s for s in statuses if s.name == "/lifecycle_manager" and s.level == level]

    ros_context.spin_until(lambda: summary(DiagnosticStatus.OK))
    assert summary(DiagnosticStatus.OK)[-1].message == "running: 3 of 3 nodes active"
    assert ros_context.call(Trigger, "lifecycle_manager/startup", Trigger.Request(), 10).success, (
        "asked twice"
    )

    answer = ros_context.call(Trigger, "lifecycle_manager/shutdown", Trigger.Request(), 40)
    assert answer.success and "first: unconfigured" in answer.message
    stops = [s for s in dummy_system.steps() if "stop" in s or "teardown" in s]
    assert stops == [f"{n} {step}" for n in ("third", "second", "first") for step in ("stop", "teardown")]
    assert ros_context.call(Trigger, "lifecycle_manager/startup", Trigger.Request(), 40).success, "up again"


def test_failed_startup_answers_with_the_reason(started: Any, ros_context: Any) -> None:
    started(("third", "refuse", "no microphone"))
    answer = ros_context.call(Trigger, "lifecycle_manager/startup", Trigger.Request(), 40)
    assert not answer.success and answer.message == "third: could not configure: no microphone"
