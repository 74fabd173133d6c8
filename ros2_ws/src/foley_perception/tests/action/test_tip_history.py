"""Tips of poses that are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from foley_perception.action import tip_history
from foley_perception.action.tip_history import FOR_NOW, NOT_YET, PLACED, TipHistory, ToldPoses
from foley_perception.geometry.se3 import SE3, stack

S = 1_000_000_000


def read(poses: list[SE3]) -> ToldPoses:
    return ToldPoses(["world"], np.zeros(len(poses), np.int32), stack(poses))


def test_a_tip_that_becomes_known_late_leaves_no_step() -> None:
    tip = SE3.identity()
    history = TipHistory(read, lambda: tip)
    rng = np.random.default_rng(2)
    poses = [SE3(rng.normal(size=4), rng.normal(size=3)) for _ in range(20)]
    for i, pose in enumerate(poses[:10]):
        history.add(i * S // 100, pose)
    before = history.series(0, S)[1]
    np.testing.assert_array_equal(before, [pose.translation for pose in poses[:10]])
    tip = SE3.from_translation([0.01, -0.02, 0.15])
    for i, pose in enumerate(poses[10:], 10):
        history.add(i * S // 100, pose)
    tips = history.series(0, S)[1]
    np.testing.assert_allclose(tips, [pose.apply(tip.translation) for pose in poses], rtol=0, atol=1e-14)
    newest = history.newest()
    assert newest is not None and np.array_equal(newest, tips[-1])
    until = history.newest_until(S // 20)
    assert until is not None and np.array_equal(until, tips[5])


def test_a_tip_is_computed_once_while_it_stays_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[int] = []
    rotate = tip_history.rotate

    def counted(quaternions: Any, vectors: Any) -> Any:
        computed.append(len(quaternions))
        return rotate(quaternions, vectors)

    monkeypatch.setattr(tip_history, "rotate", counted)
    tip = SE3.from_translation([0.0, 0.0, 0.1])
    history = TipHistory(read, lambda: tip)
    for i in range(5):
        history.add(i, SE3.from_translation([i, 0.0, 0.0]))
    for _ in range(3):
        history.series()
    assert sum(computed) == 5


def test_a_pose_that_is_not_finite_has_no_tip() -> None:
    history = TipHistory(read, SE3.identity)
    history.add(0, SE3.from_translation([0.0, np.nan, 0.0]))
    history.add(1, SE3.from_translation([0.0, 1.0, 0.0]))
    assert history.series()[0].tolist() == [1]


def test_the_whole_motion_is_kept_where_its_tip_is_known() -> None:
    history = TipHistory(read, lambda: SE3.from_translation([0.0, 0.0, 0.1]))
    poses = [SE3.from_rotation_vector([0.1 * i, 0.0, 0.0], [i, 0.0, 0.0]) for i in range(5)]
    poses[2] = SE3(poses[2].quaternion, [np.nan, 0.0, 0.0])
    for i, pose in enumerate(poses):
        history.add(i * S, pose)
    times, found = history.tools(S, 4 * S)
    assert times.tolist() == [S, 3 * S, 4 * S]
    assert np.allclose(found.matrix, [poses[k].matrix for k in (1, 3, 4)])
    assert len(history.tools(9 * S, 10 * S)[1]) == 0


def test_poses_of_a_moving_frame_are_placed_for_good_when_a_later_transform_has_come() -> None:
    until, asked = 10, list[list[int]]()

    def place(frame: str, times_ns: Any, poses: SE3) -> tuple[SE3, Any]:
        assert frame == "world"
        asked.append(times_ns.tolist())
        height = np.where(times_ns <= until, 1.0, 2.0)  # later it is known better
        states = np.where(times_ns <= until, PLACED, np.where(times_ns <= until + 2, FOR_NOW, NOT_YET))
        moved = SE3.from_translation(np.stack([0 * height, 0 * height, height], axis=1))
        return moved @ poses, states.astype(np.int8)

    history = TipHistory(read, SE3.identity, place, known=lambda: until)
    for i in range(9, 15):
        history.add(i, SE3.from_translation([i, 0.0, 0.0]))
    times, tips = history.series()
    assert times.tolist() == [9, 10, 11, 12] and tips[:, 2].tolist() == [1.0, 1.0, 2.0, 2.0]
    assert history.newest() is None and history.newest_known_ns() == 12
    history.series()
    assert len(asked) == 1, "no more is known"
    until = 13
    times, tips = history.series()
    assert asked[-1] == [11, 12, 13, 14], "the others lie where they lie"
    assert times.tolist() == [9, 10, 11, 12, 13, 14] and tips[:, 2].tolist() == [1.0] * 5 + [2.0]


def test_late_poses_are_left_out_and_time_set_back_starts_anew() -> None:
    history = TipHistory(read, SE3.identity, keep_s=2.0)
    for i in range(500):
        history.add(i * S // 100, SE3.from_translation([i, 0.0, 0.0]))
        if i % 70 == 0:
            history.settle()
    history.add(4 * S, SE3.identity())
    assert history.late == 1
    times, tips = history.series()
    assert times[0] == 299 * S // 100 and tips[0, 0] == 299 and len(times) == 201
    history.add(S, SE3.from_translation([7.0, 0.0, 0.0]))
    assert history.series()[1].tolist() == [[7.0, 0.0, 0.0]]
    history.clear()
    assert history.newest_ns is None and history.newest() is None


def test_what_cannot_be_placed_yet_is_tried_again_when_more_is_known_but_not_for_ever() -> None:
    known, tries = 0, 0

    def place(frame: str, times_ns: Any, poses: SE3) -> tuple[SE3, Any]:
        nonlocal tries
        tries += len(times_ns)
        return poses, np.where(times_ns <= known, PLACED, NOT_YET).astype(np.int8)

    history = TipHistory(read, SE3.identity, place, known=lambda: known)
    for needs in (0, 3, 10_000):
        history.add(needs, SE3.identity())
    for _ in range(5):
        assert history.series()[0].tolist() == [0]
    assert tries == 3, "nothing new is known"
    known = 3
    assert history.series()[0].tolist() == [0, 3]
    for known in range(4, 10_000):  # noqa: B007 - read by place
        history.settle(least=0)
    assert 10 < tries < 30, "ever more rarely"
    known = 30_000
    assert history.series()[0].tolist() == [0, 3, 10_000]
