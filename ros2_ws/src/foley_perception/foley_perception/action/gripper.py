"""A gripper described as a hand of 21 keypoints.

A file per gripper says where its pads are and which finger hangs on which pad. Everything is given in the
tool frame (origin at the tool point, z out of the gripper), so that a pose and an opening width are enough to
draw the hand: ``keypoint = knuckle + fraction * (pad + offset - knuckle)``, with the pad moving along its
axis with the width. The map is affine in pose and width, so that both can also be recovered from keypoints.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import ArrayLike, NDArray

from foley_perception.audit.motion import WIDTH_SLACK
from foley_perception.config_files import find_config
from foley_perception.geometry.se3 import SE3

Array = NDArray[np.float64]

FINGERS = ("thumb", "index", "middle", "ring", "little")
SIDES = ("left", "right")
INDEX_TIP = 8  # of a hand's 21 keypoints


class HandError(ValueError):
    """A hand file or its input was refused; the message names file, field, value and cure."""


@dataclasses.dataclass(frozen=True, eq=False)
class _Hand:
    """Keypoints of one hand in the tool frame: ``base + width * slope``, each [21, 3]."""

    base: Array
    slope: Array

    def at(self, width: Array) -> Array:  # [n] -> [n, 21, 3]
        return self.base + width[:, None, None] * self.slope


@dataclasses.dataclass(frozen=True, eq=False)
class GripperHand:
    """One or two grippers as hands. Make it with :meth:`from_yaml`."""

    name: str
    hands: Mapping[str, _Hand]  # `right`, `left` or both
    max_width: float  # [m]; wider readings are clipped to it
    default_width: float  # [m], used where no width is measured
    width_joint: str  # joint whose position gives the width; empty if none
    width_scale: float  # width = offset + scale * position
    width_offset: float

    @staticmethod
    def from_yaml(path: str | Path) -> GripperHand:
        """Read ``config/hands/<name>.yaml``, by path or by name alone.

        ``NAME@JOINT`` names the joint whose position gives the width in place of the file's own.

        Raises:
            HandError: the file is missing, not YAML, or a field is missing, unknown or has a bad value.
        """
        reference, _, joint = str(path).rpartition("@")
        if not reference or "/" in joint or joint.endswith((".yaml", ".yml")):
            reference, joint = str(path), ""  # an @ in the name of a folder or file
        try:
            file = find_config("hands", reference)
            content = yaml.safe_load(file.read_text())
        except (OSError, yaml.YAMLError) as error:
            raise HandError(f"hand file `{reference}`: {error}") from error
        hand = GripperHand.from_dict(content, str(file))
        return dataclasses.replace(hand, width_joint=joint) if joint else hand

    @property
    def digest(self) -> str:
        """Of all that it says: the same for files that say the same."""
        return hashlib.sha256(repr(self).encode()).hexdigest()

    @staticmethod
    def from_dict(content: Any, source: str = "hand") -> GripperHand:
        fields = _Fields(content, source)
        hands_field = fields.mapping("hands")
        hands = {side: _hand(hands_field.mapping(side)) for side in SIDES if side in hands_field.content}
        if not hands:
            raise HandError(f"{source}: `hands` is empty, give `right`, `left` or both")
        hands_field.finish()
        width = fields.mapping("width")
        max_width, default = width.number("max"), width.number("default")
        if not 0 < max_width < 1 or not 0 <= default <= max_width:
            raise HandError(
                f"{source}: width.max is {max_width} m and width.default {default} m: "
                "need 0 < max < 1 and 0 <= default <= max"
            )
        result = GripperHand(
            name=fields.text("name"),
            hands=hands,
            max_width=max_width,
            default_width=default,
            width_joint=width.text("joint"),
            width_scale=width.number("scale"),
            width_offset=width.number("offset"),
        )
        width.finish()
        fields.finish()
        return result

    @property
    def main_side(self) -> str:
        """The hand of the (first) gripper."""
        return "right" if "right" in self.hands else "left"

    def width_of(self, joint_position: ArrayLike) -> Array:
        """Opening width [...] in metres of the gripper joint's position [...]."""
        return np.asarray(self.width_offset + self.width_scale * np.asarray(joint_position, dtype=np.float64))

    def measured_width(self, joint_position: ArrayLike) -> Array:
        """The same; NaN where this hand cannot be so far open, as of another gripper or unit."""
        width = self.width_of(joint_position)
        slack = WIDTH_SLACK * self.max_width
        return np.where((width >= -slack) & (width <= self.max_width + slack), width, np.nan)

    def keypoints(
        self,
        tx_world_tool: SE3,  # [n]
        width: ArrayLike | None = None,  # [n] or one for all [m]; NaN where not known
        *,
        tx_world_left_tool: SE3 | None = None,  # [n], of a second gripper
        left_width: ArrayLike | None = None,
    ) -> Array:
        """Keypoints [n, 2, 21, 3] in the world, left hand first; NaN where a hand or its pose is absent.

        With one gripper the hand is the one that its file names. With two, ``tx_world_tool`` is the right
        one.
        """
        n = len(tx_world_tool)
        result = np.full((n, 2, 21, 3), np.nan)
        main = self.main_side
        result[:, SIDES.index(main)] = self._one(main, tx_world_tool, width)
        if tx_world_left_tool is not None:
            if set(self.hands) != set(SIDES):
                raise HandError(f"hand `{self.name}` describes one gripper ({main}), two poses were given")
            result[:, 0] = self._one("left", tx_world_left_tool, left_width)
        return result

    def recover(self, keypoints: Array, side: str = "right") -> tuple[SE3, Array]:
        """Tool poses [n] and widths [n] whose hand fits keypoints [n, 2, 21, 3] best (Kabsch 1976).

        NaN where the hand is absent.
        """
        if side not in self.hands:
            raise HandError(f"hand `{self.name}` has no {side} hand, only {', '.join(self.hands)}")
        hand = self.hands[side]
        points = np.asarray(keypoints, dtype=np.float64)[:, SIDES.index(side)]
        known = np.isfinite(points).all(axis=(1, 2))
        quaternion, translation = np.full((len(points), 4), np.nan), np.full((len(points), 3), np.nan)
        width = np.full(len(points), np.nan)
        if known.any():
            width[known] = _width_from(points[known], hand)
            poses = _kabsch(hand.at(width[known]), points[known])
            quaternion[known], translation[known] = poses.quaternion, poses.translation
        return SE3(quaternion, translation), width

    def _one(self, side: str, poses: SE3, width: ArrayLike | None) -> Array:
        opening = np.asarray(self.default_width if width is None else width, dtype=np.float64)
        opening = np.where(np.isfinite(opening), opening, self.default_width)
        opening = np.broadcast_to(np.clip(opening, 0.0, self.max_width), (len(poses),))
        return poses[:, None].apply(self.hands[side].at(opening))


