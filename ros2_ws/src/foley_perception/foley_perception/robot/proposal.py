"""A robot's file, proposed from what was seen: every value with its reason, what was guessed with the alternatives, and
what was not found as a commented entry with the cure."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence

from foley_common import topics
from foley_common.robot_file import RawSound, RobotFile
from foley_perception.robot import body, facts
from foley_perception.robot.body import Guess
from foley_perception.robot.description import Description, read_description
from foley_perception.robot.matching import Choice, match, robots
from foley_perception.robot.seen import Seen, SeenTopic, below, sound_facts

_WIDTH = 46  # of an entry before its comment
_DEAD = 1e-7  # level of a channel to which nothing is connected


class SeveralRobots(ValueError):
    """There are several robots, and nobody said which is meant."""


@dataclasses.dataclass(frozen=True)
class Proposal:
    """What a robot's file could say."""

    choices: tuple[Choice, ...]
    fixed: Guess
    tool: Guess
    tip: Guess
    hand: Guess
    joint: Guess
    description: Description
    namespace: str
    name: str
    seen: Seen

    def found(self, topic: topics.Topic) -> SeenTopic | None:
        return next((c.found for c in self.choices if c.role.topic == topic), None)

    @property
    def open(self) -> list[str]:
        """What is needed and was not found, one sentence each."""
        told = [
            f"{c.role.topic.role}: {c.why}; {c.role.cure}"
            for c in self.choices
            if c.found is None and c.role.needed
        ]
        if self.found(topics.EE_POSE) is None and (
            self.found(topics.JOINT_STATES) is None or self.found(topics.ROBOT_DESCRIPTION) is None
        ):
            told.append(
                "ee_pose: neither a pose of the tool, nor joint_states with robot_description: start "
                "robot_state_publisher, or the arm's driver"
            )
        return told

    @property
    def guessed(self) -> list[str]:
        """What may be another one, one sentence each."""
        told = [
            f"{c.role.topic.role}: {c.found.name} ({c.why}){_others([t.name for t in c.others])}"
            for c in self.choices
            if c.found is not None and not c.sure
        ]
        for name, guess in (("tool frame", self.tool), ("tip frame", self.tip), ("fixed frame", self.fixed)):
            if guess.value and not guess.sure:
                told.append(f"{name}: {guess.value} ({guess.why}){_others(guess.others)}")
        if self.hand.value and not self.hand.sure:
            told.append(f"hand: {self.hand.value} ({self.hand.why})")
        return told


def propose(seen: Seen, namespace: str = "", same_as_pose: Sequence[str] = ()) -> Proposal:
    """A robot's file for what was seen.

    Args:
        namespace: of the robot that is meant, where there are several.
        same_as_pose: frames of tf that lie where the robot's pose says.

    Raises:
        SeveralRobots: there are several, and ``namespace`` is empty; or nothing is in it.
    """
    there = below(seen.topics, namespace)
    if not namespace and (several := robots(seen.topics)):
        raise SeveralRobots(
            f"there are several robots: {', '.join(several)}; say which is meant: --namespace {several[0]}, and write "
            "a file for each"
        )
    if namespace and not [t for t in there if t.name.startswith(f"/{namespace.strip('/')}/")]:
        known = ", ".join(robots(seen.topics)) or "no robot in a namespace"
        raise SeveralRobots(f"nothing is published below /{namespace.strip('/')}; there is {known}")
    choices = match([topic for topic in there if not seen.only_listed(topic)], namespace)

    def found(topic: topics.Topic) -> SeenTopic | None:
        return next((c.found for c in choices if c.role.topic == topic), None)

    text = found(topics.ROBOT_DESCRIPTION)
    urdf = str(text.facts.get("urdf", "")) if text is not None else ""
    description = read_description(urdf)
    links = tuple(link for topic in there for link in topic.facts.get("links", ()))
    pose, joints = found(topics.EE_POSE), found(topics.JOINT_STATES)
    names = tuple(joints.facts.get("joints", ())) if joints is not None else ()
    hand, joint = body.gripper(names, description)
    return Proposal(
        choices=choices,
        fixed=body.fixed_frame(
            description, links, str(pose.facts.get("frame_id", "")).lstrip("/") if pose else ""
        ),
        tool=body.tool_frame(description, links, same_as_pose if pose is not None else ()),
        tip=body.tip_frame(description, links),
        hand=hand,
        joint=joint,
        description=description,
        namespace=namespace.strip("/"),
        name=_robot_name(urdf) or namespace.strip("/").replace("/", "_") or "robot",
        seen=seen,
    )


