"""What HaMeR gives (Pavlakos et al. 2024), brought to the same keypoints as every other hand.

HaMeR and MANO are not free for commercial use and do not come with Foley: who has them saves, for each picture, the
arrays of ``FIELDS`` with ``numpy.savez``. Its camera is a weak perspective one of a huge focal length around a box;
here that becomes a place in front of the real camera.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_perception.geometry.camera import CameraModel
from foley_perception.hands.lifting import Placed, place

Array = NDArray[np.float64]

FIELDS = {
    "pred_keypoints_3d": "[n, 21, 3] joints in OpenPose order [m], of a right hand (a left one is mirrored)",
    "pred_cam": "[n, 3] scale and shift of the weak perspective camera, as the network gives it",
    "box_center": "[n, 2] of the box that was cut out [pixel]",
    "box_size": "[n] side of that box [pixel]",
    "right": "[n] 1 for right hands, 0 for left",
}


class HamerError(ValueError):
    """A file is not HaMeR's output; the message names the field."""


@dataclasses.dataclass(frozen=True, eq=False)
class HamerHand:
    """One hand of a picture."""

    metric: Array  # [21, 3]
    pixels: Array  # [21, 2] from the picture's corner
    right: bool
    score: float = 1.0  # HaMeR gives none

    def place(self, camera: CameraModel, depth: NDArray[np.float32] | None = None) -> Placed | None:
        """The hand in the world, by the real camera's numbers and by depth where there is some."""
        return place(self.metric, self.pixels - 0.5, camera, depth)


def load(path: Path, width: int, height: int, focal: float = 0.0) -> list[HamerHand]:
    """Hands of one picture.

    Args:
        width, height: of the picture.
        focal: that HaMeR assumed [pixel]; 0: its own rule, 5000 / 256 times the longer side.

    Raises:
        HamerError: not an .npz of plain arrays, or a field is missing or misshapen.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            data = {name: np.asarray(file[name], dtype=np.float64) for name in FIELDS if name in file.files}
    except (OSError, ValueError, AttributeError) as error:
        raise HamerError(f"{path}: not an .npz of plain arrays ({error})") from error
    for name, text in FIELDS.items():
        if name not in data:
            raise HamerError(f"{path}: `{name}` is missing, expected {text}")
    n = len(data["right"].ravel())
    shapes = {
        "pred_keypoints_3d": (n, 21, 3),
        "pred_cam": (n, 3),
        "box_center": (n, 2),
        "box_size": (n,),
        "right": (n,),
    }
    for name, shape in shapes.items():
        if data[name].shape != shape or not np.isfinite(data[name]).all():
            raise HamerError(
                f"{path}: `{name}` has shape {data[name].shape} or is not finite, expected {FIELDS[name]}"
            )
    return [
        _hand(
            data["pred_keypoints_3d"][k],
            data["pred_cam"][k],
            data["box_center"][k],
            float(data["box_size"][k]),
            bool(data["right"][k] > 0.5),
            np.array([width, height], dtype=np.float64),
            focal or 5000.0 / 256.0 * max(width, height),
        )
        for k in range(n)
    ]


def _hand(
    joints: Array, cam: Array, centre: Array, box: float, right: bool, size: Array, focal: float
) -> HamerHand:
    """Unmirror a left hand, and project as HaMeR's renderer does."""
    mirror = np.array([1.0 if right else -1.0, 1.0, 1.0])
    points = joints * mirror
    side = box * cam[0] + 1e-9
    shift = cam[1:] * mirror[:2]
    away = np.array([*(2 * (centre - size / 2) / side + shift), 2 * focal / side])
    there = points + away
    return HamerHand(points, focal * there[:, :2] / there[:, 2:] + size / 2, right)
