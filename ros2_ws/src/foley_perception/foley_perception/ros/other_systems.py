"""Whose diagnostics they are: all robots of a network share one topic for them."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.serialization import deserialize_message


def of_another_system(data: bytes, namespace: str) -> bool:
    """Whether a serialised message of ``/diagnostics`` is of Foley's nodes in another namespace, and of nothing else.

    Lines of Foley's nodes have the node's full name and its process; a driver's have whatever names it likes, and count
    as this robot's. What cannot be read is not known to be another's.
    """
    try:
        statuses = deserialize_message(data, DiagnosticArray).status
    except Exception:  # noqa: BLE001 - rclpy raises several; anybody may publish anything here
        return False
    own = "/" + namespace.strip("/")
    foleys = [s.name for s in statuses if s.name.startswith("/") and s.hardware_id.startswith("pid ")]
    return 0 < len(foleys) == len(statuses) and own not in {name.rpartition("/")[0] or "/" for name in foleys}
