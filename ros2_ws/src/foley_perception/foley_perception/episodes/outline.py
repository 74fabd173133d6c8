"""A bag read once from front to back: what is small of it is kept, and of the rest where it lies.

::

    bag --(one pass)--> outline --(any stretch of time)--> messages --reader.py--> episode

So an episode of ten seconds is read at the cost of ten seconds, and two hours in pieces need no more memory than one
piece. Stamps and arrival may run on different clocks; see index.py.
"""

from __future__ import annotations

import bisect
import collections
import contextlib
import dataclasses
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from foley_common import topics
from foley_common.audio_formats import AudioFormatError
from foley_common.foreign_audio import raw_formats
from foley_common.latencies import Latencies
from foley_common.robot_file import UNKNOWN_ROBOT, RobotFile
from foley_common.topics import MAIN_ARM, Topic
from foley_perception.audit.finding import Finding, Severity
from foley_perception.audit.moving import POSE
from foley_perception.audit.recording import RecordingAudit
from foley_perception.clips.channels import CHANNEL
from foley_perception.episodes import made_poses
from foley_perception.episodes.decode import Decoder
from foley_perception.episodes.earlier import Earlier
from foley_perception.episodes.frames import FrameNames
from foley_perception.episodes.index import Range, joined
from foley_perception.episodes.made_poses import MadePoses
from foley_perception.episodes.names import resolve
from foley_perception.episodes.notes import (
    Contacts,
    Hands,
    Joints,
    Note,
    Plan,
    Plans,
    Stamped,
    Transforms,
    note_of,
)
from foley_perception.episodes.sound import SoundOutline, Stream
from foley_perception.episodes.tracks import EpisodeError
from foley_perception.recording import cdr
from foley_perception.recording.bag import BagMessage
from foley_perception.recording.bag_name import bag_name
from foley_perception.recording.compression import encoded_topics
from foley_perception.recording.errors import BagError
from foley_perception.recording.heard_bag import HeardBag
from foley_perception.recording.labels import LABEL_TYPE, Pause, Pauses
from foley_perception.recording.namespaces import empty_namespace
from foley_perception.recording.session import latencies_of, recorded_robot

Messages = dict[str, list[BagMessage]]
_STREAMS: tuple[str, ...] = ("audio", "image", "depth", "pose", "joints", "wrench", "keypoints")
_AUDIO = topics.MICROPHONE.type
_EVER = (-(2**62), 2**62)
_MADE = topics.EE_POSE.name  # how the topics of poses that were made begin, which are in no bag


@dataclasses.dataclass(frozen=True)
class Span:
    """A stretch of ROS time, and what is read beside it.

    Events (contacts) are those of ``start_ns <= time < end_ns``; streams reach from ``first_ns`` to ``last_ns``, and to
    their nearest messages beyond.
    """

    start_ns: int
    end_ns: int
    first_ns: int
    last_ns: int

    def holds(self, time_ns: int) -> bool:
        return self.start_ns <= time_ns < self.end_ns


class Watch(Protocol):
    """Is shown a bag while its outline is made, so that whoever measures it does not read it once more."""

    def begin(self, bag: HeardBag, audit: RecordingAudit) -> None:
        """The bag, and the audit that is fed with it, before the first message."""

    def add(self, message: BagMessage) -> None:
        """A message as it was recorded: stamps are not moved back by latencies."""


