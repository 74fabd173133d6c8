"""What HaMeR gives (Pavlakos et al. 2024), brought to the same keypoints as every other hand.

HaMeR and MANO are not free for commercial use and do not come with Foley: who has them saves, for each picture, the
arrays of ``FIELDS`` with ``numpy.savez``. Its camera is a weak perspective one of a huge focal length around a box;
here that becomes a place in front of the real camera.
"""

from __future__ import annotations

import dataclasses
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_perception.geometry.camera import CameraModel
from foley_perception.hands.lifting import Placed, palm_length, place

Array = NDArray[np.float64]

FIELDS = {
    "pred_keypoints_3d": "[n, 21, 3] joints in OpenPose order [m], of a right hand (a left one is mirrored)",
    "pred_cam": "[n, 3] scale and shift of the weak perspective camera, as the network gives it",
    "box_center": "[n, 2] of the box that was cut out [pixel]",
    "box_size": "[n] side of that box [pixel]",
    "right": "[n] 1 for right hands, 0 for left",
}


IMAGE_SIZE = "img_size"
"""Width and height of the picture that HaMeR saw, [n, 2] or [2]; compared where a file holds it."""

_PALM_M = (0.02, 0.3)  # from the wrist to the knuckle of the middle finger, of anybody
_MOST_BYTES = 1 << 24
_DAMAGE = (
    OSError, ValueError, TypeError, AttributeError, KeyError, EOFError, RuntimeError, OverflowError, MemoryError,
    SyntaxError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What `numpy.load` raises of a file that is cut, damaged or of something else."""


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


def load(path: Path, width: int, height: int, focal: float = 0.0) -> tuple[list[HamerHand], list[str]]:
    """Hands of one picture, and why others in the file were left out.

    Args:
        width, height: of the picture.
        focal: that HaMeR assumed [pixel]; 0: its own rule, 5000 / 256 times the longer side.

    Raises:
        HamerError: not an .npz of plain arrays, a field is missing or misshapen, or in another unit or of another
            picture than is expected.
    """
    data = _fields(path)
    n = len(data["right"].ravel())
    shapes = {
        "pred_keypoints_3d": (n, 21, 3),
        "pred_cam": (n, 3),
        "box_center": (n, 2),
        "box_size": (n,),
        "right": (n,),
    }
    for name, shape in shapes.items():
        if data[name].shape != shape:
            raise HamerError(f"{path}: `{name}` has shape {data[name].shape}, expected {FIELDS[name]}")
    seen = np.atleast_2d(data.get(IMAGE_SIZE, np.array([width, height], dtype=np.float64)))
    if seen.shape[-1] != 2 or not (seen == (width, height)).all():
        raise HamerError(
            f"{path}: `{IMAGE_SIZE}` is {data[IMAGE_SIZE].tolist()}, the picture is {width}x{height}; run HaMeR on "
            "what `foley hands pictures` writes"
        )
    size = np.array([width, height], dtype=np.float64)
    hands, left_out = [], []
    for k in range(n):
        one = {name: data[name][k] for name in shapes}
        if reason := _unusable(one):
            left_out.append(f"hand {k}: {reason}")
            continue
        _check_units(path, one, size)
        hands.append(
            _hand(
                one["pred_keypoints_3d"],
                one["pred_cam"],
                one["box_center"],
                float(one["box_size"]),
                bool(one["right"] > 0.5),
                size,
                focal or 5000.0 / 256.0 * max(width, height),
            )
        )
    return hands, left_out


def _fields(path: Path) -> dict[str, Array]:
    """Arrays of a file, which is never unpickled.

    Raises:
        HamerError: it is no such file, or lacks one.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            told = sum(entry.file_size for entry in file.zip.infolist())
            if told > _MOST_BYTES:
                raise ValueError(f"{told} bytes unpacked, which is more than one picture's hands")
            names = [name for name in (*FIELDS, IMAGE_SIZE) if name in file.files]
            data = {name: np.asarray(file[name], dtype=np.float64) for name in names}
    except _DAMAGE as error:
        raise HamerError(
            f"{path}: not an .npz of plain arrays ({error}); write it with numpy.savez"
        ) from error
    for name, text in FIELDS.items():
        if name not in data:
            raise HamerError(f"{path}: `{name}` is missing, expected {text}")
    return data


def _unusable(hand: dict[str, Array]) -> str:
    """Why nothing can be made of a hand; empty where something can."""
    for name, value in hand.items():
        if not np.isfinite(value).all():
            return f"`{name}` is not finite"
    if hand["pred_cam"][0] <= 0 or hand["box_size"] <= 0:
        return "its box or its scale is not positive"
    return "" if hand["right"] in (0, 1) else f"`right` is {float(hand['right']):g}, must be 0 or 1"


def _check_units(path: Path, hand: dict[str, Array], size: Array) -> None:
    """
    Raises:
        HamerError: joints that are not in metres, or a box that is not of this picture.
    """
    palm = palm_length(hand["pred_keypoints_3d"])
    if not _PALM_M[0] <= palm <= _PALM_M[1]:
        raise HamerError(
            f"{path}: `pred_keypoints_3d` has a palm of {palm:.3g}, between {_PALM_M[0]} and {_PALM_M[1]} m are usual; "
            "give metres"
        )
    centre, margin = hand["box_center"], hand["box_size"] / 2
    if (centre < -margin).any() or (centre > size + margin).any():
        raise HamerError(
            f"{path}: the box at ({centre[0]:.0f}, {centre[1]:.0f}) lies off the picture, which is {size[0]:.0f}x"
            f"{size[1]:.0f}; run HaMeR on what `foley hands pictures` writes"
        )


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
