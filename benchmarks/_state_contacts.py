"""Labelled contacts of `foley sim states` as what heads are taught with: embeddings, kept in a file, and baselines."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.io import wavfile

from foley_sim.offline.state_set import read_labels
from foley_synthesis.hearing.front_end import FrontEndConfig
from foley_synthesis.hearing.inference.hearing_model import HearingModel
from foley_synthesis.teaching.embedding import PLAIN, Embedding, Plain, embedding_id, of_features

CACHE = "embeddings.npz"
_AT_ONCE = 400  # contacts between two times that embeddings are written
BEFORE_S, AFTER_S = 0.25, 1.2  # of sound around an onset, as `foley predicate teach` keeps it
SINGLE = ("level_db", "decay_s", "brightness_hz", "beats")
"""One number of a contact: what somebody might try before teaching anything."""
_MFCC = 20
_FLOOR_DB = -70.0
_WINDOW_S = 0.02


@dataclasses.dataclass(frozen=True, eq=False)
class Contacts:
    """n contacts of a set."""

    names: list[str]
    predicate: NDArray[np.str_]  # [n]
    label: NDArray[np.bool_]  # [n]
    split: NDArray[np.str_]  # [n]
    thing: NDArray[np.str_]  # [n]
    scene: NDArray[np.int64]  # [n]
    recording: NDArray[np.str_]  # [n]
    values: NDArray[np.float32]  # [n, d], NaN where nothing was heard
    sizes: tuple[int, ...]
    plain: NDArray[np.float64]  # [n, len(PLAIN)]
    mfcc: NDArray[np.float32]  # [n, m]
    single: NDArray[np.float64]  # [n, len(SINGLE)]
    features_id: str

    def of(self, predicate: str) -> Contacts:
        """Those of one predicate that were heard."""
        kept = np.flatnonzero((self.predicate == predicate) & np.isfinite(self.values[:, 0]))
        rows = {
            f.name: getattr(self, f.name)[kept]
            for f in dataclasses.fields(self)
            if isinstance(getattr(self, f.name), np.ndarray)
        }
        return dataclasses.replace(self, names=[self.names[i] for i in kept.tolist()], **rows)

    def embedding(self, i: int) -> Embedding:
        return Embedding(self.values[i], self.sizes, Plain(*self.plain[i].tolist()))


def read_contacts(folder: Path, predicates: Sequence[str]) -> Contacts:
    """Contacts of a set by predicates; what was embedded before is taken from a file in its folder, the rest added.

    Raises:
        ValueError: no set of `foley sim states`.
    """
    cache = folder / CACHE
    rows = [row for row in read_labels(folder) if row["predicate"] in predicates]
    model = HearingModel.load(threads=1)
    features_id = embedding_id(model)
    known = _read(cache, features_id)
    missing = [row for row in rows if row["contact"] not in known]
    for begin in range(0, len(missing), _AT_ONCE):
        print(f"{begin} of {len(missing)} contacts are heard", file=sys.stderr, flush=True)
        _embed(model, folder, missing[begin : begin + _AT_ONCE], known)
        _write(cache, features_id, known)
    found = [known[row["contact"]] for row in rows]
    sizes = next(tuple(int(s) for s in f["sizes"]) for f in found)
    return Contacts(
        names=[row["contact"] for row in rows],
        predicate=np.array([row["predicate"] for row in rows]),
        label=np.array([row["value"] == "true" for row in rows]),
        split=np.array([row["split"] for row in rows]),
        thing=np.array([row["object"] for row in rows]),
        scene=np.array([int(row["scene"]) for row in rows]),
        recording=np.array([row["file"] for row in rows]),
        values=np.stack([f["values"] for f in found]),
        sizes=sizes,
        plain=np.stack([f["plain"] for f in found]),
        mfcc=np.stack([f["mfcc"] for f in found]),
        single=np.stack([f["single"] for f in found]),
        features_id=features_id,
    )


Found = dict[str, dict[str, NDArray[np.floating]]]
_KINDS = ("values", "sizes", "plain", "mfcc", "single")


def _embed(model: HearingModel, folder: Path, rows: list[dict[str, str]], known: Found) -> None:
    """Hear contacts, and put what was made of them into `known`."""
    path, sound = "", np.zeros(0, np.float32)
    rate, size = 48_000, sum(_sizes(model))
    for row in rows:
        if row["file"] != path:
            path = row["file"]
            rate, raw = wavfile.read(folder / path)
            sound = raw.astype(np.float32) / 2**15
        onset_s = float(row["onset_s"])
        begin = max(round((onset_s - BEFORE_S) * rate), 0)
        samples = sound[begin : round((onset_s + AFTER_S) * rate)]
        onset_s -= begin / rate
        heard = model.hear(samples, rate, onset_s=onset_s)
        values, plain = np.full(size, np.nan, np.float32), Plain(*[math.nan] * len(PLAIN))
        mfcc = np.zeros(3 * _MFCC, np.float32)
        if heard.features is not None:
            embedding = of_features(heard.features)
            values, plain = embedding.values, embedding.plain
            mfcc = _mfcc(heard.features.level)
        level, decay = level_and_decay(samples, rate, onset_s)
        known[row["contact"]] = {
            "values": values,
            "sizes": np.array(_sizes(model)),
            "plain": np.array(dataclasses.astuple(plain)),
            "mfcc": mfcc,
            "single": np.array([level, decay, plain.brightness_hz, plain.beats]),
        }


_known_sizes: dict[str, tuple[int, ...]] = {}


def _sizes(model: HearingModel) -> tuple[int, ...]:
    """Of the views of an embedding."""
    if model.model_id not in _known_sizes:
        click = np.random.default_rng(0).standard_normal(48_000).astype(np.float32) * 1e-4
        click[12_000:14_000] += np.exp(-np.arange(2000) / 300).astype(np.float32) * np.sin(np.arange(2000))
        heard = model.hear(click, 48_000, onset_s=0.25)
        assert heard.features is not None
        _known_sizes[model.model_id] = of_features(heard.features).sizes
    return _known_sizes[model.model_id]


def _mfcc(level: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean and deviation of cepstral coefficients after the onset, and of their steps [3 * _MFCC]."""
    config = FrontEndConfig()
    after = level[round(len(level) * config.before_frames / config.frames) :]
    peak = float(np.nanmax(after)) if np.isfinite(after).any() else 0.0
    db = np.where(np.isfinite(after), np.maximum(after, peak + _FLOOR_DB), peak + _FLOOR_DB)
    cepstra = scipy.fft.dct(db, axis=1, norm="ortho")[:, :_MFCC]
    steps = np.diff(cepstra, axis=0)
    return np.concatenate([cepstra.mean(axis=0), cepstra.std(axis=0), steps.std(axis=0)]).astype(np.float32)


