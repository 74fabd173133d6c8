"""Bands of short spectra that rise together: what the onset detector looks at."""

from __future__ import annotations

import collections
import dataclasses
import functools
import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.onset_config import BankConfig, OnsetConfig

Array = NDArray[np.float64]


@functools.lru_cache(maxsize=16)
def _window_rows(count: int, hop: int, window: int) -> NDArray[np.int64]:  # [count, window]
    return np.arange(0, count * hop, hop)[:, None] + np.arange(window)


@functools.lru_cache(maxsize=64)
def _rows_before(heard: int, count: int, kept: int, lags: int) -> NDArray[np.int64]:  # [lags, count]
    """The oldest of the hops that are kept of those before each, of which so many were heard earlier."""
    at = heard + np.arange(count)
    return np.minimum(np.maximum(at - kept, 0) + np.arange(lags)[:, None], np.maximum(at - 1, 0))


def _median(numbers: Iterable[float]) -> float:
    ordered = sorted(numbers)
    middle, odd = divmod(len(ordered), 2)
    return ordered[middle] if odd else (ordered[middle - 1] + ordered[middle]) / 2


@dataclasses.dataclass(frozen=True)
class Rise:
    """An onset, as one bank sees it."""

    hop: int
    strength: float  # mean rise beyond the one needed [dB]
    bands: int  # that have risen
    clear: bool  # it also rises over what the robot itself is expected to sound like


