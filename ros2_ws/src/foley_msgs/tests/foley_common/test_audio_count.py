"""Gaps, restarts and jitter of messages that nobody counts."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pytest

from foley_common.audio_count import PieceCounter, Placed

RATE, SIZE, MS = 16_000, 160, 1_000_000
T0 = 10**18


def counted(
    late_ms: Sequence[float], *, lost: Collection[int] = (), numbers: Sequence[int] | None = None
) -> tuple[PieceCounter[int], list[Placed[int]]]:
    """Pieces of 10 ms, each told by its index, that come with times so much late."""
    counter: PieceCounter[int] = PieceCounter(RATE)
    placed: list[Placed[int]] = []
    for k, late in enumerate(late_ms):
        if k not in lost:
            number = numbers[k] if numbers is not None else 0
            placed += counter.add(k, SIZE, T0 + k * 10 * MS + round(late * MS), number)
    return counter, placed + counter.flush()


def test_jitter_of_less_than_half_a_piece_is_no_gap_and_a_lost_piece_is() -> None:
    late = np.random.default_rng(0).uniform(0, 4, 400)
    counter, placed = counted(late, lost=(100, 200, 201))
    assert [p.first_sample for p in placed] == [p.sound * SIZE for p in placed]
    assert len(placed) == 397 and {p.stream for p in placed} == {0}
    assert (counter.gaps, counter.lost) == (2, 3 * SIZE) and not counter.doubt


def test_wide_jitter_is_no_gap() -> None:
    counter, placed = counted(np.random.default_rng(1).uniform(0, 15, 600))
    assert (counter.gaps, counter.restarts, len(placed)) == (0, 0, 600)


def test_numbers_tell_a_loss_whatever_the_times() -> None:
    late = np.random.default_rng(2).uniform(0, 25, 300)
    counter, placed = counted(late, lost=(50, 51), numbers=range(1, 301))
    assert [p.first_sample for p in placed] == [p.sound * SIZE for p in placed]
    assert counter.lost == 2 * SIZE


def test_a_piece_that_comes_twice_counts_once() -> None:
    counter, placed = counted([0] * 20, numbers=[*range(1, 11), 10, *range(11, 20)])
    assert counter.repeated == 1 and len(placed) == 19


@pytest.mark.parametrize("jump_ms", [-500.0, 137.0, 60_000.0])
def test_a_jump_of_the_times_that_is_no_gap_is_a_new_stream(jump_ms: float) -> None:
    counter, placed = counted([0] * 100 + [jump_ms] * 100)
    assert counter.restarts == 1 and counter.lost == 0
    after = [p for p in placed if p.stream == 1]
    assert [p.sound for p in after] == list(range(100, 200)) and after[0].first_sample == 0


def test_a_number_that_falls_back_is_another_publisher() -> None:
    counter, placed = counted([0] * 40, numbers=[*range(1, 21), *range(1, 21)])
    assert counter.restarts == 1 and [p.stream for p in placed] == [0] * 20 + [1] * 20


def test_times_that_move_by_half_a_piece_change_nothing() -> None:
    counter, placed = counted([0] * 100 + [6] * 200)
    assert (counter.gaps, counter.restarts) == (0, 0)
    assert [p.first_sample for p in placed] == [k * SIZE for k in range(300)]


def test_a_rate_that_is_not_the_samples_fills_no_gaps() -> None:
    """Whoever audits stamps against the count sees both as they are."""
    counter, placed = counted([k * 3.0 for k in range(400)])  # 13 ms of time for each 10 ms of sound
    assert (counter.lost, counter.restarts, len(placed)) == (0, 0, 400)
    assert placed[-1].time_ns - placed[0].time_ns == 399 * 13 * MS


def test_losses_that_only_times_tell_are_told_where_they_are_many() -> None:
    counter, _ = counted([0] * 400, lost=range(20, 380, 25))
    assert counter.lost == 15 * SIZE and not counter.doubt
    counter, _ = counted([0] * 400, lost=[k + i for k in range(40, 400, 40) for i in range(6)])
    assert "is 16000 Hz not its rate?" in counter.doubt


def test_a_message_without_a_piece_is_not_missing() -> None:
    """A coding's frames may be longer than messages: of three one ends a piece here."""
    counter: PieceCounter[int] = PieceCounter(RATE)
    placed: list[Placed[int]] = []
    for number in range(1, 100):
        if number in (50, 51, 52):
            continue  # lost, and with them one piece
        if number % 3:
            placed += counter.hold_nothing(number)
        else:
            placed += counter.add(number, SIZE, T0 + number // 3 * 10 * MS, number)
    assert [p.first_sample for p in placed] == pytest.approx(
        [(p.sound // 3 - 1) * SIZE for p in placed], abs=40
    )
    assert counter.gaps == 1 and counter.lost == pytest.approx(SIZE, abs=40)
    assert len(placed) == 32 and not counter.restarts
