"""Hands over time: which is left and which right, how sure, smoothed; a hand that is not seen is NaN.

The filter is the One Euro filter (Casiez et al. 2012): calm when the hand rests, quick when it moves.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S

Array = NDArray[np.float64]
_PARTS = (slice(0, 1), *(slice(1 + 4 * finger, 5 + 4 * finger) for finger in range(5)))
"""Wrist and fingers."""
_SPEED_HZ = 3.0
"""Cut-off of the speeds themselves: a tap is over in a tenth of a second."""


@dataclasses.dataclass(frozen=True)
class TrackConfig:
    """How hands are followed.

    Raises:
        ValueError: a number that cannot be.
    """

    calm_hz: float = 1.5  # cut-off of a hand that rests
    quick_per_m: float = 40.0  # by how much a speed of 1 m/s raises it [Hz / (m/s)]
    gap_s: float = 0.25  # after so long unseen a hand starts anew
    jump_m: float = 0.35  # a hand that moves farther between pictures is another, or wrong
    switch: int = 3  # so many pictures in a row must say the other side

    def __post_init__(self) -> None:
        if not (
            self.calm_hz > 0
            and self.quick_per_m >= 0
            and self.gap_s > 0
            and self.jump_m > 0
            and self.switch >= 1
        ):
            raise ValueError(
                f"{self}: calm_hz, gap_s and jump_m must be positive, quick_per_m not negative, switch >= 1"
            )


@dataclasses.dataclass(frozen=True, eq=False)
class Candidate:
    """A hand as one picture shows it."""

    keypoints: Array  # [21, 3] world
    right: float  # probability
    confidence: float  # in [0, 1]


@dataclasses.dataclass
class _Hand:
    time_ns: int
    smooth: Array  # [21, 3]
    seen: Array  # [21, 3] as they came
    speed: Array  # [parts, 3]
    against: int = 0  # pictures in a row that say the other side


class HandTracker:
    """Candidates of each picture in, both hands out: left first, NaN where absent."""

    def __init__(self, config: TrackConfig | None = None) -> None:
        self.config = config or TrackConfig()
        self._hands: list[_Hand | None] = [None, None]
        self.jumps = 0

    def update(self, time_ns: int, seen: list[Candidate]) -> tuple[Array, Array]:
        """Keypoints [2, 21, 3] and confidences [2]; 0 where absent.

        A time before the last one starts anew.
        """
        newest = max((hand.time_ns for hand in self._hands if hand is not None), default=time_ns)
        for side, hand in enumerate(self._hands):
            if hand is not None and (
                time_ns < newest or (time_ns - hand.time_ns) > self.config.gap_s * NS_PER_S
            ):
                self._hands[side] = None
        keypoints, confidence = np.full((2, 21, 3), np.nan), np.zeros(2)
        for side, candidate in self._sides([c for c in seen if np.isfinite(c.keypoints).all()]).items():
            keypoints[side] = self._smoothed(side, time_ns, candidate.keypoints)
            confidence[side] = candidate.confidence
        return keypoints, confidence

    def _sides(self, seen: list[Candidate]) -> dict[int, Candidate]:
        """Who is left and who right: near a known hand the place decides, else what the network says."""
        chosen: dict[int, Candidate] = {}
        for candidate in sorted(seen, key=lambda c: -c.confidence):
            says = int(candidate.right >= 0.5)
            near = [
                (float(np.linalg.norm(candidate.keypoints.mean(0) - hand.smooth.mean(0))), side)
                for side, hand in enumerate(self._hands)
                if hand is not None and side not in chosen
            ]
            distance, side = min(near, default=(np.inf, says))
            if distance > self.config.jump_m:
                if any(s == says for _, s in near):
                    self.jumps += 1
                    self._hands[says] = None
                side = says
            elif side != says:
                hand = self._hands[side]
                assert hand is not None
                hand.against += 1
                if hand.against >= self.config.switch:
                    self._hands[side], side = None, says
            elif (hand := self._hands[side]) is not None:
                hand.against = 0
            if side not in chosen:
                chosen[side] = candidate
            elif 1 - side not in chosen and says == 1 - side:
                chosen[1 - side] = candidate
        return chosen

    def _smoothed(self, side: int, time_ns: int, points: Array) -> Array:
        hand = self._hands[side]
        if hand is None or time_ns <= hand.time_ns:
            self._hands[side] = _Hand(time_ns, points.copy(), points.copy(), np.zeros((len(_PARTS), 3)))
            return points.copy()
        step = (time_ns - hand.time_ns) / NS_PER_S
        # A finger's speed sets the cut-off for all its joints: it keeps its shape, and taps while the hand rests.
        moved = (points - hand.seen) / step
        speed = np.stack([moved[part].mean(axis=0) for part in _PARTS])
        hand.speed += _weight(_SPEED_HZ, step) * (speed - hand.speed)
        for part, each in zip(_PARTS, hand.speed, strict=True):
            cut = self.config.calm_hz + self.config.quick_per_m * float(np.linalg.norm(each))
            hand.smooth[part] += _weight(cut, step) * (points[part] - hand.smooth[part])
        hand.time_ns, hand.seen = time_ns, points.copy()
        return hand.smooth.copy()


def _weight(cut_hz: float, step_s: float) -> float:
    """Of the new value in a low-pass of first order."""
    return 1.0 / (1.0 + 1.0 / (2 * np.pi * cut_hz * step_s))
