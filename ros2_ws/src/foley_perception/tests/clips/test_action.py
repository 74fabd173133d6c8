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
    assert not action[:, [0, 1, 3, 4, 6, 7]].any()


def test_width_and_force_have_their_own_times() -> None:
    force_times = CONTACT + np.array([-1, 0, 1]) * 10_000_000
    action = clip_action(
        CONTACT,
        POINT,
        *path(100.0),
        width=(np.array([CONTACT]), np.array([0.03])),
        force=(force_times, np.array([0.0, 5.0, np.nan])),
    )
    np.testing.assert_allclose(action[:, 6], 0.03)
    assert action[0, 7] == 0.0 and action[-1, 7] == 5.0


def test_ends_are_held_and_nan_is_bridged() -> None:
    times, tip = path(100.0)
    keep = (times > CONTACT - 100_000_000) & (times < CONTACT + 100_000_000)
    times, tip = times[keep], tip[keep]
    tip[5] = np.nan
    action = clip_action(CONTACT, POINT, times, tip)
    assert np.isfinite(action).all()
    np.testing.assert_allclose(action[0, :3], tip[0] - POINT, atol=1e-6)
    np.testing.assert_allclose(action[0, 3:6], 0.0, atol=1e-6)


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
