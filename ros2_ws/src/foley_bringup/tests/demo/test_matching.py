"""One-to-one matching of event times."""

import numpy as np
import pytest

from foley_bringup.demo.matching import match_times

MS = 1_000_000


def times(*milliseconds: int) -> np.ndarray:
    return np.array(milliseconds, dtype=np.int64) * MS


@pytest.mark.parametrize(
    ("truth", "found", "expected"),
    [
        (times(), times(1), []),
        (times(1), times(), []),
        (times(100), times(140), [(0, 0)]),
        (times(100), times(160), []),
        (times(100, 200), times(190, 110), [(0, 1), (1, 0)]),
        # Nearest-first would pair 130 with 120 and leave 80 unmatched.
        (times(80, 120), times(115, 165), [(0, 0), (1, 1)]),
        (times(100), times(99, 101, 102), [(0, 0)]),
    ],
)
def test_pairs(truth: np.ndarray, found: np.ndarray, expected: list[tuple[int, int]]) -> None:
    assert match_times(truth, found, tolerance_s=0.05) == expected


def test_every_index_is_used_once() -> None:
    rng = np.random.default_rng(0)
    truth = np.sort(rng.integers(0, 10_000, 60)) * MS
    found = np.sort(rng.integers(0, 10_000, 70)) * MS
    pairs = match_times(truth, found, tolerance_s=0.1)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(abs(int(truth[i]) - int(found[j])) <= 100 * MS for i, j in pairs)


def test_tolerance_must_be_positive() -> None:
    with pytest.raises(ValueError, match="tolerance_s is 0"):
        match_times(times(1), times(1), tolerance_s=0)
