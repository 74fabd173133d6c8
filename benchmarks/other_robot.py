"""Another robot than the simulator's own, from `foley robot init` to predicates and a data set.

    python -m benchmarks.other_robot [--duration 20] [--bag BAG]

A process plays a simulated recording as the drivers of `benchmarks._stranger` do: foreign audio messages, URDF and
joints alone, the wrench in its sensor's frame, JPEG of bgr8, best effort, other names throughout. Beside it the
commands of docs/robots.md are run as a person would: `robot init`, `robot check`, `up --robot`, `record --robot`,
`dataset build`. Writes out/bench_other_robot/metrics.json: what init proposed against what is right, what check said,
contacts that were made, found and in place, predicates that came, what was recorded and cut.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from benchmarks import _stranger
from benchmarks._bench import parser
from benchmarks.odd_drivers import Heard, compared, recording, truth
from foley_common import topics
from foley_common.metrics_file import METRICS_FILE, write_metrics
from foley_common.robot_file import RobotFile
from foley_common.times import NS_PER_S
from foley_msgs.msg import ContactEvent, PredicateArray
from foley_ros import convert, qos

ROOT = Path(__file__).resolve().parents[1]
_OVERLAY = ROOT / "ros2_ws/src/foley_bringup/tests/foreign_overlay.py"
_LONG_S = 300.0  # for what hangs
_HANGS_S = 30.0  # a machine that other programs keep busy is none of what is asked here
_AFTER_S = 2.0  # the last contact is judged when its sound has faded


class StepFailed(RuntimeError):
    """A step that a person takes ended otherwise than it should."""


def overlay() -> dict[str, str]:
    """The environment with the messages of ros-drivers' audio_common. Raises RuntimeError: they cannot be built."""
    spec = importlib.util.spec_from_file_location("foreign_overlay", _OVERLAY)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, str] = module.environment("ros_drivers")
    return found | {"PYTHONPATH": os.pathsep.join([str(ROOT), found["PYTHONPATH"]])}


