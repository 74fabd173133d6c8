"""Which pictures a model sees of a contact: the still from before it, and the frames on the clip's grid."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S

STILL_BEFORE_S = 0.6  # the still shows the place this long before the contact
STILL_AT_LEAST_S = 0.5  # and at least this long
STILL_BACK_S = (
    5.0  # an earlier picture with the tool out of the way is looked for over this long, and no longer
)
CLEAR_M = 0.10  # a tip nearer than this to the contact point is in the way of the still
STALE_NS = 250_000_000  # a frame this much older than its grid time means that the camera stood still


class NoPicture(ValueError):
    """There is no picture that a model could be shown; the message says which is missing."""


def still_index(
    times_ns: Sequence[int] | NDArray[np.int64],  # [n], increasing
    contact_ns: int,
    tool_is_clear: Callable[[int], bool] = lambda time_ns: True,
) -> int:
    """The frame that shows the place before the tool comes near: the nearest to 0.6 s before the contact.

    Only frames at least 0.5 s before the contact count. If the tool is in the way in that frame, the newest
    earlier one in which it is not is taken, if there is one. Frames more than 5 s older than the time wanted (or
    than the newest frame, for a contact that is still to come) do not count: live nodes keep 8 s, a recording keeps
    all, and both must choose the same.

    Raises:
        NoPicture: no frame is old enough, or all that are have been taken too long ago.
    """
    candidates = bisect.bisect_right(times_ns, contact_ns - round(STILL_AT_LEAST_S * NS_PER_S))
    if not candidates:
        raise NoPicture("no frame from before the contact")
    wanted = contact_ns - round(STILL_BEFORE_S * NS_PER_S)
    oldest = min(wanted, int(times_ns[-1])) - round(STILL_BACK_S * NS_PER_S)
    first = bisect.bisect_left(times_ns, oldest)
    if first >= candidates:
        raise NoPicture(f"no frame from the {STILL_BACK_S:g} s before the contact")
    best = min(range(first, candidates), key=lambda i: abs(int(times_ns[i]) - wanted))
    if not tool_is_clear(int(times_ns[best])):
        earlier = reversed(range(first, best))
        best = next((i for i in earlier if tool_is_clear(int(times_ns[i]))), best)
    return best


def frame_indices(
    times_ns: Sequence[int] | NDArray[np.int64],  # [n], increasing
    grid_ns: NDArray[np.int64],  # [m]
) -> NDArray[np.intp]:
    """The newest frame at each time of a grid, [m].

    Raises:
        NoPicture: there is none, or it is older than 0.25 s.
    """
    times = np.asarray(times_ns, dtype=np.int64)
    indices = np.searchsorted(times, grid_ns, side="right") - 1
    if not times.size or indices[0] < 0 or bool(np.any(grid_ns - times[indices] > STALE_NS)):
        raise NoPicture("frames are missing")
    return indices
