"""Everything that is measured while a bag is read once: figures of its topics, its microphones and its cameras.

::

    bag --Outline (one pass)--> BagWatch --+-- Inspection      rates, gaps, losses, skew
                                           +-- TimeLine        arrival minus stamp, messages per second
                                           +-- SoundMeter      levels, noise floor, onsets
                                           +-- PictureMeter    blur, exposure, thumbnails
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from foley_common import topic_map
from foley_common.robot_file import UNKNOWN_ROBOT, RobotFile
from foley_common.topics import MICROPHONE, Topic
from foley_perception.audit.recording import RecordingAudit
from foley_perception.audit.roles import known_roles
from foley_perception.clips.channels import CHANNEL
from foley_perception.quality.picture_meter import PictureMeter
from foley_perception.quality.sound_meter import SoundMeter
from foley_perception.quality.time_line import TimeLine
from foley_perception.recording import cdr
from foley_perception.recording.bag import BagMessage
from foley_perception.recording.heard_bag import HeardBag
from foley_perception.recording.inspect import Inspection
from foley_perception.recording.session import recorded_map, recorded_robot

_IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")


@dataclasses.dataclass
class TopicLines:
    """One topic over time, by arrival."""

    arrivals: TimeLine = dataclasses.field(default_factory=TimeLine)
    skew: TimeLine = dataclasses.field(default_factory=TimeLine)  # arrival minus stamp, less the first [s]
    first_skew_ns: int | None = None  # of a simulation's clock it is 1.8e9 s


class BagWatch:
    """See the module's docstring; an ``episodes.outline.Watch``.

    Args:
        mapping: the registry's names -> topics of the bag that bear other names, before what its metadata say.
        robot: in place of the file of the robot that the bag was recorded with; tells which channels are heard.
    """

    def __init__(self, mapping: Mapping[str, str] | None = None, robot: RobotFile | None = None) -> None:
        self._mapping, self._robot = dict(mapping or {}), robot
        self._ours: Mapping[str, str] = {}  # the bag's topics -> the registry's names
        self.bag: HeardBag | None = None
        self.audit: RecordingAudit | None = None
        self.inspection = Inspection()
        self.lines: dict[str, TopicLines] = {}
        self.sounds: dict[str, SoundMeter] = {}
        self.pictures: dict[str, PictureMeter] = {}
        self.start_ns = 0

    def begin(self, bag: HeardBag, audit: RecordingAudit) -> None:
        self.bag, self.audit = bag, audit
        session = bag.session  # as far as metadata.yaml tells it: the rest is known when all was read
        self._robot = self._robot or recorded_robot(session)[0] or UNKNOWN_ROBOT
        self._ours = topic_map.ours(topic_map.merged(recorded_map(session)[0], self._mapping))

    def add(self, message: BagMessage) -> None:
        assert self.bag is not None
        name, arrival = message.topic, message.log_time
        if not self.lines:
            self.start_ns = arrival
        if name not in self.lines:
            self._begin_topic(name)
        stamp_ns = self.inspection.add(self.bag, message)
        lines, time_s = self.lines[name], (arrival - self.start_ns) * 1e-9
        lines.arrivals.add(time_s, 0.0)
        if stamp_ns:
            if lines.first_skew_ns is None:
                lines.first_skew_ns = arrival - stamp_ns
            lines.skew.add(time_s, (arrival - stamp_ns - lines.first_skew_ns) * 1e-9)
        if (sound := self.sounds.get(name)) is not None:
            self._hear(sound, message)
        elif (pictures := self.pictures.get(name)) is not None:
            pictures.add(message.data, arrival)

    def finish(self) -> None:
        """No message follows."""
        for sound in self.sounds.values():
            sound.finish()

    def _begin_topic(self, name: str) -> None:
        assert self.bag is not None
        self.lines[name] = TopicLines()
        topic = self.bag.topics[name]
        if topic.type == MICROPHONE.type:
            role = self._role(name, topic.type)
            sound = (
                self._robot.sound.get(role.device) if role is not None and self._robot is not None else None
            )
            self.sounds[name] = SoundMeter(sound.channel if sound is not None else CHANNEL, self.start_ns)
        elif topic.type in _IMAGES:
            role = self._role(name, topic.type)
            if role is None or role.reader == "image":  # without a role it may be a camera of another name
                self.pictures[name] = PictureMeter(topic, self.start_ns)

    def _role(self, name: str, kind: str) -> Topic | None:
        """As far as it can be told before all was read."""
        known = self._ours.get(name, name)
        return known_roles({known: kind}).get(known)

    @staticmethod
    def _hear(sound: SoundMeter, message: BagMessage) -> None:
        data = message.data
        try:
            head = cdr.read_audio_head(data)
            if head.channels < 1 or head.sample_rate < 1 or head.size % head.channels:
                return
            sound.add(head, cdr.read_audio_samples(data, head), message.log_time)
        except cdr.CdrError:
            return  # told by the audit
