"""Poses that a bag gives in another frame than the world."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from foley_perception.dataset.cut import CutConfig, Cutter
from foley_perception.episodes import EpisodeError, read_episode


@pytest.mark.parametrize("base", ["static", "moving"])
def test_poses_are_brought_to_the_world_at_their_stamps(make_bag: Callable[..., Path], base: str) -> None:
    plain, based = read_episode(make_bag("plain")), read_episode(make_bag("based", base=base))
    assert based.ee_pose is not None and plain.ee_pose is not None and based.ee_pose.frame_id == "world"
    assert np.array_equal(based.ee_pose.times_ns, plain.ee_pose.times_ns)
    np.testing.assert_allclose(based.tip_path[1], plain.tip_path[1], atol=1e-6)
    ours, theirs = (list(Cutter(episode, CutConfig()).clips()) for episode in (plain, based))
    assert len(ours) == len(theirs) == 3
    for a, b in zip(ours, theirs, strict=True):
        assert np.array_equal(a.frames, b.frames) and np.array_equal(a.still, b.still)
        np.testing.assert_allclose(a.action_executed, b.action_executed, atol=1e-4)


def test_a_frame_that_tf_does_not_know_is_an_error(make_bag: Callable[..., Path]) -> None:
    with pytest.raises(
        EpisodeError, match=r"ee_pose: its poses are in `base_link`.*record /tf and /tf_static"
    ):
        read_episode(make_bag(base="unknown"))


def test_what_is_taken_for_something_else_is_told(make_bag: Callable[..., Path]) -> None:
    told = Cutter(read_episode(make_bag(gripper=False)), CutConfig()).problems
    assert any("`gripper_width`" in sentence for sentence in told), told
    assert not Cutter(read_episode(make_bag("whole")), CutConfig()).problems
