"""A model that is told some taps of each material: judged on other recordings of the same source.

Half of the recordings of each material, versions of one recording together, may be drawn for taps; the other half
judges. The taps of a draw are nested: the first 3 of its 5 are those it is adapted with at 3. They take turns among
the recordings.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.evaluation.hearing.baselines import classes_of
from foley_synthesis.evaluation.hearing.choices import said
from foley_synthesis.evaluation.hearing.sounds import Sound
from foley_synthesis.metrics.classification import balanced_accuracy

TAPS = (3, 5, 10)
DRAWS = 20
_LEAST_TOLD = 2  # groups of a material
_LEAST_JUDGING = 2  # recordings of a material

Rows = NDArray[np.int64]
Adapt = Callable[[Rows, Rows], NDArray[np.float64]]
"""From rows of taps and rows that are asked about to probabilities [asked, materials]."""


@dataclasses.dataclass(frozen=True, eq=False)
class Draw:
    """Taps of one source, and what judges them. Rows of all sounds."""

    taps: Mapping[int, Rows]  # a class -> rows, in the order in which they are told
    judged: Rows


@dataclasses.dataclass(frozen=True, eq=False)
class Curve:
    """Balanced accuracy of one method in one source by how many taps it was told."""

    points: Mapping[int, NDArray[np.float64]]  # taps -> of every draw

    def to_dict(self) -> dict[str, Any]:
        """For metrics.json: taps -> mean, and the ends between which 95 % of the draws lie."""
        found = {}
        for taps, values in sorted(self.points.items()):
            low, high = np.percentile(values, [2.5, 97.5])
            figure = {"value": values.mean(), "low": low, "high": high}
            found[str(taps)] = {name: round(float(value), 5) for name, value in figure.items()}
        return found


def draws_of(
    sounds: Sequence[Sound], materials: Sequence[str], source: str, *, draws: int = DRAWS, seed: int = 0
) -> list[Draw]:
    """Draws of one source; none where fewer than two materials have enough recordings.

    A material takes part that has at least `min(TAPS)` recordings to draw, of two groups, and two others to judge.
    """
    truth = classes_of(sounds, materials)
    rng = np.random.default_rng(seed)
    inside = np.array([sound.scene == source for sound in sounds])
    found = []
    for _ in range(draws):
        taps: dict[int, Rows] = {}
        judged: list[int] = []
        for k in range(len(materials)):
            groups: dict[str, list[int]] = {}
            for row in np.flatnonzero(inside & (truth == k)).tolist():
                groups.setdefault(sounds[row].group, []).append(row)
            order = rng.permutation(list(groups)).tolist()
            told: list[list[int]] = []
            half = sum(map(len, groups.values())) / 2
            # Who is told variants of one recording alone cannot judge by himself what he has learned.
            while len(order) > 1 and (sum(map(len, told)) < max(half, min(TAPS)) or len(told) < _LEAST_TOLD):
                told.append(rng.permutation(groups[order.pop()]).tolist())
            rest = [row for name in order for row in groups[name]]
            if len(told) >= _LEAST_TOLD and sum(map(len, told)) >= min(TAPS) and len(rest) >= _LEAST_JUDGING:
                taps[k] = np.array(
                    [row for turn in itertools.zip_longest(*told) for row in turn if row is not None]
                )
                judged += rest
        if len(taps) >= 2:
            found.append(Draw(taps, np.array(judged)))
    return found


def curve(
    draws: Sequence[Draw],
    truth: Rows,
    classes: int,
    adapt: Adapt,
    unadapted: NDArray[np.float64] | None = None,
) -> Curve:
    """Of one method.

    A material with fewer taps than asked for tells those that it has. Taps at which no material has more than at
    fewer are left out.

    Args:
        unadapted: [n, classes] what it says of every sound without taps, a point at 0; None: nothing.
    """
    steps = [k for k in TAPS if any(len(rows) >= k for draw in draws for rows in draw.taps.values())]
    points: dict[int, list[float]] = {}
    for draw in draws:
        there = np.array(sorted(draw.taps))

        def score(p: NDArray[np.float64], draw: Draw = draw, there: Rows = there) -> float:
            masked = np.full_like(p, -1.0)
            masked[:, there] = p[:, there]  # it is known which materials there are
            return balanced_accuracy(truth[draw.judged], said(masked), classes)

        if unadapted is not None:
            points.setdefault(0, []).append(score(unadapted[draw.judged]))
        for k in steps:
            told = np.concatenate([rows[:k] for rows in draw.taps.values()])
            points.setdefault(k, []).append(score(adapt(told, draw.judged)))
    return Curve({k: np.array(values) for k, values in points.items()})


def mean_over(
    found: Mapping[str, Mapping[str, Any]], curves: Sequence[Mapping[str, Curve]]
) -> dict[str, Any]:
    """The mean over sources of what all of them have, draw by draw."""
    methods = {}
    for name in curves[0]:
        lines = [row[name].points for row in curves if name in row]
        taps = [k for k in lines[0] if len(lines) == len(curves) and all(k in points for points in lines)]
        if taps:
            count = min(len(points[taps[0]]) for points in lines)
            methods[name] = Curve({k: np.mean([points[k][:count] for points in lines], axis=0) for k in taps})
    return {
        "chance": float(np.mean([row["chance"] for row in found.values()])),
        "methods": {name: curve.to_dict() for name, curve in methods.items()},
    }


def chance_of(draws: Sequence[Draw]) -> float:
    """Mean over draws of one over how many materials take part."""
    return float(np.mean([1.0 / len(draw.taps) for draw in draws]))


def lines(found: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """A table of curves by source and method, headings first; `found` is source -> `methods` -> taps -> figure."""
    rows = [["source", "method", "unadapted", *(f"{k} taps" for k in TAPS)]]
    for source, row in found.items():
        for method, points in row["methods"].items():
            rows.append([source, method, *(_text(points.get(str(k))) for k in (0, *TAPS))])
    return rows


def _text(figure: Mapping[str, float] | None) -> str:
    return "" if figure is None else f"{figure['value']:.2f} [{figure['low']:.2f}, {figure['high']:.2f}]"


def draw_curves(found: Mapping[str, Mapping[str, Any]], path: Any) -> None:
    """A panel for each source."""
    from foley_synthesis.evaluation.report import pyplot

    plt = pyplot()
    figure, axes = plt.subplots(
        1, len(found), figsize=(4.2 * len(found), 3.4), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, (source, row) in zip(axes[0], found.items(), strict=True):
        for method, points in row["methods"].items():
            taps = [int(k) for k in points]
            values = [points[str(k)]["value"] for k in taps]
            ends = [[points[str(k)][end] for k in taps] for end in ("low", "high")]
            (line,) = axis.plot(taps, values, marker="o", label=method)
            axis.fill_between(taps, *ends, alpha=0.12, color=line.get_color())
        axis.axhline(row["chance"], color="0.5", ls=":", lw=1)
        axis.set_title(source, fontsize=9)
        axis.set_xlabel("labelled taps a material", fontsize=8)
        axis.set_ylim(0.0, 1.0)
    axes[0, 0].set_ylabel("balanced accuracy", fontsize=8)
    axes[0, -1].legend(fontsize=7)
    figure.savefig(path, dpi=110)
    plt.close(figure)
