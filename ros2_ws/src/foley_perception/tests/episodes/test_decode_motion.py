"""Motion of a bag as it comes from others: frames by message, publishers apart, numbers that are not known."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foley_perception.action.gripper import GripperHand
from foley_perception.commands import bag as bag_command
from foley_perception.dataset.cut import CutConfig, Cutter
from foley_perception.episodes import Episode, EpisodeError, read_episode
from foley_perception.episodes.frames import FrameNames
from foley_perception.episodes.planned_path import planned_paths

MakeBag = Callable[..., Path]
HAND = GripperHand.from_yaml("parallel_gripper")
S = 1_000_000_000
START = 1_800_000_000 * S


def each(topic: str, change: Callable[[float, Any], None]) -> Any:
    """An edit that is told the seconds of arrival and each message of a topic, to change it."""

    def edit(time_ns: int, name: str, kind: str, message: Any) -> list[Any]:
        if name == topic:
            message = copy.deepcopy(message)
            change((time_ns - START) / S, message)
        return [(time_ns, name, kind, message)]

    return edit


def cut(bag: Path, **changes: Any) -> tuple[list[Any], Cutter]:
    config = CutConfig(**changes)
    cutter = Cutter(read_episode(bag, frames=config.frames), config)
    return list(cutter.clips()), cutter


def says(episode: Episode | Cutter, *texts: str) -> bool:
    return any(all(text in problem for text in texts) for problem in episode.problems)


# ---- frames --------------------------------------------------------------------------------------------
def test_a_frame_that_changes_within_a_topic_is_followed_message_by_message(make_bag: MakeBag) -> None:
    plain = read_episode(make_bag("plain"))

    def alternate(t: float, message: Any) -> None:
        if round(t * 250) % 2:
            message.header.frame_id, message.pose.position.x = "/base_link", message.pose.position.x - 0.5
        else:
            message.header.frame_id = "" if t < 2 else "/world"

    mixed = read_episode(make_bag("mixed", edit=each("ee_pose", alternate), more=put_base))
    assert plain.ee_pose is not None and mixed.ee_pose is not None
    np.testing.assert_allclose(mixed.ee_pose.poses.translation, plain.ee_pose.poses.translation, atol=1e-9)
    assert not mixed.problems and any(
        "/ee_pose: 250 of 1000 messages have an empty" in n for n in mixed.notes
    )
    with pytest.raises(EpisodeError, match="/ee_pose: its poses are in `base_link`"):
        read_episode(make_bag("unknown", edit=each("ee_pose", alternate)))


def put_base(bag: Any, x: float = 0.5) -> None:
    place = bag.new("geometry_msgs/msg/Transform", bag.vector("Vector3", x, 0, 0), quaternion(bag))
    head = bag.header(bag.options.start_ns, "world")
    stamped = bag.new("geometry_msgs/msg/TransformStamped", head, "base_link", place)
    bag.put(0.0, "/tf_static", "tf2_msgs/msg/TFMessage", bag.new("tf2_msgs/msg/TFMessage", [stamped]))


def quaternion(bag: Any) -> Any:
    return bag.new("geometry_msgs/msg/Quaternion", 0.0, 0.0, 0.0, 1.0)


def test_times_that_tf_does_not_reach_cost_those_poses(make_bag: MakeBag) -> None:
    def late(time_ns: int, name: str, kind: str, message: Any) -> list[Any]:
        return [] if name == "/tf" and time_ns < START + 2 * S else [(time_ns, name, kind, message)]

    episode = read_episode(make_bag(base="moving", edit=late))
    assert episode.ee_pose is not None and episode.ee_pose.times_ns[0] == START + round(1.952 * S)
    assert says(episode, "/ee_pose: 488 of 1000 (first at 0.000 s) poses were left out", "record /tf")


def test_hands_in_another_frame_are_brought_to_the_world(make_bag: MakeBag) -> None:
    def change(t: float, message: Any) -> None:
        message.header.frame_id = "base_link"
        for point in message.right:
            point.x -= 0.5

    edit = each("hand_keypoints", change)
    plain = read_episode(make_bag("plain", person=True, plans=False)).keypoints
    moved = read_episode(make_bag("moved", person=True, plans=False, edit=edit, more=put_base)).keypoints
    assert plain is not None and moved is not None
    np.testing.assert_allclose(moved.keypoints, plain.keypoints, atol=1e-9)
    with pytest.raises(
        EpisodeError, match=r"hand_keypoints: its keypoints are in `base_link`.*--world-frame"
    ):
        read_episode(make_bag("unknown", person=True, plans=False, edit=edit))


@pytest.mark.parametrize("base", ["static", "moving"])
def test_plans_of_the_tool_in_another_frame_are_brought_to_the_world(make_bag: MakeBag, base: str) -> None:
    def change(t: float, message: Any) -> None:
        message.header.frame_id = "base_link"
        for pose in message.poses:
            pose.position.x -= 0.5 + (0.1 * t if base == "moving" else 0.0)

    edit = each("planned_tool_trajectory", change)
    episode = read_episode(make_bag(tool_plans=True, base=base, edit=edit))
    planned = planned_paths(episode, HAND)
    assert len(planned.paths) == 3 and not planned.findings
    for plan in planned.paths:
        np.testing.assert_allclose(plan.path.tip[:, 0], 0.05, atol=1e-9)
    lost = read_episode(make_bag("unknown", tool_plans=True, edit=edit))  # a plan is not needed
    assert not planned_paths(lost, HAND).paths
    assert any(
        "planned_tool_trajectory: " in p and "its plans are in `base_link`" in p for p in lost.problems
    )


def test_a_robot_whose_root_is_not_the_world_is_planned_for_where_it_stands(make_bag: MakeBag) -> None:
    pytest.importorskip("pinocchio")

    def rename(t: float, message: Any) -> None:
        message.data = message.data.replace('"world"', '"base_link"').replace("0.05 0 0", "-0.45 0 0")

    bag = make_bag(edit=each("robot_description", rename), more=put_base)
    clips, cutter = cut(bag)
    assert len(clips) == 3 and not cutter.problems
    truth, _ = cut(make_bag("plain"))
    for ours, theirs in zip(clips, truth, strict=True):
        np.testing.assert_allclose(ours.action_planned, theirs.action_planned, atol=1e-6)


def test_a_robot_whose_root_tf_does_not_know_costs_its_plans_alone(
    make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pinocchio")

    def rename(t: float, message: Any) -> None:
        message.data = message.data.replace('"world"', '"base_link"').replace("0.05 0 0", "-0.45 0 0")

    bag = make_bag("lost", edit=each("robot_description", rename))
    clips, cutter = cut(bag)
    assert len(clips) == 3 and all(np.isnan(clip.action_planned).all() for clip in clips)
    (told,) = cutter.problems
    assert "its 3 plans cannot be followed: no recorded transform connects the root `base_link`" in told
    for clip in clips:
        np.testing.assert_allclose(clip.clip.position, (0.05, 0, 0.05), atol=1e-3)
    parser = argparse.ArgumentParser()
    bag_command.configure(parser)
    assert bag_command.run(parser.parse_args(["check", str(bag), "--out", str(tmp_path)])) == 1
    assert told in " ".join(capsys.readouterr().out.split())


def test_frames_of_other_names(make_bag: MakeBag) -> None:
    def rename(time_ns: int, name: str, kind: str, message: Any) -> list[Any]:
        message = copy.deepcopy(message)
        new = {"world": "map", "tool": "flange", "tip": "stylus"}
        for part in getattr(message, "transforms", [message]):
            if hasattr(part, "header"):
                part.header.frame_id = new.get(part.header.frame_id, part.header.frame_id)
            if hasattr(part, "child_frame_id"):
                part.child_frame_id = new.get(part.child_frame_id, part.child_frame_id)
        if name == "robot_description":
            for old in new:
                message.data = message.data.replace(f'"{old}"', f'"{new[old]}"')
        return [(time_ns, name, kind, message)]

    bag = make_bag(edit=rename)
    ours, cutter = cut(bag, frames=FrameNames("map", "/flange", "stylus"))
    theirs, _ = cut(make_bag("plain"))
    assert len(ours) == 3 and not cutter.problems
    for a, b in zip(ours, theirs, strict=True):
        assert np.array_equal(a.action_executed, b.action_executed) and np.array_equal(a.frames, b.frames)
        np.testing.assert_allclose(a.action_planned, b.action_planned, atol=1e-6)
    with pytest.raises(EpisodeError, match="nobody knows where the tip `styluss` is in the tool `flange`"):
        cut(bag, frames=FrameNames("map", "flange", "styluss"))[0]
    with pytest.raises(EpisodeError, match="the tool `flansch`"):
        cut(bag, frames=FrameNames("map", "flansch"))[0]
    with pytest.raises(EpisodeError, match="in `map`, which no recorded transform connects with `odom`"):
        read_episode(bag, frames=FrameNames("odom"))
    told = read_episode(bag, frames=FrameNames("map", "flange")).motion_problems(None)
    assert len(told) == 1 and "the tool point `flange` is taken for the tip" in told[0]
    assert "name them with --tool-frame and --tip-frame (live: the parameters `tool_frame`" in told[0]
    with pytest.raises(ValueError, match="--tip-frame is empty"):
        FrameNames(tip="/")


# ---- joints --------------------------------------------------------------------------------------------
def test_arm_and_gripper_may_publish_apart_and_with_the_same_stamps(make_bag: MakeBag) -> None:
    def apart(time_ns: int, name: str, kind: str, message: Any) -> list[Any]:
        if name != "joint_states":
            return [(time_ns, name, kind, message)]
        arm, gripper = copy.deepcopy(message), copy.deepcopy(message)
        arm.name, arm.position = ["z"], message.position[:1]
        gripper.name, gripper.position = ["gripper_width"], np.array([(time_ns - START) / S * 0.01])
        sent = [(time_ns, name, kind, arm)]
        slow = round((time_ns - START) / S * 250) % 25 == 0  # 10 Hz
        ceased = time_ns > START + 3 * S
        return sent + ([(time_ns + 1, name, kind, gripper)] if slow and not ceased else [])

    clips, cutter = cut(make_bag(edit=apart))
    assert not cutter.problems
    width = cutter.episode.gripper_width(HAND)
    assert width is not None and len(width[0]) == 31
    seconds = np.arange(90) / 90 - 0.25
    np.testing.assert_allclose(clips[0].action_executed[:, 6], 0.01 * (1.0 + seconds), atol=1e-6)
    last = clips[2].action_executed[:, 6]
    np.testing.assert_allclose(last[seconds < 0], 0.01 * (3.0 + seconds[seconds < 0]), atol=1e-6)
    assert np.isnan(last[seconds > 0.06]).all(), "nothing is known of a gripper that fell silent"


def test_joint_states_that_cannot_be_read_cost_themselves(make_bag: MakeBag) -> None:
    def spoil(t: float, message: Any) -> None:
        number = round(t * 250)
        if number == 100:
            message.name = ["z", "z"]
        elif number == 101:
            message.position = message.position[:1]
        elif number == 102:
            message.position = np.array([np.nan, 0.05])

    episode = read_episode(make_bag(edit=each("joint_states", spoil)))
    width = episode.gripper_width(HAND)
    assert width is not None and len(width[0]) == 998 and width[1].max() == 0.05
    assert says(episode, "/joint_states: 1 of 1000 messages have `z` twice", "first at 0.400 s")
    assert says(episode, "have 1 positions for 2 names") and says(episode, "hold NaN for `z`", "0.408 s")


def test_a_width_by_the_joint_that_the_gripper_joint_follows(make_bag: MakeBag) -> None:
    def lead(t: float, message: Any) -> None:
        message.name = ["z", "motor"]
        message.position = np.array([message.position[0], 0.3])

    def describe(t: float, message: Any) -> None:
        mimic = (
            '<link name="finger"/><link name="rotor"/><joint name="motor" type="continuous">'
            '<parent link="tool"/><child link="rotor"/></joint><joint name="gripper_width" type="prismatic">'
            '<parent link="tool"/><child link="finger"/><limit lower="0" upper="1" effort="1" velocity="1"/>'
            '<mimic joint="motor" multiplier="0.1" offset="0.02"/></joint></robot>'
        )
        message.data = message.data.replace("</robot>", mimic)

    def both(*args: Any) -> list[Any]:
        (item,) = each("joint_states", lead)(*args)
        return each("robot_description", describe)(*item)

    def plan(time_ns: int, name: str, kind: str, message: Any) -> list[Any]:
        if name == "planned_joint_trajectory":
            message.joint_names = ["z", "motor"]
            for point in message.points:
                point.positions[1] = 0.1
        return both(time_ns, name, kind, message)

    clips, cutter = cut(make_bag(edit=plan))
    assert not cutter.problems
    np.testing.assert_allclose(clips[1].action_executed[:, 6], 0.05, atol=1e-7)
    np.testing.assert_allclose(clips[1].action_planned[:, 6], 0.03, atol=1e-7)


def test_a_width_that_nobody_tells_is_nan_and_told(make_bag: MakeBag) -> None:
    clips, cutter = cut(make_bag(gripper=False, plans=False))
    assert len(clips) == 3 and np.isnan(clips[0].action_executed[:, 6]).all()
    assert np.isfinite(clips[0].action_executed[:, :6]).all() and np.isfinite(clips[0].keypoints[:, 1]).all()
    assert says(
        cutter, "joint `gripper_width` of the hand `parallel_gripper` was never seen", "z, other_joint"
    )


def silent(topic: str, when: Callable[[float], bool]) -> Callable[..., list[Any]]:
    """Messages of a topic only when they are wanted; of joints, the gripper's alone is silent."""

    def drop(arrival: int, name: str, kind: str, message: Any) -> list[Any]:
        if name != topic or when((arrival - START) / 1e9):
            return [(arrival, name, kind, message)]
        if topic == "wrench":
            return []
        message.name, message.position = ["z"], message.position[:1]
        return [(arrival, name, kind, message)]

    return drop


