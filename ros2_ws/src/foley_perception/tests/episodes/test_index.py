"""Where in a bag what lies, whatever its clocks do."""

from __future__ import annotations

from foley_perception.episodes.index import Index, joined

S = 1_000_000_000


def test_ranges_and_their_neighbours() -> None:
    index = Index()
    for second in (0, 1, 2, 3, 50, 90, 91):
        for tenth in range(10):
            stamp = second * S + tenth * S // 10
            index.add(stamp // 2 + 700 * S, stamp)  # arrival by a clock that runs half as fast
    assert (index.count, index.first, index.last) == (70, 0, 91 * S + 9 * S // 10)
    inside = index.ranges(2 * S, 2 * S, neighbours=False)
    assert inside == [
        (701 * S, 701 * S + 95 * S // 100)
    ]  # of a second of arrival, in which stamps lie of two
    # The second in which 2 s lies, and the nearest beyond: nothing lies before it that is not in the same one.
    assert index.ranges(20 * S, 30 * S) == [
        (701 * S, 701 * S + 95 * S // 100),
        (725 * S, 725 * S + 45 * S // 100),
    ]
    assert index.ranges(20 * S, 30 * S, neighbours=False) == []
    assert index.ranges(200 * S, 300 * S) == [(745 * S, 745 * S + 95 * S // 100)]
    assert Index().ranges(0, S) == []


def test_stamps_that_go_back_and_messages_that_speak_of_a_while() -> None:
    index = Index()
    index.add(10 * S, 5 * S)
    index.add(11 * S, 2 * S, 8 * S)
    index.add(12 * S, 6 * S)
    assert index.ranges(7 * S, 7 * S, neighbours=False) == [(11 * S, 11 * S)]
    assert index.ranges(5 * S, 5 * S, neighbours=False) == [(10 * S, 10 * S), (11 * S, 11 * S)]


def test_without_stamps_the_arrival_counts() -> None:
    index = Index()
    for second in range(5):
        index.add(second * S + 7, 0)
    assert index.ranges(2 * S, 2 * S + 10, neighbours=False) == [(2 * S + 7, 2 * S + 7)]


def test_joined() -> None:
    assert joined([(5 * S, 6 * S), (0, S), (S + 5, 2 * S), (20 * S, 30 * S), (22 * S, 23 * S)]) == [
        (0, 2 * S),
        (5 * S, 6 * S),
        (20 * S, 30 * S),
    ]
    assert joined([(0, 5), (6, 7)], apart_ns=0) == [(0, 5), (6, 7)]
