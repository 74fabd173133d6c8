"""Example-based synthesis: the real waveform of the nearest training sound (VIS, section 5)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foley_perception.dataset.reader import Clip
from foley_synthesis.checkpoint import Exemplars
from foley_synthesis.vis.config import MATCH_LIMIT_DB
from foley_synthesis.vis.synthesis.search import L1Index

_GAIN_LIMIT = 10.0 ** (MATCH_LIMIT_DB / 20.0)


@dataclasses.dataclass(frozen=True, eq=False)
class Match:
    """The exemplar that was chosen."""

    index: int
    distance: float  # mean absolute difference of the features compared
    shift: float  # frames that it moves


def choose_exemplars(clips: Sequence[Clip], rows: NDArray[np.integer], limit: int, seed: int) -> list[int]:
    """At most `limit` of these rows, in turn over (material, action, object), so that every kind is there."""
    rng = np.random.default_rng(seed)
    groups: dict[tuple[str, str, str], list[int]] = {}
    for row in rng.permutation(rows):
        clip = clips[int(row)]
        groups.setdefault((clip.material, clip.action, clip.object_id), []).append(int(row))
    # Round by round: first one of every group, with materials taking turns.
    queue: list[tuple[int, int, int]] = []
    turn: dict[str, int] = {}
    for key in groups:
        for depth, row in enumerate(groups[key]):
            queue.append((depth, turn.setdefault(key[0], 0), row))
            turn[key[0]] += 1
    return sorted(row for _, _, row in sorted(queue)[:limit])


class ExemplarBank:
    """Real sounds, searched by L1 distance between predicted features.

    What is compared are predictions for the new contact and for the exemplars' own contacts. A regression is
    smoother and quieter than any real sound, so that against the exemplars' real features it finds the dull and
    quiet ones: 10.5 instead of 8.4 dB off in loudness on held-out simulated objects.
    """

    def __init__(
        self,
        exemplars: Exemplars,
        *,
        onset_frame: float,  # of every exemplar
        before: int = 5,  # frames before the onset that are compared
        after: int = 54,  # and after it
        rate_hz: float = 90.0,
        sample_rate: int = 48_000,
    ) -> None:
        if len(exemplars.audio) == 0:
            raise ValueError("the checkpoint has no exemplars; use parametric synthesis")
        self.exemplars = exemplars
        self._begin = max(int(onset_frame) - before, 0)
        self._length = before + after
        self._onset, self._nominal = int(onset_frame), onset_frame
        self._index = L1Index(exemplars.keys[:, self._begin : self._begin + self._length])
        self._samples_per_frame = sample_rate / rate_hz

    def nearest(self, features: NDArray[np.floating], onset: float, *, aligned: bool = False) -> Match:
        """The exemplar whose window after its onset is nearest to that of predicted features [frames, dims].

        Args:
            onset: frame that the exemplar's onset moves to.
            aligned: the features' onset lies where the exemplars' do, not at `onset`.
        """
        shift = round(onset - self._onset) if math.isfinite(onset) else 0
        source = np.arange(self._begin, self._begin + self._length) + (0 if aligned else shift)
        source = np.clip(source, 0, len(features) - 1)
        index, distance = self._index.nearest(features[source][None])
        return Match(int(index[0]), float(distance[0]), onset - self._nominal if aligned else shift)

    def waveform(self, match: Match, gain: float = 1.0) -> NDArray[np.float32]:
        """The exemplar's sound moved to the predicted onset; its own background fills what moves in."""
        audio = self.exemplars.audio[match.index]
        moved = shifted(
            audio, round(match.shift * self._samples_per_frame), int(0.1 * self._samples_per_frame * 90)
        )
        return np.asarray(np.clip(moved * np.clip(gain, 1 / _GAIN_LIMIT, _GAIN_LIMIT), -1.0, 1.0), np.float32)


def shifted(audio: NDArray[np.float32], samples: int, background: int) -> NDArray[np.float32]:
    """Moved later (positive) or earlier. The gap takes the first `background` samples, mirrored back and forth.

    Behind the end, the last ones are mirrored the same way.
    """
    n = len(audio)
    samples = int(np.clip(samples, -n, n))
    if samples == 0:
        return audio.copy()
    background = max(1, min(background, n))
    if samples > 0:
        fill = _back_and_forth(audio[:background][::-1], samples)[::-1]
        return np.concatenate([fill, audio[: n - samples]])
    fill = _back_and_forth(audio[n - background :][::-1], -samples)
    return np.concatenate([audio[-samples:], fill])


def _back_and_forth(piece: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    pair = np.concatenate([piece, piece[::-1]])
    return np.tile(pair, length // len(pair) + 1)[:length]
