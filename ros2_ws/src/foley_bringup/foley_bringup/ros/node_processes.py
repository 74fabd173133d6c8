"""The processes behind the nodes, as their diagnostics tell: why one refused, and which to kill."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node

from foley_bringup.silent_processes import SilentProcesses
from foley_common import processes
from foley_common.processes import Process
from foley_common.topics import DIAGNOSTICS
from foley_ros.node import PATIENCE

LOOK_PERIOD_S = 5.0  # at processes, while one is looked for that has told nothing


class NodeProcesses:
    """Listens to ``/diagnostics`` of the nodes ``names`` in the namespace of ``owner``.

    Args:
        silence_s: a process that has told nothing is killed after living so long in silence.
        on_complaint: called with (name, reason) when a node tells why it refused a transition.
        on_patience: called with (name, seconds) for which a node asks before it is killed; 0 as usual.
        on_namesake: called with the figures of another process that bears the owner's own name.
    """

    def __init__(
        self,
        owner: Node,
        names: Collection[str],
        *,
        silence_s: float,
        on_complaint: Callable[[str, str], None],
        on_patience: Callable[[str, float], None],
        on_namesake: Callable[[Mapping[str, str]], None],
    ) -> None:
        self._owner = owner
        self._names = names
        self._silence_s = silence_s
        self._on_complaint, self._on_patience, self._on_namesake = on_complaint, on_patience, on_namesake
        self._told: dict[str, Process] = {}
        self._beating: dict[str, Process] = {}  # what had been told when the heart last beat
        self._hanging: dict[str, SilentProcesses] = {}  # to be killed, and not known
        self._looked = 0.0
        owner.create_subscription(DiagnosticArray, DIAGNOSTICS.name, self._on_diagnostics, 50)

    def heard(self, name: str) -> None:
        """The node's heart beats now."""
        self._hanging.pop(name, None)
        if name in self._told:
            self._beating[name] = self._told[name]

    def kill(self, name: str) -> None:
        """SIGKILL to the process that was heard as this node, if it still lives on this machine.

        Where it does not live any more, what runs under its name is a successor, which is left in peace; so is what has
        never told its process, until it has lived in silence for long (:meth:`look`).
        """
        seen = self._beating.get(name)
        if seen is None or not self._kill(name, seen):
            self._hanging.setdefault(name, SilentProcesses(self._silence_s))

    def look(self, now: float) -> None:
        """Kill what hangs and has never said who it is. To be called every second or so."""
        if not self._hanging or now - self._looked < LOOK_PERIOD_S:
            return
        self._looked = now
        running = processes.nodes(self._owner.get_namespace())
        for name, silent in self._hanging.items():
            for process in silent.seen([p for who, p in running if who == name], now):
                self._kill(name, process)

    def _kill(self, name: str, process: Process) -> bool:
        if not processes.is_node(process.pid, name) or not process.kill():
            return False
        self._owner.get_logger().error(f"{name} (pid {process.pid}) lives but does not answer: killed it")
        return True

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        prefix = self._owner.get_namespace().rstrip("/") + "/"
        for status in message.status:
            pid = re.fullmatch(r"pid (\d+)", status.hardware_id)
            values = {pair.key: pair.value for pair in status.values}
            if status.name == self._owner.get_fully_qualified_name():
                self._on_namesake(values | {"pid": pid[1] if pid else ""})
            name = status.name.removeprefix(prefix)
            if not status.name.startswith(prefix) or name not in self._names:
                continue
            if pid:
                self._keep(name, int(pid[1]))
            self._on_patience(name, _seconds(values.get(PATIENCE, "")))
            if status.level == DiagnosticStatus.ERROR and status.message.startswith("could not"):
                self._on_complaint(name, status.message)

    def _keep(self, name: str, pid: int) -> None:
        known = self._told.get(name)
        if known is not None and known.pid == pid and known.lives:
            return
        process = Process.of(pid)
        if process is not None and processes.is_node(pid, name):  # else it runs on another machine
            self._told[name] = process


def _seconds(text: str) -> float:
    try:
        return max(float(text), 0.0)
    except ValueError:
        return 0.0
