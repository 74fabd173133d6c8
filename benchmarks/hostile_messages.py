"""What live nodes survive: thousands of hostile messages to every topic that a node listens to, and then work as usual.

    python -m benchmarks.hostile_messages [--messages 10000] [--rate 200] [--nodes material ...] [--seed 0]

Each node is a process of its own. It is sent, at each of its subscriptions, messages that are valid and extreme and
bytes that are none (:mod:`benchmarks._hostile`). Then: does the process live, did its heart beat all the while, is what
was odd told in its diagnostics, does a file that it keeps hold nothing but finite numbers, and does it do its work with
good messages (:mod:`benchmarks._good_messages`)?

Images are best effort and five deep: of those that come faster than they are looked at, some are overwritten; what was
sent counts here. Writes out/bench_hostile_messages/metrics.json; ends with 1 where a node did not survive.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks._bench import parser
from foley_common.metrics_file import write_metrics

PACKAGES = {
    "hand_mapper": "foley_perception", "contact_detector": "foley_perception", "recorder": "foley_perception",
    "material": "foley_synthesis", "synthesizer": "foley_synthesis",
}  # fmt: skip
STATE_FILES = ("contact_detector", "material")
_NOT_OURS = ("/parameter_events", "/rosout", "/clock")
_PATIENCE_S = 90.0


class Subject:
    """One node in a process of its own, and what is seen of it from outside."""

    def __init__(self, observer: Any, executor: Any, name: str, folder: Path) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from lifecycle_msgs.msg import State

        from foley_ros import qos

        self.name, self.observer, self._executor = name, observer, executor
        self.state_file = folder / f"{name}.json" if name in STATE_FILES else None
        self.beats: list[float] = []
        self.state = ""
        self.told: dict[str, str] = {}
        self.told_at = 0.0
        self.words: list[str] = []  # that the node looks for
        self.log = folder / f"{name}.log"
        arguments = ["--ros-args", "-r", f"__node:={name}"]
        if self.state_file is not None:
            arguments += ["-p", f"state_file:={self.state_file}"]
        if name == "recorder":
            arguments += ["-p", f"output_dir:={folder}"]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"{PACKAGES[name]}.nodes.{name}", *arguments],
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._listening = [
            observer.create_subscription(State, f"{name}/heartbeat", self._on_beat, qos.HEARTBEAT),
            observer.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50),
        ]

    def _on_beat(self, message: Any) -> None:
        self.beats.append(time.monotonic())
        self.state = message.label

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            if status.name == f"/{self.name}":
                self.told = {v.key: v.value for v in status.values} | {"message": status.message}
                self.told_at = time.monotonic()

    # ---- waiting -----------------------------------------------------------------------------------------
    def spin(self, seconds: float = 0.0) -> None:
        """Look at what has come, for so long at least."""
        until = time.monotonic() + seconds
        while True:
            self._executor.spin_once(timeout_sec=max(min(until - time.monotonic(), 0.02), 0.0))
            if time.monotonic() >= until:
                return

    def until(self, condition: Callable[[], Any], what: str, *, patience_s: float = _PATIENCE_S) -> Any:
        """Raises TimeoutError, or ProcessLookupError where the process has ended."""
        deadline = time.monotonic() + patience_s
        while True:
            if found := condition():
                return found
            if self.process.poll() is not None:
                raise ProcessLookupError(f"{self.name} ended with {self.process.returncode}: {self.tail()}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name}: {what} not within {patience_s:.0f} s; it says {self.told}")
            self.spin(0.01)

    def call(self, kind: type[Any], name: str, request: Any) -> Any:
        client = self.observer.create_client(kind, f"{self.name}/{name}")
        try:
            self.until(client.service_is_ready, f"service {name}")
            future = client.call_async(request)
            self.until(future.done, f"response of {name}")
            return future.result()
        finally:
            self.observer.destroy_client(client)

    def activate(self) -> None:
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        self.until(lambda: self.beats, "a heartbeat")
        for number in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
            request = ChangeState.Request(transition=Transition(id=number))
            if not self.call(ChangeState, "change_state", request).success:
                raise RuntimeError(f"{self.name} refused to start: {self.tail()}")
        self.until(lambda: self.state == "active", "to be active")

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-1500:]

    def end(self) -> None:
        for subscription in self._listening:
            self.observer.destroy_subscription(subscription)
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def subscriptions(subject: Subject) -> dict[str, str]:
    """Every topic that the node listens to, with its type."""
    found = subject.observer.get_subscriber_names_and_types_by_node(subject.name, "/")
    return {name: types[0] for name, types in found if name not in _NOT_OURS}


def attack(subject: Subject, messages: int, rate_hz: float, seed: int) -> dict[str, int]:
    """Send hostile messages to all that the node listens to, side by side. How many, by topic."""
    from benchmarks._hostile import Hostile
    from foley_ros import qos
    from foley_ros.topics import message_class

    hostile, publishers, sent = Hostile(seed, subject.words), {}, {}
    started = time.monotonic()
    for index in range(messages):
        if index % max(round(rate_hz), 1) == 0:  # some subscribe only when something is missing
            for topic, kind in subscriptions(subject).items():
                if topic not in publishers:
                    profile = qos.TF_STATIC if topic == "/tf_static" else qos.EVENT
                    profile = qos.LATCHED if topic.endswith("robot_description") else profile
                    made = message_class(kind)
                    publishers[topic] = (made, subject.observer.create_publisher(made, topic, profile))
                    sent[topic] = 0
        for topic, (made, publisher) in publishers.items():
            with contextlib.suppress(Exception):  # bytes that the middleware itself does not take
                publisher.publish(hostile.data(made))
                sent[topic] += 1
        subject.spin(started + (index + 1) / rate_hz - time.monotonic())
        if subject.process.poll() is not None:
            break
    subject.spin(0.5)
    for _, publisher in publishers.values():
        subject.observer.destroy_publisher(publisher)
    return sent


def kept(subject: Subject) -> str:
    """What is wrong with the node's file; empty where nothing is."""
    if subject.state_file is None or not subject.state_file.exists():
        return ""

    def refuse(word: str) -> float:
        raise ValueError(f"it holds {word}")

    try:
        json.loads(subject.state_file.read_text(encoding="utf-8"), parse_constant=refuse)
    except ValueError as error:
        return f"{subject.state_file.name}: {error}"
    size = subject.state_file.stat().st_size
    return f"{subject.state_file.name} has {size} bytes" if size > 20_000_000 else ""


