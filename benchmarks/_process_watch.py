"""Processor time and memory of a process, second by second."""

from __future__ import annotations

import itertools
import os
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_TICK = os.sysconf("SC_CLK_TCK")
_WINDOW_S = 10


class Sample(NamedTuple):
    time_s: float
    user_s: float
    system_s: float
    private_mib: float  # memory of its own
    shared_mib: float  # segments of the middleware, and files


class ProcessWatch:
    """Samples while its ``with`` block runs."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid)
        self.samples: list[Sample] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> ProcessWatch:
        self.samples.append(self._sample())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self.samples.append(self._sample())

    def _run(self) -> None:
        while not self._end.wait(1.0):
            self.samples.append(self._sample())

    def _sample(self) -> Sample:
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        memory = self.status()
        return Sample(
            time.monotonic(),
            int(fields[11]) / _TICK,
            int(fields[12]) / _TICK,
            memory["RssAnon"],
            memory["RssShmem"] + memory["RssFile"],
        )

    def status(self) -> dict[str, float]:
        """Its memory [MiB]: RssAnon, RssShmem, RssFile, VmHWM (the peak of all three)."""
        lines = (line.split() for line in (self._folder / "status").read_text().splitlines())
        return {words[0][:-1]: int(words[1]) / 1024 for words in lines if words[-1:] == ["kB"]}

    def figures(self) -> dict[str, Any]:
        """Shares of a core: all, user's and system's, of each 10 s; memory: its own at most, and how it grows."""
        first, last = self.samples[0], self.samples[-1]
        wall = last.time_s - first.time_s
        user, system = (last.user_s - first.user_s) / wall, (last.system_s - first.system_s) / wall
        marks = self.samples[::_WINDOW_S]
        windows = [
            (b.user_s + b.system_s - a.user_s - a.system_s) / (b.time_s - a.time_s)
            for a, b in itertools.pairwise(marks)
        ]
        later = [
            s for s in self.samples if s.time_s - first.time_s >= wall / 3
        ]  # queues have their size by then
        hours, private = [s.time_s / 3600 for s in later], [s.private_mib for s in later]
        return {
            "cpu": user + system,
            "cpu_user": user,
            "cpu_system": system,
            "cpu_each_10_s": [round(w, 3) for w in windows],
            "private_mib_each_10_s": [round(mark.private_mib, 1) for mark in marks],
            "private_mib_at_start": first.private_mib,
            "private_mib_at_most": max(s.private_mib for s in self.samples),
            "shared_mib_at_most": max(s.shared_mib for s in self.samples),
            "private_mib_per_hour": float(np.polyfit(hours, private, 1)[0]) if len(later) > 2 else 0.0,
        }
