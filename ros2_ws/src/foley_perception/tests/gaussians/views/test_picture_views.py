"""Views cut from a picture: what a camera that turns on its place would render of the same scene."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from foley_perception.action.gripper import GripperHand
from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.rendering.render import render
from foley_perception.gaussians.views.cameras import ViewConfig, ViewRenderer
from foley_perception.gaussians.views.picture_views import PictureViews
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3

CAMERA = CameraModel.looking_at([0, -0.9, 0.6], [0, 0, 0], width=480, height=360, fovy_deg=45.0)
CONFIG = ViewConfig(size=96)
HAND = GripperHand.from_yaml("parallel_gripper")


def table() -> Gaussians:
    """A table top of 1.6 m by 1.6 m whose colour changes from place to place."""
    x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(-0.8, 0.8, 90), np.linspace(-0.8, 0.8, 90)))
    points = torch.tensor(np.stack([x, y, 0 * x], -1), dtype=torch.float32)
    n = len(points)
    colour = torch.tensor(np.stack([0.5 + 0.4 * np.sin(9 * x), 0.5 + 0.4 * np.cos(7 * y), 0.5 + 0 * x], -1))
    quats, scales = torch.tensor([[1.0, 0, 0, 0]]), torch.tensor([[0.012, 0.012, 0.0005]])
    constant = ((colour.float() - 0.5) / 0.28209479177387814)[:, None]
    return Gaussians(points, quats.expand(n, 4), scales.expand(n, 3), torch.full((n,), 0.98), constant)


def picture() -> np.ndarray:
    with torch.no_grad():
        seen = render(table(), CAMERA)
    return (seen.rgb.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def test_a_view_from_the_picture_is_what_would_be_rendered() -> None:
    pose = SE3.from_rotation_vector([np.pi, 0, 0], [0.12, 0.05, 0.15])
    keypoints = HAND.keypoints(pose[None])[0]
    tips = np.array([[np.nan] * 3, [0.12, 0.05, 0.02]])
    names = ("global", "local_left", "local_right", "top")
    rendered = ViewRenderer(table(), CAMERA, np.zeros(3), CONFIG).views(keypoints, names, tips)
    cut = PictureViews(picture(), CAMERA, CONFIG).views(keypoints, names, tips)
    assert set(rendered.images) == {"global", "local_right", "top"}
    assert set(cut.images) == {"global", "local_right"}, "a view from another place cannot be had"
    for name in cut.images:
        np.testing.assert_allclose(cut.cameras[name].K, rendered.cameras[name].K)
        apart = np.abs(cut.images[name].astype(int) - rendered.images[name].astype(int))
        inside = slice(14, 82) if name == "global" else slice(None)  # what the picture holds
        assert cut.images[name].shape == (96, 96, 3) and apart[inside].mean() < 4, name
    middle = cut.images["local_right"].astype(int)
    elsewhere = PictureViews(picture(), CAMERA, CONFIG).views(keypoints, names, tips - [0.3, 0, 0])
    assert np.abs(middle - elsewhere.images["local_right"].astype(int)).mean() > 20, "it follows the tip"
    assert cut.coverage["local_right"] == pytest.approx(1.0, abs=1e-3)
    assert cut.coverage["global"] == pytest.approx(0.75, abs=0.02), "above and below is nothing"


def test_a_picture_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the picture is \(10, 20, 3\), the camera gives \(360, 480, 3\)"):
        PictureViews(np.zeros((10, 20, 3), np.uint8), CAMERA)
    with pytest.raises(ValueError, match="keypoints have shape"):
        PictureViews(picture(), CAMERA, CONFIG).views(np.zeros((21, 3)))
