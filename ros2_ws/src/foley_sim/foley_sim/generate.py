"""Many offline bags in several processes, with progress and resuming."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import math
import multiprocessing
import os
import queue
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from foley_sim.scene import SPLITS

_REPORT_S = 0.25


@dataclasses.dataclass(frozen=True)
class GenerateConfig:
    """What to generate. Scene seeds run from ``first_seed`` on."""

    out: Path
    split: str = "train"
    scenes: int = 12
    duration_s: float = 40.0
    first_seed: int = 0
    policy_seed: int = 0
    jobs: int = 2
    depth_rate_hz: float = 5.0
    compress: bool = True

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f"--split is `{self.split}`, known are {', '.join(SPLITS)}")
        if self.scenes < 1 or self.jobs < 1:
            raise ValueError(f"--scenes is {self.scenes} and --jobs {self.jobs}, both must be at least 1")
        if self.first_seed < 0 or self.policy_seed < 0:
            raise ValueError(
                f"--seed is {self.first_seed} and --policy-seed {self.policy_seed}, must not be negative"
            )
        if not (math.isfinite(self.duration_s) and 1.0 <= self.duration_s <= 3600.0):
            raise ValueError(f"--duration is {self.duration_s} s, must lie in [1, 3600]")
        if not 0 <= self.depth_rate_hz <= 120:
            raise ValueError(f"--depth-rate is {self.depth_rate_hz} Hz, must lie in [0, 120]")


def generate(
    config: GenerateConfig, progress: Callable[[float], None] = lambda seconds: None
) -> dict[str, Any]:
    """Write all bags that are not there yet and return the figures.

    Args:
        progress: called in this thread with simulated seconds done since the last call.

    Raises:
        ValueError: a folder in the way holds another bag.
        OSError: a folder cannot be written.
    """
    from foley_sim.ros.bag import BagJob, BagReport, finished

    jobs = [
        BagJob(
            folder=config.out / f"{config.split}-{seed:05d}",
            split=config.split,
            scene_seed=seed,
            policy_seed=config.policy_seed,
            duration_s=config.duration_s,
            depth_rate_hz=config.depth_rate_hz,
            compress=config.compress,
        )
        for seed in range(config.first_seed, config.first_seed + config.scenes)
    ]
    config.out.mkdir(parents=True, exist_ok=True)
    waiting = [job for job in jobs if not finished(job)]
    progress((len(jobs) - len(waiting)) * config.duration_s)
    started = time.monotonic()
    reports: list[BagReport] = []
    if waiting:
        with _pool(min(config.jobs, len(waiting))) as (pool, channel):
            pending = {pool.submit(_write, job) for job in waiting}
            while pending:
                done, pending = concurrent.futures.wait(
                    pending, _REPORT_S, return_when=concurrent.futures.FIRST_COMPLETED
                )
                with contextlib.suppress(queue.Empty):
                    while True:
                        progress(channel.get_nowait())
                reports += [future.result() for future in done]
            with contextlib.suppress(queue.Empty):
                while True:
                    progress(channel.get_nowait())
    return _figures(config, reports, len(jobs) - len(waiting), time.monotonic() - started)


def _figures(config: GenerateConfig, reports: list[Any], skipped: int, wall_s: float) -> dict[str, Any]:
    simulated = len(reports) * config.duration_s
    busy = sum(r.wall_s for r in reports)
    actions: Counter[str] = Counter()
    materials: Counter[str] = Counter()
    messages: Counter[str] = Counter()
    for report in reports:
        actions.update(report.actions)
        materials.update(report.materials)
        messages.update(report.messages)
    contacts = sum(r.contacts for r in reports)
    return {
        "split": config.split,
        "first_seed": config.first_seed,
        "scenes_written": len(reports),
        "scenes_skipped": skipped,
        "simulated_s": simulated,
        "wall_s": round(wall_s, 3),
        "jobs": config.jobs,
        "real_time_factor": round(simulated / wall_s, 3) if reports else None,
        "real_time_factor_per_process": round(simulated / busy, 3) if busy else None,
        "contacts": contacts,
        "contacts_per_minute": round(contacts / simulated * 60, 2) if simulated else None,
        "contacts_by_action": dict(sorted(actions.items())),
        "contacts_by_material": dict(sorted(materials.items())),
        "messages": dict(sorted(messages.items())),
        "bytes": sum(r.bytes for r in reports),
    }


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
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    finally:
        pool.shutdown(wait=True)
        channel.close()


def _begin(channel: Any) -> None:
    global _channel
    _channel = channel


def _write(job: Any) -> Any:
    from foley_sim.ros.bag import write_bag

    started = time.monotonic()
    report = write_bag(job, _channel.put if _channel is not None else lambda seconds: None)
    return dataclasses.replace(report, wall_s=time.monotonic() - started)
