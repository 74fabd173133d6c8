"""Poses of the tool at hundreds a second, in any frame: what contact_detector and hand_mapper cost, and what they find.

    python -m benchmarks.pose_load BAG [--rates 125 500 1000] [--frames world static moving] [--seconds 20]
                                   [--before out/other/metrics.json]

A recording is replayed in real time to both nodes, each in a process of its own: sound, force and joints as they were
recorded, ``ee_pose`` at the asked rate, given in `world`, in a frame that a static transform places in it, or in a
frame that moves (its transform comes on /tf at the same rate). The floor of what is found is what is found in `world`
at the same rate. Writes out/bench_pose_load/metrics.json: share of a core, and contacts (seconds from the
recording's start), with those of another run (``--before``) beside them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import heapq
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._bench import parser
from foley_common import topics
from foley_common.metrics_file import write_metrics
from foley_common.times import NS_PER_S
from foley_perception.geometry.se3 import SE3, interpolate_at
from foley_perception.recording import cdr
from foley_perception.recording.bag import Bag

NODES = ("contact_detector", "hand_mapper")
FRAMES = ("world", "static", "moving")
_AS_RECORDED = (topics.MICROPHONE, topics.WRENCH, topics.JOINT_STATES)
_LATCHED = (topics.ROBOT_DESCRIPTION, topics.TF_STATIC)
_SAME_S = 0.005  # within which a contact is the same


@dataclasses.dataclass(frozen=True, eq=False)
class Recorded:
    """What is replayed; times count from the recording's start."""

    stamped: list[tuple[int, topics.Topic, bytes]]  # stamp [ns], topic, message
    latched: list[tuple[topics.Topic, bytes]]
    pose_ns: np.ndarray[Any, Any]
    poses: SE3


def read(path: Path) -> Recorded:
    """Sound, motion and force of a bag."""
    by_name = {f"/{topic.name.lstrip('/')}": topic for topic in (*_AS_RECORDED, *_LATCHED, topics.EE_POSE)}
    stamped, latched, pose_ns, poses = [], [], [], []
    for message in Bag(path).messages():
        topic = by_name.get(message.topic)
        if topic is None:
            continue
        data = bytes(message.data)
        if topic in _LATCHED:
            latched.append((topic, data))
        elif topic == topics.EE_POSE:
            header, numbers = cdr.read_doubles(data, 7)
            pose_ns.append(header.time_ns)
            poses.append(np.array(numbers))
        else:
            stamped.append((cdr.read_stamp(data, 4) or 0, topic, data))
    start_ns, numbers = pose_ns[0], np.stack(poses)
    return Recorded(
        [(t - start_ns, topic, data) for t, topic, data in stamped],
        latched,
        np.array(pose_ns) - start_ns,
        SE3(numbers[:, 3:], numbers[:, :3]),
    )


def carrier(times_ns: np.ndarray[Any, Any], frame: str) -> SE3:
    """Where the frame of the poses lies in `world`."""
    t = times_ns / NS_PER_S * (frame == "moving")
    turn = np.stack([0.2 * np.sin(t), 0.1 * np.cos(0.7 * t), 0.3 + 0.4 * np.sin(0.5 * t)], axis=1)
    place = np.stack([0.4 + 0.2 * np.sin(0.8 * t), 0.1 * np.cos(t), 0.2 + 0.1 * np.sin(1.3 * t)], axis=1)
    return SE3.from_rotation_vector(turn, place)


class Replay:
    """Publishes a recording in real time, and hears the contacts."""

    def __init__(self, recorded: Recorded, rate_hz: float, frame: str) -> None:
        import rclpy
        from rclpy.serialization import serialize_message
        from tf2_msgs.msg import TFMessage

        from foley_msgs.msg import ContactEvent
        from foley_ros import convert
        from foley_ros.topics import message_type, profile

        self.node = rclpy.create_node("pose_load")
        self.contacts: list[float] = []
        self._start_ns = 0
        self._publishers = {
            topic: self.node.create_publisher(message_type(topic), topic.name, profile(topic))
            for topic in (*_AS_RECORDED, *_LATCHED, topics.EE_POSE, topics.TF)
        }

        def heard(message: ContactEvent) -> None:
            self.contacts.append((convert.to_ns(message.header.stamp) - self._start_ns) / NS_PER_S)

        self.node.create_subscription(ContactEvent, topics.CONTACTS.name, heard, profile(topics.CONTACTS))
        for topic, data in recorded.latched:
            if topic != topics.TF_STATIC:
                self._publishers[topic].publish(data)
        times = np.arange(0, recorded.pose_ns[-1], round(NS_PER_S / rate_hz))
        tx_world_tool = interpolate_at(recorded.pose_ns, recorded.poses, times)
        tx_world_frame = carrier(times, frame)
        poses = tx_world_tool if frame == "world" else tx_world_frame.inverse() @ tx_world_tool
        name = "world" if frame == "world" else "carrier"
        made = [
            (
                int(t),
                topics.EE_POSE,
                serialize_message(convert.pose_stamped(poses.translation[i], poses.quaternion[i], 0, name)),
            )
            for i, t in enumerate(times)
        ]

        def transform(index: int) -> Any:
            place, turn = tx_world_frame.translation[index], tx_world_frame.quaternion[index]
            return convert.arrays_to_transform(place, turn, 0, "world", "carrier")

        # One publisher tells all that is static, as tf2's broadcaster does.
        from rclpy.serialization import deserialize_message

        told = [
            deserialize_message(data, TFMessage)
            for topic, data in recorded.latched
            if topic == topics.TF_STATIC
        ]
        static = TFMessage(transforms=[t for message in told for t in message.transforms])
        if frame == "static":
            static.transforms.append(transform(0))
        self._publishers[topics.TF_STATIC].publish(static)
        moving = []
        if frame == "moving":
            moving = [
                (int(t), topics.TF, serialize_message(TFMessage(transforms=[transform(i)])))
                for i, t in enumerate(times)
            ]
        self._messages = list(heapq.merge(sorted(recorded.stamped, key=_time), moving, made, key=_time))

    def matched(self) -> bool:
        """Whether both nodes listen to the poses, and the detector to the sound."""
        return (
            self._publishers[topics.EE_POSE].get_subscription_count() >= len(NODES)
            and self._publishers[topics.MICROPHONE].get_subscription_count() >= 1
        )

    def run(self, seconds: float, spin: Callable[[float], None]) -> None:
        """Publish in real time; sound comes when it is over."""
        self._start_ns = time.time_ns() + NS_PER_S // 10
        for time_ns, topic, data in self._messages:
            if time_ns > seconds * NS_PER_S:
                break
            due_ns = self._start_ns + time_ns + (10_000_000 if topic == topics.MICROPHONE else 0)
            while (ahead := due_ns - time.time_ns()) > 0:
                spin(min(ahead / NS_PER_S, 0.005))
            place = 8 if topic == topics.TF else 4  # behind the number of transforms
            self._publishers[topic].publish(cdr.with_stamp(data, place, self._start_ns + time_ns))


