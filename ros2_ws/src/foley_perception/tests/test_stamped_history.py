"""The last seconds of stamped items."""

from typing import Any

import numpy as np

from foley_perception.stamped_history import History, VectorHistory

S = 1_000_000_000
T0 = 1_763_000_000 * S


def test_history_forgets_refuses_and_starts_anew() -> None:
    history: History[int] = History(keep_s=1.0)
    for i in range(30):
        history.add(T0 + i * S // 10, i)
    assert len(history) == 11 and history.newest_until(T0 + S // 2) is None
    history.add(T0 + 25 * S // 10, 99)
    assert history.newest_until(T0 + 10 * S) == 29 and history.late == 1, "late items are dropped"
    history.add(T0 - 100 * S, 1)
    assert len(history) == 1 and history.newest_ns == T0 - 100 * S, "time was set back"


def test_an_item_is_decoded_once_and_only_when_it_is_asked_for() -> None:
    read: list[bytes] = []

    def decode(raw: bytes) -> int | None:
        read.append(raw)
        return None if raw == b"bad" else int(raw)

    history: History[int] = History(decode)
    for i, raw in enumerate((b"1", b"bad", b"3")):
        history.add(T0 + i * S, raw)
    assert not read
    assert history.newest() == 3
    assert history.newest_until(T0 + S) == 1, "the newest that is known, as in a recording"
    times, values = history.all()
    assert values == [1, 3] and times.tolist() == [T0, T0 + 2 * S]
    assert sorted(read) == [b"1", b"3", b"bad"]


def test_a_damaged_item_costs_itself_alone() -> None:
    def decode(raw: bytes) -> int:
        return int(raw)

    history: History[int] = History(decode)
    for index, raw in enumerate((b"1", b"cut off", b"3")):
        history.add(index, raw)
    assert history.all()[1] == [1, 3] and history.newest() == 3
    assert history.damaged == 1, "and is looked at once"


def test_vectors_that_are_not_finite_are_left_out_and_the_rest_is_interpolated() -> None:
    history = VectorHistory()
    for i in range(100):
        value: Any = np.array([i * 0.01, 0.0, np.nan if i == 50 else 1.0])
        history.add(T0 + i * S // 100, value)
    times, values = history.series(T0 + S * 45 // 100, T0 + S * 55 // 100)
    assert len(times) == len(values) == 10
    at = history.at(T0 + S // 2)
    assert at is not None
    np.testing.assert_allclose(at, [0.5, 0.0, 1.0], atol=1e-9)
    velocity = history.velocity(T0 + S // 4, T0 + S // 2)
    assert velocity is not None
    np.testing.assert_allclose(velocity, [1.0, 0.0, 0.0], atol=1e-9)
    assert history.at(T0 + 5 * S) is None and history.velocity(T0, T0 + S // 100) is None


def test_what_is_not_finite_is_told_as_unknown() -> None:
    history = VectorHistory(lambda raw: None if raw is None else np.array(raw))
    for i, raw in enumerate(([1.0], [np.nan], None, [3.0])):
        history.add(T0 + i * S, raw)
    assert history.series(T0, T0 + 9 * S)[1].tolist() == [[1.0], [3.0]]
    times, values = history.told(T0, T0 + 9 * S)
    assert ((times - T0) // S).tolist() == [0, 1, 3]
    np.testing.assert_array_equal(values, [[1.0], [np.nan], [3.0]])
