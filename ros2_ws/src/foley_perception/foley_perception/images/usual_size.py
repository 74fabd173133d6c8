"""Of a stream of images: which size is theirs."""

from __future__ import annotations

_PERSISTENT = 30  # images of another size in a row are a new size; fewer are mistakes


class UsualSize:
    """The size of most images so far: the first one's, until thirty in a row have another."""

    def __init__(self) -> None:
        self.size: tuple[int, int] | None = None  # width, height
        self._other: tuple[int, int] | None = None
        self._count = 0

    def takes(self, size: tuple[int, int]) -> bool:
        """Whether an image of this size belongs to the others."""
        if self.size is None or size == self.size:
            self.size, self._other, self._count = size, None, 0
            return True
        self._count = self._count + 1 if size == self._other else 1
        self._other = size
        if self._count < _PERSISTENT:
            return False
        self.size, self._other, self._count = size, None, 0
        return True
