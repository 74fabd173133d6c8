"""Whether somebody who taps hears a burst when he should, as loud as he should.

Of each session the first taps that a plan has and that can be heard; a window at a time, because models make windows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.evaluation.measure import Array, Item, Metric
from foley_synthesis.evaluation.windows.metrics import AUDIBLE_DB, levels_after, quiet_level
from foley_synthesis.evaluation.windows.sounds import WindowOutput
from foley_synthesis.flow.networks.mel import RATE
from foley_synthesis.flow.window_model import EVALUATION_S, EvaluationWindow
from foley_synthesis.metrics.audio import onsets
from foley_synthesis.metrics.statistics import ratio_of_sums

NEAR_S = 0.05
"""A burst is at a tap."""
TAPS = 20
"""Of each session at most."""
_EDGE_S = 0.1  # of a window, in which a burst may lie outside


def taps_of(window: EvaluationWindow, most: int = TAPS) -> NDArray[np.float64]:
    """When the taps of a window are [s], from its beginning."""
    session = window.session
    planned = np.flatnonzero(np.isfinite(session.contact_planned_s))[:most]
    at = session.contact_s[planned].astype(np.float64) - window.start_s
    return at[(at >= _EDGE_S) & (at < EVALUATION_S - _EDGE_S)]


class _Taps(NamedTuple):
    """Of the taps of a window, summed over draws."""

    taps: float
    bursts: float
    level: float
    both: float
    other: float  # bursts where nothing is touched


def _tapped(output: WindowOutput, items: Sequence[Item]) -> Array | None:
    if output.sounds is None:
        return None
    return np.array([_of_window(draws, item) for draws, item in zip(output.sounds, items, strict=True)])


def _of_window(draws: NDArray[np.float32], item: Item) -> _Taps:
    truth = item.truth
    at = taps_of(truth.window)
    real = levels_after(truth.waveform, at, RATE)
    heard = real > quiet_level(truth.waveform, RATE) + AUDIBLE_DB
    at, real = at[heard], real[heard]
    total = np.zeros(len(_Taps._fields))
    for draw in draws:
        made = onsets(draw, RATE)
        burst = _near(at, made)
        level = np.abs(levels_after(draw, at, RATE) - real) <= AUDIBLE_DB
        other = len(made) - int(_near(made, truth.touched_s).sum())
        total += (len(at), burst.sum(), level.sum(), (burst & level).sum(), other)
    return _Taps(*total.tolist())


def _near(times: Array, others: Array) -> NDArray[np.bool_]:
    """Which times [n] have another one of [m] beside them."""
    if not len(others):
        return np.zeros(len(times), dtype=bool)
    return np.asarray(np.abs(times[:, None] - others).min(axis=1) <= NEAR_S)


def _share(name: str) -> Callable[[Array, Array | None], float]:
    columns = [_Taps._fields.index(name), _Taps._fields.index("taps")]
    return lambda values, weights: ratio_of_sums(values[:, columns], weights)


TAP_METRICS = (
    Metric("burst_share", "burst within 50 ms", "higher", _tapped, _share("bursts"),
           note="Of taps that stand 6 dB over the quiet of their window: the share with an onset within 50 ms of the "
           "true contact, and with a level of the 0.25 s from there on within 6 dB of the true one; and onsets where "
           "nothing is touched, for each tap."),
    Metric("level_share", "level within 6 dB", "higher", _tapped, _share("level")),
    Metric("both_share", "both", "higher", _tapped, _share("both")),
    Metric("other_bursts", "bursts elsewhere, a tap", "lower", _tapped, _share("other")),
)  # fmt: skip
