"""The drivers of `benchmarks._stranger`, in one process: the robot rests, and touches things when it is told to.

    python -m benchmarks._stranger_driver BAG [--loop]

Needs the messages of ros-drivers' audio_common. Prints a line of JSON when the robot rests, when it begins to touch
(with what is to be added to times of the recording) and when it rests again. A line on its standard input makes it
touch the things of the recording once; the end of its input ends it. With --loop it does so over and over, until
Ctrl-C.
"""

from __future__ import annotations

import copy
import json
import queue
import struct
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import rclpy
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message

from benchmarks import _stranger
from benchmarks._odd_choices import Event, Events
from benchmarks._odd_driver import moved, recorded
from foley_common.times import NS_PER_S

_FIRST_NS = NS_PER_S // 10  # of the recording: every sensor has begun
_STILL_NS = (
    4 * NS_PER_S // 10
)  # of it from there, in which the robot stands; whole chunks, pictures and joints
_RETURN = 3  # of those that the way back takes
_AHEAD_NS = NS_PER_S // 10

Line = Iterator[tuple[int, str, bytes, bool]]
"""Nanoseconds from a part's begin, topic, message in serialised form, whether its header's stamp follows."""


def _profile(topic: str) -> QoSProfile:
    latched = topic in _stranger.LATCHED
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=1 if latched else 50,
        reliability=ReliabilityPolicy.RELIABLE if latched else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


class Robot:
    """Its recording, cut where every sensor is in step."""

    def __init__(self, events: Events) -> None:
        begin = events[0].time_ns + _FIRST_NS
        whole = (events[-1].time_ns - begin) // _STILL_NS
        self.begin_ns, self.length_ns = begin, whole * _STILL_NS
        self.latched = [event for event in events if event.topic in _stranger.LATCHED]
        live = [event for event in events if event.topic not in _stranger.LATCHED]
        self._all = [e for e in live if 0 <= e.time_ns - begin < self.length_ns]
        self._data = [bytes(serialize_message(event.message)) for event in self._all]
        told = [e.message.position for e in self._all if e.topic == _stranger.JOINTS]
        self.first, self.last = np.array(told[0]), np.array(told[-1])

    def touches(self) -> Line:
        for event, data in zip(self._all, self._data, strict=True):
            yield event.time_ns - self.begin_ns, event.topic, data, hasattr(event.message, "header")

    def rests(self, at: np.ndarray, to: np.ndarray) -> Line:
        """For as long as it stood in the recording, on the way from one place to another."""
        for event, data in zip(self._all, self._data, strict=True):
            since = event.time_ns - self.begin_ns
            if since >= _STILL_NS:
                return
            if event.topic == _stranger.JOINTS:
                data = bytes(serialize_message(_joints(event, at + (to - at) * (since / _STILL_NS))))
            yield since, event.topic, data, hasattr(event.message, "header")


def _joints(event: Event, place: np.ndarray) -> Any:
    message = copy.deepcopy(event.message)
    message.position = place.tolist()
    message.velocity = [0.0] * len(message.velocity)
    return message


class Driver:
    """Publishes part after part, each where the last one ended."""

    def __init__(self, robot: Robot) -> None:
        rclpy.init(args=[])
        self._node = rclpy.create_node("stranger")
        self._publishers: dict[str, Any] = {}
        self._robot = robot
        topics = {topic: None for _, topic, _, _ in robot.touches()}
        kinds = {event.topic: type(event.message) for event in [*robot.latched, *robot._all]}
        for topic in (*_stranger.LATCHED, *topics):
            self._publishers[topic] = self._node.create_publisher(kinds[topic], topic, _profile(topic))
        self.at_ns = time.time_ns() + _AHEAD_NS
        for event in robot.latched:
            self._publishers[event.topic].publish(moved(event.message, self.at_ns - robot.begin_ns))

    def publish(self, line: Line, length_ns: int) -> None:
        # Stamps of the recording, seen from its part's begin, which is when it is sent now.
        by_ns = self.at_ns - self._robot.begin_ns
        for since_ns, topic, data, stamped in line:
            if stamped:
                seconds, nanoseconds = struct.unpack_from("<iI", data, 4)
                buffer = bytearray(data)
                stamp = seconds * NS_PER_S + nanoseconds + by_ns
                struct.pack_into("<iI", buffer, 4, *divmod(stamp, NS_PER_S))
                data = bytes(buffer)
            wait_ns = self.at_ns + since_ns - time.time_ns()
            if wait_ns > 0:
                time.sleep(wait_ns / NS_PER_S)
            self._publishers[topic].publish(data)
        self.at_ns += length_ns

    def close(self) -> None:
        self._node.destroy_node()
        rclpy.try_shutdown()


def _say(**told: Any) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    loop = "--loop" in arguments
    robot = Robot(_stranger.strange(recorded(arguments[0])))
    driver, asked = Driver(robot), queue.SimpleQueue[str]()
    if not loop:

        def read() -> None:
            for text in sys.stdin:
                asked.put(text)
            asked.put("")

        threading.Thread(target=read, daemon=True).start()
    at = robot.first
    _say(rests=True)
    try:
        while True:
            if loop or not asked.empty():
                if not loop and not asked.get():
                    return 0
                for step in range(_RETURN if not np.array_equal(at, robot.first) else 0):
                    way = [at + (robot.first - at) * ((step + k) / _RETURN) for k in (0, 1)]
                    driver.publish(robot.rests(*way), _STILL_NS)
                _say(
                    by_ns=driver.at_ns - robot.begin_ns,
                    begin_ns=driver.at_ns,
                    seconds=robot.length_ns / NS_PER_S,
                )
                driver.publish(robot.touches(), robot.length_ns)
                at = robot.last
                _say(rests=True)
            driver.publish(robot.rests(at, at), _STILL_NS)
    except KeyboardInterrupt:
        return 0
    finally:
        driver.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
