"""Which static transform counts where two publishers tell different ones."""

from __future__ import annotations

from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.static_frames import StaticFrames

HERE, THERE = SE3.from_translation([0.1, 0.0, 0.5]), SE3.from_translation([0.4, 0.0, 0.5])
ONE, TWO, ANEW = {"g1": "/calibration"}, {"g2": "/other/calibration"}, {"g3": "/calibration"}
STATE = {"g0": "/robot_state_publisher"}


def test_a_second_robot_does_not_move_the_first_ones_camera() -> None:
    frames = StaticFrames()
    assert frames.take("world", "camera", HERE, ONE)
    assert not frames.take("world", "camera", THERE, ONE | TWO)
    assert frames.take("world", "camera", HERE, ONE | TWO), "told again"
    (said,) = frames.conflicts()
    assert (
        "frame `camera` lies in `world` at (0.100, 0.000, 0.500) m" in said
        and "(0.400, 0.000, 0.500)" in said
    )
    assert not frames.settle(ONE | TWO) and frames.conflicts()
    assert not frames.settle(ONE) and not frames.conflicts(), "the second robot has gone"


def test_two_that_were_there_before_us_contradict_each_other() -> None:
    frames = StaticFrames()
    assert frames.take("world", "camera", HERE, ONE | TWO)
    assert not frames.take("base", "camera", HERE, ONE | TWO), "another parent is another place"
    assert frames.conflicts() and not frames.settle(ONE) and frames.conflicts(), "whose was the first?"


def test_a_publisher_that_changes_its_mind_or_was_started_again_is_believed() -> None:
    alone = StaticFrames()
    assert alone.take("world", "camera", HERE, ONE) and alone.take("world", "camera", THERE, ONE)
    again = StaticFrames()
    assert again.take("world", "camera", HERE, STATE | ONE)
    assert again.take("world", "camera", THERE, STATE | ANEW), "its node was started again"
    killed = StaticFrames()
    assert killed.take("world", "camera", HERE, STATE | ONE)
    assert not killed.take("world", "camera", THERE, STATE | ONE | ANEW), "the graph still knows the dead one"
    assert [won[1] for won in killed.settle(STATE | ANEW)] == ["camera"] and not killed.conflicts()


def test_a_value_that_differs_by_rounding_is_the_same() -> None:
    frames = StaticFrames()
    frames.take("world", "camera", HERE, ONE)
    nearly = SE3.from_rotation_vector([0.0, 0.0, 1e-5], HERE.translation + 1e-6)
    assert frames.take("world", "camera", nearly, ONE | TWO) and not frames.conflicts()
