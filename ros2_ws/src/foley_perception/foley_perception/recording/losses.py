"""How many messages were lost, from numbers that their publishers count."""

from __future__ import annotations

import collections

_PUBLISHERS = 32  # whose last numbers are kept apart
_RESTARTED = 10  # a publisher that starts anew is heard at one of its first messages


class PublisherCount:
    """Sequence numbers of one topic. A bag does not say whose they are, so losses are counted where ONE publisher,
    which may have been restarted, explains them all; of several that take turns nothing is claimed."""

    def __init__(self) -> None:
        self.seen = False
        self.several = False
        self._anew = False
        self._lost = 0
        self._newest = 0
        self._older: collections.OrderedDict[int, None] = collections.OrderedDict()

    @property
    def lost(self) -> int:
        return 0 if self.several else self._lost

    def interrupted(self) -> None:
        """What comes next need not follow: nothing was taken meanwhile, and publishers may have been started anew."""
        self._anew = True

    def add(self, sequence: int) -> None:
        """The number of the next message, from 1."""
        if self._anew:
            self._anew = False
            self._newest = sequence
            self._older.clear()
            self.seen = True
            return
        if not self.seen:
            self.seen, self._newest = True, sequence
            return
        if sequence == self._newest + 1:
            self._newest = sequence
            return
        if sequence - 1 in self._older:  # goes on where another one left off
            self.several = True
        elif sequence > self._newest:
            self._lost += sequence - self._newest - 1
        elif sequence > _RESTARTED:
            self.several = True
        else:
            self._older.clear()
        self._older.pop(sequence - 1, None)
        self._older[self._newest] = None
        while len(self._older) > _PUBLISHERS:
            self._older.popitem(last=False)
        self._newest = sequence
