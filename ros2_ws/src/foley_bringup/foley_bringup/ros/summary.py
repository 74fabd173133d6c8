"""The state of the whole system as one line of ``/diagnostics``."""

from __future__ import annotations

import os

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from foley_bringup.lifecycle import LifecycleCore, Stage


def to_message(core: LifecycleCore, name: str, stamp: Time) -> DiagnosticArray:
    """OK while every node is active, ERROR when one is lost or start-up failed, otherwise WARN."""
    states = core.states()
    active = core.count_active()
    level = DiagnosticStatus.OK if active == len(states) else DiagnosticStatus.WARN
    if core.stage is Stage.FAILED or "lost" in states.values():
        level = DiagnosticStatus.ERROR
    status = DiagnosticStatus(
        level=level,
        name=name,
        message=core.failure or f"{core.stage.value}: {active} of {len(states)} nodes active",
        hardware_id=f"pid {os.getpid()}",
        values=[KeyValue(key=node, value=state) for node, state in states.items()]
        + [
            KeyValue(key=f"{n.name} came back", value=str(n.returns))
            for n in core.nodes.values()
            if n.returns
        ],
    )
    message = DiagnosticArray(status=[status])
    message.header.stamp = stamp
    return message
