"""By how much the stamps of each device are late, and messages with their stamps moved back by that.

A latency belongs to a device: `microphone` to its sound, `camera` to its pictures, their calibration and depth,
`arm` to its poses, its joints and `/tf`. A force sensor is late by itself and has its own (`wrench`). What is planned,
made of other messages (hands, contacts) or always holds (`/tf_static`) is not late.

Live (``foley_ros.entities``) and for recordings (``episodes/outline.py``) stamps are moved by the functions of this
module, so that both see the same times. A stamp of 0 says that there is none and stays; none is moved to 0 or before.
"""

from __future__ import annotations

import dataclasses
import math
import struct
from collections.abc import Iterable, Iterator, Mapping

from foley_common.times import NS_PER_S
from foley_common.topics import MAIN_ARM, TF, TOPICS, Topic

LONGEST_S = 10.0  # what is later was given in milliseconds
_MEASURED = frozenset({"audio", "image", "depth", "camera_info", "pose", "joints", "wrench"})
_LAST_NS = 2**31 * NS_PER_S - 1  # that a stamp can tell
_STAMP_AT = 4  # bytes of encapsulation, then the stamp
_POSE_BYTES = 7 * 8  # translation and rotation of a transform

Buffer = bytes | memoryview


class LatencyError(ValueError):
    """A latency was refused; the message names it and the cure."""


def latency_key(topic: Topic) -> str:
    """Under which name a topic's latency is given; empty where its stamps are not moved."""
    if topic == TF:
        return MAIN_ARM
    if topic.reader not in _MEASURED:
        return ""
    return topic.role if topic.reader == "wrench" else topic.device


KEYS: tuple[str, ...] = tuple(dict.fromkeys(key for key in map(latency_key, TOPICS) if key))


@dataclasses.dataclass(frozen=True)
class Latencies:
    """By how much stamps are later than what they tell of [s], by :data:`KEYS`; none where it is left out.

    Raises:
        LatencyError: a name that is not known, or a number that cannot be.
    """

    seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, value in self.seconds.items():
            if key not in KEYS:
                raise LatencyError(f"latencies: `{key}` is no device; known are {', '.join(KEYS)}")
            if not (math.isfinite(value) and abs(value) <= LONGEST_S):
                raise LatencyError(
                    f"latencies: {key} is {value:g} s, must lie in [-{LONGEST_S:g}, {LONGEST_S:g}]; "
                    "is it in milliseconds?"
                )

    @classmethod
    def parse(cls, entries: Iterable[str]) -> Latencies:
        """Of entries `device=seconds`, as the parameter `latencies` of nodes holds them.

        Raises:
            LatencyError: an entry of another form, one that is there twice, or see the class.
        """
        found: dict[str, float] = {}
        for entry in entries:
            key, equals, number = (part.strip() for part in entry.partition("="))
            try:
                value = float(number)
            except ValueError:
                equals, value = "", math.nan
            if not (key and equals):
                raise LatencyError(f"latencies: `{entry}` is not DEVICE=SECONDS, such as microphone=0.012")
            if key in found:
                raise LatencyError(f"latencies: {key} is given twice; leave one out")
            found[key] = value
        return cls(found)

    def entries(self) -> list[str]:
        """As :meth:`parse` reads them."""
        return [f"{key}={value!r}" for key, value in self.seconds.items()]

    def ns(self, topic: Topic) -> int:
        """By how much a topic's stamps are late [ns]."""
        return round(self.seconds.get(latency_key(topic), 0.0) * NS_PER_S)

    def arrival_ns(self, topic: Topic, stamp_ns: int, now_ns: int) -> int:
        """When a message came, to hold its moved stamp against.

        A stamp that is moved to later takes the arrival with it: it is no wrong clock that comes from the future then.
        """
        return now_ns + max(-self.ns(topic), 0) if stamp_ns else now_ns

    def __bool__(self) -> bool:
        return any(self.seconds.values())


def earlier(stamp_ns: int, latency_ns: int) -> int:
    """A stamp moved back, as far as a message can hold it; 0 means that there is none."""
    return min(max(stamp_ns - latency_ns, 1), _LAST_NS) if stamp_ns else 0


def earlier_bytes(data: Buffer, latency_ns: int, *, transforms: bool = False) -> bytes:
    """A serialised message (XCDR1) with its stamps moved back; what is cut short is left as it is.

    Args:
        transforms: it is a tf2_msgs/TFMessage, each of whose transforms has a stamp; else it begins with its stamp.
    """
    changed = bytearray(data)
    order = "<" if len(changed) > 1 and changed[1] & 1 else ">"
    for at in _transform_stamps(changed, order) if transforms else (_STAMP_AT,):
        if len(changed) < at + 8:
            break
        seconds, nanoseconds = struct.unpack_from(f"{order}iI", changed, at)
        moved = earlier(seconds * NS_PER_S + nanoseconds, latency_ns)
        struct.pack_into(f"{order}iI", changed, at, *divmod(moved, NS_PER_S))
    return bytes(changed)


def _transform_stamps(data: bytearray, order: str) -> Iterator[int]:
    """Where the stamps of a TFMessage lie."""

    def u32(at: int) -> int:
        return int(struct.unpack_from(f"{order}I", data, at)[0]) if len(data) >= at + 4 else 0

    count, at = u32(4), 8
    for _ in range(min(count, len(data) // _POSE_BYTES)):
        yield at
        at += 8
        for _name in ("frame_id", "child_frame_id"):
            at += -at % 4
            at += 4 + u32(at)
        at += -(at - 4) % 8 + _POSE_BYTES
        at += -at % 4
