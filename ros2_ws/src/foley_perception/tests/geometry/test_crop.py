import numpy as np
import pytest

from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.crop import crop_around
from foley_perception.geometry.se3 import SE3


def straight_down(width: int = 320, height: int = 240, focal: float = 250.0, z: float = 1.0) -> CameraModel:
    """Above the origin, image x along world x, image y against world y."""
    k = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]])
    return CameraModel(k, width, height, SE3.from_rotation_vector([np.pi, 0, 0], [0, 0, z]))


def test_projects_and_back() -> None:
    camera = CameraModel.looking_at((0.2, -0.8, 0.6), (0, 0, 0), width=320, height=240, fovy_deg=50)
    points = np.random.default_rng(0).uniform(-0.2, 0.2, (50, 3))
    pixels, depth = camera.project(points)
    assert camera.contains(pixels).all()
    np.testing.assert_allclose(camera.unproject(pixels, depth), points, atol=1e-12)


def test_looking_at_has_the_target_in_the_middle_and_up_at_the_top() -> None:
    camera = CameraModel.looking_at((0, -0.75, 0.65), (0, 0, 0.05), width=320, height=240, fovy_deg=50)
    centre, depth = camera.project([0, 0, 0.05])
    np.testing.assert_allclose(centre, [159.5, 119.5])
    assert depth == pytest.approx(np.hypot(0.75, 0.6))
    above, _ = camera.project([0, 0, 0.15])
    right, _ = camera.project([0.1, 0, 0.05])
    assert above[1] < centre[1]
    assert right[0] > centre[0]


def test_points_behind_have_no_pixel() -> None:
    pixel, depth = straight_down().project([0, 0, 2.0])
    assert np.isnan(pixel).all()
    assert depth == pytest.approx(-1.0)
    assert not straight_down().contains(pixel)


def test_scaled_camera_sees_the_same() -> None:
    camera = straight_down()
    half = camera.scaled(160, 120)
    full_pixel, _ = camera.project([0.1, 0.05, 0.0])
    half_pixel, _ = half.project([0.1, 0.05, 0.0])
    np.testing.assert_allclose(half_pixel + 0.5, (full_pixel + 0.5) / 2)


def test_uncalibrated_camera_is_refused() -> None:
    with pytest.raises(ValueError, match="not calibrated"):
        CameraModel(np.zeros((3, 3)), 320, 240, SE3.identity())


def ramp(camera: CameraModel) -> np.ndarray:
    """Red grows with u, green with v, so that a crop tells where it was taken."""
    v, u = np.mgrid[0 : camera.height, 0 : camera.width]
    return np.stack([u * 0.75, v, np.zeros_like(u)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("point", [(0.0, 0.0, 0.0), (0.113, -0.071, 0.0), (-0.05, 0.02, 0.3)])
def test_enlarged_crop_is_centred_to_a_fraction_of_a_pixel(point: tuple[float, float, float]) -> None:
    camera = straight_down()
    (u, v), depth = camera.project(point)
    crop = crop_around(ramp(camera), camera, point, half_size_m=0.1, out=128).astype(float)
    middle = crop[62:66, 62:66].mean(axis=(0, 1))
    assert middle[0] / 0.75 == pytest.approx(u, abs=1.0)
    assert middle[1] == pytest.approx(v, abs=0.75)
    width = (crop[64, -1, 1] - crop[64, 0, 1], crop[-1, 64, 1] - crop[0, 64, 1])[1]
    assert width == pytest.approx(2 * 0.1 * 250 / depth * 127 / 128, abs=1.5)


def test_reduced_crop_averages() -> None:
    camera = straight_down(1280, 960, focal=2000.0)
    image = np.zeros((960, 1280, 3), np.uint8)
    image[::2] = 200  # stripes finer than the output
    crop = crop_around(image, camera, (0, 0, 0), half_size_m=0.15, out=64)
    assert crop.shape == (64, 64, 3)
    assert np.abs(crop.astype(int) - 100).max() <= 12


def test_off_the_image_the_border_is_repeated() -> None:
    camera = straight_down()
    image = np.full((240, 320, 3), 30, np.uint8)
    image[:, -1] = 210
    crop = crop_around(image, camera, (0.70, 0, 0), half_size_m=0.1)
    assert (crop[:, -20:] == 210).all()
    far = crop_around(image, camera, (40.0, 0, 0), half_size_m=0.1)
    assert (far == 210).all()


def test_bad_crop_input_is_named() -> None:
    camera = straight_down()
    image = ramp(camera)
    with pytest.raises(ValueError, match="behind the camera"):
        crop_around(image, camera, (0, 0, 1.5))
    with pytest.raises(ValueError, match="not finite"):
        crop_around(image, camera, (np.nan, 0, 0))
    with pytest.raises(ValueError, match="uint8"):
        crop_around(image[:100], camera, (0, 0, 0))
