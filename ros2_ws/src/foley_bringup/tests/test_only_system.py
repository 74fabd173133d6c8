"""A second system of one namespace and domain is refused, and of two managers one gives way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from foley_bringup.only_system import Manager, OtherSystemError, claim, yields

NODE = "import sys; print('up', flush=True); sys.stdin.read()"
CLAIM = f"from foley_bringup.only_system import claim; held = claim('/', []); {NODE}"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("ROS_DOMAIN_ID", "231")


@pytest.fixture
def node() -> Iterator[int]:
    """A process that was started as a node `ear` of this domain."""
    yield from running(NODE, "--ros-args", "-r", "__node:=ear")


@pytest.fixture
def other_command() -> Iterator[int]:
    """A process that has begun a system."""
    yield from running(CLAIM)


def running(code: str, *arguments: str) -> Iterator[int]:
    command = [sys.executable, "-c", code, *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"up\n"
    yield process.pid
    process.kill()
    process.communicate()


def test_of_two_commands_the_second_is_refused(other_command: int) -> None:
    with pytest.raises(
        OtherSystemError, match=rf"domain 231, namespace / \(pid {other_command}.*--namespace"
    ):
        claim("", ["ear"])
    claim("left", ["ear"]).close()
    os.kill(other_command, 9)


def test_a_claim_ends_with_its_process_or_when_it_is_closed(other_command: int) -> None:
    os.kill(other_command, 9)
    os.waitpid(other_command, 0)
    claim("", []).close()
    claim("", []).close()


def test_a_node_that_somebody_started_is_not_doubled(node: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OtherSystemError, match=rf"already running .*ear \(pid {node}\)"):
        claim("", ["ear", "nose"])
    claim("", ["nose"]).close()
    claim("left", ["ear"]).close()
    monkeypatch.setenv("ROS_DOMAIN_ID", "230")
    claim("", ["ear"]).close()


EARLY, LATE = Manager(1, "b", 7), Manager(2, "a", 8)
UP = Manager(3, "a", 9, settled=True)


@pytest.mark.parametrize(
    ("own", "other", "gives_way"),
    [(EARLY, LATE, False), (LATE, EARLY, True), (EARLY, UP, True), (UP, EARLY, False),
     (UP, Manager(1, "c", 1, settled=True), False)],
)  # fmt: skip
def test_what_has_settled_stays_and_of_two_that_start_the_earlier(
    own: Manager, other: Manager, gives_way: bool
) -> None:
    assert yields(own, other) is gives_way


def test_a_manager_is_known_by_its_figures() -> None:
    told = Manager.told({"began_ns": "5", "host": "a", "pid": "8", "settled": "yes"})
    assert told == Manager(5, "a", 8) and told is not None and told.settled
    assert Manager.told({"pid": "8"}) is None
    own = Manager.this(5)
    assert (
        not own.gone and Manager(5, own.host, 2**22 + 1).gone and not Manager(5, "elsewhere", 2**22 + 1).gone
    )
