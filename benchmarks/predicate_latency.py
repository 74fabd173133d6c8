"""From a contact to the predicates that it changes: how long after its sound has ended planners know.

    python -m benchmarks.predicate_latency [--bags DIR] [--contacts 120] [--simulator 60]

What a model listens to ends `after_s` (0.65 s) past the onset; all latencies count from there, to the arrival of the
first snapshot of `predicates` that rests on the contact, as the middleware stamps it at the planner.

  replay      sound around the contacts of recordings is played in real time to a `material` node of its own, on an
              otherwise quiet machine; each contact is announced 0.14 s after its onset, as the detector does
  simulator   `foley up --sim` with all nodes; contacts as the detector finds them

The load average of the minute before is told beside each. Writes out/bench_predicate_latency/metrics.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._bench import ended_by_signals, parser
from foley_common import topics
from foley_common.metrics_file import write_metrics
from foley_common.times import NS_PER_S

BEFORE_S, AFTER_S = 0.40, 0.90  # of a piece of sound around its contact
ANNOUNCED_S = 0.14  # after the onset
WINDOW_S = 0.65  # after the onset that the node listens to: its `after_s`
AIM_MS = {"replay": 30.0, "simulator": 100.0}
_CHUNK_S = 0.01
_UP_WITHIN_S = 240.0


@dataclasses.dataclass(frozen=True, eq=False)
class Piece:
    """Sound around one contact."""

    samples: np.ndarray[Any, Any]  # [n] mono
    onset: int  # sample of the contact
    rate: int
    object_id: str


def pieces(bags: Path, most: int) -> list[Piece]:
    """Of recordings with the simulator's contacts in them, those far enough from others."""
    from rclpy.serialization import deserialize_message

    from foley_msgs.msg import AudioChunk, ContactEvent
    from foley_perception.recording.bag import Bag
    from foley_ros import convert

    found: list[Piece] = []
    for path in sorted(folder for folder in bags.iterdir() if folder.is_dir()):
        sound, contacts, rate, start_ns = [], [], 0, 0
        for message in Bag(path).messages():
            if message.topic == "/mic/audio":
                chunk = deserialize_message(bytes(message.data), AudioChunk)
                start_ns, rate = start_ns or convert.to_ns(chunk.header.stamp), chunk.sample_rate
                sound.append(convert.audio_to_array(chunk)[:, 0])
            elif message.topic == "/sim/contacts":
                contacts.append(deserialize_message(bytes(message.data), ContactEvent))
        heard = np.concatenate(sound)
        for contact in contacts:
            onset = (convert.to_ns(contact.header.stamp) - start_ns) * rate // NS_PER_S
            # Onsets lie anywhere within the 10 ms of a chunk.
            before = round(BEFORE_S * rate) + len(found) * 37 % round(_CHUNK_S * rate)
            first, last = onset - before, onset + round(AFTER_S * rate)
            if first >= 0 and last <= len(heard):
                found.append(Piece(heard[first:last], before, rate, f"{path.name}/{contact.object_id}"))
        if len(found) >= most:
            return found[:most]
    return found


