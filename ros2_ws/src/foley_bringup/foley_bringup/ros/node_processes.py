"""The processes behind the nodes, as their diagnostics tell: why one refused, and which to kill."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Collection

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node

from foley_bringup.supervisor import is_node_process, node_processes
from foley_common.topics import DIAGNOSTICS


class NodeProcesses:
    """Listens to ``/diagnostics`` of the nodes ``names`` in the namespace of ``owner``.

    ``on_complaint(name, reason)`` is called when a node tells why it refused a transition.
    """

    def __init__(self, owner: Node, names: Collection[str], on_complaint: Callable[[str, str], None]) -> None:
        self._owner = owner
        self._names = names
        self._on_complaint = on_complaint
        self._pids: dict[str, int] = {}
        self._heard: dict[str, float] = {}  # time of the last heartbeat [s since 1970]
        owner.create_subscription(DiagnosticArray, DIAGNOSTICS.name, self._on_diagnostics, 50)

    def heard(self, name: str) -> None:
        """The node's heart beats now."""
        self._heard[name] = time.time()

    def kill(self, name: str) -> None:
        """SIGKILL, if the node's process runs on this machine and still is that node."""
        told = self._pids.get(name)
        # One that hangs before its first diagnostics has told no pid, or its predecessor's. One that began after
        # the last heartbeat is a successor that is still starting.
        known = [told] if told is not None and is_node_process(told, name) else []
        heard = self._heard.get(name, 0.0)
        for pid in known or node_processes(name, self._owner.get_namespace(), before=heard):
            self._owner.get_logger().error(f"{name} (pid {pid}) lives but does not answer: killing it")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        prefix = self._owner.get_namespace().rstrip("/") + "/"
        for status in message.status:
            name = status.name.removeprefix(prefix)
            if not status.name.startswith(prefix) or name not in self._names:
                continue
            pid = re.fullmatch(r"pid (\d+)", status.hardware_id)
            if pid:
                self._pids[name] = int(pid[1])
            if status.level == DiagnosticStatus.ERROR and status.message.startswith("could not"):
                self._on_complaint(name, status.message)
