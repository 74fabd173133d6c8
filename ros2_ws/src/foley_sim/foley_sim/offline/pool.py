"""Many jobs in several processes, with progress, going on where a process died."""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import os
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from foley_common.worker_processes import end_with_parent

Job = TypeVar("Job")
Report = TypeVar("Report")
Progress = Callable[[float], None]

_REPORT_S = 0.25
_DEATHS_IN_A_ROW = 3


def work_off(
    jobs: Sequence[Job],
    work: Callable[[Job, Progress], Report],
    *,
    processes: int,
    finished: Callable[[Job], bool],
    report: Callable[[Job], Report | None],
    what: str,
    progress: Progress = lambda amount: None,
    warn: Callable[[str], None] = lambda text: None,
) -> tuple[list[Report], int]:
    """Do all jobs, the first ones first, and return their reports and how many times processes died.

    Args:
        work: does one in another process, and tells its progress; a function of a module.
        finished, report: whether a job's result is there, and its report, after a process died.
        what: the jobs in words.
        progress: called in this thread with what `work` told.
        warn: called with what went wrong and could be mended.

    Raises:
        BrokenProcessPool: processes die again and again without getting on.
        Exception: what a job raised.
    """
    waiting, reports, deaths = list(jobs), list[Report](), 0
    while waiting:
        before = len(waiting)
        try:
            reports += _all(waiting, work, processes, progress)
        except BrokenProcessPool:
            # A process of OpenGL or MuJoCo died. What it had finished stays; the rest is done by new ones.
            deaths += 1
            done = [job for job in waiting if finished(job)]
            reports += [r for r in map(report, done) if r is not None]
            waiting = [job for job in waiting if job not in done]
            warn(
                f"a process died while {len(waiting)} {what} were waiting or under way; new ones go on with them"
            )
            if len(waiting) == before and deaths >= _DEATHS_IN_A_ROW:
                raise
            continue
        break
    return reports, deaths


def _all(
    waiting: Sequence[Job], work: Callable[[Job, Progress], Report], processes: int, progress: Progress
) -> list[Report]:
    """Raises BrokenProcessPool where a process dies."""
    reports: list[Report] = []
    with _pool(min(processes, len(waiting))) as (pool, channel):
        pending = {pool.submit(_call, work, job) for job in waiting}
        while pending:
            done, pending = concurrent.futures.wait(
                pending, _REPORT_S, return_when=concurrent.futures.FIRST_COMPLETED
            )
            _tell(channel, progress)
            reports += [future.result() for future in done]
        _tell(channel, progress)
    return reports


def _tell(channel: Any, progress: Progress) -> None:
    with contextlib.suppress(queue.Empty):
        while True:
            progress(channel.get_nowait())


# ---- worker processes ----------------------------------------------------------------------------------------
_channel: Any = None


@contextlib.contextmanager
def _pool(count: int) -> Iterator[tuple[concurrent.futures.ProcessPoolExecutor, Any]]:
    """Processes made afresh: OpenGL and threads of this one are not inherited."""
    context = multiprocessing.get_context("spawn")
    channel = context.Queue()
    # Every process draws with one thread of its own; more would only wait for each other.
    os.environ.setdefault("LP_NUM_THREADS", "1")
    pool = concurrent.futures.ProcessPoolExecutor(
        count, mp_context=context, initializer=_begin, initargs=(channel,)
    )
    try:
        yield pool, channel
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        channel.close()


def _begin(channel: Any) -> None:
    global _channel
    end_with_parent()
    _channel = channel
    channel.cancel_join_thread()  # a process must not wait at its end for somebody to read its progress


def _call(work: Callable[[Job, Progress], Report], job: Job) -> Report:
    return work(job, _channel.put if _channel is not None else lambda amount: None)
