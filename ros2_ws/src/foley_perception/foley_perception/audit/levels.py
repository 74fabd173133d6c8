"""What the samples of a microphone say of it: range, dead channels, offset, hum, clipping, silence.

Sums and counts over blocks of one second; memory does not grow but for a few numbers a second (of the hum).
"""

from __future__ import annotations

import array
import dataclasses
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.audit.clock_time import moment
from foley_perception.audit.finding import Finding, Severity

Block = NDArray[np.float32]  # [n] of one channel

_LSB = 1.0 / 32768.0  # of a microphone with 16 bits
FULL_SCALE = 1.0 + 2 * _LSB  # -32768 / 32767 is none over it
SLIGHT = 1.1  # up to this, samples over full scale are the rounding of a filter or a resampler
FAR = 8.0  # beyond it (18 dB) samples are no floats of a microphone
DC_OFFSET = 0.01
HUM_RMS = 1e-3  # -60 dBFS
_HUM_OVER = 6.0  # a line of the mains stands so many times above what is beside it
_HUM_BLOCKS = 3
SILENCE_S = 1.0
CLIP_SAMPLES = 10
_CLIP_LEVEL = 0.02  # flat tops below are quantisation
_CLIP_RUN = 3
_CLIP_LONGEST_S = 0.1  # what holds one value longer is silence, not a top
ANTIPHASE = -0.7
_CORRELATED = 1000  # samples before a correlation, or a dead channel, says anything


@dataclasses.dataclass
class _Rail:
    """Flat tops at the highest (or lowest) value that was ever seen."""

    level: float = 0.0
    samples: int = 0
    runs: int = 0
    longest: int = 0
    first_ns: int | None = None

    def add(self, block: Block, rate: int, time_ns: int) -> None:
        """``block`` is turned so that the rail is its maximum."""
        top = float(block.max())
        if top < max(self.level, _CLIP_LEVEL):
            return
        if top > self.level + 0.5 * _LSB:
            self.level, self.samples, self.runs, self.longest, self.first_ns = top, 0, 0, 0, None
        at = np.flatnonzero(block == np.float32(top))
        if at.size < _CLIP_RUN:
            return
        breaks = np.flatnonzero(np.diff(at) > 1)
        begins, ends = at[np.concatenate([[0], breaks + 1])], at[np.concatenate([breaks, [at.size - 1]])]
        lengths = ends - begins + 1
        # The top of a slow wave is flat as well, but is not run into with a slope.
        steep = max(3 * _LSB, 0.002 * top)
        before = top - block[np.maximum(begins - 1, 0)]
        after = top - block[np.minimum(ends + 1, block.size - 1)]
        real = (lengths >= _CLIP_RUN) & (lengths <= _CLIP_LONGEST_S * rate)
        real &= np.maximum(before, after) >= steep
        if real.any():
            self.samples += int(lengths[real].sum())
            self.runs += int(real.sum())
            self.longest = max(self.longest, int(lengths[real].max()))
            if self.first_ns is None:
                self.first_ns = time_ns + int(begins[real][0]) * NS_PER_S // rate


class _Hum:
    """Lines of the mains in the spectrum, second by second."""

    LINES: tuple[int, ...] = (50, 100, 150, 60, 120, 180)

    def __init__(self) -> None:
        self._lines = array.array("f")
        self._floors = array.array("f")

    def add(self, block: Block, rate: int) -> None:
        window = np.hanning(block.size)
        spectrum = np.abs(np.fft.rfft((block - block.mean()) * window)) * (2.0 / window.sum())
        per_hz = block.size / rate
        for line in self.LINES:
            at, near, far = round(line * per_hz), round(3 * per_hz), round(9 * per_hz)
            # Three bins of a Hann window hold 1.5 times the square of a tone's amplitude.
            self._lines.append(math.sqrt(float(np.square(spectrum[at - 1 : at + 2]).sum()) / 1.5))
            beside = np.concatenate([spectrum[at - far : at - near], spectrum[at + near : at + far]])
            self._floors.append(float(np.median(beside)))

    def level(self) -> tuple[int, float]:
        """Frequency of the mains and RMS of its lines; (0, 0) without hum."""
        count = len(self._lines) // len(self.LINES)
        if count < _HUM_BLOCKS:
            return 0, 0.0
        lines = np.median(np.frombuffer(self._lines, np.float32).reshape(count, -1), axis=0)
        floors = np.median(np.frombuffer(self._floors, np.float32).reshape(count, -1), axis=0)
        there = lines > _HUM_OVER * np.maximum(floors, 1e-7)
        best = (0, 0.0)
        for first in (0, 3):
            found = there[first : first + 3]
            if found[0] or found[1:].all():
                rms = float(np.sqrt(np.square(lines[first : first + 3][found]).sum() / 2))
                if rms > max(best[1], HUM_RMS):
                    best = (self.LINES[first], rms)
        return best


