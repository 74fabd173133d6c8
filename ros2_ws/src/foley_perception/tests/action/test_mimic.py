import numpy as np
import pytest

from foley_perception.action.mimic import MimicJoints


def robot(*mimics: str, others: str = "ad") -> str:
    joints = "".join(f'<joint name="{name}" type="revolute"/>' for name in others)
    joints += "".join(
        f'<joint name="{name}" type="revolute"><mimic {rest}/></joint>'
        for name, rest in (mimic.split(" ", 1) for mimic in mimics)
    )
    return f'<?xml version="1.0" encoding="utf-8"?><robot name="r">{joints}<gazebo:x/></robot>'


def test_positions_by_the_leader_by_itself_and_by_another_follower() -> None:
    joints = MimicJoints(robot('b joint="a" multiplier="-2" offset="1"', 'c joint="a"'))
    assert joints.position("b", {"a": 3.0, "b": 9.0}) == -5.0
    assert joints.position("b", {"b": 9.0}) == 9.0
    assert joints.position("b", {"c": 3.0}) == -5.0
    assert joints.position("a", {"b": -5.0}) == 3.0
    assert joints.position("b", {"d": 3.0}) is None
    np.testing.assert_allclose(joints.position("c", {"b": np.array([-5.0, 1.0])}), [3.0, 0.0])
    assert joints.family("b") == ("b", "a", "c") and joints.family("d") == ("d",)


def test_chains_end_at_the_joint_that_is_driven() -> None:
    joints = MimicJoints(
        robot('c joint="b" multiplier="3" offset="1"', 'b joint="a" multiplier="2" offset="0.5"')
    )
    assert joints.leader("c") == "a" and joints.position("c", {"a": 1.0}) == pytest.approx(8.5)


@pytest.mark.parametrize(
    "urdf",
    [
        robot('a joint="b"', 'b joint="a"', others=""),
        robot('a joint="a"', others=""),
        robot('a joint="index_q1"', others=""),
        "<mimic <",
        "",
    ],
)
def test_circles_joints_that_are_not_there_and_what_is_no_xml_follow_nothing(urdf: str) -> None:
    joints = MimicJoints(urdf)
    assert joints.leader("a") == "a" and joints.position("a", {"a": 2.0}) == 2.0
