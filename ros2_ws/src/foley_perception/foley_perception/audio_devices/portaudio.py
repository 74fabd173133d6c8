"""PortAudio by its package `sounddevice`: whether it is there, what devices it knows, and which one is meant."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Iterator
from typing import Any, Literal

Kind = Literal["input", "output"]

DEFAULT = "default"
_USED = threading.Lock()
_streams = 0  # open ones of this process


class CaptureError(RuntimeError):
    """A device cannot be used; the message says why, and the cure."""


@dataclasses.dataclass(frozen=True)
class Device:
    """One device as PortAudio knows it."""

    index: int
    name: str
    host_api: str
    channels: int  # in the direction that was asked for
    sample_rate: int  # [Hz], its default

    def __str__(self) -> str:
        return f"{self.name} ({self.host_api}), {self.channels} channels, {self.sample_rate} Hz"


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


def devices(kind: Kind = "input") -> list[Device]:
    """What this machine can hear or sound with. Raises CaptureError."""
    sound = sounddevice()
    apis = sound.query_hostapis()
    return [
        Device(
            int(info["index"]),
            str(info["name"]),
            str(apis[info["hostapi"]]["name"]),
            int(info[f"max_{kind}_channels"]),
            round(float(info["default_samplerate"])),
        )
        for info in sound.query_devices()
        if info[f"max_{kind}_channels"] > 0
    ]


def listing(kind: Kind = "input") -> list[str]:
    """Devices, a line each, the default one starred: number, name, host API, channels, rate. Raises CaptureError."""
    default = sounddevice().default.device[0 if kind == "input" else 1]
    return [f"{'*' if d.index == default else ' '} {d.index:3d}  {d}" for d in devices(kind)]


def find(wanted: str = DEFAULT, kind: Kind = "input", host_api: str = "") -> Device:
    """A device by number, by name or by part of its name; of one host API only, where one is named.

    Raises:
        CaptureError: none fits, or several do; names those that there are.
    """
    known = devices(kind)
    apis = sorted({d.host_api for d in known})
    if host_api:
        known = [d for d in known if host_api.casefold() in d.host_api.casefold()]
    if wanted == DEFAULT:
        index = sounddevice().default.device[0 if kind == "input" else 1]
        fitting = [d for d in known if d.index == index] or (known[:1] if host_api else [])
    elif wanted.isdigit():
        fitting = [d for d in known if d.index == int(wanted)]
    else:
        part = wanted.casefold()
        fitting = [d for d in known if part in d.name.casefold()]
        fitting = [d for d in fitting if d.name.casefold() == part] or fitting
    if len(fitting) == 1:
        return fitting[0]
    what = f"there is no {kind} `{wanted}`" if not fitting else f"`{wanted}` fits {len(fitting)} {kind}s"
    what += f" of the host API `{host_api}` (there are {', '.join(apis) or 'none'})" if host_api else ""
    there = "\n".join(listing(kind)) or f"no {kind} at all: plug one in, or allow this user the sound devices"
    cure = "" if not fitting else "; name it in full, or its host_api, or take its number"
    raise CaptureError(f"{what}{cure}; PortAudio knows\n{there}")


@contextlib.contextmanager
def in_use() -> Iterator[None]:
    """Held while a stream is open: PortAudio must not look for devices anew meanwhile."""
    global _streams
    with _USED:
        _streams += 1
    try:
        yield
    finally:
        with _USED:
            _streams -= 1


def look_again() -> bool:
    """Have PortAudio look for devices anew: it knows only those that were there when it began.

    It ends every stream of the process to do so, so nothing is done while one is open. Returns whether it looked.
    """
    sound = sounddevice()
    with _USED:
        if _streams:
            return False
        sound._terminate()  # the package has no other way to say this
        sound._initialize()
        return True
