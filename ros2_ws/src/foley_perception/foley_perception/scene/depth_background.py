"""The surfaces behind the arm, from depth and calibration. May be used from several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from foley_perception.action.planned_contact import (
    PlannedContact,
    PlannedContactConfig,
    fit_planes,
    planned_contact,
)
from foley_perception.geometry.calibration import Lens
from foley_perception.geometry.camera import CameraModel
from foley_perception.scene.background import FarEnvelope
from foley_perception.scene.segment import face_around

Array = NDArray[np.float64]
LensOf = Callable[[int, int], Lens]  # by width and height


class DepthBackground:
    """The far depth of the last seconds with its camera; everything is unknown until both are there.

    Args:
        config: how planned contacts are found on it.
    """

    def __init__(self, config: PlannedContactConfig | None = None) -> None:
        self._background = FarEnvelope()
        self._camera: CameraModel | None = None
        self._lens_of: LensOf | None = None
        self._straight: tuple[NDArray[np.float32], Lens, NDArray[np.float32]] | None = None
        self._lock = threading.Lock()
        self._config = config or PlannedContactConfig()

    def add_depth(self, time_ns: int, depth: NDArray[np.float32]) -> None:
        with self._lock:
            self._background.add(time_ns, depth)

    def set_camera(self, camera: CameraModel, lens_of: LensOf | None = None) -> None:
        """Where the camera stands, and its calibration for depth images of its own or any other size.

        Args:
            lens_of: the lens for images of a width and height, which may raise ValueError; None: images are those
                of a pinhole, and show what ``camera`` does.
        """
        with self._lock:
            if (
                self._camera is not None
                and max(self._camera.tx_world_camera.distance_to(camera.tx_world_camera)) > 0.005
            ):
                self._background.clear()  # the camera was moved
            self._camera, self._lens_of = camera, lens_of

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
            if self._lens_of is not None:
                return self._through_lens(depth, camera)
            return depth, camera if (height, width) == (camera.height, camera.width) else camera.scaled(
                width, height
            )

    def _through_lens(
        self, depth: NDArray[np.float32], camera: CameraModel
    ) -> tuple[NDArray[np.float32], CameraModel] | None:
        """The far depth is undistorted as a whole: each of its pixels is one of a depth image, and stays one."""
        assert self._lens_of is not None
        try:
            lens = self._lens_of(depth.shape[1], depth.shape[0])
        except ValueError:  # depth that is not of the camera's shape; the node's problems say so
            return None
        if self._straight is None or self._straight[0] is not depth or self._straight[1] is not lens:
            self._straight = (depth, lens, lens.depth(depth))
        return self._straight[2], lens.model(camera.tx_world_camera)

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
