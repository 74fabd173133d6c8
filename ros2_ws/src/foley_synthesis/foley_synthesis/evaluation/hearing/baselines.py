"""What anybody could have used: MFCC with a support vector machine, and linear classifiers on frozen embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.resample import resampled
from foley_synthesis.evaluation.hearing.sounds import Sound, SoundsError, digest
from foley_synthesis.evaluation.windows.kept import key_of
from foley_synthesis.flow.what import MATERIALS
from foley_synthesis.hearing.training.generated_set import CONTACT, GeneratedSet, shard_audio
from foley_synthesis.metrics.classification import balanced_accuracy

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)  # C of the logistic regression, chosen by leaving out sources of its own
FEW_STRENGTH = 1e-1  # of one that is fitted on a few taps, where nothing can be left out
MFCC_RATE = 22_050
_COEFFICIENTS, _BANDS, _FFT, _HOP = 20, 40, 512, 220
_BEFORE_S, _AFTER_S = 0.03, 0.75  # around the beginning of what is loudest
_RISE_DB = 20.0  # below the loudest moment, where it begins
_VERSION = 1

Features = NDArray[np.float32]  # [n, d]
Labels = NDArray[np.int64]  # [n]
Progress = Callable[[int, int], None]


def mfcc(sounds: Sequence[Sound], progress: Progress = lambda done, total: None) -> Features:
    """Mean, deviation and extremes of 20 coefficients over a contact, and the deviation of their steps, [n, 100].

    The level counts for nothing: each sound is brought to full scale.
    """
    import torch
    import torchaudio

    transform = torchaudio.transforms.MFCC(
        MFCC_RATE, _COEFFICIENTS, log_mels=True,
        melkwargs={"n_fft": _FFT, "hop_length": _HOP, "n_mels": _BANDS, "f_min": 50.0, "f_max": 10_500.0},
    )  # fmt: skip
    rows = []
    for done, sound in enumerate(sounds, start=1):
        wave = _contact(resampled(sound.samples, sound.rate, MFCC_RATE))
        with torch.inference_mode():
            c = transform(torch.from_numpy(wave)).numpy()
        rows.append(np.concatenate([c.mean(1), c.std(1), c.min(1), c.max(1), np.diff(c, axis=1).std(1)]))
        progress(done, len(sounds))
    return np.stack(rows).astype(np.float32)


def _contact(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """From just before the beginning of what is loudest, at full scale."""
    begin = max(round((_beginning_s(wave, MFCC_RATE) - _BEFORE_S) * MFCC_RATE), 0)
    piece = wave[begin : begin + round((_BEFORE_S + _AFTER_S) * MFCC_RATE)]
    piece = np.pad(piece, (0, max(2 * _FFT - len(piece), 0)))
    return np.asarray(piece / max(float(np.abs(piece).max()), 1e-9), np.float32)


def _beginning_s(wave: NDArray[np.float32], rate: int) -> float:
    """When what is loudest begins."""
    hop = rate // 200
    level = np.square(np.pad(wave, (0, -len(wave) % hop)).reshape(-1, hop)).mean(axis=1)
    loud = np.flatnonzero(level >= level.max() * 10 ** (-_RISE_DB / 10))
    return int(loud[0]) * hop / rate


def yamnet(sounds: Sequence[Sound], progress: Progress = lambda done, total: None) -> Features:
    """The embedding of YAMNet, [n, 1024]. Raises FrozenMissing."""
    from foley_synthesis.hearing.frozen import FrozenFeatures

    net, rows = FrozenFeatures.load(), []
    for done, sound in enumerate(sounds, start=1):
        onset_s = sound.onset_s if sound.onset_s is not None else _beginning_s(sound.samples, sound.rate)
        rows.append(net.hear(sound.samples, sound.rate, onset_s).embedding[0].astype(np.float32))
        progress(done, len(sounds))
    return np.stack(rows)


def aisfx(sounds: Sequence[Sound], progress: Progress = lambda done, total: None) -> Features:
    """The embedding of aiSFX, [n, 512]. Raises JudgeMissing."""
    from foley_synthesis.metrics.perceptual import Aisfx

    net, rows = Aisfx(), []
    for done, sound in enumerate(sounds, start=1):
        rows.append(net.embed([sound.samples], sound.rate)[0])
        progress(done, len(sounds))
    return np.stack(rows)


def kept_features(
    make: Callable[[Sequence[Sound], Progress], Features],
    sounds: Sequence[Sound],
    folder: Path,
    progress: Progress = lambda done, total: None,
) -> Features:
    """What `make` gives, from `folder` where it is there."""
    file = folder / f"{key_of(make.__name__, _VERSION, digest(sounds))[:24]}.npy"
    if file.is_file():
        progress(len(sounds), len(sounds))
        return np.asarray(np.load(file, allow_pickle=False), np.float32)
    found = make(sounds, progress)
    folder.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    with part.open("wb") as stream:
        np.save(stream, found)
    part.replace(file)
    return found


def fit_logistic(x: Features, y: Labels, strength: float) -> Callable[[Features], NDArray[np.float64]]:
    """Standardised, classes weighted equally; gives probabilities [n, classes] of all up to the highest of `y`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=strength, class_weight="balanced", max_iter=500)
    ).fit(x, y)
    return lambda query: np.asarray(model.predict_proba(query), np.float64)


