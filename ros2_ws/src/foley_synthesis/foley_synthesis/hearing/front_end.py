"""Sound around a contact as the hearing model sees it: a log-mel spectrogram, and which of its cells are known.

One function for training and inference. What is not known is marked, never filled in: what lies before a file that
begins with its contact, what has not been heard yet, runs of digital zeros, and bands in which the file holds nothing
(those above its bandwidth). So silence is told apart from ignorance.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from foley_perception.audio.resample import resampled

_LEAST_RUN_S = 0.004  # that a sample repeats itself, beyond which it is no sound
_LEAST_SHARE = 0.5  # of a window's energy that is known, where the sound begins within it
_NYQUIST_SHARE = 0.98  # of the band that a file can hold; above it filters of converters fall
_LEAST_POWER = 1e-14  # under the noise of 16 bit in every band


@dataclasses.dataclass(frozen=True)
class FrontEndConfig:
    """What is seen of a sound. All of it shapes the features: a model works with those that it was trained on."""

    rate: int = 24_000  # [Hz] that sounds are brought to
    window: int = 512  # samples, Hann
    hop: int = 120  # samples
    fft: int = 1024  # samples that a window is padded to, so that low bands hold bins
    bands: int = 64  # of the mel scale
    low_hz: float = 80.0
    high_hz: float = 11_500.0
    before_s: float = 0.05  # of sound before the onset
    after_s: float = 0.60  # and after it
    floor_db: float = -70.0  # under the loudest cell, which everything softer counts as
    empty_db: float = -75.0  # under the loudest band, beneath which a band holds nothing

    def __post_init__(self) -> None:
        if not 0 < self.hop <= self.window <= self.fft:
            raise ValueError(f"hop is {self.hop}, must be in [1, window], and window ({self.window}) <= fft")
        if not 0 < self.low_hz < self.high_hz <= self.rate / 2:
            raise ValueError(f"high_hz is {self.high_hz}, must be in (low_hz, {self.rate / 2:.0f}]")
        if self.bands < 4 or self.before_frames < 1 or self.after_frames < 4:
            raise ValueError(
                f"bands is {self.bands}, before_s {self.before_s}, after_s {self.after_s}: too little"
            )
        if not self.empty_db < self.floor_db < 0:
            raise ValueError(f"floor_db is {self.floor_db}, must be in (empty_db, 0)")

    @property
    def before_frames(self) -> int:
        return round(self.before_s * self.rate / self.hop)

    @property
    def after_frames(self) -> int:
        return round(self.after_s * self.rate / self.hop)

    @property
    def frames(self) -> int:
        return self.before_frames + self.after_frames

    @property
    def hop_s(self) -> float:
        return self.hop / self.rate

    def heard_frames(self, heard_s: float) -> int:
        """Frames that lie wholly within so many seconds after the onset, those before it included."""
        if math.isinf(heard_s):
            return self.frames
        # Frame i is centred (i - before + 1/2) hops after the onset.
        last = (heard_s * self.rate - self.window / 2) / self.hop - 0.5
        return min(max(self.before_frames + math.floor(last + 1e-6) + 1, 0), self.frames)


def log_mel(
    samples: NDArray[np.floating],  # [n] of one channel
    rate: int,
    onset_s: float,  # of the contact in `samples`
    config: FrontEndConfig,
    *,
    heard_s: float = math.inf,  # so much after the onset is known
    margin: int = 0,  # further frames on either side, for training to shift
) -> NDArray[np.float32]:
    """Mel band levels [frames + 2 margin, bands] in dB, NaN where nothing is known.

    Frame i is centred (i - before_frames - margin + 1/2) hops after the onset. Levels are as loud as the sound is:
    :func:`normalised` brings them to their own peak.
    """
    part, first = _around(samples, rate, onset_s, config, heard_s, margin)
    known = ~_repeated(part, max(round(_LEAST_RUN_S * rate), 4))
    sound = resampled(part, rate, config.rate)
    if rate != config.rate:
        at = np.minimum((np.arange(len(sound)) * (rate / config.rate)).astype(np.int64), len(part) - 1)
        known = known[at] if len(part) else known
    frames = config.frames + 2 * margin
    # Of the first frame's window, in samples of `sound`.
    begin = round(
        (0.5 - config.before_frames - margin) * config.hop - config.window / 2 - first * config.rate
    )
    length = (frames - 1) * config.hop + config.window
    windows = _strided(_placed(sound, -begin, length), config)
    heard = _strided(_placed(known.astype(np.float32), -begin, length), config)
    weight = _hann(config.window)
    share = heard @ (weight * weight) / float(weight @ weight)
    spectrum = scipy.fft.rfft(windows * weight, config.fft, axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    mel = power @ mel_filters(config).T
    level = 10.0 * np.log10(mel / np.maximum(share, _LEAST_SHARE)[:, None] + _LEAST_POWER)
    # A window in which the sound begins is told by what is known of it; one in which it ends would be smeared.
    level[(share < _LEAST_SHARE) | (heard[:, -config.hop :].min(axis=1) < 1.0)] = np.nan
    level[:, bands_above(config, rate)] = np.nan
    return _without_empty_bands(level.astype(np.float32), config)


def normalised(level: NDArray[np.float32], config: FrontEndConfig) -> NDArray[np.float32]:
    """Two channels [2, frames, bands] of levels [frames, bands]: 0 at the floor to 1 at the peak, and 1 where known."""
    known = np.isfinite(level)
    peak = float(level[known].max()) if known.any() else 0.0
    share = 1.0 - (level - peak) / config.floor_db
    return np.stack([np.where(known, np.clip(share, 0.0, 1.0), 0.0), known]).astype(np.float32)


def bands_above(config: FrontEndConfig, rate: int) -> NDArray[np.bool_]:
    """Bands [bands] that a file of this rate cannot hold."""
    return np.asarray(_edges_hz(config)[2:] > _NYQUIST_SHARE * rate / 2)


def bandwidth_hz(level: NDArray[np.float32], config: FrontEndConfig) -> float:
    """Upper edge of the highest band of which anything is known; 0 where nothing is."""
    held = np.flatnonzero(np.isfinite(level).any(axis=0))
    return float(_edges_hz(config)[held[-1] + 2]) if len(held) else 0.0


def centres_hz(config: FrontEndConfig) -> NDArray[np.float64]:
    """Of the bands [bands]."""
    return _edges_hz(config)[1:-1]


@functools.cache
def mel_filters(config: FrontEndConfig) -> NDArray[np.float32]:
    """Triangles [bands, bins] over the power spectrum, 1 at their centres."""
    edges = _edges_hz(config)
    hz = np.fft.rfftfreq(config.fft, 1.0 / config.rate)
    up = (hz[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - hz[None]) / (edges[2:] - edges[1:-1])[:, None]
    filters = np.maximum(np.minimum(up, down), 0.0)
    if not filters.any(axis=1).all():
        raise ValueError(f"fft is {config.fft}: the lowest of {config.bands} bands hold no bin")
    return filters.astype(np.float32)


@functools.cache
def _edges_hz(config: FrontEndConfig) -> NDArray[np.float64]:
    """[bands + 2] on the mel scale of O'Shaughnessy (1987)."""
    low, high = (2595.0 * math.log10(1.0 + hz / 700.0) for hz in (config.low_hz, config.high_hz))
    return np.asarray(700.0 * (10.0 ** (np.linspace(low, high, config.bands + 2) / 2595.0) - 1.0))