def _width_from(points: Array, hand: _Hand) -> Array:
    """Width [n] from the distance between the tips of thumb and index, which lie on different pads.

    ``|a + b w| = d`` with a, b known; of the two solutions the larger one opens the gripper.
    """
    a, b = hand.base[4] - hand.base[8], hand.slope[4] - hand.slope[8]
    distance = np.linalg.norm(points[:, 4] - points[:, 8], axis=-1)
    bb, ab, aa = float(b @ b), float(a @ b), float(a @ a)
    if bb < 1e-12:
        return np.zeros(len(points))
    root = np.sqrt(np.maximum(ab * ab - bb * (aa - distance**2), 0.0))
    return np.asarray(np.maximum((root - ab) / bb, 0.0))


def _kabsch(template: Array, points: Array) -> SE3:
    """Rigid transforms [n] that take template [n, 21, 3] to points [n, 21, 3] with least squares."""
    centre_t, centre_p = template.mean(axis=1), points.mean(axis=1)
    covariance = np.einsum("nki,nkj->nij", points - centre_p[:, None], template - centre_t[:, None])
    u, _, vt = np.linalg.svd(covariance)
    sign = np.sign(np.linalg.det(u @ vt))
    u[:, :, 2] *= sign[:, None]  # a rotation, not a reflection
    rotation = u @ vt
    return SE3.from_rotation(rotation, centre_p - np.einsum("nij,nj->ni", rotation, centre_t))


