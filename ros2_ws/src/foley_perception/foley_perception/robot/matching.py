"""Which of a robot's topics plays which role: by type, by what its messages hold, by name and by rate.

Each candidate of a role gets points; the best plays it. What was decided by little is said, with the others that it
could have been, and a role that nothing fits is left open with the cure.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Collection, Sequence

from foley_common import topics
from foley_common.topics import Topic
from foley_perception.robot import facts
from foley_perception.robot.seen import SeenTopic

_EXACT, _WORD, _AGAINST, _FITS, _SILENT = 8.0, 2.0, 5.0, 1.0, 1.5
_CLEAR = 2.0  # points by which the best must lead to be sure
_DEPTH = ("16uc1", "mono16", "32fc1")


@dataclasses.dataclass(frozen=True)
class Role:
    """How the topic of a role is known."""

    topic: Topic  # the registry's
    types: tuple[str, ...]
    words: tuple[str, ...]  # in its name
    against: tuple[str, ...]
    rate_hz: tuple[float, float]  # usual
    named: bool = False  # its type alone says too little: one of the words must be there
    cure: str = ""  # where nothing fits
    needed: bool = False


@dataclasses.dataclass(frozen=True)
class Choice:
    """What plays a role."""

    role: Role
    found: SeenTopic | None
    sure: bool = False
    why: str = ""
    others: tuple[SeenTopic, ...] = ()  # what it could have been, the likeliest first

    @property
    def name(self) -> str:
        """The registry's name that is mapped: compressed pictures alone have one of their own."""
        return self.role.topic.name


_COMMANDS = ("target", "goal", "command", "cmd", "desired", "setpoint", "reference", "planned", "sim/")
ROLES: tuple[Role, ...] = (
    Role(
        topics.MICROPHONE, facts.AUDIO, ("mic", "microphone", "audio", "sound"),
        ("contact", "piezo", "predicted", "speaker", "playback", "tts", "speech", "out"), (5, 2000), needed=True,
        cure="start the microphone's driver, or name a device here: sound: {microphone: {device: NAME}}",
    ),
    Role(
        topics.CONTACT_MICROPHONE, facts.AUDIO, ("contact", "piezo", "vibration", "structure"),
        ("predicted", "speaker", "playback", "tts", "speech", "out"), (5, 2000), named=True,
    ),
    Role(
        topics.EE_POSE, (facts.POSE,),
        ("ee", "eef", "tcp", "tool", "effector", "endeffector", "cartesian", "flange", topics.EE_POSE.name, "o_t_ee"),
        (*_COMMANDS, "object", "marker", "tag", "camera", "base", "odom", "amcl", "initialpose", "left"), (20, 2000),
        named=True,
        cure="it is made of joint_states and robot_description, by `tool` below, where both are there",
    ),
    Role(
        topics.JOINT_STATES, (facts.JOINTS,), (topics.JOINT_STATES.name, "joint_state", "joints"), _COMMANDS,
        (10, 2000),
        cure="start joint_state_broadcaster, or what tells the joints here",
    ),
    Role(
        topics.WRENCH, (facts.WRENCH,), ("wrench", "ft", "force", "ftsensor", "torque"),
        (*_COMMANDS, "bias", "left"), (20, 8000),
        cure="a force sensor is of use, not needed",
    ),
    Role(
        topics.CAMERA, (facts.IMAGE, facts.COMPRESSED), ("color", "colour", "rgb", "image_raw", "image", "image_color"),
        ("depth", "infra", "infra1", "infra2", "ir", "mask", "debug", "annotated", "segmentation", "disparity", "left"),
        (2, 120), needed=True, cure="start the camera's driver",
    ),
    Role(
        topics.CAMERA_DEPTH, (facts.IMAGE, facts.COMPRESSED), ("depth", "aligned", "registered"),
        ("color", "rgb", "infra", "ir", "confidence", "debug"), (2, 120), named=True,
        cure="depth, aligned to colour, is of use, not needed",
    ),
    Role(
        topics.JOINT_PLAN, (facts.JOINT_PLAN,), ("planned", "trajectory", "plan"), ("left",), (0, 50),
        cure="plans tell contacts before they happen; `planned_path` (nav_msgs/Path) does as well",
    ),
    Role(
        topics.ROBOT_DESCRIPTION, (facts.TEXT,), (topics.ROBOT_DESCRIPTION.name, "description", "urdf"),
        ("semantic",), (0, 10),
        cure="start robot_state_publisher: without it there are no poses from joints, and no plans of joints",
    ),
    Role(topics.TF_STATIC, (facts.TRANSFORMS,), ("tf_static", "static"), (), (0, 10), named=True),
    Role(
        topics.TF, (facts.TRANSFORMS,), ("tf",), ("static",), (0, 5000),
        cure="robot_state_publisher tells it; without it tf_static, joint_states and robot_description tell the frames",
    ),
)  # fmt: skip
"""In the order in which they choose."""


def match(seen: Sequence[SeenTopic], namespace: str = "") -> tuple[Choice, ...]:
    """What plays each role; a topic plays one."""
    ours = {_absolute(t.name, namespace) for t in topics.TOPICS if t.type.startswith("foley_msgs/")}
    ours -= {_absolute(role.topic.name, namespace) for role in ROLES}
    left = [t for t in seen if t.name not in ours]
    chosen: list[Choice] = []
    for role in ROLES:
        choice = _choose(role, left, namespace, chosen)
        chosen.append(choice)
        if choice.found is not None:
            left.remove(choice.found)
    return tuple(chosen)


