"""Whether and when a cochleagram has an onset, how loud it is, and how far its touches are from the real ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from foley_perception.audio.cochleagram import Cochleagram
from foley_perception.audio.cochleagram_onset import onset_frame
from foley_synthesis.evaluation.measure import Array, Item, Metric
from foley_synthesis.evaluation.sound_metrics import (
    COCHLEAGRAM_ENVELOPE,
    SoundOutput,
    cochleagram_metrics,
    real_frames,
)
from foley_synthesis.metrics.cochleagram import Frames
from foley_synthesis.metrics.foreground import above_floor, foreground_error
from foley_synthesis.metrics.statistics import absolute_difference, f1, mean
from foley_synthesis.vis.training.aligned import heard_lag_s

NEAR_S = 0.11  # an onset so near to the planned contact is the contact's, whatever the plan's error
_LEAST = 1e-5  # amplitude, -100 dB: where levels end


def is_flat(frames: Frames) -> Array:
    """Of cochleagrams [n, t, channels], 1 where nothing rises enough to be an onset anywhere in the clip."""
    return np.array([float(np.isnan(onset_frame(one, np.nan))) for one in frames])


def onset_lags_s(frames: Frames) -> Array:
    """From the planned contact to the onset [n] of each sound [s]; NaN where none is near it."""
    return np.array([heard_lag_s(one, reach_s=NEAR_S) for one in frames])


def onset_pairs(output: SoundOutput, items: Sequence[Item]) -> Array:
    """Lags [n, 2] of the onsets of what was made, and of what is real [s]; NaN where there is none."""
    return np.stack([onset_lags_s(output.frames), onset_lags_s(real_frames(items))], axis=1)


def onset_f1(tolerance_s: float) -> Callable[[Array, Array | None], float]:
    """F1 of onsets that agree within a tolerance, of what `onset_pairs` gives."""

    def statistic(pairs: Array, weights: Array | None) -> float:
        hit = np.abs(pairs[:, 0] - pairs[:, 1]) <= tolerance_s
        wrong = np.isfinite(pairs).sum(axis=1) - 2.0 * hit
        return f1(np.stack([2.0 * hit, wrong], axis=1), weights)

    return statistic


def onset_error_ms(pairs: Array, weights: Array | None = None) -> float:
    """Mean distance of onsets, of contacts where both sounds have one."""
    return 1e3 * absolute_difference(pairs, weights)


def bias(pairs: Array, weights: Array | None = None) -> float:
    """Mean of the first column of pairs [n, 2] less the second."""
    return mean(pairs[:, 0] - pairs[:, 1], weights)


def foreground_levels(frames: Frames, exponent: float) -> Array:
    """Levels over their own floor [n, channels, t] in dB."""
    levels = 20.0 / exponent * np.log10(np.maximum(frames, _LEAST**exponent))
    return np.asarray(above_floor(levels.transpose(0, 2, 1)))


def late_plan_metrics(cochlea: Cochleagram) -> tuple[Metric, ...]:
    """Of cochleagrams on the plan's grid."""

    def foreground(output: SoundOutput, items: Sequence[Item]) -> Array:
        made, real = (
            foreground_levels(frames, cochlea.exponent) for frames in (output.frames, real_frames(items))
        )
        return np.array([foreground_error(a, b) for a, b in zip(made, real, strict=True)])

    level, r, *_ = cochleagram_metrics(cochlea)
    return (
        Metric("flat", "flat share", "none", lambda output, items: is_flat(output.frames), mean,
               note="Flat: the mean envelope rises nowhere by 0.02 within two frames. Onsets are sought within "
               "0.11 s of the planned contact and agree within 50 (20) ms; their error is over contacts where both "
               "sounds have one."),
        Metric("onset_f1", "onset F1", "higher", onset_pairs, onset_f1(0.05)),
        Metric("onset_f1_20", "F1, 20 ms", "higher", onset_pairs, onset_f1(0.02)),
        Metric("onset_ms", "onset error", "lower", onset_pairs, onset_error_ms, "ms", ".1f"),
        level, r,
        Metric("bias_db", "bias", "none", level.fn, bias, "dB", ".1f"),
        Metric("foreground_db", "foreground error", "lower", foreground, mean, "dB"),
        COCHLEAGRAM_ENVELOPE,
    )  # fmt: skip