# ---- reading the file --------------------------------------------------------------------------------------
def _hand(fields: _Fields) -> _Hand:
    wrist = fields.vector("wrist")
    pads_field = fields.mapping("pads")
    pads: dict[str, tuple[Array, Array]] = {}
    for pad in pads_field.content:
        entry = pads_field.mapping(pad)
        pads[str(pad)] = (entry.vector("closed"), entry.vector("travel"))
        entry.finish()
    base, slope = np.zeros((21, 3)), np.zeros((21, 3))
    base[0] = wrist
    fingers = fields.mapping("fingers")
    for number, finger in enumerate(FINGERS):
        entry = fingers.mapping(finger)
        pad = entry.text("pad")
        if pad not in pads:
            raise HandError(f"{entry.where}.pad is `{pad}`, the pads are {', '.join(pads) or 'none'}")
        closed, travel = pads[pad]
        knuckle, offset, joints = entry.vector("knuckle"), entry.vector("offset"), entry.fractions("joints")
        entry.finish()
        for joint, fraction in enumerate(joints):
            keypoint = 1 + 4 * number + joint
            base[keypoint] = knuckle + fraction * (closed + offset - knuckle)
            slope[keypoint] = fraction * travel
    fingers.finish()
    fields.finish()
    return _Hand(base, slope)


class _Fields:
    """One mapping of a hand file, read field by field; what is left over was misspelt."""

    def __init__(self, content: Any, where: str) -> None:
        if not isinstance(content, Mapping):
            raise HandError(f"{where} is {content!r}, expected a mapping of fields")
        self.content = dict(content)
        self.where = where
        self._read: set[str] = set()

    def _get(self, field: str) -> Any:
        if field not in self.content:
            raise HandError(f"{self.where}: field `{field}` is missing")
        self._read.add(field)
        return self.content[field]

    def mapping(self, field: str) -> _Fields:
        return _Fields(
            self._get(field), f"{self.where}: {field}" if ":" not in self.where else f"{self.where}.{field}"
        )

    def text(self, field: str) -> str:
        value = self._get(field)
        if not isinstance(value, str):
            raise HandError(f"{self.where}.{field} is {value!r}, expected text")
        return value

    def number(self, field: str) -> float:
        value = self._get(field)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
            raise HandError(f"{self.where}.{field} is {value!r}, expected a finite number")
        return float(value)

    def vector(self, field: str) -> Array:
        value = self._get(field)
        try:
            vector = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            vector = np.zeros(0)
        if vector.shape != (3,) or not np.isfinite(vector).all():
            raise HandError(f"{self.where}.{field} is {value!r}, expected three numbers [x, y, z] in metres")
        return vector

    def fractions(self, field: str) -> list[float]:
        value = self._get(field)
        ok = isinstance(value, list) and len(value) == 4 and all(isinstance(v, (int, float)) for v in value)
        if not ok or sorted(value) != value or value[0] < 0 or value[-1] > 1:
            raise HandError(
                f"{self.where}.{field} is {value!r}, expected four increasing "
                "fractions in [0, 1] from knuckle to tip"
            )
        return [float(v) for v in value]

    def finish(self) -> None:
        unknown = sorted(set(map(str, self.content)) - self._read)
        if unknown:
            raise HandError(
                f"{self.where}: unknown field `{unknown[0]}`; known are {', '.join(sorted(self._read))}"
            )
