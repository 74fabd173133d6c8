"""When streams of planned sound begin, go on and end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from foley_perception.action.trajectory import ToolTrajectory
from foley_perception.clips.inputs import MeasuredTool
from foley_perception.geometry.se3 import SE3
from foley_synthesis.live.plan_stream import PlanSound
from foley_synthesis.sound_model import Background, PlannedTool

S = 10**9
STEP = S // 10


def plan(name: str, begin_ns: int, seconds: float = 1.0) -> PlannedTool:
    times = begin_ns + np.array([0, round(seconds * S)], np.int64)
    return PlannedTool(ToolTrajectory(name, times, SE3.identity(2), np.full(2, np.nan)), SE3.identity())


class Stream:
    """Says how many plans it was told of."""

    sample_rate, chunk_samples = 1000, 100

    def __init__(self, start_ns: int) -> None:
        self.begin_ns = start_ns

    def next(self, plans: Sequence[PlannedTool], background: Background, measured: Any = None) -> Any:
        if any(p.trajectory.plan_id == "bad" for p in plans):
            raise ValueError("poses are not known")
        self.begin_ns += STEP
        return np.full(100, len(plans) if measured is None else -1, np.float32)


class Model:
    def stream(self, start_ns: int) -> Stream:
        return Stream(start_ns)


def sound(lead_s: float = 0.3) -> PlanSound:
    return PlanSound(Model(), lead_s)  # type: ignore[arg-type]


def test_a_stream_goes_on_through_plans_and_ends_after_the_last() -> None:
    made, now = sound(), 100 * S
    assert not made.due(now)
    assert made.add(plan("a", now + S), now), "its first chunk is made at once"
    chunks = [made.chunk(None, now)]
    assert not made.due(now + S // 2) and made.due(now + S + STEP)
    assert not made.add(plan("b", now + 2 * S), now + S), "it goes on"
    while (chunk := made.chunk(None, now + S)) is not None:
        chunks.append(chunk)
    heard = [c for c in chunks if c is not None]
    # From a's start until half a second after b's end, without a gap.
    assert [c.begin_ns for c in heard] == [now + S + k * STEP for k in range(25)]
    assert [c.first_sample for c in heard] == [100 * k for k in range(25)]
    assert {c.stream_id for c in heard} == {f"a/{now + S}"} and heard[0].sample_rate == 1000
    assert heard[0].samples[0] == 1 and heard[5].samples[0] == 2
    assert heard[-1].samples[0] == 1, "a, which b followed, plays no part any more"
    assert not made.due(now + 5 * S)
    assert made.add(plan("c", now + 9 * S), now + 8 * S)
    late = made.chunk(None, now + 8 * S)
    assert late is not None and late.stream_id == f"c/{now + 9 * S}" and late.first_sample == 0


@pytest.mark.parametrize(("lead_s", "soon_s"), [(0.3, 0.3), (0.2, 0.2), (60.0, 0.3)])
def test_a_plan_that_is_under_way_begins_when_its_first_chunk_can_be_there(
    lead_s: float, soon_s: float
) -> None:
    made, now = sound(lead_s), 100 * S
    made.add(plan("a", now - S // 2, 3.0), now)
    first = made.chunk(None, now)
    assert first is not None and first.begin_ns == now + round(soon_s * S)


def test_a_plan_that_is_replaced_is_forgotten() -> None:
    made, now = sound(), 100 * S
    made.add(plan("a", now - S // 2, 3.0), now)
    made.add(plan("later", now + 2 * S), now)
    made.add(plan("instead", now + S), now)
    ends = [chunk.begin_ns for chunk in iter(lambda: made.chunk(None, now), None)]
    assert max(ends) < now + 5 * S // 2 + S // 2, "`later` was replaced: a's end is the last"


def test_who_falls_behind_begins_anew_where_it_is() -> None:
    made, now = sound(), 100 * S
    made.add(plan("a", now, 5.0), now)
    first = made.chunk(None, now)
    chunk = made.chunk(None, now + S // 2)  # 0.1 s late: it goes on
    assert first is not None and chunk is not None and chunk.begin_ns == first.begin_ns + STEP
    assert made.restarts == 0
    chunk = made.chunk(None, now + 2 * S)
    assert chunk is not None and chunk.begin_ns == now + 2 * S + 3 * STEP and chunk.first_sample == 0
    assert made.restarts == 1 and made.chunks == 3


def test_a_stream_of_what_was_done_follows_it() -> None:
    made, now = sound(-0.7), 100 * S
    assert not made.add(plan("a", now), now), "nothing has been done yet"
    assert not made.due(now + S // 2) and made.due(now + 7 * STEP)
    chunk = made.chunk(None, now + 7 * STEP, measured_tool())
    assert chunk is not None and chunk.begin_ns == now and chunk.samples[0] == -1
    assert not made.due(now + 7 * STEP) and not made.is_late(chunk, now + 8 * STEP)
    assert made.is_late(chunk, now + 8 * STEP + 1)
    assert made.chunk(None, now + 8 * STEP) is not None and made.restarts == 0
    behind = made.chunk(None, now + 11 * STEP)
    assert behind is not None and behind.begin_ns == now + 4 * STEP and made.restarts == 1
    ends = [chunk.begin_ns for chunk in iter(lambda: made.chunk(None, now + S), None)]
    assert max(ends) == now + 14 * STEP


def measured_tool() -> MeasuredTool:
    return MeasuredTool(np.array([0, S]), SE3.identity(2), SE3.identity())


def test_a_plan_that_is_not_known_ends_the_stream() -> None:
    made, now = sound(), 100 * S
    made.add(plan("bad", now), now)
    with pytest.raises(ValueError, match="poses are not known"):
        made.chunk(None, now)
    assert made.chunk(None, now) is None and not made.due(now)
