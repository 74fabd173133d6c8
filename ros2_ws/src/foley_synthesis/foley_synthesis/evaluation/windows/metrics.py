"""Metrics of windows on which the true sound wins, of any number of draws a window.

`metrics/foreground.py` says what foreground, energy score and lag are. A figure of several draws is its mean over them;
but for the energy score and the mean of draws, which are of all draws together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.evaluation.measure import Array, Item, Metric
from foley_synthesis.evaluation.sound_metrics import WAVEFORM
from foley_synthesis.evaluation.windows.sounds import CANDIDATES, FRAME_S, WindowOutput
from foley_synthesis.flow.networks.mel import RATE
from foley_synthesis.metrics.foreground import (
    aligned_error,
    energy_score,
    foreground_error,
    lag_frames,
    onset_strength,
)
from foley_synthesis.metrics.statistics import (
    absolute_difference,
    correlation,
    mean,
    median,
    rank_correlation,
    ratio_of_sums,
)

LEVEL_S = 0.25  # after a touch, over which its level is taken
AUDIBLE_DB = 6.0  # over the quiet of its window: the level of a touch that counts
_SILENCE_DB = -90.0
_LAG_S = 1.0  # furthest that is looked for
_IN_SYNC_S = 0.05

Statistic = Callable[[Array, Array | None], float]


# ---- foreground --------------------------------------------------------------------------------------------
class _Foreground(NamedTuple):
    """Columns of what is measured in the foreground."""

    error: float
    aligned: float
    gain: float
    mean_error: float
    energy: float
    proper: float
    bins: float


def _foreground(output: WindowOutput, items: Sequence[Item]) -> Array:
    rows = []
    for draws, item in zip(output.above, items, strict=True):
        real = item.truth.above
        energy = energy_score(draws, real)
        aligned = np.array([aligned_error(one, real) for one in draws])
        rows.append(
            _Foreground(
                energy.error,
                float(aligned[:, 0].mean()),
                float(aligned[:, 1].mean()),
                foreground_error(draws.mean(axis=0), real),
                energy.pairs,
                energy.proper,
                energy.bins,
            )
        )
    return np.array(rows, float)


def _of(name: str) -> Statistic:
    column = _Foreground._fields.index(name)
    return lambda values, weights: mean(values[:, column], weights)


def _proper(values: Array, weights: Array | None) -> float:
    columns = [_Foreground._fields.index(name) for name in ("proper", "bins")]
    return ratio_of_sums(values[:, columns], weights)


def _floor(output: WindowOutput, items: Sequence[Item]) -> Array | None:
    """[n] mean |difference| of the floors."""
    if output.floor is None:
        return None
    pairs = zip(output.floor, items, strict=True)
    return np.array([float(np.abs(made - item.truth.floor).mean()) for made, item in pairs])


_NOTE = (
    "Foreground: bins of mel (80, window 512, hop 128, 16 kHz) that stand 10 dB over their own sound's floor, its 20th "
    "percentile in time, in either sound; mean difference in dB. Aligned: with the one gain of "
    "the made foreground that is best. Energy: E d(X, y) - 1/2 E d(X, X') of the draws with that distance, which is "
    "like a proper score; the proper one takes a sum over all bins with the rest at 0, over the foreground bins of the "
    "true sounds. With one draw both are its error."
)
FOREGROUND = (
    Metric("foreground_db", "foreground", "lower", _foreground, _of("error"), "dB", note=_NOTE),
    Metric("foreground_aligned_db", "aligned", "lower", _foreground, _of("aligned"), "dB"),
    Metric("gain_db", "gain", "none", _foreground, _of("gain"), "dB", shown=False),
    Metric("foreground_mean_db", "mean of draws", "lower", _foreground, _of("mean_error"), "dB",
           note="Mean of draws: the foreground error of their mean in dB."),
    Metric("energy_db", "energy", "lower", _foreground, _of("energy"), "dB"),
    Metric("energy_proper_db", "energy, proper", "lower", _foreground, _proper, "dB"),
    Metric("floor_db", "room tone", "lower", _floor, unit="dB", note="Room tone: mean difference of the floors."),
)  # fmt: skip


# ---- time --------------------------------------------------------------------------------------------------
def _lags(output: WindowOutput, items: Sequence[Item]) -> Array:
    """|Lag| [s] of every draw [n, m]; the furthest where a draw has no onset, NaN in windows that nothing touches."""
    most = round(_LAG_S / FRAME_S)
    found = np.full((len(items), output.draws), np.nan)
    for row, (strengths, item) in enumerate(zip(onset_strength(output.above), items, strict=True)):
        if not len(item.truth.touched_s):
            continue
        lags = np.array([lag_frames(one, item.truth.strength, most) for one in strengths])
        found[row] = np.nan_to_num(np.abs(lags) * FRAME_S, nan=_LAG_S)
    return found


def _each_draw(statistic: Statistic, of: Callable[[Array], Array] = lambda values: values) -> Statistic:
    """Of values [n, m], every draw for itself."""
    return lambda values, weights: statistic(
        of(values).ravel(), None if weights is None else np.repeat(weights, values.shape[1])
    )


def _synced(lags: Array) -> Array:
    return np.asarray(np.where(np.isnan(lags), np.nan, lags <= _IN_SYNC_S + 1e-9))


TIME = (
    Metric("lag_ms", "median lag", "lower", _lags, _each_draw(median, lambda lags: lags * 1e3), "ms", ".0f",
           note="Lag: peak of the cross-correlation of onset strengths within 1 s, a whole second where a sound has no "
           "onset; in sync: within 50 ms."),
    Metric("in_sync", "in sync", "higher", _lags, _each_draw(mean, _synced)),
)  # fmt: skip


# ---- level -------------------------------------------------------------------------------------------------
class TouchLevels(NamedTuple):
    """Levels [dB] of touches, one row for each draw."""

    pairs: Array  # [k, 2] made, true
    windows: NDArray[np.int64]  # [k] that a touch is of


def levels_after(sound: NDArray[np.floating], times_s: Array, rate: int) -> Array:
    """RMS level [dB] of :data:`LEVEL_S` from each time on."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(sound, dtype=np.float64))])
    begins = np.clip(np.round(times_s * rate).astype(np.int64), 0, len(sound) - 1)
    ends = np.minimum(begins + round(LEVEL_S * rate), len(sound))
    power = (energy[ends] - energy[begins]) / (ends - begins)
    return np.asarray(10.0 * np.log10(np.maximum(power, 10.0 ** (_SILENCE_DB / 10.0))))


