"""The sound of plans as they come in, chunk by chunk; no middleware.

A stream begins with the first plan, and goes on through those that follow, until half a second after the last one ends.
The next plan then begins another. What is to be heard sooner than a chunk can be made is left out: a stream of a plan
that is under way begins a little later than now, and so does one that has fallen behind.

Of motion that has been measured by then the sound is that of what was done, not of what was planned. With a lead below
0 a chunk waits for that: it tells the sound of the executed motion, so much later.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.clips.inputs import MeasuredTool
from foley_synthesis.sound_model import Background, PlannedTool, SoundStream, StreamingSoundModel

_AFTER_NS = NS_PER_S // 2  # that is heard after the last plan
_BEHIND_NS = NS_PER_S // 10  # from which on a stream begins anew: late chunks cannot be played
_SOON_NS = 3 * NS_PER_S // 10  # that a first chunk may take to be made, at most
_BEFORE_NS = NS_PER_S // 2  # what a window looks back over: plans that ended before play no part


@dataclasses.dataclass(frozen=True, eq=False)
class SoundChunk:
    """A piece of a stream."""

    stream_id: str  # of the plan that it began with
    first_sample: int
    sample_rate: int  # [Hz]
    begin_ns: int  # when its first sample is to be heard
    samples: NDArray[np.float32]


class PlanSound:
    """Use it from one thread.

    Args:
        lead_s: before it is to be heard at which a chunk is made; 0.3 s of it at most for the first one of a stream.
            Negative: so long after its motion.
    """

    def __init__(self, model: StreamingSoundModel, lead_s: float) -> None:
        self._model, self._lead_ns = model, round(lead_s * NS_PER_S)
        self._plans: list[PlannedTool] = []
        self._stream: SoundStream | None = None
        self._stream_id = ""
        self._first_sample = 0
        self.chunks = self.restarts = 0

    def add(self, plan: PlannedTool, now_ns: int) -> bool:
        """Take a plan in.

        Returns:
            Whether a stream begins with it: its first chunk is to be made at once.
        """
        begin = _begin_ns(plan)
        # What was to begin later than a plan that comes now is no longer to be.
        self._plans = [known for known in self._plans if _begin_ns(known) < begin]
        goes_on = self._stream is not None and begin <= self._end_ns
        self._plans.append(plan)
        if goes_on:
            return False
        self._begin(max(begin, self._soon_ns(now_ns)))
        return self._lead_ns >= 0

    def due(self, now_ns: int) -> bool:
        """Whether a chunk is to be made."""
        return self._stream is not None and self._stream.begin_ns - now_ns <= self._lead_ns

    def is_late(self, chunk: SoundChunk, now_ns: int) -> bool:
        """Whether it is there after it was to be heard; a stream of what was done is late when it falls behind."""
        return chunk.begin_ns < now_ns + (0 if self._lead_ns >= 0 else self._lead_ns - _BEHIND_NS)

    def chunk(
        self, background: Background, now_ns: int, measured: MeasuredTool | None = None
    ) -> SoundChunk | None:
        """The next one; None where the stream is over.

        Args:
            measured: of the last seconds, in place of the plans.

        Raises:
            ValueError: poses of a plan are not known; the stream is over.
        """
        if self._stream is None:
            return None
        if self._stream.begin_ns >= self._end_ns:
            self._stream = None
            return None
        if self._stream.begin_ns < now_ns + min(self._lead_ns, 0) - _BEHIND_NS:
            self.restarts += 1
            self._begin(self._soon_ns(now_ns))
        stream, begin_ns = self._stream, self._stream.begin_ns
        self._plans = _still_told(self._plans, begin_ns - _BEFORE_NS)
        try:
            samples = stream.next(self._plans, background, measured)
        except ValueError:
            self._stream = None
            raise
        made = SoundChunk(self._stream_id, self._first_sample, stream.sample_rate, begin_ns, samples)
        self._first_sample += len(samples)
        self.chunks += 1
        return made

    @property
    def _end_ns(self) -> int:
        return max(int(plan.trajectory.times_ns[-1]) for plan in self._plans) + _AFTER_NS

    def _soon_ns(self, now_ns: int) -> int:
        """The first moment of which a sound can still be made in time."""
        return now_ns + min(self._lead_ns, _SOON_NS)

    def _begin(self, start_ns: int) -> None:
        plan_id = self._plans[-1].trajectory.plan_id
        self._stream, self._first_sample = self._model.stream(start_ns), 0
        self._stream_id = f"{plan_id}/{start_ns}"


def _begin_ns(plan: PlannedTool) -> int:
    return int(plan.trajectory.times_ns[0])


def _still_told(plans: list[PlannedTool], from_ns: int) -> list[PlannedTool]:
    """Those that hold at a time or later: the last one that begins before it, and all that follow."""
    first = max((k for k, plan in enumerate(plans) if _begin_ns(plan) <= from_ns), default=0)
    return plans[first:]
