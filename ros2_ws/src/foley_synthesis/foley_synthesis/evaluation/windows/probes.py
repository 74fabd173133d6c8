"""What a sound tells of material and action: probes that learned from the true sounds of training windows.

They read mel levels over the floor in the half second from a touch on, in 20 bands and steps that grow with time. There
are five of each, every one without a fifth of the training scenes: a training sound that a method plays again is read
by one that heard neither it nor its objects. Windows to be read are of scenes, and so of objects, of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.evaluation.measure import Array, Item, Metric
from foley_synthesis.evaluation.windows.metrics import AUDIBLE_DB, levels_after, quiet_level
from foley_synthesis.evaluation.windows.sounds import FRAME_S, WindowOutput, WindowTruth
from foley_synthesis.flow.networks.mel import RATE
from foley_synthesis.metrics.audio import frechet
from foley_synthesis.metrics.classification import balanced_accuracy

TARGETS = ("material", "action")
FOLDS = 5
_EDGES = np.array([-2, 1, 3, 6, 11, 19, 33, 60])  # frames from the touch on
_BANDS = 20
_DIMS = _BANDS * (len(_EDGES) - 1)
_COMPONENTS = 16  # of the Frechet distance
_MOST = 6000  # touches that probes learn from

Labels = NDArray[np.int64]


class Touches(NamedTuple):
    """Audible touches of windows, whole in their window."""

    windows: Labels  # [k] row of the window
    frames: Labels  # [k] of the mel, in which it begins
    names: dict[str, list[str]]  # target -> [k], empty: not known


def touches_of(truths: Sequence[WindowTruth]) -> Touches:
    """All that a probe can read in windows."""
    rows: list[int] = []
    frames: list[int] = []
    names: dict[str, list[str]] = {target: [] for target in TARGETS}
    for row, truth in enumerate(truths):
        if truth.window is None or not len(truth.touched_s):
            continue
        session, contacts = truth.window.session, truth.window.contacts
        levels = levels_after(truth.waveform, truth.touched_s, RATE)
        audible = levels > quiet_level(truth.waveform, RATE) + AUDIBLE_DB
        at = np.round(truth.touched_s / FRAME_S).astype(np.int64)
        inside = (at + _EDGES[0] >= 0) & (at + _EDGES[-1] <= truth.above.shape[-1])
        actions = session.facts.get("contact_actions", ())
        for k in np.flatnonzero(audible & inside):
            contact, thing = int(contacts[k]), int(session.contact_object[contacts[k]])
            rows.append(row)
            frames.append(int(at[k]))
            names["material"].append(str(session.facts["objects"][thing]["material"]) if thing >= 0 else "")
            names["action"].append(str(actions[contact]) if contact < len(actions) else "")
    return Touches(np.array(rows, np.int64), np.array(frames, np.int64), names)


def features_of(above: NDArray[np.floating], frames: Labels) -> Array:
    """[k, 140] of touches that begin at frames [k] of levels over the floor [80, frames]."""
    bands = above.reshape(_BANDS, -1, above.shape[-1]).mean(axis=1, dtype=np.float64)
    sums = np.concatenate([np.zeros((_BANDS, 1)), np.cumsum(bands, axis=1)], axis=1)
    edges = frames[:, None] + _EDGES
    means = (sums[:, edges[:, 1:]] - sums[:, edges[:, :-1]]) / np.diff(_EDGES)
    return np.asarray(means.transpose(1, 2, 0).reshape(len(frames), -1))


class _Read(NamedTuple):
    """What probes read off a method's sounds; rows are touches times draws."""

    features: Array  # [r, 140]
    probabilities: dict[str, Array]  # target -> [r, classes]
    truths: dict[str, Labels]  # target -> [r], -1: not known
    windows: Labels  # [r]


class Heard(NamedTuple):
    """What can be read of touches, and what they were."""

    features: Array  # [k, 140]
    names: dict[str, list[str]]  # target -> [k]
    scenes: list[str]  # [k]


def heard_of(truths: Iterable[WindowTruth]) -> Heard:
    """Of windows, one after the other: they need not be there at the same time."""
    features: list[Array] = []
    names: dict[str, list[str]] = {target: [] for target in TARGETS}
    scenes: list[str] = []
    for truth in truths:
        found = touches_of([truth])
        if truth.window is None or not len(found.frames):
            continue
        features.append(features_of(truth.above, found.frames))
        scenes += [truth.window.scene_id] * len(found.frames)
        for target in TARGETS:
            names[target] += found.names[target]
    return Heard(np.concatenate(features) if features else np.zeros((0, _DIMS)), names, scenes)


