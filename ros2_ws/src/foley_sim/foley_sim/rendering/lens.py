"""What a real camera does to a picture: exposure, a soft lens, sensor noise; nothing where its spec has none."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_sim.spec import CameraSpec

GAMMA = 2.2  # of sRGB, nearly
_FIELDS = 4  # of noise, used in turn and shifted: drawing noise afresh would cost more than the picture


class Lens:
    """Applies one camera's faults to its pictures, in the order of their numbers.

    Args:
        camera: its size, exposure_ev, blur_px and noise.
    """

    def __init__(self, camera: CameraSpec) -> None:
        self._blur = camera.blur_px
        self._table = exposure_table(camera.exposure_ev) if camera.exposure_ev != 0.0 else None
        rng = np.random.default_rng([0x1E45, camera.width, camera.height])
        shape = (_FIELDS, camera.height, camera.width, 3)
        self._fields: NDArray[np.int16] | None = None
        if camera.noise > 0:
            self._fields = np.round(rng.standard_normal(shape, np.float32) * camera.noise * 255).astype(
                np.int16
            )

    def apply(self, pixels: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
        """The picture [height, width, 3] as the sensor gives it; ``number`` chooses the noise."""
        if self._blur > 0.0:
            pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), self._blur), dtype=np.uint8)
        if self._table is not None:
            pixels = np.asarray(cv2.LUT(pixels, self._table), dtype=np.uint8)
        if self._fields is not None:
            field = self._fields[number % _FIELDS]
            shift = (number * 7919) % field.shape[0]
            pixels = np.clip(pixels + np.roll(field, shift, axis=0), 0, 255).astype(np.uint8)
        return pixels


def exposure_table(stops: float) -> NDArray[np.uint8]:
    """[256] what each level becomes when the light is 2^stops as much; the sensor saturates."""
    linear = (np.arange(256) / 255.0) ** GAMMA * 2.0**stops
    return np.asarray(np.round(255.0 * np.clip(linear, 0, 1) ** (1 / GAMMA)), dtype=np.uint8)