class Stranger:
    """The robot's drivers in a process of their own."""

    def __init__(self, bag: Path, environment: Mapping[str, str]) -> None:
        command = [sys.executable, "-m", "benchmarks._stranger_driver", str(bag)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._heard()

    def touch(self) -> dict[str, Any]:
        """Have it touch things; when it began."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._heard()

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()  # type: ignore[union-attr]
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _heard(self) -> dict[str, Any]:
        line = self._process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise StepFailed(f"the robot's driver ended with {self._process.wait()}")
        told: dict[str, Any] = json.loads(line)
        return told


class Listener:
    """What the nodes publish, and what of it is wrong."""

    def __init__(self) -> None:
        self.heard = Heard()
        self.predicates: dict[tuple[str, str], int] = {}  # name, object -> newest state
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        node = self._node = Node("other_robot", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        node.create_subscription(ContactEvent, topics.CONTACTS.name, self.heard.contacts.append, qos.EVENT)
        node.create_subscription(PredicateArray, topics.PREDICATES.name, self._believed, qos.LATCHED)
        node.create_subscription(DiagnosticArray, topics.DIAGNOSTICS.name, self._told, qos.DIAGNOSTICS)

    def until_ns(self, time_ns: int) -> None:
        while time.time_ns() < time_ns:
            self._executor.spin_once(timeout_sec=0.1)

    def close(self) -> None:
        self._node.destroy_node()
        self._executor.shutdown()
        rclpy.shutdown(context=self._context)

    def _believed(self, message: PredicateArray) -> None:
        self.heard.true_predicates = max(
            self.heard.true_predicates, sum(p.state == p.TRUE for p in message.predicates)
        )
        self.predicates |= {(p.name, ",".join(p.arguments)): p.state for p in message.predicates}

    def _told(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.level != DiagnosticStatus.OK:
                level = "ERROR" if status.level == DiagnosticStatus.ERROR else "WARN"
                line = f"{status.name.strip('/')} {level}: {status.message}"
                self.heard.told[line] = self.heard.told.get(line, 0) + 1


class Walk:
    """The steps, each a command in the folder of the run."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self.seconds: dict[str, float] = {}

    def run(self, name: str, *command: str) -> tuple[int, str]:
        """Exit code, and what was printed."""
        began = time.monotonic()
        done = subprocess.run(
            ["foley", *command], cwd=self.folder, env=self.environment, text=True, timeout=_LONG_S,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.seconds[name] = round(time.monotonic() - began, 1)
        return done.returncode, done.stdout

    @contextlib.contextmanager
    def started(self, name: str, *command: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        """A command that runs until it is ended, and what it prints."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                ["foley", *command], cwd=self.folder, env=self.environment, stdout=file, stderr=file
            )
        try:
            yield process, log
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(60)
            process.kill()
            process.wait()

    def until(self, there: Path | str, process: subprocess.Popen[bytes], log: Path, name: str) -> None:
        """Wait for a file, or for a text in a log."""
        began = time.monotonic()
        while not (there.exists() if isinstance(there, Path) else there in log.read_text(errors="replace")):
            if process.poll() is not None or time.monotonic() - began > _LONG_S:
                raise StepFailed(f"{name}: {there} did not come:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.05)
        self.seconds[name] = round(time.monotonic() - began, 1)


def differences(proposed: RobotFile) -> dict[str, Any]:
    """What a proposed file says otherwise than it should; by entry: what it says, and what is right."""
    right: dict[str, Any] = _stranger.RIGHT
    roles = {t.name: t.role for t in topics.TOPICS}
    told = {roles[ours]: theirs for ours, theirs in proposed.topic_map.items()}
    content = proposed.content()
    wrong = {
        f"topics.{role}": [told.get(role), right["topics"].get(role)]
        for role in {*told, *right["topics"]}
        if told.get(role) != right["topics"].get(role)
    }
    for key in ("frames", "hand", "gripper_joint", "sound"):
        if content.get(key) != right[key]:
            wrong[key] = [content.get(key), right[key]]
    return wrong


def walked(walk: Walk, bag: Path) -> dict[str, Any]:
    """Every step, and what came of it. Raises StepFailed."""
    began = time.monotonic()
    stranger = Stranger(bag, walk.environment)
    walk.seconds["driver"] = round(time.monotonic() - began, 1)
    try:
        return _beside(walk, bag, stranger)
    finally:
        stranger.close()


def _beside(walk: Walk, bag: Path, stranger: Stranger) -> dict[str, Any]:
    file = walk.folder / "robot.yaml"
    code, text = walk.run("init", "robot", "init", "--out", file.name)
    if not file.exists():
        raise StepFailed(f"foley robot init ended with {code}:\n{text}")
    found: dict[str, Any] = {
        "init": {
            "exit_code": code,
            "said": [line.strip() for line in text.splitlines()[1:]],
            "file": file.read_text(),
            "wrong": differences(RobotFile.read(file)),
        }
    }
    code, text = walk.run("check", "robot", "check", file.name, "--metrics", "check")
    checked = json.loads((walk.folder / "check" / METRICS_FILE).read_text())
    found["check"] = {"exit_code": code, "problems": checked["problems"], "said": checked["said"]}
    ready = walk.folder / "ready"
    up = ["up", "--robot", file.name, "--set", f"lifecycle_manager.ready_file={ready}"]
    up += ["--set", f"lifecycle_manager.hang_timeout_s={_HANGS_S}"]
    with walk.started("up", *up) as (system, log):
        walk.until(ready, system, log, "up")
        return found | _touched(walk, file, bag, stranger)


def _touched(walk: Walk, file: Path, bag: Path, stranger: Stranger) -> dict[str, Any]:
    listener = Listener()
    try:
        record = ["record", "--robot", file.name, "--name", "session", "--max-duration", "600"]
        with walk.started("record", *record) as (recorder, log):
            walk.until("recording ", recorder, log, "record")
            told = stranger.touch()
            end_ns = told["begin_ns"] + round(told["seconds"] * NS_PER_S)
            listener.until_ns(end_ns + round(_AFTER_S * NS_PER_S))
            recorder.send_signal(signal.SIGINT)
            code = recorder.wait(_LONG_S)
    finally:
        listener.close()
    made = [
        contact
        for contact in truth(bag)
        if told["begin_ns"] <= convert.to_ns(contact.header.stamp) + told["by_ns"] < end_ns
    ]
    heard = listener.heard
    walk.run("check of the bag", "robot", "check", file.name, "bags/session", "--metrics", "check_bag")
    checked = json.loads((walk.folder / "check_bag" / METRICS_FILE).read_text())
    built, text = walk.run("dataset", "dataset", "build", "bags/session", "--out", "dataset")
    manifest = walk.folder / "dataset" / "manifest.json"
    content = json.loads(manifest.read_text()) if manifest.exists() else {}
    return {
        **compared(made, heard, told["by_ns"], 0.0),
        "predicates": len(listener.predicates),
        "true_predicates": heard.true_predicates,
        "objects": len({arguments for _, arguments in listener.predicates}),
        "told": [line for line, _ in sorted(heard.told.items(), key=lambda item: -item[1])[:12]],
        "record": {"exit_code": code, "said": _sentences(log)},
        "check_of_bag": {"problems": checked["problems"], "said": checked["said"]},
        "dataset": {
            "exit_code": built,
            "clips": sum(split["clips"] for split in content.get("splits", {}).values()),
            "said": text.strip().splitlines()[-20:],
        },
    }


def _sentences(log: Path) -> list[str]:
    """What a command says besides its table and its bar."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    return [line for line in lines if line and line[0].isalpha() and not line.startswith("recording ")]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("other_robot", __doc__)
    options.add_argument(
        "--duration", type=float, default=20.0, metavar="S", help="of the recording (default: 20)"
    )
    options.add_argument("--bag", type=Path, help="a simulated recording (default: one is made)")
    args = options.parse_args(arguments)
    environment = {"ROS_DOMAIN_ID": str(60 + os.getpid() % 40), **os.environ}
    os.environ["ROS_DOMAIN_ID"] = environment["ROS_DOMAIN_ID"]
    environment = overlay() | {"ROS_DOMAIN_ID": environment["ROS_DOMAIN_ID"]}
    args.out.mkdir(parents=True, exist_ok=True)
    bag = (args.bag or recording(args.out / "bag", args.duration)).resolve()
    folder = args.out.resolve() / "walk"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    walk = Walk(folder, environment)
    try:
        found = walked(walk, bag)
    except StepFailed as failure:
        print(f"other_robot: {failure}", file=sys.stderr)
        return 1
    write_metrics(args.out, {"bag": bag.name, **found, "seconds": walk.seconds})
    print(
        f"init: {len(found['init']['wrong'])} entries wrong; check: {found['check']['problems']} problem(s); contacts: "
        f"{found['found']} of {found['contacts']} found, {found['in_place']} in place, {found['made_up']} made up; "
        f"predicates: {found['predicates']} of {found['objects']} objects, {found['true_predicates']} TRUE; "
        f"{found['dataset']['clips']} clips; {args.out / METRICS_FILE}"
    )
    right = not found["init"]["wrong"] and not found["check"]["problems"] and not found["made_up"]
    return 0 if right and found["in_place"] == found["contacts"] and found["dataset"]["clips"] else 1


if __name__ == "__main__":
    sys.exit(main())
