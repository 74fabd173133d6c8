"""What a network that was trained on other sounds hears in a contact: frozen features beside our own."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.resample import resampled
from foley_synthesis.hearing.frozen_networks import PATCH_SAMPLES, YAMNET_RATE, yamnet, yamnet_log_mel
from foley_synthesis.hearing.sound_groups import log_group_scores
from foley_synthesis.vision.cache import cache_folder
from foley_synthesis.weights import WrongWeights

BEFORE_S = 0.10  # of a patch, before the onset
PEAK = 0.5  # to which a patch is brought
_AT_ONCE = 32  # patches: more are no faster on one core, and need more memory


class FrozenMissing(RuntimeError):
    """The weights are not there; the message says how they are fetched."""


@dataclasses.dataclass(frozen=True, eq=False)
class Frozen:
    """Features of n contacts."""

    embedding: NDArray[np.float16]  # [n, 1024], not negative
    scores: NDArray[np.float32]  # [n, 521], probability of each class of `class_names`

    @property
    def log_groups(self) -> NDArray[np.float32]:
        """[n, groups], in the order of `sound_groups.GROUPS`."""
        return log_group_scores(self.scores)


class FrozenFeatures:
    """YAMNet over the second around a contact."""

    def __init__(self, state: Mapping[str, NDArray[Any]], *, threads: int = 1) -> None:
        """From its tensors, of any precision. Raises FrozenMissing where they are of another network."""
        try:
            self._network = yamnet(state, threads)
        except WrongWeights as error:
            raise FrozenMissing(f"these weights are not YAMNet's: {error}") from error

    @classmethod
    def load(cls, path: Path | None = None) -> FrozenFeatures:
        """From a file of safetensors; None means the one in the cache. Raises FrozenMissing."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        path = path or weights_path()
        if not path.is_file():
            raise FrozenMissing(
                f"{path} is not there; `foley score --fetch-judges` fetches and converts it once"
            )
        try:
            return cls(load_file(path))
        except (SafetensorError, FrozenMissing) as error:
            raise FrozenMissing(
                f"{path} does not hold YAMNet ({error}); delete it and fetch it again"
            ) from error

    def hear(
        self,
        samples: NDArray[np.float32],  # [n] mono
        sample_rate: int,
        onset_s: float,  # of the contact within `samples`
        heard_s: float = math.inf,  # only so much after the onset is known
    ) -> Frozen:
        """Features of one contact, [1, ...]."""
        return self.hear_patches(patch_around(samples, sample_rate, onset_s, heard_s)[None])

    def hear_patches(
        self,
        patches: NDArray[np.float32],  # [n, PATCH_SAMPLES] at 16 kHz, of `patch_around`
    ) -> Frozen:
        """Features of many contacts."""
        embeddings, scores = [], []
        for begin in range(0, len(patches), _AT_ONCE):
            embedding, score = self._network(yamnet_log_mel(patches[begin : begin + _AT_ONCE]))
            embeddings.append(embedding.astype(np.float16))
            scores.append(score)
        return Frozen(np.concatenate(embeddings), np.concatenate(scores))


def patch_around(
    samples: NDArray[np.float32],  # [n] mono
    sample_rate: int,
    onset_s: float,  # of the contact within `samples`
    heard_s: float = math.inf,  # only so much after the onset is known
) -> NDArray[np.float32]:
    """[PATCH_SAMPLES] at 16 kHz from 0.10 s before an onset on, its peak at 0.5; zeros where nothing is known.

    Cut before it is resampled, so that nothing after `heard_s` has any influence.
    """
    length = math.ceil(PATCH_SAMPLES * sample_rate / YAMNET_RATE)
    begin = round((onset_s - BEFORE_S) * sample_rate)
    known = len(samples)
    if heard_s < math.inf:
        known = min(known, round((onset_s + heard_s) * sample_rate))
    piece = np.zeros(length, np.float32)
    first, last = max(begin, 0), min(begin + length, known)
    if last > first:
        piece[first - begin : last - begin] = samples[first:last]
    patch = np.zeros(PATCH_SAMPLES, np.float32)
    there = resampled(piece, sample_rate, YAMNET_RATE)[:PATCH_SAMPLES]
    patch[: len(there)] = there
    peak = float(np.abs(patch).max())
    return np.asarray(patch * (PEAK / peak), np.float32) if peak > 0.0 else patch


def weights_path() -> Path:
    """Where YAMNet's converted weights are kept."""
    return cache_folder() / "hearing" / "yamnet.safetensors"
