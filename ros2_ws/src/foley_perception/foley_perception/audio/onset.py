"""Onsets in sound, as it streams in.

Every hop a short spectrum is summed into bands and compared, in decibels, with what stood there shortly before and
with a slowly following noise floor. A contact raises several bands at once within a few milliseconds; hum, fans and
motors that speed up raise few, or all of them slowly. Where the mean rise exceeds both a fixed and an adaptive
threshold an onset is found. Two banks look side by side: *clicks* above 250 Hz with a window of 10 ms, and *thumps*
of soft things below 640 Hz, where telling bands apart needs 20 ms. The onset's time is then refined on the waveform.
"""

from __future__ import annotations

import bisect
import collections
import dataclasses
import itertools
import math

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class BankConfig:
    """Bands that rise together. Levels in dB."""

    window_s: float
    bands: int
    low_hz: float
    high_hz: float
    lag_hops: int  # levels are compared with the loudest of this many hops, just before the window fills
    flux_db: float  # mean rise over the bands that is needed at least
    min_bands: int  # bands that must stand above the noise floor
    above_floor_db: float  # by this much

    def __post_init__(self) -> None:
        if not 0 < self.low_hz < self.high_hz:
            raise ValueError(f"low_hz is {self.low_hz}, must lie between 0 and high_hz ({self.high_hz})")
        if not 1 <= self.min_bands <= self.bands:
            raise ValueError(f"min_bands is {self.min_bands}, must lie in 1..bands ({self.bands})")


# Below 250 Hz motors and handling are louder than most contacts.
CLICKS = BankConfig(0.010, 16, 250.0, 16_000.0, 4, 2.5, 3, 6.0)
THUMPS = BankConfig(0.020, 4, 40.0, 640.0, 4, 6.0, 2, 8.0)


@dataclasses.dataclass(frozen=True)
class OnsetConfig:
    """Of the onset detector. Times in seconds, levels in dB."""

    sample_rate: int = 48_000
    hop_s: float = 0.005
    clicks: BankConfig = CLICKS
    thumps: BankConfig = THUMPS
    flux_ratio: float = 6.0  # an onset rises this many times the usual rise
    min_interval_s: float = 0.08  # between two onsets
    floor_rise_db_s: float = 6.0  # how fast the noise floor follows upwards
    silence_dbfs: float = -100.0  # band levels below it are digital silence

    def __post_init__(self) -> None:
        for name in ("sample_rate", "hop_s", "flux_ratio", "min_interval_s", "floor_rise_db_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}, must be positive")
        if self.sample_rate < 4000:
            raise ValueError(f"sample_rate is {self.sample_rate} Hz, contacts need at least 4000 Hz")

    @property
    def hop(self) -> int:
        """Samples from one spectrum to the next."""
        return max(round(self.hop_s * self.sample_rate), 1)


@dataclasses.dataclass(frozen=True)
class Onset:
    """One onset. The sample index counts from the first sample given to the detector."""

    sample: int
    level_dbfs: float  # peak of the waveform in the 30 ms from the onset on
    strength_db: float  # mean rise over the bands, beyond the rise that is needed
    bands: int  # bands that rose above the floor


@dataclasses.dataclass(frozen=True)
class _Candidate:
    end: int  # sample one past the window in which the rise was seen
    strength: float
    bands: int
    click: bool


class _RunningMedian:
    """The median of the newest numbers, kept in order: there are some 300, and one comes with every hop."""

    def __init__(self, size: int) -> None:
        self._newest: collections.deque[float] = collections.deque()
        self._ordered: list[float] = []
        self._size = size

    def __len__(self) -> int:
        return len(self._newest)

    def append(self, value: float) -> None:
        value = math.inf if math.isnan(value) else value  # which has no place in an order
        if len(self._newest) == self._size:
            del self._ordered[bisect.bisect_left(self._ordered, self._newest.popleft())]
        self._newest.append(value)
        bisect.insort(self._ordered, value)

    @property
    def median(self) -> float:
        middle, odd = divmod(len(self._ordered), 2)
        return self._ordered[middle] if odd else (self._ordered[middle - 1] + self._ordered[middle]) / 2


