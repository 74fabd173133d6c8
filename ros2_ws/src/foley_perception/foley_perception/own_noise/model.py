"""What a robot is expected to sound like while it touches nothing, from the speeds of its joints.

The power density of a band is a floor, which does not depend on motion, and for each joint a function of its speed
that is 0 at rest, positive, and linear between a few speeds (templates by joint state as of Ince et al., IROS 2009,
but for each joint by itself: powers of sources that know nothing of each other add up). Speeds beyond those that were
learnt count as the fastest that were, and are told.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.own_noise.bands import overlaps_hz

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

BEYOND = 1.25  # times the fastest that was learnt is a speed of which nothing is known
BEYOND_DB = 6.0  # that the noise may then be louder


@dataclasses.dataclass(frozen=True, eq=False)
class Expected:
    """Own noise at some times."""

    density: Array  # [t, bands] mean square per hertz; 0 where it is not known
    wider_db: Array  # [t] by which it may be louder than the model's own spread says
    known: Flags  # [t]


@dataclasses.dataclass(frozen=True, eq=False)
class OwnNoise:
    """The model. Speeds in the unit of the joints' positions per second."""

    joints: tuple[str, ...]
    edges_hz: Array  # [bands + 1]
    knots: Array  # [joints, knots] speeds, increasing from above 0
    floor: Array  # [bands] mean square per hertz
    rise: (
        Array  # [joints, directions, knots, bands] that is added at each knot; 1 direction or 2 (forth, back)
    )
    spread_db: Array  # [bands] standard deviation of what was heard against it, on what was held out
    sample_rate: int  # of the microphone [Hz]
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # microphone, robot, date, ...

    def __post_init__(self) -> None:
        joints, bands = len(self.joints), len(self.edges_hz) - 1
        knots, directions = self.knots.shape[-1], self.rise.shape[1] if self.rise.ndim == 4 else 0
        shapes = {
            "knots": (self.knots, (joints, knots)),
            "floor": (self.floor, (bands,)),
            "rise": (self.rise, (joints, directions, knots, bands)),
            "spread_db": (self.spread_db, (bands,)),
        }
        for name, (values, wanted) in shapes.items():
            if values.shape != wanted:
                raise ValueError(f"{name} has shape {list(values.shape)}, expected {list(wanted)}")
            if not np.isfinite(values).all() or (values < 0).any():
                raise ValueError(f"{name} holds numbers that are negative or not finite")
        if directions not in (1, 2):
            raise ValueError(f"rise has {directions} directions, expected 1 or 2")
        if (np.diff(self.knots, axis=1, prepend=0.0) <= 0).any():
            raise ValueError("knots do not increase from above 0")
        if bands < 1 or not (np.diff(self.edges_hz) > 0).all():
            raise ValueError("edges_hz do not increase")

    @property
    def signed(self) -> bool:
        """Whether both directions of a joint were learnt apart."""
        return bool(self.rise.shape[1] == 2)

    def expect(self, speeds: Array) -> Expected:
        """Own noise at speeds [t, joints], signed; NaN where they are not known."""
        known = np.asarray(np.isfinite(speeds).all(axis=1))
        sure = np.where(known[:, None], speeds, 0.0)
        weights = basis(sure, self.knots, signed=self.signed)
        density = self.floor + weights @ self.rise.reshape(-1, len(self.floor))
        beyond = (np.abs(sure) > BEYOND * self.knots[:, -1]).any(axis=1)
        return Expected(
            np.where(known[:, None], density, 0.0), np.where(beyond & known, BEYOND_DB, 0.0), known
        )

    def into_bands(self, edges_hz: Array, *, spreads: float = 0.0) -> Array:
        """[bands, others] that makes mean squares in other bands of densities, so many spreads above the mean."""
        loudest = 10.0 ** (spreads * self.spread_db[:, None] / 10.0)
        return np.asarray(overlaps_hz(self.edges_hz, edges_hz).T * loudest)

    def levels(self, expected: Expected, into: Array) -> Array:
        """Mean square [dB] in other bands, [t, others], by :meth:`into_bands`; -inf where it is not known."""
        power = expected.density @ into
        with np.errstate(divide="ignore"):
            return np.asarray(10.0 * np.log10(power) + expected.wider_db[:, None])


def basis(
    speeds: Array, knots: Array, *, signed: bool
) -> Array:  # [t, joints] -> [t, joints * directions * knots]
    """Weights of the knots: 1 at the knot, falling to 0 at its neighbours and at rest; the last holds beyond."""
    directions = (np.maximum(speeds, 0.0), np.maximum(-speeds, 0.0)) if signed else (np.abs(speeds),)
    t, (joints, k) = len(speeds), knots.shape
    ends = np.concatenate([np.zeros((joints, 1)), knots], axis=1)
    joint = np.arange(joints)
    found = np.zeros((t, joints, len(directions), k + 1))
    for d, one in enumerate(directions):
        left = np.minimum(np.count_nonzero(one[:, :, None] >= ends[:, 1:], axis=2), k - 1)
        low, high = ends[joint, left], ends[joint, left + 1]
        share = np.minimum((one - low) / (high - low), 1.0)
        np.put_along_axis(found[:, :, d], left[:, :, None], 1.0 - share[:, :, None], axis=2)
        np.put_along_axis(found[:, :, d], left[:, :, None] + 1, share[:, :, None], axis=2)
    return found[..., 1:].reshape(t, -1)  # at rest there is nothing to be added
