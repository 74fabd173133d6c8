"""Plain data that the live cores exchange with the nodes."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from foley_perception.contact_event import NOWHERE, Point


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
    frame_id: str = ""  # of the position
    model_id: str = ""  # of what predicted it; empty: not known


def distance_m(a: Point, b: Point) -> float:
    """Metres between two points; NaN if either is not known."""
    return math.dist(a, b)
