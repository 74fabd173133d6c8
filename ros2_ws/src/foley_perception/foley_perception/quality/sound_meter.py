"""What one microphone heard, over the time of a recording: levels, noise floor, onsets. Fed chunk by chunk."""

from __future__ import annotations

import array
import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.audio.onset import OnsetDetector
from foley_perception.audio.onset_config import OnsetConfig
from foley_perception.quality.time_line import TimeLine
from foley_perception.recording.cdr import AudioHead

FRAME_S = 0.05  # of a short-time level
FLOOR = 0.1  # the quantile of short-time levels that counts as the noise floor
_SILENT = 1e-10  # power of what is silent: -100 dBFS


@dataclasses.dataclass(frozen=True)
class Heard:
    """An onset, by its stream's count of samples, and by the stamp of the block it lies in [ns]."""

    stream_id: str
    sample: int
    about_ns: int
    level_dbfs: float  # peak within 30 ms


class SoundMeter:
    """Of one topic; one channel of it is heard.

    Args:
        channel: from 0; what has fewer channels is heard by its first.
        start_ns: of the recording, by arrival.
    """

    def __init__(self, channel: int, start_ns: int) -> None:
        self.channel, self._start_ns = channel, start_ns
        self.sample_rate = self.channels = self.samples = 0
        self.line = TimeLine()  # short-time level [dBFS] by arrival
        self.heard: list[Heard] = []
        self.deaf = ""  # why no onset was looked for
        self._levels, self._weighted = (
            array.array("f"),
            array.array("f"),
        )  # dBFS, dB(A) relative to full scale
        self._stream: tuple[str, int, int] = ("", 0, 0)  # id, rate, next sample
        self._blocks: list[NDArray[np.float32]] = []
        self._frames = 0
        self._block = (0, 0, 0)  # first sample, stamp, arrival of what waits
        self._detector: OnsetDetector | None = None
        self._shift = 0  # the stream's sample less the detector's
        self._weight: _Weighting | None = None

    def add(self, head: AudioHead, samples: NDArray[np.float32], arrival_ns: int) -> None:
        """One chunk [frames, channels]. What comes late or twice is left out: it was heard, or is lost."""
        if not head.frames:
            return
        stream_id, rate, following = self._stream
        same = (stream_id, rate) == (head.stream_id, head.sample_rate)
        if same and 0 < following - head.first_sample <= 10 * rate:
            return
        if not same or head.first_sample != following:
            self._listen()
            self._go_on(head, lost=head.first_sample - following if same else -1)
        if not self._blocks:
            self._block = (head.first_sample, head.header.time_ns or arrival_ns, arrival_ns)
        self._stream = (head.stream_id, head.sample_rate, head.first_sample + head.frames)
        self.sample_rate, self.channels = head.sample_rate, max(self.channels, head.channels)
        mono = samples[:, min(self.channel, head.channels - 1)]
        self._blocks.append(np.nan_to_num(mono, nan=0.0, posinf=0.0, neginf=0.0))
        self._frames += head.frames
        if self._frames >= head.sample_rate:
            self._listen()

    def finish(self) -> None:
        """No chunk follows."""
        self._listen()

    def _go_on(self, head: AudioHead, lost: int) -> None:
        """Behind a gap of a stream, or in another one (-1)."""
        if lost >= 0 and self._detector is not None:
            self._detector.skip(lost)
            return
        self._shift = head.first_sample
        self._weight = _Weighting(head.sample_rate)
        try:
            self._detector, self.deaf = OnsetDetector(OnsetConfig(sample_rate=head.sample_rate)), ""
        except ValueError as error:
            self._detector, self.deaf = None, str(error)

    def _listen(self) -> None:
        """To what waits, about a second."""
        if not self._blocks:
            return
        sound = np.concatenate(self._blocks).astype(np.float32, copy=False)
        self._blocks, self._frames = [], 0
        stream_id, rate, _ = self._stream
        first, stamp_ns, arrival_ns = self._block
        self.samples += len(sound)
        self._measure(sound, rate, (arrival_ns - self._start_ns) / NS_PER_S)
        if self._detector is None:
            return
        for onset in self._detector.process(sound):
            sample = onset.sample + self._shift
            about = stamp_ns + (sample - first) * NS_PER_S // rate
            self.heard.append(Heard(stream_id, sample, about, onset.level_dbfs))

    def _measure(self, sound: NDArray[np.float32], rate: int, time_s: float) -> None:
        frame = max(round(FRAME_S * rate), 1)
        weighted = self._weight(sound) if self._weight is not None else sound
        count = len(sound) // frame
        if not count:
            return
        levels = _levels(sound, frame, count)
        self._levels.extend(levels)
        self._weighted.extend(_levels(weighted, frame, count))
        for number, level in enumerate(levels.tolist()):
            self.line.add(time_s + number * FRAME_S, level)

    def figures(self) -> dict[str, Any]:
        """Levels [dBFS] of the whole recording; NaN where nothing was heard."""
        levels, weighted = (np.frombuffer(a, np.float32) for a in (self._levels, self._weighted))
        # Silence that a noise gate or a mute makes tells nothing of the noise.
        loud = levels > 10.0 * math.log10(_SILENT)
        levels, weighted = (levels[loud], weighted[loud]) if loud.any() else (levels, weighted)
        known = levels.size > 0
        return {
            "sample_rate": self.sample_rate,
            "channels": self.channels,
            "channel": self.channel,
            "duration_s": self.samples / self.sample_rate if self.sample_rate else 0.0,
            "noise_floor_dbfs": float(np.quantile(levels, FLOOR)) if known else math.nan,
            "noise_floor_dbfs_a": float(np.quantile(weighted, FLOOR)) if known else math.nan,
            "level_median_dbfs": float(np.median(levels)) if known else math.nan,
            "level_line": self.line.told(),
        }


def _levels(sound: NDArray[np.float32], frame: int, count: int) -> NDArray[np.float32]:
    power = np.square(sound[: count * frame].reshape(count, frame), dtype=np.float64).mean(axis=1)
    return np.asarray(10.0 * np.log10(np.maximum(power, _SILENT)), np.float32)


class _Weighting:
    """A-weighting of IEC 61672-1 (its four poles and zeros, brought to samples by the bilinear transform), block by
    block. Near half the sample rate it falls off faster than the standard's curve."""

    _POLES_HZ = (20.598997, 107.65265, 737.86223, 12194.217)

    def __init__(self, rate: int) -> None:
        from scipy.signal import bilinear_zpk, freqz_zpk, zpk2sos

        f1, f2, f3, f4 = (-2.0 * math.pi * f for f in self._POLES_HZ)
        zeros, poles, gain = bilinear_zpk([0.0] * 4, [f1, f1, f2, f3, f4, f4], 1.0, rate)
        _, at_1_khz = freqz_zpk(zeros, poles, gain, worN=[1000.0], fs=rate)
        self._sections = zpk2sos(zeros, poles, gain / abs(at_1_khz[0]))
        self._state = np.zeros((len(self._sections), 2))

    def __call__(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        from scipy.signal import sosfilt

        weighted, self._state = sosfilt(self._sections, sound, zi=self._state)
        return np.asarray(weighted, np.float32)