def _choose(role: Role, left: Sequence[SeenTopic], namespace: str, before: Sequence[Choice]) -> Choice:
    fitting = [topic for topic in left if _fits(role, topic)]
    scored = [(_points(role, topic, namespace, before), topic) for topic in fitting]
    scored = sorted((s for s in scored if s[0] > -math.inf), key=lambda s: (-s[0], s[1].name))
    if fitting and not scored:
        return Choice(role, None, why="none of its type is called like it", others=tuple(fitting))
    if not scored:
        return Choice(role, None, why="nothing of its type is published")
    others = tuple(topic for _, topic in scored[1:])
    points, best = scored[0]
    if points < 0 and _found(best.name.lower(), role.against):
        return Choice(
            role, None, why=f"{_why(role, best)}; its name speaks against it", others=(best, *others)
        )
    lead = points - scored[1][0] if len(scored) > 1 else math.inf
    exact = best.name == _absolute(role.topic.name, namespace)
    sure = exact or (lead >= _CLEAR and not (len(scored) == 1 and not _words(role, best) and role.named))
    return Choice(role, best, sure, _why(role, best, alone=len(scored) == 1), others)


def _fits(role: Role, topic: SeenTopic) -> bool:
    if topic.type not in role.types:
        return False
    if role.topic == topics.ROBOT_DESCRIPTION and topic.messages:
        return "urdf" in topic.facts
    encoding = str(topic.facts.get("encoding", "")).lower()
    if role.topic in (topics.CAMERA, topics.CAMERA_DEPTH) and encoding:
        deep = encoding.startswith(_DEPTH) or "compresseddepth" in encoding
        return deep == (role.topic == topics.CAMERA_DEPTH)
    return True


def _points(role: Role, topic: SeenTopic, namespace: str, before: Sequence[Choice]) -> float:
    name = topic.name.lower()
    if topic.name == _absolute(role.topic.name, namespace):
        return 2 * _EXACT
    words = _words(role, topic)
    if role.named and not words and "encoding" not in topic.facts:
        return -math.inf
    points = _WORD * min(len(words), 2) - _AGAINST * len(_found(name, role.against))
    if name.endswith("/" + role.topic.name):
        points += _EXACT / 2
    if topic.messages == 0:
        points -= _SILENT
    elif math.isfinite(topic.rate_hz):
        low, high = role.rate_hz
        points += _FITS if low <= topic.rate_hz <= high else -_FITS
    if topic.type in facts.UNSTAMPED_AUDIO:
        points -= _CLEAR  # drivers publish the same sound with and without stamps
    if topic.type == facts.COMPRESSED:
        points -= 3 * _FITS  # raw pictures of the same camera come first
    if role.topic == topics.JOINT_STATES:
        points += min(len(topic.facts.get("joints", ())), 20) / 10  # the whole robot before its gripper
    if role.topic == topics.CAMERA_DEPTH:
        points += _beside_camera(topic, before)
    return points


def _beside_camera(topic: SeenTopic, before: Sequence[Choice]) -> float:
    """Depth of the camera that was chosen: of the same size, below the same name."""
    camera = next((c.found for c in before if c.role.topic == topics.CAMERA), None)
    if camera is None:
        return 0.0
    size = [(t.facts.get("width"), t.facts.get("height")) for t in (camera, topic)]
    points = _WORD if size[0] == size[1] and size[0][0] else -_WORD
    return points + (_WORD if topic.name.split("/")[1] == camera.name.split("/")[1] else 0.0)


def _why(role: Role, topic: SeenTopic, *, alone: bool = False) -> str:
    told = ["the only one of its type"] if alone else []
    told += [f"called `{word}`" for word in _words(role, topic)[:2]]
    if math.isfinite(topic.rate_hz):
        told.append(f"{topic.rate_hz:.3g} Hz")
    elif topic.received:
        told.append("once" if topic.messages else "silent while it was watched")
    else:
        told.append("its message type is not installed here")
    short = topic.type.rpartition("/")[2]
    return ", ".join([short, *told])


def _words(role: Role, topic: SeenTopic) -> list[str]:
    return _found(topic.name.lower(), role.words)


def _found(name: str, words: Collection[str]) -> list[str]:
    """Words that a name has as a whole part; one with a slash, anywhere."""
    parts = {
        p for part in name.strip("/").split("/") for p in (part, *re.split(r"[_\-]|(?<=\D)(?=\d)", part))
    }
    return [word for word in words if (word in name if "/" in word else word in parts)]


def _absolute(name: str, namespace: str) -> str:
    if name.startswith("/"):
        return name
    return f"/{namespace.strip('/')}/{name}" if namespace.strip("/") else f"/{name}"


def robots(seen: Sequence[SeenTopic]) -> list[str]:
    """Namespaces of several robots in one network; empty where there is one at most.

    A robot is a namespace below which joints are told, or a description stands, while none stands outside.
    """
    roots: dict[str, None] = {}
    for topic in seen:
        ends = (topics.JOINT_STATES.name, topics.ROBOT_DESCRIPTION.name)
        if topic.type in (facts.JOINTS, facts.TEXT) and topic.name.rpartition("/")[2] in ends:
            above = topic.name.strip("/").split("/")[:-1]
            roots["/".join(above[:1])] = None
    return sorted(roots) if len(roots) > 1 and "" not in roots else []
