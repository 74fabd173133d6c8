"""A sensor whose stamps are of another time than the others' is told while it runs."""

from __future__ import annotations

from foley_common import topics
from foley_perception.audit.live_times import LiveTimes

S = 1_000_000_000
MS = S // 1000
T0 = 1_763_000_000 * S


def run(old_ns: int, seconds: float, times: LiveTimes | None = None, start_ns: int = T0) -> LiveTimes:
    """The microphone and the wrench are right, and the pose's stamps are older by so much."""
    times = times or LiveTimes()
    for t in range(start_ns, start_ns + round(seconds * S), 10 * MS):
        times.add(topics.MICROPHONE, t - 11 * MS, t)
        times.add(topics.WRENCH, t - MS, t + 1)
        times.add(topics.EE_POSE, t - MS - old_ns, t + 2)
    return times


def test_poses_that_are_300_ms_older_than_the_sound_are_told_and_forgotten_when_put_right() -> None:
    assert not run(0, 12).findings()
    times = run(300 * MS, 4)
    (found,) = times.findings()
    assert found.rule == "stamp_old" and "ee_pose: its stamps lie 0.3" in found.text
    run(0, 25, times, T0 + 4 * S)
    assert not times.findings()


def test_poses_of_another_clock_and_of_the_future_are_told() -> None:
    assert [f.rule for f in run(3600 * S, 4).findings()] == ["clock_other"]
    assert [f.rule for f in run(-300 * MS, 4).findings()] == ["stamp_ahead"]
