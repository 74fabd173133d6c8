"""Rigid transforms, one or a batch of them.

Names say what a transform does: ``tx_world_tool`` takes points given in the tool frame to the world frame, so
that ``tx_world_tip = tx_world_tool @ tx_tool_tip`` reads from left to right. Quaternions are (x, y, z, w), as
in ROS.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

# Below this angle [rad] the sine quotients of SLERP lose digits; linear interpolation is then exact to 1e-13.
_SLERP_SMALL_ANGLE = 1e-6


@dataclasses.dataclass(frozen=True, eq=False)
class SE3:
    """Rotation and translation with batch shape [...].

    Args:
        quaternion: [..., 4] as (x, y, z, w); normalised here. NaN is allowed and means "not known".
        translation: [..., 3] in metres.

    Raises:
        ValueError: wrong last dimension, batch shapes that do not broadcast, or a quaternion of length zero.
    """

    quaternion: Array
    translation: Array

    def __post_init__(self) -> None:
        q = np.asarray(self.quaternion, dtype=np.float64)
        t = np.asarray(self.translation, dtype=np.float64)
        if q.shape[-1:] != (4,) or t.shape[-1:] != (3,):
            raise ValueError(
                f"quaternion {q.shape} and translation {t.shape}: expected [..., 4] and [..., 3]"
            )
        batch = np.broadcast_shapes(q.shape[:-1], t.shape[:-1])
        norm = np.linalg.norm(q, axis=-1, keepdims=True)
        if np.any(norm < 1e-9):
            raise ValueError("quaternion has length 0; the identity is (0, 0, 0, 1)")
        object.__setattr__(self, "quaternion", np.broadcast_to(q / norm, (*batch, 4)))
        object.__setattr__(self, "translation", np.broadcast_to(t, (*batch, 3)))

    # ---- construction ----------------------------------------------------------------------------------
    @staticmethod
    def identity(*batch: int) -> SE3:
        return SE3(np.broadcast_to(np.array([0.0, 0.0, 0.0, 1.0]), (*batch, 4)), np.zeros((*batch, 3)))

    @staticmethod
    def from_translation(translation: ArrayLike) -> SE3:
        return SE3(np.array([0.0, 0.0, 0.0, 1.0]), np.asarray(translation, dtype=np.float64))

    @staticmethod
    def from_rotation_vector(rotation: ArrayLike, translation: ArrayLike = (0.0, 0.0, 0.0)) -> SE3:
        """From an axis times an angle [..., 3] in radians."""
        r = np.asarray(rotation, dtype=np.float64)
        angle = np.linalg.norm(r, axis=-1, keepdims=True)
        # sin(a / 2) / a, which is 1/2 in the limit.
        factor = 0.5 * np.sinc(angle / (2.0 * np.pi))
        return SE3(
            np.concatenate([r * factor, np.cos(angle / 2.0)], axis=-1),
            np.asarray(translation, dtype=np.float64),
        )

    @staticmethod
    def from_matrix(matrix: ArrayLike) -> SE3:
        """From homogeneous matrices [..., 4, 4]."""
        m = np.asarray(matrix, dtype=np.float64)
        if m.shape[-2:] != (4, 4):
            raise ValueError(f"matrix has shape {m.shape}, expected [..., 4, 4]")
        return SE3(quaternion_from_rotation(m[..., :3, :3]), m[..., :3, 3])

    @staticmethod
    def from_rotation(rotation: ArrayLike, translation: ArrayLike = (0.0, 0.0, 0.0)) -> SE3:
        """From rotation matrices [..., 3, 3]."""
        return SE3(
            quaternion_from_rotation(np.asarray(rotation, dtype=np.float64)),
            np.asarray(translation, dtype=np.float64),
        )

    # ---- views -----------------------------------------------------------------------------------------
    @property
    def batch(self) -> tuple[int, ...]:
        return self.translation.shape[:-1]

    @property
    def rotation(self) -> Array:
        """Rotation matrices [..., 3, 3]; columns are the child frame's axes in the parent frame."""
        x, y, z, w = np.moveaxis(self.quaternion, -1, 0)
        rows = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)

    @property
    def rotation_vector(self) -> Array:
        """The axis times the angle [..., 3] in radians, at most pi long."""
        q = np.where(self.quaternion[..., 3:] < 0, -self.quaternion, self.quaternion)
        half = np.linalg.norm(q[..., :3], axis=-1, keepdims=True)
        angle = 2.0 * np.arctan2(half, q[..., 3:])
        # angle / sin(angle / 2), which is 2 in the limit.
        return np.asarray(q[..., :3] * np.where(half < 1e-12, 2.0, angle / np.maximum(half, 1e-12)))

    @property
    def matrix(self) -> Array:
        """Homogeneous matrices [..., 4, 4]."""
        m = np.zeros((*self.batch, 4, 4))
        m[..., :3, :3] = self.rotation
        m[..., :3, 3] = self.translation
        m[..., 3, 3] = 1.0
        return m

    @property
    def finite(self) -> NDArray[np.bool_]:
        """Which of the batch are fully known, [...] bool."""
        return np.asarray(
            np.isfinite(self.quaternion).all(axis=-1) & np.isfinite(self.translation).all(axis=-1)
        )

    def __getitem__(self, index: object) -> SE3:
        """Select along the batch, as an array would: ``poses[3]``, ``poses[mask]``, ``poses[:, None]``."""
        key = index if isinstance(index, tuple) else (index,)
        return SE3(
            self.quaternion[(*key, Ellipsis, slice(None))], self.translation[(*key, Ellipsis, slice(None))]
        )

    def __len__(self) -> int:
        if not self.batch:
            raise TypeError("a single transform has no length")
        return self.batch[0]

    # ---- algebra ---------------------------------------------------------------------------------------
    def compose(self, other: SE3) -> SE3:
        """First ``other``, then this one."""
        return SE3(quaternion_multiply(self.quaternion, other.quaternion), self.apply(other.translation))

    def __matmul__(self, other: SE3) -> SE3:
        return self.compose(other)

    def inverse(self) -> SE3:
        conjugate = self.quaternion * np.array([-1.0, -1.0, -1.0, 1.0])
        return SE3(conjugate, -rotate(conjugate, self.translation))

    def apply(self, points: ArrayLike) -> Array:
        """Points [..., 3] in the child frame, given in the parent frame. Batches broadcast."""
        return rotate(self.quaternion, np.asarray(points, dtype=np.float64)) + self.translation

    def rotate(self, vectors: ArrayLike) -> Array:
        """Directions [..., 3]: the rotation without the translation."""
        return rotate(self.quaternion, np.asarray(vectors, dtype=np.float64))

    def interpolate(self, other: SE3, fraction: ArrayLike) -> SE3:
        """Between this (0) and ``other`` (1): linear in translation, SLERP along the shorter arc."""
        f = np.asarray(fraction, dtype=np.float64)[..., None]
        return SE3(
            slerp(self.quaternion, other.quaternion, f),
            self.translation * (1.0 - f) + other.translation * f,
        )

    def distance_to(self, other: SE3) -> tuple[Array, Array]:
        """Metres between the origins and radians between the orientations, each [...]."""
        delta = self.inverse() @ other
        sine = np.linalg.norm(delta.quaternion[..., :3], axis=-1)
        angle = 2.0 * np.arctan2(sine, np.abs(delta.quaternion[..., 3]))
        return np.linalg.norm(self.translation - other.translation, axis=-1), angle


