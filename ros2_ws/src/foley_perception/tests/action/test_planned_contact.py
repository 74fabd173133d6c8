import numpy as np
import pytest
from numpy.typing import NDArray

from foley_perception.action.planned_contact import (
    CLOSEST,
    SURFACE,
    TURNING_POINT,
    PlannedContactConfig,
    fit_planes,
    planned_contact,
)
from foley_perception.scene.analytic import bench_camera, render_depth
from foley_perception.scene.segment import face_around

BOX = ((-0.06, -0.05, 0.0), (0.06, 0.05, 0.06))
CAMERA = bench_camera()
DEPTH = render_depth(CAMERA, [BOX])


def tap(
    x: float,
    y: float,
    surface_z: float,
    contact_s: float,
    speed: float,
    depth_m: float = 0.004,
    offset: float = 0.0,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Down at constant speed to `depth_m` below the surface, turning there; 100 Hz."""
    t = np.arange(0, 2.0, 0.01)
    brake = speed**2 / (2 * depth_m)
    after = np.maximum(t - contact_s, 0.0)
    z = surface_z + offset - speed * np.minimum(t - contact_s, 0.0) - speed * after + brake * after**2 / 2
    z = np.minimum(z, surface_z + 0.3)
    return (t * 1e9).astype(np.int64), np.stack([np.full_like(t, x), np.full_like(t, y), z], axis=1)


@pytest.mark.parametrize("speed", [0.08, 0.25, 0.8])
@pytest.mark.parametrize(
    "where", [(0.0, 0.0, 0.06), (0.045, 0.03, 0.06), (-0.05, -0.04, 0.06), (0.2, -0.1, 0.0)]
)
def test_taps_are_timed_within_20_ms(speed: float, where: tuple[float, float, float]) -> None:
    for contact_s in (1.0, 1.0037, 1.0081):
        times, path = tap(*where, contact_s, speed)
        contact = planned_contact(times, path, DEPTH, CAMERA)
        assert contact is not None and contact.source == SURFACE
        assert abs(contact.time_ns / 1e9 - contact_s) < 0.020
        np.testing.assert_allclose(contact.position, where, atol=2.5e-3)
        assert contact.surface_normal[2] > 0.98
        assert contact.approach_speed == pytest.approx(speed, rel=0.1)
        assert not contact.slides


def test_a_scratch_slides_for_the_length_of_its_stroke() -> None:
    t = np.arange(0, 2.5, 0.01)
    z = np.interp(t, [0, 1.0, 1.05, 1.8, 2.2], [0.2, 0.06, 0.057, 0.057, 0.2])
    x = np.interp(t, [1.1, 1.8], [-0.04, 0.03])
    path = np.stack([x, np.zeros_like(t), z], axis=1)
    contact = planned_contact((t * 1e9).astype(np.int64), path, DEPTH, CAMERA)
    assert contact is not None and contact.slides
    assert contact.slip_path == pytest.approx(0.07, abs=0.005)
    assert contact.time_ns / 1e9 == pytest.approx(1.0, abs=0.02)
    assert contact.duration_s == pytest.approx(0.82, abs=0.05)


def test_a_side_of_a_box_is_a_surface_too() -> None:
    t = np.arange(0, 2.0, 0.01)
    path = np.stack([np.zeros_like(t), -0.25 + 0.2 * t, np.full_like(t, 0.03)], axis=1)
    contact = planned_contact((t * 1e9).astype(np.int64), path, DEPTH, CAMERA)
    assert contact is not None
    assert contact.position[1] == pytest.approx(-0.05, abs=3e-3)
    assert contact.surface_normal[1] < -0.95
    assert contact.approach_speed == pytest.approx(0.2, rel=0.1)


def test_passing_behind_a_box_is_no_contact_with_it() -> None:
    tall = render_depth(CAMERA, [((-0.06, -0.05, 0.0), (0.06, 0.0, 0.2))])
    times, path = tap(0.0, 0.08, 0.0, 1.2, 0.2)
    contact = planned_contact(times, path, tall, CAMERA)
    # The table behind the box is hidden: the lowest point stands in.
    assert contact is not None and contact.source == TURNING_POINT
    assert contact.time_ns / 1e9 == pytest.approx(1.24, abs=0.03)


def test_a_path_that_turns_back_just_above_touches_at_its_closest() -> None:
    times, path = tap(0.0, 0.0, 0.06, 1.0, 0.2, offset=0.007)
    contact = planned_contact(times, path, DEPTH, CAMERA)
    assert contact is not None and contact.source == CLOSEST
    assert contact.time_ns / 1e9 == pytest.approx(1.04, abs=0.02)


def test_no_contact_in_the_air() -> None:
    t = np.arange(0, 2.0, 0.01)
    path = np.stack([-0.2 + 0.2 * t, np.zeros_like(t), np.full_like(t, 0.25)], axis=1)
    assert planned_contact((t * 1e9).astype(np.int64), path, DEPTH, CAMERA) is None


def test_without_depth_the_lowest_turning_point_stands_in() -> None:
    times, path = tap(0.0, 0.0, 0.06, 1.0, 0.3)
    contact = planned_contact(times, path, None, None)
    assert contact is not None and contact.source == TURNING_POINT
    assert contact.time_ns / 1e9 == pytest.approx(1.0 + 2 * 0.004 / 0.3, abs=0.015)
    assert np.isnan(contact.surface_normal).all()


def test_margin_is_the_radius_of_the_tip() -> None:
    times, path = tap(0.0, 0.0, 0.06, 1.0, 0.1)
    plain = planned_contact(times, path, DEPTH, CAMERA)
    early = planned_contact(times, path, DEPTH, CAMERA, PlannedContactConfig(margin_m=0.006))
    assert plain is not None and early is not None
    assert (plain.time_ns - early.time_ns) / 1e9 == pytest.approx(0.06, abs=0.003)


def test_holes_and_noise_in_the_depth_are_borne() -> None:
    rng = np.random.default_rng(1)
    noisy = DEPTH + rng.normal(0, 0.001, DEPTH.shape).astype(np.float32)
    noisy[rng.random(DEPTH.shape) < 0.2] = np.nan
    errors = []
    for contact_s in np.linspace(1.0, 1.01, 8):
        times, path = tap(0.01, 0.02, 0.06, float(contact_s), 0.1)
        contact = planned_contact(times, path, noisy, CAMERA)
        assert contact is not None
        errors.append(abs(contact.time_ns / 1e9 - contact_s))
    assert max(errors) < 0.03


def test_planes_are_exact_for_any_tilt() -> None:
    depth = render_depth(CAMERA, [])
    pixels = np.array([[160.0, 120.0], [40.0, 60.0], [300.0, 200.0]])
    normals, heights = fit_planes(pixels, depth.astype(float), CAMERA, PlannedContactConfig())
    up = CAMERA.tx_world_camera.rotate(normals)
    assert np.all(up[:, 2] > 0.995)
    np.testing.assert_allclose(-heights, 0.65, atol=5e-3)  # distance of the camera from the table


def test_face_of_a_box_ends_at_its_edges() -> None:
    face = face_around(DEPTH, CAMERA, (0.02, 0.01, 0.06))
    assert face is not None
    np.testing.assert_allclose(face[:, 2], 0.06, atol=5e-3)
    np.testing.assert_allclose(face[:, :2].min(axis=0), [-0.06, -0.05], atol=0.012)
    np.testing.assert_allclose(face[:, :2].max(axis=0), [0.06, 0.05], atol=0.012)
    assert face_around(DEPTH, CAMERA, (0.02, 0.01, 0.10)) is None  # in the air
    assert face_around(DEPTH, CAMERA, (5.0, 0.0, 0.0)) is None  # off the image


def test_bad_input_is_named() -> None:
    times, path = tap(0.0, 0.0, 0.06, 1.0, 0.1)
    with pytest.raises(ValueError, match="does not increase"):
        planned_contact(times[::-1].copy(), path, None, None)
    with pytest.raises(ValueError, match="positions are"):
        planned_contact(times[:-1], path, None, None)
    with pytest.raises(ValueError, match="depth is"):
        planned_contact(times, path, DEPTH[:100], CAMERA)
    with pytest.raises(ValueError, match="touch_m is nan"):
        PlannedContactConfig(touch_m=float("nan"))
    assert planned_contact(times, np.full_like(path, np.nan), DEPTH, CAMERA) is None
