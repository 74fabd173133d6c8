"""What stands between a driver's thread and the worker."""

import sys
import threading
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from foley_synthesis.commands import listen_live
from foley_synthesis.hearing.listening.capture import CaptureError, Mailbox, Microphone, devices


def sound(value: float, n: int = 10) -> np.ndarray:
    return np.full((n, 1), value, np.float32)


def test_chunks_come_out_in_order_and_are_copies() -> None:
    mailbox, ended = Mailbox(), threading.Event()
    buffer = sound(0.0)
    for value in range(3):
        buffer[:] = value  # as a driver uses its buffer again
        mailbox.put(buffer)
    ended.set()
    assert [float(chunk.samples[0, 0]) for chunk in mailbox.chunks(ended)] == [0.0, 1.0, 2.0]


def test_what_finds_no_room_is_told_with_the_next_chunk() -> None:
    mailbox, ended = Mailbox(room=2), threading.Event()
    for value in range(4):
        mailbox.put(sound(value))
    ended.set()
    taken = mailbox.chunks(ended)
    assert (next(taken).lost, next(taken).lost) == (0, 0)
    mailbox.put(sound(4.0), lost=5)
    assert next(taken).lost == 25
    assert list(taken) == []


def test_a_source_that_falls_silent_is_told() -> None:
    with pytest.raises(CaptureError, match="still plugged in"):
        list(Mailbox().chunks(threading.Event(), patience_s=0.0))


def test_a_driver_in_a_thread_of_its_own() -> None:
    mailbox, ended = Mailbox(), threading.Event()

    def drive() -> None:
        for value in range(50):
            mailbox.put(sound(value))
        ended.set()

    thread = threading.Thread(target=drive)
    thread.start()
    heard = [float(chunk.samples[0, 0]) for chunk in mailbox.chunks(ended)]
    thread.join()
    assert heard == [float(value) for value in range(50)]


def test_without_the_package_the_cure_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(CaptureError, match="pip install sounddevice"):
        Microphone()
    assert listen_live.list_inputs() == 2
    assert "pip install sounddevice" in capsys.readouterr().err


class PortAudioError(Exception):
    pass


def port_audio(opened: list[dict[str, Any]], refused: bool = False) -> types.ModuleType:
    """PortAudio as its package shows it, with one input and one output."""
    inputs = {"name": "USB mic", "hostapi": 0, "max_input_channels": 2, "default_samplerate": 44_100.0}
    output = {**inputs, "name": "Speaker", "max_input_channels": 0, "index": 0}
    known = [output, {**inputs, "index": 1}]

    class InputStream:
        def __init__(self, callback: Callable[..., None], **given: Any) -> None:
            if refused:
                raise PortAudioError("Device unavailable")
            opened.append({"callback": callback, **given})

        def start(self) -> None:
            status = types.SimpleNamespace(input_overflow=False)
            opened[-1]["callback"](np.zeros((441, 2), np.float32), 441, None, status)
            status.input_overflow = True
            opened[-1]["callback"](np.ones((441, 2), np.float32), 441, None, status)
            opened[-1]["finished_callback"]()

        def close(self) -> None:
            opened[-1]["closed"] = True

    def query_devices(name: str | int | None = None, kind: str | None = None) -> Any:
        if kind is None:
            return known
        found = [d for d in known if name is None or d["index"] == name or str(name) in str(d["name"])]
        if not found:
            raise ValueError(f"No input device matching {name!r}")
        return found[-1]

    module = types.ModuleType("sounddevice")
    module.__dict__.update(
        InputStream=InputStream,
        PortAudioError=PortAudioError,
        query_devices=query_devices,
        query_hostapis=lambda: [{"name": "ALSA"}],
        default=types.SimpleNamespace(device=(1, 0)),
    )
    return module


def test_a_microphone_is_opened_as_it_is_and_its_overruns_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[dict[str, Any]] = []
    monkeypatch.setitem(sys.modules, "sounddevice", port_audio(opened))
    with Microphone("USB") as microphone:
        chunks = list(microphone.chunks())
    assert (opened[0]["device"], opened[0]["samplerate"], opened[0]["channels"]) == (1, 44_100, 2)
    assert [chunk.samples.shape for chunk in chunks] == [(441, 2), (441, 2)]
    assert [chunk.lost for chunk in chunks] == [0, 441]
    assert opened[0]["closed"] and microphone.sample_rate == 44_100


def test_inputs_are_listed_and_a_wrong_one_is_told_with_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", port_audio([]))
    assert devices() == ["*   1  USB mic (ALSA), 2 channels, 44100 Hz"]
    assert listen_live.list_inputs() == 0 and "USB mic" in capsys.readouterr().out
    with pytest.raises(CaptureError, match=r"no input `7`(.|\n)*1  USB mic"):
        Microphone("7")


def test_a_device_that_is_held_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", port_audio([], refused=True))
    with pytest.raises(CaptureError, match=r"Device unavailable.*another program"), Microphone():
        raise AssertionError("it cannot be opened")
