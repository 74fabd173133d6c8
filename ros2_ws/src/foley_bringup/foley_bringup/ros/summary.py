"""The state of the whole system as one line of ``/diagnostics``."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from foley_bringup.lifecycle import HELD, LifecycleCore, Stage
from foley_bringup.only_system import CURE, Manager


def to_message(
    core: LifecycleCore, name: str, stamp: Time, own: Manager, other: Manager | None
) -> DiagnosticArray:
    """OK while every node is active, ERROR when one is lost, start-up failed or there is another manager, else WARN."""
    states = core.states()
    active = core.count_active()
    level = DiagnosticStatus.OK if active == len(states) else DiagnosticStatus.WARN
    if core.stage is Stage.FAILED or "lost" in states.values() or other is not None:
        level = DiagnosticStatus.ERROR
    told = core.failure or f"{core.stage.value}: {active} of {len(states)} nodes active"
    held = [node.name for node in core.nodes.values() if node.held]
    if held:
        told += f"; {', '.join(held)}: brought down {HELD}"
    if other is not None:
        told = f"{other.sentence}: {CURE}; {told}"
    status = DiagnosticStatus(
        level=level,
        name=name,
        message=told,
        hardware_id=f"pid {own.pid}",
        values=[KeyValue(key=node, value=state) for node, state in states.items()]
        + [
            KeyValue(key=f"{n.name} came back", value=str(n.returns))
            for n in core.nodes.values()
            if n.returns
        ]
        + [
            KeyValue(key="stage", value=core.stage.value),
            KeyValue(key="settled", value="yes" if own.settled else "no"),
            KeyValue(key="began_ns", value=str(own.began_ns)),
            KeyValue(key="host", value=own.host),
        ],
    )
    message = DiagnosticArray(status=[status])
    message.header.stamp = stamp
    return message