def _time(message: tuple[int, topics.Topic, bytes]) -> int:
    return message[0]


def processor_s(pid: int) -> float:
    """Processor time that a process has used [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def nodes_running() -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Both nodes, each in a process of its own."""
    running = {}
    try:
        for name in NODES:
            command = [sys.executable, "-m", f"foley_perception.nodes.{name}"]
            running[name] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        yield running
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait(30)


def measure(recorded: Recorded, rate_hz: float, frame: str, seconds: float) -> dict[str, Any]:
    """Share of a core of each node, and the contacts."""
    import rclpy
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState
    from rclpy.executors import SingleThreadedExecutor

    rclpy.init()
    executor = SingleThreadedExecutor()
    try:
        replay = Replay(recorded, rate_hz, frame)
        executor.add_node(replay.node)

        def wait(condition: Callable[[], Any]) -> None:
            deadline = time.monotonic() + 60
            while not condition():
                if time.monotonic() > deadline:
                    raise RuntimeError("a node did not answer within 60 s")
                executor.spin_once(timeout_sec=0.05)

        with nodes_running() as running:
            for name in NODES:
                client = replay.node.create_client(ChangeState, f"{name}/change_state")
                wait(client.service_is_ready)
                for wanted in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
                    future = client.call_async(ChangeState.Request(transition=Transition(id=wanted)))
                    wait(future.done)
            wait(replay.matched)
            before = {name: processor_s(process.pid) for name, process in running.items()}
            began = time.monotonic()
            replay.run(seconds, lambda s: executor.spin_once(timeout_sec=s))
            elapsed = time.monotonic() - began
            used = {name: processor_s(p.pid) - before[name] for name, p in running.items()}
            end = time.monotonic() + 1.0  # the last contacts are decided
            while time.monotonic() < end:
                executor.spin_once(timeout_sec=0.05)
    finally:
        executor.shutdown()
        rclpy.try_shutdown()
    share = {name: round(seconds / elapsed, 4) for name, seconds in used.items()}
    return {"share_of_a_core": share, "contacts_s": [round(t, 4) for t in sorted(replay.contacts)]}


def same_contacts(found: Sequence[float], true: Sequence[float]) -> bool:
    """Whether each contact of one run is in the other."""
    return len(found) == len(true) and all(abs(a - b) <= _SAME_S for a, b in zip(found, true, strict=True))


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("pose_load", __doc__)
    options.add_argument("bag", type=Path)
    options.add_argument("--rates", type=float, nargs="+", default=[125.0, 500.0, 1000.0])
    options.add_argument("--frames", nargs="+", choices=FRAMES, default=list(FRAMES))
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--before", type=Path, help="metrics.json of another run, told beside this one's")
    args = options.parse_args(arguments)
    before = json.loads(args.before.read_text())["runs"] if args.before else None
    recorded = read(args.bag)
    runs: dict[str, Any] = {}
    for rate in args.rates:
        for frame in args.frames:
            name = f"{rate:g} Hz {frame}"
            run = runs[name] = measure(recorded, rate, frame, args.seconds)
            in_world = runs.get(f"{rate:g} Hz world")
            if in_world is not None:
                run["contacts_as_in_world"] = same_contacts(run["contacts_s"], in_world["contacts_s"])
            shares = "  ".join(
                f"{node} {100 * share:5.1f} %" for node, share in run["share_of_a_core"].items()
            )
            old = f"  before: {before[name]['share_of_a_core']}" if before and name in before else ""
            print(f"{name:18}{shares}  {len(run['contacts_s'])} contacts{old}", flush=True)
    figures = {"bag": args.bag.name, "seconds": args.seconds, "runs": runs}
    write_metrics(args.out, figures | ({"before": before} if before else {}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
