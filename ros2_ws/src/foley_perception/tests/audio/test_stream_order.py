"""Chunks in order, late, and of a stream that began anew."""

from __future__ import annotations

from foley_perception.audio.stream_order import StreamOrder


def test_a_chunk_that_fills_a_gap_is_late_and_one_that_was_there_is_back() -> None:
    order = StreamOrder()
    found = [order.place(10 * k, 10).name for k in (5, 6, 9, 8, 7, 10, 2, 3, 20, 11, 11)]
    assert found == ["NEXT", "NEXT", "NEXT", "LATE", "LATE", "NEXT", "BACK", "NEXT", "NEXT", "LATE", "BACK"]