def stack(poses: list[SE3]) -> SE3:
    """A batch [n, ...] from n transforms."""
    return SE3(np.stack([p.quaternion for p in poses]), np.stack([p.translation for p in poses]))


def interpolate_at(
    times_ns: NDArray[np.int64],  # [n], increasing
    poses: SE3,  # [n]
    query_ns: NDArray[np.int64],  # [m]
    *,
    max_gap_s: float = np.inf,
) -> SE3:
    """Poses [m] at the asked times: linear and SLERP between neighbours, NaN outside and in gaps over
    ``max_gap_s``.

    Raises:
        ValueError: no poses, or times that do not increase.
    """
    times = np.asarray(times_ns, dtype=np.int64)
    query = np.asarray(query_ns, dtype=np.int64)
    if times.size == 0 or poses.batch != times.shape:
        raise ValueError(f"{times.shape} times and {poses.batch} poses: need the same number, at least one")
    if np.any(np.diff(times) <= 0):
        raise ValueError("times_ns does not increase")
    right = np.clip(np.searchsorted(times, query, side="left"), 0, times.size - 1)
    exact = times[right] == query
    left = np.where(exact, right, np.maximum(right - 1, 0))
    span = (times[right] - times[left]).astype(np.float64)
    fraction = np.where(span > 0, (query - times[left]) / np.maximum(span, 1.0), 0.0)
    result = poses[left].interpolate(poses[right], fraction)
    unknown = (query < times[0]) | (query > times[-1]) | (span > max_gap_s * 1e9)
    q, t = result.quaternion.copy(), result.translation.copy()
    q[unknown] = np.nan
    t[unknown] = np.nan
    return SE3(q, t)


