"""Frames and hands, from names, descriptions and tf."""

from __future__ import annotations

import pytest

from foley_perception.robot.body import fixed_frame, gripper, tip_frame, tool_frame
from foley_perception.robot.description import Description, connected, read_description, tree_root

URDF = """<?xml version="1.0"?>
<robot name="ur5e">
  <link name="world"/><link name="base_link"/><link name="wrist_3_link"/><link name="flange"/><link name="tool0"/>
  <link name="gripper_tcp"/><link name="probe_tip"/><link name="left_finger"/>
  <joint name="base" type="fixed"><parent link="world"/><child link="base_link"/></joint>
  <joint name="wrist_3_joint" type="revolute"><parent link="base_link"/><child link="wrist_3_link"/></joint>
  <joint name="f" type="fixed"><parent link="wrist_3_link"/><child link="flange"/></joint>
  <joint name="t" type="fixed"><parent link="flange"/><child link="tool0"/></joint>
  <joint name="g" type="fixed"><parent link="tool0"/><child link="gripper_tcp"/></joint>
  <joint name="p" type="fixed"><parent link="gripper_tcp"/><child link="probe_tip"/></joint>
  <joint name="finger" type="prismatic"><parent link="gripper_tcp"/><child link="left_finger"/></joint>
</robot>"""
UR = read_description(URDF)


def test_a_description() -> None:
    assert UR.root == "world" and UR.driven() == ("wrist_3_joint", "finger") and UR.fault == ""
    assert read_description("").fault == "" and read_description("").links == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<robot", "is no XML"),
        ("<sdf/>", "is a <sdf>, not a <robot>"),
        ('<robot xmlns:xacro="http://ros.org/xacro"><xacro:arm/></robot>', "xacro, not URDF"),
    ],
)
def test_a_description_that_cannot_be_read(text: str, said: str) -> None:
    assert said in read_description(text).fault


def test_frames_by_name() -> None:
    tool = tool_frame(UR, [])
    assert tool.value == "gripper_tcp" and tool.others == ("tool0", "flange") and not tool.sure
    assert tip_frame(UR, []).value == "probe_tip"
    assert fixed_frame(UR, [], "").value == "world" and fixed_frame(UR, [], "base_link").value == "base_link"
    odd = fixed_frame(UR, [], "nowhere")
    assert odd.value == "nowhere" and "neither tf nor robot_description knows it" in odd.why and not odd.sure
    nothing = fixed_frame(Description(), [], "")
    assert nothing.value == "" and "robot_state_publisher" in nothing.why


def test_where_the_pose_lies_comes_before_names() -> None:
    tool = tool_frame(UR, [("base_link", "tool0_controller")], ["tool0_controller"])
    assert tool.value == "tool0_controller" and tool.sure


def test_tf_alone() -> None:
    links = [("map", "base"), ("base", "arm"), ("arm", "panda_hand_tcp")]
    assert tree_root(links) == "map" and tree_root([*links, ("odd", "x")]) == ""
    assert fixed_frame(Description(), links, "").value == "map"
    assert tool_frame(Description(), links).value == "panda_hand_tcp"
    assert connected([*links, ("odd", "x")], "base") == {"map", "base", "arm", "panda_hand_tcp"}


@pytest.mark.parametrize(
    ("joints", "hand", "joint"),
    [
        (("elbow", "robotiq_85_left_knuckle_joint"), "robotiq_2f85", ""),
        (
            ("elbow", "left_robotiq_85_left_knuckle_joint"),
            "robotiq_2f85",
            "left_robotiq_85_left_knuckle_joint",
        ),
        (("panda_joint1", "panda_finger_joint1"), "panda", ""),
        (("elbow", "rg2_finger"), "parallel_gripper", "rg2_finger"),
        (("elbow",), "", ""),
    ],
)
def test_hands(joints: tuple[str, ...], hand: str, joint: str) -> None:
    found, width = gripper(joints, Description())
    assert (found.value, width.value) == (hand, joint)
    if hand == "parallel_gripper":
        assert not found.sure and "write a hand file of your own" in found.why
