"""Every metric of a sound, one entry each, and what a sound is to them.

To add one, add an entry to the tuple or the function that has what it needs; all tables of sounds show it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.cochleagram import Cochleagram
from foley_perception.clips.grid import SAMPLE_RATE
from foley_perception.dataset.reader import Clip
from foley_synthesis.evaluation.discriminator import fooled
from foley_synthesis.evaluation.measure import Array, Detail, Given, Item, Method, Metric
from foley_synthesis.evaluation.sound_probes import TARGETS, SoundProbes, context_of, summary
from foley_synthesis.metrics.audio import (
    envelope_distance,
    frechet,
    onset_agreement,
    onsets,
    stft_distance,
)
from foley_synthesis.metrics.classification import balanced_accuracy, confusion_matrix
from foley_synthesis.metrics.cochleagram import CONTACT, Frames, log_centroid, loudness
from foley_synthesis.metrics.perceptual import Aisfx, Cdpam
from foley_synthesis.metrics.statistics import absolute_difference, correlation, f1, mean
from foley_synthesis.vis.networks.pca import Pca
from foley_synthesis.vis.training.features import FeatureSet

Sound = NDArray[np.float32]
REAL = "real sound"
_HEARD = slice(round(0.15 * SAMPLE_RATE), round(0.75 * SAMPLE_RATE))  # of a clip, that CDPAM compares


def _none() -> NDArray[np.float32]:
    return np.zeros(0, np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class SoundOutput:
    """What a method predicts of n items: what the metrics ask for."""

    frames: Frames = dataclasses.field(default_factory=_none)  # [n, t, channels] cochleagrams
    waveforms: Sequence[Sound] = ()  # each [samples]
    rate: int = SAMPLE_RATE
    sources: Sequence[str] = ()  # [n] clips that are played; empty: none is


@dataclasses.dataclass(frozen=True, eq=False)
class SoundTruth:
    """What there was to predict: what the metrics ask for."""

    frames: Frames = dataclasses.field(default_factory=_none)  # [t, channels]
    waveform: Sound = dataclasses.field(default_factory=_none)  # [samples]
    rate: int = SAMPLE_RATE
    clip: Clip | None = None
    mel: Any = None  # log mel spectrogram of the flow, a tensor [bands, frames]

    @cached_property
    def onsets(self) -> Array:
        """Times [s] in the waveform."""
        return onsets(self.waveform, self.rate)


def clip_items(
    clips: Sequence[Clip], rows: NDArray[np.int64], frames: Frames, waveforms: Sequence[Sound] = ()
) -> list[Item]:
    """Contacts: clips [n], their rows of the data set, their real cochleagrams [n, t, channels] and waveforms."""
    sounds = waveforms or [_none()] * len(clips)
    truths = [SoundTruth(f, sound, clip=c) for f, sound, c in zip(frames, sounds, clips, strict=True)]
    return [
        Item(int(row), c.scene_id, c.object_id, truth)
        for row, c, truth in zip(rows, clips, truths, strict=True)
    ]


def real_frames(items: Sequence[Item]) -> Frames:
    """The real cochleagrams [n, t, channels]."""
    return np.stack([item.truth.frames for item in items])


def by_row(
    key: str, given: Given, make: Callable[[int], tuple[Sound, str]], rate: int = SAMPLE_RATE
) -> Method:
    """A method that makes one sound after the other: row of the data set -> waveform, and the clip it plays or ""."""

    def predict(items: Sequence[Item], step: Callable[[], None]) -> list[SoundOutput]:
        made = []
        for item in items:
            made.append(make(item.row))
            step()
        waveforms, sources = zip(*made, strict=True)
        frames = _none()
        if items[0].truth.frames.size:
            cochlea, steps = Cochleagram(rate), len(items[0].truth.frames)
            frames = np.stack([cochlea(sound)[:steps] for sound in waveforms])
        return [SoundOutput(frames, waveforms, rate, sources)]

    return Method(key, predict, given)


# ---- waveforms ---------------------------------------------------------------------------------------------
def _each(
    of: Callable[[Sound, int, SoundTruth], Sequence[float]],
) -> Callable[[SoundOutput, Sequence[Item]], Array | None]:
    """Measured values of every waveform and its rate, beside the truth; None where there are no waveforms."""

    def values(output: SoundOutput, items: Sequence[Item]) -> Array | None:
        if not len(output.waveforms):
            return None
        pairs = zip(output.waveforms, items, strict=True)
        return np.array([of(sound, output.rate, item.truth) for sound, item in pairs], float)

    return values


def _agreement(sound: Sound, rate: int, truth: SoundTruth) -> tuple[float, float, float]:
    """Twice the hits, false and missed onsets, mean distance of the hits [ms] (NaN without any)."""
    found = onset_agreement(onsets(sound, rate), truth.onsets)
    apart = float(np.abs(found.errors_s).mean() * 1e3) if found.hits else np.nan
    return 2.0 * found.hits, found.false + found.missed, apart


def _column(index: int) -> Callable[[Array, Array | None], float]:
    return lambda values, weights: mean(values[:, index], weights)


_stft = _each(lambda sound, _, truth: stft_distance(sound, truth.waveform))
_envelope = _each(lambda sound, _, truth: envelope_distance(sound, truth.waveform))
_onsets = _each(_agreement)

WAVEFORM = (
    Metric("stft", "STFT, absolute", "lower", _stft, _column(0), shown=False),
    Metric("stft_relative", "STFT", "lower", _stft, _column(1),
           note="STFT and envelope: L2 distance over the size of the real one, so that silence is 1 away from "
           "everything. Onsets agree within 50 ms."),
    Metric("envelope", "envelope, absolute", "lower", _envelope, _column(0), shown=False),
    Metric("envelope_relative", "envelope", "lower", _envelope, _column(1)),
    Metric("onset_f1", "onset F1", "higher", _onsets, lambda values, weights: f1(values[:, :2], weights)),
    Metric("sync_ms", "sync error", "lower", _onsets, _column(2), "ms", ".1f"),
)  # fmt: skip
"""Of any waveforms."""


# ---- cochleagrams ------------------------------------------------------------------------------------------
COCHLEAGRAM_ENVELOPE = Metric(
    "envelope", "envelope", "lower",
    lambda output, items: np.abs(output.frames - real_frames(items))[:, CONTACT].mean(axis=(1, 2)), format=".3f",
)  # fmt: skip
"""Mean distance of the subband envelopes around the contact; `envelope` of `WAVEFORM` is another one."""


def cochleagram_metrics(cochlea: Cochleagram) -> tuple[Metric, ...]:
    """Around the contact."""

    def pairs(of: Callable[[Frames, Cochleagram], Array]) -> Callable[[SoundOutput, Sequence[Item]], Array]:
        return lambda output, items: np.stack(
            [of(output.frames, cochlea), of(real_frames(items), cochlea)], axis=1
        )

    level, centroid = pairs(loudness), pairs(log_centroid)
    note = "Intervals: 95 %, over scenes, objects and contacts."
    return (
        Metric("loudness_db", "loudness error", "lower", level, absolute_difference, "dB", note=note),
        Metric("loudness_r", "r of loudness", "higher", level, correlation),
        Metric("centroid_octaves", "centroid error", "lower", centroid, absolute_difference, "octaves"),
        Metric("centroid_r", "r of centroid", "higher", centroid, correlation),
    )


# ---- networks that listen ----------------------------------------------------------------------------------
def perceptual_metrics(
    items: Sequence[Item], cdpam: Cdpam | None, aisfx: Aisfx | None, cdpam_contacts: int
) -> tuple[Metric, ...]:
    """Of those networks that there are; the real sounds are heard once. CDPAM hears at most so many contacts."""
    found: list[Metric] = []
    real = [item.truth.waveform for item in items]
    if cdpam is not None:
        chosen = spread(len(items), cdpam_contacts)
        few = cdpam.embed([real[k][_HEARD] for k in chosen], SAMPLE_RATE)

        def apart(output: SoundOutput, items: Sequence[Item]) -> Array:
            made = cdpam.embed([output.waveforms[k][_HEARD] for k in chosen], SAMPLE_RATE)
            values = np.full(len(items), np.nan)
            values[chosen] = cdpam.distances(made, few)
            return values

        note = (
            "CDPAM was trained on speech: sounds are brought to one level and gated 50 dB below their peak, it heard "
            f"0.6 s around the contact of {len(chosen)} contacts, and says nothing alone."
        )
        found.append(Metric("cdpam", "CDPAM", "lower", apart, format=".3f", note=note))
    if aisfx is not None:
        every = aisfx.embed(real, SAMPLE_RATE)
        note = (
            f"Frechet distances are taken in {aisfx.name} and biased upwards by few contacts: compare them only within "
            "this table, and with that of as many real training sounds."
        )
        found.append(
            Metric(
                "frechet", "Frechet", "lower",
                lambda output, items: aisfx.embed(output.waveforms, SAMPLE_RATE),
                lambda made, weights: round(frechet(made, every), 4) if min(len(made), len(every)) > 2 else np.nan,
                format=".1f", bootstrap=False, note=note,
            )
        )  # fmt: skip
    return tuple(found)


def spread(count: int, wanted: int) -> NDArray[np.int64]:
    """As many of `count` as wanted, evenly over them."""
    return np.unique(np.linspace(0, count - 1, min(max(wanted, 1), count)).round().astype(np.int64))


# ---- what can be read off a sound --------------------------------------------------------------------------
def probe_metrics(
    probes: SoundProbes, pca: Pca, features: FeatureSet, items: Sequence[Item]
) -> tuple[tuple[Metric, ...], tuple[Detail, ...], dict[str, float]]:
    """Accuracy of the probes and the discriminator's fooling rate, what they are made up of, and chance by target.

    Args:
        features: of the items, by their rows.
    """
    rows = np.array([item.row for item in items], np.int64)
    scenes = [item.scene for item in items]
    context, real = context_of(features, rows), summary(pca.encode(real_frames(items)))
    truths = {t: probes.truth(t, [getattr(i.truth.clip, t) for i in items]) for t in TARGETS}
    chance = {t: round(1 / max(len(np.unique(v[v >= 0])), 1), 4) for t, v in truths.items()}
    materials, names = probes.labels["material"], [item.truth.clip.material for item in items]

    def heard(output: SoundOutput) -> tuple[Array, NDArray[np.int64]]:
        return summary(pca.encode(output.frames)), probes.folds(output.sources or [""] * len(output.frames))

    def fooling(output: SoundOutput, items: Sequence[Item]) -> Array:
        sound, folds = heard(output)
        return fooled(probes.evidence(context, real, folds), probes.evidence(context, sound, folds), scenes)

    by_target = ", ".join(f"{t} {value:.2f}" for t, value in chance.items())
    read = (
        f"Probes for material, action and reaction learned from real training sounds (chance: {by_target})."
    )

    def accuracy(target: str) -> Metric:
        truth, classes = truths[target], len(probes.labels[target])
        return Metric(
            f"{target}_accuracy", target, "higher",
            lambda output, items: probes.read(target, *heard(output)),
            lambda said, weights: balanced_accuracy(truth, said, classes, weights), note=read,
        )  # fmt: skip

    accuracies = [accuracy(target) for target in TARGETS]

    def confusion(said: list[NDArray[np.int64]]) -> list[list[float]]:
        """Share of each true material [row] that is read as each material [column], mean over seeds."""
        counts = np.mean([confusion_matrix(truths["material"], one, len(materials)) for one in said], axis=0)
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
        return [[round(float(v), 4) for v in row] for row in share]

    def by_material(rates: list[Array]) -> dict[str, float]:
        each, index = np.mean(rates, axis=0), np.array(names)
        return {n: round(float(each[index == n].mean()), 4) for n in sorted(set(names)) if n}

    note = (
        "The discriminator chooses one of two sounds for a touch; it learned on other scenes. Its fooling rate is the "
        "share of touches for which it chooses the made one, and says nothing of people."
    )
    return (
        (*accuracies, Metric("fooling_rate", "fooling rate", "higher", fooling, note=note)),
        (
            Detail("material_confusion", accuracies[0].fn, confusion),
            Detail("fooling_rate_by_material", fooling, by_material),
        ),
        chance,
    )
