"""Poses that a bag gives in another frame than the world."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize("frame", ["base_link", "elsewhere"])
def test_contacts_are_brought_to_the_world(make_bag: Callable[..., Path], frame: str) -> None:
    def put_contacts(bag: Any) -> None:
        for k, onset in enumerate((1.0, 2.0, 3.0)):
            head, place = (
                bag.header(bag.options.start_ns + round(onset * 1e9), frame),
                bag.vector("Point", -0.45, 0, 0.05),
            )
            kind = "foley_msgs/msg/ContactEvent"
            contact = bag.new(kind, head, f"d{k}", "", place, 1, 0.002, 0.03, -6.0, 1.0, 0, 0, "")
            bag.put(onset + 0.1, "contacts", kind, contact)

    bag = make_bag(truth=False, base="moving", more=put_contacts)
    if frame == "elsewhere":
        with pytest.raises(
            EpisodeError,
            match=r"contacts: its contacts are in `elsewhere`.*`world`.*record /tf and /tf_static",
        ):
            read_episode(bag)
        return
    detected = read_episode(bag).detected
    assert {contact.frame_id for contact in detected} == {"world"}
    # base_link stands 0.5 m ahead at first and moves at 0.1 m/s.
    expected = [(0.05 + 0.1 * onset, 0.0, 0.05) for onset in (1.0, 2.0, 3.0)]
    np.testing.assert_allclose([contact.position for contact in detected], expected, atol=1e-6)


def test_what_is_taken_for_something_else_is_told(make_bag: Callable[..., Path]) -> None:
    told = Cutter(read_episode(make_bag(gripper=False)), CutConfig()).problems
    assert any("`gripper_width`" in sentence for sentence in told), told
    assert not Cutter(read_episode(make_bag("whole")), CutConfig()).problems
