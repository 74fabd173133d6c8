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

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foley_perception.audio.resample import resampled
from foley_synthesis.hearing.frozen import FrozenFeatures, FrozenMissing, patch_around, weights_path
from foley_synthesis.hearing.networks import aisfx, yamnet
from foley_synthesis.vision.cache import cache_folder

DIMS = yamnet.DIMS + aisfx.DIMS + 1
ACTIVATIONS = slice(0, DIMS - 1)  # of features: square roots of what both networks' units say
EFFECTS = slice(yamnet.DIMS, DIMS - 1)  # those of aiSFX, in which one thing struck twice is most alike
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

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        """Names begin with YAMNET or AISFX. Raises FrozenMissing where they are of other networks."""
        self._yamnet = FrozenFeatures(_of(tensors, YAMNET))
        self._aisfx = aisfx.AisfxNet()
        try:
            self._aisfx.load_state_dict(_of(tensors, AISFX))
        except RuntimeError as error:
            raise FrozenMissing(f"these weights are not aiSFX's: {error}") from error
        self._aisfx.eval().requires_grad_(False)

    @torch.inference_mode()
    def hear(self, sounds: Sequence[Heard]) -> PairFeatures:
        """Features of contacts, each at its own rate."""
        patches = np.stack([patch_around(s.samples, s.rate, s.onset_s, s.heard_s) for s in sounds])
        known = self._yamnet.hear_patches(patches)
        effects = []
        for begin in range(0, len(sounds), _AT_ONCE):
            some = sounds[begin : begin + _AT_ONCE]
            blocks = torch.stack([aisfx.aisfx_spectrogram(_cut(s), _FRAMES) for s in some])
            effects.append(self._aisfx(blocks).numpy())
        both = np.concatenate([known.embedding.astype(np.float32), np.concatenate(effects)], axis=1)
        roots = np.sqrt(np.maximum(both, 0.0)).astype(np.float32)
        return PairFeatures(np.c_[roots, glass_over_metal(known.scores)], known.scores)


def glass_over_metal(
    scores: NDArray[np.floating],  # [n, 521]
) -> NDArray[np.float32]:
    """[n]: mean logarithm of the scores of glass less that of metal."""
    names = yamnet.class_names()
    said = np.log(np.maximum(np.asarray(scores, np.float32), _LEAST_SCORE))
    glass, metal = (said[:, [names.index(name) for name in group]].mean(axis=1) for group in (_GLASS, _METAL))
    return np.asarray(glass - metal, np.float32)


def cached_tensors() -> dict[str, Tensor]:
    """Weights of both in half precision, from the user's cache. Raises FrozenMissing."""
    from safetensors.torch import load_file

    tensors: dict[str, Tensor] = {}
    for prefix, path in ((YAMNET, weights_path()), (AISFX, _aisfx_path())):
        if not path.is_file():
            raise FrozenMissing(
                f"{path} is not there; `foley score --fetch-judges` fetches and converts it once"
            )
        tensors |= {prefix + name: value.half() for name, value in load_file(path).items() if value.ndim}
    return tensors


def _aisfx_path() -> Path:
    return cache_folder() / "judges" / "aisfx.safetensors"


def _cut(sound: Heard) -> NDArray[np.float32]:
    """From shortly before the onset to what is known, at aiSFX's rate."""
    begin = max(round((sound.onset_s - _BEFORE_S) * sound.rate), 0)
    length = math.ceil(_FRAMES * 1024 / aisfx.RATE * sound.rate)
    end = min(len(sound.samples), begin + length)
    if sound.heard_s < math.inf:
        end = min(end, round((sound.onset_s + sound.heard_s) * sound.rate))
    piece = sound.samples[begin : max(end, begin + 1)]
    least = -(-2048 * sound.rate // aisfx.RATE)  # one window
    if len(piece) < least:
        piece = np.pad(piece, (0, least - len(piece)))
    return resampled(piece, sound.rate, aisfx.RATE)


def _of(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
