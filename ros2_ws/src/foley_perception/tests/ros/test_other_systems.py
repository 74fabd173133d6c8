"""Which diagnostics are of another robot's Foley."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.serialization import serialize_message

from foley_perception.ros.other_systems import of_another_system


def told(*names: str, hardware: str = "pid 7") -> bytes:
    return serialize_message(
        DiagnosticArray(status=[DiagnosticStatus(name=name, hardware_id=hardware) for name in names])
    )


@pytest.mark.parametrize(
    ("data", "namespace", "others"),
    [
        (told("/left/material"), "/left", False),
        (told("/left/material"), "/right", True),
        (told("/left/material"), "/", True),
        (told("/material"), "/", False),
        (told("/material"), "/left", True),
        (told("/left/arm/material"), "/left", True),
        (told("/left/material", "/right/material"), "/right", False),
        (told("/left/material", "ur_driver: joints"), "/right", False),
        (told("/left/material", hardware="S/N 12"), "/right", False),
        (told(), "/right", False),
        (b"\0\1\2", "/right", False),
    ],
    ids=range(11),  # the padding within serialised messages is whatever lay there
)
def test_whose_they_are(data: bytes, namespace: str, others: bool) -> None:
    assert of_another_system(data, namespace) is others
