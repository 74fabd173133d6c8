"""Which topics of a bag play which roles of the registry."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from foley_common import topic_map, topics
from foley_common.latencies import Latencies
from foley_common.robot_file import RobotFile
from foley_common.topics import Topic, TopicError
from foley_perception.episodes.tracks import EpisodeError
from foley_perception.recording.bag import Bag
from foley_perception.recording.heard_bag import HeardBag
from foley_perception.recording.namespaces import empty_namespace
from foley_perception.recording.session import recorded_map

_OF_CAMERAS = ("image", "depth", "camera_info")
_OPTIONAL = ("wrench", "depth")  # readers of the main devices whose topics may lack
_TOLD = 12  # topics of a bag in an error


@dataclasses.dataclass(frozen=True)
class Naming:
    """How a recording's topics are called, and how late their stamps are; as they are by default."""

    namespace: str = ""  # of topics that are not mapped; empty: any
    mapping: topic_map.TopicMap = dataclasses.field(default_factory=dict)  # see foley_common/topic_map.py
    latencies: Latencies | None = None  # None: as the recording's metadata say
    robot: RobotFile | None = None  # in place of the one that the bag was recorded with

    @property
    def reading(self) -> dict[str, Any]:
        """All of it, as `read_episode` and `Outline` take it."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @property
    def identity(self) -> str:
        """Changes with what it says; empty for the default."""
        entries = sorted(topic_map.entries(self.mapping))
        late = "" if self.latencies is None else f" {sorted(self.latencies.entries())}"
        named = f"{self.namespace.strip('/')} {entries}" if entries or self.namespace.strip("/") else ""
        return named + late + (f" {self.robot.content()}" if self.robot is not None else "")


def resolve(
    bag: Bag,
    namespace: str = "",
    mapping: topic_map.TopicMap | None = None,
    *,
    readers: Collection[str] = topics.READERS,
    heard: Collection[str] | None = None,
) -> tuple[dict[str, str], list[str]]:
    """Roles -> the bag's topics, and which topics were left out and why.

    Topics that are mapped come first, then those whose names are ours.

    Args:
        namespace: of topics that are not mapped; empty: any.
        mapping: the registry's names -> the bag's topics, beside what the bag's own metadata map; see
            ``foley_common/topic_map.py``.
        readers: of the topics that are looked for.
        heard: the bag's topics that have messages; others are not found by name. None: all.

    Raises:
        EpisodeError: a topic of a main device is not there though it is mapped, has a wrong type, or may be several;
            or nothing is in the namespace.
    """
    try:
        asked = topic_map.topic_map((mapping or {}).items(), "mapping")
    except TopicError as error:
        raise EpisodeError(str(error)) from error
    recorded, left_out = recorded_map(bag.session)
    there = bag.topics if heard is None else heard
    if wrong := empty_namespace(namespace, there, topic_map.merged(recorded, asked).values()):
        raise EpisodeError(f"{bag.path}: {wrong}")
    return _Names(bag, namespace, asked, recorded, there, left_out).resolve(readers)


def overridden(bag: Bag, mapping: topic_map.TopicMap) -> list[str]:
    """What is mapped otherwise than in the bag's own metadata, which then do not count: a sentence for each."""
    recorded, _ = recorded_map(bag.session)
    kept = topic_map.merged(recorded, mapping)
    return [
        f"{bag.path}: its metadata say that {name} is {topic}; "
        + (f"{mapping[name]} is taken for it" if name in mapping else f"{topic} is taken for another one")
        for name, topic in recorded.items()
        if kept.get(name) != topic
    ]


def missing_text(missing: Iterable[str], there: Iterable[str], bag: Bag) -> str:
    """That a bag has no messages on some of our topics, on which it has some, and the cure."""
    names = list(missing)
    unheard = [f"; {why}" for why in bag.unheard.values()] if isinstance(bag, HeardBag) else []
    return (
        f"no messages on {', '.join(names)}; the bag has {listed(topic_map.named(names[0]), there, bag)}. "
        f"Say which topic is meant: --map {names[0]}=TOPIC{''.join(unheard)}"
    )


def listed(topic: Topic, there: Iterable[str], bag: Bag, name: str = "") -> str:
    """Topics of a bag: first those of a topic's type, then those of a like name; no more than a few."""
    ordered = topic_map.near(name or topic.name, there)
    ordered.sort(key=lambda t: bag.topics[t].type != topic.type)
    more = f" and {len(ordered) - _TOLD} more" if len(ordered) > _TOLD else ""
    return (", ".join(ordered[:_TOLD]) or "none") + more


