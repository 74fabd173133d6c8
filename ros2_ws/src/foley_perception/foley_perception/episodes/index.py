"""Where in a bag what lies: of a topic's messages, arrival against the positions that they speak of.

A position is a stamp in nanoseconds, or a sample's number in its stream. Arrivals and positions may run on different
clocks, in different order, and apart by any latency: so both are noted, second by second of arrival, and nothing is
concluded from one to the other.
"""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S

Range = tuple[int, int]  # first and last arrival [ns], both within
_ROW = 4  # first and last arrival, lowest and highest position
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


class Index:
    """The messages of one topic, a row for each second in which some arrived."""

    def __init__(self) -> None:
        self.count = 0
        self._rows = array("q")
        self._second = _LOWEST
        self._table: NDArray[np.int64] | None = None

    def add(self, arrival: int, position: int, last: int | None = None) -> None:
        """A message that arrived then and speaks of a position, or of all from ``position`` to ``last``."""
        high = position if last is None else last
        rows, self.count, self._table = self._rows, self.count + 1, None
        if arrival // NS_PER_S != self._second:
            self._second = arrival // NS_PER_S
            rows.extend((arrival, arrival, position, high))
            return
        if arrival > rows[-3]:
            rows[-3] = arrival
        elif arrival < rows[-4]:
            rows[-4] = arrival
        if position < rows[-2]:
            rows[-2] = position
        if high > rows[-1]:
            rows[-1] = high

    @property
    def first(self) -> int:
        """The lowest position. There must be a message."""
        return int(self._rows_of()[:, 2].min())

    @property
    def last(self) -> int:
        """The highest position."""
        return int(self._rows_of()[:, 3].max())

    def steps(self, length: int) -> list[int]:
        """Where steps of a length begin in which there are messages, in order: every message is in one of them."""
        table = self._rows_of()
        found = {at for low, high in table[:, 2:] // length for at in range(low, high + 1)}
        return [int(at) * length for at in sorted(found)]

    def ranges(self, first: int, last: int, *, neighbours: bool = True) -> list[Range]:
        """Arrivals within which everything lies that speaks of positions from ``first`` to ``last``.

        With ``neighbours`` also the nearest before and the nearest behind, however far: interpolation needs them.
        """
        return [(int(row[0]), int(row[1])) for row in self._chosen(first, last, neighbours)]

    def positions(self, first: int, last: int) -> list[Range]:
        """What :meth:`ranges` reads: positions within which all of it lies."""
        return [(int(row[2]), int(row[3])) for row in self._chosen(first, last, True)]

    def _chosen(self, first: int, last: int, neighbours: bool) -> NDArray[np.int64]:
        """Rows [n, 4]."""
        table = self._rows_of()
        if not len(table):
            return table
        chosen = (table[:, 3] >= first) & (table[:, 2] <= last)
        if neighbours:
            before, behind = table[:, 3] < first, table[:, 2] > last
            if before.any():
                chosen[np.argmax(np.where(before, table[:, 3], _LOWEST))] = True
            if behind.any():
                chosen[np.argmin(np.where(behind, table[:, 2], _HIGHEST))] = True
        return table[chosen]

    def _rows_of(self) -> NDArray[np.int64]:
        if self._table is None:
            table = np.array(self._rows, dtype=np.int64).reshape(-1, _ROW)
            if not table[:, 2:].any():  # nobody stamped them: the arrival has to do
                table[:, 2:] = table[:, :2]
            self._table = table
        return self._table


def joined(ranges: list[Range], apart_ns: int = NS_PER_S) -> list[Range]:
    """The same in order, those that overlap or are nearer than ``apart_ns`` to each other as one."""
    result: list[Range] = []
    for first, last in sorted(ranges):
        if result and first - result[-1][1] <= apart_ns:
            result[-1] = (result[-1][0], max(result[-1][1], last))
        else:
            result.append((first, last))
    return result