@pytest.mark.parametrize(("topic", "column"), [("wrench", 7), ("joint_states", 6)])
def test_a_force_or_width_that_ends_early_or_begins_late_is_told(
    make_bag: MakeBag, topic: str, column: int
) -> None:
    clips, cutter = cut(make_bag("early", edit=silent(topic, lambda t: t < 2.0)))
    assert np.isfinite(clips[0].action_executed[:, column]).all()
    assert np.isnan(clips[2].action_executed[:, column]).all()
    assert says(cutter, f"{topic}: ", "from 0.000 s to 1.996 s only, poses from 0.000 s to 3.996 s", "NaN")
    _, cutter = cut(make_bag("late", edit=silent(topic, lambda t: t >= 1.2)))
    assert says(cutter, f"{topic}: ", "from 1.200 s to 3.996 s only")
    _, cutter = cut(make_bag("enough", edit=silent(topic, lambda t: 0.9 < t < 3.1)))
    assert not cutter.problems


def test_a_width_that_is_told_too_seldom_is_told(make_bag: MakeBag) -> None:
    clips, cutter = cut(make_bag(edit=silent("joint_states", lambda t: round(t * 250) % 250 == 100)))
    assert np.isnan(clips[1].action_executed[:, 6]).sum() > 60
    assert says(cutter, "joint `gripper_width` is not told for up to 1.000 s, from 0.400 s on", "10 Hz")