def level_and_decay(samples: NDArray[np.float32], rate: int, onset_s: float) -> tuple[float, float]:
    """Loudest 20 ms after an onset [dB of full scale], and reverberation time by Schroeder's integral, -5 to -25 dB,
    of which three times [s]; the mean of what was before the onset is taken off."""
    at, window = round(onset_s * rate), round(_WINDOW_S * rate)
    power = samples.astype(np.float64) ** 2
    noise = float(power[: max(at - window, 1)].mean())
    after = np.maximum(power[at:] - noise, 0.0)
    sums = np.convolve(power[at:], np.ones(window) / window, mode="valid")
    level = 10 * math.log10(float(sums.max()) + 1e-12)
    left = np.cumsum(after[::-1])[::-1]
    db = 10 * np.log10(left / max(left[0], 1e-30) + 1e-12)
    first, last = int(np.argmax(db < -5.0)), int(np.argmax(db < -25.0))
    return level, 3.0 * (last - first) / rate if last > first else math.nan


def _read(cache: Path, features_id: str) -> Found:
    if not cache.is_file():
        return {}
    with np.load(cache, allow_pickle=False) as file:
        if str(file["features_id"]) != features_id:
            return {}
        names = file["names"].tolist()
        arrays = {kind: file[kind] for kind in _KINDS}
    return {name: {kind: arrays[kind][i] for kind in _KINDS} for i, name in enumerate(names)}


def _write(cache: Path, features_id: str, known: Found) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    partial = cache.with_name(f".{cache.name}.partial.npz")
    arrays = {kind: np.stack([found[kind] for found in known.values()]) for kind in _KINDS}
    np.savez(partial, features_id=np.array(features_id), names=np.array(list(known)), **arrays)  # type: ignore[arg-type]
    partial.replace(cache)
