"""The heard model among the things of one robot: adapted from a few labelled taps, or left as it is.

The network stays as it is. From taps of c materials, heads of :mod:`few_taps` are fitted on its logits and its
embedding; the one is kept whose log loss is least on recordings that were left out, and only if it is less than the
base model's by more than the standard error of the difference. Materials that nobody tapped keep a share of the
probability, in the proportions in which the base model sees them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.hearing.inference.adapt_report import (
    AdaptationReport,
    losses,
    score_taps,
    what_next,
)
from foley_synthesis.hearing.inference.asked import CLOSED, asked_logits, gate_of, over_vocabulary
from foley_synthesis.hearing.inference.few_taps import (
    FITS,
    Array,
    FewTapHead,
    Labels,
    LinearHead,
    Taps,
    folds,
    log_softmax,
    names_of,
)

ELSEWHERE = 0.05  # share of touches that are of none of the tapped materials, before anything is heard
_USUAL = "means"  # where left-out recordings cannot tell the ways apart
_FOLDS = 10  # in which recordings are left out, at most


@dataclasses.dataclass(frozen=True, eq=False)
class Adaptation:
    """Fitted by :func:`adapt` for one base model: m labels become m + those that are new."""

    base: tuple[str, ...]  # [m] vocabulary of the base model
    asked: tuple[str, ...]  # [c] that were tapped; some may not be in the base's vocabulary
    model_id: str  # of the base model
    method: str
    head: FewTapHead
    centre: Array  # [e] of embeddings
    projection: Array  # [e, r] to the features of the head
    gate: tuple[float, float]  # see `asked.gate_of`

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Of its probabilities: the base's, then what is new by the alphabet."""
        return (*self.base, *(name for name in self.asked if name not in self.base))

    def probabilities(self, logits: NDArray[np.floating], embeddings: NDArray[np.floating]) -> Array:
        """Over its vocabulary [n, m + new].

        Args:
            logits: [n, m] of the base model, divided by its temperature.
            embeddings: [n, e].

        Raises:
            ValueError: shapes are not those of the model it was fitted for.
        """
        z, x = np.asarray(logits, np.float64), np.asarray(embeddings, np.float64)
        if z.shape[1:] != (len(self.base),) or x.shape[1:] != self.centre.shape or len(z) != len(x):
            raise ValueError(
                f"logits have shape {z.shape} and embeddings {x.shape}, must be [n, {len(self.base)}] and "
                f"[n, {len(self.centre)}]: this adaptation is for another model"
            )
        features = (x - self.centre) @ self.projection
        none = np.zeros(len(z), np.int64)
        q = self.head.probabilities(Taps(asked_logits(z, self.base, self.asked), features, none, none))
        return over_vocabulary(q, z, self.base, self.asked, self.gate)

    def to_tensors(self) -> dict[str, NDArray[np.float32]]:
        """For safetensors."""
        parts = self.head.parts
        values = {
            "centre": self.centre,
            "projection": self.projection,
            "gate": np.array(self.gate),
            "floor": np.array(self.head.floor),
            "shares": np.array([share for share, _ in parts]),
            "scales": np.array([head.scale for _, head in parts]),
            "weights": np.stack([head.weights for _, head in parts]),
            "biases": np.stack([head.bias for _, head in parts]),
        }
        return {name: np.asarray(value, np.float32) for name, value in values.items()}

    def to_config(self) -> dict[str, Any]:
        """For YAML, beside the tensors."""
        return {
            "base": list(self.base),
            "asked": list(self.asked),
            "model_id": self.model_id,
            "method": self.method,
        }

    @classmethod
    def of(cls, tensors: Mapping[str, Any], config: Mapping[str, Any]) -> Adaptation:
        """What :meth:`to_tensors` and :meth:`to_config` made. Raises KeyError for what is missing."""
        t = {name: np.asarray(value, np.float64) for name, value in tensors.items()}
        parts = tuple(
            (float(share), LinearHead(float(scale), weights, bias))
            for share, scale, weights, bias in zip(
                t["shares"], t["scales"], t["weights"], t["biases"], strict=True
            )
        )
        return cls(
            tuple(map(str, config["base"])),
            tuple(map(str, config["asked"])),
            str(config["model_id"]),
            str(config["method"]),
            FewTapHead(parts, float(t["floor"])),
            t["centre"],
            t["projection"],
            (float(t["gate"][0]), float(t["gate"][1])),
        )


