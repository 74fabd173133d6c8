"""How soon `foley record` notices that its recorder died, and says what is kept.

    python -m benchmarks.recorder_death [--kills 10] [--seed 0]

A recorder that records 500 poses a second is killed (SIGKILL) at a random moment, again and again, beside clients:

- one_shot   `foley record --max-duration`: until its error is on stderr
- session    `foley record` in a pseudo terminal: until it is on the screen; the session goes on with the next recorder
- elsewhere  as one_shot, but as if the recorder ran on another machine, whose processes nobody can look for

`noticed_s` is from the kill to the first word of it, `told_s` to the sentence that says what is kept (elsewhere: where
it lies), `lost_s` from the newest message in the bag to the kill. Writes out/bench_recorder_death/metrics.json.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks._bench import ended_by_signals, parser
from foley_common import processes
from foley_common.metrics_file import write_metrics

LIMIT_S = 2.0
_POSES_S = 3600
_ACTIVE_S, _TRIES = 40.0, 4  # until a new recorder must be active
_COMMAND = (
    "import argparse, sys; from foley_perception.commands import record as r; p = argparse.ArgumentParser();"
    "r.configure(p); sys.exit(r.run(p.parse_args(sys.argv[1:])))"
)
_ELSEWHERE = (
    "from foley_perception.ros.recorder_link import RecorderLink as L; w = L.watch;"
    "L.watch = lambda self, path, *, local: w(self, path, local=False);"
)
_TOPICS = """/**:
  ros__parameters:
    topics: ["ee_pose geometry_msgs/msg/PoseStamped state required"]
"""
_NOTICED = re.compile(r"process \(\d+\) is not there|nothing (?:has been|was) heard of the recorder")
_TOLD = re.compile(r"holds \d+ messages|holds what it had written")
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\r")


class Heard:
    """What a client says, and when it first said something."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._text = ""
        self._from = 0
        self._times: dict[str, float] = {}
        self._wanted: dict[str, re.Pattern[str]] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self._file, 65536):
                now = time.monotonic()
                with self._lock:
                    self._text += _CONTROL.sub("", data.decode(errors="replace"))
                    for name, pattern in self._wanted.items():
                        if name not in self._times and pattern.search(self._text, self._from):
                            self._times[name] = now

    def listen(self, **patterns: str | re.Pattern[str]) -> None:
        """From here on."""
        with self._lock:
            self._from, self._times = len(self._text), {}
            self._wanted = {name: re.compile(pattern) for name, pattern in patterns.items()}

    def time(self, name: str) -> float | None:
        with self._lock:
            return self._times.get(name)


class Bench:
    """The recorder, what it records, and the client."""

    def __init__(self, folder: Path) -> None:
        import rclpy
        from lifecycle_msgs.msg import State

        from foley_ros import qos

        rclpy.init()
        self.folder = folder
        (folder / "recorder.yaml").write_text(_TOPICS)
        self._node = rclpy.create_node("bench")
        # A process of its own, so that nothing of publishing delays the reading of what clients say.
        source = [sys.executable, "-m", "benchmarks._sensor_source", "pose"]
        self._source = subprocess.Popen(source, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        assert self._source.stdin is not None
        self._source.stdin.write(f"{_POSES_S} {folder / 'stamps.npy'}\n")
        self._source.stdin.flush()
        self._state = ""  # of the recorder
        self.deaf = 0  # recorders that did not become active
        self._node.create_subscription(State, "/recorder/heartbeat", self._beat, qos.HEARTBEAT)

    def _beat(self, message: Any) -> None:
        self._state = str(message.label)

    def spin(self, until: Callable[[], Any], seconds: float, what: str) -> None:
        import rclpy

        end = time.monotonic() + seconds
        while not until():
            if time.monotonic() > end:
                raise SystemExit(f"not within {seconds:.0f} s: {what}")
            rclpy.spin_once(self._node, timeout_sec=0.02)

    def recorder(self) -> subprocess.Popen[bytes]:
        """A new one, active. One that the middleware leaves deaf is told, ended, and another started."""
        for _ in range(_TRIES):
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "foley_perception.nodes.recorder", "--ros-args"),
                    *(
                        "--params-file",
                        str(self.folder / "recorder.yaml"),
                        "-p",
                        f"output_dir:={self.folder}/bags",
                    ),
                ],
                env={**os.environ, **processes.ends_with_this()},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            if self._activated():
                return process
            self.deaf += 1
            print(
                f"a recorder was not active after {_ACTIVE_S:.0f} s: state `{self._state}`, exit {process.poll()}"
            )
            process.kill()
            process.wait()
        raise SystemExit("no recorder becomes active")

    def _activated(self) -> bool:
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        steps = {"unconfigured": Transition.TRANSITION_CONFIGURE, "inactive": Transition.TRANSITION_ACTIVATE}
        client = self._node.create_client(ChangeState, "/recorder/change_state")
        asked = 0.0

        def active() -> bool:
            """Ask for the next step, again where nobody answered: the dead one is still known for a while."""
            nonlocal asked
            if self._state in steps and time.monotonic() - asked > 2.0 and client.service_is_ready():
                client.call_async(ChangeState.Request(transition=Transition(id=steps[self._state])))
                asked = time.monotonic()
            return self._state == "active"

        self._state = ""
        try:
            self.spin(active, _ACTIVE_S, "an active recorder")
        except SystemExit:
            return False
        finally:
            self._node.destroy_client(client)
        return True

    def kill(self, recorder: subprocess.Popen[bytes], heard: Heard, after_s: float) -> dict[str, Any]:
        """Kill it so long after it began to record, and wait for what is said."""
        begun, began = time.monotonic(), time.time()
        self.spin(lambda: time.monotonic() - begun > after_s, 60.0, "the moment")
        heard.listen(noticed=_NOTICED, told=_TOLD)
        killed, killed_ns = time.monotonic(), time.time_ns()
        recorder.kill()
        self.spin(lambda: heard.time("told") is not None, 30.0, "what is kept")
        recorder.wait()
        found = {name: round((heard.time(name) or killed) - killed, 3) for name in ("noticed", "told")}
        return {
            "after_s": round(after_s, 2),
            "noticed_s": found["noticed"],
            "told_s": found["told"],
            "lost_s": round(self._lost_s(began, killed_ns), 3),
            "load": round(os.getloadavg()[0], 1),
        }

    def _lost_s(self, begun_s: float, killed_ns: int) -> float:
        """From the newest message in the newest bag, or the beginning where it holds none, to the kill [s]."""
        from foley_perception.recording.bag import Bag
        from foley_perception.recording.errors import BagError

        bags = [path for path in (self.folder / "bags").iterdir() if path.is_dir()]
        bag = max(bags, key=lambda path: path.stat().st_ctime)
        try:
            newest = max((m.log_time for m in Bag(bag).messages() if m.topic == "/ee_pose"), default=0)
        except BagError:  # nothing had been flushed
            newest = 0
        return (killed_ns - max(newest, round(begun_s * 1e9))) * 1e-9

    def close(self) -> None:
        import rclpy

        self._source.kill()
        self._source.wait()
        self._node.destroy_node()
        rclpy.try_shutdown()


def _one_shots(bench: Bench, moments: Sequence[float], code: str) -> Iterator[dict[str, Any]]:
    for after_s in moments:
        recorder = bench.recorder()
        read, write = os.pipe()
        options = ["--max-duration", "300", "--out", str(bench.folder / "out")]
        client = subprocess.Popen(
            [sys.executable, "-c", code, *options], stdout=write, stderr=write, stdin=subprocess.DEVNULL
        )
        os.close(write)
        heard = Heard(read)
        heard.listen(recording="recording /")
        try:
            bench.spin(lambda heard=heard: heard.time("recording"), 60.0, "the recording")
            yield bench.kill(recorder, heard, after_s)
            client.wait(60)
        finally:
            for process in (recorder, client):
                process.kill()
                process.wait()
            os.close(read)


def _sessions(bench: Bench, moments: Sequence[float], code: str) -> Iterator[dict[str, Any]]:
    master, slave = pty.openpty()
    client = subprocess.Popen(
        [sys.executable, "-c", code, "--name", "take", "--out", str(bench.folder / "out")],
        stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(slave)
    heard = Heard(master)
    recorder = None
    try:
        for after_s in moments:
            heard.listen(ready="ready: the space bar")
            recorder = bench.recorder()
            bench.spin(lambda: heard.time("ready"), 60.0, "the session's being ready")
            heard.listen(recording="REC take_")
            os.write(master, b" ")
            bench.spin(lambda: heard.time("recording"), 60.0, "the recording")
            yield bench.kill(recorder, heard, after_s)
        os.write(master, b"q")
        client.wait(60)
    finally:
        for process in filter(None, (recorder, client)):
            process.kill()
            process.wait()
        os.close(master)


MODES: dict[str, tuple[Callable[..., Iterator[dict[str, Any]]], str]] = {
    "one_shot": (_one_shots, _COMMAND),
    "session": (_sessions, _COMMAND),
    "elsewhere": (_one_shots, _ELSEWHERE + _COMMAND),
}


def figures(kills: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Minimum, median and maximum of each figure."""
    found: dict[str, Any] = {"kills": list(kills)}
    for name in ("noticed_s", "told_s", "lost_s"):
        values = [kill[name] for kill in kills]
        found[name] = [min(values), round(statistics.median(values), 3), max(values)]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("recorder_death", __doc__)
    options.add_argument("--kills", type=int, default=10, help="of each mode (default: %(default)s)")
    options.add_argument("--modes", nargs="+", choices=list(MODES), default=list(MODES))
    options.add_argument("--seed", type=int, default=0, help="of the moments (default: %(default)s)")
    options.add_argument("--domain", type=int, default=36)
    args = options.parse_args(arguments)
    os.environ["ROS_DOMAIN_ID"] = str(args.domain)
    ended_by_signals()
    rng = random.Random(args.seed)
    rows: dict[str, Any] = {}
    folder = Path(tempfile.mkdtemp(prefix="recorder_death"))
    bench = Bench(folder)
    try:
        for mode in args.modes:
            run, code = MODES[mode]
            kills = []
            for kill in run(bench, [rng.uniform(0.3, 3.0) for _ in range(args.kills)], code):
                print(mode, json.dumps(kill), flush=True)
                kills.append(kill)
            rows[mode] = figures(kills)
            write_metrics(args.out, {"limit_s": LIMIT_S, "modes": rows, "recorders_not_active": bench.deaf})
    finally:
        bench.close()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{'client':12}{'':>10}{'min':>8}{'median':>8}{'max s':>8}")
    for mode, row in rows.items():
        for name in ("noticed_s", "told_s", "lost_s"):
            print(f"{mode:12}{name:>10}" + "".join(f"{value:8.2f}" for value in row[name]))
    return 0 if all(row["noticed_s"][-1] < LIMIT_S for row in rows.values()) else 1


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())
