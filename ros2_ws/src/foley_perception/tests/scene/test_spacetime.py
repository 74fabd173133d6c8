"""Spacetime images."""

import numpy as np
import pytest

from foley_perception.scene.spacetime import spacetime_images


def test_channels_are_the_grey_neighbours() -> None:
    grey = np.array([10, 20, 30, 40], np.uint8)
    frames = np.broadcast_to(grey[:, None, None, None], (4, 2, 3, 3)).copy()
    images = spacetime_images(frames)
    assert images.shape == (4, 2, 3, 3) and images.dtype == np.uint8
    # 77 + 150 + 29 = 256, so a grey pixel keeps its value.
    assert images[:, 0, 0].tolist() == [[10, 10, 20], [10, 20, 30], [20, 30, 40], [30, 40, 40]]


def test_white_stays_white() -> None:
    assert (spacetime_images(np.full((1, 2, 2, 3), 255, np.uint8)) == 255).all()


def test_refuses_floats() -> None:
    with pytest.raises(ValueError, match="uint8"):
        spacetime_images(np.zeros((3, 4, 4, 3), np.float32))  # type: ignore[arg-type]
