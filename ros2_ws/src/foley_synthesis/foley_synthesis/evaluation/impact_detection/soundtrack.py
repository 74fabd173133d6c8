"""A sound track for a long video: for every impact that is found, the real sound of the most similar training impact.

Similar is what the network predicts: L1 over 0.65 s around the impact (Visually Indicated Sounds, section 5). Pieces
of a second are laid where the impacts are and fade into one another in the quiet before the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_common.topics import MICROPHONE
from foley_perception.episodes.names import Naming
from foley_perception.episodes.reader import read_episode
from foley_perception.episodes.tracks import EpisodeError
from foley_synthesis.evaluation.impact_detection.videos import RATE_HZ, Video
from foley_synthesis.vis.synthesis.search import L1Index
from foley_synthesis.vis.training.features import SAMPLE_RATE

Sound = NDArray[np.float32]

BEFORE, AFTER = 5, 54  # frames around an impact that are compared
_PIECE_BEFORE_S, _PIECE_S = 0.25, 1.0
_FADE_S = 0.04


class TrainingImpacts:
    """Windows of predicted features around the impacts of training videos, and where their sounds are."""

    def __init__(self, videos: Sequence[Video], predicted: Sequence[NDArray[np.float32]]) -> None:
        """Raises ValueError where no impact has a whole window."""
        windows, self._places = [], []
        for video, features in zip(videos, predicted, strict=True):
            for impact in video.impacts[video.heard]:
                window = _window(features, int(impact))
                if window is not None:
                    windows.append(window)
                    self._places.append((video.bag, float(impact)))
        if not windows:
            raise ValueError("no training impact has a whole window around it")
        self._index = L1Index(np.stack(windows))

    def nearest(self, features: NDArray[np.float32], frame: int) -> tuple[Path, float] | None:
        """Bag and time [frames] of the impact whose window is nearest; None at the video's very ends."""
        window = _window(features, frame)
        return None if window is None else self._places[int(self._index.nearest(window[None])[0][0])]


def make_track(
    impacts: TrainingImpacts,
    features: NDArray[np.float32],
    frames: Sequence[int],
    samples: int,
    naming: Naming | None = None,
) -> tuple[Sound, int]:
    """Sound [samples] with one piece for each found impact, and how many there are."""
    pieces: list[tuple[int, Sound]] = []
    wanted: dict[Path, list[tuple[int, float]]] = {}
    for frame in sorted(frames):
        found = impacts.nearest(features, int(frame))
        if found is not None:
            wanted.setdefault(found[0], []).append((int(frame), found[1]))
    for bag, places in wanted.items():
        sounds = read_sounds(bag, [at / RATE_HZ - _PIECE_BEFORE_S for _, at in places], _PIECE_S, naming)
        for (frame, _), sound in zip(places, sounds, strict=True):
            pieces.append((round((frame / RATE_HZ - _PIECE_BEFORE_S) * SAMPLE_RATE), sound))
    return assemble(pieces, samples), len(pieces)


def read_sounds(
    bag: Path, begins_s: Sequence[float], length_s: float, naming: Naming | None = None
) -> list[Sound]:
    """Stretches of a recording that begin so long after its first camera frame."""
    naming = naming or Naming()
    episode = read_episode(
        bag,
        **naming.reading,
        require=(MICROPHONE.name,),
    )
    if episode.audio is None or episode.frames is None:
        raise EpisodeError(f"{bag}: no sound or no frames")
    start, count = int(episode.frames.times_ns[0]), round(length_s * SAMPLE_RATE)
    return [episode.audio.slice(start + round(at * NS_PER_S), count, SAMPLE_RATE)[0] for at in begins_s]


def assemble(pieces: Sequence[tuple[int, Sound]], samples: int) -> Sound:
    """Pieces laid at their first samples; each fades in while the one before it fades out, so that levels hold."""
    track = np.zeros(samples, np.float64)
    fade = round(_FADE_S * SAMPLE_RATE)
    order = sorted(pieces, key=lambda piece: piece[0])
    for number, (begin, piece) in enumerate(order):
        sound, end = piece.astype(np.float64), begin + len(piece)
        if number + 1 < len(order):
            end = min(end, order[number + 1][0] + fade)
        sound = sound[: max(end - begin, 0)].copy()
        ramp = (np.arange(min(fade, len(sound))) + 0.5) / max(min(fade, len(sound)), 1)
        sound[: len(ramp)] *= ramp
        sound[len(sound) - len(ramp) :] *= ramp[::-1]
        first, last = max(begin, 0), min(begin + len(sound), samples)
        if first < last:
            track[first:last] += sound[first - begin : last - begin]
    return np.asarray(np.clip(track, -1.0, 1.0), np.float32)


def _window(features: NDArray[np.float32], frame: int) -> NDArray[np.float32] | None:
    if frame < BEFORE or frame + AFTER > len(features):
        return None
    return features[frame - BEFORE : frame + AFTER]
