"""Processes that are started, watched, started again and ended together.

One thread does everything: it waits on the processes' output, forwards whole lines, and looks for processes that
ended. Each process leads a process group of its own, so that the terminal's Ctrl-C reaches only this one and the
children end in order. Should this process itself be killed, the kernel ends its children (`setpriv --pdeathsig`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

LineSink = Callable[[str, str], None]


@dataclasses.dataclass(frozen=True)
class BackoffConfig:
    """How long to wait before a process that ended is started again."""

    first_s: float = 0.1
    factor: float = 2.0
    longest_s: float = 10.0
    forget_after_s: float = 20.0  # a process that lived this long starts from first_s again


@dataclasses.dataclass
class Backoff:
    """Delays before restarts: first_s, then growing by `factor` up to longest_s."""

    config: BackoffConfig = dataclasses.field(default_factory=BackoffConfig)
    _delay_s: float = 0.0

    def after(self, lived_s: float) -> float:
        """Seconds to wait, for a process that lived ``lived_s`` seconds."""
        if self._delay_s == 0.0 or lived_s >= self.config.forget_after_s:
            self._delay_s = self.config.first_s
        else:
            self._delay_s = min(self._delay_s * self.config.factor, self.config.longest_s)
        return self._delay_s


@dataclasses.dataclass(frozen=True)
class Task:
    """A process to keep running. An exit code in ``final_codes`` ends the whole, with that code."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    final_codes: frozenset[int] = frozenset()


@dataclasses.dataclass
class _Child:
    task: Task
    backoff: Backoff
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    start_at: float | None = 0.0  # None: running, or not to be started again
    starts: int = 0
    tail: bytes = b""


class Supervisor:
    """Keeps tasks running until told to stop.

    Args:
        tasks: started in this order, ended in the opposite order.
        sink: called with (task name, line) for every line of output and for every event.
        backoff: pauses before restarts.
        grace_s: from SIGINT to SIGTERM, and from there to SIGKILL, when ending.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        sink: LineSink,
        *,
        backoff: BackoffConfig | None = None,
        grace_s: float = 6.0,
    ) -> None:
        self._children = [_Child(task, Backoff(backoff or BackoffConfig())) for task in tasks]
        self._sink = sink
        self._grace_s = grace_s
        self._selector = selectors.DefaultSelector()
        self.exit_code: int | None = None

    def pids(self) -> dict[str, int]:
        """Process ids of the tasks that run now."""
        return {c.task.name: c.process.pid for c in self._children if c.process is not None}

    def restarts(self) -> dict[str, int]:
        return {c.task.name: max(c.starts - 1, 0) for c in self._children}

    def run(self, stopping: Callable[[], bool]) -> int:
        """Keep the tasks running until ``stopping()`` or a final exit code, then end them. Returns the exit code."""
        try:
            while self.exit_code is None and not stopping():
                self.step(0.1)
        finally:
            self.stop()
        return self.exit_code or 0

    def step(self, wait_s: float) -> None:
        """Start what is due, forward output for up to ``wait_s`` seconds, notice what ended."""
        now = time.monotonic()
        for child in self._children:
            if child.start_at is not None and now >= child.start_at:
                self._start(child)
        self._forward(wait_s)
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                self._ended(child)

    def stop(self) -> None:
        """End every task: SIGINT, later SIGTERM, at last SIGKILL to whole groups. Waits for all of them."""
        for child in self._children:
            child.start_at = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            for child in reversed(self._children):
                if child.process is not None and number != signal.SIGKILL:
                    _signal(child.process, number)
                elif child.process is not None:
                    self._sink(child.task.name, f"does not end: killing it (pid {child.process.pid})")
                    _signal_group(child.process.pid, number)
            deadline = time.monotonic() + self._grace_s
            while self.pids() and time.monotonic() < deadline:
                self._forward(0.05)
                for child in self._children:
                    if child.process is not None and child.process.poll() is not None:
                        self._reap(child)
            if not self.pids():
                break
        self._selector.close()

    # ---- one child -------------------------------------------------------------------------------------
    def _start(self, child: _Child) -> None:
        child.start_at = None
        child.starts += 1
        child.started = time.monotonic()
        try:
            child.process = subprocess.Popen(
                [*_die_with_parent(), *child.task.command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **child.task.environment},
            )
        except OSError as error:
            self._sink(child.task.name, f"could not be started: {error}")
            child.start_at = child.started + child.backoff.after(0.0)
            return
        assert child.process.stdout is not None
        os.set_blocking(child.process.stdout.fileno(), False)
        self._selector.register(child.process.stdout, selectors.EVENT_READ, child)

    def _ended(self, child: _Child) -> None:
        assert child.process is not None
        code, lived_s = child.process.returncode, time.monotonic() - child.started
        self._reap(child)
        if code in child.task.final_codes:
            self._sink(child.task.name, f"ended with {code}")
            self.exit_code = code
            return
        delay_s = child.backoff.after(lived_s)
        child.start_at = time.monotonic() + delay_s
        self._sink(
            child.task.name,
            f"{_how_it_ended(code)} after {lived_s:.1f} s, starting it again in {delay_s:g} s",
        )

    def _reap(self, child: _Child) -> None:
        """Take the last output, and end what the process left behind in its group."""
        assert child.process is not None and child.process.stdout is not None
        self._read(child)
        if child.tail:
            self._emit(child, child.tail)
            child.tail = b""
        self._close(child)
        _signal_group(child.process.pid, signal.SIGKILL)
        child.process = None

    def _close(self, child: _Child) -> None:
        assert child.process is not None and child.process.stdout is not None
        if not child.process.stdout.closed:
            self._selector.unregister(child.process.stdout)
            child.process.stdout.close()

    # ---- output ----------------------------------------------------------------------------------------
    def _forward(self, wait_s: float) -> None:
        if not self._selector.get_map():
            time.sleep(wait_s)
            return
        for key, _ in self._selector.select(wait_s):
            if not self._read(key.data):
                self._close(key.data)

    def _read(self, child: _Child) -> bool:
        """Forward whole lines. False at the end of the output."""
        assert child.process is not None and child.process.stdout is not None
        while not child.process.stdout.closed:
            try:
                data = os.read(child.process.stdout.fileno(), 65536)
            except BlockingIOError:
                return True
            if not data:
                return False
            *lines, child.tail = (child.tail + data).split(b"\n")
            for line in lines:
                self._emit(child, line)
        return False

    def _emit(self, child: _Child, line: bytes) -> None:
        self._sink(child.task.name, line.decode(errors="replace").rstrip("\r"))


def _die_with_parent() -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    if process.poll() is None:
        process.send_signal(number)


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _how_it_ended(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
