"""What a camera_info says, applied to the images beside it: size, region, binning and distortion.

Every image that a model or a measurement sees went through a :class:`Lens`, offline and live, so that behind it a
camera is a pinhole (docs/conventions.md).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3

Array = NDArray[np.float64]
_FISHEYE = ("equidistant", "fisheye", "kannala_brandt4")
_BROWN = ("plumb_bob", "rational_polynomial", "radtan", "")  # as OpenCV's calibrateCamera
_COUNTS = (4, 5, 8, 12, 14)  # of coefficients that OpenCV's model takes
_CURE = (
    "calibrate it (`ros2 run camera_calibration cameracalibrator`) and record camera_info beside the images"
)


class CalibrationError(ValueError):
    """A camera_info cannot be used for its images; the message names field, value and cure."""


@dataclasses.dataclass(frozen=True)
class Calibration:
    """A sensor_msgs/CameraInfo without its header. Hashable: two of equal numbers are equal."""

    width: int
    height: int
    model: str  # of distortion
    d: tuple[float, ...]
    k: tuple[float, ...]  # [9]
    p: tuple[float, ...] = (0.0,) * 12
    binning: tuple[int, int] = (0, 0)  # x, y; 0 means 1
    roi: tuple[int, int, int, int] = (0, 0, 0, 0)  # x, y, width, height; width 0: the whole image

    @staticmethod
    def of_message(info: object) -> Calibration:
        """Of a CameraInfo, of ROS or of rosbags."""
        i: Any = info
        return Calibration(
            width=int(i.width),
            height=int(i.height),
            model=str(i.distortion_model).strip(),
            d=_floats(i.d),
            k=_floats(i.k),
            p=_floats(i.p),
            binning=(int(i.binning_x), int(i.binning_y)),
            roi=(int(i.roi.x_offset), int(i.roi.y_offset), int(i.roi.width), int(i.roi.height)),
        )

    def lens(self, width: int, height: int, *, rectified: bool = False) -> Lens:
        """For images of a size.

        Args:
            rectified: they come without distortion, from a topic such as `image_rect`.

        Raises:
            CalibrationError: the camera is not calibrated, its images are of another shape, or its distortion is of
                an unknown kind.
        """
        return _lens(self, width, height, rectified)

    def undistorts(self, *, rectified: bool) -> bool:
        """Whether images are changed: they are raw, and the lens has a distortion."""
        return not rectified and any(self.d)


@dataclasses.dataclass(frozen=True, eq=False)
class Lens:
    """From the pixels of images of one size, as the camera sends them, to those of a pinhole."""

    K: Array  # [3, 3] of the pinhole
    width: int
    height: int
    note: str  # how the calibration was brought to the images' size; empty where it is of that size
    _d: Array  # coefficients; empty: there is no distortion
    _fisheye: bool

    def model(self, tx_world_camera: SE3) -> CameraModel:
        """The pinhole at its place."""
        return CameraModel(self.K, self.width, self.height, tx_world_camera)

    def colour(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """RGB [H, W, 3] without distortion, interpolated linearly; beyond the image its border is repeated.

        Raises:
            CalibrationError: the image is of another size.
        """
        if rgb.shape[:2] != (self.height, self.width):
            raise CalibrationError(
                f"image is {rgb.shape[1]}x{rgb.shape[0]}, the camera's others are {self.width}x{self.height}"
            )
        if not self._d.size:
            return rgb
        maps = self._maps
        return np.asarray(
            cv2.remap(rgb, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8
        )

    def depth(self, metres: NDArray[np.float32]) -> NDArray[np.float32]:
        """Depth [H, W] without distortion: each pixel is that of its nearest neighbour, NaN beyond the image."""
        if not self._d.size:
            return metres
        u, v = self._maps
        nan = (float("nan"),) * 4
        straight = cv2.remap(metres, u, v, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=nan)
        return np.asarray(straight, dtype=np.float32)

    @functools.cached_property
    def _maps(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Where each pixel of the pinhole is seen in the image, u and v [H, W]."""
        function = cv2.fisheye.initUndistortRectifyMap if self._fisheye else cv2.initUndistortRectifyMap
        size = (self.width, self.height)
        u, v = function(self.K, self._d, np.eye(3), self.K, size, cv2.CV_32FC1)
        return np.asarray(u, dtype=np.float32), np.asarray(v, dtype=np.float32)