def probabilities(
    x: Features, y: Labels, query: Features, classes: int, strength: float
) -> NDArray[np.float64]:
    """Of the query [q, classes]; a class that is not in `y` has 0, and one class alone has everything."""
    found, there = np.zeros((len(query), classes)), np.unique(y)
    found[:, there] = fit_logistic(x, y, strength)(query) if len(there) > 1 else 1.0
    return found


def left_out(x: Features, y: Labels, sources: Sequence[str], classes: int) -> NDArray[np.float64]:
    """Each source by a logistic regression on all others, [n, classes]; its strength is chosen on those alone."""
    names, found = np.asarray(sources), np.full((len(y), classes), 1.0 / classes)
    for source in dict.fromkeys(sources):
        train, test = np.flatnonzero(names != source), np.flatnonzero(names == source)
        if len(train):
            strength = _chosen(x[train], y[train], names[train], classes)
            found[test] = probabilities(x[train], y[train], x[test], classes, strength)
    return found


def _chosen(x: Features, y: Labels, names: NDArray[np.str_], classes: int) -> float:
    """The strength with the best balanced accuracy, each source in turn left out; the middle one of a single source."""
    if len(np.unique(names)) < 2:
        return FEW_STRENGTH
    scores = []
    for strength in STRENGTHS:
        said = np.zeros(len(y), np.int64)
        for source in np.unique(names):
            inside, outside = names == source, names != source
            said[inside] = probabilities(x[outside], y[outside], x[inside], classes, strength).argmax(axis=1)
        scores.append(balanced_accuracy(y, said, classes))
    return STRENGTHS[int(np.argmax(scores))]


def support_vectors(x: Features, y: Labels, query: Features, classes: int) -> NDArray[np.float64]:
    """What a machine with a Gaussian kernel says of the query, as one-hot rows [q, classes]."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    model = make_pipeline(StandardScaler(), SVC(C=10.0, class_weight="balanced", cache_size=400)).fit(x, y)
    return np.eye(classes)[np.asarray(model.predict(query), np.int64)]


def generated_sounds(folder: Path, materials: Sequence[str], count: int, seed: int = 0) -> list[Sound]:
    """Contacts of a generated set, equally many of each material where it has them; `label` is the material.

    Raises:
        SetError: the folder is no generated set.
        SoundsError: it holds contacts of fewer than two of the materials.
    """
    held = GeneratedSet.open(folder)
    rng, labels = np.random.default_rng(seed), held.labels
    chosen: list[int] = []
    for name in materials:
        of_it = labels["material"] == (held.materials.index(name) if name in held.materials else -2)
        rows = np.flatnonzero(of_it & (labels["kind"] == CONTACT))
        chosen += rng.permutation(rows)[: max(count // len(materials), 1)].tolist()
    found, begin = [], 0
    for shard, size in zip(held.shards, held.counts, strict=True):
        inside = sorted(row for row in chosen if begin <= row < begin + size)
        audio = shard_audio(shard)[[row - begin for row in inside]] if inside else ()
        for row, samples in zip(inside, audio, strict=True):
            thing = str(labels["object_id"][row])
            found.append(
                Sound(
                    f"{folder.name}:{row}", samples, held.rate, thing, thing,
                    held.materials[labels["material"][row]], held.actions[labels["action"][row]],
                    float(labels["onset_s"][row]), float(labels["log10_e"][row]),
                )
            )  # fmt: skip
        begin += size
    if len({sound.label for sound in found}) < 2:
        raise SoundsError(f"{folder}: contacts are of fewer than two of {', '.join(materials)}")
    return found


def shares_of(folder: Path) -> NDArray[np.float64]:
    """Of the 13 materials among the contacts of a generated set, [13]. Raises SetError."""
    held = GeneratedSet.open(folder)
    of = held.labels["material"][held.contacts]
    counts = [(of == held.materials.index(name)).sum() if name in held.materials else 0 for name in MATERIALS]
    return np.array(counts) / max(sum(counts), 1)


def classes_of(sounds: Sequence[Sound], materials: Sequence[str]) -> Labels:
    """Index into `materials` of each, -1 for what is none of them."""
    places = {MATERIALS.index(name): k for k, name in enumerate(materials)}
    return np.array([places.get(sound.material, -1) for sound in sounds], np.int64)