def adapt(
    logits: NDArray[np.floating],
    embeddings: NDArray[np.floating],
    labels: Sequence[str],
    groups: Sequence[object],
    vocabulary: Sequence[str],
    *,
    model_id: str,
    whiten: NDArray[np.floating] | None = None,
    elsewhere: float = ELSEWHERE,
    methods: Sequence[str] = tuple(FITS),
) -> tuple[Adaptation | None, AdaptationReport]:
    """From n labelled taps of two materials or more, in recordings of their own; nothing where it does not help.

    Args:
        logits: [n, m] of the base model, divided by its temperature.
        embeddings: [n, e].
        labels: [n] names of materials; those that the base does not know are added.
        groups: [n] which recording a tap is of. Variants of one recording are one group: otherwise one would be
            judged by the other.
        whiten: [e, e] that gives the base model's embeddings a covariance of one within classes (`Novelty.within`);
            each direction by its own spread over the taps where it is not given.
        elsewhere: prior share in [0, 1) of touches of materials that were not tapped.

    Raises:
        ValueError: shapes do not fit, a value is not finite, or there are no taps.
    """
    base = tuple(vocabulary)
    z, x = np.asarray(logits, np.float64), np.asarray(embeddings, np.float64)
    if not len(labels) or z.shape != (len(labels), len(base)) or len(x) != len(z) or len(groups) != len(z):
        raise ValueError(
            f"{len(labels)} labels and {len(groups)} groups for logits {z.shape} and embeddings {x.shape}, must be "
            f"one each of taps, over {len(base)} labels"
        )
    if not (np.isfinite(z).all() and np.isfinite(x).all()):
        raise ValueError("logits or embeddings hold NaN or infinity")
    if not 0.0 <= elsewhere < 1.0:
        raise ValueError(f"elsewhere is {elsewhere}, must lie in [0, 1)")
    asked = tuple(sorted(names_of(labels), key=lambda name: (name not in base, _place(name, base), name)))
    y = np.array([asked.index(name) for name in labels], np.int64)
    recording = np.unique([str(group) for group in groups], return_inverse=True)[1].astype(np.int64)
    centre, projection = _features(x, whiten)
    taps = Taps(asked_logits(z, base, asked), (x - centre) @ projection, y, recording)
    whole = (*base, *(name for name in asked if name not in base))
    truth = np.array([whole.index(name) for name in labels], np.int64)
    before = np.pad(np.exp(log_softmax(z)), ((0, 0), (0, len(whole) - len(base))))
    told = over_vocabulary(np.exp(log_softmax(taps.logits)), z, base, asked, CLOSED)
    counts = np.array([len(np.unique(recording[y == k])) for k in range(len(asked))])
    blank = AdaptationReport(
        adopted=False,
        method="",
        reason="",
        before=score_taps(before, truth),
        before_asked=score_taps(told, truth),
        after=None,
        gain=math.nan,
        gain_error=math.nan,
        candidates={},
        taps={name: int((y == k).sum()) for k, name in enumerate(asked)},
        recordings={name: int(count) for name, count in zip(asked, counts, strict=True)},
        recall={},
        record_next=what_next(asked, counts),
    )
    if len(asked) < 2 or counts.min() < 2:
        few = "one material" if len(asked) < 2 else f"one recording of {asked[int(counts.argmin())]}"
        reason = f"the model stays as it is: {few} alone, so that nothing can be judged on what was left out"
        return None, dataclasses.replace(blank, reason=reason)

    judged = {name: _left_out(name, taps, z, base, asked, elsewhere) for name in methods}
    own = losses(before, truth)
    lost = {name: losses(p, truth) for name, p in judged.items()}
    per_recording = {name: _per_group(own - loss, recording) for name, loss in lost.items()}
    best = _best(per_recording)
    gains = per_recording[best]
    gain, error = float(gains.mean()), float(gains.std(ddof=1) / math.sqrt(len(gains)))
    after, guesses = score_taps(judged[best], truth), judged[best].argmax(axis=1)
    among = np.array([whole.index(name) for name in asked])
    report = dataclasses.replace(
        blank,
        method=best,
        after=after,
        gain=gain,
        gain_error=error,
        candidates={name: float(loss.mean()) for name, loss in lost.items()},
        recall={name: float((guesses == truth)[y == k].mean()) for k, name in enumerate(asked)},
        record_next=what_next(asked, counts, y, judged[best][:, among].argmax(axis=1)),
        left_out=judged[best],
    )
    said = f"log loss {report.before.log_loss:.2f} -> {after.log_loss:.2f} on recordings that were left out"
    if gain <= error:
        reason = f"the model stays as it is: {said}, which is less than its standard error of {error:.2f}"
        return None, dataclasses.replace(report, reason=reason)
    if after.balanced_accuracy < report.before.balanced_accuracy:
        shares = f"{report.before.balanced_accuracy:.2f} -> {after.balanced_accuracy:.2f}"
        reason = f"the model stays as it is: {said}, but balanced accuracy {shares}"
        return None, dataclasses.replace(report, reason=reason)
    fitted = Adaptation(
        base, asked, model_id, best, FITS[best](taps), centre, projection, gate_of(z, base, asked, elsewhere)
    )
    return fitted, dataclasses.replace(report, adopted=True, reason=f"adapted by `{best}`: {said}")


