"""Exposure, blur and noise of the camera."""

import dataclasses

import numpy as np
import pytest

from foley_sim.rendering.lens import Lens, exposure_table
from foley_sim.spec import CameraSpec

CAMERA = CameraSpec(width=64, height=48)
EDGE = np.zeros((48, 64, 3), dtype=np.uint8)
EDGE[:, 32:] = 160


def camera(**values):
    return dataclasses.replace(CAMERA, **values)


def test_a_perfect_camera_changes_nothing():
    assert np.array_equal(Lens(CAMERA).apply(EDGE, 3), EDGE)


def test_a_stop_doubles_the_light_and_the_sensor_saturates():
    table = exposure_table(1.0)
    assert (table[100] / 100) ** 2.2 == pytest.approx(2.0, rel=0.03)
    assert table[0] == 0 and table[255] == 255
    darker = Lens(camera(exposure_ev=-1.0)).apply(EDGE, 0)
    assert darker.max() < EDGE.max()


def test_blur_softens_edges_and_keeps_flat_areas():
    soft = Lens(camera(blur_px=1.5)).apply(EDGE, 0)
    assert np.abs(np.diff(soft[20, :, 0].astype(int))).max() < 80
    assert soft[20, 0, 0] == 0 and soft[20, -1, 0] == 160


def test_noise_has_its_level_repeats_by_number_and_changes_from_picture_to_picture():
    lens = Lens(camera(noise=0.02))
    flat = np.full((48, 64, 3), 128, dtype=np.uint8)
    first = lens.apply(flat, 1)
    assert first.astype(float).std() == pytest.approx(0.02 * 255, rel=0.1)
    assert np.array_equal(first, Lens(camera(noise=0.02)).apply(flat, 1))
    assert not np.array_equal(first, lens.apply(flat, 2))


@pytest.mark.parametrize(("field", "value"), [("exposure_ev", 9.0), ("blur_px", -1.0), ("noise", 2.0)])
def test_impossible_cameras_are_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        camera(**{field: value})
