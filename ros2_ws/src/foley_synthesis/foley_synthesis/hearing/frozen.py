"""What a network that was trained on other sounds hears in a contact: frozen features beside our own."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from foley_perception.audio.resample import resampled
from foley_synthesis.hearing.networks.yamnet import PATCH_SAMPLES, RATE, YamNet, log_mel
from foley_synthesis.hearing.sound_groups import log_group_scores
from foley_synthesis.vision.cache import cache_folder

BEFORE_S = 0.10  # of a patch, before the onset
PEAK = 0.5  # to which a patch is brought
_AT_ONCE = 256  # sounds whose spectrograms are held


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

    def __init__(self, state: Mapping[str, torch.Tensor]) -> None:
        """From its tensors, of any precision. Raises FrozenMissing where they are of another network."""
        self._network = YamNet()
        try:
            self._network.load_state_dict(dict(state))
        except RuntimeError as error:
            raise FrozenMissing(f"these weights are not YAMNet's: {error}") from error
        self._network.eval().requires_grad_(False)

    @classmethod
    def load(cls, path: Path | None = None) -> FrozenFeatures:
        """From a file of safetensors; None means the one in the cache. Raises FrozenMissing."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

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

    @torch.inference_mode()
    def hear_patches(
        self,
        patches: NDArray[np.float32],  # [n, PATCH_SAMPLES] at 16 kHz, of `patch_around`
    ) -> Frozen:
        """Features of many contacts."""
        embeddings, scores = [], []
        for part in torch.split(torch.from_numpy(np.ascontiguousarray(patches, np.float32)), _AT_ONCE):
            embedding, score = self._network(log_mel(part))
            embeddings.append(embedding.half().numpy())
            scores.append(score.numpy())
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
    length = math.ceil(PATCH_SAMPLES * sample_rate / RATE)
    begin = round((onset_s - BEFORE_S) * sample_rate)
    known = len(samples)
    if heard_s < math.inf:
        known = min(known, round((onset_s + heard_s) * sample_rate))
    piece = np.zeros(length, np.float32)
    first, last = max(begin, 0), min(begin + length, known)
    if last > first:
        piece[first - begin : last - begin] = samples[first:last]
    patch = np.zeros(PATCH_SAMPLES, np.float32)
    there = resampled(piece, sample_rate, RATE)[:PATCH_SAMPLES]
    patch[: len(there)] = there
    peak = float(np.abs(patch).max())
    return np.asarray(patch * (PEAK / peak), np.float32) if peak > 0.0 else patch


def weights_path() -> Path:
    """Where YAMNet's converted weights are kept."""
    return cache_folder() / "hearing" / "yamnet.safetensors"
