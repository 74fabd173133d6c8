"""Sets of materials that hold the true one in a stated share of cases, by split conformal prediction.

Two scores are known. Over leaves it is that of regularised adaptive prediction sets (Angelopoulos, Bates, Malik and
Jordan 2021, eq. 4, without randomisation, u = 0): the probability of all labels that are likelier, and a penalty for
each rank beyond the first few. Over a hierarchy every set is a node: it is the probability of the largest node above
the likeliest label that does not hold the label yet, so that one goes up until the node is likely enough. Either way a
set is all labels whose score is at most the ceil((n + 1) coverage)-th smallest of n labelled ones, which makes the
coverage hold for any model, on average over contacts exchangeable with those (Vovk, Gammerman and Shafer 2005). Per
class, it holds for each class by itself.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.hearing.inference.families import Hierarchy, Node

Array = NDArray[np.float64]
_TIE = 1e-9  # sums of the same probabilities in another order


@dataclasses.dataclass(frozen=True)
class ConformalSets:
    """Which labels are too unlikely to be named; fitted by :func:`fit_sets`.

    Raises:
        ValueError: thresholds are not one per label.
    """

    vocabulary: tuple[str, ...]  # [m]
    coverage: float  # share of contacts whose material is in its set
    thresholds: tuple[float, ...]  # [m] of the score; infinite where too few were seen to leave the label out
    contacts: int  # that it was fitted on
    fitted_on: str  # their domain; the coverage is stated for it and for no other
    nodes: bool = False  # sets are nodes of the hierarchy over the vocabulary
    per_class: bool = False  # the coverage holds for each material, not only on average
    penalty: float = 0.0  # of each rank beyond the free ones
    free_ranks: int = 1

    def __post_init__(self) -> None:
        if len(self.thresholds) != len(self.vocabulary):
            raise ValueError(f"{len(self.thresholds)} thresholds for {len(self.vocabulary)} labels")

    def sets(self, probabilities: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Of each contact [n, m]; the likeliest label is always in it."""
        p = np.asarray(probabilities, np.float64)
        inside = self._scores(p) <= np.asarray(self.thresholds) + _TIE
        inside[np.arange(len(p)), p.argmax(axis=1)] = True
        if self.nodes:  # thresholds per class may leave one out in the middle
            tree = Hierarchy.over(self.vocabulary)
            inside = tree.members[tree.smallest(inside)]
        return inside

    def names(self, probabilities: NDArray[np.floating]) -> tuple[str, ...]:
        """The set of one contact [m], likeliest first."""
        p = np.asarray(probabilities, np.float64)
        inside = self.sets(p[None])[0]
        return tuple(self.vocabulary[k] for k in np.argsort(-p, kind="stable") if inside[k])

    def node(self, probabilities: NDArray[np.floating]) -> Node:
        """The smallest node of the hierarchy that contains the set of one contact [m]: covers at least as often."""
        tree = Hierarchy.over(self.vocabulary)
        return tree.nodes[int(tree.smallest(self.sets(np.asarray(probabilities)[None]))[0])]

    def _scores(self, p: Array) -> Array:
        if self.nodes:
            return node_scores(p, Hierarchy.over(self.vocabulary))
        return leaf_scores(p, penalty=self.penalty, free_ranks=self.free_ranks)

    def to_dict(self) -> dict[str, Any]:
        """For YAML and JSON: an infinite threshold becomes None."""
        values = dataclasses.asdict(self)
        values["vocabulary"] = list(self.vocabulary)
        values["thresholds"] = [t if math.isfinite(t) else None for t in self.thresholds]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ConformalSets:
        """What :meth:`to_dict` made."""
        thresholds = tuple(math.inf if t is None else float(t) for t in values["thresholds"])
        return cls(**{**values, "vocabulary": tuple(values["vocabulary"]), "thresholds": thresholds})


def leaf_scores(p: Array, *, penalty: float = 0.0, free_ranks: int = 1) -> Array:
    """Probability of all labels likelier than each, and its penalty: [n, m] from [n, m]."""
    order = np.argsort(-p, axis=1, kind="stable")
    ranks = np.argsort(order, axis=1, kind="stable")  # 0: the likeliest
    ordered = np.take_along_axis(p, order, 1)
    before = np.cumsum(ordered, axis=1) - ordered
    return np.take_along_axis(before, ranks, 1) + penalty * np.maximum(ranks + 1 - free_ranks, 0)


