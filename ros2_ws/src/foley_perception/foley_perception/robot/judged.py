"""A robot's file held against what was seen of the robot: what is there, what is missing, what is odd."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

from foley_common import topic_map, topics
from foley_common.foreign_audio import raw_formats
from foley_common.latencies import Latencies
from foley_common.robot_file import Limits, RobotFile, Sound
from foley_common.topics import Topic
from foley_perception.audit.finding import Severity
from foley_perception.episodes.frames import FrameNames, frame_names
from foley_perception.robot import facts
from foley_perception.robot.body import tip_frame, tool_frame
from foley_perception.robot.description import Description, connected, read_description
from foley_perception.robot.matching import ROLES
from foley_perception.robot.seen import SeenTopic, sound_facts
from foley_perception.robot.watch import Watched

_FAR_M = 20.0  # no arm reaches so far: it is in millimetres
_NORM = (0.9, 1.1)
_USUAL_RATE = 48000  # of nodes that are told nothing else [Hz]
_USUAL: Mapping[str, Limits] = {
    "audio": Limits(max_gap_s=0.5, max_latency_s=1.0),
    "pose": Limits(min_rate_hz=20, max_gap_s=0.25, max_latency_s=0.5),
    "joints": Limits(min_rate_hz=10, max_gap_s=0.5, max_latency_s=0.5),
    "wrench": Limits(min_rate_hz=20, max_gap_s=0.25, max_latency_s=0.5),
    "image": Limits(min_rate_hz=5, max_gap_s=0.5, max_latency_s=1.0),
    "depth": Limits(min_rate_hz=1, max_gap_s=2.0, max_latency_s=1.5),
}
"""Where the file sets no limit, by what reads a topic. Frames older than 0.25 s make no clip (clips/pictures.py)."""


@dataclasses.dataclass(frozen=True)
class Said:
    """One thing about one topic, or (empty) the whole robot."""

    severity: Severity
    role: str
    text: str


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table."""

    role: str
    topic: str
    seen: SeenTopic | None
    lag_s: float = math.nan  # median, from what it tells of until it is here: with the file's latency
    state: str = "ok"  # or missing, silent, odd, note

    @property
    def figures(self) -> dict[str, Any]:
        seen = self.seen
        return {
            "topic": self.topic,
            "state": self.state,
            "type": seen.type if seen else "",
            "messages": seen.messages if seen else 0,
            "rate_hz": seen.rate_hz if seen else math.nan,
            "longest_gap_s": seen.longest_gap_s if seen else math.nan,
            "lag_median_s": self.lag_s,
            "lag_s": list(seen.lag_s) if seen and seen.lag_s else [],
            "unstamped": seen.unstamped if seen else 0,
            "qos": seen.qos if seen else "",
        }


@dataclasses.dataclass(frozen=True)
class Judgement:
    """All of it."""

    rows: tuple[Row, ...]
    said: tuple[Said, ...]  # the worst first

    @property
    def problems(self) -> int:
        return sum(one.severity > Severity.NOTE for one in self.said)


def judge(robot: RobotFile, watched: Watched) -> Judgement:
    """A robot's file against what was seen."""
    names = _names(robot, watched)
    roles = {names[t.name]: t for t in topics.TOPICS if t.name in names}
    rows, said = [], []
    for topic in topics.TOPICS:
        if topic.name not in names or not _of_the_robot(topic, robot):
            continue
        seen = watched.seen.get(names[topic.name])
        if seen is not None and topic.name not in robot.topic_map and watched.seen.only_listed(seen):
            seen = None
        about = list(_of_topic(robot, topic, names[topic.name], seen, watched))
        if seen is None and not about:
            continue
        rows.append(_row(robot, topic, names[topic.name], seen, about))
        said += about
    channels = {names[topics.topic(d).name]: s.channel for d, s in robot.sound.items() if s.channel}
    verdict = watched.audit.verdict(roles, channels, raw_formats(robot.sound))
    told = {finding.topic for finding in verdict.findings}
    said = [one for one in said if not (one.text.startswith("stamps") and names.get(one.role) in told)]
    said += [
        Said(f.severity, roles[f.topic].role if f.topic in roles else "", f.text) for f in verdict.findings
    ]
    rows = [
        dataclasses.replace(row, state="odd") if row.state == "ok" and _worst(said, row.role) else row
        for row in rows
    ]
    said += [*_poses(names, watched), *_frames(robot, names, watched)]
    once = list(dict.fromkeys(said))
    return Judgement(tuple(rows), tuple(sorted(once, key=lambda one: -one.severity)))