@pytest.mark.parametrize("width", [20.0, 0.3, -0.02])
def test_a_width_that_the_hand_does_not_have_is_not_known(make_bag: MakeBag, width: float) -> None:
    def spoil(t: float, message: Any) -> None:
        message.position[1] = width if t > 1.9 else 0.02

    clips, cutter = cut(make_bag(edit=each("joint_states", spoil)))
    assert (clips[0].action_executed[:, 6] == np.float32(0.02)).all()
    assert np.isnan(clips[2].action_executed[:, 6]).all()
    low, high = sorted((width, 0.02))
    assert says(
        cutter,
        f"joint `gripper_width` opens the gripper from {low:g} to {high:g} m",
        "from 0 to 0.08 m",
        "--hand",
    )


# ---- forces --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("until_s", [1.5, 9.0])
def test_a_wrench_of_nan_costs_the_force_where_it_is(make_bag: MakeBag, until_s: float) -> None:
    def spoil(t: float, message: Any) -> None:
        if t < until_s:
            message.wrench.force.z = np.nan

    clips, cutter = cut(make_bag(edit=each("wrench", spoil)))
    force = np.stack([clip.action_executed[:, 7] for clip in clips])
    if until_s > 4:
        assert np.isnan(force).all() and says(cutter, "/wrench: all 1000 messages hold NaN")
    else:
        assert np.isnan(force[0][:60]).all() and not np.isnan(force[1:]).any()
        assert force[1].max() == pytest.approx(20.0)
        assert says(cutter, "/wrench: 375 of 1000 messages hold NaN, from 0.000 s to 1.496 s")


