"""From what the regression says to a cochleagram on the plan's grid."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.cochleagram_onset import onset_frame
from foley_perception.clips.grid import ACTION_RATE, ONSET_FRAME
from foley_synthesis.metrics.cochleagram import CONTACT, QUIETEST_DB, loudness_db, moved
from foley_synthesis.vis.config import EXPONENT, MATCH_LIMIT_DB
from foley_synthesis.vis.networks.onset_net import median_lag_s
from foley_synthesis.vis.networks.pca import Pca
from foley_synthesis.vis.networks.sound_net import VisOutput


@dataclasses.dataclass(frozen=True, eq=False)
class DecodedSounds:
    """Sounds of n contacts."""

    keys: NDArray[np.float32]  # [n, t, components] that exemplars are searched by; see `aligned`
    frames: NDArray[np.float32]  # [n, t, channels] cochleagrams, the planned contact at `ONSET_FRAME`
    onset: NDArray[np.float64]  # [n] frame of the onset; the planned one where none is found
    aligned: bool  # whether the keys' onsets lie at `ONSET_FRAME`, or where they are heard


def decode_sounds(output: VisOutput, pca: Pca) -> DecodedSounds:
    """Of a batch of any of the two decodings."""
    keys = output.features.detach().numpy()
    frames = pca.decode(keys)
    if output.onset is None:
        onset = np.array([onset_frame(one, ONSET_FRAME) for one in frames])
        return DecodedSounds(keys, frames, onset, False)
    late = median_lag_s(output.onset).detach().numpy().astype(np.float64) * ACTION_RATE
    gain_db = output.onset.level_db.detach().numpy() - loudness(frames)
    # By whole frames: between two of them an onset would lose half of its rise.
    frames = moved(amplified(frames, gain_db), np.round(late).astype(np.int64))
    return DecodedSounds(keys, frames, ONSET_FRAME + late, True)


def level_match_db(made: DecodedSounds, frames: NDArray[np.floating]) -> NDArray[np.float64]:
    """Gains [n] that bring real sounds [n, t, channels] to the predicted level, within what a match may.

    The level is that of the loudest frame where it is predicted, else of the mean envelope: a regression's loudest
    frame is too quiet.
    """
    if made.aligned:
        apart = (loudness(made.frames) - loudness(frames)).astype(np.float64)
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
