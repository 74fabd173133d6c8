"""What the networks are trained on: everything of a dataset that does not change while they learn.

The vision encoder is frozen, so each image goes through it once. The result is kept under the user's cache
folder, keyed by the dataset's fingerprint, the encoder's weights and the version of this module.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.cochleagram import Cochleagram
from foley_perception.clips.action import motion_known
from foley_perception.dataset.reader import Clip, ClipDataset
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.training.aligned import AlignedSounds, aligned_sound
from foley_synthesis.vision.cache import cache_folder
from foley_synthesis.vision.protocol import VisionEncoder
from foley_synthesis.vision.views import encoded_spacetime, still_views, vary

VERSION = 2
SAMPLE_RATE = 48_000
STILL_VARIANTS = 3  # the still as it is, and two varied ones that only training uses
_KEPT_CACHES = 6
Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureSet:
    """All clips of a dataset as arrays, in its order."""

    cochleagram: NDArray[np.float32]  # [n, 90, 42]
    still: NDArray[np.float16]  # [n, variants, still_dims]
    frames: NDArray[np.float16]  # [n, f, encoder_dims]
    planned: NDArray[np.float32]  # [n, 90, 8]; NaN where there is no plan
    executed: NDArray[np.float32]  # [n, 90, 8]; NaN where it was not measured
    clips: tuple[Clip, ...]  # [n]
    aligned: AlignedSounds | None = None  # [n]; None: nobody asked for them

    def __len__(self) -> int:
        return len(self.clips)

    def indices(self, split: str) -> NDArray[np.int64]:
        """Rows of one split."""
        return np.asarray([i for i, clip in enumerate(self.clips) if clip.split == split], np.int64)

    def labels(self, vocabulary: Sequence[str]) -> NDArray[np.int64]:
        """Material of each clip as an index into a vocabulary, -1 where it is unknown to it."""
        index = {name: i for i, name in enumerate(vocabulary)}
        return np.asarray([index.get(clip.material, -1) for clip in self.clips], np.int64)

    def numbers(self, name: str) -> NDArray[np.float32]:
        """A number of each clip, such as `roughness`; NaN where it is unknown."""
        return np.asarray([getattr(clip, name) for clip in self.clips], np.float32)

    @property
    def has_plan(self) -> NDArray[np.bool_]:
        """[n] where the planned motion is complete; the gripper's width may be unknown."""
        return motion_known(self.planned)


def cache_key(fingerprint: str, encoder: VisionEncoder, config: ModelConfig) -> str:
    """Changes with anything that the features depend on."""
    parts = (fingerprint, encoder.identity, VERSION, STILL_VARIANTS, config.frame_stride, config.still_views)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def load_features(
    dataset: ClipDataset, encoder: VisionEncoder, config: ModelConfig, progress: Progress | None = None
) -> FeatureSet:
    """Features of a dataset, from the cache where possible."""
    arrays = cached_arrays(
        "features",
        cache_key(dataset.fingerprint, encoder, config),
        len(dataset.clips),
        lambda: _compute(dataset, encoder, config, progress),
    )
    return FeatureSet(
        cochleagram=arrays["cochleagram"],
        still=arrays["still"],
        frames=arrays["frames"],
        planned=np.stack([dataset.action_planned(i) for i in range(len(dataset.clips))]).astype(np.float32),
        executed=np.stack([dataset.action_executed(i) for i in range(len(dataset.clips))]).astype(np.float32),
        clips=tuple(dataset.clips),
        aligned=_aligned(dataset, config) if config.decoding == "onset" else None,
    )


def cached_arrays(
    kind: str,
    key: str,
    count: int | None,
    compute: Callable[[], dict[str, NDArray[Any]]],
    *,
    keep: int = _KEPT_CACHES,
) -> dict[str, NDArray[Any]]:
    """Arrays of `count` rows each (None: of any) from the user's cache folder `kind`, computed where not there.

    The newest `keep` files of a kind are kept.
    """
    from safetensors.numpy import load_file, save_file

    path = cache_folder() / kind / f"{key}.safetensors"
    if path.is_file():
        try:
            arrays: dict[str, NDArray[Any]] = load_file(path)
            if count is None or all(len(array) == count for array in arrays.values()):
                return arrays
        except Exception:  # noqa: BLE001 - a damaged cache is made again, whatever is wrong with it
            path.unlink(missing_ok=True)
    arrays = compute()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    save_file(arrays, part)
    part.replace(path)
    _forget_old(path.parent, keep)
    return arrays


def _compute(
    dataset: ClipDataset, encoder: VisionEncoder, config: ModelConfig, progress: Progress | None
) -> dict[str, NDArray[Any]]:
    n = len(dataset.clips)
    cochlea = Cochleagram(SAMPLE_RATE)
    cochleagram = np.empty((n, config.sound_frames, config.channels), np.float32)
    still = np.empty((n, STILL_VARIANTS, config.still_views * encoder.dims), np.float16)
    frames = np.empty((n, config.encoded_frames, encoder.dims), np.float16)
    for index, clip in enumerate(dataset.clips):
        cochleagram[index] = cochlea(dataset.audio(index))[: config.sound_frames]
        images, look = dataset.frames_and_still(index)
        still[index], frames[index] = encoded_pictures(clip, index, images, look, encoder, config)
        if progress is not None:
            progress(index + 1, n)
    return {"cochleagram": cochleagram, "still": still, "frames": frames}


def encoded_pictures(
    clip: Clip,
    index: int,
    images: NDArray[np.uint8],
    look: NDArray[np.uint8],
    encoder: VisionEncoder,
    config: ModelConfig,
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Of one clip: its still with variants [variants, still_dims], and its frames [f, encoder_dims].

    Args:
        index: of the clip; with its id, what variants are drawn from.
        images: [30, 128, 128, 3].
        look: the still [128, 128, 3].
    """
    rng = np.random.default_rng([index, int(hashlib.sha256(clip.clip_id.encode()).hexdigest()[:8], 16)])
    # Variants are for training alone; elsewhere the still stands in for them.
    more = STILL_VARIANTS - 1 if clip.split == "train" else 0
    looks = [look, *(vary(look, rng) for _ in range(more))]
    views = np.concatenate([still_views(one, config.still_views) for one in looks])
    encoded = encoder.encode(np.concatenate([views, encoded_spacetime(images, config.frame_stride)]))
    stills = encoded[: len(views)].reshape(len(looks), -1)
    return stills if more else np.repeat(stills, STILL_VARIANTS, axis=0), encoded[len(views) :]


def _aligned(dataset: ClipDataset, config: ModelConfig) -> AlignedSounds:
    """Of all clips, from the cache where possible; it depends on sound alone."""

    def compute() -> dict[str, NDArray[Any]]:
        cochlea = Cochleagram(SAMPLE_RATE)
        lags, frames = zip(
            *(aligned_sound(dataset.audio(i), cochlea) for i in range(len(dataset.clips))), strict=True
        )
        return {"lag_s": np.asarray(lags, np.float32), "frames": np.stack(frames)[:, : config.sound_frames]}

    key = hashlib.sha256(repr((dataset.fingerprint, VERSION, config.sound_frames)).encode()).hexdigest()[:32]
    found = cached_arrays("aligned", key, len(dataset.clips), compute)
    return AlignedSounds(found["lag_s"], found["frames"])


def _forget_old(folder: Path, keep: int) -> None:
    files = sorted(folder.glob("*.safetensors"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[keep:]:
        path.unlink(missing_ok=True)
