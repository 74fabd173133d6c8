"""What the regression is to predict of the sounds of a feature set."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foley_perception.clips.grid import ONSET_FRAME
from foley_synthesis.vis.networks.decoding import loudness, unit_level
from foley_synthesis.vis.training.features import FeatureSet

_BEFORE = 5  # frames before a contact that may be a part of it


class SoundFrames(NamedTuple):
    """What the regression learns of the sounds of a feature set."""

    frames: NDArray[np.float32]  # [n, t, channels]
    lag_s: NDArray[np.float32] | None  # [n]; None: sound is on the plan's grid
    level_db: NDArray[np.float32] | None  # [n]


def background_of(frames: NDArray[np.floating]) -> NDArray[np.float32]:
    """The mean frame [channels] before the contacts of clips [n, t, channels]."""
    return np.asarray(frames[:, : int(ONSET_FRAME) - _BEFORE].mean(axis=(0, 1)), np.float32)


def sound_frames(features: FeatureSet, background: NDArray[np.float32] | None) -> SoundFrames:
    """As they are, or where there is a background [channels]: aligned, over it, and at unit level.

    Raises:
        ValueError: aligned sounds are asked for and not there.
    """
    if background is None:
        return SoundFrames(features.cochleagram, None, None)
    if features.aligned is None:
        raise ValueError("the feature set has no aligned sounds, decoding relative to the onset needs them")
    frames = features.aligned.frames
    level = loudness(frames)
    return SoundFrames(unit_level(frames, background, level), features.aligned.lag_s, level)
