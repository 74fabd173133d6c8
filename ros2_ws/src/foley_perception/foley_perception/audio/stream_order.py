"""Where a chunk belongs in its stream: next, later than it should have come, or in a stream that began anew."""

from __future__ import annotations

import enum

_HOLES = 64


class Place(enum.Enum):
    """Of a chunk by its first_sample."""

    NEXT = enum.auto()  # behind all others, perhaps after a gap
    LATE = enum.auto()  # fills a gap: what carried it put messages out of order
    BACK = enum.auto()  # where samples were already: the source began anew and kept its name


class StreamOrder:
    """Follows the chunks of one stream."""

    def __init__(self) -> None:
        self._end: int | None = None
        self._holes: list[tuple[int, int]] = []

    def place(self, first_sample: int, frames: int) -> Place:
        """Where the next chunk belongs; after BACK this follows the new stream."""
        stop = first_sample + frames
        if self._end is None or first_sample >= self._end:
            if self._end is not None and first_sample > self._end:
                self._holes = [*self._holes[1 - _HOLES :], (self._end, first_sample)]
            self._end = stop
            return Place.NEXT
        for i, (low, high) in enumerate(self._holes):
            if low <= first_sample and stop <= high:
                rest = [(low, first_sample), (stop, high)]
                self._holes[i : i + 1] = [(a, b) for a, b in rest if a < b]
                return Place.LATE
        self._end, self._holes = stop, []
        return Place.BACK
