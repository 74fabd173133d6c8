"""Everything that can be said of one microphone: heads and samples of its chunks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foley_perception.audit.chunks import ChunkAudit
from foley_perception.audit.finding import Finding
from foley_perception.audit.levels import LevelAudit
from foley_perception.recording import cdr
from foley_perception.recording.cdr import AudioHead

BLOCK_S = 1.0


class SoundAudit:
    """Watches one topic of AudioChunk. Adding costs some microseconds a chunk; once a second, some milliseconds."""

    def __init__(self) -> None:
        self.chunks = ChunkAudit()
        self.levels = LevelAudit()
        self._pending: list[NDArray[np.float32]] = []
        self._frames = 0
        self._rate = self._next = 0
        self._stream = ""
        self._time_ns = 0

    def add_message(self, data: cdr.Buffer, arrival_ns: int) -> None:
        """A serialised chunk; what is none is left to whoever reads it."""
        try:
            head = cdr.read_audio_head(data)
            if head.channels < 1 or head.sample_rate < 1 or head.size % head.channels:
                return
            self.add(head, cdr.read_audio_samples(data, head), arrival_ns)
        except cdr.CdrError:
            return

    def add(self, head: AudioHead, samples: NDArray[np.float32], arrival_ns: int) -> None:
        """One chunk, ``samples`` [frames, channels]."""
        if head.frames == 0 or not self.chunks.add(head, arrival_ns):
            return
        goes_on = (head.stream_id, head.sample_rate, head.first_sample) == (
            self._stream,
            self._rate,
            self._next,
        )
        if self._pending and not (goes_on and self._pending[0].shape[1] == samples.shape[1]):
            self._flush()
        if not self._pending:
            self._time_ns = head.header.time_ns or arrival_ns
        self._stream, self._rate = head.stream_id, head.sample_rate
        self._next = head.first_sample + head.frames
        self._pending.append(samples)
        self._frames += head.frames
        if self._frames >= BLOCK_S * head.sample_rate:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            self.levels.add(np.concatenate(self._pending), self._rate, self._time_ns)
        self._pending, self._frames = [], 0

    def findings(
        self, topic: str, start_ns: int | None = None, *, used: int = 0, measured: bool = True
    ) -> list[Finding]:
        """What is wrong, errors of the stream first. ``used`` is the channel that is heard."""
        self._flush()
        found = list(self.chunks.findings(topic, start_ns, measured=measured))
        if self.chunks.interleaved:
            return found  # the samples are of two microphones
        return found + self.levels.findings(topic, start_ns, used)
