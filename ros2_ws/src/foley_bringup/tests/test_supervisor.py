"""Processes started, watched, started again and ended, without ROS."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from foley_bringup.supervisor import Backoff, BackoffConfig, Supervisor, Task

QUICK = BackoffConfig(first_s=0.05, longest_s=0.2)


class Recorder:
    """Lines by task."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, name: str, line: str) -> None:
        self.lines.append((name, line))

    def of(self, name: str) -> list[str]:
        return [line for who, line in self.lines if who == name]


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def step_until(supervisor: Supervisor, condition: Callable[[], object], timeout_s: float = 120.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "condition not met in time"
        supervisor.step(0.02)


def test_backoff_grows_is_bounded_and_forgets() -> None:
    backoff = Backoff(BackoffConfig(first_s=0.1, factor=2.0, longest_s=0.5, forget_after_s=20.0))
    assert [backoff.after(1.0) for _ in range(5)] == pytest.approx([0.1, 0.2, 0.4, 0.5, 0.5])
    assert backoff.after(25.0) == pytest.approx(0.1)


def test_lines_are_forwarded_whole_with_their_name() -> None:
    sink = Recorder()
    code = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGINT, lambda *_: os._exit(0))\n"
        "sys.stdout.write('one\\ntw'); sys.stdout.flush()\n"
        "os.write(2, b'o\\nthree')\n"  # at once: the end may come right after the second line
        "time.sleep(60)\n"
    )
    supervisor = Supervisor(
        [Task("a", python(code)), Task("b", python("print('other'); import time; time.sleep(60)"))], sink
    )
    step_until(supervisor, lambda: len(sink.of("a")) == 2 and sink.of("b"))
    supervisor.stop()
    assert sink.of("a")[:2] == ["one", "two"]
    assert sink.of("a")[2].startswith("three"), "the last line has no end"
    assert sink.of("b")[0] == "other"


def test_what_ends_is_started_again(tmp_path: Path) -> None:
    sink = Recorder()
    supervisor = Supervisor([Task("a", python("print('hello')"))], sink, backoff=QUICK)
    step_until(supervisor, lambda: supervisor.restarts()["a"] >= 3)
    supervisor.stop()
    assert sink.of("a").count("hello") >= 3
    assert any(line.startswith("ended with 0 after") for line in sink.of("a"))


def test_a_killed_process_comes_back_as_another() -> None:
    sink = Recorder()
    supervisor = Supervisor(
        [Task("a", python("import time; print('up', flush=True); time.sleep(60)"))], sink, backoff=QUICK
    )
    step_until(supervisor, lambda: "up" in sink.of("a"))
    first = supervisor.pids()["a"]
    os.kill(first, signal.SIGKILL)
    step_until(supervisor, lambda: sink.of("a").count("up") == 2)
    assert supervisor.pids()["a"] != first
    assert any("was killed by SIGKILL" in line for line in sink.of("a"))
    supervisor.stop()
    assert not supervisor.pids()


def test_a_final_code_ends_everything_with_that_code() -> None:
    tasks = [
        Task("worker", python("import time; time.sleep(60)")),
        Task("judge", python("raise SystemExit(3)"), final_codes=frozenset({3})),
    ]
    supervisor = Supervisor(tasks, Recorder())
    assert supervisor.run(lambda: False) == 3
    assert not supervisor.pids()


def test_stopping_is_gentle_then_firm_and_takes_the_grandchildren(tmp_path: Path) -> None:
    stubborn = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print('child', p.pid, flush=True)\ntime.sleep(60)\n"
    )
    polite = (
        "import signal, sys, time\n"
        "def end(*_):\n    print('bye', flush=True); sys.exit(0)\n"
        "signal.signal(signal.SIGINT, end); print('up', flush=True)\ntime.sleep(60)\n"
    )
    sink = Recorder()
    supervisor = Supervisor(
        [Task("polite", python(polite)), Task("stubborn", python(stubborn))], sink, grace_s=0.5
    )
    step_until(supervisor, lambda: sink.of("polite") and sink.of("stubborn"))
    grandchild = int(sink.of("stubborn")[0].split()[1])
    ours = {*supervisor.pids().values()}
    supervisor.stop()
    assert "bye" in sink.of("polite")
    assert any("does not end: killing it" in line for line in sink.of("stubborn"))
    _, alive = psutil.wait_procs(
        [psutil.Process(grandchild)] if psutil.pid_exists(grandchild) else [], timeout=60
    )
    assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]
    assert not [c for c in psutil.Process().children() if c.pid in ours], "zombies"


def test_a_command_that_does_not_exist_is_told_and_tried_again() -> None:
    sink = Recorder()
    supervisor = Supervisor([Task("ghost", ["/nowhere/ghost"])], sink, backoff=QUICK)
    step_until(supervisor, lambda: supervisor.restarts()["ghost"] >= 1)
    supervisor.stop()
    assert any("No such file" in line for line in sink.of("ghost"))