def _of_the_robot(topic: Topic, robot: RobotFile) -> bool:
    """Whether a driver publishes it, not Foley's own nodes or the simulator."""
    if topic.name in robot.topic_map or topic in (topics.ROBOT_DESCRIPTION, topics.TF, topics.TF_STATIC):
        return True
    return bool(topic.device) and (topic.reader == "audio" or not topic.type.startswith("foley_msgs/"))


# ---- which topic is which ----------------------------------------------------------------------------------
def _names(robot: RobotFile, watched: Watched) -> dict[str, str]:
    """Registry's names -> topics, as nodes of this robot would subscribe to them."""
    whose = f"/{robot.namespace}/" if robot.namespace else "/"
    there = {topic.name for topic in watched.seen.topics}
    mapped = topic_map.implied(robot.topic_map) | dict(robot.topic_map)
    found = {}
    for topic in topics.TOPICS:
        if topic.name.startswith("~"):
            continue
        name = mapped.get(topic.name) or (topic.name if topic.absolute else whose + topic.name)
        ending = [t for t in there if t.endswith("/" + topic.name)]
        if topic.name not in mapped and name not in there and not watched.seen.live and len(ending) == 1:
            name = ending[0]  # readers of a bag find it in any namespace
        found[topic.name] = name
    return found


def _row(robot: RobotFile, topic: Topic, name: str, seen: SeenTopic | None, about: list[Said]) -> Row:
    worst = max((one.severity for one in about), default=None)
    state = "ok" if worst is None else "note" if worst == Severity.NOTE else "odd"
    if seen is None:
        state = "missing"
    elif not seen.messages and topic.qos not in ("event", "latched", "tf_static"):
        state = "silent"
    late = Latencies({key: entry.seconds for key, entry in robot.latencies.items()}).ns(topic) * 1e-9
    steady = topic.qos not in ("event", "latched", "tf_static")  # else its stamp is not when it was sent
    lag = seen.lag_s[1] + late if steady and seen is not None and seen.lag_s is not None else math.nan
    return Row(topic.role, name, seen, lag, state)


def _worst(said: list[Said], role: str) -> bool:
    return any(one.role == role and one.severity > Severity.NOTE for one in said)


# ---- one topic ---------------------------------------------------------------------------------------------
def _of_topic(
    robot: RobotFile, topic: Topic, name: str, seen: SeenTopic | None, watched: Watched
) -> Iterator[Said]:
    def say(severity: Severity, text: str) -> Said:
        return Said(severity, topic.role, f"{name}: {text}")

    mapped = topic.name in robot.topic_map
    if seen is None:
        below = any(other.name.startswith(name + "/compressed") for other in watched.seen.topics)
        if mapped and not below:
            near = topic_map.near(name, [t.name for t in watched.seen.of(*_types(topic))])[:3]
            there = f"; of its type there are {', '.join(near)}" if near else "; nothing of its type is there"
            yield say(Severity.PROBLEM, f"nobody publishes it{there}")
        elif topic in (topics.MICROPHONE, topics.CAMERA) and not below:
            yield say(
                Severity.ERROR if topic == topics.MICROPHONE else Severity.PROBLEM,
                f"nobody publishes it; write the robot's own topic: topics: {{{topic.role}: TOPIC}}",
            )
        return
    if seen.type not in _types(topic):
        yield say(Severity.PROBLEM, f"has type {seen.type}, expected {topic.type}")
        return
    if not seen.received:
        yield say(
            Severity.PROBLEM,
            f"{seen.type} is not installed here, so it cannot be heard: build its package",
        )
        return
    if why := watched.unreadable.get(name):
        yield say(Severity.PROBLEM, f"some messages cannot be read ({why})")
    if len(seen.offers) > 1 and topic.name not in (
        topics.TF.name,
        topics.TF_STATIC.name,
        topics.JOINT_STATES.name,
    ):
        yield say(Severity.PROBLEM, f"{len(seen.offers)} nodes publish it at once; a topic has one source")
    yield from (say(severity, text) for severity, text in _offered(topic, seen))
    if not seen.messages:
        if topic.qos not in ("event", "latched", "tf_static"):
            yield say(
                Severity.PROBLEM, f"no message within {watched.seen.seconds:.0f} s: is its driver running?"
            )
        return
    yield from (say(severity, text) for severity, text in _paced(robot, topic, seen))
    if topic.reader == "audio":
        yield from (
            say(severity, text)
            for severity, text in _sound(robot.sound.get(topic.device, Sound()), seen, watched)
        )