@pytest.mark.parametrize("topic", ["wrench", "joint_states"])
@pytest.mark.parametrize("half_s", [0.009, 0.1])
def test_what_is_nan_at_a_contact_is_nan_there(make_bag: MakeBag, topic: str, half_s: float) -> None:
    def spoil(t: float, message: Any) -> None:
        if abs(t - 2.0) < half_s and topic == "wrench":
            message.wrench.force.z = np.nan
        elif abs(t - 2.0) < half_s:
            message.position[1] = np.nan

    clips, cutter = cut(make_bag(edit=each(topic, spoil)))
    column = 7 if topic == "wrench" else 6
    near = np.abs(np.arange(90) / 90 - 0.25) < half_s
    assert near.sum() >= 1
    assert np.isnan(clips[1].action_executed[near, column]).all()
    assert np.isfinite(clips[1].action_executed[~near, column]).sum() >= (~near).sum() - 2
    assert np.isfinite(clips[0].action_executed[:, column]).all()
    assert says(cutter, f"/{topic}: ", "hold NaN")


def test_a_wrench_that_freezes_is_not_known_then(make_bag: MakeBag) -> None:
    def freeze(t: float, message: Any) -> None:
        message.wrench.force.z = 3.3 if t > 1.9 else message.wrench.force.z

    clips, cutter = cut(make_bag(edit=each("wrench", freeze)))
    force = np.stack([clip.action_executed[:, 7] for clip in clips])
    assert np.isfinite(force[0]).all() and force[0].max() == pytest.approx(20.0)
    assert np.isfinite(force[1][:10]).all() and np.isnan(force[1][16:]).all() and np.isnan(force[2]).all()
    assert says(cutter, "/wrench: it stays the same to the last bit once", "3.3", "from 1.904 s to 3.996 s")


