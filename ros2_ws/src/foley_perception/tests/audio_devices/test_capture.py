"""What stands between a driver's thread and the worker."""

import sys
import threading
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from foley_perception.audio_devices.capture import Microphone
from foley_perception.audio_devices.mailbox import Mailbox
from foley_perception.audio_devices.portaudio import CaptureError, devices, find, listing


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


def test_without_the_package_the_cure_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(CaptureError, match="pip install sounddevice"):
        Microphone()


class PortAudioError(Exception):
    pass


def port_audio(opened: list[dict[str, Any]], refused: bool = False) -> types.ModuleType:
    """PortAudio as its package shows it, with two inputs and one output."""
    usb = {"name": "USB mic", "hostapi": 0, "max_input_channels": 2, "max_output_channels": 0}
    usb |= {"default_samplerate": 44_100.0, "index": 1}
    speaker = {**usb, "name": "Speaker", "max_input_channels": 0, "max_output_channels": 2, "index": 0}
    other = {**usb, "name": "USB mic array", "hostapi": 1, "max_input_channels": 8, "index": 2}

    class InputStream:
        latency = 0.03

        def __init__(self, callback: Callable[..., None], **given: Any) -> None:
            if refused:
                raise PortAudioError("Device unavailable")
            opened.append({"callback": callback, **given})

        def start(self) -> None:
            status = types.SimpleNamespace(input_overflow=False)
            times = types.SimpleNamespace(inputBufferAdcTime=7.0, currentTime=7.25)
            opened[-1]["callback"](np.zeros((441, 2), np.float32), 441, times, status)
            status.input_overflow = True
            times.inputBufferAdcTime = 0.0  # it does not know
            opened[-1]["callback"](np.ones((441, 2), np.float32), 441, times, status)
            opened[-1]["finished_callback"]()

        def close(self) -> None:
            opened[-1]["closed"] = True

    module = types.ModuleType("sounddevice")
    module.__dict__.update(
        InputStream=InputStream,
        PortAudioError=PortAudioError,
        query_devices=lambda: [speaker, usb, other],
        query_hostapis=lambda: [{"name": "ALSA"}, {"name": "JACK"}],
        default=types.SimpleNamespace(device=(1, 0)),
    )
    return module


def test_a_microphone_is_opened_as_it_is_and_its_overruns_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[dict[str, Any]] = []
    monkeypatch.setitem(sys.modules, "sounddevice", port_audio(opened))
    with Microphone("1") as microphone:
        chunks = list(microphone.chunks())
    assert (opened[0]["device"], opened[0]["samplerate"], opened[0]["channels"]) == (1, 44_100, 2)
    assert [chunk.samples.shape for chunk in chunks] == [(441, 2), (441, 2)]
    assert [chunk.lost for chunk in chunks] == [0, 441]
    assert [chunk.overflow for chunk in chunks] == [False, True]
    assert chunks[0].captured_s == pytest.approx(chunks[0].arrived_s - 0.25)
    assert chunks[1].captured_s is None
    assert opened[0]["closed"] and (microphone.sample_rate, microphone.latency_s) == (44_100, 0.03)


def test_a_device_is_found_by_number_name_part_of_it_and_host_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", port_audio([]))
    assert listing() == [
        "*   1  USB mic (ALSA), 2 channels, 44100 Hz",
        "    2  USB mic array (JACK), 8 channels, 44100 Hz",
    ]
    assert [device.index for device in devices("output")] == [0]
    asked = [("default", ""), ("1", ""), ("usb MIC", ""), ("array", ""), ("USB", "jack"), ("default", "JACK")]
    assert [find(name, host_api=api).index for name, api in asked] == [1, 1, 1, 2, 2, 2]
    assert find("speak", "output").name == "Speaker"


@pytest.mark.parametrize(
    ("name", "api", "said"),
    [
        ("7", "", r"no input `7`(.|\n)*1  USB mic"),
        ("USB", "", r"`USB` fits 2 inputs; name it in full(.|\n)*2  USB mic array"),
        ("Speaker", "", r"no input `Speaker`"),
        ("USB", "WASAPI", r"of the host API `WASAPI` \(there are ALSA, JACK\)"),
    ],
)
def test_a_wrong_name_is_told_with_those_that_there_are(
    name: str, api: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", port_audio([]))
    with pytest.raises(CaptureError, match=said):
        Microphone(name, host_api=api)


def test_more_channels_than_it_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", port_audio([]))
    with pytest.raises(CaptureError, match="channels is 4, but `USB mic` has 2"):
        Microphone("1", channels=4)


def test_a_device_that_is_held_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", port_audio([], refused=True))
    with pytest.raises(CaptureError, match=r"Device unavailable.*another program"), Microphone():
        raise AssertionError("it cannot be opened")