def text_of(proposal: Proposal) -> str:
    """The proposal as a file, which :class:`RobotFile` reads.

    Raises:
        RobotFileError: a name that was seen cannot stand in such a file.
    """
    p = proposal
    lines = [
        f"# Proposed by `foley robot init` from {p.seen.where}, watched for {p.seen.seconds:.0f} s.",
        "# Lines marked `?` were guessed. `foley robot check FILE` holds this file against the robot.",
        "# What each entry means: docs/robots.md.",
        "version: 1",
        f"name: {_quoted(p.name)}",
        _line(f"namespace: {_quoted(p.namespace)}", "under which Foley's own nodes of this robot run"),
        "topics: # our roles, and this robot's topics",
    ]
    chosen = [line for choice in p.choices for line in _topic_lines(choice)]
    if not any(c.found is not None for c in p.choices):
        lines[-1] = "topics: {} # nothing that Foley knows is published"
    lines += chosen + _camera_info(p)
    lines.append("frames:")
    for name, guess, usual in (("fixed", p.fixed, "world"), ("tool", p.tool, "tool"), ("tip", p.tip, "tip")):
        lines += _guess_lines(f"  {name}", guess, usual)
    if not (p.fixed.value or p.tool.value or p.tip.value):
        lines[lines.index("frames:")] = "frames: {}"
    lines += _guess_lines("hand", p.hand, "parallel_gripper")
    lines += _guess_lines("gripper_joint", p.joint, "")
    lines += _sound_lines(p) + _cameras(p)
    lines += [
        "latencies: {} # by which stamps are late [s]: {microphone: {seconds: 0.012}}; docs/robots.md measures them",
        "limits: {} # beyond which a topic is odd: {wrench: {min_rate_hz: 100, max_gap_s: 0.1, max_latency_s: 0.05}}",
    ]
    if p.description.fault:
        lines.append(f"# ! {p.description.fault}")
    text = "\n".join(lines) + "\n"
    RobotFile.parse(text, "the proposed file")
    return text


# ---- sections ----------------------------------------------------------------------------------------------
def _topic_lines(choice: Choice) -> list[str]:
    role = choice.role.topic.role
    if choice.found is None:
        if not choice.role.cure:
            return []
        could = _others([t.name for t in choice.others])
        return [f"  # {role}:  # not found: {choice.why}{could}. {choice.role.cure}".rstrip()]
    name = choice.found.name
    if choice.found.type == facts.COMPRESSED:
        ending = "/compressedDepth" if role.endswith("depth") else "/compressed"
        if name.endswith(ending):
            name = name.removesuffix(ending)
            why = f"only {ending.strip('/')} is published below it; {choice.why}"
        else:
            role, why = f"{role}_compressed", choice.why
    else:
        why = choice.why
    unsure = "" if choice.sure else "? "
    lines = [_line(f"  {role}: {_quoted(name)}", f"{unsure}{why}")]
    if not choice.sure and choice.others:
        lines.append(f"  #   could be {', '.join(t.name for t in choice.others[:5])}")
    return lines


def _camera_info(p: Proposal) -> list[str]:
    """Only where it is not beside the pictures, where it is looked for."""
    camera = p.found(topics.CAMERA)
    infos = [t for t in below(p.seen.topics, p.namespace) if t.type == facts.CAMERA_INFO]
    if camera is None:
        return []
    name = camera.name.removesuffix("/compressed")
    beside = name.rpartition("/")[0] + "/camera_info"
    if any(info.name == beside for info in infos):
        return [f"  # camera_info: {beside} is found beside the pictures"]
    frame = camera.facts.get("frame_id")
    size = (camera.facts.get("width"), camera.facts.get("height"))
    fitting = [
        i
        for i in infos
        if i.facts.get("frame_id") == frame or (i.facts.get("width"), i.facts.get("height")) == size
    ]
    if not fitting:
        return [
            "  # camera_info:  # not found: without calibration there are no clips; calibrate the camera's driver"
        ]
    return [
        _line(f"  camera_info: {_quoted(fitting[0].name)}", "? of the same frame or size as the pictures")
    ]


