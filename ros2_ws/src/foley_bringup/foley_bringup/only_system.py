"""One system per namespace and ROS domain: a second one would double every node.

On one machine nothing is started beside another system: whoever starts one holds a lock for as long as it runs, so
that of two that begin at the same moment one is refused, and looks for processes of the nodes' names, which somebody
may have started by hand, or left behind. What runs on another machine is only seen by the lifecycle managers, in each
other's diagnostics; :func:`yields` says which of two gives way.
"""

from __future__ import annotations

import dataclasses
import datetime
import fcntl
import os
import socket
import sys
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO, Any

from foley_bringup.system import MANAGER
from foley_common import processes
from foley_common.processes import Process

CURE = "end that one first, or give this one another --namespace or ROS_DOMAIN_ID (under launch: namespace:=)"


class OtherSystemError(RuntimeError):
    """Another system of this namespace and domain runs; the message says which, and what to do."""


def claim(namespace: str, names: Collection[str]) -> IO[str]:
    """Begin a system here. The file that is returned holds the claim until it is closed, or this process ends.

    Args:
        namespace: of the system.
        names: of the nodes that are going to be started.

    Raises:
        OtherSystemError: another one runs on this machine.
    """
    domain, space = os.environ.get("ROS_DOMAIN_ID") or "0", "/" + namespace.strip("/")
    where = f"in ROS domain {domain}, namespace {space}"
    file = _open(
        Path(tempfile.gettempdir()) / f"foley_system_{domain}_{namespace.strip('/').replace('/', '.')}.lock"
    )
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        held = file.read().strip()
        file.close()
        raise OtherSystemError(f"a system runs already {where} ({held}): {CURE}") from error
    running = [f"{name} (pid {process.pid})" for name, process in processes.nodes(space) if name in names]
    if running:
        file.close()
        raise OtherSystemError(f"already running {where}: {', '.join(running)}; {CURE}")
    if file.writable():
        file.truncate(0)
        file.write(f"pid {os.getpid()}: {' '.join(_command())}\n")
        file.flush()
    return file


def overrides(force: bool) -> list[tuple[str, str, Any]]:
    """What the lifecycle manager has to know of it, as :func:`foley_bringup.system.plan` takes it."""
    return [(MANAGER, "force", True)] if force else []


def _command() -> list[str]:
    """This process, as somebody has typed it."""
    program = Path(sys.argv[0]).name
    return ["foley" if program in ("cli.py", "__main__.py") else program, *sys.argv[1:]]


def _open(path: Path) -> IO[str]:
    """The file of a lock, to write if it is ours, else to read: it may be another user's."""
    try:
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644), "r+")
    except PermissionError:
        return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "r")


# ---- managers of one name ----------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True, order=True)
class Manager:
    """A lifecycle manager, as its diagnostics tell; the one that began earlier comes first."""

    began_ns: int  # since 1970
    host: str
    pid: int
    settled: bool = dataclasses.field(
        default=False, compare=False
    )  # its system is up, and has been alone for a while

    @classmethod
    def this(cls, began_ns: int) -> Manager:
        return cls(began_ns, socket.gethostname(), os.getpid())

    @classmethod
    def told(cls, values: Mapping[str, str]) -> Manager | None:
        """From the figures of its status; None where they are not a manager's."""
        began, pid = values.get("began_ns", ""), values.get("pid", "")
        if not (began.isdigit() and pid.isdigit()):
            return None
        return cls(int(began), values.get("host", ""), int(pid), values.get("settled") == "yes")

    @property
    def gone(self) -> bool:
        """Whether it is known not to live any more: what it told last was still on its way."""
        return self.host == socket.gethostname() and Process.of(self.pid) is None

    @property
    def sentence(self) -> str:
        began = datetime.datetime.fromtimestamp(self.began_ns * 1e-9).strftime("%H:%M:%S")
        return f"another lifecycle manager of this name is at work (pid {self.pid} on {self.host}, since {began})"


def yields(own: Manager, other: Manager) -> bool:
    """Whether ``own`` gives way: what has settled stays, and of two that are starting the earlier one."""
    if own.settled:
        return False
    return other.settled or other < own
