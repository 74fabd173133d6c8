"""A microphone of this machine to an AudioChunk topic, by PortAudio.

PortAudio's thread leaves chunks in a mailbox; the worker counts and stamps them (`audio_devices/sample_count.py`) and
publishes. It also opens the device again when it was gone: each time with a new stream_id, because a new clock begins.
The stamp is the device's own capture time, moved from the monotonic clock to ROS time as the two lie to each other when
the chunk is published.
"""

from __future__ import annotations

import functools
import threading
import time
import uuid
from collections.abc import Sequence
from typing import Any

from foley_common import topics
from foley_common.times import NS_PER_S
from foley_msgs.msg import AudioChunk
from foley_perception.audio_devices.capture import Microphone
from foley_perception.audio_devices.config import MicrophoneConfig
from foley_perception.audio_devices.keeper import keep_open
from foley_perception.audio_devices.sample_count import Placed, SampleCount
from foley_ros import convert
from foley_ros.node import FoleyNode, Health, run


class MicrophoneNode(FoleyNode[MicrophoneConfig]):
    """See the module's docstring."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("microphone", MicrophoneConfig, **kwargs)
        self._stop = threading.Event()
        self._fault = ""  # the device cannot be heard
        self._microphone: Microphone | None = None
        self._count: SampleCount | None = None
        self._figures: dict[str, Any] = {}

    def setup(self, config: MicrophoneConfig) -> None:
        self._audio = self.entities.publish(topics.topic(config.role))
        self._config = config
        self._fault = ""
        self._figures = {
            "opened": 0,
            "chunks": 0,
            "gaps": 0,
            "samples_lost": 0,
            "overflows": 0,
            "clock_jumps": 0,
        }
        self.start_worker(capacity=1)

    def start(self) -> None:
        self._stop = threading.Event()
        self._since_s = time.monotonic()
        self.put(functools.partial(self._listen, self._stop))

    def stop(self) -> None:
        self._stop.set()
        if (microphone := self._microphone) is not None:
            microphone.end()

    # ---- worker --------------------------------------------------------------------------------------------
    def _listen(self, stop: threading.Event) -> None:
        keep_open(self._make, functools.partial(self._publish, stop), self._tell, stop, self._config.retry_s)

    def _make(self) -> Microphone:
        c = self._config
        return Microphone(
            c.device, host_api=c.host_api, channels=c.channels, sample_rate=c.sample_rate,
            chunk_s=c.chunk_s, buffer_s=c.buffer_s,
        )  # fmt: skip

    def _publish(self, stop: threading.Event, microphone: Microphone) -> None:
        stream_id = uuid.uuid4().hex
        self._count = count = SampleCount(microphone.sample_rate, microphone.latency_s)
        self._microphone = microphone
        before = dict(self._figures)
        for chunk in microphone.chunks(self._config.silent_s, self._config.start_s):
            if self._fault or self._figures["opened"] == before["opened"]:
                self._figures["opened"] = before["opened"] + 1
                self.get_logger().info(
                    f"hears `{microphone.name}`: {microphone.channels} channels at {microphone.sample_rate} Hz, "
                    f"{1000 * microphone.latency_s:.0f} ms of buffer"
                )
                self._fault = ""
            gaps, lost = count.gaps, count.lost
            for placed in count.take(chunk):
                self._send(placed, stream_id, microphone)
            if count.gaps > gaps:
                self.report(
                    microphone.name,
                    f"{(count.lost - lost) / microphone.sample_rate:.4f} s of sound were lost (a gap in "
                    "first_sample): raise buffer_s, or give the processor some rest",
                )
            for name, value in (
                ("gaps", count.gaps),
                ("samples_lost", count.lost),
                ("overflows", count.overflows),
                ("clock_jumps", count.jumps),
            ):
                self._figures[name] = before[name] + value
        for placed in count.finish():
            self._send(placed, stream_id, microphone)

    def _send(self, placed: Placed, stream_id: str, microphone: Microphone) -> None:
        # Measured anew each time: ROS time may be set, or be a simulation's.
        ros_ns, now_s = self.now_ns(), time.monotonic()
        uncertainty_s = placed.std_s
        if not placed.by_device:
            uncertainty_s += microphone.latency_s
        self._audio.publish(
            convert.array_to_audio(
                placed.samples,
                time_ns=max(ros_ns + round((placed.captured_s - now_s) * NS_PER_S), 0),
                frame_id=self._config.frame_id,
                stream_id=stream_id,
                first_sample=placed.first_sample,
                sample_rate=microphone.sample_rate,
                stamp_source=AudioChunk.STAMP_DRIVER if placed.by_device else AudioChunk.STAMP_ARRIVAL,
                stamp_uncertainty=uncertainty_s,
            )
        )
        self._figures["chunks"] += 1
        self._figures["stamp_uncertainty_ms"] = round(1000 * uncertainty_s, 3)
        self._figures["device_buffer_ms"] = round(1000 * microphone.latency_s, 1)

    def _tell(self, what: str) -> None:
        sentence = f"`{self._config.device}`: {what}"
        if sentence != self._fault:
            self.get_logger().error(f"{sentence}; tried again every {self._config.retry_s:.3g} s")
        self._fault = sentence

    # ---- health --------------------------------------------------------------------------------------------
    def health(self) -> Health:
        if self._fault:
            again = f"it is opened again when it is back (tried every {self._config.retry_s:.3g} s)"
            return Health.error(f"{self._fault}; {again}", **self.figures())
        return super().health()

    def figures(self) -> dict[str, Any]:
        return {"device": self._microphone.name if self._microphone else "", **self._figures}

    def problems(self) -> list[str]:
        found = []
        waited_s = time.monotonic() - self._since_s
        if not self._figures["opened"] and waited_s > 2 * self._config.start_s:
            found.append(
                f"`{self._config.device}` has been opening for {waited_s:.0f} s; does its sound server hang?"
            )
        if (count := self._count) is not None:
            if count.clock.problem:
                found.append(count.clock.problem)
            if count.unsettled:
                found.append("what the device says of its time wanders: stamps are as uncertain as they say")
        return found


def main(args: Sequence[str] | None = None) -> int:
    return run(MicrophoneNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