class Planner:
    """When snapshots came that rest on a contact."""

    def __init__(self) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        from foley_ros.topics import message_type, profile

        rclpy.init(args=[])
        self.node = rclpy.create_node("predicate_latency")
        self.known_ns: dict[int, int] = {}  # onset -> arrival
        self.contacts_ns: list[int] = []
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        listen = self.node.create_subscription
        listen(
            message_type(topics.PREDICATES),
            topics.PREDICATES.name,
            self._on_snapshot,
            profile(topics.PREDICATES),
        )
        listen(
            message_type(topics.CONTACTS), topics.CONTACTS.name, self._on_contact, profile(topics.CONTACTS)
        )

    def close(self) -> None:
        import rclpy

        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown()

    def _on_snapshot(self, message: Any, info: dict[str, Any]) -> None:
        from foley_ros import convert

        for predicate in message.predicates:
            self.known_ns.setdefault(convert.to_ns(predicate.newest_evidence), info["received_timestamp"])

    def _on_contact(self, message: Any) -> None:
        from foley_ros import convert

        self.contacts_ns.append(convert.to_ns(message.header.stamp))

    def spin(self, seconds: float) -> None:
        self._executor.spin_once(timeout_sec=seconds)

    def wait(self, condition: Callable[[], Any], seconds: float, what: str) -> None:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise SystemExit(f"no {what} within {seconds:.0f} s")
            self.spin(0.05)

    def figures(self, onsets_ns: Sequence[int]) -> dict[str, Any]:
        """Milliseconds beyond the window, of those contacts that were ever known."""
        late = [
            (self.known_ns[t] - t) / 1e6 - WINDOW_S * 1e3 for t in onsets_ns if t in self.known_ns and t > 0
        ]
        return figures(late, len(onsets_ns))


def figures(late_ms: Sequence[float], contacts: int) -> dict[str, Any]:
    """Of latencies; contacts without one were never known."""
    said = np.sort(np.asarray(late_ms, np.float64))
    some = len(said) > 0
    return {
        "contacts": contacts,
        "never_known": contacts - len(said),
        "p50_ms": round(float(np.percentile(said, 50)), 1) if some else None,
        "p90_ms": round(float(np.percentile(said, 90)), 1) if some else None,
        "p99_ms": round(float(np.percentile(said, 99)), 1) if some else None,
        "max_ms": round(float(said[-1]), 1) if some else None,
        "load": round(os.getloadavg()[0], 1),
    }


