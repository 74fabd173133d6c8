"""When contacts may be missed."""

from __future__ import annotations

from foley_synthesis.live.hearing_watch import HearingWatch

S = 1_000_000_000
MS = 1_000_000


def test_sound_without_gaps_misses_nothing() -> None:
    watch = HearingWatch(10 * S)
    for i in range(300):
        start_ns = 10 * S + i * 10 * MS
        watch.sound(start_ns + 12 * MS, start_ns, start_ns + 10 * MS)
    assert watch.why_deaf(13 * S) == "" and watch.missed_until_ns == 10 * S


def test_sound_that_is_late_is_missed_only_while_it_is() -> None:
    watch = HearingWatch(0)
    watch.sound(10 * S, 9 * S, 10 * S)
    assert watch.why_deaf(11 * S) == ""
    assert "no sound on mic/audio for 1.5 s" in watch.why_deaf(11 * S + 500 * MS)
    watch.sound(12 * S, 10 * S, 12 * S)
    assert watch.why_deaf(12 * S) == "" and watch.missed_until_ns == 0


def test_sound_that_is_missing_stays_missed() -> None:
    watch = HearingWatch(0)
    watch.sound(10 * S, 9 * S, 10 * S)
    watch.sound(10 * S + 50 * MS, 10 * S + 40 * MS, 10 * S + 50 * MS)
    assert watch.missed_until_ns == 0, "no contact fits into 40 ms"
    watch.sound(15 * S, 14 * S, 15 * S)
    assert watch.why_deaf(15 * S) == "" and watch.missed_until_ns == 14 * S


def test_a_detector_that_dies_is_missed_until_it_is_back() -> None:
    watch = HearingWatch(0)

    def at(now_ns: int) -> str:
        watch.sound(now_ns, now_ns, now_ns)
        return watch.why_deaf(now_ns)

    watch.sound(S, 0, S)
    watch.beat(S, active=True)
    assert [at(S + i * 50 * MS) for i in range(61)] == [""] * 61, "its lease is 3 s"
    for i in range(61, 81):
        assert "no sign of the contact detector" in at(S + i * 50 * MS)
    watch.beat(5 * S + 50 * MS, active=True)
    assert at(5 * S + 50 * MS) == "" and watch.missed_until_ns == 5 * S
    watch.beat(5 * S + 100 * MS, active=False)
    assert at(5 * S + 100 * MS) == "the contact detector is not active: activate it"
    assert watch.missed_until_ns == 5 * S + 100 * MS


def test_a_detector_that_was_never_there_is_not_missed() -> None:
    watch = HearingWatch(0)
    for i in range(200):
        watch.sound(i * 50 * MS, i * 50 * MS, (i + 1) * 50 * MS)
    assert watch.why_deaf(10 * S) == ""