def comes_rectified(topic: str) -> bool:
    """Whether a topic's images come without distortion, as image_proc names them: `image_rect`, `image_rect_color`."""
    return any(part.startswith("image_rect") or part == "rect" for part in topic.split("/"))


# ---- inside --------------------------------------------------------------------------------------------
def _floats(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(v) for v in values)


@functools.lru_cache(maxsize=64)  # the maps are kept with it
def _lens(info: Calibration, width: int, height: int, rectified: bool) -> Lens:
    k = np.array(info.k, dtype=np.float64).reshape(3, 3)
    projection = np.array(info.p, dtype=np.float64).reshape(3, 4)[:, :3]
    if rectified and _calibrated(projection):
        k = projection
    if not _calibrated(k):
        raise CalibrationError(f"K is {k.ravel().tolist()}: the camera is not calibrated; {_CURE}")
    scale, note = _to_size(info, width, height)
    coefficients, fisheye = (np.empty(0), False) if rectified else _distortion(info)
    return Lens(scale @ k if note else k, width, height, note, coefficients, fisheye)


def _calibrated(k: Array) -> bool:
    return bool(np.isfinite(k).all() and k[0, 0] > 0 and k[1, 1] > 0)


def _to_size(info: Calibration, width: int, height: int) -> tuple[Array, str]:
    """What takes pixels of the calibration to those of images, [3, 3], and how it was found; empty: they are equal."""
    images = f"the images are {width}x{height}"
    if not info.width and not info.height:
        return np.eye(3), f"{images}, camera_info names no size: its K is taken for theirs"
    said = f"{images}, camera_info is of {info.width}x{info.height}"
    bin_x, bin_y = (max(b, 1) for b in info.binning)
    left, top, roi_width, roi_height = info.roi
    if not roi_width or not roi_height:
        left, top, roi_width, roi_height = 0, 0, info.width, info.height
    region = roi_width < info.width or roi_height < info.height
    if (region or bin_x * bin_y > 1) and (roi_width // bin_x, roi_height // bin_y) == (width, height):
        move = np.array([[1.0, 0, -left], [0, 1.0, -top], [0, 0, 1]])
        how = f"a region at ({left}, {top}) of {roi_width}x{roi_height}, binned by {bin_x}x{bin_y}"
        return _scaling(1 / bin_x, 1 / bin_y) @ move, f"{said} with {how}: its K is brought to theirs"
    if (info.width, info.height) == (width, height):
        return np.eye(3), ""
    # Of one shape, but for the rounding of one side to whole pixels.
    if abs(width * info.height - height * info.width) < max(info.width, info.height):
        sx, sy = width / info.width, height / info.height
        return _scaling(sx, sy), f"{said}: its K is scaled by {sx:.6g}"
    raise CalibrationError(
        f"{said}: of another shape, so that nobody knows which part of the camera they show; set the driver's "
        "camera_info to the size of its images, or calibrate at that size"
    )


def _scaling(sx: float, sy: float) -> Array:
    # It acts on pixel EDGES, hence the half pixels.
    return np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2], [0, 0, 1]])


def _distortion(info: Calibration) -> tuple[Array, bool]:
    """Coefficients for OpenCV, empty for none, and whether they are those of its fisheye model."""
    d = np.array(info.d, dtype=np.float64)
    if not np.any(d):
        return np.empty(0), False
    told = f"distortion_model is `{info.model}` with d = {[round(float(v), 6) for v in d]}"
    if not np.isfinite(d).all():
        raise CalibrationError(f"{told}, which is not finite; {_CURE}")
    model = info.model.lower()
    if model in _FISHEYE and d.size >= 4 and not np.any(d[4:]):
        return d[:4], True
    if model in _BROWN and (d.size in _COUNTS or (d.size > 5 and not np.any(d[5:]))):
        return (d if d.size in _COUNTS else d[:5]), False
    raise CalibrationError(
        f"{told}; known are plumb_bob (4 or 5 numbers), rational_polynomial (8, 12 or 14) and equidistant (4): publish "
        "one of these, or rectified images (image_rect)"
    )