class _Channel:
    """Figures of one channel."""

    def __init__(self) -> None:
        self.count = self.bad = self.over = self.held = 0
        self.low, self.high = math.inf, -math.inf
        self.total = self.square = self.cross = self.first_total = self.first_square = 0.0
        self.whole = True
        self.first_over_ns: int | None = None
        self.high_rail, self.low_rail, self.hum = _Rail(), _Rail(), _Hum()
        self.longest_held, self.longest_held_ns = 0, 0
        self._held_value, self._run, self._run_ns = math.nan, 0, 0

    def add(self, block: Block, first: Block, rate: int, time_ns: int) -> None:
        """A block without NaN; ``first`` is that of channel 0."""
        self.count += block.size
        low, high = float(block.min()), float(block.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        if max(high, -low) > FULL_SCALE:
            over = np.flatnonzero(np.abs(block) > FULL_SCALE)
            self.over += over.size
            if self.first_over_ns is None:
                self.first_over_ns = time_ns + int(over[0]) * NS_PER_S // rate
        if self.whole and (high != low or high != 0.0):
            self.whole = bool(np.array_equal(block, np.rint(block)))
        self.total += float(block.sum(dtype=np.float64))
        self.square += float(np.dot(block, block))
        if first is not block:
            self.first_total += float(first.sum(dtype=np.float64))
            self.first_square += float(np.dot(first, first))
            self.cross += float(np.dot(block, first))
        self._hold(block, rate, time_ns)
        if high > low:
            self.high_rail.add(block, rate, time_ns)
            self.low_rail.add(-block, rate, time_ns)
            if block.size >= rate and rate >= 1000:
                self.hum.add(block, rate)

    def _hold(self, block: Block, rate: int, time_ns: int) -> None:
        """Stretches in which every sample is the one before."""
        changes = np.flatnonzero(block[1:] != block[:-1]) + 1
        if self._run == 0 or float(block[0]) != self._held_value:
            self._close_run(rate)
            self._held_value, self._run_ns = float(block[0]), time_ns
        if not changes.size:
            self._run += block.size
            return
        self._run += int(changes[0])
        self._close_run(rate)
        inner = np.diff(changes)
        if inner.size and inner.max() >= SILENCE_S * rate:
            for at, length in zip(changes[:-1], inner, strict=True):
                self._run, self._run_ns = int(length), time_ns + int(at) * NS_PER_S // rate
                self._close_run(rate)
        self._held_value, self._run = float(block[-1]), block.size - int(changes[-1])
        self._run_ns = time_ns + int(changes[-1]) * NS_PER_S // rate

    def _close_run(self, rate: int) -> None:
        if self._run >= SILENCE_S * rate:
            self.held += self._run
            if self._run > self.longest_held:
                self.longest_held, self.longest_held_ns = self._run, self._run_ns
        self._run = 0

    def silence(self, rate: int) -> tuple[int, int, int]:
        """Longest stretch without a change, its begin [ns], and all of them [samples]; what goes on counts."""
        longest, at, total = self.longest_held, self.longest_held_ns, self.held
        if self._run >= SILENCE_S * rate:
            total += self._run
            if self._run > longest:
                longest, at = self._run, self._run_ns
        return longest, at, total

    @property
    def peak(self) -> float:
        return max(abs(self.low), abs(self.high)) if self.count else 0.0

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    @property
    def dead(self) -> bool:
        return self.count >= _CORRELATED and self.low == self.high

    @property
    def correlation(self) -> float:
        """With channel 0, without either's offset."""
        if self.count < _CORRELATED:
            return 0.0
        own = self.square - self.total**2 / self.count
        first = self.first_square - self.first_total**2 / self.count
        both = self.cross - self.total * self.first_total / self.count
        return both / math.sqrt(own * first) if own > 0 and first > 0 else 0.0


class LevelAudit:
    """Levels of all channels of one microphone; feed it blocks, then ask."""

    def __init__(self) -> None:
        self._channels: list[_Channel] = []
        self._rate = 0

    def add(self, samples: NDArray[np.float32], rate: int, time_ns: int) -> None:
        """``samples`` [n, channels] that follow each other, at most about a second; ``time_ns`` of the first."""
        if not len(samples):
            return
        self._rate = rate
        good = np.isfinite(samples)
        clean = samples if good.all() else np.where(good, samples, np.float32(0.0))
        first = np.ascontiguousarray(clean[:, 0])
        for number in range(samples.shape[1]):
            if number == len(self._channels):
                self._channels.append(_Channel())
            channel = self._channels[number]
            block = first if number == 0 else np.ascontiguousarray(clean[:, number])
            channel.bad += len(samples) - int(np.count_nonzero(good[:, number]))
            channel.add(block, first, rate, time_ns)

    def findings(self, topic: str, start_ns: int | None, used: int = 0) -> list[Finding]:
        """What is wrong; ``used`` is the channel that is heard."""
        found: list[Finding] = []
        for number, channel in enumerate(self._channels):
            name = topic if len(self._channels) == 1 else f"{topic}: channel {number}"
            found += self._of_channel(topic, name, channel, number == used, start_ns)
        return found

    # ---- rules -----------------------------------------------------------------------------------------
    def _of_channel(
        self, topic: str, name: str, channel: _Channel, used: bool, start_ns: int | None
    ) -> Iterator[Finding]:
        if channel.bad:
            everything = channel.bad == channel.count
            yield Finding(
                "sound_unknown",
                Severity.ERROR if everything and used else Severity.PROBLEM,
                topic,
                f"{name}: {channel.bad} of {channel.count} samples are NaN or infinite, heard as silence; "
                "the driver must send numbers",
            )
            if everything:
                return
        if channel.dead:
            yield self._dead(topic, name, channel, used)
            return
        yield from self._range(topic, name, channel, start_ns)
        if channel.peak > FAR:
            return  # nothing else can be said of such samples
        yield from self._clipping(topic, name, channel, start_ns)
        yield from self._silence(topic, name, channel, start_ns)
        if abs(channel.mean) > DC_OFFSET:
            yield Finding(
                "sound_offset",
                Severity.PROBLEM,
                topic,
                f"{name} has a mean of {channel.mean:+.4f} of full scale, at most {DC_OFFSET} is usual: switch on "
                "the driver's high-pass, or check the microphone's supply",
            )
        mains, rms = channel.hum.level()
        if mains:
            yield Finding(
                "sound_hum",
                Severity.PROBLEM,
                topic,
                f"{name} hums at {mains} Hz and its harmonics with {20 * math.log10(rms):.0f} dBFS throughout: "
                "check ground and shield of the cable, or run the computer off another supply",
            )
        if channel.correlation < ANTIPHASE:
            yield Finding(
                "sound_antiphase",
                Severity.PROBLEM,
                topic,
                f"{name} is channel 0 turned over (correlation {channel.correlation:.2f}): whoever averages them "
                "hears nothing; swap the wires of one capsule. Foley hears channel 0 alone",
            )

    def _dead(self, topic: str, name: str, channel: _Channel, used: bool) -> Finding:
        cure = (
            "is it muted, unplugged or the wrong input? The live channel must be the first"
            if used
            else "nothing is connected to it; this costs nothing where channel 0 is the microphone"
        )
        seconds = channel.count / self._rate
        severity = Severity.ERROR if used else Severity.PROBLEM
        text = f"{name} holds {channel.low:g} in all {channel.count} samples ({seconds:.1f} s): {cure}"
        return Finding("sound_dead", severity, topic, text)

    def _range(self, topic: str, name: str, channel: _Channel, start_ns: int | None) -> Iterator[Finding]:
        if channel.peak <= FULL_SCALE:
            return
        at, peak = moment(channel.first_over_ns, start_ns), channel.peak
        if peak > FAR or (channel.whole and peak > 1.5):
            bits = next((b for b in (16, 24, 32) if peak <= 2 ** (b - 1)), 0)
            cure = f"divide by {2 ** (bits - 1)}" if bits else "divide by full scale"
            yield Finding(
                "sound_range",
                Severity.ERROR,
                topic,
                f"{name}: samples up to {peak:.5g} (from {at} on), must lie in [-1, 1]: the driver did not scale its "
                f"integers; {cure}",
                channel.first_over_ns,
            )
            return
        yield Finding(
            "sound_range",
            Severity.NOTE if peak <= SLIGHT else Severity.PROBLEM,
            topic,
            f"{name}: {channel.over} samples over full scale, up to {peak:.3f}, first at {at}: must lie in [-1, 1]; "
            "lower the gain behind the converter",
            channel.first_over_ns,
        )

    def _clipping(self, topic: str, name: str, channel: _Channel, start_ns: int | None) -> Iterator[Finding]:
        rails = (channel.high_rail, channel.low_rail)
        samples = sum(rail.samples for rail in rails)
        if samples < CLIP_SAMPLES:
            return
        first = min(rail.first_ns for rail in rails if rail.first_ns is not None)
        worst = max(rails, key=lambda rail: rail.samples)
        yield Finding(
            "sound_clipped",
            Severity.PROBLEM,
            topic,
            f"{name} is clipped at {worst.level:.3f} of full scale: {samples / channel.count:.3%} of the samples in "
            f"{sum(r.runs for r in rails)} tops, the longest {max(r.longest for r in rails)} samples, first at "
            f"{moment(first, start_ns)}; lower the gain",
            first,
        )

    def _silence(self, topic: str, name: str, channel: _Channel, start_ns: int | None) -> Iterator[Finding]:
        longest, at, total = channel.silence(self._rate)
        if not longest:
            return
        yield Finding(
            "sound_silence",
            Severity.PROBLEM,
            topic,
            f"{name} does not change at all for {longest / self._rate:.1f} s from {moment(at, start_ns)} on, "
            f"{total / self._rate:.1f} s in all: nothing is heard there; switch off its noise gate, or find out who mutes it",
            at,
        )
