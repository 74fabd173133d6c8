"""The last seconds of `mic/audio`, for a model that is told what the room and earlier touches sound like."""

from __future__ import annotations

import collections
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common import topics
from foley_msgs.msg import AudioChunk
from foley_perception.audio.clock import stamp_by_arrival
from foley_perception.audio.ring import AudioRing
from foley_perception.clips.channels import one_channel
from foley_ros import convert
from foley_ros.node import FoleyNode
from foley_ros.polling import Poller

KEPT_S = 8.0


class HeardRoom:
    """Keeps what one channel heard: as it came, in which gaps play no part, and by time."""

    def __init__(self, node: FoleyNode[Any], poller: Poller) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._chunks: collections.deque[NDArray[np.float32]] = collections.deque()
        self._rate, self._samples = 0, 0
        self._ring: AudioRing | None = None
        poller.subscribe(topics.MICROPHONE, self._on_audio)

    def sound(self) -> tuple[NDArray[np.float32], int] | None:
        """Samples [n] and their rate [Hz]; None before the first."""
        with self._lock:
            return (np.concatenate(self._chunks), self._rate) if self._chunks else None

    @property
    def ring(self) -> AudioRing | None:
        """The same by time; another one where the rate changes, None before the first."""
        return self._ring

    def _on_audio(self, message: AudioChunk) -> None:
        arrival_ns, rate = self._node.now_ns(), int(message.sample_rate)
        try:
            samples = np.asarray(one_channel(convert.audio_to_array(message), 0), np.float32)
            if self._ring is None or self._ring.sample_rate != rate:
                self._ring = AudioRing(rate)
            stamp_ns = convert.to_ns(message.header.stamp) or stamp_by_arrival(arrival_ns, len(samples), rate)
            first, stream_id = message.first_sample, message.stream_id
            self._ring.append(samples, first_sample=first, time_ns=stamp_ns, stream_id=stream_id)
        except ValueError as error:
            self._node.report(topics.MICROPHONE.name, str(error))
            return
        with self._lock:
            if rate != self._rate:
                self._chunks.clear()
                self._rate, self._samples = rate, 0
            self._chunks.append(np.nan_to_num(samples))
            self._samples += len(samples)
            while self._samples - len(self._chunks[0]) >= KEPT_S * self._rate:
                self._samples -= len(self._chunks.popleft())
