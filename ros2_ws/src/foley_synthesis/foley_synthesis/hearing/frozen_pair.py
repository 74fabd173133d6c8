"""Two networks that learned from recordings, as one vector of features: what our own simulation cannot teach.

YAMNet knows everyday sounds, aiSFX sound effects; neither was trained on names of materials alone, and both are used as
they are. Their activations are rectified and heavy-tailed, so their square roots are what linear heads see. The last
feature is how much more a sound is of YAMNet's classes of glass than of those of metal: what rings of either, no
simulation that we know tells apart as recordings do.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.resample import resampled
from foley_synthesis.beside import Beside
from foley_synthesis.hearing.frozen import Frozen, FrozenFeatures, FrozenMissing, patch_around, weights_path
from foley_synthesis.hearing.frozen_networks import (
    AISFX_DIMS,
    AISFX_HOP,
    AISFX_RATE,
    AISFX_WINDOW,
    YAMNET_DIMS,
    aisfx,
    aisfx_spectrogram,
)  # fmt: skip
from foley_synthesis.hearing.sound_groups import class_names
from foley_synthesis.vision.cache import cache_folder
from foley_synthesis.weights import WrongWeights

DIMS = YAMNET_DIMS + AISFX_DIMS + 1
ACTIVATIONS = slice(0, DIMS - 1)  # of features: square roots of what both networks' units say
EFFECTS = slice(YAMNET_DIMS, DIMS - 1)  # those of aiSFX, in which one thing struck twice is most alike
RATIO = DIMS - 1
_GLASS = ("Glass", "Chink, clink", "Shatter")
_METAL = (
    "Clang", "Ding", "Bell", "Cowbell", "Cymbal", "Coin (dropping)", "Cutlery, silverware", "Keys jangling",
    "Jingle, tinkle", "Hammer",
)  # fmt: skip
_LEAST_SCORE = 1e-4
YAMNET, AISFX = "yamnet.", "aisfx."  # of tensors' names
_FRAMES = 56  # of aiSFX's spectrogram: 1.3 s, after which contacts of a robot have nothing to say
_BEFORE_S = 0.05
_AT_ONCE = 8


@dataclasses.dataclass(frozen=True, eq=False)
class PairFeatures:
    """Of n contacts."""

    features: NDArray[np.float32]  # [n, DIMS]
    scores: NDArray[np.float32]  # [n, 521], probabilities of YAMNet's classes


@dataclasses.dataclass(frozen=True)
class Heard:
    """A sound, where its contact begins, and how much of it is known."""

    samples: NDArray[np.float32]  # [n]
    rate: int
    onset_s: float
    heard_s: float = math.inf


class FrozenPair:
    """Both, from tensors of any precision."""

    def __init__(
        self, tensors: Mapping[str, NDArray[Any]], *, threads: int = 1, beside: Beside | None = None
    ) -> None:
        """Names begin with YAMNET or AISFX. Raises FrozenMissing where they are of other networks."""
        self._beside = beside or Beside(1)
        self._yamnet = FrozenFeatures(_of(tensors, YAMNET))
        try:
            self._aisfx = aisfx(_of(tensors, AISFX), max(threads - 1, 1))
        except WrongWeights as error:
            raise FrozenMissing(f"these weights are not aiSFX's: {error}") from error

    def hear(self, sounds: Sequence[Heard]) -> PairFeatures:
        """Features of contacts, each at its own rate. aiSFX is by far the slower one: the other hears beside it."""
        everyday = self._beside.begin(lambda: self._everyday(sounds))
        effects = []
        for begin in range(0, len(sounds), _AT_ONCE):
            some = sounds[begin : begin + _AT_ONCE]
            effects += self._aisfx(np.stack([aisfx_spectrogram(_cut(s), _FRAMES) for s in some]))
        known = everyday()
        both = np.concatenate([known.embedding.astype(np.float32), np.concatenate(effects)], axis=1)
        roots = np.sqrt(np.maximum(both, 0.0)).astype(np.float32)
        return PairFeatures(np.c_[roots, glass_over_metal(known.scores)], known.scores)

    def _everyday(self, sounds: Sequence[Heard]) -> Frozen:
        """Of YAMNet."""
        patches = np.stack([patch_around(s.samples, s.rate, s.onset_s, s.heard_s) for s in sounds])
        return self._yamnet.hear_patches(patches)


def glass_over_metal(
    scores: NDArray[np.floating],  # [n, 521]
) -> NDArray[np.float32]:
    """[n]: mean logarithm of the scores of glass less that of metal."""
    names = class_names()
    said = np.log(np.maximum(np.asarray(scores, np.float32), _LEAST_SCORE))
    glass, metal = (said[:, [names.index(name) for name in group]].mean(axis=1) for group in (_GLASS, _METAL))
    return np.asarray(glass - metal, np.float32)


def cached_tensors() -> dict[str, NDArray[Any]]:
    """Weights of both in half precision, from the user's cache. Raises FrozenMissing."""
    from safetensors.numpy import load_file

    tensors: dict[str, NDArray[Any]] = {}
    for prefix, path in ((YAMNET, weights_path()), (AISFX, _aisfx_path())):
        if not path.is_file():
            raise FrozenMissing(
                f"{path} is not there; `foley score --fetch-judges` fetches and converts it once"
            )
        tensors |= {
            prefix + name: value.astype(np.float16) for name, value in load_file(path).items() if value.ndim
        }
    return tensors


def _aisfx_path() -> Path:
    return cache_folder() / "judges" / "aisfx.safetensors"


def _cut(sound: Heard) -> NDArray[np.float32]:
    """From shortly before the onset to what is known, at aiSFX's rate."""
    begin = max(round((sound.onset_s - _BEFORE_S) * sound.rate), 0)
    length = math.ceil(_FRAMES * AISFX_HOP / AISFX_RATE * sound.rate)
    end = min(len(sound.samples), begin + length)
    if sound.heard_s < math.inf:
        end = min(end, round((sound.onset_s + sound.heard_s) * sound.rate))
    piece = sound.samples[begin : max(end, begin + 1)]
    least = -(-AISFX_WINDOW * sound.rate // AISFX_RATE)  # one window
    if len(piece) < least:
        piece = np.pad(piece, (0, least - len(piece)))
    return resampled(piece, sound.rate, AISFX_RATE)


def _of(tensors: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
