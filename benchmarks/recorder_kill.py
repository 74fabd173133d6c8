"""What a SIGKILL costs a recording, in every mode of the recorder, against the bound that is promised.

    python -m benchmarks.recorder_kill [--kills 20] [--seed 0] [--flush 1.0]

One process publishes stereo sound (100 Hz), pose and wrench (250 Hz each) and images (320x240, 30 Hz) and writes down
what it sent. A recorder records it and is killed at a random moment, again and again, over its modes: `plain`, `split`
(every second), `compressed` (images JPEG, sound zstd), `paused` (and resumed), `snapshot` (taken just before). Of each
topic: seconds between the last message that is left and the kill, messages that were sent in them, and holes before.

The bound is what the recorder itself tells at the end of a recording of the same mode that is not killed:
`flush_period_s` plus its longest flush; to that come its period of polling, 0.02 s, half a second for a busy machine,
and the longest time for which that machine stalled before the kill: for which a thread that writes 64 KiB to the same
disk and forces them out, every 20 ms, did not come to its end. Every bag must be readable as it is, and whole after
`foley bag recover`, as `rosbags` reads it. Writes out/bench_recorder_kill/metrics.json.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import itertools
import json
import os
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks._bench import ended_by_signals, parser
from foley_common.metrics_file import write_metrics

TOPICS = ("/mic/audio", "/ee_pose", "/wrench", "/camera/image_raw")
SLACK_S = 0.02 + 0.5
MODES: dict[str, dict[str, Any]] = {
    "plain": {},
    "split": {"split_s": 1.0},
    "compressed": {"compression": ["camera/image_raw=jpeg:90", "mic/audio=zstd"]},
    "paused": {},
    "snapshot": {"snapshot_s": 3.0},
}
SENT = struct.Struct("<Bq")  # which topic, stamp
_READY_S = 60.0

SOURCE = """
import struct, sys, time
import numpy as np, rclpy
from foley_msgs.msg import AudioChunk
from foley_ros import convert, qos
from geometry_msgs.msg import PoseStamped, WrenchStamped
from sensor_msgs.msg import Image
out = open(sys.argv[1], "ab", buffering=0)
rclpy.init()
node = rclpy.create_node("source")
publishers = [node.create_publisher(k, n, q) for k, n, q in (
    (AudioChunk, "mic/audio", qos.AUDIO), (PoseStamped, "ee_pose", qos.STATE),
    (WrenchStamped, "wrench", qos.STATE), (Image, "camera/image_raw", qos.IMAGE))]
rng = np.random.default_rng(0)
sound = rng.normal(0, 0.1, (480, 2)).astype(np.float32)
pixels = np.tile(np.arange(320, dtype=np.uint8)[:, None], (240, 1, 3))
def send(which, message, stamp):
    publishers[which].publish(message)
    out.write(struct.pack("<Bq", which, stamp))