# ---- replay ----------------------------------------------------------------------------------------------------
def chunks(sounds: Sequence[Piece]) -> Iterator[tuple[int, np.ndarray[Any, Any], Piece | None]]:
    """Samples of 10 ms one after the other, each with the piece whose onset lies in it; pieces of one rate follow each
    other without a gap.
    """
    first = 0
    for piece in sounds:
        size = round(_CHUNK_S * piece.rate)
        for i in range(len(piece.samples) // size):
            here = piece if i == piece.onset // size else None
            yield first, piece.samples[i * size : (i + 1) * size], here
            first += size


def replay(planner: Planner, sounds: Sequence[Piece]) -> dict[str, Any]:
    """Play everything to one node, in real time."""
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    from foley_msgs.msg import ContactEvent
    from foley_ros import convert
    from foley_ros.topics import message_type, profile

    sender = planner.node.create_publisher
    microphone = sender(message_type(topics.MICROPHONE), topics.MICROPHONE.name, profile(topics.MICROPHONE))
    announced = sender(ContactEvent, topics.CONTACTS.name, profile(topics.CONTACTS))
    process = subprocess.Popen(
        [sys.executable, "-m", "foley_synthesis.nodes.material"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        client = planner.node.create_client(ChangeState, "material/change_state")
        planner.wait(client.service_is_ready, 60, "material node")
        for wanted in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
            future = client.call_async(ChangeState.Request(transition=Transition(id=wanted)))
            planner.wait(future.done, 60, "answer of the material node")
        planner.wait(microphone.get_subscription_count, 20, "subscription to the sound")
        planner.wait(lambda: announced.get_subscription_count() >= 2, 20, "subscription to contacts")
        start_ns = time.time_ns()
        waiting: list[tuple[int, ContactEvent]] = []
        onsets_ns: list[int] = []
        for number, (first, samples, piece) in enumerate(chunks(sounds)):
            stamp_ns = start_ns + round(number * _CHUNK_S * NS_PER_S)
            due_ns = stamp_ns + round(_CHUNK_S * NS_PER_S)
            while (ahead_ns := due_ns - time.time_ns()) > 0:
                planner.spin(min(ahead_ns / NS_PER_S, 0.002))
            microphone.publish(
                convert.array_to_audio(
                    samples,
                    time_ns=stamp_ns,
                    frame_id="microphone",
                    stream_id="replay",
                    first_sample=first,
                    sample_rate=sounds[0].rate,
                )
            )
            if piece is not None:
                onset_ns = stamp_ns + piece.onset % len(samples) * NS_PER_S // piece.rate
                onsets_ns.append(onset_ns)
                event = ContactEvent(
                    header=convert.header(onset_ns, "world"),
                    contact_id=f"c{number}",
                    object_id=piece.object_id,
                    action=ContactEvent.ACTION_TAP,
                    confidence=1.0,
                    position=convert.array_to_point((float("nan"),) * 3),
                )
                waiting.append((onset_ns + round(ANNOUNCED_S * NS_PER_S), event))
            while waiting and waiting[0][0] <= time.time_ns():
                announced.publish(waiting.pop(0)[1])
        end = time.monotonic() + 5.0
        while time.monotonic() < end and not all(t in planner.known_ns for t in onsets_ns):
            planner.spin(0.05)
        return planner.figures(onsets_ns)
    finally:
        process.terminate()
        process.wait(30)


# ---- beside the simulator --------------------------------------------------------------------------------------
def simulator(planner: Planner, contacts: int, out: Path) -> dict[str, Any]:
    """`foley up --sim` until so many contacts are known, or twice as long as they usually take."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / "up.log").open("wb") as log:
        process = subprocess.Popen(
            ["foley", "up", "--sim", "--scene-seed", "5"], stdout=log, stderr=subprocess.STDOUT, cwd=out
        )
    try:
        planner.wait(lambda: planner.contacts_ns, _UP_WITHIN_S, "contact")
        end = time.monotonic() + 12.0 * contacts
        while time.monotonic() < end and len(planner.contacts_ns) < contacts:
            planner.spin(0.1)
        asked = planner.contacts_ns[:contacts]
        end = time.monotonic() + 5.0
        while time.monotonic() < end and not all(t in planner.known_ns for t in asked):
            planner.spin(0.1)
        return planner.figures(asked)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def run(args: argparse.Namespace) -> dict[str, Any]:
    done: dict[str, Any] = {}
    if args.contacts:
        sounds = pieces(args.bags, args.contacts)
        if not sounds:
            raise SystemExit(f"{args.bags}: no bags with sound and /sim/contacts")
        planner = Planner()
        try:
            done["replay"] = replay(planner, [s for s in sounds if s.rate == sounds[0].rate])
        finally:
            planner.close()
    if args.simulator:
        planner = Planner()
        try:
            done["simulator"] = simulator(planner, args.simulator, args.out.resolve())
        finally:
            planner.close()
    return done


def main(arguments: Sequence[str] | None = None) -> int:
    ended_by_signals()
    options = parser("predicate_latency", __doc__)
    options.add_argument("--bags", type=Path, default=Path("out/held_out/bags"), help="default: %(default)s")
    options.add_argument(
        "--contacts", type=int, default=120, help="in replay; 0: none (default: %(default)s)"
    )
    options.add_argument(
        "--simulator", type=int, default=60, help="beside it; 0: none (default: %(default)s)"
    )
    options.add_argument("--domain", type=int, default=35)
    args = options.parse_args(arguments)
    os.environ["ROS_DOMAIN_ID"] = str(args.domain)
    done = run(args)
    write_metrics(args.out, {"window_s": WINDOW_S, "aim_p99_ms": AIM_MS, **done})
    for name, row in done.items():
        late = "  ".join(f"{what} {row[f'{what}_ms']}" for what in ("p50", "p90", "p99", "max"))
        print(
            f"{name:10} {row['contacts']:4} contacts, {row['never_known']} never known; ms beyond the window: {late}, "
            f"aim p99 {AIM_MS[name]:.0f}; load {row['load']}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
