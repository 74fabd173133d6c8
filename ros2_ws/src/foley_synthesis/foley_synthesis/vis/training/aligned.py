"""Sounds of contacts relative to where they begin, which is what a model can predict whose plan is not on time.

A plan that is 30 ms early or late moves a sound by three frames. A regression that is told the plan and must say the
sound on the plan's grid can only predict the mean over such moves, in which no onset is left. Here each sound is moved,
by whole samples and before its cochleagram is made, so that its onset lies where the contact of a clip does; how late
the onset was is kept beside it.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.cochleagram import Cochleagram
from foley_perception.audio.cochleagram_onset import onset_frame
from foley_perception.clips.grid import CLIP_BEFORE_S, ONSET_FRAME
from foley_synthesis.vis.networks.decoding import loudness, unit_level
from foley_synthesis.vis.synthesis.exemplar import shifted

if TYPE_CHECKING:
    from foley_synthesis.vis.training.features import FeatureSet

REACH_S = 0.075
"""An onset so near to the contact is the contact's."""
_BEFORE = 5  # frames before a contact that may be a part of it
_ON_TIME_S = 0.002  # lags that are not worth another cochleagram
READS_EARLY = 1.08
"""Frames by which `onset_frame` reads a sound that begins at once too early: it tells the index of a frame, not the
frame's middle, and the compressed envelope is half as high before half of the frame is filled."""


@dataclasses.dataclass(frozen=True, eq=False)
class AlignedSounds:
    """Of n clips."""

    lag_s: NDArray[np.float32]  # [n] from the contact to the onset that is heard; NaN: none is
    frames: NDArray[np.float32]  # [n, t, channels] cochleagrams with the onset at `ONSET_FRAME`


def heard_lag_s(frames: NDArray[np.floating], rate_hz: float = 90.0, *, reach_s: float = REACH_S) -> float:
    """From the contact of a clip to the onset in its cochleagram [t, channels] [s]; NaN where none is near it."""
    nominal = ONSET_FRAME - READS_EARLY
    reach = math.ceil(reach_s * rate_hz)
    first = int(nominal) - reach
    found = onset_frame(frames[first : int(nominal) + reach + 3], math.nan)
    lag = (found + first - nominal) / rate_hz
    return float(lag) if abs(lag) <= reach_s else math.nan


def moved_sound(sound: NDArray[np.float32], seconds: float, sample_rate: int) -> NDArray[np.float32]:
    """The sound [samples] of a clip later by so much; the gap is filled with its own background."""
    return shifted(sound, round(seconds * sample_rate), round(0.5 * CLIP_BEFORE_S * sample_rate))


def aligned_sound(sound: NDArray[np.float32], cochlea: Cochleagram) -> tuple[float, NDArray[np.float32]]:
    """Lag [s] and aligned cochleagram [t, channels] of the sound of a clip; without an onset it stays as it is."""
    frames = cochlea(sound)
    lag = heard_lag_s(frames, cochlea.rate_hz)
    if not abs(lag) > _ON_TIME_S:
        return lag, frames
    return lag, cochlea(moved_sound(sound, -lag, cochlea.sample_rate))


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