begin, image = time.monotonic(), 0
tick = 0
while True:
    ahead = begin + tick / 500 - time.monotonic()
    if ahead > 0:
        time.sleep(ahead)
    now = time.time_ns()
    if tick % 5 == 0:
        send(0, convert.array_to_audio(sound, time_ns=now, frame_id="m", stream_id="s",
             first_sample=tick // 5 * 480, sample_rate=48000), now)
    if tick % 2 == 0:
        send(1, convert.pose_stamped(np.zeros(3), np.array([0, 0, 0, 1.0]), now, "world"), now)
        send(2, WrenchStamped(header=convert.header(now, "tool")), now)
    if tick * 30 >= image * 500:
        send(3, convert.array_to_image(pixels, "rgb8", now, "camera_optical"), now)
        image += 1
    tick += 1
"""


class Kept(NamedTuple):
    """What is left of one topic."""

    lost_s: float  # before the kill
    lost: int  # messages that were sent in them
    holes: int  # that are missing before


class Recorder:
    """A recorder of one mode in a process of its own, and who asks it.

    Each has its own name: the graph does not know at once that one was killed.
    """

    _made = itertools.count()

    def __init__(self, node: Any, folder: Path, mode: str, flush_s: float) -> None:
        self._node, self._name = node, f"recorder_{next(self._made)}"
        file = folder / f"{mode}.yaml"
        topics = [
            "mic/audio foley_msgs/msg/AudioChunk audio required",
            "ee_pose geometry_msgs/msg/PoseStamped state required",
            "wrench geometry_msgs/msg/WrenchStamped state",
            "camera/image_raw sensor_msgs/msg/Image image required",
            "labels foley_msgs/msg/SegmentLabel event",
        ]
        common = {
            "topics": topics,
            "output_dir": str(folder / "bags"),
            "flush_period_s": flush_s,
            "min_free_mb": 1.0,
        }
        file.write_text(json.dumps({"/**": {"ros__parameters": common | MODES[mode]}}))  # JSON is YAML
        self._log = (folder / "recorder.log").open("w+")
        command = [sys.executable, "-m", "foley_perception.nodes.recorder", "--ros-args"]
        command += ["-r", f"__node:={self._name}", "--params-file", str(file)]
        self.process = subprocess.Popen(command, stderr=self._log, stdout=self._log)
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        try:
            for number in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
                request = ChangeState.Request(transition=Transition(id=number))
                answer = self.call(ChangeState, "change_state", request)
                if answer is None:  # a request that was sent before its server was known is lost
                    answer = self.call(ChangeState, "change_state", request)
                assert answer is not None and answer.success, self.log
        except BaseException:
            self.end()
            raise

    def call(self, kind: type, name: str, request: Any) -> Any:
        import rclpy

        client = self._node.create_client(kind, f"/{self._name}/{name}")
        try:
            if not client.wait_for_service(timeout_sec=_READY_S):
                raise RuntimeError(f"/{self._name}/{name} is not there:\n{self.log}")
            future = client.call_async(request)
            rclpy.spin_until_future_complete(self._node, future, timeout_sec=_READY_S)
            return future.result()
        finally:
            self._node.destroy_client(client)

    def trigger(self, name: str) -> None:
        from std_srvs.srv import Trigger

        answer = self.call(Trigger, name, Trigger.Request())
        assert answer.success, answer.message

    @property
    def log(self) -> str:
        self._log.seek(0)
        return self._log.read()

    def kill(self) -> int:
        """Returns when [ns]."""
        os.kill(self.process.pid, signal.SIGKILL)
        at = time.time_ns()
        self.process.wait()
        return at

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()
        self._log.close()


def session(recorder: Recorder, mode: str, name: str, rng: random.Random) -> tuple[str, str]:
    """Record in a mode up to the moment of a kill: path of the bag, and of a snapshot that was taken."""
    from foley_msgs.srv import SaveSnapshot, StartRecording

    request = StartRecording.Request(name=name, max_duration=600.0)
    started = recorder.call(StartRecording, "start", request)
    assert started.error_code == 0, started.error_msg
    time.sleep(1.5 + rng.uniform(0.0, 1.0))
    snapshot = ""
    if mode == "paused":
        recorder.trigger("pause")
        time.sleep(0.7)
        recorder.trigger("resume")
    elif mode == "snapshot":
        answer = recorder.call(SaveSnapshot, "snapshot", SaveSnapshot.Request(name=f"{name}_last"))
        assert answer.error_code == 0, answer.error_msg
        snapshot = answer.path
    time.sleep(rng.uniform(0.2, 2.2))
    return started.path, snapshot


def bound_of(recorder: Recorder, mode: str, rng: random.Random) -> float:
    """[s] as the recorder tells it at the end of a recording."""
    from foley_msgs.srv import StopRecording

    session(recorder, mode, f"bound_{mode}", rng)
    stopped = recorder.call(StopRecording, "stop", StopRecording.Request())
    assert stopped is not None and not stopped.error_code, f"{stopped}\n{recorder.log}"
    found = re.findall(r"would have cost ([0-9.]+) s at most", recorder.log)
    assert len(found) == 1, recorder.log
    return float(found[0])


def left(path: Path, sent: dict[str, np.ndarray], killed_ns: int, late_s: float) -> dict[str, Kept]:
    """What is left of each topic: by stamps, which are when a message was sent.

    Args:
        late_s: by which messages may have been late. What is sent before a pause and arrives in it is not kept.
    """
    from foley_perception.recording import cdr
    from foley_perception.recording.bag import Bag
    from foley_perception.recording.labels import LABEL_TYPE, Pauses

    bag, pauses = Bag(path), Pauses()
    stamps: dict[str, list[int]] = {topic: [] for topic in TOPICS}
    for message in bag.messages():
        if bag.topics[message.topic].type == LABEL_TYPE:
            pauses.see(message.data)
        else:
            stamp = cdr.read_stamp(message.data, 4)
            assert stamp is not None
            stamps[message.topic.removesuffix("/compressed")].append(stamp)
    found = {}
    for topic, of_it in stamps.items():
        assert of_it, f"{path}: nothing is left of {topic}"
        after = sent[topic][(sent[topic] > max(of_it)) & (sent[topic] <= killed_ns)]
        inside = sent[topic][(sent[topic] >= min(of_it)) & (sent[topic] <= max(of_it))]
        missing = np.setdiff1d(inside, np.array(of_it))
        edge = round((0.1 + late_s) * 1e9)
        meant = [((missing >= p.start_ns - edge) & (missing <= p.end_ns + edge)) for p in pauses.spans]
        holes = int(np.count_nonzero(~np.logical_or.reduce(meant))) if meant else len(missing)
        found[topic] = Kept(max(killed_ns - max(of_it), 0) * 1e-9, len(after), holes)
    return found


def whole_after_recovery(path: Path) -> bool:
    """Whether the recovered bag holds, as `rosbags` reads it, what can be read of the one that was cut off."""
    from rosbags.rosbag2 import Reader

    from foley_perception.recording.bag import Bag
    from foley_perception.recording.recovery import recover_bag

    count = sum(1 for _ in Bag(path).messages())
    with Reader(recover_bag(path).path) as reader:
        return reader.message_count == count == sum(1 for _ in reader.messages())


class Stalls(threading.Thread):
    """How long this machine and its disk let others wait."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._file = os.open(folder / "stalls", os.O_WRONLY | os.O_CREAT)
        self._seen: collections.deque[tuple[float, float]] = collections.deque(maxlen=10_000)
        self._over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._over.is_set():
            begun = time.monotonic()
            os.pwrite(self._file, bytes(1 << 16), 0)
            os.fdatasync(self._file)
            time.sleep(0.02)
            self._seen.append((begun, time.monotonic() - begun - 0.02))

    def longest(self, last_s: float = 10.0) -> float:
        """Of those in the last seconds [s]."""
        since = time.monotonic() - last_s
        return max((took for begun, took in list(self._seen) if begun > since), default=0.0)

    def close(self) -> None:
        self._over.set()
        self.join()
        os.close(self._file)


@contextlib.contextmanager
def source(folder: Path) -> Iterator[Path]:
    """The publishers; the file in which they write what they send."""
    log = folder / "sent"
    process = subprocess.Popen([sys.executable, "-c", SOURCE, str(log)])
    try:
        yield log
    finally:
        process.kill()
        process.wait()


def sent_of(log: Path) -> dict[str, np.ndarray]:
    data = log.read_bytes()
    rows = list(SENT.iter_unpack(data[: len(data) // SENT.size * SENT.size]))
    return {
        topic: np.array([t for w, t in rows if w == which], np.int64) for which, topic in enumerate(TOPICS)
    }


def trial(
    node: Any,
    folder: Path,
    log: Path,
    mode: str,
    number: int,
    flush_s: float,
    rng: random.Random,
    stalls: Stalls,
) -> Any:
    """One kill: what is left, and whether the bags are whole afterwards."""
    recorder = Recorder(node, folder, mode, flush_s)
    try:
        path, snapshot = session(recorder, mode, f"kill_{number}", rng)
        killed_ns = recorder.kill()
        stalled_s = stalls.longest()
    finally:
        recorder.end()
    time.sleep(0.2)  # of what was sent before the kill, all is written down
    kept = left(Path(path), sent_of(log), killed_ns, stalled_s)
    whole = whole_after_recovery(Path(path)) and (not snapshot or whole_snapshot(Path(snapshot)))
    files = len(list(Path(path).glob("*.mcap")))
    return {
        "mode": mode,
        "whole": whole,
        "files": files,
        "stalled_s": stalled_s,
        "topics": {topic: one._asdict() for topic, one in kept.items()},
    }


def whole_snapshot(path: Path) -> bool:
    from foley_perception.recording.inspect import inspect_bag

    report = inspect_bag(path, check_index=True)
    return not report.problems and report.messages > 0


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("recorder_kill", __doc__)
    options.add_argument("--kills", type=int, default=20, help="over all modes in turn; default: %(default)s")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--flush", type=float, default=1.0, help="flush_period_s [s]; default: %(default)s")
    options.add_argument("--domain", type=int, default=45)
    args = options.parse_args(arguments)
    ended_by_signals()
    os.environ["ROS_DOMAIN_ID"] = str(args.domain)
    figures = run(args)
    write_metrics(args.out, figures)
    for mode, of_it in figures["modes"].items():
        print(
            f"{mode:12} {of_it['kills']:3} kills: at most {of_it['worst_s']:.3f} s and {of_it['worst_messages']} "
            f"messages of a topic lost, {of_it['holes']} holes; bound {of_it['bound_s']:.3f} s, the machine stalled "
            f"for up to {of_it['stalled_s']:.3f} s; beyond the bound: {of_it['beyond_bound']}; whole: {of_it['whole']}"
        )
    return 0 if figures["within_bound"] else 1


def run(args: argparse.Namespace) -> dict[str, Any]:
    import rclpy

    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as name, source(Path(name)) as log:
        rclpy.init()
        node, stalls = rclpy.create_node("bench"), Stalls(Path(name))
        bounds, trials = {}, []
        try:
            for mode in MODES:
                recorder = Recorder(node, Path(name), mode, args.flush)
                try:
                    bounds[mode] = bound_of(recorder, mode, rng) + SLACK_S
                finally:
                    recorder.end()
            for number in range(args.kills):
                mode = list(MODES)[number % len(MODES)]
                trials.append(trial(node, Path(name), log, mode, number, args.flush, rng, stalls))
                print(json.dumps(trials[-1]), flush=True)
        finally:
            stalls.close()
            node.destroy_node()
            rclpy.try_shutdown()
    modes = {mode: _summary([t for t in trials if t["mode"] == mode], bounds[mode]) for mode in MODES}
    return {
        "flush_period_s": args.flush,
        "modes": modes,
        "trials": trials,
        "within_bound": all(m["within_bound"] for m in modes.values()),
    }


def _summary(trials: list[Any], bound_s: float) -> dict[str, Any]:
    topics = [one for t in trials for one in t["topics"].values()]
    holes = sum(one["holes"] for one in topics)
    whole = all(t["whole"] for t in trials)
    worst = [max(one["lost_s"] for one in t["topics"].values()) for t in trials]
    beyond = sum(lost > bound_s + t["stalled_s"] for lost, t in zip(worst, trials, strict=True))
    return {
        "kills": len(trials),
        "bound_s": bound_s,
        "worst_s": max(worst, default=0.0),
        "stalled_s": max((t["stalled_s"] for t in trials), default=0.0),
        "worst_messages": max((one["lost"] for one in topics), default=0),
        "holes": holes,
        "whole": whole,
        "beyond_bound": beyond,
        "within_bound": not beyond and whole and not holes,
    }


if __name__ == "__main__":
    sys.exit(main())
