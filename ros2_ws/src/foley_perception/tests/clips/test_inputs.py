"""Recordings and live histories give the same inputs: what is not known is dealt with alike."""

from typing import Any

import numpy as np
import pytest

from foley_perception.clips.inputs import Streams, still_before
from foley_perception.clips.pictures import NoPicture
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


@pytest.mark.parametrize("looks_away_at", [1200, 0])
def test_the_still_of_a_camera_that_moves_shows_the_place(looks_away_at: int) -> None:
    """The camera turns away before the contact: the newest picture that shows the place is taken, if there is one."""
    frame_times = np.arange(900, 1600, 100) * 1_000_000
    away = CameraModel(np.eye(3), 4, 4, SE3.from_translation([50.0, 0.0, -1.0]))

    def camera(time_ns: int) -> CameraModel:
        return away if time_ns >= looks_away_at * 1_000_000 else CAMERA

    def picture(index: int) -> Any:
        return np.full((4, 4, 3), index, np.uint8)

    far = (frame_times, np.full((len(frame_times), 3), 0.5))
    streams = Streams(camera, frame_times, picture, far)
    if not looks_away_at:
        with pytest.raises(NoPicture, match="outside of the picture"):
            still_before(streams, 2 * S, np.zeros(3))
        return
    still = still_before(streams, 2 * S, np.zeros(3))
    assert still.picture[0, 0, 0] == 2 and still.camera is CAMERA  # of 1.1 s, not of 1.4 s