def _types(topic: Topic) -> tuple[str, ...]:
    if topic.reader == "audio":
        return facts.AUDIO
    role = next((role for role in ROLES if role.topic == topic), None)
    return (topic.type,) if role is None or topic.reader in ("image", "depth") else role.types


def _offered(topic: Topic, seen: SeenTopic) -> Iterator[tuple[Severity, str]]:
    best_effort = any(offer.reliability == "best_effort" for offer in seen.offers)
    volatile = any(offer.durability == "volatile" for offer in seen.offers)
    if best_effort and topic.reader == "audio":
        yield Severity.NOTE, "is offered best effort: it is heard so, and what the network loses is a gap"
    if volatile and topic.qos == "latched":
        yield (
            Severity.PROBLEM,
            "is offered volatile: who starts later never gets it; publish it transient local (latched)",
        )


def _paced(robot: RobotFile, topic: Topic, seen: SeenTopic) -> Iterator[tuple[Severity, str]]:
    """Rate, gaps and stamps against arrival."""
    own, usual = robot.limits.get(topic.role, Limits()), _USUAL.get(topic.reader, Limits())

    def limit(name: str) -> float:
        return float(getattr(usual if math.isnan(getattr(own, name)) else own, name))

    if seen.rate_hz < limit("min_rate_hz"):
        yield (
            Severity.PROBLEM,
            f"comes at {seen.rate_hz:.3g} Hz, at least {limit('min_rate_hz'):g} Hz are needed",
        )
    if seen.longest_gap_s > limit("max_gap_s"):
        yield (
            Severity.PROBLEM,
            f"was silent for {seen.longest_gap_s:.3g} s, {limit('max_gap_s'):g} s are allowed",
        )
    if seen.unstamped:
        yield (
            Severity.PROBLEM,
            f"stamps are 0 in {seen.unstamped} of {seen.messages} messages: the driver must stamp them with ROS time",
        )
    if seen.lag_s is None:
        return
    late = Latencies({key: entry.seconds for key, entry in robot.latencies.items()}).ns(topic) * 1e-9
    median = seen.lag_s[1] + late  # from what it tells of until it is here
    if abs(median) > 3600:
        yield (
            Severity.PROBLEM,
            f"stamps lie {abs(median):.3g} s off the time of arrival: they are of another clock",
        )
    elif median > limit("max_latency_s"):
        yield (
            Severity.PROBLEM,
            f"stamps are {median:.3g} s old on arrival, {limit('max_latency_s'):g} s are allowed",
        )


def _sound(sound: Sound, seen: SeenTopic, watched: Watched) -> Iterator[tuple[Severity, str]]:
    known, _ = sound_facts(watched.seen.topics, seen)
    rate, channels = known.get("sample_rate"), known.get("channels")
    if rate and sound.sample_rate and int(rate) != sound.sample_rate:
        yield Severity.PROBLEM, f"has {rate} Hz, the file says {sound.sample_rate}: write sample_rate: {rate}"
    if rate and not sound.sample_rate and int(rate) != _USUAL_RATE:
        yield (
            Severity.PROBLEM,
            f"has {rate} Hz, nodes expect {_USUAL_RATE}: write sample_rate: {rate} below `sound`",
        )
    if channels and sound.channel >= int(channels):
        yield Severity.PROBLEM, f"has {channels} channels, the file names channel {sound.channel} (from 0)"
    if not rate and sound.raw is None and seen.type in facts.FOREIGN_AUDIO:
        yield Severity.PROBLEM, "does not tell its rate and coding, and neither does the file: write `raw`"


