"""When a recording counts as over, and what is said then."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator

import pytest

from foley_perception.recording.presence import Presence
from foley_perception.recording.watch import Cause, Ending, RecorderWatch, process_lives

PATH = "/bags/a"


def watched(local: bool = False, pid: int = 0) -> RecorderWatch:
    """A recorder that has recorded for 5 s, at time 5."""
    watch = RecorderWatch(PATH, 0.0, local=local)
    for beat in range(1, 11):
        watch.heartbeat("active", beat, beat / 2)
        assert watch.ending(beat / 2) is None
    watch.status(pid, PATH, 5.0)
    watch.publishers(1)
    return watch


def at(watch: RecorderWatch, times: Iterable[float]) -> Ending | None:
    """The first ending at one of these times."""
    return next((found for t in times if (found := watch.ending(t)) is not None), None)


def every(start: float, end: float) -> list[float]:
    return [start + 0.1 * k for k in range(round((end - start) * 10) + 1)]


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """One that lives until its input is closed."""
    running = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    yield running
    running.kill()
    running.wait()


def test_silence_of_another_machine() -> None:
    watch = watched()
    assert at(watch, every(5.0, 7.9)) is None
    ending = at(watch, every(8.0, 8.3))
    assert ending is not None and ending.cause is Cause.LOST and not ending.cause.can_be_asked
    assert ending.text == "nothing was heard of the recorder for 3 s: it died, hangs, or cannot be reached"


def test_a_dead_process_is_told_at_once(process: subprocess.Popen[bytes]) -> None:
    watch = watched(local=True, pid=process.pid)
    assert not watch.dead and watch.lives and watch.ending(5.1) is None
    process.kill()
    process.wait()
    ending = watch.ending(5.2)
    assert ending is not None and ending.cause is Cause.LOST and f"its process ({process.pid})" in ending.text
    assert watch.dead and not watch.lives
    assert watch.suspicion == f"the recorder's process ({process.pid}) is not there any more"
    watch.publishers(1)
    for _ in range(2):
        watch.publishers(0)
    assert watch.suspicion == "", "it was ended well, and that is known now"


def test_a_process_that_was_known_before_the_start(process: subprocess.Popen[bytes]) -> None:
    watch = RecorderWatch(PATH, 0.0, local=True, pid=process.pid)
    other = RecorderWatch(PATH, 0.0, local=False, pid=process.pid)
    assert watch.ending(0.1) is None
    process.kill()
    process.wait()
    assert watch.ending(0.2) is not None and other.ending(0.2) is None


def test_silence_is_doubted_before_it_is_believed() -> None:
    watch = watched()
    assert at(watch, every(5.0, 6.4)) is None and watch.doubt == ""
    assert at(watch, every(6.5, 6.7)) is None and "it died, hangs, or cannot be reached" in watch.doubt
    watch.own_status(PATH, 6.8)
    assert watch.ending(6.8) is None and watch.doubt == "", "its own status is a sign of life, too"
    assert at(watch, every(6.9, 9.7)) is None and at(watch, every(9.8, 10.0)) is not None


def test_its_own_status_tells_that_it_records_no_more() -> None:
    watch = RecorderWatch(PATH, 0.0, local=False)
    watch.own_status("", 0.1)  # from before the start
    watch.own_status(PATH, 0.3)
    watch.own_status("", 0.4)  # the same, overtaken
    assert watch.ending(0.4) is None
    watch.own_status(PATH, 5.0)
    watch.own_status("", 5.25)
    ending = watch.ending(5.3)
    assert ending is not None and ending.cause is Cause.OVER and ending.cause.can_be_asked


def test_what_is_heard_after_a_death_is_its_reason(process: subprocess.Popen[bytes]) -> None:
    """A recorder that was started anew, or that ended as it was asked to, may be found only after the silence."""
    anew, ended = watched(local=True, pid=process.pid), watched(local=True, pid=process.pid)
    process.kill()
    process.wait()
    for watch in (anew, ended):
        ending = at(watch, every(5.0, 6.5))
        assert ending is not None and ending.cause is Cause.LOST and not ending.cause.has_a_reason
    anew.status(process.pid + 1, "", 6.6)
    told = f"the recorder died and was started anew (pid {process.pid + 1} after {process.pid})"
    assert anew.ending(6.6) == Ending(Cause.RESTARTED, told)
    ended.publishers(0)
    ended.publishers(0)
    assert ended.ending(6.6) == Ending(Cause.GONE, "the recorder was ended")


def test_a_process_with_a_number_of_its_container_is_waited_for_as_one_of_another_machine() -> None:
    watch = watched(local=True, pid=2**30)  # none has it here
    assert not watch.dead and at(watch, every(5.0, 7.9)) is None
    ending = at(watch, every(8.0, 8.3))
    assert ending is not None and ending.text.endswith("it died, hangs, or cannot be reached")


def test_a_busy_machine_is_waited_for() -> None:
    watch = watched(local=True, pid=os.getpid())
    assert at(watch, every(5.0, 44.9)) is None
    watch.heartbeat("active", 11, 44.9)
    assert at(watch, every(44.9, 84.0)) is None
    ending = at(watch, every(84.1, 85.2))
    assert ending is not None and ending.text.endswith("lives and hangs")


def test_a_client_that_slept_has_heard_nothing_because_of_that() -> None:
    watch = watched()
    assert watch.ending(600.0) is None and at(watch, every(600.0, 602.3)) is None
    assert at(watch, every(602.4, 602.8)) is not None


def test_the_node_leaves() -> None:
    watch = watched()
    watch.publishers(0)
    assert watch.ending(5.1) is None  # the graph may have been looked at while it changed
    watch.publishers(0)
    ending = watch.ending(5.2)
    assert ending is not None and ending.cause is Cause.GONE


def test_another_process_of_its_name() -> None:
    by_count, by_pid, by_state = watched(), watched(pid=5), watched()
    by_count.heartbeat("active", 3, 5.5)
    by_pid.status(6, PATH, 5.5)
    by_state.heartbeat("unconfigured", 11, 5.5)
    for watch in (by_count, by_pid, by_state):
        ending = watch.ending(5.5)
        assert ending is not None and ending.cause is Cause.RESTARTED and "started anew" in ending.text


def test_deactivated_is_the_reason_why_it_records_no_more() -> None:
    watch = watched()
    watch.status(0, "", 5.1)
    ending = watch.ending(5.1)
    assert ending is not None and ending.cause is Cause.OVER and ending.cause.can_be_asked
    watch.heartbeat("inactive", 11, 5.2)
    ending = watch.ending(5.2)
    assert ending == Ending(Cause.DEACTIVATED, "the recorder was deactivated")


def test_it_records_something_else() -> None:
    watch = watched()
    watch.status(0, "/bags/b", 5.1)
    ending = watch.ending(5.1)
    assert ending is not None and ending.text.endswith("it records /bags/b now")


def test_what_is_older_than_the_start_does_not_count() -> None:
    watch = RecorderWatch(PATH, 0.0, local=False)
    watch.heartbeat("inactive", 4, 0.1)
    watch.status(7, "/bags/before", 0.1)
    watch.status(7, "", 0.2)
    assert watch.ending(0.2) is None
    watch.heartbeat("active", 5, 0.5)
    watch.status(7, "", 1.6)  # it never recorded this
    ending = watch.ending(1.6)
    assert ending is not None and ending.cause is Cause.OVER


def test_process_lives(process: subprocess.Popen[bytes]) -> None:
    assert process_lives(process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, and not yet waited for
    assert not process_lives(process.pid)
    process.wait()
    assert not process_lives(process.pid)


# ---- between recordings --------------------------------------------------------------------------------------
def test_a_recorder_that_is_there_or_not() -> None:
    presence = Presence("/left/recorder")
    assert "no recorder answers at /left/recorder" in presence.absent(0.0)
    presence.heartbeat("inactive", 1.0)
    assert "is inactive, not active" in presence.absent(1.1)
    presence.heartbeat("active", 1.5)
    assert [presence.absent(t) for t in every(1.5, 2.9)] == [""] * 15
    assert any("nothing has been heard" in presence.absent(t) for t in every(3.0, 3.3))
    presence.sign(3.4)
    assert presence.absent(3.4) == "" and presence.absent(60.0) == "", "we slept, not the recorder"