def test_a_dead_wrench_is_not_a_force_where_nobody_tells_of_contacts(make_bag: MakeBag) -> None:
    def still(t: float, message: Any) -> None:
        message.wrench.force.z = 0.0

    clips, cutter = cut(make_bag(truth=False, scene=False, edit=each("wrench", still)))
    assert len(clips) == 3 and all(np.isnan(clip.action_executed[:, 7]).all() for clip in clips)
    assert says(
        cutter, "/wrench: it is (0, 0, 0, 0, 0, 0) in all 1000 messages from 0.000 s to 3.996 s, which no"
    )


def test_a_wrench_that_no_contact_changes_is_not_a_force(make_bag: MakeBag) -> None:
    def still(t: float, message: Any) -> None:
        message.wrench.force.z = 0.0

    clips, cutter = cut(make_bag(edit=each("wrench", still)))
    assert np.isnan(clips[0].action_executed[:, 7]).all()
    assert says(cutter, "/wrench: it is (0, 0, 0, 0, 0, 0) in all 1000 messages", "3 contacts happen")


# ---- poses ---------------------------------------------------------------------------------------------
def test_a_contact_in_a_gap_of_the_poses_is_left_out_with_a_reason(make_bag: MakeBag) -> None:
    def lose(time_ns: int, name: str, kind: str, message: Any) -> list[Any]:
        lost = name == "ee_pose" and 1.8 < (time_ns - START) / S < 2.5
        return [] if lost else [(time_ns, name, kind, message)]

    clips, cutter = cut(make_bag(edit=lose))
    assert [clip.clip.contact_ns for clip in clips] == [START + S, START + 3 * S]
    assert list(cutter.left_out) == [START + 2 * S] and "0.25 s of the clip" in cutter.left_out[START + 2 * S]
    assert says(cutter, "/ee_pose: 1 gap of more than 0.25 s between poses", "0.700 s from 1.800 s on")


