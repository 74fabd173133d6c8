"""Processes are told apart by number and start, and end with the one that they belong to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from foley_common import processes
from foley_common.processes import Process

WAIT = "import sys; print('up', flush=True); sys.stdin.read()"
PARENT = """
import os, subprocess, sys
from foley_common import processes
child = [sys.executable, "-c", "from foley_common import processes as p; p.end_with_parent(); print('up', flush=True);"
         "import signal; signal.pause()"]
subprocess.Popen(child, env=os.environ | (processes.ends_with_this() if sys.argv[1] == "named" else {}))
sys.stdin.read()
"""


@pytest.fixture
def ear() -> Iterator[subprocess.Popen[bytes]]:
    process = started("-c", WAIT, "--ros-args", "-r", "__node:=ear", "-r", "__ns:=/left")
    yield process
    process.kill()
    process.communicate()


def started(*arguments: str) -> subprocess.Popen[bytes]:
    """A Python process that has said that it is up."""
    process = subprocess.Popen([sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"up\n"
    return process


def test_this_process_is_known_and_lives() -> None:
    own = Process.of(os.getpid())
    assert own is not None and own == Process.of(os.getpid()) and own.lives
    assert Process.of(2**22 + 1) is None, "a number that no process has"


def test_only_the_very_process_is_killed(ear: subprocess.Popen[bytes]) -> None:
    process = Process.of(ear.pid)
    assert process is not None
    assert not Process(ear.pid, process.started - 1).kill(), "it had the same number before"
    assert ear.poll() is None
    assert process.kill() and ear.wait() == -signal.SIGKILL
    assert not process.lives and not process.kill()


def test_one_that_has_ended_and_is_not_waited_for_does_not_live(ear: subprocess.Popen[bytes]) -> None:
    process = Process.of(ear.pid)
    ear.kill()
    os.waitid(os.P_PID, ear.pid, os.WEXITED | os.WNOWAIT)
    assert process is not None and not process.lives and Process.of(ear.pid) is None


def test_nodes_are_known_by_how_they_were_started(ear: subprocess.Popen[bytes]) -> None:
    assert processes.is_node(ear.pid, "ear") and not processes.is_node(ear.pid, "nose")
    assert ("ear", Process.of(ear.pid)) in processes.nodes("/left")
    assert ear.pid not in [process.pid for _, process in processes.nodes("/")]


def test_what_names_its_parent_ends_with_it() -> None:
    parent = started("-c", PARENT, "named")
    assert parent.stdout is not None
    parent.kill()
    assert parent.stdout.read() == b"", "closed by the child's end"
    parent.communicate()


def test_what_names_none_lives_on() -> None:
    parent = started("-c", PARENT, "unnamed")
    (child,) = (int(c) for c in Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split())
    parent.kill()
    parent.wait()
    try:
        assert Process.of(child) is not None
    finally:
        os.kill(child, signal.SIGKILL)


def test_an_orphan_is_told(monkeypatch: pytest.MonkeyPatch, ear: subprocess.Popen[bytes]) -> None:
    process = Process.of(ear.pid)
    assert process is not None
    monkeypatch.setenv(processes.PARENT, f"{process.pid}:{process.started}")
    assert not processes.orphaned()
    monkeypatch.setenv(processes.PARENT, f"{process.pid}:{process.started + 1}")
    assert processes.orphaned()
    monkeypatch.delenv(processes.PARENT)
    assert not processes.orphaned()
