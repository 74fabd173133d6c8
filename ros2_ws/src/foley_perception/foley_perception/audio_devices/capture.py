"""Sound as it comes in from a microphone."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio_devices.mailbox import Chunk, Mailbox
from foley_perception.audio_devices.portaudio import (
    DEFAULT,
    CaptureError,
    find,
    in_use,
    sounddevice,
)

_MOST_CHANNELS = 2  # sound servers offer dozens, which are mixtures of these


class Microphone:
    """An input of this machine, by PortAudio.

    PortAudio calls back in a thread of its own, which leaves what came in a :class:`Mailbox`. Samples that the driver
    lost are told but not counted by PortAudio: an overrun counts as the chunk's own length, and
    :mod:`sample_count` finds out how many they were.
    """

    def __init__(
        self,
        device: str = DEFAULT,
        *,
        host_api: str = "",
        channels: int = 0,
        sample_rate: int = 0,
        chunk_s: float = 0.0,
        buffer_s: float = 0.0,
    ) -> None:
        """Where 0 is given, the device's own is taken; of channels two at most.

        Raises:
            CaptureError: PortAudio, its Python package or the device is missing, or has fewer channels.
        """
        self._sound = sounddevice()
        found = find(device, "input", host_api)
        self._index, self.name = found.index, found.name
        self.sample_rate = sample_rate or found.sample_rate
        if channels > found.channels:
            raise CaptureError(f"channels is {channels}, but `{self.name}` has {found.channels}")
        self.channels = channels or min(found.channels, _MOST_CHANNELS)
        self.latency_s = 0.0  # of its buffer, as PortAudio says once it is open
        self._block, self._buffer_s = round(chunk_s * self.sample_rate), buffer_s
        self._mailbox, self._ended = Mailbox(), threading.Event()
        self._held = contextlib.ExitStack()

    def __enter__(self) -> Microphone:
        """Raises CaptureError."""
        with contextlib.ExitStack() as held:
            held.enter_context(in_use())
            try:
                stream = self._sound.InputStream(
                    device=self._index, samplerate=self.sample_rate, channels=self.channels, dtype="float32",
                    blocksize=self._block, latency=self._buffer_s or None,
                    callback=self._store, finished_callback=self._ended.set,
                )  # fmt: skip
                held.callback(stream.close)
                stream.start()
                self.latency_s = float(stream.latency)
            except self._sound.PortAudioError as error:
                raise CaptureError(
                    f"`{self.name}` cannot be opened with {self.channels} channels at {self.sample_rate} Hz "
                    f"({error}); does another program hold it, or has it another rate? "
                    "`foley listen --live list` shows the others"
                ) from error
            self._held = held.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def chunks(self, patience_s: float = 3.0, first_patience_s: float | None = None) -> Iterator[Chunk]:
        """As they come in, until the device ends by itself.

        Raises:
            CaptureError: nothing came in for so long, or since it was opened.
        """
        return self._mailbox.chunks(self._ended, patience_s, first_patience_s)

    def end(self) -> None:
        """Let :meth:`chunks` end; from any thread."""
        self._ended.set()

    def _store(self, samples: NDArray[np.float32], frames: int, times: Any, status: Any) -> None:
        # Both times are of one clock, and which one depends on the host API: only their difference is used.
        adc_s = float(times.inputBufferAdcTime) if times is not None else 0.0
        age_s = float(times.currentTime) - adc_s if adc_s > 0 else None
        overflow = bool(status.input_overflow)
        self._mailbox.put(samples, frames if overflow else 0, age_s=age_s, overflow=overflow)