class Outline:
    """What one pass over a bag found.

    Args:
        latencies: by which stamps are moved back; None: those that the bag's metadata tell.
        name: what a recording is called whose metadata do not say it.
        robot: in place of the file of the robot that the bag was recorded with.
        keep: keep every message as well, to read the whole of it.
        watch: is shown every message, once, also of a bag that then turns out to be of no use.

    Raises:
        EpisodeError: not a bag, or a topic of a main device is ambiguous or has a wrong type.
    """

    def __init__(
        self,
        path: Path,
        *,
        namespace: str = "",
        mapping: Mapping[str, str] | None = None,
        latencies: Latencies | None = None,
        name: str = "",
        robot: RobotFile | None = None,
        keep: bool = False,
        watch: Watch | None = None,
    ) -> None:
        self.path = path
        self.robot = robot or UNKNOWN_ROBOT
        self._channels: dict[str, int] = {}  # topics of which another channel than the first is heard
        self.counts: collections.Counter[str] = collections.Counter()  # messages by topic
        self._keep = keep
        try:
            self.bag = HeardBag(
                path, raw=raw_formats(robot.sound) if robot is not None else None, mapping=mapping
            )
            self._earlier = Earlier({}, {}, Latencies())
            audit, start, end = self._first(watch)
            self.session = self.bag.session
            self.session["session_id"] = session_id_of(self.session, name or bag_name(path))
            self._encoded = encoded_topics(self.session)
            # Each reading of the bag adds to its own.
            self.problems = tuple(dict.fromkeys([*self.bag.problems, *self._apart()]))
            recorded, told = recorded_robot(self.session)
            if robot is None and recorded is not None:
                self.robot = recorded
            if not namespace and not empty_namespace(self.robot.namespace, self.counts):
                namespace = self.robot.namespace  # of Foley's own topics, where the bag has some there
            self.names, self.left_out = resolve(self.bag, namespace, mapping, heard=self.counts)
            self.left_out += told if robot is None else []
            self._channels = {
                self.names[microphone]: sound.channel
                for microphone, sound in self.robot.sound.items()
                if sound.channel and microphone in self.names
            }
            self.latencies = latencies_of(self.robot) if latencies is None else latencies
            if self.latencies:  # whose topics were not known before
                self._earlier = Earlier(self.bag.topics, self.names, self.latencies)
                audit, start, end = self._first()
            roles = {self.names[t.role]: t for t in topics.TOPICS if t.role in self.names}
            self.verdict = audit.verdict(roles, self._channels)
            if self.verdict.moves or self._channels:  # what was noted of times, or of sound, does not hold
                self._begin_notes()
                for message in self.bag.messages():
                    if (placed := self.verdict.placed(self._earlier(message))) is not None:
                        self._note(placed, message.log_time)
        except (BagError, AudioFormatError) as error:
            raise EpisodeError(str(error)) from error
        self.start_ns = self.verdict.clock.stamp_ns(
            start
        )  # of what arrived first, by the clock of the stamps
        self.end_ns = self.verdict.clock.stamp_ns(end)
        self._made: MadePoses | None = None
        self._made_for: FrameNames | None = None
        self.pose_findings: list[Finding] = []  # of what poses were made, or why not

    def _first(self, watch: Watch | None = None) -> tuple[RecordingAudit, int, int]:
        """Note every message; the audit of them, and when the first and the last of them arrived."""
        audit = RecordingAudit()
        if watch is not None:
            watch.begin(self.bag, audit)
        start, end = 2**63 - 1, 0
        self.counts.clear()
        self._begin_notes()
        for message in self.bag.messages():
            if watch is not None:
                watch.add(message)
            moved = self._earlier(message)
            audit.add_message(self.bag.topics, moved)
            self.counts[message.topic] += 1
            start, end = min(start, message.log_time), max(end, message.log_time)
            self._note(moved, message.log_time)
        return audit, start, end

    def _begin_notes(self) -> None:
        self._all: Messages | None = collections.defaultdict(list) if self._keep else None
        self._notes: dict[str, Note | None] = {}
        self._sounds: dict[str, SoundOutline] = {}
        self._labels: set[str] = set()  # topics of them
        self._pauses = Pauses()

    def _note(self, message: BagMessage, arrival: int) -> None:
        name = message.topic
        if self._all is not None:
            self._all[name].append(message)
        if name not in self._notes:
            topic = self.bag.topics[name]
            self._notes[name] = note_of(topic)
            if topic.type == LABEL_TYPE:
                self._labels.add(name)
            if topic.type == _AUDIO:
                self._sounds[name] = SoundOutline(name, self._channels.get(name, CHANNEL))
        if (sound := self._sounds.get(name)) is not None:
            sound.feed(message, arrival)
        elif (note := self._notes[name]) is not None:
            note.feed(message, arrival)
        if name in self._labels:
            self._see(message)

    def _see(self, label: BagMessage) -> None:
        """A label, which may tell of a pause: what comes behind it does not go on from what was before."""
        before = list(self._pauses.spans)
        self._pauses.see(label.data)
        if self._pauses.spans != before:
            for note in self._notes.values():
                if isinstance(note, Stamped | Joints) and note.judge is not None:
                    note.judge.interrupted()

    @property
    def pauses(self) -> tuple[Pause, ...]:
        """From when to when nothing was kept, by the clock of the stamps."""
        return self.verdict.pauses

    def _apart(self) -> Iterator[str]:
        """Images of one camera that lie on two topics, of which one is read."""
        for raw, encoded in self._encoded.items():
            few, many = sorted((raw, encoded), key=lambda name: self.counts[name])
            if self.counts[few]:
                yield (
                    f"{few}: {self.counts[few]} images are not used, as {self.counts[many]} of the same camera lie on "
                    f"{many}: the recorder could not encode all of them; its findings say why"
                )

    # ---- topics by role ----------------------------------------------------------------------------------
    def topic(self, reader: str, device: str = "") -> Topic | None:
        """The first of a device's topics of one kind that has messages: raw before compressed.

        Of images, raw ones may be those few that the recorder could not encode.
        """
        there = [t for t in topics.read_by(reader, device=device) if self.has(t)]
        if reader in ("image", "depth") and len(there) > 1:
            counts = [self.counts[self.names[t.role]] for t in there]
            times = 1 if self.names[there[0].role] in self._encoded else 2
            there = [t for t, count in zip(there, counts, strict=True) if times * count >= max(counts)]
        return there[0] if there else None

    def has(self, topic: Topic) -> bool:
        return self.counts[self.names.get(topic.role, "")] > 0

    def note(self, topic: Topic) -> Note | None:
        return self._notes.get(self.names.get(topic.role, ""))

    def sound(self, topic: Topic) -> SoundOutline:
        return self._sounds[self.names[topic.role]]

    def contact_times(self, arm: str) -> list[int]:
        """Of an arm's true contacts, else of the main arm's detected ones [ns]."""
        topic = self.topic("contacts", arm) or (topics.CONTACTS if arm == MAIN_ARM else None)
        note = self.note(topic) if topic is not None else None
        return note.times_ns if isinstance(note, Contacts) else []

    # ---- poses that nobody told --------------------------------------------------------------------------
    def make_poses(self, frames: FrameNames) -> None:
        """Where the bag has no ee_pose, have it made of what the bag has: see made_poses.py."""
        if frames == self._made_for or (self._made is None and self.has(topics.EE_POSE)):
            return
        self._made_for, self._made = frames, None
        self.names.pop(topics.EE_POSE.role, None)
        tried: list[str] = []
        for made_of, why in self._ways_to_poses(frames):
            tried += [why] if why else []
            if made_of is not None:
                self._take(made_of)
                break
        text = "no ee_pose was recorded"
        if self._made is not None:
            beside = f" ({'; '.join(tried)})" if tried else ""
            note = f"{text}: it is made{self._made.topic.removeprefix(_MADE)}{beside}"
            self.pose_findings = [Finding("pose_made", Severity.NOTE, self._made.topic, note)]
        elif tried and not self.has(topics.HAND_KEYPOINTS):
            text += (
                f", and none can be made: {'; '.join(tried)}; name the robot's frames with --world-frame and "
            )
            found = Finding("pose_made", Severity.PROBLEM, "", text + "--tool-frame, or record ee_pose")
            self.pose_findings = [found]
        else:
            self.pose_findings = []

    def _ways_to_poses(self, frames: FrameNames) -> Iterator[tuple[MadePoses | None, str]]:
        """By joints first, as live; each with why it does not do."""
        joints, robot, tf = (
            self.names.get(t.role, "") for t in (topics.JOINT_STATES, topics.ROBOT_DESCRIPTION, topics.TF)
        )
        if self.counts[joints] and self.counts[robot]:
            note = self._notes[robot]
            text = next((cdr.read_string(m.data) for m in note.kept(0, 0)), "") if note is not None else ""
            made, why = made_poses.of_joints(self.messages_of([joints]), text, frames.tool, frames.world)
            if made is not None:
                made.topic = f"{_MADE} of {joints} and {robot}"
            yield made, f"{joints}: {why}" if why else ""
        elif self.counts[joints]:
            yield None, f"{joints} was recorded without robot_description"
        if self.counts[tf]:
            static = self.messages_of([self.names.get(topics.TF_STATIC.role, "")])
            made, why = made_poses.of_tf(static, self.messages_of([tf]), frames.tool, frames.world)
            if made is not None:
                made.topic = f"{_MADE} of {tf}"
            yield made, why

    def messages_of(self, names: Collection[str]) -> Iterator[BagMessage]:
        """All messages of the bag's topics of these names, where their stamps place them, in one pass."""
        if self._all is not None:
            yield from (message for name in names for message in self._all.get(name, []))
            return
        if self._made is not None and self._made.topic in names:
            yield from self._made.messages(*_EVER)
        for message in self.bag.messages() if any(self.counts[name] for name in names) else ():
            if message.topic in names and (placed := self.verdict.placed(self._earlier(message))) is not None:
                yield placed

    def _take(self, made: MadePoses) -> None:
        self._made, name = made, made.topic
        note = Stamped(POSE)
        for message in made.messages(*_EVER):
            note.feed(message, message.log_time)
        self.names[topics.EE_POSE.role], self.counts[name], self._notes[name] = name, len(made), note
        if self._all is not None:
            self._all[name] = list(made.messages(*_EVER))

    # ---- messages ----------------------------------------------------------------------------------------
    def messages(self, span: Span | None) -> Messages:
        """What a reader needs for a stretch of time (None: for all of it), by topic. Moving transforms come apart."""
        if span is None:
            if self._all is None:
                raise ValueError("the outline was made without `keep`")
            return self._all
        found: Messages = {}
        wanted: dict[str, list[Range]] = {}
        for role, name in self.names.items():
            topic, note = topics.topic(role), self._notes.get(name)
            if self._made is not None and name == self._made.topic:
                found[name] = list(self._made.messages(span.first_ns, span.last_ns))
                continue
            if topic.reader in _STREAMS and self.topic(topic.reader, topic.device) is not topic:
                continue  # compressed beside raw
            if topic.reader == "depth":
                continue  # no clip and no window has it
            if name in self._sounds:
                with contextlib.suppress(EpisodeError):  # told where it is read
                    wanted[name] = self._sounds[name].ranges(span.first_ns, span.last_ns)
            elif note is not None:
                wanted[name] = note.ranges(span.first_ns, span.last_ns)
                if topic.reader == "joints":  # as they stood when a plan came
                    for plan in self.plans(span):
                        wanted[name] += note.ranges(plan.received, plan.received)
                if kept := note.kept(span.start_ns, span.end_ns):
                    found[name] = list(kept)
        for message in self.read(wanted):
            found.setdefault(message.topic, []).append(message)
        return found

    def plans(self, span: Span) -> Iterator[Plan]:
        """Planned motions, of all arms, that speak of a stretch of time."""
        for note in self._notes.values():
            if isinstance(note, Plans):
                yield from note.about(span.first_ns, span.last_ns)

    def samples(self, topic: Topic, stream: Stream, first: int, stop: int) -> NDArray[np.float32]:
        """[first, stop) of one stream of a microphone; 0 where nothing was received."""
        name = self.names[topic.role]
        messages = self.read({name: stream.index.ranges(first, stop - 1, neighbours=False)})
        (segment,) = self._sounds[name].segments(messages, {stream: (first, stop)})
        return segment.samples

    def transforms(self, span: Span | None) -> list[BagMessage]:
        """Of /tf, for a stretch of time, for what is read beside it, and for the plans that speak of it."""
        name = self.names.get(topics.TF.role, "")
        if self._all is not None:
            return self._all.get(name, [])
        if span is None or not self.counts[name]:
            return []
        stretches = [(span.first_ns, span.last_ns)]
        for note in self._notes.values():  # messages are read by whole seconds, and each has a place
            if isinstance(note, Stamped | Hands):
                stretches += note.stamps(span.first_ns, span.last_ns)
        ranges = [r for stretch in joined(stretches) for r in self._moving.ranges(*stretch)]
        for plan in self.plans(span):
            ranges += self._moving.ranges(plan.start, plan.end)
            ranges += self._moving.ranges(plan.received, plan.received)
        return list(self.read({name: ranges}))

    @cached_property
    def _moving(self) -> Transforms:
        name = self.names[topics.TF.role]
        messages = (self._earlier(message) for message in self.bag.messages() if message.topic == name)
        return Transforms(messages, Decoder({name: self.bag.topics[name]}))

    def read(self, wanted: dict[str, list[Range]]) -> Iterator[BagMessage]:
        """Messages of topics within their ranges of arrival, in the order in which they were written."""
        whole = {name: joined(ranges, apart_ns=0) for name, ranges in wanted.items() if ranges}
        for first, last in joined([r for ranges in whole.values() for r in ranges]):
            for message in self.bag.messages(start_ns=first, end_ns=last + 1):
                arrival, ranges = message.log_time, whole.get(message.topic)
                if ranges is None or not (first <= arrival <= last):
                    continue
                at = bisect.bisect_right(ranges, (arrival, _EVER[1])) - 1  # the last that begins by then
                if at < 0 or arrival > ranges[at][1]:
                    continue
                if (placed := self.verdict.placed(self._earlier(message))) is not None:
                    yield placed


def session_id_of(session: Mapping[str, Any], name: str) -> str:
    """Of a recording's metadata.

    A simulated session is made once for each version of its edition, and is another recording in each: from the second
    version on its id ends in it.

    Args:
        name: where the metadata have no id.
    """
    session_id, version = str(session.get("session_id") or name), str(session.get("edition_version") or "1")
    end = "" if version == "1" else f"-v{version}"
    return session_id if session_id.endswith(end) else session_id + end
