"""How far a heard contact is from the predicted one, and how unusual that distance is.

The distance is the mean over time of the Euclidean distance between two cochleagrams (compressed subband
envelopes, Visually Indicated Sounds Eq. 1) that are aligned at their contacts. Its rank among the distances
of contacts that were as expected (a calibration set that ships with the checkpoint) is conformal: if the new
contact is like those, P(percentile > 1 - a) <= a, whatever the distribution.

Sounds of two rates are compared at the lower one: its cochleagram has the bands that both sounds have. Such a
distance has other bands than those of 48 kHz, and a rank of its own: the calibration set holds the distances of the
same contacts at the usual lower rates. At a rate that it does not hold there is no rank.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.cochleagram import Cochleagram
from foley_perception.audio.resample import resampled

DISTANCE_NAME = "cochleagram_l2"
METRICS_KEY = "surprise_calibration"
"""In a checkpoint's metrics.json: {"distance_name": ..., "distances": [...], "lower_rates": {"16000": [...]}}."""
BEFORE_S = 0.02  # of sound before the contact that is compared
AFTER_S = 0.5  # and after it
CALIBRATION_RATE = 48_000  # [Hz] of the sounds whose distances are the calibration set
LOWER_RATES = (
    8_000,
    16_000,
    22_050,
    24_000,
    32_000,
    44_100,
)  # [Hz] of microphones, at which it is told as well


@dataclasses.dataclass(frozen=True, eq=False)
class ContactSound:
    """The sound of one contact."""

    samples: NDArray[np.float32]  # [n] mono
    onset_s: float  # of the contact within the samples
    sample_rate: int  # [Hz]


def compared_rate(predicted: ContactSound, heard: ContactSound) -> int:
    """The rate [Hz] at which two sounds are compared: the lower one."""
    return min(predicted.sample_rate, heard.sample_rate)


def has_all_bands(sample_rate: int) -> bool:
    """Whether a distance at this rate is over the bands of 48 kHz."""
    return Cochleagram(sample_rate).highest_hz == Cochleagram(CALIBRATION_RATE).highest_hz


def distance_name(sample_rate: int) -> str:
    """Of a distance at this rate: those over other bands than those of 48 kHz have a name of their own."""
    return DISTANCE_NAME if has_all_bands(sample_rate) else f"{DISTANCE_NAME}_{sample_rate}"


def aligned_cochleagrams(
    a: ContactSound, b: ContactSound
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Of both sounds at the lower rate, from `BEFORE_S` before their contacts to `AFTER_S` after, each [t, bands].

    None if either is too short.

    Raises:
        ValueError: sounds that are not one-dimensional, or a rate that is too low for a cochleagram.
    """
    first, second = (aligned_cochleagram(sound, compared_rate(a, b)) for sound in (a, b))
    return None if first is None or second is None else (first, second)


def aligned_cochleagram(sound: ContactSound, rate: int) -> NDArray[np.float32] | None:
    """Of one sound at a rate [Hz]; see :func:`aligned_cochleagrams`."""
    if sound.samples.ndim != 1:
        raise ValueError(f"samples have shape {sound.samples.shape}, must be one channel [n]")
    samples = resampled(sound.samples, sound.sample_rate, rate)
    start = round((sound.onset_s - BEFORE_S) * rate)
    end = round((sound.onset_s + AFTER_S) * rate)
    if start < 0 or end > len(samples):
        return None
    return Cochleagram(rate)(samples[start:end])


def cochleagram_distance(predicted: ContactSound, heard: ContactSound) -> float:
    """Mean L2 distance between the cochleagrams around the contacts; NaN if either is too short.

    Raises:
        ValueError: see :func:`aligned_cochleagrams`.
    """
    pair = aligned_cochleagrams(predicted, heard)
    return math.nan if pair is None else frame_distance(*pair)


def frame_distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Mean over time of the Euclidean distance between frames [t, bands]."""
    return float(np.linalg.norm(a - b, axis=1).mean())


def conformal_percentile(distance: float, calibration: NDArray[np.floating] | Sequence[float]) -> float:
    """Rank of a distance among the calibration distances, in [0, 1); NaN without either."""
    distances = np.asarray(calibration, dtype=np.float64)
    if distances.size == 0 or math.isnan(distance):
        return math.nan
    # 1 - (1 + #{d_i >= d}) / (n + 1), the complement of the conformal p-value.
    return float((distances < distance).sum() / (distances.size + 1))


def at_rate(sound: ContactSound, rate: int) -> ContactSound:
    """The same sound as a microphone of this rate [Hz] would have heard it."""
    return ContactSound(resampled(sound.samples, sound.sample_rate, rate), sound.onset_s, rate)


def distances_at(predicted: ContactSound, heard: ContactSound, rates: Sequence[int]) -> dict[int, float]:
    """By rate [Hz]: the distance if the sound had been heard at that rate."""
    return {rate: cochleagram_distance(predicted, at_rate(heard, rate)) for rate in rates}


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration:
    """Distances of contacts that were as expected, by the rate [Hz] at which they were compared; finite."""

    by_rate: Mapping[int, NDArray[np.float64]] = dataclasses.field(default_factory=dict)

    @property
    def rates(self) -> list[int]:
        """At which a distance has a rank [Hz]."""
        return sorted(rate for rate, distances in self.by_rate.items() if distances.size)

    def of(self, sample_rate: int) -> NDArray[np.float64]:
        """Those that a distance at this rate is ranked among; none where nobody measured them."""
        rate = CALIBRATION_RATE if has_all_bands(sample_rate) else sample_rate
        return self.by_rate.get(rate, np.zeros(0))

    def why_not(self, sample_rate: int) -> str:
        """Why a distance at this rate has no percentile; empty where it has one."""
        if self.of(sample_rate).size:
            return ""
        if not self.rates:
            return "the checkpoint has no calibration of expected contacts, so no surprise has a percentile"
        known = ", ".join(map(str, self.rates))
        return (
            f"sounds are compared at {sample_rate} Hz, at which the checkpoint has no calibration of expected contacts "
            f"(it has {known} Hz): surprise has no percentile and `sounds_as_expected` stays unknown; "
            "`foley evaluate surprise` measures it"
        )


def calibration_of(metrics: Mapping[str, object]) -> Calibration:
    """Calibration distances in a checkpoint's metrics; none if they are not of this distance."""
    entry = metrics.get(METRICS_KEY)
    if not isinstance(entry, dict) or entry.get("distance_name") != DISTANCE_NAME:
        return Calibration()
    told = {CALIBRATION_RATE: entry.get("distances", [])}
    lower = entry.get("lower_rates")
    if isinstance(lower, dict):
        told |= {int(rate): distances for rate, distances in lower.items() if str(rate).isdigit()}
    arrays = {rate: np.asarray(distances, dtype=np.float64) for rate, distances in told.items()}
    return Calibration({rate: a[np.isfinite(a)] for rate, a in arrays.items() if a.ndim == 1})
