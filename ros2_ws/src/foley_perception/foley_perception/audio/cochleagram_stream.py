"""The cochleagram of a sound that is still coming.

A frame is certain once some sound after it is known: the bands are zero-phase, so they look as far ahead as they look
back. How far is set by the lowest ones (the Hilbert transform of the edge below 50 Hz decays as 1 / t). Every
stretch is the offline cochleagram of the sound around it, continued by its mirror image where it is cut.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.cochleagram import Cochleagram

LOOKAHEAD_S = 1.2
"""Keeps the error under -40 dB of the cochleagram's power, away from the ends of the sound (there the offline one joins
its end to its start). Half a second gives -38 dB, 0.2 s -31 dB; above 300 Hz 0.1 s is enough for -50 dB."""
CONTEXT_S = 1.2  # of sound before a frame that is kept
_MIRROR_S = 1.0


class CochleagramStream:
    """Feed it sound, take frames.

    Args:
        cochlea: what the frames approach.
        lookahead_s: sound known after a frame when it is given out.
        hop: frames given out at a time, at least; more costs less and comes later.

    Raises:
        ValueError: lookahead_s is not positive or hop is not at least 1.
    """

    def __init__(self, cochlea: Cochleagram, *, lookahead_s: float = LOOKAHEAD_S, hop: int = 9) -> None:
        if not (math.isfinite(lookahead_s) and lookahead_s > 0):
            raise ValueError(f"lookahead_s is {lookahead_s}, must be positive")
        if hop < 1:
            raise ValueError(f"hop is {hop}, must be at least 1")
        self._cochlea = cochlea
        self._hop = hop
        self._ahead = math.ceil(lookahead_s * cochlea.rate_hz)
        self._before = math.ceil(CONTEXT_S * cochlea.rate_hz)
        self._sound = np.zeros(0, np.float32)
        self._first = 0  # index of the first sample kept
        self._given = 0  # frames given out

    @property
    def latency_s(self) -> float:
        """From the end of a frame to when it is given out, at most, without computing."""
        return (self._ahead + self._hop) / self._cochlea.rate_hz

    @property
    def frames(self) -> int:
        """Given out so far; the next one begins at frames / rate_hz."""
        return self._given

    def push(self, samples: NDArray[np.floating]) -> NDArray[np.float32]:
        """Add sound [n] and take the frames [k, channels] that became certain, k a multiple of `hop`.

        Raises:
            ValueError: samples are not one-dimensional.
        """
        if samples.ndim != 1:
            raise ValueError(f"samples have shape {samples.shape}, must be one channel [n]")
        self._sound = np.concatenate([self._sound, samples.astype(np.float32, copy=False)])
        known = self._cochlea.frames_of(self._first + len(self._sound))
        certain = (known - self._ahead - self._given) // self._hop * self._hop
        return self._give(max(certain, 0), known, ended=False)

    def finish(self) -> NDArray[np.float32]:
        """The frames that are left; the sound ends here."""
        known = self._cochlea.frames_of(self._first + len(self._sound))
        return self._give(known - self._given, known, ended=True)

    def _give(self, count: int, known: int, ended: bool) -> NDArray[np.float32]:
        if count == 0:
            return np.zeros((0, self._cochlea.channels), np.float32)
        begin = max(self._given - self._before, 0)
        end = min(self._given + count + self._ahead, known)
        around = self._sound[self._sample(begin) - self._first : self._sample(end) - self._first]
        mirror = min(math.floor(_MIRROR_S * self._cochlea.rate_hz), end - begin - 1)
        left = self._sample(mirror) if begin > 0 else 0
        right = self._sample(mirror) if end < known or not ended else 0
        inside = self._given - begin + (mirror if left else 0)
        frames = self._cochlea(_mirrored(around, left, right))[inside : inside + count]
        self._given += count
        keep = self._sample(max(self._given - self._before, 0))
        self._sound = self._sound[keep - self._first :]
        self._first = keep
        return frames

    def _sample(self, frame: int) -> int:
        return math.ceil(frame * self._cochlea.sample_rate / self._cochlea.rate_hz - 1e-6)


def _mirrored(sound: NDArray[np.float32], left: int, right: int) -> NDArray[np.float32]:
    """The sound between fading mirror images of its ends."""
    left, right = (min(n, len(sound) - 1) for n in (left, right))
    longer = np.pad(sound, (left, right), mode="reflect")
    if left:
        longer[:left] *= np.sin(np.linspace(0.0, np.pi / 2, left, dtype=np.float32)) ** 2
    if right:
        longer[-right:] *= np.cos(np.linspace(0.0, np.pi / 2, right, dtype=np.float32)) ** 2
    return longer
