"""Rules for what moves, each at its limit and with its sentence."""

from typing import Any

import numpy as np
import pytest

from foley_perception.audit import motion, moving
from foley_perception.audit.finding import Finding

T0, S = 1_800_000_000_000_000_000, 1_000_000_000


def times(count: int, rate_hz: float = 100.0) -> Any:
    return T0 + np.round(np.arange(count) / rate_hz * S).astype(np.int64)


def poses(count: int) -> Any:
    rows = np.zeros((count, 7))
    rows[:, 0], rows[:, 6] = 0.001 * np.arange(count), 1.0
    return rows


def only(findings: list[Finding], rule: str, *said: str) -> Finding:
    (found,) = findings
    assert found.rule == rule and all(text in found.text for text in said), found.text
    return found


def judged(numbers: int, rows: Any, stamps: Any = None) -> moving.Moving:
    judge = moving.Moving(numbers)
    for time_ns, row in zip(times(len(rows)) if stamps is None else stamps, rows, strict=True):
        judge.add(int(time_ns), row)
    return judge


@pytest.mark.parametrize(("moves", "contacts", "told"), [(0.0, 2, 1), (0.0, 1, 0), (0.001, 2, 0)])
def test_a_tool_that_rests_while_things_are_touched(moves: float, contacts: int, told: int) -> None:
    place = np.full((100, 3), 0.25) + moves * np.arange(100)[:, None]
    turn = np.tile([0.0, 0, 0, 1], (100, 1))
    judge = judged(moving.POSE, np.hstack([place, turn]))
    assert judge.extent is not None
    found = motion.resting("/ee_pose", judge.extent, [T0 + S // 2] * contacts, T0)
    assert len(found) == told and all("stays at (0.250, 0.250, 0.250)" in f.text for f in found)


@pytest.mark.parametrize(
    ("value", "noise", "contacts", "told"),
    [(0.0, 0.0, 1, True), (0.0, 0.0, 0, True), (7.5, 0.0, 0, True), (7.5, 1e-9, 1, False)],
)
def test_a_wrench_that_never_changes(value: float, noise: float, contacts: int, told: bool) -> None:
    rows = np.full((200, 6), value) + noise * np.arange(200)[:, None]
    judge = judged(moving.WRENCH, rows)
    assert judge.extent is not None
    found = motion.wrench_stuck("/wrench", judge.extent, [T0 + S // 2] * contacts, T0)
    assert bool(found) == told
    if told:
        only(found, "wrench_stuck", "in all 200 messages from 0.000 s to 1.990 s", "not known (NaN)")


@pytest.mark.parametrize("value", [3.3, 0.0])
def test_a_wrench_that_freezes(value: float) -> None:
    rows = 0.1 + 1e-6 * np.arange(600.0)[:, None] * np.ones(6)
    rows[300:450] = value
    judge = judged(moving.WRENCH, rows)
    (held,) = judge.frozen
    assert (held.first_ns, held.last_ns, held.count) == (T0 + 3 * S, T0 + round(4.49 * S), 150)
    found = only(judge.findings("/wrench", T0), "wrench_frozen", "once", "from 3.000 s to 4.490 s", "(NaN)")
    assert found.time_ns == T0 + 3 * S
    rows[500:] = 7.0  # to the end, but not for long
    assert len(judged(moving.WRENCH, rows).frozen) == 1
    rows[450:] = 7.0
    assert [held.count for held in judged(moving.WRENCH, rows).frozen] == [150, 150]


def test_a_sensor_that_gives_0_while_nothing_is_touched_is_not_frozen() -> None:
    rows = np.zeros((600, 6))
    rows[300:310] = np.arange(1.0, 11.0)[:, None]
    judge = judged(moving.WRENCH, rows)
    assert not judge.frozen and not judge.findings("/wrench", T0)
