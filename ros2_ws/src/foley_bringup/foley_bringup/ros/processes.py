"""The processes behind the nodes, as their diagnostics tell: why one refused, and which to kill."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Collection

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node

from foley_bringup.supervisor import is_node_process


class NodeProcesses:
    """Listens to ``/diagnostics`` of the nodes ``names`` in the namespace of ``owner``.

    ``on_complaint(name, reason)`` is called when a node tells why it refused a transition.
    """

    def __init__(self, owner: Node, names: Collection[str], on_complaint: Callable[[str, str], None]) -> None:
        self._owner = owner
        self._names = names
        self._on_complaint = on_complaint
        self._pids: dict[str, int] = {}
        owner.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)

    def kill(self, name: str) -> None:
        """SIGKILL, if the node's process runs on this machine and still is that node."""
        pid = self._pids.get(name)
        if pid is None or not is_node_process(pid, name):
            return  # dead already, or on another machine
        self._owner.get_logger().error(f"{name} (pid {pid}) lives but does not answer: killing it")
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
