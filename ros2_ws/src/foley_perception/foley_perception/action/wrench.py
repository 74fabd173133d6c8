"""Forces and torques seen from another frame than the one that they were measured in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foley_perception.geometry.se3 import SE3

Array = NDArray[np.float64]


def from_sensor(
    wrench: Array,  # [n, 6] force [N] and torque [N m] about the sensor's origin, in the sensor's frame
    tx_tool_sensor: SE3,  # one, or [n]
) -> Array:
    """The same wrench [n, 6] about the tool's origin, in the tool's frame. NaN stays NaN."""
    force = tx_tool_sensor.rotate(wrench[:, :3])
    torque = tx_tool_sensor.rotate(wrench[:, 3:]) + np.cross(tx_tool_sensor.translation, force)
    return np.concatenate([force, torque], axis=1)