def _place(name: str, base: tuple[str, ...]) -> int:
    return base.index(name) if name in base else 0


def _features(x: Array, whiten: NDArray[np.floating] | None) -> tuple[Array, Array]:
    """Centre [e] and projection [e, r]: whitened, about unit length, and no more directions than taps span.

    A head with a round prior has no weight across the span of its taps, so nothing is lost.
    """
    centre = x.mean(axis=0)
    # Without labels: a covariance within classes would tell of a tap that is left out what class it is of.
    white = (
        np.diag(1.0 / np.maximum(x.std(axis=0), 1e-6)) if whiten is None else np.asarray(whiten, np.float64)
    )
    inner = (x - centre) @ white
    _, sizes, directions = np.linalg.svd(inner, full_matrices=False)
    kept = directions[sizes > 1e-6 * max(float(sizes[0]), 1e-12)]
    length = math.sqrt(max(float(np.square(inner).sum(axis=1).mean()), 1e-12))
    return centre, np.asarray(white @ kept.T / length)


def _left_out(
    name: str, taps: Taps, z: Array, base: tuple[str, ...], asked: tuple[str, ...], elsewhere: float
) -> Array:
    """Probabilities [n, m + new] of each tap by a head that was fitted without its recording."""
    rows: list[Array] = [np.zeros(0)] * len(taps)
    for out in folds(taps.groups, taps.labels, _FOLDS):
        head = FITS[name](taps.at(~out))
        gate = gate_of(z[~out], base, asked, elsewhere)
        p = over_vocabulary(head.probabilities(taps.at(out)), z[out], base, asked, gate)
        for row, values in zip(np.flatnonzero(out), p, strict=True):
            rows[row] = values
    return np.stack(rows)


def _best(gains: Mapping[str, Array]) -> str:
    """The way that gained most on recordings [g], or the usual one where that is within the error of telling.

    What has the most freedom loses most by each recording that is left out: of three taps a third of all.
    """
    most = max(gains, key=lambda name: float(gains[name].mean()))
    if _USUAL not in gains:
        return most
    ahead = gains[most] - gains[_USUAL]
    return most if ahead.mean() > ahead.std(ddof=1) / math.sqrt(len(ahead)) else _USUAL


def _per_group(values: Array, groups: Labels) -> Array:
    return np.array([values[groups == k].mean() for k in np.unique(groups)])
