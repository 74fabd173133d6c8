"""Frames that are lost, by the stamps of those that come."""

from __future__ import annotations

import numpy as np
import pytest

from foley_perception.images.lost_frames import FrameLoss

S = 1_000_000_000


def seen(stamps_s: np.ndarray) -> FrameLoss:
    loss = FrameLoss()
    for t in stamps_s:
        loss.add(int(t * S))
    return loss


@pytest.mark.parametrize("jitter_s", [0.0, 0.003])
@pytest.mark.parametrize("share", [0.1, 0.39, 0.6])
def test_the_share_that_is_lost_is_told(share: float, jitter_s: float) -> None:
    rng = np.random.default_rng(4)
    stamps = 5.0 + np.arange(300) / 30 + rng.uniform(-jitter_s, jitter_s, 300)
    kept = rng.random(300) >= share
    kept[[0, -1]] = True
    loss = seen(stamps[kept]).loss()
    assert loss is not None
    assert loss.share == pytest.approx(1 - kept.sum() / 300, abs=0.02)
    assert loss.sent_hz == pytest.approx(30, rel=0.05)


def test_a_steady_camera_and_one_of_varying_rate_lose_nothing() -> None:
    rng = np.random.default_rng(5)
    assert seen(5.0 + np.arange(300) / 30 + rng.uniform(-0.005, 0.005, 300)).loss() is None
    assert seen(5.0 + np.cumsum(rng.uniform(0.02, 0.09, 300))).loss() is None
    assert seen(5.0 + np.arange(20) / 7).loss() is None, "too few"


def test_what_was_lost_long_ago_is_forgotten() -> None:
    lossy, fine = 5.0 + np.arange(0, 300, 2) / 30, 15.0 + np.arange(400) / 30
    loss = seen(np.concatenate([lossy, fine]))
    assert loss.loss() is None
