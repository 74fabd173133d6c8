"""Sound on its way from a driver's thread to whoever works on it."""

from __future__ import annotations

import dataclasses
import queue
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio_devices.portaudio import CaptureError

_QUEUED = 256  # chunks; at 10 ms each, as long as a worker may be late
_POLL_S = 0.05
_SILENT_S = 3.0  # without a chunk, after which a device is taken for dead


@dataclasses.dataclass(frozen=True, eq=False)
class Chunk:
    """Sound that came in at once."""

    samples: NDArray[np.float32]  # [n, channels]
    arrived_s: float  # monotonic clock
    lost: int = 0  # samples before it that are missing: those that the driver lost, as a guess, and `dropped`
    dropped: int = 0  # samples before it that nobody took in time
    captured_s: float | None = (
        None  # of its first sample, monotonic clock, by the device; None: it does not tell
    )
    overflow: bool = False  # the driver says that it lost samples before this


class Capture(Protocol):
    """A source of sound, open while it is a context."""

    @property
    def sample_rate(self) -> int: ...
    @property
    def name(self) -> str: ...
    def chunks(self) -> Iterator[Chunk]: ...  # as they come in; ends with the source. Raises CaptureError.
    def __enter__(self) -> Capture: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Mailbox:
    """Where the thread of a driver leaves chunks: it stores and goes, and never waits."""

    def __init__(self, room: int = _QUEUED) -> None:
        self._chunks: queue.Queue[Chunk] = queue.Queue(room)
        self._lost = self._dropped = 0  # only the driver's thread touches them
        self._overflow = False

    def put(
        self,
        samples: NDArray[np.float32],
        lost: int = 0,
        *,
        age_s: float | None = None,
        overflow: bool = False,
    ) -> None:
        """Samples [n, channels], copied; `lost` of them went before. What finds no room counts as lost.

        Args:
            age_s: how long ago the first one was captured, as the device has it.
        """
        now = time.monotonic()
        self._lost += lost
        captured_s = None if age_s is None else now - age_s
        try:
            self._chunks.put_nowait(
                Chunk(samples.copy(), now, self._lost, self._dropped, captured_s, overflow or self._overflow)
            )
            self._lost = self._dropped = 0
            self._overflow = False
        except queue.Full:
            self._lost += len(samples)
            self._dropped += len(samples)
            self._overflow |= overflow

    def chunks(
        self,
        ended: threading.Event,
        patience_s: float = _SILENT_S,
        first_patience_s: float | None = None,
    ) -> Iterator[Chunk]:
        """Until it has ended and is empty. Raises CaptureError where nothing comes for so long."""
        empty = 0  # polls, and no clock: whoever was stopped for a while has not waited
        patience = first_patience_s or patience_s
        while True:
            try:
                yield self._chunks.get(timeout=_POLL_S)
                empty, patience = 0, patience_s
            except queue.Empty:
                if ended.is_set():
                    return
                empty += 1
                if empty * _POLL_S > patience:
                    raise CaptureError(
                        f"nothing came in for {patience:.3g} s; is the microphone still plugged in?"
                    ) from None
