"""Where pieces of sound lie in their stream, when nobody counts their samples but who hears them.

Each piece follows the one before it, unless something says otherwise:

- The middleware's or a bag's number of the message skips n: n pieces as long as those around them are missing. A number
  that falls back is another publisher's: a new stream. Of compressed sound a message may hold no more than a part of a
  piece; it is counted as well (`hold_nothing`).
- Times lie further from the count than half a piece (2 ms at least) and all agree on it for 4 pieces and 0.15 s: so
  much later by a whole number of pieces, up to 10 s, is a gap of so many; by less than three quarters of one, nothing
  but the times has moved; by anything else, or earlier, a new stream. What comes until that is decided is held
  back, and handed on at once where a time fits again.

So of a publisher whose messages are not numbered, a loss is seen where its times scatter by less than half a piece
around the earliest of the last 2 s. A gap is never smaller or larger by a part of a piece.
"""

from __future__ import annotations

import collections
import dataclasses
import statistics
from typing import Generic, TypeVar

from foley_common.times import NS_PER_S

Sound = TypeVar("Sound")

_LEAST_NS = 2_000_000
_CONFIRM_PIECES, _CONFIRM_NS = 4, 150_000_000
_WINDOW_NS = 2 * NS_PER_S
_LONGEST_GAP_NS = 10 * NS_PER_S
_WHOLE = 0.25  # of a piece, within which a gap is a whole number of pieces
_DOUBTFUL = 0.1  # of the time of a window that gaps which only times tell may fill


@dataclasses.dataclass(frozen=True)
class Placed(Generic[Sound]):
    """A piece with the place of its first sample."""

    sound: Sound
    stream: int  # of this counter, from 0
    first_sample: int
    time_ns: int
    spread_s: float  # of times around the count


@dataclasses.dataclass
class _Held(Generic[Sound]):
    sound: Sound
    frames: int
    time_ns: int
    late_ns: float  # by how much its time is later than the count says


