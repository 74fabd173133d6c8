"""The views of an interaction from one camera picture, where its scene was never reconstructed.

The global view is the picture itself. A local view looks from the same place in another direction, and two pictures
from one place differ by a homography, whatever the depth: nothing has to be known of the scene. Local views are as
coarse as the picture, whatever hid the scene in it hides it here, beyond its edges they repeat them, and top and side
views cannot be had.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_perception.gaussians.views.cameras import (
    Image,
    ViewConfig,
    ViewName,
    Views,
    draw_hands,
    hand_camera,
    square,
)
from foley_perception.geometry.camera import CameraModel

_FINER = 2  # a view is taken from the picture at so many times its size, then averaged


class PictureViews:
    """Takes the place of a `ViewRenderer`.

    Args:
        picture: [H, W, 3] RGB.
        camera: that took it.

    Raises:
        ValueError: the picture is not of the camera's size.
    """

    def __init__(self, picture: Image, camera: CameraModel, config: ViewConfig | None = None) -> None:
        if picture.shape != (camera.height, camera.width, 3):
            raise ValueError(
                f"the picture is {picture.shape}, the camera gives ({camera.height}, {camera.width}, 3)"
            )
        self.config = config or ViewConfig()
        self._picture, self._camera = picture, camera
        self._whole = square(camera, self.config.size)
        self._background = self._seen(self._whole)

    def views(
        self,
        keypoints: NDArray[np.float64],
        names: tuple[ViewName, ...] = ("global", "local_left", "local_right"),
        tips: NDArray[np.float64] | None = None,
    ) -> Views:
        """The views of one moment; see `ViewRenderer.views`. Those from other places are left out."""
        hands = np.asarray(keypoints, dtype=np.float64)
        if hands.shape != (2, 21, 3):
            raise ValueError(f"keypoints have shape {hands.shape}, expected (2, 21, 3)")
        ends = np.full((2, 3), np.nan) if tips is None else np.asarray(tips, dtype=np.float64)
        images: dict[ViewName, Image] = {}
        cameras: dict[ViewName, CameraModel] = {}
        coverage: dict[ViewName, float] = {}
        for name in names:
            if name == "global":
                cameras[name] = self._whole
                background, coverage[name] = self._background
                images[name] = draw_hands(background, self._whole, hands, ends)
            elif name.startswith("local_"):
                camera = hand_camera(self._camera, name, hands, ends, self.config)
                if camera is not None:
                    cameras[name] = camera
                    images[name], coverage[name] = self._seen(camera)
        return Views(images, cameras, coverage)

    def _seen(self, camera: CameraModel) -> tuple[Image, float]:
        """The picture as a camera at the same place would take it, and the share of it that is inside the picture."""
        fine = camera.scaled(_FINER * camera.width, _FINER * camera.height)
        turn = self._camera.tx_world_camera.rotation.T @ fine.tx_world_camera.rotation
        homography = self._camera.K @ turn @ np.linalg.inv(fine.K)
        size, flags = (fine.width, fine.height), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        image = cv2.warpPerspective(
            self._picture, homography, size, flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        inside = cv2.warpPerspective(
            np.ones(self._picture.shape[:2], np.float32), homography, size, flags=flags
        )
        averaged = cv2.resize(image, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
        return np.asarray(averaged, np.uint8), float(inside.mean())