class _Bank:
    """Levels of bands over time, and how far they rise."""

    def __init__(self, config: BankConfig, owner: OnsetConfig) -> None:
        self.config = config
        self.owner = owner
        self.window = max(round(config.window_s * owner.sample_rate), owner.hop)
        self._taper = np.hanning(self.window)
        self._matrix = band_matrix(config, self.window, owner.sample_rate)
        self.reset()

    def reset(self, floor: Array | None = None) -> None:
        self._past: collections.deque[Array] = collections.deque(
            maxlen=self.config.lag_hops + self.window // self.owner.hop - 1
        )
        self.floor: Array | None = floor
        # A sound that is there from the first sample on is no onset: until the hops that a level is compared with
        # have been heard, a tone that beats with the hop would rise.
        self._settled = floor is not None
        self._fluxes = _RunningMedian(round(1.0 / self.owner.hop_s))

    def expect(self, background: Array) -> None:
        """Take what the place sounds like from elsewhere: [n], at least a window."""
        ends = range(self.window, len(background) + 1, self.owner.hop)
        levels = [self.levels(background[end - self.window : end]) for end in ends]
        self._past.extend(levels)
        self.floor = np.mean(levels, axis=0)
        self._settled = True

    def levels(self, sound: Array) -> Array:  # [window] -> [bands]
        """Mean square of each band [dB]."""
        power = self._matrix @ np.abs(np.fft.rfft(sound * self._taper)) ** 2
        return np.asarray(10.0 * np.log10(power + 10.0 ** (self.owner.silence_dbfs / 10.0)))

    def rise(self, sound: Array) -> tuple[float, int] | None:  # sound [window]
        """Mean rise beyond the one needed [dB] and number of risen bands, where they tell an onset."""
        c, owner = self.config, self.owner
        level = self.levels(sound)
        if self.floor is None:
            self.floor = level.copy()
        # Against the loudest of the hops before, so that a tone that beats with the hop does not rise. The hops
        # that share most of this window's sound are left out, or they would have risen with it.
        loudest = self.floor
        for past in itertools.islice(self._past, c.lag_hops) if self._past else (level,):
            loudest = np.maximum(loudest, past)
        rise = np.maximum(level - loudest, 0.0)
        flux = float(np.add.reduce(np.minimum(rise, 30.0))) / len(rise)
        bands = int(np.count_nonzero((level - self.floor > c.above_floor_db) & (rise > 3.0)))
        usual = self._fluxes.median if len(self._fluxes) >= 20 else 0.0
        self._settled = self._settled or len(self._past) == self._past.maxlen
        self._fluxes.append(flux)
        self._past.append(level)
        # Downwards soon (towards the mean of a noisy level), upwards slowly: contacts do not lift the floor.
        step = owner.floor_rise_db_s * owner.hop_s
        self.floor += np.where(level > self.floor, step, 0.1 * (level - self.floor))
        found = self._settled and flux > max(c.flux_db, owner.flux_ratio * usual) and bands >= c.min_bands
        return (flux - c.flux_db, bands) if found else None


