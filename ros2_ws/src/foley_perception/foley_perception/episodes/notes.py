"""What one pass over a bag notes of each topic, by its type: enough to find and read any stretch of it later.

Notes are small. Of streams (poses, joints, pictures) they hold where what lies (index.py), of events and latched
messages the messages. The outline of a bag (outline.py) feeds them; a topic's role is not known yet then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

import numpy as np

from foley_perception.action.gripper import INDEX_TIP, SIDES
from foley_perception.audit.moving import POSE, WRENCH, Count, JointNames, Moving
from foley_perception.episodes import decode, decode_motion
from foley_perception.episodes.decode import Decoder
from foley_perception.episodes.index import Index, Range
from foley_perception.episodes.pictures import PictureOutline
from foley_perception.recording import cdr
from foley_perception.recording.bag import BagMessage, BagTopic


class Note(Protocol):
    """Of one topic."""

    def feed(self, message: BagMessage, arrival: int) -> None:
        """A message, in the order in which they were written, and when it arrived by the bag's clock.

        What cannot be read is told when the topic is read.
        """

    def ranges(self, first_ns: int, last_ns: int) -> list[Range]:
        """Arrivals within which everything lies that a reader of this stretch of stamps needs."""

    def kept(self, start_ns: int, end_ns: int) -> list[BagMessage]:
        """Messages that are kept, of those that belong to a stretch of time."""


class Latched:
    """Messages that are few and always hold: all of them, or the newest."""

    def __init__(self, *, newest: bool) -> None:
        self._newest, self._messages = newest, list[BagMessage]()

    def feed(self, message: BagMessage, arrival: int) -> None:
        if self._newest and self._messages:
            if not cdr.is_string(message.data):
                return  # the one before still holds
            self._messages.clear()
        self._messages.append(message)

    def ranges(self, first_ns: int, last_ns: int) -> list[Range]:
        return []

    def kept(self, start_ns: int, end_ns: int) -> list[BagMessage]:
        return self._messages


class Changing:
    """Messages that say the same over and over: those that say something else than the one before."""

    def __init__(self) -> None:
        self._messages: list[BagMessage] = []
        self._last = b""

    def feed(self, message: BagMessage, arrival: int) -> None:
        content = bytes(message.data[_BEHIND_STAMP:])
        if content != self._last:
            self._last = content
            self._messages.append(message)

    def ranges(self, first_ns: int, last_ns: int) -> list[Range]:
        return []

    def kept(self, start_ns: int, end_ns: int) -> list[BagMessage]:
        return self._messages


class Stamped:
    """Stamped messages. Of those that hold numbers, only what is usable is a neighbour to interpolate from.

    Args:
        numbers: how many float64 follow the header, of a pose or a wrench; none: they are not looked at.
    """

    def __init__(self, numbers: int = 0) -> None:
        self.judge = Moving(numbers) if numbers else None
        self._numbers = numbers
        self.usable, self._all = Index(), Index()

    def feed(self, message: BagMessage, arrival: int) -> None:
        data = message.data
        if self.judge is None:
            stamp = cdr.read_stamp(data, 4) or message.log_time
            self._all.add(arrival, stamp)
            self.usable.add(arrival, stamp)
            return
        try:
            header, values = cdr.read_doubles(data, self._numbers)
        except cdr.CdrError as error:
            self.judge.cannot_read(message.log_time, str(error))
            return
        self._all.add(arrival, header.time_ns)
        if self.judge.add(header.time_ns, values, header.frame_id):
            self.usable.add(arrival, header.time_ns)

    def ranges(self, first_ns: int, last_ns: int) -> list[Range]:
        # Beside a wrench of NaN the force is not known.
        inside = self._all.ranges(first_ns, last_ns, neighbours=self._numbers == WRENCH)
        return [*inside, *self.usable.ranges(first_ns, last_ns)]

    def stamps(self, first_ns: int, last_ns: int) -> list[Range]:
        """Stretches of stamps within which all lies that is read by :meth:`ranges` and has a place in the world."""
        return self.usable.positions(first_ns, last_ns)

    def kept(self, start_ns: int, end_ns: int) -> list[BagMessage]:
        return []


class Pictures(Stamped):
    """Images: where they lie, and which of them are usual (of colour; nothing is cut from depth in stretches)."""

    def __init__(self, topic: BagTopic) -> None:
        super().__init__()
        self.outline = PictureOutline(topic, depth=False)

    def feed(self, message: BagMessage, arrival: int) -> None:
        super().feed(message, arrival)
        self.outline.feed(message)


class Joints:
    """Joint positions, of one publisher or of several that name their joints in turn."""

    def __init__(self) -> None:
        self.judge = JointNames()
        self._known: dict[tuple[str, ...], Index] = {}  # by the joints that a message gives a position of
        self._named: dict[tuple[str, ...], Index] = {}  # by those it names and gives none

    def feed(self, message: BagMessage, arrival: int) -> None:
        try:
            header, names, positions = cdr.read_joints(message.data)
        except cdr.CdrError as error:
            self.judge.cannot_read(message.log_time, str(error))
            return
        known = names
        if not self.judge.usable(header.time_ns, names, positions):
            known = ()
        elif not math.isfinite(sum(positions.tolist())):
            known = tuple(name for name, value in zip(names, positions, strict=True) if math.isfinite(value))
        for group, members in ((self._known, known), (self._named, names if known != names else ())):
            if members:
                if members not in group:
                    group[members] = Index()
                group[members].add(arrival, header.time_ns)

    @property
    def names(self) -> tuple[str, ...]:
        """Joints of which there is a position anywhere, in the order in which they were first named."""
        return tuple(dict.fromkeys(name for members in self._known for name in members))

    def ranges(self, first_ns: int, last_ns: int) -> list[Range]:
        known = {name for members in self._known for name in members}
        never = (members for members in self._named if not known.issuperset(members))
        indices = [*self._known.values(), *(self._named[members] for members in never)]
        inside = (i.ranges(first_ns, last_ns, neighbours=False) for i in self._named.values())
        return [r for found in (*inside, *(i.ranges(first_ns, last_ns) for i in indices)) for r in found]

    def kept(self, start_ns: int, end_ns: int) -> list[BagMessage]:
        return []


class Hands:
    """Keypoints of both hands, and which index finger is seen how often."""

    def __init__(self) -> None:
        self._all = Index()
        self.seen = {side: Index() for side in SIDES}

    def feed(self, message: BagMessage, arrival: int) -> None:
        try:
            header, values = cdr.read_doubles(message.data, 2 * 21 * 3)
        except cdr.CdrError:
            return
        self._all.add(arrival, header.time_ns)
        for side, tip in zip(SIDES, values.reshape(2, 21, 3)[:, INDEX_TIP], strict=True):
            if np.isfinite(tip).all():
                self.seen[side].add(arrival, header.time_ns)

    def ranges(self, first_ns: int, last_ns: int) -> list[Range]:
        return [r for i in (self._all, *self.seen.values()) for r in i.ranges(first_ns, last_ns)]

    def stamps(self, first_ns: int, last_ns: int) -> list[Range]:
        """As of :class:`Stamped`."""
        return [r for i in (self._all, *self.seen.values()) for r in i.positions(first_ns, last_ns)]

    def kept(self, start_ns: int, end_ns: int) -> list[BagMessage]:
        return []


class Plan(NamedTuple):
    """When a planned motion came and what it is about [ns]."""

    arrival: int
    received: int
    start: int
    end: int


class Plans:
    """Planned motion."""

    def __init__(self, topic: BagTopic) -> None:
        self._decoder = Decoder({topic.name: topic})
        self._joints = topic.type == "trajectory_msgs/msg/JointTrajectory"
        self.plans: list[Plan] = []

    @property
    def unreadable(self) -> Mapping[str, Count]:
        return self._decoder.unreadable

    def feed(self, message: BagMessage, arrival: int) -> None:
        if self._joints:
            for plan in decode_motion.joint_plans(message.topic, [message], self._decoder, 0)[0]:
                self.plans.append(Plan(arrival, plan.received_ns, plan.start_ns, plan.end_ns))
        else:
            for motion in decode_motion.sent_tool_plans(message.topic, [message], self._decoder, 0)[0]:
                times = motion.trajectory.times_ns
                self.plans.append(Plan(arrival, motion.received_ns, int(times[0]), int(times[-1])))

    def about(self, first_ns: int, last_ns: int) -> Iterator[Plan]:
        """Those that speak of a stretch of time."""
        return (plan for plan in self.plans if plan.start <= last_ns and plan.end >= first_ns)

    def ranges(self, first_ns: int, last_ns: int) -> list[Range]:
        return [(plan.arrival, plan.arrival) for plan in self.about(first_ns, last_ns)]

    def kept(self, start_ns: int, end_ns: int) -> list[BagMessage]:
        return []


class Contacts:
    """Contacts, and when they were."""

    def __init__(self, topic: BagTopic) -> None:
        self._decoder = Decoder({topic.name: topic})
        self._messages: list[tuple[int, BagMessage]] = []

    @property
    def unreadable(self) -> Mapping[str, Count]:
        return self._decoder.unreadable

    def feed(self, message: BagMessage, arrival: int) -> None:
        for contact in decode.contacts([message], self._decoder):
            self._messages.append((contact.time_ns, message))

    def ranges(self, first_ns: int, last_ns: int) -> list[Range]:
        return []

    def kept(self, start_ns: int, end_ns: int) -> list[BagMessage]:
        return [message for time_ns, message in self._messages if start_ns <= time_ns < end_ns]

    @property
    def times_ns(self) -> list[int]:
        return [time_ns for time_ns, _ in self._messages]


class Transforms:
    """Moving transforms, by the frame that moves."""

    def __init__(self, messages: Iterable[BagMessage], decoder: Decoder) -> None:
        self._frames: dict[str, Index] = {}
        for message, m in decoder.read_all(messages):
            for stamped in m.transforms:
                index = self._frames.setdefault(stamped.child_frame_id, Index())
                index.add(message.log_time, decode.stamp_ns(stamped.header))

    def ranges(self, first_ns: int, last_ns: int) -> list[Range]:
        return [r for index in self._frames.values() for r in index.ranges(first_ns, last_ns)]


_BEHIND_STAMP = 12  # bytes: encapsulation and stamp
"""What is noted of a topic, by its type. `/tf` is noted when it is first asked for: it is much, and seldom needed."""
_NOTES: dict[str, Callable[[BagTopic], Note]] = {
    "geometry_msgs/msg/PoseStamped": lambda topic: Stamped(POSE),
    "geometry_msgs/msg/WrenchStamped": lambda topic: Stamped(WRENCH),
    "sensor_msgs/msg/JointState": lambda topic: Joints(),
    "sensor_msgs/msg/Image": Pictures,
    "sensor_msgs/msg/CompressedImage": Pictures,
    "sensor_msgs/msg/CameraInfo": lambda topic: Changing(),
    "std_msgs/msg/String": lambda topic: Latched(newest=True),
    "foley_msgs/msg/HandKeypoints": lambda topic: Hands(),
    "foley_msgs/msg/ContactEvent": Contacts,
    "foley_msgs/msg/SegmentLabel": lambda topic: Latched(newest=False),
    "foley_msgs/msg/ToolTrajectory": Plans,
    "trajectory_msgs/msg/JointTrajectory": Plans,
}


def note_of(topic: BagTopic) -> Note | None:
    """How a topic is noted; None where nothing is read of it, or only when it is asked for."""
    if topic.name.endswith("tf_static"):
        return Latched(newest=False)
    make = _NOTES.get(topic.type)
    return make(topic) if make is not None else None
