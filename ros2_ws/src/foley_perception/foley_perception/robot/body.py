"""The frames and the hand of a robot, from its description, its tf and its joints."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterable, Sequence

from foley_common.robot_file import USUAL_HAND
from foley_perception.action.gripper import GripperHand
from foley_perception.robot.description import Description, tree_root

SHIPPED_HANDS = ("robotiq_2f85", "panda", USUAL_HAND)
_TOOLS = (
    r"tool", r"tcp", r".*_tcp", r"tool_center_point", r"ee_tool|tool_frame", r".*grasp.*(frame|link|target)?",
    r"tool0", r"end_effector(_link)?|ee_link|ee_frame|.*_ee(_link)?|eef|.*_eef", r".*tool0", r"flange|.*_flange",
    r".*(gripper|hand)(_base)?(_link)?",
)  # fmt: skip
"""Names of a tool point, the likeliest first: what lies further out comes first."""
_TIPS = (
    r"tip",
    r"(stick|probe|stylus|poker|tool|pen)_?tip(_link|_frame)?",
    r"(stick|probe|stylus|poker)(_link)?",
)
_FINGERS = re.compile(r"finger|gripper|knuckle|jaw")


@dataclasses.dataclass(frozen=True)
class Guess:
    """A value, why, and what it could have been; empty where nothing was found, and ``why`` says the cure."""

    value: str
    why: str
    others: tuple[str, ...] = ()
    sure: bool = False


def fixed_frame(description: Description, links: Sequence[tuple[str, str]], pose_frame: str) -> Guess:
    """What everything is brought to."""
    known = {frame for link in links for frame in link} | set(description.links)
    if pose_frame:
        told = "" if pose_frame in known or not known else "; neither tf nor robot_description knows it"
        return Guess(pose_frame, f"frame of the pose{told}", sure=not told)
    root = tree_root(links)
    if root and (not description.root or description.root == root):
        return Guess(root, "everything in tf hangs on it", sure=True)
    if description.root:
        others = (root,) if root and root != description.root else ()
        return Guess(description.root, "root of robot_description", others, sure=not others)
    if root:
        return Guess(root, "everything in tf hangs on it", sure=True)
    return Guess("", "no frame is known: start robot_state_publisher, or write the frame that does not move")


def tool_frame(
    description: Description, links: Sequence[tuple[str, str]], same_as_pose: Collection[str] = ()
) -> Guess:
    """The frame whose pose is told, or is made of the joints.

    Args:
        same_as_pose: frames of tf that lie where the pose says.
    """
    frames = list(dict.fromkeys([*description.links, *(f for link in links for f in link)]))
    found = _ranked(frames, _TOOLS)
    if same_as_pose:
        best = next((frame for frame in found if frame in same_as_pose), sorted(same_as_pose)[0])
        others = tuple(f for f in same_as_pose if f != best)
        return Guess(best, "in tf it lies where the pose says", others, sure=True)
    if not found:
        return Guess(
            "",
            "no frame is called like a tool; write the link whose pose is told, or is to be made of joints",
        )
    return Guess(found[0], "by its name; is it the point between the pads?", tuple(found[1:5]))


def tip_frame(description: Description, links: Sequence[tuple[str, str]]) -> Guess:
    """What touches things."""
    frames = list(dict.fromkeys([*description.links, *(f for link in links for f in link)]))
    found = _ranked([f for f in frames if "finger" not in f.lower()], _TIPS)
    if not found:
        return Guess("", "no frame is called like a tip: the tool point counts as what touches")
    return Guess(found[0], "by its name", tuple(found[1:3]), sure=len(found) == 1)


def gripper(joints: Sequence[str], description: Description) -> tuple[Guess, Guess]:
    """The hand file, and the joint that tells its opening, where that is another one than the file's."""
    told = list(
        dict.fromkeys([*joints, *(j.name for j in description.joints if j.kind not in ("fixed", ""))])
    )
    for name in SHIPPED_HANDS:
        own = GripperHand.from_yaml(name).width_joint
        if own in told:
            return Guess(name, f"its joint {own} is there", sure=True), Guess(
                "", "the hand file's own", sure=True
            )
        alike = [joint for joint in told if joint.endswith(f"_{own}") or joint.endswith(f"/{own}")]
        if alike:
            why = f"{alike[0]} ends like its joint"
            return Guess(name, why, sure=True), Guess(
                alike[0], "ends like the hand file's joint", tuple(alike[1:])
            )
    followers = {joint.name for joint in description.joints if joint.follows}
    fingers = [joint for joint in told if _FINGERS.search(joint.lower()) and joint not in followers]
    if not fingers:
        return (
            Guess(
                "",
                "no joint is called like a gripper's: the hand is drawn closed, and its width is not known",
            ),
            Guess("", "none is called like a gripper's"),
        )
    cure = "no shipped hand has its joint: scale and offset are those of another gripper; write a hand file of your own"
    return (
        Guess(USUAL_HAND, f"{cure} (docs/conventions.md, Hands)"),
        Guess(fingers[0], "by its name", tuple(fingers[1:4])),
    )


def _ranked(frames: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """Frames that match, by the first pattern that they do."""
    ranked = []
    for order, frame in enumerate(frames):
        rank = next((i for i, pattern in enumerate(patterns) if re.fullmatch(pattern, frame.lower())), None)
        if rank is not None:
            ranked.append((rank, order, frame))
    return [frame for _, _, frame in sorted(ranked)]
