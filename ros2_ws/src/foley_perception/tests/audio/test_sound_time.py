"""Counts and stamps that cannot be true are noticed, and what stands in for them is right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from foley_common.latencies import Latencies, earlier
from foley_common.topics import MICROPHONE
from foley_perception.audio.sound_time import ChunkTime, SoundTime

S = 1_000_000_000
RATE, CHUNK = 48_000, 480
T0 = 1_763_000_000 * S
LENGTH = CHUNK * S // RATE


def heard(
    count: Callable[[int], int] = lambda i: i * CHUNK,
    stamp: Callable[[int], int] = lambda t: t,
    chunks: int = 200,
    lost: frozenset[int] = frozenset(),
) -> tuple[SoundTime, list[tuple[int, ChunkTime]]]:
    """True start [ns] and place of every chunk."""
    time, rng, found = SoundTime(), np.random.default_rng(0), []
    for i in range(chunks):
        if i in lost:
            continue
        start = T0 + i * LENGTH
        arrival = start + LENGTH + int(rng.uniform(0.0005, 0.012) * S)
        found.append((start, time.place("mic", count(i), CHUNK, RATE, stamp(start), arrival)))
    return time, found


WRONG = {
    "always 0": lambda i: 0,
    "all channels": lambda i: 2 * i * CHUNK,
    "epoch nanoseconds": lambda i: T0 + i * LENGTH,
    "chunks": lambda i: i,
}


@pytest.mark.parametrize("count", WRONG.values(), ids=WRONG)
def test_what_counts_no_samples_is_counted_here(count: Callable[[int], int]) -> None:
    time, found = heard(count)
    assert time.counts and "counted here" in time.said() and not time.times
    settled = [place for _, place in found[10:]]
    assert len({place.stream_id for place in settled}) == 1
    assert (np.diff([place.first_sample for place in settled]) == CHUNK).all()
    assert all(place.time_ns == start for start, place in found), "stamps are believed"


def test_lost_chunks_are_no_wrong_count() -> None:
    rng = np.random.default_rng(1)
    for share in (0.1, 0.5):
        time, found = heard(lost=frozenset(np.flatnonzero(rng.random(200) < share).tolist()))
        assert not time.said()
        assert all(
            (place.first_sample, place.time_ns) == ((start - T0) // LENGTH * CHUNK, start)
            for start, place in found
        )
    time, _ = heard(lost=frozenset(range(1, 200, 2)))
    assert not time.said(), "each second one"


def test_a_driver_that_is_put_right_is_believed_again() -> None:
    time, found = heard(lambda i: 0 if i < 50 else i * CHUNK)
    assert not time.said() and found[-1][1] == ChunkTime("mic", 199 * CHUNK, found[-1][0])


def test_stamps_later_than_the_sound_was_there_are_replaced_by_arrival() -> None:
    time, found = heard(stamp=lambda t: t + 3 * S // 10)
    assert time.times and "arrive" in time.said() and not time.counts
    late = np.array([place.time_ns - start for start, place in found[30:]])
    assert (late >= 0).all() and (late < 0.013 * S).all()
    for shift_s in (0.0, -0.3, 0.009):  # right, older than they arrive, at the end of the chunk
        assert not heard(stamp=lambda t, shift_s=shift_s: t + round(shift_s * S))[0].times
    assert not heard(stamp=lambda t: t + 3600 * S)[0].times, "of another clock: arrival says nothing of it"


def test_without_stamps_arrival_counts() -> None:
    _, found = heard(stamp=lambda t: 0)
    late = np.array([place.time_ns - start for start, place in found])
    assert (late >= 0).all() and (late < 0.013 * S).all()
    assert {place.stream_id for _, place in found} == {"mic"}


@pytest.mark.parametrize("late_s", [-0.05, 0.05])
def test_stamps_that_a_latency_moves_are_believed(late_s: float) -> None:
    """As from a calibration against a device that is later still: live and in recordings they are the same."""
    late = Latencies({"microphone": late_s})
    time, rng = SoundTime(), np.random.default_rng(0)
    for i in range(200):
        start = T0 + i * LENGTH
        came = start + LENGTH + int(rng.uniform(0.0005, 0.012) * S)
        stamp = earlier(start, late.ns(MICROPHONE))
        place = time.place("mic", i * CHUNK, CHUNK, RATE, stamp, late.arrival_ns(MICROPHONE, stamp, came))
        assert place.time_ns == stamp
    assert not time.said()
    assert late.arrival_ns(MICROPHONE, 0, T0) == T0, "without a stamp nothing was moved"