# ---- the whole robot ---------------------------------------------------------------------------------------
def _poses(names: Mapping[str, str], watched: Watched) -> Iterator[Said]:
    pose = watched.seen.get(names[topics.EE_POSE.name])
    joints = watched.seen.get(names[topics.JOINT_STATES.name])
    text = watched.seen.get(names[topics.ROBOT_DESCRIPTION.name])
    if pose is None and (joints is None or text is None):
        yield Said(
            Severity.ERROR,
            topics.EE_POSE.role,
            "no pose of the tool: neither ee_pose, nor joint_states with robot_description; name them in `topics`",
        )
    if pose is not None and pose.messages:
        if pose.facts.get("far_m", 0.0) > _FAR_M:
            yield Said(
                Severity.ERROR,
                topics.EE_POSE.role,
                f"{pose.name}: is {pose.facts['far_m']:.4g} m away from its frame's origin: poses are in metres",
            )
        norm = pose.facts.get("norm", 1.0)
        if not _NORM[0] <= norm <= _NORM[1]:
            yield Said(
                Severity.ERROR,
                topics.EE_POSE.role,
                f"{pose.name}: a quaternion has length {norm:.3g}, must be 1; such poses are left out",
            )
    camera = watched.seen.get(names[topics.CAMERA.name]) or watched.seen.get(
        names[topics.CAMERA_COMPRESSED.name]
    )
    info = watched.seen.get(names[topics.CAMERA_INFO.name])
    if camera is not None and (info is None or not info.messages):
        yield Said(
            Severity.PROBLEM, topics.CAMERA_INFO.role,
            f"{names[topics.CAMERA_INFO.name]}: nothing tells the camera's calibration: there are no clips without it",
        )  # fmt: skip
    elif camera is not None and info is not None:
        sizes = [(t.facts.get("width"), t.facts.get("height")) for t in (camera, info)]
        if sizes[0][0] and sizes[1][0] and sizes[0] != sizes[1]:
            yield Said(
                Severity.PROBLEM, topics.CAMERA_INFO.role,
                f"{info.name}: is of {sizes[1][0]} x {sizes[1][1]}, pictures are {sizes[0][0]} x {sizes[0][1]}",
            )  # fmt: skip
        if info.facts.get("calibrated") is False:
            yield Said(
                Severity.PROBLEM, topics.CAMERA_INFO.role, f"{info.name}: its K is 0: calibrate the camera"
            )


def _frames(robot: RobotFile, names: Mapping[str, str], watched: Watched) -> Iterator[Said]:
    """Whether tf or the description know the frames, and whether messages can be brought to the fixed one."""
    usual: FrameNames = frame_names(robot.frames, robot.frames)
    text = watched.seen.get(names[topics.ROBOT_DESCRIPTION.name])
    description = read_description(str(text.facts.get("urdf", ""))) if text is not None else Description()
    if description.fault:
        yield Said(Severity.PROBLEM, topics.ROBOT_DESCRIPTION.role, description.fault)
    tf = [watched.seen.get(names[t.name]) for t in (topics.TF, topics.TF_STATIC)]
    links = [link for topic in tf if topic is not None for link in topic.facts.get("links", ())]
    links += [(joint.parent, joint.child) for joint in description.joints]
    known = {frame for link in links for frame in link} | set(description.links)
    yield from (Said(Severity.PROBLEM, topics.TF.role, f"tf: {fault}") for fault in watched.places.faults)
    if not known:
        yield Said(
            Severity.NOTE, topics.TF.role,
            "neither tf nor robot_description tells any frame: poses count as they are, in one frame",
        )  # fmt: skip
        return
    guesses = {"tool": tool_frame(description, links), "tip": tip_frame(description, links)}
    for key, frame in (("fixed", usual.world), ("tool", usual.tool), ("tip", usual.tip)):
        said = getattr(robot.frames, key)
        if frame in known:
            continue
        guess = guesses.get(key)
        meant = f"; is {guess.value} meant?" if guess is not None and guess.value else ""
        if key == "tip" and not said:
            text_ = f"frames.tip: nobody knows `{frame}`: the tool point counts as what touches{meant}"
            yield Said(Severity.NOTE, "", text_)
        else:
            yield Said(
                Severity.PROBLEM,
                "",
                f"frames.{key}: nobody knows `{frame}`, neither tf nor robot_description{meant}",
            )
    reached = connected(links, usual.world)
    for topic in (topics.EE_POSE, topics.CAMERA, topics.CAMERA_COMPRESSED):
        seen = watched.seen.get(names[topic.name])
        frame = str(seen.facts.get("frame_id", "")).lstrip("/") if seen is not None else ""
        if seen is not None and frame and frame not in reached and frame != usual.world:
            yield Said(
                Severity.PROBLEM, topic.role,
                f"{seen.name}: is told in `{frame}`, which tf does not connect with `{usual.world}`",
            )  # fmt: skip
