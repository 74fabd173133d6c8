"""Predicted sound on a loudspeaker of this machine, when it is to be heard: predicted_sound chunk by chunk,
predicted_audio with its contact at the predicted contact time. What comes too late is left out and counted.

Callbacks lay sounds on the device's clock (`audio_devices/player.py`), PortAudio's thread plays them, and the worker
opens the device, again when it was gone.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common import topics
from foley_common.times import NS_PER_S
from foley_msgs.msg import AudioChunk, PredictedAudio
from foley_perception.audio_devices.config import SpeakerConfig
from foley_perception.audio_devices.keeper import keep_open
from foley_perception.audio_devices.loudspeaker import Loudspeaker
from foley_perception.audio_devices.stream_resampler import StreamResampler
from foley_ros import convert
from foley_ros.node import FoleyNode, Health, run


class SpeakerNode(FoleyNode[SpeakerConfig]):
    """See the module's docstring."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("speaker", SpeakerConfig, **kwargs)
        self._stop = threading.Event()
        self._fault = ""  # the device cannot sound
        self._device: Loudspeaker | None = None
        self._unheard = 0  # sounds that came while there was no device

    def setup(self, config: SpeakerConfig) -> None:
        self._config = config
        self._fault, self._unheard = "", 0
        # What resampling imports takes long, and the first sound must not wait for it.
        StreamResampler(config.sample_rate // 2, config.sample_rate).take(np.zeros(1000, np.float32))
        self.start_worker(capacity=1)
        if config.play != topics.PREDICTED_AUDIO.name:
            self.entities.subscribe(topics.PREDICTED_SOUND, self._on_sound)
        if config.play != topics.PREDICTED_SOUND.name:
            self.entities.subscribe(topics.PREDICTED_AUDIO, self._on_prediction)

    def start(self) -> None:
        self._stop = threading.Event()
        self.put(functools.partial(self._sound, self._stop))

    def stop(self) -> None:
        self._stop.set()

    # ---- callbacks -----------------------------------------------------------------------------------------
    def _on_sound(self, message: AudioChunk) -> None:
        if (device := self._ready(topics.PREDICTED_SOUND.name)) is None:
            return
        samples = self._samples(message)
        told = device.player.add(
            self._monotonic_s(convert.to_ns(message.header.stamp)),
            samples,
            message.sample_rate,
            stream=message.stream_id,
            first_sample=message.first_sample,
        )
        if not told:
            self._late(topics.PREDICTED_SOUND.name, device)

    def _on_prediction(self, message: PredictedAudio) -> None:
        contact_ns = convert.to_ns(message.predicted_contact_time)
        if message.mode == PredictedAudio.MODE_EXECUTED or not contact_ns:
            return  # of what has been heard already, or of no contact
        if self._config.play == "auto" and self.count_publishers(topics.PREDICTED_SOUND.name):
            return
        if (device := self._ready(topics.PREDICTED_AUDIO.name)) is None:
            return
        player = device.player
        start_s = self._monotonic_s(convert.to_ns(message.audio.header.stamp))
        if self._monotonic_s(contact_ns) < player.earliest_s():
            player.late += 1
            self._late(topics.PREDICTED_AUDIO.name, device)
            return
        player.add(start_s, self._samples(message.audio), message.audio.sample_rate, cut=True)

    def _ready(self, topic: str) -> Loudspeaker | None:
        """The device, if it sounds."""
        device = self._device
        if not self.active or device is None or not device.working:
            self._unheard += self.active
            return None
        return device

    def _samples(self, message: AudioChunk) -> NDArray[np.float32]:
        """One channel [n]. Raises ConversionError."""
        return convert.audio_to_array(message)[:, 0] * np.float32(self._config.gain)

    def _monotonic_s(self, ros_ns: int) -> float:
        return time.monotonic() + (ros_ns - self.now_ns()) / NS_PER_S

    def _late(self, topic: str, device: Loudspeaker) -> None:
        self.report(
            topic,
            "sound comes after it could have been heard, and is left out: it must be asked for "
            f"{1000 * device.player.latency_s:.0f} ms ahead; lower buffer_s, or predict earlier",
        )

    # ---- worker --------------------------------------------------------------------------------------------
    def _sound(self, stop: threading.Event) -> None:
        keep_open(self._make, functools.partial(self._use, stop), self._tell, stop, self._config.retry_s)

    def _make(self) -> Loudspeaker:
        c = self._config
        return Loudspeaker(c.device, host_api=c.host_api, sample_rate=c.sample_rate, buffer_s=c.buffer_s)

    def _use(self, stop: threading.Event, device: Loudspeaker) -> None:
        self._device = device
        try:
            device.wait(stop, self._config.silent_s, self._config.start_s)
        finally:
            self._device = None

    def _tell(self, what: str) -> None:
        sentence = f"`{self._config.device}`: {what}"
        if sentence != self._fault:
            self.get_logger().error(f"{sentence}; tried again every {self._config.retry_s:.3g} s")
        self._fault = sentence

    # ---- health --------------------------------------------------------------------------------------------
    def health(self) -> Health:
        if (device := self._device) is not None and device.working:
            self._fault = ""
        if self._fault:
            again = f"it is opened again when it is back (tried every {self._config.retry_s:.3g} s)"
            return Health.error(f"{self._fault}; {again}", **self.figures())
        return super().health()

    def figures(self) -> dict[str, Any]:
        found: dict[str, Any] = {"without_device": self._unheard}
        if (device := self._device) is not None:
            player = device.player
            found |= {
                "device": device.name,
                "latency_ms": round(1000 * player.latency_s, 1),
                "played": player.played,
                "late": player.late,
                "underflows": player.underflows,
                "samples_clipped": player.clipped,
            }
        return found


def main(args: Sequence[str] | None = None) -> int:
    return run(SpeakerNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
