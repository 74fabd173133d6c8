"""A straight approach: against the surface, at the speed asked for, through the place."""

from __future__ import annotations

import numpy as np
import pytest

from foley_perception.action.gripper import GripperHand
from foley_perception.geometry.se3 import SE3
from foley_synthesis.live.approach import INTO_M, approach_keypoints, approach_poses


@pytest.mark.parametrize("normal", [(0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.6, 0.0, 0.8), (0.0, -2.0, 0.0)])
def test_the_tip_comes_straight_against_the_surface(normal: tuple[float, float, float]) -> None:
    place, out = np.array((0.1, 0.2, 0.3)), np.array(normal) / np.linalg.norm(normal)
    times, poses = approach_poses((0.1, 0.2, 0.3), normal, 0.1, 0.25)
    along = (poses.translation - place) @ out
    assert along[0] == pytest.approx(0.1) and along[-1] == pytest.approx(-INTO_M)
    assert np.allclose(poses.translation - place, along[:, None] * out, atol=1e-9)
    assert -np.diff(along) / np.diff(times) == pytest.approx(np.full(len(times) - 1, 0.25))
    assert np.allclose(poses.rotate((0.0, 0.0, 1.0)), -out, atol=1e-6)


def test_the_hand_carries_the_tip() -> None:
    hand, tip = GripperHand.from_yaml("parallel_gripper"), SE3.from_translation((0.0, 0.0, 0.1))
    times_ns, keypoints = approach_keypoints(
        hand, tip, (0.1, 0.2, 0.3), (0.0, 0.0, 1.0), length_m=0.1, speed=0.2, start_ns=5
    )
    poses, _ = hand.recover(keypoints)
    assert times_ns[0] == 5 and np.all(np.diff(times_ns) > 0)
    assert (poses @ tip).translation[0] == pytest.approx((0.1, 0.2, 0.4), abs=1e-6)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"normal": (0.0, 0.0, 0.0)}, "normal"),
        ({"place": (np.nan, 0.0, 0.0)}, "place"),
        ({"speed": 0.0}, "speed"),
    ],
)
def test_what_is_no_approach_is_refused(change: dict[str, object], match: str) -> None:
    asked = {"place": (0.0, 0.0, 0.0), "normal": (0.0, 0.0, 1.0), "length_m": 0.1, "speed": 0.2, **change}
    with pytest.raises(ValueError, match=match):
        approach_poses(**asked)  # type: ignore[arg-type]
