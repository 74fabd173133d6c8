"""Tips of poses that are kept."""

from __future__ import annotations

import numpy as np

from foley_perception.action.tip_history import TipHistory
from foley_perception.geometry.se3 import SE3

S = 1_000_000_000


def test_a_tip_that_becomes_known_late_leaves_no_step() -> None:
    tip = SE3.identity()
    history = TipHistory(lambda pose: pose, lambda: tip)
    rng = np.random.default_rng(2)
    poses = [SE3(rng.normal(size=4), rng.normal(size=3)) for _ in range(20)]
    for i, pose in enumerate(poses[:10]):
        history.add(i * S // 100, pose)
    before = history.series(0, S)[1]
    assert np.array_equal(before, [pose.translation for pose in poses[:10]])
    tip = SE3.from_translation([0.01, -0.02, 0.15])
    for i, pose in enumerate(poses[10:], 10):
        history.add(i * S // 100, pose)
    tips = history.series(0, S)[1]
    assert np.array_equal(tips, [pose.apply(tip.translation) for pose in poses]), "to the last bit"
    newest = history.newest()
    assert newest is not None and np.array_equal(newest, tips[-1])
    until = history.newest_until(S // 20)
    assert until is not None and np.array_equal(until, tips[5])


def test_a_tip_is_computed_once_while_it_stays_where_it_is() -> None:
    computed: list[int] = []

    class Pose(SE3):
        def apply(self, points: object) -> np.ndarray:
            computed.append(1)
            return super().apply(points)  # type: ignore[arg-type]

    tip = SE3.from_translation([0.0, 0.0, 0.1])
    history = TipHistory(lambda x: Pose([0.0, 0.0, 0.0, 1.0], [x, 0.0, 0.0]), lambda: tip)
    for i in range(5):
        history.add(i, float(i))
    for _ in range(3):
        history.all()
    assert len(computed) == 5


def test_a_pose_that_is_not_finite_has_no_tip() -> None:
    history = TipHistory(lambda pose: pose, SE3.identity)
    history.add(0, SE3.from_translation([0.0, np.nan, 0.0]))
    history.add(1, SE3.from_translation([0.0, 1.0, 0.0]))
    assert history.all()[0].tolist() == [1]


def test_the_whole_motion_is_kept_where_its_tip_is_known() -> None:
    history = TipHistory(lambda pose: pose, lambda: SE3.from_translation([0.0, 0.0, 0.1]))
    poses = [SE3.from_rotation_vector([0.1 * i, 0.0, 0.0], [i, 0.0, 0.0]) for i in range(5)]
    poses[2] = SE3(poses[2].quaternion, [np.nan, 0.0, 0.0])
    for i, pose in enumerate(poses):
        history.add(i * S, pose)
    times, found = history.tools(S, 4 * S)
    assert times.tolist() == [S, 3 * S, 4 * S]
    assert np.allclose(found.matrix, [poses[k].matrix for k in (1, 3, 4)])
    assert len(history.tools(9 * S, 10 * S)[1]) == 0