def _guess_lines(key: str, guess: Guess, usual: str) -> list[str]:
    if not guess.value:
        default = f" (`{usual}` is looked for)" if usual and key.startswith(" ") else ""
        indent = " " * (len(key) - len(key.lstrip()))
        return [f"{indent}# {key.strip()}:  # not found: {guess.why}{default}"] if not guess.sure else []
    unsure = "" if guess.sure else "? "
    lines = [_line(f"{key}: {_quoted(guess.value)}", f"{unsure}{guess.why}")]
    if guess.others:
        lines.append(f"{' ' * (len(key) - len(key.lstrip()))}#   could be {', '.join(guess.others)}")
    return lines


def _sound_lines(p: Proposal) -> list[str]:
    lines = []
    for topic in (topics.MICROPHONE, topics.CONTACT_MICROPHONE):
        heard = p.found(topic)
        if heard is not None:
            lines += _one_sound(topic.role, heard, p)
    return ["sound:", *lines] if lines else ["sound: {}"]


def _one_sound(role: str, heard: SeenTopic, p: Proposal) -> list[str]:
    known, whence = sound_facts(p.seen.topics, heard)
    entry: list[str] = []
    rate, channels = int(known.get("sample_rate") or 0), int(known.get("channels") or 0)
    if rate:
        entry.append(f"sample_rate: {rate}")
    levels = tuple(known.get("levels", ()))
    told = [f"{channels} channel{'s' * (channels != 1)}"] if channels else []
    channel = 0
    if len(levels) > 1 and levels[0] <= _DEAD and max(levels) > _DEAD:
        channel = max(range(len(levels)), key=lambda i: levels[i])
        told.append(f"? nothing is heard on channel 0, the loudest is {channel}")
    if channels:
        entry.append(f"channel: {channel}")
    if not rate and heard.type == facts.OWN_AUDIO:
        return [_line(f"  {role}: {{channel: 0}}", "nothing was heard while it was watched")]
    if not rate:
        raw = RawSound()
        shape = f"{{coding: {raw.coding}, sample_rate: {raw.sample_rate}, channels: {raw.channels}}}"
        cure = (
            f"    # raw: {shape}  # not found: nothing tells what {heard.name} ({heard.type}) holds; write it as its "
            "driver is configured"
        )
        return [f"  {role}:", "    channel: 0", cure]
    return [_line(f"  {role}: {{{', '.join(entry)}}}", "; ".join([f"as {whence}", *told]))]


def _cameras(p: Proposal) -> list[str]:
    camera = p.found(topics.CAMERA)
    if camera is None:
        return ["cameras: {}"]
    only = camera.type == facts.COMPRESSED
    how = "compressed" if only else "auto"
    why = (
        "only compressed pictures are published"
        if only
        else "raw, or compressed where only that is published"
    )
    return [_line(f"cameras: {{camera: {{transport: {how}}}}}", why)]


def _line(entry: str, comment: str) -> str:
    return f"{entry:<{_WIDTH}} # {' '.join(comment.split())}" if comment else entry


def _others(names: Sequence[str]) -> str:
    return f"; could be {', '.join(names[:4])}" if names else ""


def _quoted(text: str) -> str:
    """As YAML reads it as a text."""
    plain = re.fullmatch(r"[A-Za-z/_][A-Za-z0-9/_.@-]*", text)
    words = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")
    return text if plain and text.lower() not in words else json.dumps(text)


def _robot_name(urdf: str) -> str:
    match_ = re.search(r"<robot\b[^>]*\bname\s*=\s*[\"']([^\"']+)[\"']", urdf)
    return match_[1] if match_ else ""
