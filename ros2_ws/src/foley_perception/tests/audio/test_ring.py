import numpy as np
import pytest

from foley_perception.audio.clock import StreamingClock
from foley_perception.audio.ring import AudioRing

S = 1_000_000_000
RATE = 48_000
T0 = 1_700_000_000 * S + 123_456_789


def feed(
    ring: AudioRing, start: int, chunks: int, *, t0: int = T0, stream: str = "a", skip: set[int] | None = None
) -> None:
    """Chunks of 480 whose sample k holds k / 1e6, stamped exactly."""
    for i in range(chunks):
        first = start + 480 * i
        if skip and i in skip:
            continue
        samples = (first + np.arange(480)).astype(np.float32) * np.float32(1e-6)
        ring.append(
            samples, first_sample=first, time_ns=t0 + first * S // RATE, stream_id=stream, sample_rate=RATE
        )


def test_slices_by_ros_time() -> None:
    ring = AudioRing(RATE, 2.0)
    feed(ring, 0, 100)
    sound, known = ring.slice(T0 + S // 2, 480)
    assert known.all()
    np.testing.assert_allclose(sound, (24_000 + np.arange(480)) * 1e-6, rtol=1e-6)
    assert ring.end_ns == T0 + S
    late, known = ring.slice(T0 + S - 5_000_000, 480)
    assert known.sum() == 240 and not late[240:].any()


def test_only_the_last_seconds_are_kept() -> None:
    ring = AudioRing(RATE, 1.0)
    feed(ring, 0, 300)
    _, known = ring.between(T0, T0 + 3 * S)
    assert known.sum() == RATE and known[-RATE:].all()


def test_gaps_leave_holes_of_their_length() -> None:
    ring = AudioRing(RATE, 2.0)
    feed(ring, 0, 100, skip={40, 41, 70})
    sound, known = ring.slice(T0, RATE)
    assert np.flatnonzero(~known).tolist() == [*range(40 * 480, 42 * 480), *range(70 * 480, 71 * 480)]
    assert not sound[~known].any()
    np.testing.assert_allclose(sound[known], np.arange(RATE)[known] * 1e-6, rtol=1e-5)
    assert (ring.statistics.gaps, ring.statistics.lost_samples) == (2, 3 * 480)


def test_a_gap_longer_than_the_ring_forgets_everything() -> None:
    ring = AudioRing(RATE, 0.5)
    feed(ring, 0, 20)
    feed(ring, 10 * RATE, 2)
    _, known = ring.slice(T0 + 10 * S - S // 4, RATE // 4)
    assert not known.any()
    assert ring.slice(T0 + 10 * S, 960)[1].all()


def test_a_restarted_stream_goes_on_in_ros_time() -> None:
    ring = AudioRing(RATE, 3.0)
    feed(ring, 0, 50)
    feed(ring, 0, 50, t0=T0 + S, stream="b")  # unplugged for half a second
    assert ring.statistics.restarts == 1 and ring.statistics.gaps == 0
    sound, known = ring.slice(T0, 2 * RATE)
    assert known[:24_000].all() and not known[24_000:48_000].any() and known[48_000:72_000].all()
    np.testing.assert_allclose(sound[48_000:48_010], np.arange(10) * 1e-6, atol=1e-9)


def test_time_set_back_starts_anew() -> None:
    ring = AudioRing(RATE, 1.0)
    feed(ring, 0, 50)
    feed(ring, 0, 50, t0=S, stream="b")
    assert ring.slice(S, 480)[1].all()
    assert not ring.slice(T0, 480)[1].any()


def test_bad_samples_are_marked_and_counted() -> None:
    ring = AudioRing(RATE)
    samples = np.full(480, 0.5, np.float32)
    samples[10] = np.nan
    ring.append(samples, first_sample=0, time_ns=T0)
    sound, known = ring.slice(T0, 480)
    assert np.flatnonzero(~known).tolist() == [10] and sound[10] == 0.0 and sound[11] == 0.5
    assert ring.statistics.bad_samples == 1
    with pytest.raises(ValueError, match="one channel"):
        ring.append(np.zeros((480, 2), np.float32), first_sample=480, time_ns=T0)


def test_another_sample_rate_is_refused_with_both_numbers() -> None:
    with pytest.raises(ValueError, match="44100 Hz, 48000 Hz is configured"):
        AudioRing(RATE).append(np.zeros(441, np.float32), first_sample=0, time_ns=0, sample_rate=44_100)


def test_clock_sees_through_jitter() -> None:
    clock = StreamingClock(RATE)
    rng = np.random.default_rng(0)
    for i in range(500):
        clock.update(480 * i, T0 + i * 10_000_000 + round(rng.normal(0, 2e6)))
    assert abs(int(clock.time_ns(480 * 500)) - (T0 + 500 * 10_000_000)) < 300_000
    assert clock.jitter_s == pytest.approx(2e-3, rel=0.15)
    assert clock.sample_at(clock.time_ns(12_345)) == pytest.approx(12_345, abs=1e-3)


def test_clock_ignores_an_outlier_and_follows_a_step() -> None:
    clock = StreamingClock(RATE)
    for i in range(100):
        clock.update(480 * i, T0 + i * 10_000_000)
    assert not clock.update(47_760, T0 + 5 * S).stepped
    assert int(clock.time_ns(48_000)) == T0 + S
    for i in range(100, 120):
        clock.update(480 * i, T0 + i * 10_000_000)
    later = T0 + round(1.2 * S) + 20_000_000  # it lost 20 ms without counting them
    found = [clock.update(57_600 + 480 * i, later + i * 10_000_000).step for i in range(150)]
    (step,) = [s for s in found if s is not None]
    assert (step.first_sample, clock.steps) == (57_600, 1) and step.size_s == pytest.approx(0.02, abs=1e-6)
    assert int(clock.time_ns(57_600)) == later


def test_a_step_of_the_clock_keeps_the_sound_after_it() -> None:
    ring = AudioRing(RATE, 10.0)
    feed(ring, 0, 200)
    feed(ring, 200 * 480, 150, t0=T0 + 50_000_000)
    after, before = ring.slice(T0 + 2 * S + 50_000_000, RATE)[1], ring.slice(T0, RATE)[1]
    assert after.all() and not before.any() and ring.statistics.restarts == 1


def test_clock_without_stamps_says_so() -> None:
    with pytest.raises(ValueError, match="no stamp"):
        StreamingClock(RATE).time_ns(0)