def test_poses_that_are_none_are_left_out_and_others_normalised(make_bag: MakeBag) -> None:
    def turn(t: float, message: Any) -> None:
        number = round(t * 250)
        message.pose.orientation.x = 0.4 if number % 50 == 7 else 1.08

    episode = read_episode(make_bag(edit=each("ee_pose", turn)))
    assert episode.ee_pose is not None and episode.ee_pose.dropped == 20
    np.testing.assert_allclose(episode.ee_pose.poses.quaternion, np.tile([1.0, 0, 0, 0], (980, 1)))
    assert says(episode, "20 of 1000 (first at 0.028 s) poses have a quaternion of length 0.4")


def test_a_tool_that_never_moves_while_it_touches_is_told(make_bag: MakeBag) -> None:
    def rest(t: float, message: Any) -> None:
        message.pose.position.z = 0.3

    episode = read_episode(make_bag(edit=each("ee_pose", rest)))
    assert says(episode, "/ee_pose: the tool stays at (0.050, 0.000, 0.300)", "while 3 contacts happen")


# ---- plans ---------------------------------------------------------------------------------------------
def test_a_plan_that_cannot_be_followed_costs_itself(make_bag: MakeBag) -> None:
    pytest.importorskip("pinocchio")

    def spoil(t: float, message: Any) -> None:
        if t < 1.0:
            message.joint_names = ["lift", "gripper_width"]
        elif t < 2.0:
            message.points[3].positions = np.array([0.1])

    clips, cutter = cut(make_bag(edit=each("planned_joint_trajectory", spoil)))
    assert [bool(np.isfinite(clip.action_planned).all()) for clip in clips] == [False, False, True]
    assert says(cutter, "the plan that came at 0.100 s is left out: joint `lift` is not in robot_description")
    assert says(cutter, "came at 1.100 s is left out: point 3 has 1 positions for 2 joints")


def test_plans_without_a_robot_description_cost_the_plans(make_bag: MakeBag) -> None:
    def drop(time_ns: int, name: str, kind: str, message: Any) -> list[Any]:
        return [] if name == "robot_description" else [(time_ns, name, kind, message)]

    clips, cutter = cut(make_bag(edit=drop))
    assert len(clips) == 3 and np.isnan(clips[0].action_planned).all()
    assert says(
        cutter, "3 plans cannot be followed: robot_description was not recorded", "no action is planned"
    )
