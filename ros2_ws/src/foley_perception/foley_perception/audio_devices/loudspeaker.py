"""An output of this machine, by PortAudio."""

from __future__ import annotations

import contextlib
import threading
import time
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio_devices.player import Player
from foley_perception.audio_devices.portaudio import DEFAULT, CaptureError, find, in_use, sounddevice

_MOST_CHANNELS = 2
_BLOCK_S = 0.01
_POLL_S = 0.05


class Loudspeaker:
    """Plays what its :class:`Player` holds, the same on every channel, while it is a context."""

    def __init__(
        self, device: str = DEFAULT, *, host_api: str = "", sample_rate: int = 48_000, buffer_s: float = 0.05
    ) -> None:
        """Raises CaptureError where PortAudio, its Python package or the device is missing."""
        self._sound = sounddevice()
        found = find(device, "output", host_api)
        self._index, self.name = found.index, found.name
        self._channels = min(found.channels, _MOST_CHANNELS)
        self._buffer_s = buffer_s
        self.player = Player(sample_rate)
        self._ended = threading.Event()
        self._asked = 0  # how often
        self._held = contextlib.ExitStack()

    def __enter__(self) -> Loudspeaker:
        """Raises CaptureError."""
        rate = self.player.sample_rate
        with contextlib.ExitStack() as held:
            held.enter_context(in_use())
            try:
                stream = self._sound.OutputStream(
                    device=self._index, samplerate=rate, channels=self._channels, dtype="float32",
                    blocksize=round(_BLOCK_S * rate), latency=self._buffer_s,
                    callback=self._fill, finished_callback=self._ended.set,
                )  # fmt: skip
                held.callback(stream.close)
                stream.start()
            except self._sound.PortAudioError as error:
                raise CaptureError(
                    f"`{self.name}` cannot be opened with {self._channels} channels at {rate} Hz ({error}); "
                    "does another program hold it, or has it another sample_rate?"
                ) from error
            self._held = held.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def wait(self, stop: threading.Event, patience_s: float, first_patience_s: float) -> None:
        """Until told to stop, or until the device ends by itself.

        Raises:
            CaptureError: it asked for nothing for so long.
        """
        asked, idle = 0, 0
        while not stop.wait(_POLL_S) and not self._ended.is_set():
            idle = idle + 1 if asked == self._asked else 0
            asked = self._asked
            patience = patience_s if asked else first_patience_s
            if idle * _POLL_S > patience:
                raise CaptureError(
                    f"it took no sound for {patience:.3g} s; is the loudspeaker still plugged in?"
                )

    @property
    def working(self) -> bool:
        """Whether it has asked for sound."""
        return self._asked > 0

    def _fill(self, out: NDArray[np.float32], frames: int, times: Any, status: Any) -> None:
        now = time.monotonic()
        dac_s = float(times.outputBufferDacTime)
        # Of one clock, and which one depends on the host API: only their difference is used.
        ahead_s = dac_s - float(times.currentTime) if dac_s > 0 else self._buffer_s
        self.player.fill(out, now + ahead_s, now, underflow=bool(status.output_underflow))
        self._asked += 1
