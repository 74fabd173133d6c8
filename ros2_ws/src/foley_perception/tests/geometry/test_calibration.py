from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from foley_perception.geometry.calibration import Calibration, CalibrationError, comes_rectified
from foley_perception.geometry.crop import crop_around
from foley_perception.geometry.se3 import SE3

K = np.array([[300.0, 0, 158.0], [0, 310.0, 121.0], [0, 0, 1]])
PLAIN = Calibration(320, 240, "plumb_bob", (0.0,) * 5, tuple(K.ravel()))
POINT = np.array([0.28, -0.2, 0.8])  # [m] in front of the camera, far from its axis
BROWN = (-0.3, 0.12, 0.002, -0.001, 0.01)
RATIONAL = (0.2, -0.3, 0.001, 0.002, 0.02, 0.6, -0.25, 0.03)
FISHEYE = (0.08, -0.03, 0.01, -0.002)


def bent_pixel(model: str, d: tuple[float, ...], k: np.ndarray = K) -> np.ndarray:
    """Where the lens shows POINT, by OpenCV's own projection."""
    if model == "equidistant":
        found, _ = cv2.fisheye.projectPoints(POINT[None, None], np.zeros(3), np.zeros(3), k, np.array(d))
    else:
        found, _ = cv2.projectPoints(POINT[None], np.zeros(3), np.zeros(3), k, np.array(d))
    return np.asarray(found).reshape(2)


def with_disc(pixel: np.ndarray, width: int = 320, height: int = 240, radius: float = 6.0) -> np.ndarray:
    """A red disc on grey."""
    v, u = np.mgrid[0:height, 0:width]
    rgb = np.full((height, width, 3), 90, np.uint8)
    rgb[np.hypot(u - pixel[0], v - pixel[1]) < radius] = (220, 20, 20)
    return rgb


def centre(rgb: np.ndarray) -> np.ndarray:
    """Of the red in a picture, (u, v)."""
    v, u = np.nonzero(rgb[..., 0].astype(int) - rgb[..., 1] > 80)
    assert u.size
    return np.array([u.mean(), v.mean()])


@pytest.mark.parametrize(
    ("model", "d"),
    [
        ("plumb_bob", BROWN),
        ("plumb_bob", BROWN[:4]),
        ("", BROWN),
        ("rational_polynomial", RATIONAL),
        ("equidistant", FISHEYE),
    ],
)
def test_without_distortion_a_point_is_where_the_pinhole_has_it(model: str, d: tuple[float, ...]) -> None:
    lens = dataclasses.replace(PLAIN, model=model, d=d).lens(320, 240)
    bent = bent_pixel(model, d)
    camera = lens.model(SE3.identity())
    straight, _ = camera.project(POINT)
    assert np.linalg.norm(bent - straight) > 5  # there is something to mend
    seen = with_disc(bent)
    assert np.abs(centre(lens.colour(seen)) - straight).max() < 0.5
    assert np.abs(centre(crop_around(lens.colour(seen), camera, POINT)) - 63.5).max() < 1.5


def test_depth_takes_its_nearest_neighbour() -> None:
    lens = dataclasses.replace(PLAIN, d=(0.5, 0.2, 0.0, 0.0, 0.0)).lens(320, 240)
    depth = np.where(np.arange(320) < 160, np.float32(0.5), np.float32(2.0)) * np.ones((240, 1), np.float32)
    depth[::7, ::5] = np.nan
    seen = lens.depth(depth)
    assert seen.dtype == np.float32 and set(np.unique(seen[np.isfinite(seen)])) == {0.5, 2.0}
    assert np.isnan(seen[0, 0])  # nothing was seen there
    assert lens.colour(np.full((240, 320, 3), 70, np.uint8)).min() == 70  # of colour the border is repeated


def test_an_image_without_distortion_is_left_alone() -> None:
    lens = PLAIN.lens(320, 240)
    rgb, depth = np.zeros((240, 320, 3), np.uint8), np.ones((240, 320), np.float32)
    assert lens.colour(rgb) is rgb and lens.depth(depth) is depth and lens.note == ""
    assert np.array_equal(lens.K, K)


def test_scaled_images() -> None:
    """The middle of a pixel of the half image lies between two of the whole one."""
    lens = PLAIN.lens(160, 120)
    assert pytest.approx(np.array([[150.0, 0, 78.75], [0, 155.0, 60.25], [0, 0, 1]])) == lens.K
    assert "images are 160x120, camera_info is of 320x240: its K is scaled by 0.5" in lens.note
    assert PLAIN.lens(640, 480).K[0, 0] == 600.0


def test_a_distorted_image_of_half_the_size() -> None:
    lens = dataclasses.replace(PLAIN, d=BROWN).lens(160, 120)
    bent = (bent_pixel("plumb_bob", BROWN) + 0.5) / 2 - 0.5
    straight, _ = lens.model(SE3.identity()).project(POINT)
    assert np.abs(centre(lens.colour(with_disc(bent, 160, 120))) - straight).max() < 0.5


def test_region_and_binning() -> None:
    info = dataclasses.replace(PLAIN, binning=(2, 2), roi=(40, 20, 240, 200))
    lens = info.lens(120, 100)
    pixel, _ = lens.model(SE3.identity()).project([0.0, 0.0, 1.0])
    assert pixel == pytest.approx([(158 - 40 + 0.5) / 2 - 0.5, (121 - 20 + 0.5) / 2 - 0.5])
    assert "a region at (40, 20) of 240x200, binned by 2x2" in lens.note
    # A driver that fills them in, but sends the whole image.
    assert np.array_equal(info.lens(320, 240).K, K)


def test_rectified_images_have_the_projection_matrix() -> None:
    projection = (280.0, 0, 150.0, 0, 0, 280.0, 118.0, 0, 0, 0, 1.0, 0)
    info = dataclasses.replace(PLAIN, d=BROWN, p=projection)
    rgb = with_disc(np.array([200.0, 100.0]))
    assert info.lens(320, 240, rectified=True).colour(rgb) is rgb
    assert info.lens(320, 240, rectified=True).K[0].tolist() == [280.0, 0, 150.0]
    assert info.undistorts(rectified=False) and not info.undistorts(rectified=True)
    assert comes_rectified("/camera/image_rect_color") and not comes_rectified("/camera/image_raw")
    assert comes_rectified("/camera/image_rect/compressed")


@pytest.mark.parametrize(
    ("changes", "size", "told"),
    [
        ({"k": (0.0,) * 9}, (320, 240), "not calibrated; calibrate it"),
        ({"k": (float("nan"),) * 9}, (320, 240), "not calibrated"),
        ({}, (320, 200), "images are 320x200, camera_info is of 320x240: of another shape"),
        ({"model": "omni", "d": (0.1,) * 4}, (320, 240), "distortion_model is `omni`"),
        ({"d": (0.1,) * 3}, (320, 240), "known are plumb_bob"),
        ({"d": (float("nan"),) * 5}, (320, 240), "not finite"),
    ],
)
def test_what_cannot_be_used_is_told(changes: dict[str, object], size: tuple[int, int], told: str) -> None:
    with pytest.raises(CalibrationError, match=told):
        dataclasses.replace(PLAIN, **changes).lens(*size)  # type: ignore[arg-type]


def test_a_camera_info_without_a_size() -> None:
    lens = dataclasses.replace(PLAIN, width=0, height=0).lens(640, 480)
    assert np.array_equal(lens.K, K) and "names no size" in lens.note
