"""A human hand whose every joint is known: drawn with depth, so that what finds hands can be judged without a person.

Bones are cones with round ends that flow into each other (a smooth union of distances); rays march until they touch.
Lengths are those of an average adult's hand. Networks that were trained on photographs find it.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3

Array = NDArray[np.float64]

# A right hand: origin in the wrist, fingers along +y, palm towards +z, thumb at +x. All in metres.
_THUMB = ((0.025, 0.022, 0.010), (0.045, 0.050, 0.016), (0.060, 0.078, 0.018), (0.070, 0.103, 0.018))
_KNUCKLES = ((0.026, 0.090, 0.0), (0.004, 0.095, 0.0), (-0.016, 0.090, 0.0), (-0.034, 0.078, 0.0))
_BONES = ((0.044, 0.026, 0.022), (0.048, 0.030, 0.023), (0.044, 0.028, 0.023), (0.034, 0.021, 0.020))
_SPLAY_DEG = (8.0, 1.0, -5.0, -14.0)
_CURL = (0.9, 1.1, 0.8)  # of the joints of a finger, for each radian of curl
_RADII = (
    (0.022, 0.018, 0.0125, 0.0105, 0.0085),
    (0.0115, 0.0095, 0.0085, 0.0070),
    (0.0118, 0.0098, 0.0088, 0.0072),
    (0.0113, 0.0093, 0.0083, 0.0069),
    (0.0099, 0.0082, 0.0073, 0.0060),
)
_PALM_ROOTS = ((0.010, 0.008, 0.0), (0.003, 0.008, 0.0), (-0.010, 0.008, 0.0), (-0.016, 0.008, 0.0))
_FOREARM = (0.0, -0.12, 0.0)
_BLEND_M = 0.006
_MIDDLE, _REACH_M = np.array([0.0, 0.05, 0.0]), 0.2  # a ball that holds all of it
_SKIN = np.array([0.85, 0.62, 0.50])
_LIGHT = np.array([0.3, -0.6, -0.74])  # from, in the camera's axes


@dataclasses.dataclass(frozen=True)
class DrawnHand:
    """A hand of one side and posture."""

    right: bool = True
    curl: float = 0.2  # [rad] about which each joint of the four fingers is bent
    size: float = 1.0  # of an average adult's

    def shape(self) -> Array:
        """The 21 joints [21, 3] in the hand's own frame [m], in MANO's order."""
        points = np.zeros((21, 3))
        points[1:5] = _THUMB
        for finger, (knuckle, bones, splay) in enumerate(zip(_KNUCKLES, _BONES, _SPLAY_DEG, strict=True)):
            first = 5 + 4 * finger
            points[first], bent, turn = knuckle, 0.0, np.deg2rad(splay)
            for k, (length, share) in enumerate(zip(bones, _CURL, strict=True)):
                bent += share * self.curl
                along = (np.sin(turn) * np.cos(bent), np.cos(turn) * np.cos(bent), np.sin(bent))
                points[first + k + 1] = points[first + k] + length * np.array(along)
        return self._sided(points) * self.size

    def joints(self, tx_world_hand: SE3) -> Array:
        """The 21 joints in the world."""
        return tx_world_hand.apply(self.shape())

    def draw(
        self,
        camera: CameraModel,
        tx_world_hand: SE3,
        rgb: NDArray[np.uint8],
        depth: NDArray[np.float32],
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """The hand in front of a picture [H, W, 3] and its depth [H, W] (NaN: far), where it is nearer.

        Returns:
            New picture and depth, the depth in whole millimetres as a 16UC1 image would hold it.
        """
        pose = camera.tx_world_camera.inverse() @ tx_world_hand
        turn, shift = pose.rotation, pose.translation
        v, u = np.mgrid[0 : camera.height, 0 : camera.width]
        rays = np.stack(
            [(u - camera.K[0, 2]) / camera.K[0, 0], (v - camera.K[1, 2]) / camera.K[1, 1], np.ones(u.shape)],
            -1,
        ).reshape(-1, 3)
        length = np.linalg.norm(rays, axis=1)
        pixels, away = self._march(rays / length[:, None] @ turn, -turn.T @ shift)
        metres = away / length[pixels]
        before = ~(np.nan_to_num(depth.ravel(), nan=np.inf)[pixels] < metres)
        pixels, away, metres = pixels[before], away[before], metres[before]
        colours = self._shade(-turn.T @ shift + (rays / length[:, None])[pixels] @ turn * away[:, None], turn)
        picture, far = rgb.reshape(-1, 3).astype(np.float64) / 255, depth.ravel().copy()
        picture[pixels], far[pixels] = colours, np.round(metres * 1000) / 1000
        # As a lens does: edges are not of one pixel alone.
        soft = cv2.GaussianBlur(picture.reshape(rgb.shape), (0, 0), 0.6)
        near = np.zeros(rgb.shape[:2], np.uint8)
        near.ravel()[pixels] = 1
        near = cv2.dilate(near, np.ones((3, 3), np.uint8))
        mixed = np.where(near[..., None] > 0, soft, picture.reshape(rgb.shape))
        return np.asarray(np.round(np.clip(mixed, 0, 1) * 255), np.uint8), far.reshape(depth.shape)

    # ---- inside --------------------------------------------------------------------------------------------
    def _sided(self, points: Array) -> Array:
        return points if self.right else points * np.array([-1.0, 1.0, 1.0])

    def _cones(self) -> tuple[Array, Array, Array, Array]:
        """Ends [n, 3] and radii [n] of all bones."""
        joints = self.shape()
        radii = self.size * np.array([r for finger in _RADII for r in finger])
        pairs = [(k, k + 1) for k in range(4)]
        pairs += [(5 + 4 * f + k, 6 + 4 * f + k) for f in range(4) for k in range(3)] + [(1, 5)]
        ends = [(joints[a], joints[b], radii[a], radii[b]) for a, b in pairs]
        roots = self._sided(np.array(_PALM_ROOTS)) * self.size
        ends += [(root, joints[5 + 4 * f], 0.016, 0.0135) for f, root in enumerate(roots)]
        ends += [(np.array(_FOREARM) * self.size, joints[0], 0.030, 0.024)]
        first, second, thick, thin = zip(*ends, strict=True)
        return np.array(first), np.array(second), np.array(thick), np.array(thin)

    def _distance(self, points: Array) -> Array:
        """From the skin [n], negative inside."""
        first, second, thick, thin = self._cones()
        bones = second - first
        beside = points[:, None] - first[None]
        along = np.clip((beside * bones).sum(-1) / (bones**2).sum(-1), 0, 1)
        each = np.linalg.norm(beside - bones * along[..., None], axis=-1) - (thick + (thin - thick) * along)
        least = each.min(axis=1, keepdims=True)
        return np.asarray(
            (least - _BLEND_M * np.log(np.exp((least - each) / _BLEND_M).sum(1, keepdims=True)))[:, 0]
        )

    def _march(self, directions: Array, eye: Array) -> tuple[NDArray[np.int64], Array]:
        """Rays [n, 3] of unit length that touch the hand: which, and after how many metres."""
        towards = eye - _MIDDLE * self.size
        reach = _REACH_M * max(self.size, 1.0)
        slope = directions @ towards
        inside = slope**2 - (towards @ towards - reach**2)
        rays = np.flatnonzero((inside > 0) & (slope < 0))
        middle, half = -slope[rays], np.sqrt(inside[rays])
        away, touched = np.maximum(middle - half, 0.0), np.zeros(len(rays), dtype=bool)
        going = np.arange(len(rays))
        for _ in range(80):
            if not len(going):
                break
            gap = self._distance(eye + directions[rays[going]] * away[going, None])
            away[going] += gap
            touched[going[gap < 3e-4]] = True
            going = going[(gap >= 3e-4) & (away[going] < (middle + half)[going])]
        return rays[touched], away[touched]

    def _shade(self, points: Array, turn: Array) -> Array:
        """Colours [n, 3] in [0, 1] of points on the skin."""
        step = 5e-4 * np.eye(3)
        normals = np.stack([self._distance(points + s) - self._distance(points - s) for s in step], axis=-1)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
        seen = normals @ turn.T
        lit = np.clip(seen @ _LIGHT, 0, 1)
        half = _LIGHT - np.array([0.0, 0.0, 1.0])
        shine = np.clip(seen @ (half / np.linalg.norm(half)), 0, 1) ** 20
        open_sky = np.clip(self._distance(points + 0.01 * normals) / 0.01, 0, 1)
        bright = (0.45 - 0.12 * seen[:, 1] + 0.65 * lit) * (0.6 + 0.4 * open_sky)
        return np.asarray(np.clip(_SKIN * bright[:, None] + 0.08 * shine[:, None], 0, 1))