def trial(observer: Any, executor: Any, name: str, folder: Path, args: Any) -> dict[str, Any]:
    """All of it for one node."""
    from benchmarks._good_messages import prepare, works

    subject = Subject(observer, executor, name, folder)
    result: dict[str, Any] = {"survived": False}
    try:
        subject.activate()
        prepare(subject)
        subject.beats.clear()
        result["sent"] = attack(subject, args.messages, args.rate, args.seed)
        finished = time.monotonic()
        subject.until(lambda: subject.beats and subject.beats[-1] > finished, "a heartbeat afterwards")
        subject.until(lambda: subject.told_at > finished, "diagnostics afterwards")
        gaps = [after - before for before, after in zip(subject.beats[:-1], subject.beats[1:], strict=True)]
        result |= {
            "longest_pause_of_the_heart_s": round(max(gaps, default=0.0), 2),
            "told": dict(subject.told),
        }
        result["works_afterwards"] = works(subject)
        result["file"] = kept(subject) or "sound"
        result["survived"] = result["file"] == "sound" and subject.process.poll() is None
    except (TimeoutError, ProcessLookupError, RuntimeError) as error:
        result["failure"] = str(error)
    finally:
        subject.end()
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    made = parser("hostile_messages", __doc__)
    made.add_argument(
        "--messages", type=int, default=10_000, help="to each subscription; default: %(default)s"
    )
    made.add_argument("--rate", type=float, default=200.0, help="[Hz] of each topic; default: %(default)s")
    made.add_argument("--nodes", nargs="+", choices=sorted(PACKAGES), default=list(PACKAGES), metavar="NODE")
    made.add_argument("--seed", type=int, default=0)
    args = made.parse_args(arguments)

    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    observer = rclpy.create_node("hostile_messages", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(observer)
    nodes: dict[str, Any] = {}
    try:
        for name in args.nodes:
            with tempfile.TemporaryDirectory(prefix="foley_hostile_") as folder:
                nodes[name] = trial(observer, executor, name, Path(folder), args)
            row = nodes[name]
            count = len(row.get("sent", {}))
            said = "survived" if row["survived"] else f"FAILED: {row.get('failure', row.get('file'))}"
            print(f"{name:18} {args.messages} messages to each of {count} subscriptions: {said}", flush=True)
    finally:
        executor.shutdown()
        observer.destroy_node()
        rclpy.try_shutdown(context=context)
    survived = all(row["survived"] for row in nodes.values())
    metrics = {"survived": survived, "messages": args.messages, "seed": args.seed, "nodes": nodes}
    write_metrics(args.out, metrics)
    return 0 if survived else 1


if __name__ == "__main__":
    sys.exit(main())
