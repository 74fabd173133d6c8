"""Which static transform of a frame counts, where two publishers tell different ones.

Two robots whose frames bear the same names tell each other's listeners where a camera is. The middleware does not say
who sent a message; the graph says who publishes the topic at the time. That is enough to tell a publisher that was
started again, or that changes its mind alone, from a second one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from foley_perception.geometry.se3 import SE3

_SAME_M = 1e-4
_SAME_RAD = 1e-3

Publishers = Mapping[str, str]  # who publishes now: unique id -> name of the node


@dataclasses.dataclass(frozen=True, eq=False)
class _Telling:
    parent: str
    pose: SE3
    publishers: Publishers  # that may have told it

    def same(self, other: _Telling) -> bool:
        if self.parent != other.parent:
            return False
        metres, radians = self.pose.distance_to(other.pose)
        return float(metres) < _SAME_M and float(radians) < _SAME_RAD

    def __str__(self) -> str:
        place = ", ".join(f"{value:.3f}" for value in self.pose.translation)
        turn = ", ".join(f"{value:.3f}" for value in self.pose.quaternion)
        return f"in `{self.parent}` at ({place}) m, quaternion ({turn})"


class StaticFrames:
    """The first telling of each frame, and those that contradict it. Use it from one thread."""

    def __init__(self) -> None:
        self._first: dict[str, _Telling] = {}
        self._other: dict[str, _Telling] = {}

    def take(self, parent: str, child: str, pose: SE3, publishers: Publishers) -> bool:
        """Whether this transform of ``child`` counts; what contradicts is kept for :meth:`conflicts`."""
        told = _Telling(parent, pose, dict(publishers))
        first = self._first.get(child)
        if first is None or len(publishers) <= 1 or _replaced(first, told, publishers):
            self._first[child] = told
            self._other.pop(child, None)
            return True
        if first.same(told):
            return True
        self._other[child] = told
        return False

    def settle(self, publishers: Publishers) -> list[tuple[str, str, SE3]]:
        """Look again with those who publish now; parent, child and transform of frames that another telling won."""
        won = []
        for child, other in list(self._other.items()):
            first = self._first[child]
            new = set(other.publishers) - set(first.publishers)
            if _replaced(first, other, publishers):
                self._first[child] = other
                won.append((other.parent, child, other.pose))
            elif not new or new & set(publishers):
                continue
            del self._other[child]  # it won, or whoever told it has gone
        return won

    def conflicts(self) -> list[str]:
        """A sentence for each frame that lies at two places."""
        return [
            f"frame `{child}` lies {self._first[child]} and, as another publisher says, {other}: the first is used"
            for child, other in sorted(self._other.items())
        ]


def _replaced(first: _Telling, other: _Telling, alive: Publishers) -> bool:
    """Whether who told the first has gone: all who may have, or one whose node was started again."""
    gone = {name for key, name in first.publishers.items() if key not in alive}
    if len(gone) and all(key not in alive for key in first.publishers):
        return True
    new = {name for key, name in other.publishers.items() if key not in first.publishers and key in alive}
    return bool(gone & new)
