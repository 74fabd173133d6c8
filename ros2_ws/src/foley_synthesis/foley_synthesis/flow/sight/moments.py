"""Where a planned tip is at the moments of a session's views, what lies under it, and which views to look at.

Views are held between moments, 4 a second; a thing that is passed over again and again need not be looked at each
time: a few views of each, evenly chosen among those that look at it from near, say what there is to say.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from foley_common.session_file import MOTION_RATE, VIEW_RATE, SessionData
from foley_perception.geometry.height_map import HeightMap
from foley_perception.geometry.se3 import SE3
from foley_synthesis.flow.sight.things import Things

Array = NDArray[np.float64]

NEAR_M = (
    0.12  # a local view shows so much to each side of the tip; from higher up the thing is out of the picture
)
VIEWS_PER_THING = 8
PLACES = 4
"""Numbers that say where a thing is in its view, see `Moments.places`."""


@dataclasses.dataclass(frozen=True, eq=False)
class Moments:
    """Places of a planned tip over things."""

    things: Things
    tip: Array  # [k, 3] in the world [m]
    thing: NDArray[np.int32]  # [k] of `things`; -1: none lies below, or the tip is not near
    rise: Array  # [k] of the tip over the surface [m]

    @staticmethod
    def of(things: Things, tip: Array) -> Moments:
        """Of the places [k, 3] of a tip; those that are NaN are over nothing."""
        where = np.asarray(tip, np.float64)
        rise = where[:, 2] - things.ground.height(where[:, :2])
        under = things.under(where[:, :2])
        with np.errstate(invalid="ignore"):
            under = np.where(rise <= NEAR_M, under, -1)
        return Moments(things, where, np.asarray(under, np.int32), rise)

    def chosen(self, usable: NDArray[np.bool_], per_thing: int = VIEWS_PER_THING) -> NDArray[np.int64]:
        """Moments to look at, in order: of each thing at most so many, evenly among the nearer half of its own.

        Args:
            usable: [k] which moments have a view.
        """
        kept = []
        for thing in range(len(self.things.centres)):
            own = np.flatnonzero((self.thing == thing) & usable)
            near = own[np.argsort(self.rise[own], kind="stable")][: max(per_thing, (len(own) + 1) // 2)]
            near = np.sort(near)
            even = np.linspace(0, len(near) - 1, min(per_thing, len(near))).round().astype(int)
            kept.append(near[even])
        return np.sort(np.concatenate(kept)) if kept else np.zeros(0, np.int64)

    def forms(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """What the height map says of the thing below [rows, forms + PLACES], finite, of moments over a thing."""
        return np.concatenate([self.things.forms[self.thing[rows]], self.places(rows)], axis=1)

    def places(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Where the thing is seen from a moment's tip [rows, 4]: the rise, and the way to its centre in x and y [dm],
        and how far that is."""
        way = 10 * (self.things.centres[self.thing[rows]] - self.tip[rows, :2])
        distance = np.linalg.norm(way, axis=1, keepdims=True)
        return np.concatenate([10 * self.rise[rows, None], way, distance], axis=1).astype(np.float32)


def planned_tips(session: SessionData) -> Array:
    """Where the tip is planned to be at every row of motion [n, 3] [m]."""
    return tips_of(session.planned_pose.astype(np.float64), session.tool_tip.astype(np.float64))


def tips_of(poses: Array, tool_tip: Array) -> Array:
    """Ends [n, 3] of a tool with poses [n, 7] and the end's own pose [7] in the tool."""
    tool = SE3(poses[:, 3:], poses[:, :3])
    end = SE3(tool_tip[3:], tool_tip[:3])
    return np.asarray((tool @ end).translation)


def session_moments(session: SessionData) -> Moments:
    """Of a session's views.

    Raises:
        ValueError: nothing was seen of its surface.
    """
    things = Things.of(HeightMap.from_points(session.points()))
    tips = planned_tips(session)
    return Moments.of(things, tips[np.minimum(view_rows(len(tips), session.views), len(tips) - 1)])


def view_rows(rows: int, views: int | None = None) -> NDArray[np.int64]:
    """Rows of a motion at 125 Hz at which it has views, 4 a second.

    Args:
        rows: of the motion.
        views: how many there are; None: as many as begin within the motion.
    """
    count = -(-rows * VIEW_RATE // MOTION_RATE) if views is None else views
    return np.round(np.arange(count) * MOTION_RATE / VIEW_RATE).astype(np.int64)