@functools.cache
def _hann(size: int) -> NDArray[np.float32]:
    return (0.5 - 0.5 * np.cos(2.0 * np.pi * (np.arange(size) + 0.5) / size)).astype(np.float32)


def _around(
    samples: NDArray[np.floating],
    rate: int,
    onset_s: float,
    config: FrontEndConfig,
    heard_s: float,
    margin: int,
) -> tuple[NDArray[np.floating], float]:
    """What the frames can reach of the samples, and when it begins after the onset [s]."""
    reach = config.window / config.rate + margin * config.hop_s
    begin = max(math.floor((onset_s - config.before_s - reach) * rate), 0)
    until = onset_s + min(config.after_s + reach, heard_s)
    end = min(max(math.ceil(until * rate), begin), len(samples))
    return samples[begin:end], begin / rate - onset_s


def _repeated(samples: NDArray[np.floating], least: int) -> NDArray[np.bool_]:
    """Where [n] one value stands for at least so many samples: nothing was recorded there."""
    edges = np.flatnonzero(np.diff(samples) != 0.0) + 1
    bounds = np.concatenate([[0], edges, [len(samples)]])
    lengths = np.diff(bounds)
    return np.repeat(lengths >= least, lengths)


def _placed(values: NDArray[np.floating], at: int, length: int) -> NDArray[np.float32]:
    """Values [n] from index `at` on in zeros [length]; what does not fit is cut off."""
    placed = np.zeros(length, np.float32)
    first, last = max(at, 0), min(at + len(values), length)
    if last > first:
        placed[first:last] = values[first - at : last - at]
    return placed


def _strided(values: NDArray[np.float32], config: FrontEndConfig) -> NDArray[np.float32]:
    """Windows [frames, window] of what lies at every hop."""
    return np.lib.stride_tricks.sliding_window_view(values, config.window)[:: config.hop]


def _without_empty_bands(level: NDArray[np.float32], config: FrontEndConfig) -> NDArray[np.float32]:
    """Nothing is known above the highest band that holds anything."""
    loudest = np.max(level, axis=0, initial=-np.inf, where=np.isfinite(level))
    held = np.flatnonzero(loudest > loudest.max() + config.empty_db)
    if len(held):
        level[:, held[-1] + 1 :] = np.nan
    return level
