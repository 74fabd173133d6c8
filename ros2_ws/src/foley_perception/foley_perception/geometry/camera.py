"""A calibrated pinhole camera in the world."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foley_perception.geometry.se3 import SE3

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class CameraModel:
    """Pinhole without distortion; the camera frame is optical (x right, y down, z forward).

    Pixel (0, 0) is the CENTRE of the first pixel. Images are taken as rectified.

    Args:
        K: intrinsics [3, 3] in pixels.
        width, height: image size in pixels.
        tx_world_camera: pose of the optical frame.

    Raises:
        ValueError: the camera is not calibrated, or a size is not positive.
    """

    K: Array
    width: int
    height: int
    tx_world_camera: SE3

    def __post_init__(self) -> None:
        k = np.array(self.K, dtype=np.float64)  # a copy: what comes from a message may lie unaligned
        if k.shape != (3, 3) or not np.isfinite(k).all() or k[0, 0] <= 0 or k[1, 1] <= 0:
            raise ValueError(f"K is {k.tolist()}: the camera is not calibrated (fx and fy must be positive)")
        if self.width < 1 or self.height < 1:
            raise ValueError(f"image size is {self.width}x{self.height}, must be positive")
        if self.tx_world_camera.batch or not self.tx_world_camera.finite:
            raise ValueError("tx_world_camera must be one known transform")
        object.__setattr__(self, "K", k)

    @staticmethod
    def looking_at(
        eye: ArrayLike,
        target: ArrayLike,
        *,
        width: int,
        height: int,
        fovy_deg: float,
        up: ArrayLike = (0, 0, 1),
    ) -> CameraModel:
        """A camera at ``eye`` whose axis passes through ``target``; ``up`` is up in the image."""
        position = np.asarray(eye, dtype=np.float64)
        z = np.asarray(target, dtype=np.float64) - position
        z /= np.linalg.norm(z)
        x = np.cross(z, np.asarray(up, dtype=np.float64))
        x /= np.linalg.norm(x)
        focal = height / 2.0 / np.tan(np.deg2rad(fovy_deg) / 2.0)
        k = np.array([[focal, 0, (width - 1) / 2.0], [0, focal, (height - 1) / 2.0], [0, 0, 1]])
        return CameraModel(
            k, width, height, SE3.from_rotation(np.stack([x, np.cross(z, x), z], axis=1), position)
        )

    def to_camera(self, points_world: ArrayLike) -> Array:
        """World points [..., 3] in the optical frame."""
        return self.tx_world_camera.inverse().apply(points_world)

    def project(self, points_world: ArrayLike) -> tuple[Array, Array]:
        """Pixels [..., 2] (u, v) and depths [...] [m] of world points [..., 3].

        Points at or behind the camera keep their depth (<= 0) and have NaN pixels.
        """
        p = self.to_camera(points_world)
        depth = p[..., 2]
        scale = np.where(depth > 1e-6, depth, np.nan)[..., None]
        pixels = p @ self.K.T
        return np.asarray(pixels[..., :2] / scale), depth

    def unproject(self, pixels: ArrayLike, depth: ArrayLike) -> Array:
        """World points [..., 3] of pixels [..., 2] at depths [...] [m] along the optical axis."""
        uv = np.asarray(pixels, dtype=np.float64)
        rays = np.concatenate([uv, np.ones_like(uv[..., :1])], axis=-1) @ np.linalg.inv(self.K).T
        return self.tx_world_camera.apply(rays * np.asarray(depth, dtype=np.float64)[..., None])

    def contains(self, pixels: ArrayLike) -> NDArray[np.bool_]:
        """Which pixels [..., 2] lie on the image, [...]."""
        uv = np.asarray(pixels, dtype=np.float64)
        with np.errstate(invalid="ignore"):
            inside = (uv >= -0.5) & (uv < np.array([self.width, self.height]) - 0.5)
        return np.asarray(inside.all(axis=-1))

    def scaled(self, width: int, height: int) -> CameraModel:
        """The same camera with its image resized (a depth image smaller than the colour image)."""
        sx, sy = width / self.width, height / self.height
        # Scaling acts on pixel EDGES, hence the half pixels.
        k = np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2], [0, 0, 1]]) @ self.K
        return CameraModel(k, width, height, self.tx_world_camera)
