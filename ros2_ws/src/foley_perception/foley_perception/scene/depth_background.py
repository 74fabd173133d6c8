"""The surfaces behind the arm, from depth and calibration. May be used from several threads."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from foley_perception.action.planned_contact import (
    PlannedContact,
    PlannedContactConfig,
    fit_planes,
    planned_contact,
)
from foley_perception.geometry.camera import CameraModel
from foley_perception.scene.background import FarEnvelope
from foley_perception.scene.segment import face_around

Array = NDArray[np.float64]


class DepthBackground:
    """The far depth of the last seconds with its camera; everything is unknown until both are there.

    Args:
        config: how planned contacts are found on it.
    """

    def __init__(self, config: PlannedContactConfig | None = None) -> None:
        self._background = FarEnvelope()
        self._camera: CameraModel | None = None
        self._lock = threading.Lock()
        self._config = config or PlannedContactConfig()

    def add_depth(self, time_ns: int, depth: NDArray[np.float32]) -> None:
        with self._lock:
            self._background.add(time_ns, depth)

    def set_camera(self, camera: CameraModel) -> None:
        """The calibration, for images of its own or any other size."""
        with self._lock:
            if (
                self._camera is not None
                and max(self._camera.tx_world_camera.distance_to(camera.tx_world_camera)) > 0.005
            ):
                self._background.clear()  # the camera was moved
            self._camera = camera

    @property
    def camera(self) -> CameraModel | None:
        """As newest known."""
        with self._lock:
            return self._camera

    def view(self) -> tuple[NDArray[np.float32], CameraModel] | None:
        """Background depth [H, W] and its camera."""
        with self._lock:
            depth = self._background.depth()
            if depth is None or self._camera is None:
                return None
            height, width = depth.shape
            camera = self._camera
            return depth, camera if (height, width) == (camera.height, camera.width) else camera.scaled(
                width, height
            )

    def clearance(self, point: Array) -> float:
        """Distance [m] of a point [3] from the surface seen there; NaN where none is."""
        view = self.view()
        if view is None:
            return float("nan")
        depth, camera = view
        pixel, distance = camera.project(point)
        if not camera.contains(pixel) or distance <= 0:
            return float("nan")
        normals, heights = fit_planes(pixel[None], depth.astype(np.float64), camera, self._config)
        return float(normals[0] @ camera.to_camera(point) - heights[0])

    def planned_contact(self, times_ns: NDArray[np.int64], tip: Array) -> PlannedContact | None:
        """First contact of a planned tip path [n, 3]."""
        view = self.view()
        depth, camera = view if view is not None else (None, None)
        return planned_contact(times_ns, tip, depth, camera, self._config)

    def face(self, point: Array) -> Array | None:
        """Points [m, 3] of the face around a contact, if it is seen."""
        view = self.view()
        return None if view is None else face_around(view[0], view[1], point)
