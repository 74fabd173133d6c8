"""Taps with a running system, kept as sound files: what `foley commission` asks for.

The system's own detector says where taps are, so that what is adapted to is what the robot will hear.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import numpy as np
import rclpy
import soundfile
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from foley_common import topics
from foley_msgs.msg import AudioChunk, ContactEvent
from foley_perception.audio.ring import AudioRing
from foley_perception.clips.channels import one_channel
from foley_ros import convert as common
from foley_ros.topics import profile
from foley_synthesis.live.contact_queue import ContactQueue, HeardSound
from foley_synthesis.ros import convert

BEFORE_S, AFTER_S = 0.25, 1.0  # of sound around a tap that is kept
_SPIN_S = 0.02
_SILENT_S = 5.0  # without any sound, after which somebody is told


class NothingHeard(RuntimeError):
    """No sound or no taps come; the message says what to look at."""


class TapRecorder:
    """A node of its own, for as long as taps are asked for.

    Args:
        namespace: of the running system.
        channel: of its microphone.
    """

    def __init__(self, namespace: str = "", channel: int = 0) -> None:
        self._namespace, self._channel = namespace, channel
        self._ring: AudioRing | None = None
        self._queue: ContactQueue | None = None
        self._own_context = False

    def __enter__(self) -> TapRecorder:
        self._own_context = not rclpy.ok()
        if self._own_context:
            rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self._node = rclpy.create_node("foley_commission", namespace=self._namespace)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        listen = self._node.create_subscription
        listen(AudioChunk, topics.MICROPHONE.name, self._on_audio, profile(topics.MICROPHONE))
        listen(ContactEvent, topics.CONTACTS.name, self._on_contact, profile(topics.CONTACTS))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        if self._own_context:
            rclpy.try_shutdown()

    def record(self, path: Path, count: int, timeout_s: float, told: Callable[[int], None]) -> int:
        """Wait for so many taps and keep them in one file; how many came in time.

        Args:
            told: is handed how many there are, after each.

        Raises:
            NothingHeard: not one came.
            OSError: the file cannot be written.
        """
        taps: list[HeardSound] = []
        if self._queue is not None:
            self._queue.clear()
        until, silent = time.monotonic() + timeout_s, time.monotonic() + _SILENT_S
        while len(taps) < count and time.monotonic() < until:
            self._spin()
            if self._queue is None:
                if time.monotonic() > silent:
                    raise NothingHeard(
                        f"no sound on {topics.MICROPHONE.name} for {_SILENT_S:.0f} s: is the system up (`foley up`), "
                        "in this namespace and ROS_DOMAIN_ID?"
                    )
                continue
            for tap in self._queue.ready(self._node.get_clock().now().nanoseconds):
                if tap.complete:
                    taps.append(tap)
                    told(len(taps))
        if not taps:
            raise NothingHeard(
                f"no tap on {topics.CONTACTS.name} within {timeout_s:.0f} s: tap harder, or look at /diagnostics of "
                "the contact detector"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        rate = taps[0].sample_rate
        sound = np.concatenate([tap.samples for tap in taps if tap.sample_rate == rate])
        soundfile.write(path, sound, rate, subtype="PCM_24")
        return len(taps)

    def _spin(self) -> None:
        try:
            self._executor.spin_once(timeout_sec=_SPIN_S)
        except ExternalShutdownException:
            raise KeyboardInterrupt from None

    def _on_audio(self, message: AudioChunk) -> None:
        rate = int(message.sample_rate)
        if self._ring is None or self._queue is None or self._ring.sample_rate != rate:
            self._ring = AudioRing(rate)
            self._queue = ContactQueue(self._ring, before_s=BEFORE_S, after_s=AFTER_S)
        self._ring.append(
            one_channel(common.audio_to_array(message), self._channel),
            first_sample=message.first_sample,
            time_ns=common.to_ns(message.header.stamp),
            stream_id=message.stream_id,
            sample_rate=rate,
        )

    def _on_contact(self, message: ContactEvent) -> None:
        if self._queue is not None:
            self._queue.add(convert.contact_of(message, self._node.get_clock().now().nanoseconds))
