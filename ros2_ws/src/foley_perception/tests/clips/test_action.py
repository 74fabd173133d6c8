"""The action array around a contact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from foley_perception.clips.action import clip_action
from foley_perception.clips.grid import CLIP_ACTIONS, clip_start_ns, row_times_ns

CONTACT = 1_763_000_000_123_456_789
POINT = np.array([0.1, -0.2, 0.05])


def path(rate_hz: float, speed: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    """A straight descent that stops at the contact point, sampled from 0.5 s before to 1 s after."""
    seconds = np.arange(-0.5, 1.0, 1 / rate_hz)
    height = np.where(seconds < 0, -speed * seconds, 0.0)
    return CONTACT + np.round(seconds * 1e9).astype(np.int64), POINT + np.stack(
        [np.zeros_like(seconds), np.zeros_like(seconds), height], axis=1
    )


def test_grid() -> None:
    rows = row_times_ns(CONTACT)
    assert rows[0] == clip_start_ns(CONTACT) == CONTACT - 250_000_000
    assert len(rows) == CLIP_ACTIONS and abs(rows[-1] - rows[0] - 89e9 / 90) < 2


@pytest.mark.parametrize("rate_hz", [50.0, 100.0, 250.0])
def test_descent(rate_hz: float) -> None:
    action = clip_action(CONTACT, POINT, *path(rate_hz))
    seconds = (row_times_ns(CONTACT) - CONTACT) / 1e9
    expected = np.where(seconds < 0, -0.4 * seconds, 0.0)
    assert action.dtype == np.float32 and action.shape == (90, 8)
    # Coarser paths cut the corner at the contact.
    np.testing.assert_allclose(action[:, 2], expected, atol=0.25 * 0.4 / rate_hz + 1e-6)
    before, after = seconds < -2.5 / rate_hz - 0.01, seconds > 2.5 / rate_hz + 0.01
    np.testing.assert_allclose(action[before, 5], -0.4, atol=1e-4)
    np.testing.assert_allclose(action[after, 5], 0.0, atol=1e-6)
    assert not action[:, [0, 1, 3, 4]].any()
    assert np.isnan(action[:, 6:]).all(), "neither width nor force was measured"


def test_width_and_force_have_their_own_times() -> None:
    force_times = CONTACT + np.array([-1, 0, 1]) * 10_000_000
    action = clip_action(
        CONTACT,
        POINT,
        *path(100.0),
        width=(CONTACT + np.array([-1, 0, 1, 2]) * 400_000_000, np.array([0.01, 0.03, 0.03, np.nan])),
        force=(force_times, np.array([0.0, 5.0, 5.0])),
    )
    seconds = (row_times_ns(CONTACT) - CONTACT) / 1e9
    told = seconds < 0.4001  # beside NaN nothing is
    np.testing.assert_allclose(
        action[told, 6], np.interp(seconds[told], [-0.4, 0.0, 0.4], [0.01, 0.03, 0.03]), rtol=1e-5
    )
    assert np.isnan(action[~told, 6]).all()
    near = (seconds > -0.0601) & (seconds < 0.0601)  # until 50 ms beyond the ends
    np.testing.assert_allclose(action[near, 7], np.interp(seconds[near], [-0.01, 0.0], [0.0, 5.0]), atol=1e-5)
    assert np.isnan(action[~near, 7]).all()


def test_force_is_not_known_beside_nan() -> None:
    times = CONTACT + np.arange(-100, 100) * 10_000_000
    values = np.where(np.abs(times - CONTACT) < 15_000_000, np.nan, 0.0)  # of three messages
    action = clip_action(CONTACT, POINT, *path(100.0), width=(times, values), force=(times, values))
    seconds = (row_times_ns(CONTACT) - CONTACT) / 1e9
    inside = np.abs(seconds) < 0.0199
    assert inside.sum() == 4
    assert np.isnan(action[inside, 6:]).all() and not action[~inside, 6:].any()


def test_force_is_not_known_inside_of_a_gap() -> None:
    times = CONTACT + np.concatenate([np.arange(-50, -9), np.arange(30, 100)]) * 10_000_000
    action = clip_action(CONTACT, POINT, *path(100.0), force=(times, np.full(times.size, 7.0)))
    seconds = (row_times_ns(CONTACT) - CONTACT) / 1e9
    inside = (seconds > -0.1) & (seconds < 0.3)
    assert np.isnan(action[inside, 7]).all() and (action[~inside, 7] == 7.0).all()


def test_a_plan_rests_at_its_ends() -> None:
    times, tip = path(100.0)
    keep = np.abs(times - CONTACT) < 100_000_000
    times, tip = times[keep], tip[keep]
    action = clip_action(
        CONTACT, POINT, times, tip, width=(times, np.linspace(0.01, 0.02, times.size)), planned=True
    )
    assert np.isfinite(action).all() and not action[:, 7].any()
    np.testing.assert_allclose(action[0, :3], tip[0] - POINT, atol=1e-6)
    np.testing.assert_allclose(action[0, 3:6], 0.0, atol=1e-6)
    np.testing.assert_allclose(action[[0, -1], 6], [0.01, 0.02], rtol=1e-5)
    assert np.isnan(clip_action(CONTACT, POINT, times, tip, planned=True)[:, 6]).all()


@pytest.mark.parametrize(("gap", "whole"), [((-0.2, 0.04), True), ((-0.2, 0.1), False), ((0.4, 2.0), False)])
def test_a_measured_motion_is_not_bridged_over_a_gap(gap: tuple[float, float], whole: bool) -> None:
    times, tip = path(100.0)
    tip[(times > CONTACT + gap[0] * 1e9) & (times < CONTACT + gap[1] * 1e9)] = np.nan
    if whole:
        assert np.isfinite(clip_action(CONTACT, POINT, times, tip)[:, :6]).all()
    else:
        with pytest.raises(ValueError, match=r"more than 0\.25 s of the clip there is no pose"):
            clip_action(CONTACT, POINT, times, tip)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"contact_point": [0.0, np.nan, 0.0]}, "contact_point"),
        ({"tip_positions": np.zeros((3, 3))}, "tip_positions"),
        ({"tip_times_ns": np.zeros(150, dtype=np.int64)}, "increase"),
        ({"tip_positions": np.full((150, 3), np.nan)}, "known rows"),
        ({"contact_ns": CONTACT + 10**10}, "outside"),
        ({"width": (np.array([1]), np.zeros(2))}, "width"),
    ],
)
def test_bad_input(changes: dict[str, Any], said: str) -> None:
    times, tip = path(100.0)
    arguments: dict[str, Any] = {
        "contact_ns": CONTACT,
        "contact_point": POINT,
        "tip_times_ns": times,
        "tip_positions": tip,
    }
    with pytest.raises(ValueError, match=said):
        clip_action(**{**arguments, **changes})
