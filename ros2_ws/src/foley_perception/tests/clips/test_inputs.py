"""Recordings and live histories give the same inputs: what is not known is dealt with alike."""

from typing import Any

import numpy as np
import pytest

from foley_perception.clips.inputs import Streams, still_before
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_perception.stamped_history import VectorHistory

S = 1_000_000_000
CAMERA = CameraModel(np.eye(3), 4, 4, SE3.from_translation([0.0, 0.0, -1.0]))


@pytest.mark.parametrize("of", ["recording", "recording with the bad row", "live"])
def test_where_one_pose_is_not_finite_the_one_before_counts(of: str) -> None:
    times, history = np.arange(0, 2 * S, 10_000_000), VectorHistory()
    tip = np.where(times < S, 0.5, 0.03)[:, None] * np.array([0.0, 0.0, 1.0])  # near from 1 s on
    tip[times == 1_030_000_000] = np.nan
    for time_ns, position in zip(times, tip, strict=True):
        history.add(int(time_ns), position)
    known = np.isfinite(tip).all(axis=1) if of != "recording with the bad row" else np.full(len(tip), True)
    frame_times = np.array([900, 1030, 1300]) * 1_000_000

    def picture(index: int) -> Any:
        return np.full((4, 4, 3), index, np.uint8)

    newest = history.newest_until if of == "live" else None
    streams = Streams(
        lambda time_ns: CAMERA, frame_times, picture, (times[known], tip[known]), newest_tip=newest
    )
    assert streams.tip_at(1_030_000_000) == pytest.approx([0.0, 0.0, 0.03])
    # 0.6 s before the contact the tip is near, by the pose of 10 ms before: the frame of 0.9 s is taken.
    assert still_before(streams, 1_630_000_000, np.zeros(3)).picture[0, 0, 0] == 0
