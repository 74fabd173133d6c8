"""Work that is done beside the caller's, where there is a second thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


class Beside:
    """One further thread, or none: then work is done at once, in the caller's.

    Python runs in one thread at a time. So what is handed over should be Python, while the caller waits for a network
    that needs none; the other way about the network would wait for Python to begin.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="beside") if threads > 1 else None

    def begin(self, work: Callable[[], Result]) -> Callable[[], Result]:
        """Begin it, and return what waits for its result."""
        if self._pool is None:
            result = work()
            return lambda: result
        return self._pool.submit(work).result