class Bank:
    """Levels of bands over time, and how far they rise."""

    def __init__(self, config: BankConfig, owner: OnsetConfig) -> None:
        self.config = config
        self.owner = owner
        self.window = max(round(config.window_s * owner.sample_rate), owner.hop)
        self._taper = np.hanning(self.window)
        # Hops that a level is compared with, and those after them, which share most of its sound.
        self._kept = config.lag_hops + self.window // owner.hop - 1
        self._matrix = band_matrix(config, self.window, owner.sample_rate)
        self.reset()

    def reset(self, floor: Array | None = None) -> None:
        self._past = np.zeros((0, self.config.bands))  # levels of the newest hops, oldest first
        self.floor: Array | None = floor
        # A sound that is there from the first sample on is no onset: until the hops that a level is compared with
        # have been heard, a tone that beats with the hop would rise.
        self._settled = floor is not None
        self._fluxes: collections.deque[float] = collections.deque(maxlen=round(1.0 / self.owner.hop_s))

    def expect(self, background: Array) -> None:
        """Take what the place sounds like from elsewhere: [n], at least a window."""
        levels = self.levels(self.windows(background))
        self._past = np.concatenate([self._past, levels])[-self._kept :]
        self.floor = levels.mean(axis=0)
        self._settled = True

    def windows(self, sound: Array) -> Array:  # [n] -> [hops, window]
        """All that lie whole in it, a hop apart."""
        return sound[
            _window_rows((len(sound) - self.window) // self.owner.hop + 1, self.owner.hop, self.window)
        ]

    def levels(self, sound: Array) -> Array:  # [hops, window] -> [hops, bands]
        """Mean square of each band [dB]."""
        power = np.abs(np.fft.rfft(sound * self._taper)) ** 2
        bands = np.matmul(self._matrix, power[..., None])[..., 0]
        return np.asarray(10.0 * np.log10(bands + 10.0 ** (self.owner.silence_dbfs / 10.0)))

    @property
    def edges_hz(self) -> Array:
        """[bands + 1], between bins."""
        index = _band_bins(self.config, self.window, self.owner.sample_rate)
        return (np.minimum(index, self.window // 2 + 1) - 0.5) * (self.owner.sample_rate / self.window)

    def rises(
        self,
        sound: Array,  # [hops, window]
        noise: Array | None = None,  # [hops, bands] levels of what sounds anyway [dB], -inf: not known
    ) -> list[Rise]:
        """Where they tell an onset.

        What does not depend on the hop before is done for all at once.
        """
        c, owner = self.config, self.owner
        levels = self.levels(sound)
        heard, floors = len(self._past), self._follow(levels)
        every = np.concatenate([self._past, levels])
        self._past = every[-self._kept :]
        # Against the loudest of the hops before, so that a tone that beats with the hop does not rise. The hops
        # that share most of this window's sound are left out, or they would have risen with it.
        before = every[_rows_before(heard, len(levels), self._kept, c.lag_hops)]
        loudest = np.maximum(np.maximum.reduce(before), floors)
        rise = np.maximum(levels - loudest, 0.0)
        fluxes = (np.add.reduce(np.minimum(rise, 30.0), axis=1) / c.bands).tolist()
        risen = np.count_nonzero((levels - floors > c.above_floor_db) & (rise > 3.0), axis=1).tolist()
        clear = None if noise is None else self._clear(levels, loudest, floors, noise)
        found = []
        for hop, (flux, bands) in enumerate(zip(fluxes, risen, strict=True)):
            self._settled = self._settled or heard + hop >= self._kept
            if self._settled and flux > c.flux_db and bands >= c.min_bands:
                usual = _median(self._fluxes) if len(self._fluxes) >= 20 else 0.0
                if flux > owner.flux_ratio * usual:
                    found.append(Rise(hop, flux - c.flux_db, bands, clear is None or bool(clear[hop])))
            self._fluxes.append(math.inf if math.isnan(flux) else flux)  # which has no place in an order
        return found

    def _clear(self, levels: Array, loudest: Array, floors: Array, noise: Array) -> NDArray[np.bool_]:
        """Hops [hops] that would tell an onset also if nothing below the noise counted."""
        c, rise = self.config, np.maximum(levels - np.maximum(loudest, noise), 0.0)
        flux = np.minimum(rise, 30.0).mean(axis=1)
        risen = (levels - np.maximum(floors, noise) > c.above_floor_db) & (rise > 3.0)
        return np.asarray((flux > c.flux_db) & (np.count_nonzero(risen, axis=1) >= c.min_bands))

    def _follow(self, levels: Array) -> Array:  # [hops, bands] -> [hops, bands]
        """The noise floor before each hop.

        Downwards soon (towards the mean of a noisy level), upwards slowly: contacts do not lift the floor.
        """
        step = self.owner.floor_rise_db_s * self.owner.hop_s
        begin = levels[0] if self.floor is None else self.floor
        floors, after = [], []
        # In plain floats: an array of a few bands would take ten times as long a hop.
        for level, floor in zip(levels.T.tolist(), begin.tolist(), strict=True):
            before: list[float] = []
            keep = before.append
            for value in level:
                keep(floor)
                floor += step if value > floor else 0.1 * (value - floor)
            floors.append(before)
            after.append(floor)
        self.floor = np.array(after)
        return np.array(floors).T


def band_matrix(config: BankConfig, window: int, sample_rate: int) -> Array:
    """Sums of spectrum bins [bands, window // 2 + 1], spaced evenly in log frequency.

    Scaled so that the bands of a signal sum to about its mean square.
    """
    bins = window // 2 + 1
    index = _band_bins(config, window, sample_rate)
    matrix = np.zeros((config.bands, bins))
    scale = 2.0 / (np.sum(np.hanning(window) ** 2) * window)
    for band in range(config.bands):
        matrix[band, index[band] : min(index[band + 1], bins)] = scale
    return matrix


def _band_bins(config: BankConfig, window: int, sample_rate: int) -> NDArray[np.int64]:
    """First bins of the bands, and behind the last one: [bands + 1]."""
    frequency = np.arange(window // 2 + 1) * sample_rate / window
    edges = np.geomspace(config.low_hz, min(config.high_hz, 0.45 * sample_rate), config.bands + 1)
    # Low bands can be narrower than a bin: every band takes at least one, of its own.
    index = np.maximum(np.searchsorted(frequency, edges), 1)
    for i in range(1, len(index)):
        index[i] = max(index[i], index[i - 1] + 1)
    return index
