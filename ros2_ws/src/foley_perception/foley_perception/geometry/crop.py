"""Square views of the scene around a point, of fixed size in metres.

Training and live prediction call this same function, so that a model sees the same pixels in both.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from foley_perception.geometry.camera import CameraModel

CROP_SIZE = 128  # [px]
CROP_HALF_SIZE_M = 0.12


def crop_around(
    rgb: NDArray[np.uint8],  # [H, W, 3]
    camera: CameraModel,
    point_world: ArrayLike,  # [3] metres
    half_size_m: float = CROP_HALF_SIZE_M,
    out: int = CROP_SIZE,
) -> NDArray[np.uint8]:
    """The square of ``2 * half_size_m`` around a world point, as it appears at the point's depth.

    Pixels off the image repeat its border. Enlarging interpolates linearly at sub-pixel positions, reducing
    averages over areas.

    Returns:
        [out, out, 3] uint8.

    Raises:
        ValueError: the image is not [H, W, 3] uint8 of the camera's size, or the point is behind the camera
        or
            not finite.
    """
    if rgb.shape != (camera.height, camera.width, 3) or rgb.dtype != np.uint8:
        raise ValueError(
            f"image is {rgb.shape} {rgb.dtype}, the camera gives ({camera.height}, {camera.width}, 3) uint8"
        )
    pixel, depth = camera.project(point_world)
    if not np.isfinite(pixel).all():
        raise ValueError(
            f"point {np.asarray(point_world).tolist()} is behind the camera or not finite; is the camera's frame in tf "
            "the optical one (z forward, x right)?"
        )
    half = max(half_size_m * camera.K[0, 0] / float(depth), 1.0)
    scale = out / (2.0 * half)  # output pixels per image pixel
    if scale < 1.0:
        return _reduce(rgb, pixel, half, out)
    # Output pixel i has its centre at (i + 0.5) / scale from the square's edge.
    offset = pixel - half + 0.5 / scale
    forward = np.array([[1 / scale, 0, offset[0]], [0, 1 / scale, offset[1]]])
    warped = cv2.warpAffine(
        rgb,
        forward,
        (out, out),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(warped, dtype=np.uint8)


def _reduce(rgb: NDArray[np.uint8], pixel: NDArray[np.float64], half: float, out: int) -> NDArray[np.uint8]:
    height, width = rgb.shape[:2]
    side = max(round(2 * half), 1)
    left, top = (round(float(c) - half + 0.5) for c in pixel)
    # Clipped indices repeat the border and need no padded copy of the image, however far off the square lies.
    rows = np.clip(np.arange(top, top + side), 0, height - 1)
    columns = np.clip(np.arange(left, left + side), 0, width - 1)
    square = np.ascontiguousarray(rgb[rows[:, None], columns[None, :]])
    return np.asarray(cv2.resize(square, (out, out), interpolation=cv2.INTER_AREA), dtype=np.uint8)
