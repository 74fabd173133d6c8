"""Processes of this machine: told apart for ever, watched and ended. Linux alone tells what is needed here.

The number of a process is given away again when it has ended, and no clock says reliably which of two began earlier
(``psutil.create_time`` is most of a second early on some machines). A number together with the kernel's own start time,
in ticks since it booted, is one process and no other; the two are only ever compared for equality.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import signal
import sys
from pathlib import Path

PARENT = "FOLEY_PARENT"
"""Environment variable that names the process with which another has to end: `pid:start`."""

_STATE, _STARTED = 0, 19  # fields 3 and 22 of /proc/PID/stat, counted behind the name
_PR_SET_PDEATHSIG = 1


@dataclasses.dataclass(frozen=True, order=True)
class Process:
    """One process, never to be mistaken for a later one of the same number."""

    pid: int
    started: int  # [ticks since the machine booted]

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process that has this number now; None where there is none, or one that has ended."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        if len(fields) <= _STARTED or fields[_STATE] in ("Z", "X"):
            return None
        return cls(pid, int(fields[_STARTED]))

    @property
    def lives(self) -> bool:
        return Process.of(self.pid) == self

    def kill(self) -> bool:
        """SIGKILL to this process and to none that took over its number. False where it does not live any more."""
        try:
            handle = os.pidfd_open(self.pid)  # from here on the number cannot come to mean another
        except OSError:
            return False
        try:
            if not self.lives:
                return False
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            return True
        finally:
            os.close(handle)


# ---- what began as which node ------------------------------------------------------------------------------
def is_node(pid: int, name: str) -> bool:
    """Whether a process was started as the ROS node ``name``."""
    return f"__node:={name}" in _arguments(pid)


def nodes(namespace: str = "/") -> list[tuple[str, Process]]:
    """What was started as a node of a namespace in this one's ROS domain, by (name, process).

    Processes of other users whose environment cannot be read are left out.
    """
    found = []
    domain = os.environ.get("ROS_DOMAIN_ID") or "0"
    wanted = "/" + namespace.strip("/")
    for folder in Path("/proc").glob("[0-9]*"):
        arguments = _arguments(int(folder.name))
        names = [a.removeprefix("__node:=") for a in arguments if a.startswith("__node:=")]
        spaces = [a.removeprefix("__ns:=") for a in arguments if a.startswith("__ns:=")]
        if not names or "/" + (spaces or ["/"])[-1].strip("/") != wanted:
            continue
        process = Process.of(int(folder.name))
        with contextlib.suppress(OSError):
            variables = (folder / "environ").read_bytes().split(b"\0")
            told = [v.removeprefix(b"ROS_DOMAIN_ID=") for v in variables if v.startswith(b"ROS_DOMAIN_ID=")]
            if process is not None and ((told or [b""])[0].decode() or "0") == domain:
                found.append((names[-1], process))
    return sorted(found)


def _arguments(pid: int) -> list[str]:
    try:
        return [a.decode(errors="replace") for a in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]
    except OSError:
        return []


# ---- to end with another -----------------------------------------------------------------------------------
def ends_with_this() -> dict[str, str]:
    """Environment of a program that shall end when this process does (:func:`end_with_parent`)."""
    own = Process.of(os.getpid())
    return {PARENT: f"{own.pid}:{own.started}"} if own is not None else {}


def end_with_parent() -> None:
    """SIGTERM to this process when the one that :data:`PARENT` names, and which started it, is gone.

    `ros2 launch` ends by SIGTERM or SIGKILL without a word to what it started. A node that somebody starts by hand
    names no parent, and may outlive its shell.
    """
    if not os.environ.get(PARENT) or sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if orphaned():  # before that was asked for
        os.kill(os.getpid(), signal.SIGTERM)


def orphaned() -> bool:
    """Whether a parent was named (:data:`PARENT`) and is gone."""
    pid, _, started = os.environ.get(PARENT, "").partition(":")
    return bool(pid.isdigit() and started.isdigit()) and not Process(int(pid), int(started)).lives