class OnsetDetector:
    """Feed samples in chunks of any size; onsets come out some 45 ms after they happened.

    The result does not depend on the size of the chunks.
    """

    _AFTER_S = 0.03  # sound needed after an onset for its level
    _KEEP_S = 0.12  # sound kept for the refinement
    _GROUP_S = 0.025  # candidates this close together are one onset

    def __init__(self, config: OnsetConfig | None = None) -> None:
        self.config = config or OnsetConfig()
        self._clicks = _Bank(self.config.clicks, self.config)
        self._thumps = _Bank(self.config.thumps, self.config)
        self._longest = max(self._clicks.window, self._thumps.window)
        self._keep = round(self._KEEP_S * self.config.sample_rate)
        self._last_onset = -(10**12)
        self._begin(0)

    def _begin(self, sample: int) -> None:
        self._buffer = np.zeros(0, dtype=np.float32)
        self._start = sample  # index of the buffer's first sample
        self._next_end = sample + self._longest  # where the next spectra end
        self._candidates: list[_Candidate] = []

    def expect(self, background: Samples) -> None:
        """Before the first sample: what the place sounds like [n, at least 20 ms], for a recording that may begin with
        a contact. Without it nothing is found in the first 60 ms, in which the background is learnt."""
        for bank in (self._clicks, self._thumps):
            bank.expect(background.astype(np.float64))

    @property
    def samples_seen(self) -> int:
        return self._start + len(self._buffer)

    def process(self, samples: Samples) -> list[Onset]:
        """Take in mono samples [n]; return the onsets that are now certain, in order."""
        self._buffer = np.concatenate([self._buffer, np.asarray(samples, dtype=np.float32)])
        while self._next_end <= self.samples_seen:
            self._hop(self._next_end)
            self._next_end += self.config.hop
        onsets = self._ripe()
        needed = min([self._next_end, *(k.end for k in self._candidates)]) - self._keep
        if needed > self._start:
            self._buffer = self._buffer[needed - self._start :]
            self._start = needed
        return onsets

    def skip(self, samples: int) -> None:
        """``samples`` samples were lost: start afresh behind them, without taking the edge for an onset."""
        self._begin(self.samples_seen + samples)
        for bank in (self._clicks, self._thumps):
            bank.reset(bank.floor)

    # ---- inside ----------------------------------------------------------------------------------------
    def _hop(self, end: int) -> None:
        for bank in (self._clicks, self._thumps):
            found = bank.rise(self._cut(end - bank.window, end).astype(np.float64))
            if found is not None:
                self._candidates.append(_Candidate(end, *found, click=bank is self._clicks))

    def _ripe(self) -> list[Onset]:
        """Merge neighbouring candidates and refine those whose sound has fully arrived."""
        rate = self.config.sample_rate
        onsets: list[Onset] = []
        while self._candidates:
            first = self._candidates[0].end
            # The sound for the level, and whatever candidate may still join.
            if (
                self.samples_seen < first + round(self._AFTER_S * rate)
                or self._next_end <= first + self._GROUP_S * rate
            ):
                break
            group = [k for k in self._candidates if k.end - first <= self._GROUP_S * rate]
            self._candidates = self._candidates[len(group) :]
            if not any(k.click for k in group) and self._swells(first):
                continue
            sample = self._refine(group)
            if sample - self._last_onset < self.config.min_interval_s * rate:
                continue
            self._last_onset = sample
            after = self._cut(sample, sample + round(self._AFTER_S * rate))
            peak = float(np.max(np.abs(after))) if after.size else 0.0
            onsets.append(
                Onset(
                    sample,
                    20.0 * math.log10(peak) if peak > 0 else -math.inf,
                    max(k.strength for k in group),
                    max(k.bands for k in group),
                )
            )
        return onsets

    def _swells(self, end: int) -> bool:
        """Whether low sound goes on rising: a motor that starts, where a thump would fade."""
        bank, ms = self._thumps, self.config.sample_rate / 1000.0
        at, later = (
            bank.levels(self._cut(e - bank.window, e).astype(np.float64))
            for e in (end + round(5 * ms), end + round(self._AFTER_S * 1000 * ms))
        )
        return float(np.mean(later - at)) > -1.0

    def _refine(self, group: list[_Candidate]) -> int:
        """Where the sound begins, in the neighbourhood of its candidates: the change of variance that explains it.

        Akaike's criterion, as used to pick first arrivals of earthquakes (Maeda 1985), summed over octave bands
        with each band's share of independent samples as its weight.
        """
        rate = self.config.sample_rate
        clicks = [k.end for k in group if k.click]
        if clicks:
            bank, begin, end = (
                self.config.clicks,
                clicks[0] - round(0.035 * rate),
                clicks[0] + self.config.hop,
            )
        else:
            bank, begin, end = (
                self.config.thumps,
                group[0].end - round(0.055 * rate),
                group[0].end + 2 * self.config.hop,
            )
        begin = max(begin, self._start)
        sound = self._cut(begin, end).astype(np.float64)
        n, edge = len(sound), round(0.0005 * rate)
        if n < 8 * edge:
            return max(end - self.config.hop, begin)
        spectrum = np.fft.rfft(sound, 2 * n)
        frequency = np.fft.rfftfreq(2 * n, 1.0 / rate)
        octaves = math.log2(min(bank.high_hz, 0.45 * rate) / bank.low_hz)
        split = np.arange(edge, n - edge)
        criterion = np.zeros(len(split))
        for low, high in itertools.pairwise(bank.low_hz * 2.0 ** np.arange(0, octaves + 0.5)):
            band = np.fft.irfft(np.where((frequency >= low) & (frequency < high), spectrum, 0.0))[:n]
            energy = np.concatenate([[0.0], np.cumsum(band**2 + 1e-14)])
            before, after = energy[split] / split, (energy[n] - energy[split]) / (n - split)
            weight = (high - low) / (0.5 * rate)
            criterion += weight * (split * np.log(before) + (n - split) * np.log(after))
        pick = int(split[np.argmin(criterion)])
        return begin + (self._sharpen(sound, pick) if clicks else pick)

    def _sharpen(self, sound: Array, pick: int) -> int:
        """Undo what the band filters smeared forward in time, where the onset stands clear of the noise."""
        ms = max(self.config.sample_rate // 1000, 1)
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


def band_matrix(config: BankConfig, window: int, sample_rate: int) -> Array:
    """Sums of spectrum bins [bands, window // 2 + 1], spaced evenly in log frequency.

    Scaled so that the bands of a signal sum to about its mean square.
    """
    bins = window // 2 + 1
    frequency = np.arange(bins) * sample_rate / window
    edges = np.geomspace(config.low_hz, min(config.high_hz, 0.45 * sample_rate), config.bands + 1)
    # Low bands can be narrower than a bin: every band takes at least one, of its own.
    index = np.maximum(np.searchsorted(frequency, edges), 1)
    for i in range(1, len(index)):
        index[i] = max(index[i], index[i - 1] + 1)
    matrix = np.zeros((config.bands, bins))
    scale = 2.0 / (np.sum(np.hanning(window) ** 2) * window)
    for band in range(config.bands):
        matrix[band, index[band] : min(index[band + 1], bins)] = scale
    return matrix
