"""The way of a camera that looks at a scene from all sides, so that it can be reconstructed."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from foley_sim.physics.mjcf import camera_axes
from foley_sim.spec import CameraSpec

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class ScanPath:
    """A spiral up a dome around the table: from low to steep and round it, always looking at one point.

    Height follows a smooth step of time, so that the camera neither starts nor stops with a jerk upwards.
    """

    duration_s: float
    centre: tuple[float, float, float] = (0.0, 0.0, 0.03)  # looked at [m]
    radius: float = 0.85  # [m]
    turns: float = 2.0
    elevation_deg: tuple[float, float] = (22.0, 74.0)  # from the table's plane
    start_deg: float = -90.0  # azimuth; -90 is in front of the table

    def __post_init__(self) -> None:
        if not (math.isfinite(self.duration_s) and self.duration_s > 0):
            raise ValueError(f"scan: duration_s is {self.duration_s}, must be positive")
        low, high = self.elevation_deg
        if not 0 < low <= high < 85:
            raise ValueError(f"scan: elevation_deg is {self.elevation_deg}, must rise within (0, 85)")
        if not self.radius > 0.2:
            raise ValueError(f"scan: radius is {self.radius} m, must be more than 0.2")

    def eye(self, time_s: float) -> Array:
        """Position [3] of the camera in the world [m]; it rests outside of [0, duration_s]."""
        u = min(max(time_s / self.duration_s, 0.0), 1.0)
        low, high = self.elevation_deg
        elevation = math.radians(low + (high - low) * u * u * (3 - 2 * u))
        azimuth = math.radians(self.start_deg + 360.0 * self.turns * u)
        direction = (
            math.cos(elevation) * math.cos(azimuth),
            math.cos(elevation) * math.sin(azimuth),
            math.sin(elevation),
        )
        return np.asarray(self.centre) + self.radius * np.array(direction)

    def camera(self, spec: CameraSpec, time_s: float) -> CameraSpec:
        """The camera at this time: as ``spec``, from the path."""
        x, y, z = self.eye(time_s).tolist()
        return dataclasses.replace(spec, eye=(x, y, z), target=self.centre)

    def pose(self, time_s: float) -> tuple[Array, Array]:
        """Eye [3] and optical axes [3, 3] (columns x right, y down, z forward) in the world."""
        camera = self.camera(CameraSpec(), time_s)
        return np.array(camera.eye), camera_axes(camera)
