"""Windows of a dataset as the flow sees them: mel spectrogram, features of rendered views, hands."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foley_perception.clips.grid import SAMPLE_RATE, WINDOW_KEYPOINTS, WINDOW_S
from foley_perception.dataset.reader import ClipDataset, Window
from foley_perception.dataset.schema import SPLITS
from foley_synthesis.flow.networks.autoencoder import STRIDE
from foley_synthesis.flow.networks.mel import HOP, RATE, LogMel
from foley_synthesis.flow.networks.vector_field import ACTION_DIMS, latent_index
from foley_synthesis.vision.dataset_views import DatasetViews

SAMPLES = round(WINDOW_S * RATE)
MEL_FRAMES = SAMPLES // HOP
LATENT_FRAMES = MEL_FRAMES // STRIDE
_DOWN = SAMPLE_RATE // RATE


class ItemsError(ValueError):
    """A dataset lacks what the flow needs; the message says what and how to get it."""


@dataclasses.dataclass(frozen=True, eq=False)
class Items:
    """Windows, one a row."""

    windows: tuple[Window, ...]
    mel: Tensor  # [n, 80, 500]
    vision: Tensor  # [n, 32, views * dims], each view of unit length, 0 where it was not rendered
    action: Tensor  # [n, 240, 126] [m], 0 where a hand is absent

    def __len__(self) -> int:
        return len(self.windows)

    def to(self, device: torch.device) -> Items:
        """The same on a device."""
        moved = (values.to(device) for values in (self.mel, self.vision, self.action))
        return Items(self.windows, *moved)

    def rows(self, split: str) -> Tensor:
        """Of one side [k] int64."""
        return torch.tensor([i for i, w in enumerate(self.windows) if w.split == split], dtype=torch.int64)


def load_items(
    dataset: ClipDataset,
    views: DatasetViews,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Items:
    """All windows whose session has rendered views.

    Raises:
        ItemsError: there are no windows, or none with views.
    """
    check_windows(dataset)
    kept = [i for i, window in enumerate(dataset.windows) if window.session_id not in views.without]
    if not kept:
        raise ItemsError(
            f"{dataset.path}: no window has rendered views; render them with `foley scene views`"
        )
    transform = LogMel()
    mels = []
    for done, index in enumerate(kept, start=1):
        mels.append(transform(torch.from_numpy(lowered(dataset.window_audio(index)))))
        progress(done, len(kept))
    keypoints = dataset.window_array("keypoints")[kept].reshape(len(kept), WINDOW_KEYPOINTS, ACTION_DIMS)
    features = torch.from_numpy(views.windows[kept].astype(np.float32)).nan_to_num(0.0)
    return Items(
        tuple(dataset.windows[i] for i in kept),
        torch.stack(mels),
        torch.nn.functional.normalize(features, dim=-1).flatten(2),
        torch.from_numpy(np.nan_to_num(keypoints)),
    )


def check_windows(dataset: ClipDataset) -> None:
    """Raises ItemsError where there are none."""
    if not dataset.windows:
        raise ItemsError(f"{dataset.path} has no windows; build it with `foley dataset build ... --windows`")


def lowered(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """48 kHz to 16 kHz."""
    from scipy.signal import resample_poly

    return np.asarray(resample_poly(sound, 1, _DOWN), np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """What one step learns from, or what a sound is made of, all on the grid of the latent."""

    sound: Tensor  # [b, channels, 250 or a multiple of it]
    vision: Tensor  # [b, 250, views * dims]
    action: Tensor  # [b, 250, 126]

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        return Batch(self.sound.to(device), self.vision.to(device), self.action.to(device))


def batch(
    items: Items,
    rows: Tensor,
    generator: torch.Generator | None = None,
    *,
    spliced: float = 0.0,
    sounds: Tensor | None = None,
) -> Batch:
    """Items [b], of which a share is spliced: from some moment on it is another of them.

    Hearing Hands (released code) splices half of its items of two: where something happens is then not where it
    always happens.

    Args:
        sounds: of all items, in place of their spectrograms: latents, where they are known.
    """
    sound = (items.mel if sounds is None else sounds)[rows]
    vision = items.vision[rows][:, latent_index(LATENT_FRAMES, items.vision.shape[1])]
    action = items.action[rows][:, latent_index(LATENT_FRAMES, items.action.shape[1])]
    if spliced and generator is not None and len(rows) > 1:
        others = torch.randperm(len(rows), generator=generator)
        cuts = torch.randint(1, LATENT_FRAMES, (len(rows),), generator=generator)
        cuts[math.floor(spliced * len(rows)) :] = LATENT_FRAMES
        sound, vision, action = (
            _spliced(sound, others, cuts, 2), _spliced(vision, others, cuts, 1), _spliced(action, others, cuts, 1)
        )  # fmt: skip
    return Batch(sound, vision, action)


def _spliced(values: Tensor, others: Tensor, cuts: Tensor, axis: int) -> Tensor:
    """Each value up to its cut, and the other's from there on; cuts [b] count frames of the latent along an axis."""
    frames = torch.arange(values.shape[axis]) * LATENT_FRAMES // values.shape[axis]
    later = (frames[None] >= cuts[:, None]).unsqueeze(3 - axis)
    return torch.where(later.to(values.device), values[others], values)


def check_splits(items: Items) -> None:
    """Raises ItemsError unless there is something to learn from and to choose by."""
    for split in ("train", "validation"):
        if len(items.rows(split)) < 2:
            counts = ", ".join(f"{name} {len(items.rows(name))}" for name in SPLITS)
            raise ItemsError(
                f"there are fewer than two windows with views in `{split}` ({counts}); record more"
            )
