"""Writes that are sent again."""

from __future__ import annotations

import json

import pytest

from foley_synthesis.beliefs.write_log import ReusedId, WriteLog


def test_a_write_sent_again_is_answered_as_the_first_time() -> None:
    log = WriteLog()
    assert log.answer("w1", "retract c1") is None
    log.keep("w1", "retract c1", {"retracted": 1})
    assert log.answer("w1", "retract c1") == {"retracted": 1}
    with pytest.raises(ReusedId, match=r"write_id `w1` was that of another write \(retract c1\)"):
        log.answer("w1", "retract c2")


def test_without_an_id_every_write_is_one_of_its_own() -> None:
    log = WriteLog()
    log.keep("", "retract c1", {"retracted": 1})
    assert log.answer("", "retract c1") is None and len(log) == 0


def test_the_oldest_go_first_and_the_rest_survives_a_file() -> None:
    log = WriteLog(most=2)
    for i in range(3):
        log.keep(f"w{i}", f"r{i}", {"n": i})
    again = WriteLog(tuple(entry) for entry in json.loads(json.dumps(log.entries())))
    assert again.answer("w0", "r0") is None
    assert [again.answer(f"w{i}", f"r{i}") for i in (1, 2)] == [{"n": 1}, {"n": 2}]
