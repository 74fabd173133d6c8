"""Sound as it comes in: from a microphone, or from whatever else delivers chunks of it."""

from __future__ import annotations

import dataclasses
import queue
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

DEFAULT = "default"
_MOST_CHANNELS = 2  # sound servers offer dozens, which are mixtures of these
_QUEUED = 256  # chunks; at 10 ms each, as long as a worker may be late
_POLL_S = 0.05
_SILENT_S = 3.0  # without a chunk, after which a device is taken for dead


class CaptureError(RuntimeError):
    """Sound cannot be captured; the message says why, and the cure."""


@dataclasses.dataclass(frozen=True, eq=False)
class Chunk:
    """Sound that came in at once."""

    samples: NDArray[np.float32]  # [n, channels]
    arrived_s: float  # monotonic clock
    lost: int = 0  # samples before it that nobody took in time


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
        self._lost = 0  # only the driver's thread touches it

    def put(self, samples: NDArray[np.float32], lost: int = 0) -> None:
        """Samples [n, channels], copied; `lost` of them went before. What finds no room counts as lost."""
        self._lost += lost
        try:
            self._chunks.put_nowait(Chunk(samples.copy(), time.monotonic(), self._lost))
            self._lost = 0
        except queue.Full:
            self._lost += len(samples)

    def chunks(self, ended: threading.Event, patience_s: float = _SILENT_S) -> Iterator[Chunk]:
        """Until it has ended and is empty. Raises CaptureError where nothing comes for so long."""
        empty = 0  # polls, and no clock: whoever was stopped for a while has not waited
        while True:
            try:
                yield self._chunks.get(timeout=_POLL_S)
                empty = 0
            except queue.Empty:
                if ended.is_set():
                    return
                empty += 1
                if empty * _POLL_S > patience_s:
                    raise CaptureError(
                        f"nothing came in for {patience_s:.0f} s; is the microphone still plugged in?"
                    ) from None


class Microphone:
    """An input of this machine, by PortAudio.

    PortAudio calls back in a thread of its own, which leaves what came in a :class:`Mailbox`. Samples that the driver
    lost are told but not counted by PortAudio; an overrun counts as the chunk's own length.
    """

    def __init__(self, device: str = DEFAULT) -> None:
        """Raises CaptureError where PortAudio, its Python package or the device is missing."""
        self._sound = sounddevice()
        info = _device(self._sound, device)
        self._index, self.name = int(info["index"]), str(info["name"])
        self.sample_rate = round(float(info["default_samplerate"]))
        self._channels = min(int(info["max_input_channels"]), _MOST_CHANNELS)
        self._mailbox, self._ended = Mailbox(), threading.Event()
        self._stream: Any = None

    def __enter__(self) -> Microphone:
        try:
            self._stream = self._sound.InputStream(
                device=self._index, samplerate=self.sample_rate, channels=self._channels, dtype="float32",
                callback=self._store, finished_callback=self._ended.set,
            )  # fmt: skip
            self._stream.start()
        except self._sound.PortAudioError as error:
            raise CaptureError(
                f"`{self.name}` cannot be opened ({error}); does another program hold it? "
                "`foley listen --live list` shows the others"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()

    def chunks(self) -> Iterator[Chunk]:
        """See :class:`Capture`."""
        return self._mailbox.chunks(self._ended)

    def _store(self, samples: NDArray[np.float32], frames: int, times: Any, status: Any) -> None:
        self._mailbox.put(samples, frames if status.input_overflow else 0)


def sounddevice() -> Any:
    """The package of PortAudio. Raises CaptureError."""
    try:
        import sounddevice as sound
    except ImportError as error:
        raise CaptureError(
            "the package `sounddevice` (the extra `microphone`) is missing; `pip install sounddevice`"
        ) from error
    except OSError as error:  # the package is there, the library is not
        raise CaptureError(f"PortAudio is missing ({error}); `sudo apt install libportaudio2`") from error
    return sound


def devices() -> list[str]:
    """Inputs of this machine, a line each: what `--live` takes, name, channels and rate. Raises CaptureError."""
    sound = sounddevice()
    apis, found = sound.query_hostapis(), []
    default = sound.default.device[0]
    for info in sound.query_devices():
        if info["max_input_channels"] > 0:
            star = "*" if info["index"] == default else " "
            found.append(
                f"{star} {info['index']:3d}  {info['name']} ({apis[info['hostapi']]['name']}), "
                f"{info['max_input_channels']} channels, {info['default_samplerate']:.0f} Hz"
            )
    return found


def _device(sound: Any, wanted: str) -> dict[str, Any]:
    """By number or by part of its name."""
    name: str | int | None = None if wanted == DEFAULT else int(wanted) if wanted.isdigit() else wanted
    try:
        info: dict[str, Any] = sound.query_devices(name, "input")
    except (ValueError, sound.PortAudioError) as error:
        what = "there is no microphone" if name is None else f"there is no input `{wanted}`"
        inputs = "\n".join(devices()) or "no input at all: plug one in, or allow this user the sound devices"
        raise CaptureError(f"{what} ({error}); PortAudio knows\n{inputs}") from error
    return info
