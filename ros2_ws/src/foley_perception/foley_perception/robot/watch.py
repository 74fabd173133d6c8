"""Watching a robot's topics message by message: live and of a bag the same."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from foley_common.robot_file import RobotFile
from foley_perception.audit.recording import RecordingAudit
from foley_perception.episodes.decode import Decoder
from foley_perception.episodes.tracks import EpisodeError
from foley_perception.recording import cdr, definitions
from foley_perception.recording.bag import Bag
from foley_perception.robot.facts import LOOKED_INTO, POSE, TRANSFORMS, facts_of
from foley_perception.robot.places import Places
from foley_perception.robot.seen import Offer, Seen, TopicTally

Decode = Callable[[], Any]
_FEW = 200  # messages of a topic that are looked into
_LOOKED_INTO = {POSE: 2000, TRANSFORMS: 4000}  # tf reaches beyond the poses, which are held against it


@dataclasses.dataclass(frozen=True)
class Watched:
    """All that was seen, and who can be asked about it."""

    seen: Seen
    places: Places
    audit: RecordingAudit
    unreadable: Mapping[str, str]  # topic -> why its content is not known
    recorded: RobotFile | None = None  # that a bag was recorded with

    def frames_at_pose(self, topic: str) -> list[str]:
        """Frames of tf that lie where a topic's newest pose says."""
        pose = self.seen.get(topic)
        if pose is None or pose.type != POSE or "position" not in pose.facts:
            return []
        told = pose.facts
        return self.places.frames_at(
            told["frame_id"], told["position"], told["orientation"], int(told["stamp_ns"])
        )


class Watch:
    """Takes messages; :meth:`result` tells what they were."""

    def __init__(self) -> None:
        self.places = Places()
        self.audit = RecordingAudit()
        self.unreadable: dict[str, str] = {}
        self._tallies: dict[str, TopicTally] = {}
        self._stamp_at: dict[str, tuple[int, bool] | None] = {}

    def add_topic(self, name: str, message_type: str, definition: str) -> None:
        """Say what a topic holds, before its first message."""
        self._tallies[name] = TopicTally(name, message_type)
        self._stamp_at[name] = definitions.stamp_offset(definition)
        self.audit.add_topic(name, message_type, definition)

    def knows(self, name: str) -> bool:
        return name in self._tallies

    def add(self, name: str, data: cdr.Buffer, arrival_ns: int, decode: Decode) -> None:
        """One message, and how it is decoded where it is looked into."""
        tally, at = self._tallies[name], self._stamp_at[name]
        self.audit.add(name, data, arrival_ns)
        told: Mapping[str, Any] | None = None
        if tally.type in LOOKED_INTO and tally.messages < _LOOKED_INTO.get(tally.type, _FEW):
            try:
                message = decode()
                told = facts_of(tally.type, message)
                if tally.type == TRANSFORMS:
                    self.places.add(message, static=name.endswith("tf_static"))
            except (EpisodeError, ValueError, TypeError, AttributeError) as error:
                self.unreadable[name] = str(error)
        stamp: int | None = None
        if at is not None and not (at[1] and not any(data[4:8])):
            stamp = cdr.read_stamp(data, at[0]) or 0
        tally.add(arrival_ns, stamp, told)

    def result(
        self,
        where: str,
        seconds: float,
        *,
        offers: Mapping[str, Sequence[Offer]],
        silent: Mapping[str, tuple[str, bool]] | None = None,
        live: bool = False,
        recorded: RobotFile | None = None,
    ) -> Watched:
        """What was seen.

        Args:
            offers: how publishers offer each topic.
            silent: topics of which nothing was taken -> their type, and whether it could have been.
        """
        seen = [tally.seen(offers.get(name, ())) for name, tally in self._tallies.items()]
        for name, (kind, received) in (silent or {}).items():
            if name not in self._tallies:
                seen.append(TopicTally(name, kind).seen(offers.get(name, ()), received=received))
        ordered = tuple(sorted(seen, key=lambda topic: topic.name))
        return Watched(
            Seen(ordered, where, seconds, live), self.places, self.audit, dict(self.unreadable), recorded
        )


def watch_bag(path: Path) -> Watched:
    """A whole bag.

    Raises:
        BagError: not a bag.
    """
    from foley_perception.recording.session import recorded_robot

    bag, watch = Bag(path), Watch()
    decoders: dict[str, Decoder] = {}
    start, end = 2**63 - 1, 0
    for message in bag.messages():
        name, info = message.topic, bag.topics[message.topic]
        if not watch.knows(name):
            watch.add_topic(name, info.type, info.definition)
            decoders[name] = Decoder({name: info})
        start, end = min(start, message.log_time), max(end, message.log_time)
        data = message.data
        watch.add(name, data, message.log_time, functools.partial(decoders[name].read, message))
    offers = {
        name: [
            Offer(str(q.get("reliability", "")), str(q.get("durability", ""))) for q in _profiles(info.qos)
        ]
        for name, info in bag.topics.items()
    }
    silent = {name: (info.type, True) for name, info in bag.topics.items()}
    recorded, _ = recorded_robot(bag.session)
    bag.close()
    seconds = max(end - start, 0) * 1e-9
    return watch.result(str(path), seconds, offers=offers, silent=silent, recorded=recorded)


def _profiles(qos: Sequence[Any]) -> list[Mapping[str, Any]]:
    return [profile for profile in qos if isinstance(profile, dict)]
