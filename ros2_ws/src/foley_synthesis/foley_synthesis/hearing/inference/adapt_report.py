"""What an adaptation did, judged on recordings that it was not fitted on, and what to record next."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ENOUGH = 5  # recordings of a material, from which on another one is better spent elsewhere
LEAST_PROBABILITY = 1e-3  # that enters a log loss: one tap must not decide, and what cannot be said has none


@dataclasses.dataclass(frozen=True)
class TapScore:
    """Of labelled taps."""

    accuracy: float
    balanced_accuracy: float  # mean over the materials
    log_loss: float  # [nat]

    def to_dict(self) -> dict[str, float]:
        """For JSON."""
        return {name: round(value, 5) for name, value in dataclasses.asdict(self).items()}


@dataclasses.dataclass(frozen=True)
class AdaptationReport:
    """Before and after, both by leaving recordings out."""

    adopted: bool
    method: str  # that did best; where it is not adopted, that did not do well enough
    reason: str  # why it is adopted or not, as a sentence
    before: TapScore  # as the base model is
    before_asked: TapScore  # the base model, told which materials there are
    after: TapScore | None  # None: there was too little to judge by
    gain: float  # nat by which the log loss falls, mean over recordings; NaN: not judged
    gain_error: float  # its standard error
    candidates: dict[str, float]  # log loss of each way
    taps: dict[str, int]  # of each material
    recordings: dict[str, int]
    recall: dict[str, float]  # of each material, after
    record_next: str  # a sentence
    left_out: Array | None = (
        None  # [n, m + new] probabilities of each tap by what did best, without its recording
    )

    def to_dict(self) -> dict[str, Any]:
        """For JSON: NaN becomes None."""
        values = dataclasses.asdict(dataclasses.replace(self, left_out=None))
        del values["left_out"]
        for name in ("before", "before_asked", "after"):
            score = getattr(self, name)
            values[name] = None if score is None else score.to_dict()
        for name in ("gain", "gain_error"):
            values[name] = round(values[name], 5) if np.isfinite(values[name]) else None
        return values


def score_taps(probabilities: Array, labels: NDArray[np.integer]) -> TapScore:
    """Of probabilities [n, m] and labels [n]."""
    right = probabilities.argmax(axis=1) == labels
    recall = [float(right[labels == k].mean()) for k in np.unique(labels)]
    return TapScore(float(right.mean()), float(np.mean(recall)), float(losses(probabilities, labels).mean()))


def losses(probabilities: Array, labels: NDArray[np.integer]) -> Array:
    """Of each tap [n, nat]."""
    p = probabilities[np.arange(len(labels)), labels]
    return np.asarray(-np.log(np.maximum(p, LEAST_PROBABILITY)))


def what_next(
    names: tuple[str, ...],
    recordings: NDArray[np.integer],
    labels: NDArray[np.integer] | None = None,
    guesses: NDArray[np.integer] | None = None,
) -> str:
    """One sentence: too few of something come first, then what is taken for something else most often.

    Args:
        names: of the c materials.
        recordings: of each [c].
        labels: of taps [n], and ``guesses`` [n] made without their recordings; None where nothing was judged.
    """
    fewest = int(np.argmin(recordings))
    if len(names) < 2:
        return "record taps of a second material: of one alone nothing can be told apart"
    if recordings[fewest] < 2 or labels is None or guesses is None:
        return f"record {names[fewest]}: {_more(int(recordings[fewest]))}, each in a recording of its own"
    confused = np.zeros((len(names), len(names)), int)
    np.add.at(confused, (labels, guesses), 1)
    taps = confused.sum(axis=1)
    share = (confused - np.diag(np.diag(confused))) / np.maximum(taps, 1)[:, None]
    worst, taken = np.unravel_index(int(share.argmax()), share.shape)
    told = (
        f"{confused[worst, taken]} of {taps[worst]} taps of {names[worst]} were taken for {names[taken]} when their "
        "recording was left out"
    )
    if recordings[fewest] < ENOUGH:
        hint = f", and {told}" if share.max() > 0 else ""
        return (
            f"record {names[fewest]}: {_more(int(recordings[fewest]))}, each in a recording of its own{hint}"
        )
    if share.max() > 0:
        return f"record {names[worst]} and {names[taken]} on other objects and other supports: {told}"
    return (
        "nothing was confused; record other objects of the same materials, to see whether it holds for them"
    )


def _more(count: int) -> str:
    return (
        f"there are {count} recordings of it, {ENOUGH - count} more are worth most"
        if count != 1
        else (f"there is one recording of it, {ENOUGH - 1} more are worth most")
    )
