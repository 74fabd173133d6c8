"""`foley up` over real processes and real middleware, with dummy nodes: order, faults, ends."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.nodes
BACK_WITHIN_S = 240.0  # a limit for what hangs


@dataclasses.dataclass
class Up:
    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def pid_of(self, name: str) -> int:
        for child in psutil.Process(self.process.pid).children(recursive=True):
            if f"__node:={name}" in child.cmdline():
                return child.pid
        return 0

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def up(dummy_system: Any, ros_domain: int, tmp_path: Path) -> Iterator[Callable[..., Up]]:
    started: list[Up] = []

    def start(*arguments: str) -> Up:
        log_file = tmp_path / f"up.{len(started)}.log"
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "foley_bringup.cli", "up", *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        started.append(Up(process, log_file))
        return started[-1]

    yield start
    for instance in started:
        if instance.process.poll() is None:
            instance.process.send_signal(signal.SIGINT)
            try:
                instance.process.wait(120)
            except subprocess.TimeoutExpired:
                instance.process.kill()
                instance.process.wait(60)


def wait_for(condition: Callable[[], Any], timeout_s: float, log: Callable[[], str]) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (result := condition()):
        assert "ended with 3" not in log(), log()
        assert time.monotonic() < deadline, f"not within {timeout_s} s; the log:\n{log()}"
        time.sleep(0.02)
    return result


def is_up(instance: Up) -> bool:
    assert instance.process.poll() is None, instance.log
    return "the system is up" in instance.log


def test_comes_up_in_order_survives_faults_and_ends_clean(dummy_system: Any, up: Callable[..., Up]) -> None:
    instance = up("--config", str(dummy_system.system_file), "--namespace", "robot")
    wait_for(lambda: is_up(instance), BACK_WITHIN_S, lambda: instance.log)
    starts = [line for line in dummy_system.steps() if line.endswith("start")]
    assert starts == ["first start", "second start", "third start"]

    for number in (signal.SIGKILL, signal.SIGSTOP):  # dead, and hung
        told = instance.log.count("second: active")
        before = dummy_system.steps().count("second start")
        os.kill(instance.pid_of("second"), number)
        wait_for(lambda n=told: instance.log.count("second: active") > n, BACK_WITHIN_S, lambda: instance.log)
        assert dummy_system.steps().count("second start") == before + 1
    assert dummy_system.steps().count("first start") == 1, "the others were left alone"

    os.kill(instance.pid_of("lifecycle_manager"), signal.SIGKILL)
    wait_for(lambda: instance.log.count("the system is up") == 2, BACK_WITHIN_S, lambda: instance.log)

    family = instance.descendants()
    instance.process.send_signal(signal.SIGINT)
    assert instance.process.wait(120) == 0
    assert not [p for p in family if p.is_running()], "orphans"
    assert dummy_system.steps()[-6:].count("third teardown") == 1, "released before the end"


def test_failed_start_up_tells_the_reason_and_ends_with_3(dummy_system: Any, up: Callable[..., Up]) -> None:
    instance = up(
        "--config", str(dummy_system.system_file), "--set", "second.refuse=folder /data is not writable",
        "--set", "lifecycle_manager.retry_delay_s=0.3",
    )  # fmt: skip
    assert instance.process.wait(240) == 3, instance.log
    assert "start-up failed: second: could not configure: folder /data is not writable" in instance.log


def test_killed_supervisor_leaves_no_orphans(dummy_system: Any, up: Callable[..., Up]) -> None:
    instance = up("--config", str(dummy_system.system_file))
    wait_for(lambda: is_up(instance), BACK_WITHIN_S, lambda: instance.log)
    family = instance.descendants()
    assert len(family) >= 4
    instance.process.kill()
    instance.process.wait(60)
    wait_for(lambda: not any(p.is_running() for p in family), 60, lambda: str(family))
