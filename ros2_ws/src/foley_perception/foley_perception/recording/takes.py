"""What a recorder began to record and nobody has been told the end of, kept on disk so that it outlives the process.

A recorder that is killed cannot say what became of its recording; its successor can, until somebody has asked for it
(`~/stop`), has recovered the bag, or has taken it away.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from foley_common.processes import Process
from foley_perception.recording.beside import ORIGINAL
from foley_perception.recording.recovery import RECOVERED


@dataclasses.dataclass(frozen=True)
class Take:
    """One recording.

    Attributes:
        path: of its bag.
        pid, started: the process that records it (:class:`foley_common.processes.Process`).
        began_s: when, by the clock of the machine [s since 1970].
        finished: the bag is closed and whole, or failed as ``trouble`` says.
        duration_s, bytes: of a finished one.
    """

    path: str
    pid: int
    started: int
    began_s: float
    finished: bool = False
    duration_s: float = 0.0
    bytes: int = 0
    trouble: str = ""

    @property
    def settled(self) -> bool:
        """Whether somebody has taken its bag away, or recovered it."""
        copies = (Path(self.path + RECOVERED), Path(self.path + ORIGINAL))
        return not Path(self.path).is_dir() or any(copy.exists() for copy in copies)

    def left(self) -> Take:
        """What lies on the disk of one whose process is gone: about how long, and how much."""
        stats = [file.stat() for file in Path(self.path).iterdir()]
        last = max((stat.st_mtime for stat in stats), default=self.began_s)
        size = sum(stat.st_size for stat in stats)
        return dataclasses.replace(self, duration_s=max(last - self.began_s, 0.0), bytes=size)

    @property
    def text(self) -> str:
        """What became of one whose process is gone, and how to have it."""
        if self.finished:
            return self.trouble
        left = self.left()
        return (
            f"the recorder's process ended while it recorded {self.path}: about {left.duration_s:.0f} s, "
            f"{left.bytes / 1e6:.1f} MB are kept, and are not finished; `foley bag recover {self.path}` finishes them"
        )


def process_of(path: Path) -> Process | None:
    """The process of this machine that records a bag now, as its folder tells; None where none does."""
    for file in path.parent.glob(".*.takes.json"):
        try:
            takes = [Take(**entry) for entry in json.loads(file.read_text())]
        except (OSError, ValueError, TypeError):
            continue
        for take in takes:
            if (
                take.path == str(path)
                and not take.finished
                and (process := Process(take.pid, take.started)).lives
            ):
                return process
    return None


class Takes:
    """The recordings of one recorder whose end is still to be told.

    Args:
        folder: of its bags.
        recorder: fully qualified name of its node: another robot's may write into the same folder.
    """

    def __init__(self, folder: Path, recorder: str) -> None:
        self._file = folder / f".{recorder.strip('/').replace('/', '.')}.takes.json"
        self._own = Process.of(os.getpid()) or Process(os.getpid(), 0)
        self._takes = [take for take in self._read() if not take.settled]

    def begun(self, path: Path) -> None:
        """A recording has begun. Finished ones that nobody asked for are not told any more."""
        kept = [take for take in self._takes if not take.finished]
        self._write([*kept, Take(str(path), self._own.pid, self._own.started, time.time())])

    def ended(self, path: Path, *, duration_s: float, size: int, trouble: str = "") -> None:
        """It has ended, and nobody has asked for the result."""
        self._write(
            dataclasses.replace(t, finished=True, duration_s=duration_s, bytes=size, trouble=trouble)
            if t.path == str(path)
            else t
            for t in self._takes
        )

    def told(self, path: Path | str) -> None:
        """Somebody knows what became of it."""
        self._write(take for take in self._takes if take.path != str(path))

    def discard(self, take: Take) -> None:
        """Delete what is left of it."""
        shutil.rmtree(take.path, ignore_errors=True)
        self.told(take.path)

    def of_others(self) -> list[Take]:
        """Of processes that are gone, the oldest first; what is settled is forgotten."""
        if any(take.settled for take in self._takes):
            self._write(take for take in self._takes if not take.settled)
        return [
            take
            for take in self._takes
            if (process := Process(take.pid, take.started)) != self._own and not process.lives
        ]

    def interrupted(self) -> list[Take]:
        """Those of them whose bag is not finished."""
        return [take for take in self.of_others() if not take.finished]

    # ---- the file ----------------------------------------------------------------------------------------
    def _read(self) -> list[Take]:
        try:
            return [Take(**entry) for entry in json.loads(self._file.read_text())]
        except (OSError, ValueError, TypeError):
            return []

    def _write(self, takes: Iterable[Take]) -> None:
        """What cannot be written, on a disk that is full, is known to this process all the same."""
        self._takes = list(takes)
        with contextlib.suppress(OSError):
            if not self._takes:
                self._file.unlink(missing_ok=True)
                return
            new = self._file.with_suffix(".new")
            new.write_text(json.dumps([dataclasses.asdict(take) for take in self._takes]))
            new.replace(self._file)
