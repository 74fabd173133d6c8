"""Many sources, each cut by itself in a process of its own: what befalls one costs that one."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol, TypeVar

from foley_common.worker_processes import end_with_parent

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


class Spread(Protocol):
    """A way to have work done on many items at a time: `each` of here, with its number of workers, or that of Ray."""

    def __call__(
        self, items: Sequence[_Item], work: Callable[[_Item], _Made | str]
    ) -> Iterator[tuple[_Item, _Made | str]]: ...


DIED = "its worker process died, as when memory runs out: give more memory, or fewer --workers at a time"


def each(
    items: Sequence[_Item], work: Callable[[_Item], _Made | str], workers: int
) -> Iterator[tuple[_Item, _Made | str]]:
    """What becomes of each item, in the order in which they are done; why it failed, as a string.

    ``work`` must be a module's function, with arguments that can be sent to another process. A worker that dies takes
    the others of its pool along: each that was in work then is tried once more, alone.
    """
    if min(workers, len(items)) <= 1:
        for item in items:
            yield item, done_or_why(lambda item=item: work(item))  # type: ignore[misc]
        return
    waiting = collections.deque(items)
    suspects: list[_Item] = []
    while waiting:
        with _pool(min(workers, len(waiting))) as pool:
            running: dict[concurrent.futures.Future[_Made | str], _Item] = {}
            broken = False
            while running or (waiting and not broken):
                while waiting and not broken and len(running) < workers:
                    try:
                        running[pool.submit(work, waiting[0])] = waiting[0]
                        waiting.popleft()
                    except BrokenProcessPool:
                        broken = True
                if not running:
                    break
                ready, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in ready:
                    item = running.pop(future)
                    if isinstance(future.exception(), BrokenProcessPool):
                        broken = True
                        suspects.append(item)
                    else:
                        yield item, done_or_why(future.result)
    for item in suspects:
        with _pool(1) as pool:
            yield item, done_or_why(pool.submit(work, item).result)


def done_or_why(result: Callable[[], _Made | str]) -> _Made | str:
    """A result, or why there is none: whatever one source does must not end the others."""
    try:
        return result()
    except BrokenProcessPool:
        return DIED
    except Exception as error:  # noqa: BLE001 - a fault of ours on an input of one kind
        return f"cannot be used ({type(error).__name__}: {error})"


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[concurrent.futures.ProcessPoolExecutor]:
    # Spawned, not forked: the caller may hold threads and middleware.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(
        workers, mp_context=context, initializer=end_with_parent
    ) as pool:
        yield pool
