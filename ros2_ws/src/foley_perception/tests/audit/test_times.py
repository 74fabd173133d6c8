"""Stamps of several topics together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from foley_common import topics
from foley_perception.audit.finding import Finding, Severity
from foley_perception.audit.stamps import StampAudit
from foley_perception.audit.times import TimeAudit

T0 = 1_800_000_000_000_000_000
POSE, CAMERA, WRENCH, SOUND = "/ee_pose", "/camera/image_raw", "/wrench", "/mic/audio"
ROLES = {POSE: topics.EE_POSE, CAMERA: topics.CAMERA, WRENCH: topics.WRENCH, SOUND: topics.MICROPHONE}
RATES = {POSE: 250.0, CAMERA: 30.0, WRENCH: 250.0, SOUND: 100.0}
LATENCY = {POSE: 0.0003, CAMERA: 0.02, WRENCH: 0.0003, SOUND: 0.011}
Seconds = NDArray[np.float64]
Change = Callable[[Seconds], Seconds]


def judge(
    seconds: float = 8.0,
    *,
    stamps: dict[str, Change] | None = None,
    arrivals: dict[str, Change] | Change | None = None,
    noise_s: float = 0.0003,
    start_ns: int = T0,
) -> tuple[list[Finding], TimeAudit]:
    """``stamps`` and ``arrivals`` turn true times [s] into what is written; arrivals after transport."""
    rng = np.random.default_rng(2)
    found: dict[str, StampAudit] = {}
    for name, rate in RATES.items():
        true = np.arange(0.0, seconds, 1.0 / rate)
        came = true + LATENCY[name] + rng.exponential(noise_s, len(true))
        stamped = (stamps or {}).get(name, lambda t: t)(true)
        change = arrivals.get(name) if isinstance(arrivals, dict) else arrivals
        came = np.maximum.accumulate(change(came) if change else came)
        audit = found[name] = StampAudit()
        for stamp, arrival in zip(stamped, came, strict=True):
            audit.add(
                0 if np.isnan(stamp) else start_ns + round(float(stamp) * 1e9),
                T0 + round(float(arrival) * 1e9),
            )
    times = TimeAudit(found, ROLES)
    return list(times.findings(times.clock.stamp_ns(T0))), times


def only(found: list[Finding]) -> Finding:
    (one,) = found
    return one


def test_good_stamps_are_good() -> None:
    found, times = judge()
    assert found == [] and times.clock.same and times.clock.stamp_ns(T0 + 12_345) == T0 + 12_345


# ---- one topic -----------------------------------------------------------------------------------------
def test_stamps_that_are_zero_are_told_with_their_uncertainty() -> None:
    found = only(judge(stamps={WRENCH: lambda t: np.full_like(t, np.nan)})[0])
    assert (found.rule, found.severity, found.topic) == ("stamp_zero", Severity.PROBLEM, WRENCH)
    assert "0 in all 2000 messages" in found.text and "lie apart by 1 ms" in found.text
    found = only(judge(stamps={POSE: lambda t: np.where((t > 1) & (t < 1.1), np.nan, t)})[0])
    assert (
        "24 of 2000 messages" in found.text and "first at 1.005 s" in found.text and "left out" in found.text
    )


def test_repeated_stamps_are_told_and_frozen_ones_are_an_error() -> None:
    found = only(judge(stamps={POSE: lambda t: np.floor(t * 125 + 0.01) / 125})[0])
    assert (found.rule, found.severity) == (
        "stamp_repeated",
        Severity.PROBLEM,
    ) and "1000 of 2000" in found.text
    found = judge(stamps={CAMERA: lambda t: np.full_like(t, 0.5)})[0][0]
    assert (found.rule, found.severity) == ("stamp_repeated", Severity.ERROR)


def test_stamps_that_go_back_are_told() -> None:
    found = only(judge(stamps={POSE: lambda t: np.where(np.isclose(t, 2.0), t - 0.05, t)})[0])
    assert (found.rule, found.severity) == ("stamp_back", Severity.PROBLEM)
    assert "1 of 2000" in found.text and "46.0 ms" in found.text and "at 1.950 s" in found.text


# ---- runs and clocks -----------------------------------------------------------------------------------
@pytest.mark.parametrize("names", [tuple(RATES), (SOUND,)])
def test_a_loop_is_two_runs(names: tuple[str, ...]) -> None:
    found = judge(stamps={name: lambda t: t % 4.0 for name in names})[0]
    assert (found[0].rule, found[0].severity) == ("two_runs", Severity.ERROR)
    assert "stamps go back by 4.0 s" in found[0].text and "a bag of its own" in found[0].text
    assert [f.rule for f in found].count("two_runs") == 1


def test_simulated_time_is_a_note_and_arrivals_are_brought_to_it() -> None:
    slow = {name: lambda t: 0.5 * t for name in RATES}
    found, times = judge(12.0, stamps=slow, start_ns=100_000_000_000)
    note = only(found)
    assert (note.rule, note.severity) == ("clock_differs", Severity.NOTE) and "0.50 times" in note.text
    for true in (-1.0, 0.5, 6.0, 11.9, 13.0):
        stamp = times.clock.stamp_ns(T0 + round(true * 1e9))
        assert (stamp - 100_000_000_000) * 1e-9 == pytest.approx(0.5 * true, abs=0.01)


def test_one_topic_of_another_clock_is_an_error_if_it_is_a_main_one() -> None:
    found = only(judge(stamps={SOUND: lambda t: t - 30.0})[0])
    assert (found.rule, found.severity, found.topic) == ("clock_other", Severity.ERROR, SOUND)
    assert "30.0 s before" in found.text
    found = only(judge(stamps={WRENCH: lambda t: t + 5.0})[0])
    assert (found.severity, found.topic) == (Severity.PROBLEM, WRENCH) and "5.0 s after" in found.text


def test_a_slow_camera_is_told_and_not_refused() -> None:
    found = only(judge(arrivals={CAMERA: lambda t: t + 1.5})[0])
    assert (found.rule, found.severity, found.topic) == ("clock_other", Severity.PROBLEM, CAMERA)


def test_sound_of_one_run_with_pictures_of_another_is_an_error() -> None:
    found, _ = judge(arrivals={CAMERA: lambda t: t + 30.0})
    assert [(f.rule, f.severity, f.topic) for f in found] == [("clock_other", Severity.ERROR, CAMERA)]


def test_stamps_ahead_of_arrival_are_told() -> None:
    found = only(judge(stamps={POSE: lambda t: t + 0.04})[0])
    assert (found.rule, found.severity) == ("stamp_ahead", Severity.PROBLEM) and "39.7 ms" in found.text


@pytest.mark.parametrize("names", [(POSE,), (WRENCH,), (POSE, WRENCH)])
@pytest.mark.parametrize("recorder", [0.0, 30.0])
def test_small_messages_that_are_older_than_the_others_are_told(
    names: tuple[str, ...], recorder: float
) -> None:
    slow = {name: lambda t: t + recorder for name in RATES} | {CAMERA: lambda t: t + recorder + 0.5}
    found, _ = judge(stamps={name: lambda t: t - 0.3 for name in names}, arrivals=slow)
    told = [f for f in found if f.rule != "clock_differs"]
    assert [(f.rule, f.severity, f.topic) for f in told] == [
        ("stamp_old", Severity.PROBLEM, name) for name in sorted(names)
    ]
    assert all(" 0.3 s" in f.text or " 0.29 s" in f.text or " 0.30 s" in f.text for f in told)


def test_a_simulation_at_its_own_pace_has_no_old_stamps() -> None:
    found, _ = judge(stamps={POSE: lambda t: t - 0.3}, arrivals=lambda t: t * 3)
    assert [f.rule for f in found] == ["clock_differs"]


@pytest.mark.parametrize(
    ("change", "rule", "words"),
    [
        (lambda t: t, "", ""),
        (lambda t: t + 0.1, "stamp_ahead", "ms before"),
        (lambda t: t - 0.4, "stamp_old", "0.4"),
        (lambda t: t - 30.0, "clock_other", "30.0 s before"),
        (lambda t: np.full_like(t, np.nan), "stamp_zero", "400 of 400 messages"),
    ],
)
def test_moving_frames_are_judged_as_a_sensor(change: Change, rule: str, words: str) -> None:
    ROLES["/tf"], RATES["/tf"], LATENCY["/tf"] = topics.TF, 50.0, 0.0003
    try:
        found, _ = judge(stamps={"/tf": change})
    finally:
        for table in (ROLES, RATES, LATENCY):
            del table["/tf"]  # type: ignore[attr-defined]
    assert [(f.rule, f.severity, f.topic) for f in found] == (
        [(rule, Severity.PROBLEM, "/tf")] if rule else []
    )
    assert all(words in f.text for f in found)


# ---- steps ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [0.02, 0.05, -0.03, -0.1])
@pytest.mark.parametrize(("seconds", "at"), [(6.0, 3.0), (6.0, 1.5), (6.0, 4.5), (60.0, 40.0)])
@pytest.mark.parametrize("name", [POSE, CAMERA, WRENCH])
def test_a_step_of_one_topic_is_told_with_size_and_time(
    name: str, seconds: float, at: float, size: float
) -> None:
    found = judge(seconds, stamps={name: lambda t: np.where(t >= at, t + size, t)}, noise_s=0.001)[0]
    found = [f for f in found if f.rule not in ("stamp_back", "stamp_ahead")]
    assert (only(found).rule, only(found).topic) == ("stamp_step", name)
    assert only(found).severity == (Severity.PROBLEM if name == WRENCH else Severity.ERROR)
    assert f"by {size * 1e3:+.0f} ms" in only(found).text
    assert only(found).time_ns == pytest.approx(T0 + (at + size) * 1e9, abs=4e7)


def _stalls(t: Seconds) -> Seconds:
    """Nothing is received for a while, three times; then everything at once."""
    for begin, length in ((1.0, 0.3), (3.0, 0.05), (5.0, 1.5)):
        t = np.where((t > begin) & (t < begin + length), begin + length, t)
    return t


@pytest.mark.parametrize(
    "late",
    [
        _stalls,
        lambda t: np.where(t > 4.0, t + 0.04, t),  # loaded from then on
        lambda t: t + 0.03 * np.clip(t - 2.0, 0.0, 2.0),
        lambda t: t + np.random.default_rng(4).exponential(0.03, len(t)),
    ],
    ids=["stalls", "load", "ramp", "tails"],
)
@pytest.mark.parametrize("names", [tuple(RATES), (POSE,), (CAMERA,)])
def test_late_arrivals_are_no_step(late: Change, names: tuple[str, ...]) -> None:
    assert judge(arrivals=dict.fromkeys(names, late))[0] == []


def test_lost_messages_are_no_step() -> None:
    audit, other = StampAudit(), StampAudit()
    for k in range(2000):
        stamp = T0 + k * 4_000_000
        other.add(stamp, stamp + 300_000)
        if k % 500 > 6:
            audit.add(stamp, stamp + 300_000)
    times = TimeAudit({POSE: audit, WRENCH: other}, ROLES)
    assert list(times.findings(T0)) == []


def test_a_driver_that_is_slower_after_its_restart_refuses_nothing() -> None:
    audits = {name: StampAudit() for name in (CAMERA, POSE, WRENCH)}
    for k in range(2000):
        stamp = T0 + k * 4_000_000
        for name in (POSE, WRENCH):
            audits[name].add(stamp, stamp + 300_000)
        if k % 8 == 0 and not 900 < k < 1100:
            audits[CAMERA].add(stamp, stamp + (20_000_000 if k < 1000 else 60_000_000))
    found = only(list(TimeAudit(audits, ROLES).findings(T0)))
    assert (found.rule, found.severity) == ("stamp_step", Severity.PROBLEM) and "-40 ms" in found.text


@pytest.mark.parametrize(
    ("at", "late_s", "told"), [(38, 0.026, 0), (150, 0.026, 0), (38, 1 / 30, 0), (150, 1 / 30, 1)]
)
def test_a_late_camera_that_catches_up_by_a_lost_frame_refuses_nothing(
    at: int, late_s: float, told: int
) -> None:
    """Its latency falls for good by about a period, and its stamps go ahead by one: of a clock it would look alike."""
    audits = {name: StampAudit() for name in (CAMERA, POSE, WRENCH)}
    for k in range(4000):
        stamp = T0 + k * 2_000_000
        for name in (POSE, WRENCH):
            audits[name].add(stamp, stamp + 300_000)
    for k in range(240):
        stamp = T0 + round(k * 1e9 / 30)
        if k != at:
            audits[CAMERA].add(stamp, stamp + 5_000_000 + round(late_s * 1e9) * (k < at))
    found = list(TimeAudit(audits, ROLES).findings(T0))
    assert [(f.rule, f.severity) for f in found] == [("stamp_step", Severity.PROBLEM)] * told


@pytest.mark.parametrize(("name", "told"), [(CAMERA, Severity.PROBLEM), (POSE, Severity.ERROR)])
def test_several_periods_ahead_are_told_of_a_camera_and_cost_an_arm(name: str, told: Severity) -> None:
    """Of 25 Hz both: a camera may have left three frames out, an arm's clock was set."""
    audits = {n: StampAudit() for n in (name, WRENCH)}
    for k in range(4000):
        stamp = T0 + k * 2_000_000
        audits[WRENCH].add(stamp, stamp + 300_000)
        if k % 20 == 0:
            audits[name].add(stamp + 120_000_000 * (k >= 1000), stamp + 200_000_000)
    found = only([f for f in TimeAudit(audits, ROLES).findings(T0) if f.rule == "stamp_step"])
    assert found.severity == told and "+120 ms" in found.text
    assert ("by 3 frames" in found.text) == (name == CAMERA)
