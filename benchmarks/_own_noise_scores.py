"""Scores of the benchmark of own noise, with intervals of scenes drawn again."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._own_noise_scenes import Scene

Array = NDArray[np.float64]
EARLY_S, LATE_S = 0.03, 0.06  # of a detection against the contact's true onset
_DRAWS = 2000


@dataclasses.dataclass(frozen=True)
class Found:
    """Contacts of one scene."""

    right: int
    wrong: int
    missed: int


def judged(scene: Scene, times_ns: Sequence[int]) -> Found:
    """Each true contact is found once; what is found while one lasts is neither right nor wrong."""
    free, right, wrong = set(range(len(scene.onsets_s))), 0, 0
    for t in np.array(sorted(times_ns)) / 1e9:
        near = [i for i in free if -EARLY_S <= t - scene.onsets_s[i] <= LATE_S]
        if near:
            free.discard(min(near, key=lambda i: abs(t - scene.onsets_s[i])))
            right += 1
        elif not any(a - EARLY_S <= t <= b + 0.1 for a, b in zip(scene.onsets_s, scene.ends_s, strict=True)):
            wrong += 1
    return Found(right, wrong, len(free))


def scores(found: Sequence[Found], before: Sequence[Found] | None = None) -> dict[str, Any]:
    """Precision, recall and F1 over scenes, with an interval of F1, and of what it gains over ``before``."""
    counts = np.array([[f.right, f.wrong, f.missed] for f in found], float)
    right, wrong, missed = counts.sum(axis=0)
    low, high = _interval(draws := _f1(_again(counts)))
    row = {
        "precision": round(right / max(right + wrong, 1), 4), "recall": round(right / max(right + missed, 1), 4),
        "f1": round(float(_f1(counts.sum(axis=0))), 4), "f1_low": low, "f1_high": high,
        "right": int(right), "wrong": int(wrong), "missed": int(missed),
    }  # fmt: skip
    if before is None:
        return row
    past = np.array([[f.right, f.wrong, f.missed] for f in before], float)
    return row | _gain(_f1(counts.sum(axis=0)) - _f1(past.sum(axis=0)), draws - _f1(_again(past)))


def accuracy(
    rows: Sequence[dict[str, Any]], before: Sequence[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Share of right answers, abstained or not, with an interval over scenes; and of those that were not abstained.

    Args:
        rows: one a contact, with ``scene``, ``right`` and ``abstained``.
        before: the same contacts, over which the gain is told.
    """
    table = _table(rows)
    total = table.sum(axis=0)
    low, high = _interval(draws := _share(_again(table)))
    row = {
        "contacts": int(total[0]), "accuracy": round(float(_share(total)), 4), "low": low, "high": high,
        "abstained": round(total[2] / max(total[0], 1), 4),
        "accuracy_of_answers": round(total[3] / max(total[0] - total[2], 1), 4),
    }  # fmt: skip
    if before is None:
        return row
    past = _table(before)
    return row | _gain(_share(total) - _share(past.sum(axis=0)), draws - _share(_again(past)))


def _table(rows: Sequence[dict[str, Any]]) -> Array:
    """By scene: contacts, right answers, abstentions, right answers that were given."""
    table = []
    for name in sorted({r["scene"] for r in rows}):
        own = [r for r in rows if r["scene"] == name]
        sure = [r for r in own if not r["abstained"]]
        table.append(
            [len(own), sum(r["right"] for r in own), len(own) - len(sure), sum(r["right"] for r in sure)]
        )
    return np.array(table, float)


def _again(table: Array) -> Array:
    """Sums [draws, columns] of scenes drawn again; the same scenes for every table of as many."""
    chosen = np.random.default_rng(0).integers(len(table), size=(_DRAWS, len(table)))
    return np.asarray(table[chosen].sum(axis=1))


def _f1(sums: Array) -> Array:
    right, wrong, missed = np.moveaxis(sums, -1, 0)
    return np.asarray(2 * right / np.maximum(2 * right + wrong + missed, 1))


def _share(sums: Array) -> Array:
    return np.asarray(sums[..., 1] / np.maximum(sums[..., 0], 1))


def _interval(draws: Array) -> tuple[float, float]:
    low, high = np.quantile(draws, [0.025, 0.975])
    return round(float(low), 4), round(float(high), 4)


def _gain(gain: Array, draws: Array) -> dict[str, float]:
    low, high = _interval(draws)
    return {"gain": round(float(gain), 4), "gain_low": low, "gain_high": high}
