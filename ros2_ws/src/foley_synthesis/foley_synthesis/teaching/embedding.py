"""A contact as what is taught is told from: everything that the hearing model's frozen networks made of it.

Four views, which a head gives the same weight: the embedding of the network of the simulated world, what YAMNet and
aiSFX say, and levels of the front end's spectrogram, pooled. None of them alone was best on everything that they were
compared on (`docs/predicates.md`), together they were.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.hearing.inference.hearing import HeardFeatures, Hearing

Array = NDArray[np.float32]

HEARD_S = 0.65  # of sound after the onset, as the `material` node hears where nobody says otherwise
VERSION = 1  # of what is made of a sound here: what is taught with another one is embedded anew
POOLED_UNTIL_S = (
    0.0,
    0.01,
    0.02,
    0.04,
    0.07,
    0.11,
    0.17,
    0.25,
    0.35,
    0.48,
    0.6,
)  # after the onset, of pooled levels
POOLED_BANDS = 16  # of pooled levels
_FLOOR_DB = -70.0  # under the loudest cell
_RING_FROM_S = 0.02  # after the onset, where the blow itself is over


@runtime_checkable
class HearsFeatures(Protocol):
    """A model that hands on what its networks made of a sound."""

    @property
    def features_id(self) -> str: ...

    def hear(
        self,
        samples: NDArray[np.float32],
        sample_rate: int,
        *,
        onset_s: float | None = None,
        heard_s: float = math.inf,
    ) -> Hearing: ...


class CannotEmbed(ValueError):
    """Nothing can be taught with this model, or of this sound; the message says why, and the cure."""


@dataclasses.dataclass(frozen=True)
class Plain:
    """What a person would say of how a contact sounds: for advice, not for heads. NaN where not known."""

    level_db: float  # of the loudest moment, against an arbitrary but fixed reference
    brightness_hz: float  # centre of the spectrum
    ring_s: float  # in which the level falls by 30 dB, of the slope after the blow
    beats: float  # how often it gets louder again by 3 dB after the blow


PLAIN = tuple(field.name for field in dataclasses.fields(Plain))


@dataclasses.dataclass(frozen=True, eq=False)
class Embedding:
    """Of one contact, by one hearing model."""

    values: Array  # [d], the views one after the other
    sizes: tuple[int, ...]  # of the views; their sum is d
    plain: Plain

    def __post_init__(self) -> None:
        if self.values.shape != (sum(self.sizes),):
            raise ValueError(
                f"values have shape {self.values.shape}, must be [{sum(self.sizes)}], of {self.sizes}"
            )


def embedding_id(model: object, heard_s: float = HEARD_S) -> str:
    """What embeddings of this model, of so much sound after the onset, are bound to: they compare with no others.

    Raises:
        CannotEmbed: it hands on no features.
    """
    if not isinstance(model, HearsFeatures):
        raise CannotEmbed(
            "this hearing model hands on nothing that predicates could be taught with; set `hearing` to the one that "
            "ships (empty), or to a folder of `foley train hearing`"
        )
    return f"{model.features_id}/{VERSION}/{heard_s:g}"


def embed(
    model: object, samples: Array, sample_rate: int, onset_s: float, heard_s: float = HEARD_S
) -> Embedding:
    """Of the contact that begins at `onset_s` of samples [n], and so much after it.

    Raises:
        CannotEmbed: by a model that hands on no features, or of a sound in which nothing is heard.
    """
    if not isinstance(model, HearsFeatures):
        raise CannotEmbed(embedding_id(model))
    heard = model.hear(samples, sample_rate, onset_s=onset_s, heard_s=heard_s)
    if heard.features is None:
        raise CannotEmbed(f"nothing is heard: {heard.belief.reason}")
    return of_features(heard.features)


def of_features(features: HeardFeatures) -> Embedding:
    """Of what a model made of a contact anyway."""
    from foley_synthesis.hearing.frozen_networks import AISFX_DIMS, YAMNET_DIMS  # which brings ONNX

    views = [features.own]
    if len(features.frozen) >= YAMNET_DIMS + AISFX_DIMS:
        views += [features.frozen[:YAMNET_DIMS], features.frozen[YAMNET_DIMS : YAMNET_DIMS + AISFX_DIMS]]
    after_s, level = _after(features.level)
    views.append(_pooled(after_s, level))
    values = np.concatenate(views).astype(np.float32)
    return Embedding(values, tuple(len(view) for view in views), _plain(after_s, level))


def _after(level: Array) -> tuple[Array, Array]:
    """Times after the onset [k] and levels [k, bands] of the frames from the onset on."""
    from foley_synthesis.hearing.front_end import FrontEndConfig

    config = FrontEndConfig()
    hop_s = config.hop_s * config.frames / len(level)  # of models with another front end, about as fine
    first = round(config.before_s / hop_s)
    return np.asarray((np.arange(len(level) - first) + 0.5) * hop_s, np.float32), level[first:]


def _pooled(after_s: Array, level: Array) -> Array:
    """Means over spans of time and bands, 0 at the floor or where nothing is known, 1 at the peak."""
    known = np.isfinite(level)
    peak = float(level[known].max()) if known.any() else 0.0
    share = np.where(known, np.clip(1.0 - (level - peak) / _FLOOR_DB, 0.0, 1.0), 0.0)
    spans = np.searchsorted(after_s, POOLED_UNTIL_S)
    spans[-1] = len(level)
    rows = [share[a : max(b, a + 1)].mean(axis=0) for a, b in itertools.pairwise(spans.tolist())]
    return np.stack([np.stack(rows)[:, part].mean(axis=1) for part in _parts(level.shape[1])], axis=1).ravel()


def _parts(bands: int) -> list[NDArray[np.int64]]:
    return np.array_split(np.arange(bands), POOLED_BANDS)


def _plain(after_s: Array, level: Array) -> Plain:
    power = np.where(np.isfinite(level), 10.0 ** (level.astype(np.float64) / 10.0), 0.0)
    whole = power.sum(axis=1)
    if len(whole) < 8 or not whole.any():
        return Plain(math.nan, math.nan, math.nan, math.nan)
    from foley_synthesis.hearing.front_end import FrontEndConfig, centres_hz

    config = FrontEndConfig()
    bands = power.sum(axis=0)
    at = np.interp(np.linspace(0, 1, len(bands)), np.linspace(0, 1, config.bands), np.log(centres_hz(config)))
    db = 10.0 * np.log10(whole + 1e-12)
    blow = int(db[: max(int((after_s < _RING_FROM_S).sum()), 1)].argmax())
    late = (np.arange(len(db)) >= blow) & (after_s >= _RING_FROM_S) & (db > db.max() - 40.0)
    slope = np.polyfit(after_s[late], db[late], 1)[0] if late.sum() >= 4 else math.nan
    return Plain(
        float(db.max()),
        float(np.exp(bands @ at / bands.sum())),
        float(-30.0 / slope) if slope < 0.0 else math.nan,
        float(_rises(db[blow:])),
    )


def _rises(db: NDArray[np.float64]) -> int:
    """How often the level comes back by 3 dB over its lowest so far, within 40 dB of its peak."""
    count, low, high, fell = 0, math.inf, -math.inf, True
    for value in db[db > db.max() - 40.0].tolist():
        if fell and value > low + 3.0:
            count, high, fell = count + 1, value, False
        elif not fell and value < high - 3.0:
            low, fell = value, True
        low, high = min(low, value), max(high, value)
    return count
