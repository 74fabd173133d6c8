"""What reads a sound: probes and an expectation that learned from real training sounds, but never from its source.

Example-based synthesis plays training sounds. A probe that learned from the very same sound, or from others of its
object, would recognise it rather than read it. So there are five of each, every one without a fifth of the training
objects, and a sound is read by one that does not know the object it was recorded from. Sounds with no source are
dealt out to the five in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from foley_perception.clips.grid import ONSET_FRAME
from foley_synthesis.evaluation.baselines import fit_logistic
from foley_synthesis.evaluation.discriminator import Expectation
from foley_synthesis.metrics.cochleagram import AFTER, Frames
from foley_synthesis.vis.networks.pca import Pca
from foley_synthesis.vis.networks.sound_net import normalise_action
from foley_synthesis.vis.training.features import FeatureSet

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
TARGETS = ("material", "action", "reaction")
FOLDS = 5
_SEGMENTS = 6  # of the time after the contact, over which a probe averages


class SoundProbes:
    """Five probes for each target and five expectations, by what they have not heard."""

    def __init__(self, features: FeatureSet, pca: Pca, seed: int = 0) -> None:
        train = features.indices("train")
        clips = [features.clips[i] for i in train]
        things = [c.object_id or c.scene_id for c in clips]
        names = sorted(set(things))
        order = np.random.default_rng(seed).permutation(len(names))
        fold_of = {names[thing]: k % FOLDS for k, thing in enumerate(order)}
        own = np.array([fold_of[thing] for thing in things])
        self._fold_of_clip = {c.clip_id: int(fold) for c, fold in zip(clips, own, strict=True)}
        heard, context = summary(pca.encode(features.cochleagram[train])), context_of(features, train)
        self.labels: dict[str, list[str]] = {}
        self._probes: dict[str, list[Callable[[Array], Labels]]] = {}
        for target in TARGETS:
            values = [getattr(c, target) for c in clips]
            known = sorted({v for v in values if v})
            truth = np.array([known.index(v) if v else -1 for v in values], np.int64)
            self.labels[target] = known
            self._probes[target] = [_probe(heard[own != k], truth[own != k]) for k in range(FOLDS)]
        kept = [own != k if (own != k).sum() > 1 else own >= 0 for k in range(FOLDS)]
        self._expectations = [Expectation.fit(context[rows], heard[rows]) for rows in kept]

    def folds(self, sources: Sequence[str]) -> NDArray[np.int64]:
        """Which of the five reads each sound, [n]; ``sources`` are the clips that they were recorded in, or empty."""
        return np.array([self._fold_of_clip.get(clip, k % FOLDS) for k, clip in enumerate(sources)], np.int64)

    def truth(self, target: str, values: Sequence[str]) -> Labels:
        """Labels as numbers; -1 where training does not know them."""
        known = self.labels[target]
        return np.array([known.index(v) if v in known else -1 for v in values], np.int64)

    def read(self, target: str, heard: Array, folds: NDArray[np.int64]) -> Labels:
        """What the probes read off summaries [n, d]."""
        said = np.zeros(len(heard), np.int64)
        for k in np.unique(folds):
            said[folds == k] = self._probes[target][int(k)](heard[folds == k])
        return said

    def evidence(self, context: NDArray[np.floating], heard: Array, folds: NDArray[np.int64]) -> Array:
        """What the discriminator decides from, [n, e]."""
        result = np.empty((len(heard), 2 * heard.shape[1] + 1))
        for k in np.unique(folds):
            own = folds == k
            result[own] = self._expectations[int(k)].evidence(context[own], heard[own])
        return result


def summary(encoded: Frames) -> Array:
    """[n, segments x components]: means of the features over stretches after the contact."""
    after = encoded[:, int(ONSET_FRAME) - 1 : int(ONSET_FRAME) + AFTER]
    means = [part.mean(axis=1) for part in np.array_split(after, _SEGMENTS, axis=1)]
    return np.concatenate(means, axis=1).astype(float)


def context_of(features: FeatureSet, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """What a listener has beside the sound: the still, and the measured motion, [n, c]."""
    still = features.still[rows, 0].astype(np.float32)
    action = normalise_action(torch.from_numpy(features.executed[rows])).numpy()[:, ::6]
    return np.concatenate([still, action.reshape(len(rows), -1)], axis=1)


def _probe(heard: Array, truth: Labels) -> Callable[[Array], Labels]:
    if len(np.unique(truth[truth >= 0])) < 2:
        only = int(truth.max(initial=0))
        return lambda rows: np.full(len(rows), max(only, 0), np.int64)
    return fit_logistic(heard, truth)
