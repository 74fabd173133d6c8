"""What all benchmarks share: their command line, and how long something takes."""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path


def parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """Options of ``python -m benchmarks.NAME``: with ``--out``, the folder of its metrics.json."""
    made = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--out", type=Path, default=Path("out") / f"bench_{name}", help="default: %(default)s")
    return made


def ended_by_signals() -> None:
    """Let SIGTERM end the benchmark as Ctrl-C does: with what it started."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def times(
    work: Callable[[], object],
    repeats: int,
    *,
    warm_up: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Seconds of each run, after some that warm up."""
    for _ in range(warm_up):
        work()
    found = []
    for _ in range(repeats):
        began = clock()
        work()
        found.append(clock() - began)
    return found


def best(work: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest run."""
    return min(times(work, repeats))


def best_processor(work: Callable[[], object], repeats: int) -> float:
    """Seconds of processor time of the fastest run; nothing warms up."""
    return min(times(work, repeats, warm_up=0, clock=time.process_time))


def median_ms(work: Callable[[], object], repeats: int) -> float:
    """Milliseconds, after three runs that warm up."""
    return 1e3 * statistics.median(times(work, repeats, warm_up=3))
