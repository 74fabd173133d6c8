"""The worker's order, bounds, errors and end."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip("rclpy")
from foley_ros.worker import Worker


def test_items_are_handled_in_order_and_drained() -> None:
    seen: list[int] = []
    worker = Worker(seen.append, name="test", capacity=1000)
    for i in range(500):
        worker.put(i)
    assert worker.stop(drain=True)
    assert seen == list(range(500)) and worker.dropped == 0


def test_the_oldest_is_dropped_when_full() -> None:
    entered, gate = threading.Event(), threading.Event()
    seen: list[int] = []

    def handle(item: int) -> None:
        entered.set()
        assert gate.wait(120)
        seen.append(item)

    worker = Worker(handle, name="test", capacity=2)
    worker.put(0)
    assert entered.wait(120)
    for i in (1, 2, 3):
        worker.put(i)
    assert worker.pending() == 3
    gate.set()
    assert worker.stop(drain=True)
    assert seen == [0, 2, 3] and worker.dropped == 1


def test_an_error_is_kept_and_work_goes_on() -> None:
    seen: list[int] = []
    errors: list[Exception] = []

    def handle(item: int) -> None:
        if item == 1:
            raise RuntimeError("bad item")
        seen.append(item)

    worker = Worker(handle, name="test", on_error=errors.append)
    for i in range(3):
        worker.put(i)
    assert worker.stop(drain=True)
    assert seen == [0, 2] and worker.errors == 1 and worker.last_error == "RuntimeError: bad item"
    assert isinstance(errors[0], RuntimeError)


def test_stopping_discards_what_waits_and_refuses_more() -> None:
    entered, gate = threading.Event(), threading.Event()
    seen: list[int] = []

    def handle(item: int) -> None:
        entered.set()
        assert gate.wait(120)
        seen.append(item)

    worker = Worker(handle, name="test")
    worker.put(0)
    assert entered.wait(120)
    worker.put(1)
    assert not worker.stop(timeout_s=0.05), "still in an item"
    gate.set()
    assert worker.stop()
    worker.put(2)
    assert seen == [0] and worker.pending() == 0


def test_capacity_must_be_positive() -> None:
    with pytest.raises(ValueError, match="capacity is 0"):
        Worker(print, name="test", capacity=0)
