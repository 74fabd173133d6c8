"""Configuration of the nodes `microphone` and `speaker`."""

from __future__ import annotations

import dataclasses
from typing import Any

from foley_common.topics import PREDICTED_AUDIO, PREDICTED_SOUND, devices
from foley_perception.audio_devices.portaudio import DEFAULT

PLAY = ("auto", PREDICTED_SOUND.name, PREDICTED_AUDIO.name, "both")


def _doc(default: Any, text: str) -> Any:
    return dataclasses.field(default=default, metadata={"doc": text})


def _check(config: object, *ranges: tuple[str, float, float]) -> None:
    for name, low, high in ranges:
        value = getattr(config, name)
        if not low <= value <= high:
            raise ValueError(f"{name} is {value}, must lie in [{low}, {high}]")
    if not getattr(config, "device", ""):
        raise ValueError(
            f"device is empty; `{DEFAULT}`, a name or part of one, which `foley listen --live list` shows"
        )


@dataclasses.dataclass(frozen=True)
class MicrophoneConfig:
    """Parameters of `microphone`."""

    device: str = _doc(DEFAULT, "name or part of it, or number (`foley listen --live list`), or default")
    host_api: str = _doc("", "look only among those of this host API, such as ALSA; empty: all")
    role: str = _doc("microphone", "which microphone of the robot it is: microphone, contact_microphone")
    frame_id: str = _doc("microphone", "frame of the capsule")
    channels: int = _doc(0, "0: those of the device, two at most")
    sample_rate: int = _doc(0, "[Hz]; 0: the device's own")
    chunk_s: float = _doc(0.01, "length of a message [s]")
    buffer_s: float = _doc(
        0.05, "of the device: how long this machine may be busy before samples are lost [s]"
    )
    silent_s: float = _doc(1.0, "without a sample, after which the device counts as unplugged [s]")
    start_s: float = _doc(5.0, "the same for the first sample [s]")
    retry_s: float = _doc(1.0, "between two attempts to open it again [s]")

    def __post_init__(self) -> None:
        _check(
            self,
            ("channels", 0, 64),
            ("sample_rate", 0, 384_000),
            ("chunk_s", 0.002, 0.5),
            ("buffer_s", 0.002, 2.0),
            ("silent_s", 0.1, 60.0),
            ("start_s", 0.1, 60.0),
            ("retry_s", 0.1, 60.0),
        )
        if self.role not in devices("audio"):
            raise ValueError(f"role is `{self.role}`, known are {', '.join(devices('audio'))}")


@dataclasses.dataclass(frozen=True)
class SpeakerConfig:
    """Parameters of `speaker`."""

    device: str = _doc(DEFAULT, "name or part of it, or number, or default")
    host_api: str = _doc("", "look only among those of this host API, such as ALSA; empty: all")
    sample_rate: int = _doc(48_000, "[Hz]; other sound is resampled")
    buffer_s: float = _doc(
        0.05, "of the device: sound must be asked for so much ahead, and a little more [s]"
    )
    gain: float = _doc(1.0, "sound is multiplied with it")
    play: str = _doc(
        "auto", f"{', '.join(PLAY)}; auto: predicted_audio only where nobody tells predicted_sound"
    )
    silent_s: float = _doc(1.0, "without the device asking for sound, after which it counts as unplugged [s]")
    start_s: float = _doc(5.0, "the same after it was opened [s]")
    retry_s: float = _doc(1.0, "between two attempts to open it again [s]")

    def __post_init__(self) -> None:
        _check(
            self,
            ("sample_rate", 4000, 384_000),
            ("buffer_s", 0.002, 2.0),
            ("gain", 0.0, 100.0),
            ("silent_s", 0.1, 60.0),
            ("start_s", 0.1, 60.0),
            ("retry_s", 0.1, 60.0),
        )
        if self.play not in PLAY:
            raise ValueError(f"play is `{self.play}`, known are {', '.join(PLAY)}")
