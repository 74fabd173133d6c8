"""Plain data that the live cores exchange with the nodes."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

NAN = float("nan")
NOWHERE = (NAN, NAN, NAN)
Point = tuple[float, float, float]


@dataclasses.dataclass(frozen=True)
class Contact:
    """One detected contact: the fields of ContactEvent that the cores use."""

    contact_id: str
    time_ns: int  # onset
    object_id: str = ""
    plan_id: str = ""
    position: Point = NOWHERE  # [m] in `frame_id`
    frame_id: str = "world"
    action: str = ""  # `tap`, `scratch`, ...; empty if not known
    confidence: float = 1.0

    @property
    def located(self) -> bool:
        return all(math.isfinite(v) for v in self.position)


@dataclasses.dataclass(frozen=True, eq=False)
class ExpectedSound:
    """A predicted sound, kept until its contact is heard."""

    contact_ns: int
    samples: NDArray[np.float32]  # [n] mono
    onset_s: float  # of the contact within the samples
    sample_rate: int
    plan_id: str = ""
    object_id: str = ""
    position: Point = NOWHERE


def distance_m(a: Point, b: Point) -> float:
    """Metres between two points; NaN if either is not known."""
    return math.dist(a, b)