class PieceCounter(Generic[Sound]):
    """Counts the samples of one topic.

    Attributes:
        lost: samples in gaps.
        gaps, restarts: how many.
        repeated: messages that came twice.
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.lost = self.gaps = self.restarts = self.repeated = 0
        self._stream, self._next, self._sequence = 0, 0, 0
        self._offsets: collections.deque[tuple[int, float]] = collections.deque()  # time, time - count
        self._sizes: collections.deque[int] = collections.deque(maxlen=16)
        self._samples_of: collections.deque[int] = collections.deque(
            maxlen=16
        )  # messages, also those without
        self._held: list[_Held[Sound]] = []
        self._guessed: collections.deque[tuple[int, int]] = (
            collections.deque()
        )  # time and size of gaps by times

    def add(self, sound: Sound, frames: int, time_ns: int, sequence: int = 0) -> list[Placed[Sound]]:
        """A piece of so many samples a channel, when its first one was captured, and its publisher's number for it
        (0: unknown); the pieces whose place is known now."""
        placed = self._follow(sequence)
        if placed is None:
            return []
        self._samples_of.append(frames)
        held = _Held(sound, frames, time_ns, self._late(time_ns, sum(h.frames for h in self._held)))
        if self._offsets and abs(held.late_ns) > self._tolerance():
            if self._held and (self._held[-1].late_ns > 0) != (held.late_ns > 0):
                placed += self._let_go()
            self._held.append(held)
            return placed + self._decide()
        placed += self._let_go()
        placed.append(self._place(held))
        return placed

    def hold_nothing(self, sequence: int) -> list[Placed[Sound]]:
        """A message came, by its number, in which no piece ended: it is not missing."""
        placed = self._follow(sequence)
        if placed is None:
            return []
        self._samples_of.append(0)
        return placed

    def restart(self) -> list[Placed[Sound]]:
        """What comes next is no continuation; the pieces that were held back."""
        placed = self._let_go()
        self._restart()
        return placed

    def flush(self) -> list[Placed[Sound]]:
        """The pieces that are held back, when no more will come."""
        return self._let_go()

    @property
    def doubt(self) -> str:
        """Where times and count disagree so often that one of them is wrong: a sentence; else empty."""
        filled = sum(size for _, size in self._guessed) / self.sample_rate
        if filled * NS_PER_S < _DOUBTFUL * _WINDOW_NS:
            return ""
        span = _WINDOW_NS / NS_PER_S
        return (
            f"by its stamps {filled:.2f} s of the last {span:.0f} s of sound are missing ({len(self._guessed)} gaps): "
            f"does the driver lose messages, or is {self.sample_rate} Hz not its rate?"
        )

    # ---- inside ----------------------------------------------------------------------------------------
    def _follow(self, sequence: int) -> list[Placed[Sound]] | None:
        """What a message's number says of those before it; None where it came already."""
        placed: list[Placed[Sound]] = []
        if sequence and self._sequence:
            missing = sequence - self._sequence - 1
            if missing == -1:
                self.repeated += 1
                return None
            if missing:
                placed = self._let_go()
            if missing < 0:
                self._restart()
            elif missing > 0:
                self._skip(missing * self._per_message())
        self._sequence = sequence
        return placed

    def _ns(self, samples: int) -> float:
        return samples * NS_PER_S / self.sample_rate

    def _late(self, time_ns: int, ahead: int) -> float:
        """By how much a time is later than the count says, of the piece behind so many that are held."""
        if not self._offsets:
            return 0.0
        base = min(offset for _, offset in self._offsets)
        return time_ns - self._ns(self._next + ahead) - base

    def _size(self) -> int:
        return round(statistics.median(self._sizes)) if self._sizes else 0

    def _per_message(self) -> int:
        """Samples of one that is missing: those of a piece, unless messages hold parts of pieces."""
        held = self._samples_of
        return self._size() if 0 not in held else round(sum(held) / len(held))

    def _tolerance(self) -> float:
        return max(self._ns(self._size()) / 2, _LEAST_NS)

    def _decide(self) -> list[Placed[Sound]]:
        held = self._held
        span = held[-1].time_ns - held[0].time_ns
        if len(held) < _CONFIRM_PIECES or abs(span) + self._ns(held[-1].frames) < _CONFIRM_NS:
            return []
        late = min((h.late_ns for h in held), key=abs)
        size = self._ns(self._size())
        whole = round(late / size) if size else 0
        apart = max(h.late_ns for h in held) - min(h.late_ns for h in held)
        if not whole or abs(late) < (1 - _WHOLE) * size or apart > 2 * self._tolerance():
            return self._rebase()  # times have moved by less than a piece, or scatter too much to tell
        if 0 < late <= _LONGEST_GAP_NS and abs(late - whole * size) <= _WHOLE * size:
            self._skip(whole * self._size())
            self._guessed.append((held[0].time_ns, whole * self._size()))
        else:
            self._restart()
        return self._let_go()

    def _rebase(self) -> list[Placed[Sound]]:
        """Nothing is missing: from now on, times are held against those of the newest pieces."""
        newer = self._held[len(self._held) // 2 :]
        base = min(self._offsets, key=lambda at: at[1])[1] + min(h.late_ns for h in newer)
        placed = self._let_go()
        self._offsets.clear()
        self._offsets.append((placed[-1].time_ns, base))
        return placed

    def _let_go(self) -> list[Placed[Sound]]:
        held, self._held = self._held, []
        return [self._place(h) for h in held]

    def _skip(self, samples: int) -> None:
        if samples:
            self.gaps, self.lost, self._next = self.gaps + 1, self.lost + samples, self._next + samples

    def _restart(self) -> None:
        self.restarts += 1
        self._stream, self._next = self._stream + 1, 0
        self._offsets.clear()
        self._sizes.clear()
        self._samples_of.clear()
        self._guessed.clear()

    def _place(self, held: _Held[Sound]) -> Placed[Sound]:
        first, self._next = self._next, self._next + held.frames
        offset = held.time_ns - self._ns(first)
        if not self._offsets or abs(offset - min(o for _, o in self._offsets)) <= self._tolerance():
            self._offsets.append((held.time_ns, offset))
        self._sizes.append(held.frames)
        while len(self._offsets) > 1 and self._offsets[0][0] < held.time_ns - _WINDOW_NS:
            self._offsets.popleft()
        while self._guessed and self._guessed[0][0] < held.time_ns - _WINDOW_NS:
            self._guessed.popleft()
        return Placed(held.sound, self._stream, first, held.time_ns, self._spread())

    def _spread(self) -> float:
        offsets = [offset for _, offset in self._offsets]
        return statistics.pstdev(offsets) / NS_PER_S if len(offsets) > 1 else 0.0
