"""From what the regression says to a cochleagram on the plan's grid."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.cochleagram_onset import onset_frame
from foley_perception.clips.grid import ACTION_RATE, ONSET_FRAME
from foley_synthesis.metrics.cochleagram import CONTACT, QUIETEST_DB, loudness_db, moved
from foley_synthesis.vis.config import EXPONENT, MATCH_LIMIT_DB
from foley_synthesis.vis.networks.pca import Pca
from foley_synthesis.vis.outputs import VisOutput, as_array, median_lag_s

_GAINS_DB = (-200.0, 40.0)  # within which the one is sought that gives a sound its level
_HALVINGS = 13  # of that range: to 0.03 dB


@dataclasses.dataclass(frozen=True, eq=False)
class DecodedSounds:
    """Sounds of n contacts."""

    keys: NDArray[np.float32]  # [n, t, components] that exemplars are searched by; see `aligned`
    frames: NDArray[np.float32]  # [n, t, channels] cochleagrams, the planned contact at `ONSET_FRAME`
    onset: NDArray[np.float64]  # [n] frame of the onset; the planned one where none is found
    level_db: NDArray[np.float32] | None  # [n] as it was predicted; None: nobody predicts it

    @property
    def aligned(self) -> bool:
        """Whether the keys' onsets lie at `ONSET_FRAME`, or where they are heard."""
        return self.level_db is not None


def decode_sounds(
    output: VisOutput, pca: Pca, background: NDArray[np.float32] | None = None
) -> DecodedSounds:
    """Of a batch of any of the two decodings.

    Args:
        background: of the network, where it decodes relative to the onset.
    """
    keys = as_array(output.features)
    frames = pca.decode(keys)
    if output.onset is None or background is None:
        onset = np.array([onset_frame(one, ONSET_FRAME) for one in frames])
        return DecodedSounds(keys, frames, onset, None)
    late = median_lag_s(output.onset) * ACTION_RATE
    level_db = as_array(output.onset.level_db)
    frames = at_level(frames, background, level_db)
    # By whole frames: between two of them an onset would lose half of its rise.
    frames = moved(frames, np.round(late).astype(np.int64))
    return DecodedSounds(keys, frames, ONSET_FRAME + late, level_db)


def unit_level(
    frames: NDArray[np.floating], background: NDArray[np.floating], level_db: NDArray[np.floating]
) -> NDArray[np.float32]:
    """What stands over a background [channels] in cochleagrams [n, t, channels], divided by their levels [n].

    The background is taken away first: divided by the level of a soft contact it would look like a loud one.
    """
    return amplified(frames - background, -np.asarray(level_db))


def over_background(
    unit: NDArray[np.floating], background: NDArray[np.floating], level_db: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Back again."""
    return np.asarray(np.maximum(amplified(unit, level_db) + background, 0.0), np.float32)


def at_level(
    unit: NDArray[np.floating], background: NDArray[np.floating], level_db: NDArray[np.floating]
) -> NDArray[np.float32]:
    """The same with a gain that makes each sound as loud as its level says, where one can.

    A mean of sounds is softer than each of them. What is to be softer than the background is the background.
    """
    low, high = (np.full(len(unit), gain) for gain in _GAINS_DB)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        soft = loudness(over_background(unit, background, level_db + middle)) < level_db
        low, high = np.where(soft, middle, low), np.where(soft, high, middle)
    return over_background(unit, background, level_db + high)


def level_match_db(made: DecodedSounds, frames: NDArray[np.floating]) -> NDArray[np.float64]:
    """Gains [n] that bring real sounds [n, t, channels] to the predicted level, within what a match may.

    The level is that of the loudest frame where it is predicted, else of the mean envelope: a regression's loudest
    frame is too quiet.
    """
    if made.level_db is not None:
        apart = (made.level_db - loudness(frames)).astype(np.float64)
    else:
        means = [np.maximum(values.mean(axis=(1, 2)), 1e-6) for values in (made.frames, frames)]
        apart = 20.0 / EXPONENT * np.log10(means[0] / means[1])
    return np.asarray(apart.clip(-MATCH_LIMIT_DB, MATCH_LIMIT_DB))


def loudness(frames: NDArray[np.floating]) -> NDArray[np.float32]:
    """Of the loudest frame around the contact [n] in dB, of cochleagrams [n, t, channels]."""
    return np.asarray(np.maximum(loudness_db(frames[:, CONTACT], EXPONENT), QUIETEST_DB), np.float32)


def amplified(frames: NDArray[np.floating], gain_db: NDArray[np.floating]) -> NDArray[np.float32]:
    """Cochleagrams [n, t, channels], each by a gain [n]."""
    factor = 10.0 ** (EXPONENT / 20.0 * np.asarray(gain_db, np.float32))
    return np.asarray(frames * factor[:, None, None], np.float32)
