"""Figures of one channel of a microphone, block by block.

Sums and counts over blocks of one second; memory does not grow but for a few numbers a second (of the hum).
"""

from __future__ import annotations

import array
import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S

Block = NDArray[np.float32]  # [n] of one channel

_LSB = 1.0 / 32768.0  # of a microphone with 16 bits
FULL_SCALE = 1.0 + 2 * _LSB  # -32768 / 32767 is none over it
HUM_RMS = 1e-3  # -60 dBFS
SILENCE_S = 2.0
_HUM_OVER = 6.0  # a line of the mains stands so many times above what is beside it
_HUM_BLOCKS = 3
_CLIP_LEVEL = 0.02  # flat tops below are quantisation
_CLIP_RUN = 3
_CLIP_LONGEST_S = 0.1  # what holds one value longer is silence, not a top
_LEAST = 1000  # samples before a correlation, or a dead channel, says anything


@dataclasses.dataclass
class Rail:
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


class Hum:
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


class Channel:
    """Figures of one channel."""

    def __init__(self) -> None:
        self.count = self.bad = self.over = self.held = 0
        self.low, self.high = math.inf, -math.inf
        self.total = self.square = self.cross = self.first_total = self.first_square = 0.0
        self.whole = True
        self.first_over_ns: int | None = None
        self.high_rail, self.low_rail, self.hum = Rail(), Rail(), Hum()
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
        return self.count >= _LEAST and self.low == self.high

    @property
    def correlation(self) -> float:
        """With channel 0, without either's offset."""
        if self.count < _LEAST:
            return 0.0
        own = self.square - self.total**2 / self.count
        first = self.first_square - self.first_total**2 / self.count
        both = self.cross - self.total * self.first_total / self.count
        return both / math.sqrt(own * first) if own > 0 and first > 0 else 0.0