def node_scores(p: Array, tree: Hierarchy) -> Array:
    """Probability of the largest node above the likeliest label that holds it and not the other: [n, m] from [n, m]."""
    best = p.argmax(axis=1)
    sizes = tree.members.sum(axis=1)
    apart = (
        tree.members[:, :, None] & ~tree.members[:, None, :]
    )  # [k, m, m] holds the first and not the second
    largest = np.where(apart, sizes[:, None, None], 0).argmax(axis=0)  # [m, m]
    scores = np.take_along_axis(tree.probabilities(p), largest[best], axis=1)
    scores[np.arange(len(p)), best] = 0.0
    return scores


def conformal_quantile(scores: Array, coverage: float, weights: Array | None = None) -> float:
    """The ceil((n + 1) coverage)-th smallest of scores [n]; infinite where there is none.

    Args:
        weights: likelihood ratio [n] of the domain that is meant to that of the scores (covariate shift: Tibshirani,
            Barber, Candes and Ramdas 2019, eq. 7). The contact to come counts like the heaviest one of them.
    """
    n = len(scores)
    order = np.argsort(scores, kind="stable")
    if weights is None:
        rank = math.ceil((n + 1) * coverage - 1e-9)
        return float(scores[order[rank - 1]]) if 1 <= rank <= n else math.inf
    w = np.asarray(weights, np.float64)[order]
    if n == 0 or w.sum() <= 0:
        return math.inf
    reached = np.cumsum(w) / (w.sum() + w.max())
    at = int(np.searchsorted(reached, coverage - 1e-12))
    return float(scores[order[at]]) if at < n else math.inf


def fit_sets(
    probabilities: NDArray[np.floating],
    labels: NDArray[np.integer],
    vocabulary: Sequence[str],
    *,
    coverage: float = 0.9,
    fitted_on: str,
    nodes: bool = False,
    per_class: bool = False,
    penalty: float = 0.0,
    free_ranks: int = 1,
    weights: NDArray[np.floating] | None = None,
) -> ConformalSets:
    """Sets from labelled contacts that the model was neither trained nor tempered on.

    Args:
        probabilities: [n, m].
        labels: [n]; those below 0 (no contact, or of no label) are left out.
        coverage: in (0, 1).
        weights: [n] likelihood ratios; see :func:`conformal_quantile`.

    Raises:
        ValueError: coverage is not inside (0, 1), or shapes do not fit.
    """
    if not 0.0 < coverage < 1.0:
        raise ValueError(f"coverage is {coverage}, must lie inside (0, 1)")
    names = tuple(vocabulary)
    p, y = np.asarray(probabilities, np.float64), np.asarray(labels)
    if p.shape != (len(y), len(names)):
        raise ValueError(f"probabilities have shape {p.shape}, must be {(len(y), len(names))}")
    known = y >= 0
    p, y = p[known], y[known]
    w = None if weights is None else np.asarray(weights, np.float64)[known]
    blank = ConformalSets(
        names, coverage, (math.inf,) * len(names), len(y), fitted_on, nodes, per_class, penalty, free_ranks
    )
    own = blank._scores(p)[np.arange(len(y)), y] if len(y) else np.zeros(0)

    def threshold(chosen: NDArray[np.bool_]) -> float:
        return conformal_quantile(own[chosen], coverage, None if w is None else w[chosen])

    if per_class:
        thresholds = tuple(threshold(y == k) for k in range(len(names)))
    else:
        thresholds = (threshold(np.ones(len(y), bool)),) * len(names)
    return dataclasses.replace(blank, thresholds=thresholds)


@dataclasses.dataclass(frozen=True)
class SetScore:
    """How sets did on labelled contacts."""

    contacts: int
    coverage: float  # share whose material is in its set
    mean_size: float
    single: float  # share of sets of one material
    everything: float  # share of sets that leave nothing out
    by_class: dict[str, float]  # coverage of each material that was there

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)


def score_sets(
    sets: NDArray[np.bool_], labels: NDArray[np.integer], vocabulary: Sequence[str]
) -> SetScore | None:
    """Of sets [n, m]; labels [n] below 0 are left out, and of none there is no score."""
    known = labels >= 0
    inside, y = sets[known], labels[known]
    if not len(y):
        return None
    hit, size = inside[np.arange(len(y)), y], inside.sum(axis=1)
    return SetScore(
        len(y),
        float(hit.mean()),
        float(size.mean()),
        float((size == 1).mean()),
        float((size == len(vocabulary)).mean()),
        {vocabulary[k]: float(hit[y == k].mean()) for k in np.unique(y)},
    )
