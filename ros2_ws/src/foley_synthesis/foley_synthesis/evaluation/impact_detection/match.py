"""From a strength over time to detections, and from detections to average precision.

The rule: a detection is a peak of the strength, at most one in 0.25 s. In order of strength, each takes the nearest
impact within 0.1 s that no stronger one has taken, and is right; else it is wrong. Neither right nor wrong are
detections at an impact that cannot be heard, those during a touch that lasts, such as a scratch, and those where no
sound was recorded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TOLERANCE_FRAMES = 9  # 0.1 s at 90 Hz
_APART_FRAMES = 22

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Matched:
    """Detections of one video, strongest first, without those that do not count."""

    strength: Array  # [d]
    right: NDArray[np.bool_]  # [d]
    offset: Array  # [d] detection - impact [frames], NaN where wrong
    impacts: int  # that ask for a detection


def rise(level: NDArray[np.floating], span: int = 2) -> Array:
    """How much a level [t] rises over `span` frames on either side, [t]."""
    padded = np.pad(level.astype(float), span, mode="edge")
    return np.asarray(padded[2 * span :] - padded[: -2 * span])


def peaks(strength: NDArray[np.floating]) -> NDArray[np.int64]:
    """Frames [d] of the positive peaks, at most one in 0.25 s."""
    from scipy.signal import find_peaks

    found, _ = find_peaks(strength, height=1e-9, distance=_APART_FRAMES)
    return np.asarray(found, np.int64)


def match(
    strength: NDArray[np.floating],  # [t]
    impacts: Array,  # [k] in frames
    ends: Array,  # [k]
    heard: NDArray[np.bool_],  # [k]
    recorded: NDArray[np.bool_] | None = None,  # [t]; None: all of it
) -> Matched:
    """Apply the rule to one video."""
    found = peaks(strength)
    order = found[np.argsort(-strength[found], kind="stable")]
    free = np.ones(len(impacts), np.bool_)
    kept, right, offset = [], [], []
    for frame in order:
        away = np.where(free, np.abs(impacts - frame), np.inf)
        best = int(away.argmin()) if len(away) else -1
        hit = best >= 0 and away[best] <= TOLERANCE_FRAMES
        if hit:
            free[best] = False
            if not heard[best]:
                continue
        else:
            lasting = bool(((impacts < frame) & (frame <= ends + TOLERANCE_FRAMES)).any())
            if lasting or (recorded is not None and not recorded[frame]):
                continue
        kept.append(float(strength[frame]))
        right.append(hit)
        offset.append(float(frame - impacts[best]) if hit else np.nan)
    return Matched(np.array(kept), np.array(right, np.bool_), np.array(offset), int(heard.sum()))


def precision_recall(videos: Sequence[Matched], weights: Array | None = None) -> tuple[Array, Array]:
    """Recall and precision after each detection, strongest first; `weights` say how often each video counts."""
    w = np.ones(len(videos)) if weights is None else weights
    strength = np.concatenate([v.strength for v in videos])
    right = np.concatenate([v.right for v in videos])
    each = np.concatenate([np.full(len(v.strength), share) for v, share in zip(videos, w, strict=True)])
    wanted = float(sum(share * v.impacts for v, share in zip(videos, w, strict=True)))
    order = np.argsort(-strength, kind="stable")
    hits, shown = np.cumsum(each[order] * right[order]), np.cumsum(each[order])
    return hits / max(wanted, 1e-12), hits / np.maximum(shown, 1e-12)


def average_precision(videos: Sequence[Matched], weights: Array | None = None) -> float:
    """Sum of precision times the gain in recall; impacts that nothing found count as never found."""
    recall, precision = precision_recall(videos, weights)
    if not len(recall):
        return 0.0
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def best_threshold(videos: Sequence[Matched]) -> float:
    """The strength from which on F1 is best; infinity where nothing was found."""
    strength = np.sort(np.concatenate([v.strength for v in videos]))[::-1]
    if not len(strength):
        return float("inf")
    recall, precision = precision_recall(videos)
    return float(strength[int((2 * recall * precision / np.maximum(recall + precision, 1e-12)).argmax())])


def f1_at(videos: Sequence[Matched], threshold: float) -> float:
    """F1 of the detections that are at least this strong."""
    shown = sum(int((v.strength >= threshold).sum()) for v in videos)
    right = sum(int(v.right[v.strength >= threshold].sum()) for v in videos)
    wanted = sum(v.impacts for v in videos)
    return 2.0 * right / (shown + wanted) if shown + wanted else 0.0
