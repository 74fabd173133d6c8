"""Onsets in sound, as it streams in.

Every hop a short spectrum is summed into bands and compared, in decibels, with what stood there shortly
before and with a slowly following noise floor. A contact raises many bands at once within a few milliseconds;
hum, fans and motors that speed up raise few, or all of them slowly. Where the mean rise peaks above both a
fixed and an adaptive threshold an onset is found; its time is then refined on the whitened waveform at
sub-millisecond resolution.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import math

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class OnsetConfig:
    """Of the onset detector. Times in seconds, levels in dB."""

    sample_rate: int = 48_000
    hop_s: float = 0.005
    window_s: float = 0.010
    bands: int = 16
    low_hz: float = 250.0  # below it motors and handling are louder than contacts
    high_hz: float = 16_000.0
    flux_db: float = 2.5  # mean rise over the bands that is needed at least
    flux_ratio: float = 6.0  # ... and this many times the usual rise
    above_floor_db: float = 6.0  # a band counts when it stands this far above the noise floor
    min_bands: int = 3  # bands that must stand so
    min_interval_s: float = 0.08  # between two onsets
    floor_rise_db_s: float = 6.0  # how fast the noise floor follows upwards
    silence_dbfs: float = -100.0  # band levels below it are digital silence

    def __post_init__(self) -> None:
        for name in ("sample_rate", "hop_s", "window_s", "low_hz", "flux_db", "flux_ratio", "min_interval_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}, must be positive")
        if self.window_s < self.hop_s:
            raise ValueError(f"window_s is {self.window_s}, must be at least hop_s ({self.hop_s})")
        if not self.low_hz < self.high_hz:
            raise ValueError(f"high_hz is {self.high_hz}, must be above low_hz ({self.low_hz})")
        if not 1 <= self.min_bands <= self.bands:
            raise ValueError(f"min_bands is {self.min_bands}, must lie in 1..bands ({self.bands})")

    @property
    def hop(self) -> int:
        """Samples from one spectrum to the next."""
        return max(round(self.hop_s * self.sample_rate), 1)

    @property
    def window(self) -> int:
        """Samples of one spectrum."""
        return max(round(self.window_s * self.sample_rate), self.hop)


@dataclasses.dataclass(frozen=True)
class Onset:
    """One onset. The sample index counts from the first sample given to the detector."""

    sample: int
    level_dbfs: float  # peak of the waveform in the 30 ms from the onset on
    strength_db: float  # mean rise over the bands
    bands: int  # bands that rose above the floor


class OnsetDetector:
    """Feed samples in chunks of any size; onsets come out some 35 ms after they happened.

    The result does not depend on the size of the chunks.
    """

    _AFTER_S = 0.03  # sound needed after an onset for its level
    _BEFORE_S = 0.06  # sound kept before a hop for the refinement

    def __init__(self, config: OnsetConfig | None = None) -> None:
        self.config = config or OnsetConfig()
        c = self.config
        self._window = np.hanning(c.window).astype(np.float32)
        self._bank = _band_matrix(c)
        self._keep = round((self._BEFORE_S + self._AFTER_S + 4 * c.hop_s + c.window_s) * c.sample_rate)
        self.reset()

    def reset(self) -> None:
        """Forget everything, as after a gap of unknown length."""
        self._buffer = np.zeros(0, dtype=np.float32)
        self._start = 0  # index of the buffer's first sample
        self._next = 0  # index of the first sample of the next spectrum
        self._previous: collections.deque[NDArray[np.float64]] = collections.deque(maxlen=4)
        self._floor: NDArray[np.float64] | None = None
        self._fluxes: collections.deque[float] = collections.deque(maxlen=round(1.0 / self.config.hop_s))
        self._candidates: list[
            tuple[int, float, int]
        ] = []  # (hop start, flux, bands), waiting for a larger one
        self._last_onset = -(10**12)

    @property
    def samples_seen(self) -> int:
        return self._start + len(self._buffer)

    def process(self, samples: Samples) -> list[Onset]:
        """Take in mono samples [n]; return the onsets that are now certain, in order."""
        self._buffer = np.concatenate([self._buffer, np.asarray(samples, dtype=np.float32)])
        c = self.config
        onsets: list[Onset] = []
        while self._next + c.window <= self.samples_seen:
            self._hop()
            self._next += c.hop
        onsets.extend(self._ripe())
        drop = (
            min(self._next, *(k[0] for k in self._candidates), self.samples_seen) - self._start - self._keep
        )
        if drop > 0:
            self._buffer = self._buffer[drop:]
            self._start += drop
        return onsets

    def skip(self, samples: int) -> None:
        """``samples`` samples were lost: start afresh behind them, without taking the edge for an onset."""
        position = self.samples_seen + samples
        last, floor = self._last_onset, self._floor
        self.reset()
        self._start = self._next = position
        self._last_onset, self._floor = last, floor

    # ---- inside ----------------------------------------------------------------------------------------
    def _hop(self) -> None:
        c = self.config
        at = self._next - self._start
        spectrum = np.abs(np.fft.rfft(self._buffer[at : at + c.window] * self._window)) ** 2
        power = self._bank @ spectrum
        level = 10.0 * np.log10(power + 10.0 ** (c.silence_dbfs / 10.0))
        if self._floor is None:
            self._floor = level.copy()
        # Against the loudest of the hops before: a tone that beats with the hop does not rise.
        past = np.max(np.stack(self._previous), axis=0) if self._previous else level
        rise = np.maximum(level - np.maximum(past, self._floor), 0.0)
        above = level - self._floor > c.above_floor_db
        flux = float(np.mean(np.minimum(rise, 30.0)))
        bands = int(np.sum(above & (rise > 3.0)))
        usual = float(np.median(self._fluxes)) if len(self._fluxes) >= 20 else 0.0
        if flux > max(c.flux_db, c.flux_ratio * usual) and bands >= c.min_bands:
            self._candidates.append((self._next, flux, bands))
        self._fluxes.append(flux)
        self._previous.append(level)
        # Down at once (towards the mean of a noisy level), up slowly: contacts do not lift the floor.
        step = c.floor_rise_db_s * c.hop_s
        self._floor += np.where(level > self._floor, step, 0.1 * (level - self._floor))

    def _ripe(self) -> list[Onset]:
        """Merge neighbouring candidates and refine those whose sound has fully arrived."""
        c = self.config
        onsets: list[Onset] = []
        while self._candidates:
            first = self._candidates[0][0]
            needed = first + c.window + 2 * c.hop + round(self._AFTER_S * c.sample_rate)
            if self.samples_seen < needed:
                break
            group = [k for k in self._candidates if k[0] - first <= 3 * c.hop]
            self._candidates = self._candidates[len(group) :]
            sample = self._refine(first)
            if sample - self._last_onset < c.min_interval_s * c.sample_rate:
                continue
            self._last_onset = sample
            after = self._cut(sample, sample + round(self._AFTER_S * c.sample_rate))
            peak = float(np.max(np.abs(after))) if after.size else 0.0
            onsets.append(
                Onset(
                    sample,
                    20.0 * math.log10(peak) if peak > 0 else -math.inf,
                    max(k[1] for k in group),
                    max(k[2] for k in group),
                )
            )
        return onsets

    def _refine(self, hop_start: int) -> int:
        """Where the sound begins, in the neighbourhood of a hop: the change of variance that explains it
        best.

        Akaike's criterion, as used to pick first arrivals of earthquakes (Maeda 1985), summed over octave
        bands with each band's share of independent samples as its weight.
        """
        c = self.config
        begin = max(hop_start - round(0.025 * c.sample_rate), self._start)
        sound = self._cut(begin, hop_start + c.window + c.hop).astype(np.float64)
        n = len(sound)
        if n < 64:
            return hop_start + c.window // 2
        spectrum = np.fft.rfft(sound, 2 * n)
        frequency = np.fft.rfftfreq(2 * n, 1.0 / c.sample_rate)
        edges = c.low_hz * 2.0 ** np.arange(
            0, math.log2(min(c.high_hz, 0.45 * c.sample_rate) / c.low_hz) + 0.5
        )
        split = np.arange(24, n - 24)
        criterion = np.zeros(len(split))
        for low, high in itertools.pairwise(edges):
            band = np.fft.irfft(np.where((frequency >= low) & (frequency < high), spectrum, 0.0))[:n]
            energy = np.concatenate([[0.0], np.cumsum(band**2 + 1e-14)])
            before, after = energy[split] / split, (energy[n] - energy[split]) / (n - split)
            weight = (high - low) / (0.5 * c.sample_rate)
            criterion += weight * (split * np.log(before) + (n - split) * np.log(after))
        return begin + self._sharpen(sound, int(split[np.argmin(criterion)]))

    def _sharpen(self, sound: NDArray[np.float64], pick: int) -> int:
        """Undo what the band filters smeared forward in time, where the onset stands clear of the noise."""
        ms = self.config.sample_rate // 1000
        # The second difference lifts a click over hum, +12 dB per octave.
        energy = np.diff(sound, 2, prepend=sound[0], append=sound[-1]) ** 2
        noise = energy[max(pick - 10 * ms, 0) : max(pick - 2 * ms, 1)]
        search = energy[max(pick - ms, 0) : pick + 5 * ms]
        limit = max(3.0 * float(noise.max()), 1e-3 * float(search.max()))
        if float(search.max()) < 20.0 * limit:
            return pick
        return max(pick - ms, 0) + int(np.argmax(search > limit))

    def _cut(self, begin: int, end: int) -> Samples:
        return self._buffer[max(begin - self._start, 0) : max(end - self._start, 0)]


def _band_matrix(config: OnsetConfig) -> NDArray[np.float64]:
    """Sums of spectrum bins [bands, window // 2 + 1], spaced evenly in log frequency.

    Scaled so that the bands of a signal sum to about its mean square.
    """
    bins = config.window // 2 + 1
    frequency = np.arange(bins) * config.sample_rate / config.window
    edges = np.geomspace(config.low_hz, min(config.high_hz, 0.45 * config.sample_rate), config.bands + 1)
    # Low bands can be narrower than a bin: every band takes at least one, of its own.
    index = np.maximum(np.searchsorted(frequency, edges), 1)
    for i in range(1, len(index)):
        index[i] = max(index[i], index[i - 1] + 1)
    matrix = np.zeros((config.bands, bins))
    scale = 2.0 / (np.sum(np.hanning(config.window) ** 2) * config.window)
    for band in range(config.bands):
        matrix[band, index[band] : min(index[band + 1], bins)] = scale
    return matrix
