"""Which of the processes that say nothing hang."""

from __future__ import annotations

from foley_bringup.silent_processes import SilentProcesses
from foley_common.processes import Process

OLD, YOUNG = Process(7, 100), Process(7, 900)


def test_only_what_was_there_through_the_whole_silence() -> None:
    silent = SilentProcesses(60.0)
    assert silent.seen([OLD], 0.0) == []
    assert silent.seen([OLD], 59.9) == []
    assert silent.seen([OLD, YOUNG], 60.0) == [OLD]


def test_a_successor_of_the_same_number_begins_anew() -> None:
    silent = SilentProcesses(60.0)
    silent.seen([OLD], 0.0)
    assert silent.seen([YOUNG], 61.0) == []
    assert silent.seen([YOUNG], 121.0) == [YOUNG]


def test_a_word_ends_the_silence() -> None:
    silent = SilentProcesses(60.0)
    silent.seen([OLD], 0.0)
    silent.heard()
    assert silent.seen([OLD], 61.0) == []