class _Names:
    """One bag's topics."""

    def __init__(
        self,
        bag: Bag,
        namespace: str,
        asked: Mapping[str, str],
        recorded: Mapping[str, str],
        heard: Collection[str],
        told: list[str],
    ) -> None:
        self._bag, self._asked, self._heard, self._left_out = bag, asked, heard, list(told)
        self._given = topic_map.merged(recorded, asked)
        self._implied = topic_map.implied(self._given)
        self._cameras = topic_map.mapped_cameras(self._given)
        self._prefix = "/" + namespace.strip("/") + "/" if namespace.strip("/") else ""
        self._names: dict[str, str] = {}
        self._by_name: set[str] = set()  # roles

    def resolve(self, readers: Collection[str]) -> tuple[dict[str, str], list[str]]:
        read = [topic for topic in topics.TOPICS if topic.reader in readers]
        for topic in read:
            self._take_mapped(topic)
        # The main devices first: a robot may be called as another one's second arm is. Of an arm its pose first, which
        # tells where the others of its topics are.
        for topic in sorted(read, key=lambda t: (t.further, t.reader != "pose")):
            if topic.role not in self._names and topic.name not in self._given:
                self._take_by_name(topic)
        self._tell_mixed(read)
        return self._names, self._left_out

    # ---- mapped ------------------------------------------------------------------------------------------
    def _take_mapped(self, topic: Topic) -> None:
        name, there = topic.name, self._bag.topics
        found = self._given.get(name) or self._implied.get(name, "")
        if not found:
            return
        if found in there:
            kind = there[found].type
            if kind == topic.type:
                self._names[topic.role] = found
            elif name in self._given:
                told = f"{name} is mapped to {found}, which has type {kind}, expected {topic.type}"
                self._refuse(topic, f"{told}; {self._cure(topic, kind)}")
            return
        below = [n for n, t in self._implied.items() if n.startswith(name + "/") and t in there]
        if name in self._asked and not below:
            cure = f"the bag has {listed(topic, there, self._bag, found)}"
            self._refuse(
                topic, f"{name} is mapped to {found}, which is not in the bag; {cure}", topic.required
            )

    # ---- by name -------------------------------------------------------------------------------------------
    def _take_by_name(self, topic: Topic) -> None:
        candidates = self._candidates(topic)
        if not candidates:
            return
        name, found = topic.name, candidates[0]
        kind = self._bag.topics[found].type
        if topic.device in self._cameras and topic.reader in _OF_CAMERAS:
            # Of another camera perhaps: nobody could see it in the pictures.
            if kind == topic.type:
                self._left_out.append(
                    f"{found} is left out: the pictures of {topic.device} are mapped to another name; if it belongs "
                    f"to them, --map {name}={found}"
                )
        elif len(candidates) > 1:
            ours = found.removesuffix(name).strip("/")
            whose = f", or whose: --namespace {ours}" if ours and not topic.absolute else ""
            several = f"several topics could be {name}: {', '.join(sorted(candidates))}"
            self._refuse(topic, f"{several}; say which: --map {name}={found}{whose}")
        elif kind != topic.type:
            self._refuse(topic, f"{found} has type {kind}, expected {topic.type}; {self._cure(topic, kind)}")
        else:
            self._names[topic.role] = found
            self._by_name.add(topic.role)

    def _candidates(self, topic: Topic) -> list[str]:
        name, there = topic.name, [t for t in self._bag.topics if t in self._heard]
        if topic.absolute:
            candidates = [t for t in there if t == name]
        elif self._prefix:
            candidates = [t for t in there if t == self._prefix + name]
        else:
            candidates = [t for t in there if t.endswith("/" + name) or t == name]
            # `sim/contacts` also ends like `contacts`.
            main = [t.name for t in topics.TOPICS if t.reader and not t.further]
            longer = [n for n in main if n != name and n.endswith("/" + name)]
            candidates = [t for t in candidates if not any(t.endswith("/" + n) for n in longer)]
            # `left/ee_pose` is of a second hand beside `ee_pose`, and so is `left/wrench`.
            outer = [t for t in candidates if all(o.startswith(t.removesuffix(name)) for o in candidates)]
            candidates = outer if len(outer) == 1 else candidates
            candidates = [t for t in candidates if t not in self._of_further_arms(topic)]
        taken = {*self._names.values(), *self._given.values()}
        return [t for t in candidates if t not in taken]

    def _of_further_arms(self, topic: Topic) -> set[str]:
        pose = topics.EE_POSE
        if topic.device != topics.MAIN_ARM or pose.role not in self._by_name or topic == pose:
            return set()
        robot = self._names[pose.role].removesuffix(pose.name)
        return {robot + t.name for t in topics.TOPICS if t.further}

    def _cure(self, topic: Topic, kind: str) -> str:
        """What to do about a topic of another type."""
        fitting = [t.name for t in topics.read_by(topic.reader, device=topic.device) if t.type == kind]
        if fitting:
            return f"map {fitting[0]} to it instead"
        taken = {*self._names.values(), *self._given.values()}
        right = [t for t, info in self._bag.topics.items() if info.type == topic.type and t not in taken]
        if right:
            named = topic_map.near(topic.name, right)
            return f"of that type the bag has {', '.join(named[:_TOLD])}: --map {topic.name}={named[0]}"
        return "record it through a bridge that converts it, or rename the topic"

    # ---- what is wrong -------------------------------------------------------------------------------------
    def _refuse(self, topic: Topic, wrong: str, main: bool = True) -> None:
        """An error for what the main devices need; of others it is told."""
        if main and not topic.further and topic.reader not in _OPTIONAL:
            raise EpisodeError(f"{self._bag.path}: {wrong}")
        self._left_out.append(f"{wrong}; it is left out ({topic.role})")

    def _tell_mixed(self, read: Iterable[Topic]) -> None:
        """Topics of one device that lie in the namespaces of two robots were perhaps not meant."""
        first: dict[str, tuple[str, str]] = {}
        for topic in sorted(read, key=lambda t: t.reader not in ("pose", "image")):
            if not topic.device or topic.absolute or topic.role not in self._by_name:
                continue
            found = self._names[topic.role]
            where, other = first.setdefault(topic.device, (found.removesuffix(topic.name), found))
            if found.removesuffix(topic.name) != where:
                self._left_out.append(
                    f"{found} is taken for the {topic.device} of {other}, which is in another namespace; if that is "
                    f"right, say so: --map {topic.name}={found}"
                )
