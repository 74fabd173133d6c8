import numpy as np
import pytest
from numpy.typing import NDArray

from foley_perception.own_noise.joints import JointHistory
from foley_perception.own_noise.motion import JointPositions, speeds_at

MS = 1_000_000
T0 = 1_700_000_000_000_000_000


def series(stamps_ms: NDArray[np.float64], values: NDArray[np.float64]) -> JointPositions:
    stamps = T0 + np.round(stamps_ms * MS).astype(np.int64)

    def read(name: str, start: int, end: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        inside = (stamps >= start) & (stamps <= end) & (name == "a")
        return stamps[inside], values[inside]

    return read


def at(*times_ms: float) -> NDArray[np.int64]:
    return T0 + np.round(np.array(times_ms) * MS).astype(np.int64)


def test_a_steady_motion_has_its_speed_also_at_the_newest_position() -> None:
    stamps = np.arange(0.0, 501.0, 2.0)
    read = series(stamps, 0.3 + 1.5e-3 * stamps)
    np.testing.assert_allclose(speeds_at(read, ["a"], at(0, 3, 250, 499, 500, 540))[:, 0], 1.5, rtol=1e-6)


def test_what_is_late_missing_or_never_told_is_not_known() -> None:
    stamps = np.concatenate([np.arange(0.0, 200.0, 4.0), np.arange(400.0, 600.0, 4.0)])
    found = speeds_at(series(stamps, 1e-3 * stamps), ["a", "b"], at(100, 300, 500, 750))
    np.testing.assert_allclose(found[:, 0], [1.0, np.nan, 1.0, np.nan], rtol=1e-6)
    assert np.isnan(found[:, 1]).all()


def test_nan_positions_are_stepped_over_and_turns_unwrapped() -> None:
    stamps = np.arange(0.0, 1000.0, 5.0)
    angle = (4e-3 * stamps + np.pi) % (2 * np.pi) - np.pi
    angle[::7] = np.nan
    found = speeds_at(series(stamps, angle), ["a"], at(*np.arange(50.0, 950.0, 10.0)))
    np.testing.assert_allclose(found, 4.0, rtol=1e-6)


def test_a_live_history_tells_what_a_recording_does() -> None:
    stamps = np.arange(0.0, 400.0, 2.0)
    both = np.stack([np.sin(0.02 * stamps), np.cos(0.03 * stamps)], axis=1)
    history = JointHistory()
    for t, row in zip(stamps, both, strict=True):
        history.add(int(at(t)[0]), ("b", "a"), row[::-1].copy())
        history.add(int(at(t)[0]), ("finger",), np.array([0.01]))
    live = speeds_at(history.positions, ["a", "finger"], at(100, 200, 300))
    np.testing.assert_array_equal(
        live[:, 0], speeds_at(series(stamps, both[:, 0]), ["a"], at(100, 200, 300))[:, 0]
    )
    assert live[:, 1].tolist() == pytest.approx([0.0, 0.0, 0.0])
    assert set(history.names) == {"a", "b", "finger"}
