"""The mean contact sound of training, put wherever the tip is to reach the surface: a regression without a network.

Its level follows the speed of approach. Whoever moves a hand over a scene that was seen can do as much, so a model that
learns must do better.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foley_common.session_file import MOTION_RATE

Array = NDArray[np.float64]

LEAD, LENGTH = 4, 160  # frames of the template before its contact and in all: 1.25 s of ringing
_APART_ROWS = 10  # between touches
_SPEED_ROWS = 3  # before a touch, over which the approach is measured
_SLOWEST = 0.005  # [m/s]
_PAIR_ROWS = 10  # a touch and a sound farther apart do not belong together: 80 ms


@dataclasses.dataclass(frozen=True, eq=False)
class Touches:
    """Where a tip comes down on the surface."""

    rows: Array  # [k] at 125 Hz, between rows
    speeds: Array  # [k] of approach [m/s]


def touches_of(heights: NDArray[np.floating], touch_m: float) -> Touches:
    """Where heights [n] [m] over the surface fall to `touch_m`, each only once the tip has been 2 mm higher again."""
    rows: list[float] = []
    speeds: list[float] = []
    armed = False
    for row in range(1, len(heights)):
        before, now = float(heights[row - 1]), float(heights[row])
        armed = armed or before > touch_m + 0.002
        if armed and now <= touch_m < before and (not rows or row - rows[-1] > _APART_ROWS):
            begin = max(
                row - 1 - _SPEED_ROWS, 0
            )  # up to the row before: after it the tip may be on its way back
            fallen = (float(heights[begin]) - before) / max(row - 1 - begin, 1) * MOTION_RATE
            rows.append(row - 1 + (before - touch_m) / (before - now))
            speeds.append(max(fallen, _SLOWEST))
            armed = False
    return Touches(np.array(rows), np.array(speeds))


@dataclasses.dataclass(frozen=True, eq=False)
class Template:
    """What is put where."""

    levels: Tensor  # [80, LENGTH] over the room's tone in dB, the contact after LEAD frames
    touch_m: float  # height at which the tip counts as touching
    lag_rows: float  # of the sound behind the touch
    usual_speed: float  # log10 of m/s
    db_per_decade: float  # of speed

    @staticmethod
    def fit(
        sessions: Sequence[tuple[NDArray[np.floating], NDArray[np.floating], Tensor]],
        heights_m: Sequence[float] = (0.0, 0.001, 0.002, 0.004),
    ) -> Template:
        """From training sessions.

        Args:
            sessions: heights of the tip [n] [m], rows of true contacts [c], levels over the floor [80, n] in dB.
            heights_m: of which the one is taken at which most contacts lie evenly behind a touch.

        Raises:
            ValueError: no tip comes down near any contact.
        """
        found = [(len(gaps) / (1.0 + np.median(np.abs(gaps - np.median(gaps)))), touch, float(np.median(gaps)))
                 for touch in heights_m if len(gaps := _gaps(sessions, touch))]  # fmt: skip
        if not found:
            raise ValueError("no tip comes down within 80 ms of a contact; there is nothing to learn from")
        _, touch, lag = max(found)
        pieces, speeds = [], []
        for heights, contacts, over in sessions:
            touches = touches_of(heights, touch)
            for row, speed in zip(touches.rows + lag, touches.speeds, strict=True):
                begin = round(float(row)) - LEAD
                if begin >= 0 and begin + LENGTH <= over.shape[1]:
                    later = contacts[contacts > row + _PAIR_ROWS]
                    alone = int(later.min()) - LEAD - begin if len(later) else LENGTH
                    piece = over[:, begin : begin + LENGTH].clone()
                    piece[:, max(alone, 0) :] = torch.nan  # the next contact's
                    pieces.append(piece)
                    speeds.append(np.log10(speed))
        if not pieces:
            raise ValueError("no touch is followed by 1.25 s of sound; there is nothing to learn from")
        stacked, speed = torch.stack(pieces), np.array(speeds)
        loud = stacked[:, :, : LEAD + _PAIR_ROWS].nan_to_num().mean(dim=1).amax(dim=1).double().numpy()
        apart = speed - speed.mean()
        slope = float((apart * loud).sum() / max(np.square(apart).sum(), 1e-9))
        gain = torch.from_numpy(slope * apart).float()[:, None, None]
        alike = torch.where(stacked > 0.0, (stacked - gain).clamp(min=0.0), stacked)  # as at the usual speed
        levels = alike.nanmean(dim=0).nan_to_num()
        return Template(levels, touch, lag, float(speed.mean()), slope)

    def levels_of(self, heights: NDArray[np.floating]) -> Tensor:
        """Of heights [n] [m] the levels over the floor [80, n] in dB."""
        return self.levels_at(touches_of(heights, self.touch_m), len(heights))

    def levels_at(self, touches: Touches, count: int) -> Tensor:
        """Levels over the floor [80, count] in dB of touches; where two sound, the louder one."""
        made = torch.zeros(len(self.levels), count)
        for row, speed in zip(touches.rows + self.lag_rows, touches.speeds, strict=True):
            gain = self.db_per_decade * (np.log10(speed) - self.usual_speed)
            piece = (self.levels + gain * (self.levels > 0.0)).clamp(min=0.0)
            begin = round(float(row)) - LEAD
            first, last = max(begin, 0), min(begin + LENGTH, count)
            if first < last:
                part = piece[:, first - begin : last - begin]
                made[:, first:last] = torch.maximum(made[:, first:last], part)
        return made


def _gaps(
    sessions: Sequence[tuple[NDArray[np.floating], NDArray[np.floating], Tensor]], touch_m: float
) -> Array:
    """Rows from each touch to the contact that belongs to it."""
    found = []
    for heights, contacts, _ in sessions:
        for row in touches_of(heights, touch_m).rows if len(contacts) else ():
            gap = contacts[np.argmin(np.abs(contacts - row))] - row
            if abs(gap) <= _PAIR_ROWS:
                found.append(gap)
    return np.array(found)