def quiet_level(sound: NDArray[np.floating], rate: int) -> float:
    """The 20th percentile [dB] of the levels that begin every 0.05 s."""
    return float(
        np.percentile(levels_after(sound, np.arange(0.0, len(sound) / rate - LEVEL_S, 0.05), rate), 20)
    )


def _levels(output: WindowOutput, items: Sequence[Item]) -> TouchLevels | None:
    if output.sounds is None:
        return None
    pairs, windows = [], []
    for row, (draws, item) in enumerate(zip(output.sounds, items, strict=True)):
        truth = item.truth
        real = levels_after(truth.waveform, truth.touched_s, RATE)
        heard = real > quiet_level(truth.waveform, RATE) + AUDIBLE_DB
        for draw in draws:
            made = levels_after(draw, truth.touched_s, RATE)
            pairs.append(np.stack([made, real], axis=1)[heard])
            windows.append(np.full(int(heard.sum()), row, np.int64))
    return TouchLevels(np.concatenate(pairs), np.concatenate(windows))


def _touches(statistic: Statistic) -> Callable[[TouchLevels, Array | None], float]:
    return lambda values, weights: statistic(
        values.pairs, None if weights is None else weights[values.windows]
    )


def _bias(pairs: Array, weights: Array | None) -> float:
    return mean(pairs[:, 0] - pairs[:, 1], weights)


def _near(pairs: Array, weights: Array | None) -> float:
    return mean((np.abs(pairs[:, 0] - pairs[:, 1]) <= AUDIBLE_DB).astype(float), weights)


LEVEL = (
    Metric("level_db", "level", "lower", _levels, _touches(absolute_difference), "dB", ".1f",
           note="Level: RMS of 0.25 s from each true touch on that stands 6 dB over its window's quiet; and r."),
    Metric("level_bias_db", "level bias", "none", _levels, _touches(_bias), "dB", ".1f", shown=False),
    Metric("level_within_6db", "level within 6 dB", "higher", _levels, _touches(_near), shown=False),
    Metric("level_r", "level r", "higher", _levels, _touches(correlation)),
    Metric("level_rank_r", "level rank r", "higher", _levels, _touches(rank_correlation)),
)  # fmt: skip


# ---- ranking -----------------------------------------------------------------------------------------------
def firsts(scores: Array) -> Array:
    """Share [n] of being first that the first of scores [n, 8] has: 1, or less where others are as high, or 0."""
    best = scores.max(axis=1)
    ties = (scores == best[:, None]).sum(axis=1)
    return np.where(np.isnan(best), np.nan, (scores[:, 0] == best) / np.maximum(ties, 1))


def _ranked(output: WindowOutput, items: Sequence[Item]) -> Array | None:
    return None if output.scores is None else firsts(output.scores)


def _ranked_by_draws(output: WindowOutput, items: Sequence[Item]) -> Array:
    """[n] where a candidate's score is how near the draws are to it on average."""
    scores = np.zeros((len(items), CANDIDATES))
    for row, (draws, item) in enumerate(zip(output.above, items, strict=True)):
        for k, candidate in enumerate(item.truth.candidates_above.astype(np.float32)):
            scores[row, k] = -np.mean([foreground_error(one, candidate) for one in draws])
    return firsts(scores)


RANKING = (
    Metric("first", "first of 8", "higher", _ranked,
           note="First of 8: how often the model itself finds the true sound likelier than 7 others, up to 4 of the "
           "same scene and the rest of the same session 0.3 to 2 s away (chance .125); by draws: how often its draws "
           "are nearest to the true one."),
    Metric("first_by_draws", "by draws", "higher", _ranked_by_draws),
)  # fmt: skip

PAPER = tuple(m for m in WAVEFORM if m.key in ("stft_relative", "envelope_relative", "onset_f1"))
"""Of the first draw: Hearing Hands, table 1, and the agreement of onsets."""
