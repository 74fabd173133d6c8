import numpy as np
import pytest
from numpy.typing import NDArray

from foley_perception.scene.background import FarEnvelope, far_envelope

S = 1_000_000_000


def test_a_moving_arm_disappears() -> None:
    scene = np.full((24, 32), 1.0, np.float32)
    scene[10:14, 10:14] = 0.9  # an object
    background = FarEnvelope(window_s=4.0, frames=20)
    for i in range(20):
        image = scene.copy()
        image[:, i : i + 8] = 0.5  # the arm
        background.add(i * S // 5, image)
    np.testing.assert_allclose(background.depth(), scene, atol=1e-6)


def test_noise_beyond_the_surface_is_dropped() -> None:
    images = np.full((10, 4, 4), 1.0, np.float32)
    images[3, 0, 0] = 7.0
    assert far_envelope(images, drop=1)[0, 0] == pytest.approx(1.0)
    assert far_envelope(images, drop=0)[0, 0] == pytest.approx(7.0)


def test_rare_readings_are_better_than_none() -> None:
    images = np.full((5, 2, 2), np.nan, np.float32)
    images[2, 0, 0] = 0.8
    envelope = far_envelope(images, drop=1)
    assert envelope[0, 0] == pytest.approx(0.8)
    assert np.isnan(envelope[1, 1])


def test_forgets_the_old_and_another_camera() -> None:
    background = FarEnvelope(window_s=1.0, frames=4, drop=0)
    assert background.depth() is None
    background.add(0, np.full((2, 2), 3.0, np.float32))
    for i in range(1, 12):
        background.add(i * S // 4, np.full((2, 2), 1.0, np.float32))
    np.testing.assert_allclose(background.depth(), 1.0)
    background.add(4 * S, np.full((3, 3), 2.0, np.float32))
    assert background.depth() is not None and background.depth().shape == (3, 3)


def test_an_image_out_of_order_is_left_out_and_time_set_back_starts_anew() -> None:
    background = FarEnvelope(drop=0)
    for i in range(20):
        background.add(i * S // 2, np.full((2, 2), 1.0, np.float32))
    newest_ns = background.newest_ns
    assert newest_ns is not None
    for late_ns in (S // 1000, S):
        background.add(newest_ns - late_ns, np.full((2, 2), 0.3, np.float32))
    np.testing.assert_allclose(background.depth(), 1.0)
    assert background.late == 2 and background.newest_ns == newest_ns
    background.add(newest_ns - S - 1, np.full((2, 2), 0.3, np.float32))
    np.testing.assert_allclose(background.depth(), np.float32(0.3))
    assert background.newest_ns == newest_ns - S - 1


def test_pixels_of_a_known_arm_are_left_out() -> None:
    background = FarEnvelope(drop=0)
    arm = np.zeros((2, 2), bool)
    arm[0, 0] = True
    background.add(0, np.ones((2, 2), np.float32), arm)
    depth = background.depth()
    assert depth is not None and np.isnan(depth[0, 0]) and depth[1, 1] == 1.0


def test_the_sum_in_two_stacks_is_the_far_envelope_of_what_is_in_the_window() -> None:
    rng = np.random.default_rng(3)
    background = FarEnvelope(window_s=2.0, frames=8, drop=1)
    kept: list[tuple[int, NDArray[np.float32]]] = []
    for step in range(60):
        time_ns = step * S // 10
        image = rng.uniform(0.2, 2.0, (4, 5)).astype(np.float32)
        image[rng.random((4, 5)) < 0.3] = np.nan
        background.add(time_ns, image)
        if not kept or time_ns - kept[-1][0] >= S // 4:
            kept.append((time_ns, image))
        if rng.random() < 0.4:  # looked at now and then only
            inside = [i for t, i in kept if t >= kept[-1][0] - 2 * S]
            if kept[-1][0] != time_ns:
                inside.append(image)
            assert np.array_equal(background.depth(), far_envelope(np.stack(inside)), equal_nan=True)