def rotate(quaternion: Array, vectors: Array) -> Array:
    """Vectors [..., 3] turned by unit quaternions [..., 4]."""
    u, w = quaternion[..., :3], quaternion[..., 3:]
    twice = 2.0 * cross(u, vectors)
    return np.asarray(vectors + w * twice + cross(u, twice))


def cross(a: Array, b: Array) -> Array:
    """Vector products [..., 3]; numpy's own takes several times as long for a few vectors."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    result = np.empty((*np.shape(x), 3))
    result[..., 0], result[..., 1], result[..., 2] = x, y, z
    return result


def quaternion_multiply(a: Array, b: Array) -> Array:
    """Hamilton product of quaternions [..., 4] (x, y, z, w)."""
    av, aw, bv, bw = a[..., :3], a[..., 3:], b[..., :3], b[..., 3:]
    vector = aw * bv + bw * av + cross(av, bv)
    scalar = aw * bw - np.sum(av * bv, axis=-1, keepdims=True)
    return np.concatenate([vector, scalar], axis=-1)


def quaternion_from_rotation(rotation: Array) -> Array:
    """Unit quaternions [..., 4] of rotation matrices [..., 3, 3].

    Of the four equivalent formulas the one that divides by the largest component is taken (Shepperd 1978).
    """
    r = np.asarray(rotation, dtype=np.float64)
    if r.shape[-2:] != (3, 3):
        raise ValueError(f"rotation has shape {r.shape}, expected [..., 3, 3]")
    m00, m11, m22 = r[..., 0, 0], r[..., 1, 1], r[..., 2, 2]
    a, b, c = r[..., 2, 1] - r[..., 1, 2], r[..., 0, 2] - r[..., 2, 0], r[..., 1, 0] - r[..., 0, 1]
    d, e, f = r[..., 0, 1] + r[..., 1, 0], r[..., 0, 2] + r[..., 2, 0], r[..., 1, 2] + r[..., 2, 1]
    squares = np.stack(
        [1 + m00 - m11 - m22, 1 - m00 + m11 - m22, 1 - m00 - m11 + m22, 1 + m00 + m11 + m22], -1
    )
    candidates = np.stack(
        [
            np.stack([squares[..., 0], d, e, a], -1),
            np.stack([d, squares[..., 1], f, b], -1),
            np.stack([e, f, squares[..., 2], c], -1),
            np.stack([a, b, c, squares[..., 3]], -1),
        ],
        axis=-2,
    )
    best = np.argmax(squares, axis=-1)[..., None, None]
    chosen = np.take_along_axis(candidates, np.broadcast_to(best, (*best.shape[:-1], 4)), axis=-2)[..., 0, :]
    return np.asarray(chosen / np.linalg.norm(chosen, axis=-1, keepdims=True))


def slerp(a: Array, b: Array, fraction: Array) -> Array:
    """Unit quaternions between ``a`` and ``b`` [..., 4] along the shorter arc; ``fraction`` is [..., 1]."""
    dot = np.sum(a * b, axis=-1, keepdims=True)
    b = np.where(dot < 0, -b, b)
    # atan2 of the chord keeps its digits for small angles, where arccos of the dot product does not.
    angle = 2.0 * np.arctan2(
        np.linalg.norm(b - a, axis=-1, keepdims=True), np.linalg.norm(b + a, axis=-1, keepdims=True)
    )
    small = angle < _SLERP_SMALL_ANGLE
    sine = np.where(small, 1.0, np.sin(angle))
    weight_a = np.where(small, 1.0 - fraction, np.sin((1.0 - fraction) * angle) / sine)
    weight_b = np.where(small, fraction, np.sin(fraction * angle) / sine)
    mixed = weight_a * a + weight_b * b
    return np.asarray(mixed / np.linalg.norm(mixed, axis=-1, keepdims=True))