class WindowProbes:
    """Five probes for each target.

    Args:
        known: touches of training windows.

    Raises:
        ValueError: fewer than two of a target's values, or fewer than two scenes, can be heard in them.
    """

    def __init__(self, known: Heard, seed: int = 0) -> None:
        few = np.random.default_rng(seed).permutation(len(known.features))[:_MOST]
        scenes, heard = [known.scenes[k] for k in few], known.features[few]
        names = sorted(set(scenes))
        if len(names) < 2:
            raise ValueError(f"touches are audible in {len(names)} training scenes, probes need two or more")
        order = np.random.default_rng(seed).permutation(len(names))
        self._fold_of = {names[scene]: k % FOLDS for k, scene in enumerate(order)}
        folds = np.array([self._fold_of[scene] for scene in scenes])
        self.labels: dict[str, list[str]] = {}
        self._probes: dict[str, list[Any]] = {}
        for target in TARGETS:
            values = [known.names[target][k] for k in few]
            kinds = self.labels[target] = sorted({v for v in values if v})
            if len(kinds) < 2:
                raise ValueError(f"training touches have {len(kinds)} values of {target}, probes need two")
            labels = np.array([kinds.index(v) if v else -1 for v in values])
            self._probes[target] = [
                _fit(heard[(folds != k) & (labels >= 0)], labels[(folds != k) & (labels >= 0)])
                for k in range(FOLDS)
            ]
        self._centre, self._scale = heard.mean(axis=0), heard.std(axis=0) + 1e-6
        _, _, axes = np.linalg.svd((heard - self._centre) / self._scale, full_matrices=False)
        self._axes = axes[:_COMPONENTS]

    def encode(self, features: Array) -> Array:
        """The first principal components [k, 16] of features [k, 140]."""
        return np.asarray((features - self._centre) / self._scale @ self._axes.T)

    def read(self, output: WindowOutput, touches: Touches) -> _Read:
        """Of every draw."""
        parts, folds, rows = [], [], []
        for draw in range(output.draws):
            parts.append(_rows(touches, output.above[:, draw]))
            heard = [output.scenes[int(row)][draw] if output.scenes else "" for row in touches.windows]
            folds.append([self._fold_of.get(scene, k % FOLDS) for k, scene in enumerate(heard)])
            rows.append(touches.windows)
        features, fold = np.concatenate(parts), np.concatenate(folds).astype(np.int64)
        found, truths = {}, {}
        for target, probes in self._probes.items():
            known = self.labels[target]
            said = np.zeros((len(features), len(known)))
            for k in np.unique(fold):
                model = probes[int(k)]
                said[np.ix_(fold == k, model.classes_)] = model.predict_proba(features[fold == k])
            found[target] = said
            one = [known.index(name) if name in known else -1 for name in touches.names[target]]
            truths[target] = np.tile(np.array(one, np.int64), output.draws)
        return _Read(features, found, truths, np.concatenate(rows))


def probe_metrics(probes: WindowProbes, items: Sequence[Item]) -> tuple[Metric, ...]:
    """Agreement with the truth, Frechet distance and inception score of touches; none where none can be read."""
    touches = touches_of([item.truth for item in items])
    if len(touches.windows) < 3:
        return ()
    real = probes.encode(_rows(touches, [item.truth.above for item in items]))

    def read(output: WindowOutput, items: Sequence[Item]) -> _Read:
        return probes.read(output, touches)

    def agreement(target: str) -> Metric:
        classes = len(probes.labels[target])

        def accuracy(values: _Read, weights: Array | None) -> float:
            own = None if weights is None else weights[values.windows]
            return balanced_accuracy(
                values.truths[target], values.probabilities[target].argmax(axis=1), classes, own
            )

        return Metric(f"{target}_accuracy", target, "higher", read, accuracy, note=note)

    occurring = {t: len({n for n in touches.names[t] if n in probes.labels[t]}) for t in TARGETS}
    chance = ", ".join(f"{t} {1 / max(count, 1):.2f}" for t, count in occurring.items())
    note = (
        f"Material and action: balanced accuracy of probes that learned from true sounds of other scenes, at "
        f"{len(touches.windows)} true touches (chance: {chance}). Frechet: in {_COMPONENTS} principal components of "
        "what they read, biased upwards by few touches; IS: of the material probe."
    )
    return (
        *(agreement(target) for target in TARGETS),
        Metric(
            "frechet_touch", "Frechet", "lower", read,
            lambda values, weights: frechet(probes.encode(values.features), real), format=".1f", bootstrap=False,
        ),
        Metric(
            "inception_score", "IS", "higher", read,
            lambda values, weights: inception_score(values.probabilities["material"]), bootstrap=False,
        ),
    )  # fmt: skip


def inception_score(probabilities: Array) -> float:
    """exp of the mean divergence of probabilities [n, classes] from their mean (Salimans et al. 2016): 1 to classes."""
    p = np.clip(probabilities, 1e-12, 1.0)
    return float(np.exp((p * (np.log(p) - np.log(p.mean(axis=0)))).sum(axis=1).mean()))


def _rows(touches: Touches, above: Sequence[NDArray[np.floating]] | NDArray[np.floating]) -> Array:
    """Features of all touches, in their order."""
    found = [
        features_of(one, touches.frames[touches.windows == row])
        for row, one in enumerate(above)
        if (touches.windows == row).any()
    ]
    return np.concatenate(found) if found else np.zeros((0, _DIMS))


def _fit(features: Array, labels: Labels) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(np.unique(labels)) < 2:
        raise ValueError(
            "a fifth of the training scenes holds all touches but of one kind; give more sessions"
        )
    model = LogisticRegression(max_iter=300, C=0.1, class_weight="balanced")
    return make_pipeline(StandardScaler(), model).fit(features, labels)
