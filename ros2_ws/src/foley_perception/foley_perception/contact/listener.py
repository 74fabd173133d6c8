"""Chunks of sound in, onsets in ROS time out; and what is wrong with the microphone, in words."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_common.topics import MICROPHONE
from foley_perception.audio.clock import StreamingClock
from foley_perception.audio.onset import OnsetDetector
from foley_perception.audio.onset_config import OnsetConfig
from foley_perception.audit.finding import Severity
from foley_perception.audit.live import LiveSound
from foley_perception.clips.channels import CHANNEL, one_channel
from foley_perception.own_noise.mask import NoiseSource, OnsetMask


@dataclasses.dataclass(frozen=True)
class HeardOnset:
    """An onset with its time."""

    time_ns: int
    level_dbfs: float
    strength_db: float
    clear: bool = True  # it stands out of the robot's own noise, where that is known


@dataclasses.dataclass(frozen=True)
class Trouble:
    """Something a user can put right."""

    serious: bool  # nothing can be heard until it is
    message: str  # field, value, cure


class Listener:
    """Find onsets in the chunks of one microphone.

    Args:
        config: of the onset detector; its ``sample_rate`` holds until the first chunk tells its own.
        channel: of the microphone that is heard.
        silent_after_s: no chunk, or nothing but zeros, for this long is reported.
        own_noise: of the robot, out of which onsets stand or do not; None: nobody learnt it.
    """

    def __init__(
        self,
        config: OnsetConfig,
        *,
        channel: int = CHANNEL,
        silent_after_s: float = 1.0,
        own_noise: NoiseSource | None = None,
    ) -> None:
        self.config = config
        self.channel = channel
        self.silent_after_s = silent_after_s
        self.chunks = 0
        self.refused_chunks = 0
        self.bad_samples = 0
        self.gaps = 0
        self.lost_samples = 0
        self.restarts = 0
        self.mask: OnsetMask | None = None
        self._own_noise = own_noise
        self._detector = self._new_detector()
        self._clock = StreamingClock(config.sample_rate)
        self._stream_id: str | None = None
        self._shift = 0  # detector sample = first_sample + shift
        self._end_sample = 0
        self._end_ns: int | None = None
        self._arrival_ns: int | None = None
        self._zeros = 0
        self._refusal: str = ""
        self._recent_bad = 0
        self._audit = LiveSound(MICROPHONE.name, channel)

    @property
    def end_ns(self) -> int | None:
        """ROS time up to which sound was heard."""
        return self._end_ns

    @property
    def jitter_s(self) -> float:
        return self._clock.jitter_s

    def hear(
        self,
        samples: NDArray[np.float32],  # [n, channels]
        *,
        first_sample: int,
        time_ns: int,
        stream_id: str,
        sample_rate: int,
        arrival_ns: int | None = None,
    ) -> list[HeardOnset]:
        """Take in one chunk; without a stamp (0) it goes by arrival. Another sample rate begins anew; one that is
        too low for contacts is refused and reported by :meth:`trouble`."""
        self._arrival_ns = time_ns if arrival_ns is None else arrival_ns
        if sample_rate != self.config.sample_rate:
            try:
                self._hear_at(sample_rate)
            except ValueError as error:
                self.refused_chunks += 1
                self._refusal = f"mic/audio: {error}; set the microphone to 16 kHz or more"
                self._stream_id = None  # what comes next does not continue what was
                return []
        self._refusal = ""
        n, channels = samples.shape
        if self.channel >= channels:
            self.refused_chunks += 1
            self._refusal = (
                f"mic/audio has {channels} channels, from 0; the parameter `channel` is {self.channel}"
            )
            self._stream_id = None
            return []
        stream_id, first_sample, time_ns = self._audit.add(
            samples,
            first_sample=first_sample,
            time_ns=time_ns,
            stream_id=stream_id,
            sample_rate=sample_rate,
            arrival_ns=self._arrival_ns,
        )
        mono = one_channel(samples, self.channel)
        good = np.isfinite(mono)
        bad = n - int(np.count_nonzero(good))
        self._recent_bad = bad if bad else max(self._recent_bad - 1, 0)
        if bad:
            self.bad_samples += bad
            mono = np.where(good, mono, np.float32(0.0))
        self._zeros = self._zeros + n if not mono.any() else 0
        self._follow(stream_id, first_sample, time_ns)
        self.chunks += 1
        self._end_sample = first_sample + n
        onsets = self._detector.process(mono)
        self._end_ns = int(self._clock.time_ns(self._end_sample))
        return [
            HeardOnset(int(self._clock.time_ns(o.sample - self._shift)), o.level_dbfs, o.strength_db, o.clear)
            for o in onsets
        ]

    def trouble(self, now_ns: int) -> Trouble | None:
        """What is wrong, if anything is."""
        if self._refusal:
            return Trouble(True, self._refusal)
        if self._arrival_ns is None:
            return Trouble(
                True, "no sound on mic/audio yet: is the microphone node running, is the topic remapped?"
            )
        age = (now_ns - self._arrival_ns) / NS_PER_S
        if age > self.silent_after_s:
            return Trouble(True, f"no sound on mic/audio for {age:.1f} s: is the microphone unplugged?")
        if self._recent_bad:
            return Trouble(
                False, f"mic/audio: {self.bad_samples} samples were NaN or infinite, heard as silence"
            )
        if self._zeros > self.silent_after_s * self.config.sample_rate:
            seconds = self._zeros / self.config.sample_rate
            return Trouble(
                True, f"mic/audio holds nothing but zeros for {seconds:.1f} s: is the microphone muted?"
            )
        if self._own_noise is not None and self.mask is None:
            return Trouble(False, self._own_noise.wrong_rate(self.config.sample_rate))
        found = self._audit.findings()
        if found:
            serious = found[0].severity == Severity.ERROR
            return Trouble(serious, "; ".join(finding.text for finding in found[:3]))
        return None

    def _hear_at(self, sample_rate: int) -> None:
        """From here on, at another rate. Raises ValueError: too low for contacts."""
        self.config = dataclasses.replace(self.config, sample_rate=sample_rate)
        self._detector = self._new_detector()
        self._clock = StreamingClock(sample_rate)
        self.restarts += self._stream_id is not None
        self._stream_id, self._shift, self._end_sample, self._zeros = None, 0, 0, 0
        self._audit = LiveSound(MICROPHONE.name, self.channel)

    def _new_detector(self) -> OnsetDetector:
        known = self._own_noise
        if known is None or known.model.sample_rate != self.config.sample_rate:
            self.mask = None
        else:
            self.mask = known.mask(lambda samples: self._clock.time_ns(samples - self._shift))
        return OnsetDetector(self.config, self.mask)

    def _follow(self, stream_id: str, first_sample: int, time_ns: int) -> None:
        """Keep detector and clock in step with the stream, over gaps and restarts."""
        missing = first_sample - self._end_sample
        if stream_id != self._stream_id or missing < 0 or missing > 10 * self.config.sample_rate:
            if self._stream_id is not None:
                self.restarts += 1
            self._stream_id = stream_id
            self._clock = StreamingClock(self.config.sample_rate)
            self._detector.skip(0)
            self._shift = self._detector.samples_seen - first_sample
        elif missing > 0:
            self.gaps += 1
            self.lost_samples += missing
            self._detector.skip(missing)
        self._clock.update(first_sample, time_ns)
