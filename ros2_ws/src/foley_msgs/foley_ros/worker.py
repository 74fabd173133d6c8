"""A worker thread with a bounded inbox, owned by a node.

Callbacks of a node run in the executor's thread: they store and call :meth:`Worker.put`. The worker's thread
calls ``handle(item)`` for each item in order; results are published from there (rclpy publishers may be used
from any thread). When the inbox is full the OLDEST item is dropped and counted: for live work new data is
worth more than old. An exception in ``handle`` is kept for diagnostics and the thread goes on.
"""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Worker(Generic[Item]):
    """Run ``handle`` on queued items in one thread.

    Args:
        handle: called with each item, in the worker's thread.
        capacity: items held before the oldest is dropped.
        on_error: called in the worker's thread with any exception of ``handle``.
    """

    def __init__(
        self,
        handle: Callable[[Item], None],
        *,
        name: str,
        capacity: int = 64,
        on_error: Callable[[Exception], None] | None = None,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}, must be at least 1")
        self._handle = handle
        self._on_error = on_error
        self._inbox: collections.deque[Item] = collections.deque()
        self._capacity = capacity
        self._condition = threading.Condition()
        self._stopping = False
        self._busy = False
        self.dropped = 0
        self.errors = 0
        self.last_error = ""
        # Not a daemon: a daemon thread inside rclpy at interpreter exit aborts the process.
        self._thread = threading.Thread(target=self._run, name=name)
        self._thread.start()

    def put(self, item: Item) -> None:
        with self._condition:
            if self._stopping:
                return
            if len(self._inbox) >= self._capacity:
                self._inbox.popleft()
                self.dropped += 1
            self._inbox.append(item)
            self._condition.notify()

    def pending(self) -> int:
        with self._condition:
            return len(self._inbox) + int(self._busy)

    def stop(self, *, drain: bool = False, timeout_s: float = 10.0) -> bool:
        """End the thread, first handling what is queued if ``drain``. False if it did not end in time."""
        with self._condition:
            if not drain:
                self._inbox.clear()
            self._stopping = True
            self._condition.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._condition:
                self._busy = False
                while not self._inbox and not self._stopping:
                    self._condition.wait()
                if not self._inbox:
                    return
                item = self._inbox.popleft()
                self._busy = True
            try:
                self._handle(item)
            except Exception as error:  # noqa: BLE001 - one bad item must not end the node
                self.errors += 1
                self.last_error = f"{type(error).__name__}: {error}"
                if self._on_error is not None:
                    self._on_error(error)
