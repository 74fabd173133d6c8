"""The whole system beside the simulated robot, as `foley up --sim` starts it: it works, and it survives its nodes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from foley_bringup.system import load_system, select

pytest.importorskip("rclpy")
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import State

from foley_msgs.msg import ContactEvent, MaterialEstimate, PredicateArray, PredictedAudio
from foley_msgs.srv import StartRecording, StopRecording
from foley_perception.audit.bag import of_bag
from foley_perception.audit.recording import RecordingAudit
from foley_perception.episodes import read_episode
from foley_perception.recording.inspect import inspect_bag
from foley_ros import qos

pytestmark = [pytest.mark.nodes, pytest.mark.system, pytest.mark.real_time, pytest.mark.slow]

SYSTEM = Path(__file__).resolve().parents[1] / "config" / "system.yaml"
NAMES = [node.name for node in select(load_system(SYSTEM), sim=True)]
CHECKPOINT = os.environ.get("FOLEY_TEST_CHECKPOINT", "")  # instead of the one that ships
UP_WITHIN_S = 90.0


class LiveSystem:
    """`foley up --sim` in a process of its own, watched from here."""

    def __init__(self, context: Any, log_file: Path) -> None:
        self.context = context
        self.log_file = log_file
        self.beats: dict[str, list[tuple[int, str]]] = {name: [] for name in NAMES}
        self.heard: dict[str, list[Any]] = {}
        node = context.helper
        for name in NAMES:
            node.create_subscription(State, f"{name}/heartbeat", self._keep_beat(name), qos.HEARTBEAT)
        self.statuses: list[DiagnosticStatus] = []
        node.create_subscription(
            DiagnosticArray, "/diagnostics", lambda m: self.statuses.extend(m.status), 50
        )
        for topic, kind in {
            "contacts": ContactEvent,
            "predicted_audio": PredictedAudio,
            "material_estimates": MaterialEstimate,
            "predicates": PredicateArray,
        }.items():
            self.heard[topic] = []
            profile = qos.LATCHED if topic == "predicates" else qos.EVENT
            node.create_subscription(kind, topic, self.heard[topic].append, profile)
        with log_file.open("wb") as log:
            command = ["foley", "up", "--sim", "--scene-seed", "5"]
            if CHECKPOINT:
                command += ["--checkpoint", str(Path(CHECKPOINT).resolve())]
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, cwd=log_file.parent
            )

    def _keep_beat(self, name: str) -> Any:
        def keep(message: State, info: dict[str, int]) -> None:
            self.beats[name].append((info["source_timestamp"], message.label))

        return keep

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def wait(self, condition: Any, timeout_s: float, what: str) -> Any:
        def done() -> Any:
            assert self.process.poll() is None, (
                f"`foley up` ended with {self.process.returncode}:\n{self.log}"
            )
            return condition()

        try:
            return self.context.spin_until(done, timeout_s, what)
        except pytest.fail.Exception as failure:
            pytest.fail(f"{failure}\n{self.log[-6000:]}")

    def all_active(self) -> bool:
        return all(beats and beats[-1][1] == "active" for beats in self.beats.values())

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def pid_of(self, name: str) -> int:
        return next(p.pid for p in self.family() if f"__node:={name}" in p.cmdline())


@pytest.fixture(scope="module")
def live(module_ros_context: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSystem]:
    system = LiveSystem(module_ros_context, tmp_path_factory.mktemp("up") / "up.log")
    try:
        system.wait(system.all_active, UP_WITHIN_S, "every node active")
        yield system
    finally:
        if system.process.poll() is None:
            system.process.send_signal(signal.SIGINT)
            try:
                system.process.wait(240)
            except subprocess.TimeoutExpired:
                system.process.kill()


def test_touches_are_predicted_heard_and_judged(live: LiveSystem) -> None:
    live.wait(lambda: all(live.heard.values()), 60, "a contact, a prediction, an estimate and predicates")
    predicted = live.heard["predicted_audio"][0]
    assert len(predicted.audio.samples) > 1000 and predicted.model_id


def test_a_recording_of_it_is_good(live: LiveSystem) -> None:
    """Several nodes share /diagnostics, latched messages are older than the recording: none of it is wrong."""
    started = live.context.call(StartRecording, "/recorder/start", StartRecording.Request(max_duration=60.0))
    assert started.error_code == 0, started.error_msg
    count = len(live.heard["contacts"]) + 2
    live.wait(lambda: len(live.heard["contacts"]) >= count, 60, "two contacts")
    stopped = live.context.call(StopRecording, "/recorder/stop", StopRecording.Request())
    assert (stopped.error_code, list(stopped.findings)) == (0, [])
    audit = RecordingAudit()
    found = of_bag(inspect_bag(stopped.path, audit=audit), audit.verdict())
    # Pictures are sent best effort: what a busy machine loses of them is told, and rightly.
    assert [f.text for f in found if "/camera/" not in f.topic] == []
    assert read_episode(stopped.path).problems == ()


def test_diagnostics_sum_the_system_up(live: LiveSystem) -> None:
    def summary() -> list[DiagnosticStatus]:
        return [s for s in live.statuses if s.name == "/lifecycle_manager" and s.level == DiagnosticStatus.OK]

    status = live.wait(summary, 20, "an OK of the lifecycle manager")[-1]
    assert f"{len(NAMES)} of {len(NAMES)} nodes active" in status.message
    assert {value.key for value in status.values} >= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_node_comes_back_alone(live: LiveSystem, name: str, record_property: Any) -> None:
    """How long it takes is recorded, not judged: other programs on this machine's cores are not the node's fault."""
    live.wait(live.all_active, 60, "every node active before the fault")
    others = {other: live.pid_of(other) for other in NAMES if other != name}
    os.kill(live.pid_of(name), signal.SIGKILL)
    began, killed_ns = time.monotonic(), time.time_ns()

    def back() -> bool:
        return any(sent_ns > killed_ns and label == "active" for sent_ns, label in live.beats[name])

    live.wait(back, 90, f"{name} active again")
    record_property("away_s", round(time.monotonic() - began, 2))
    assert {other: live.pid_of(other) for other in others} == others, "another node was touched"


def test_ctrl_c_ends_everything_with_0(live: LiveSystem) -> None:
    family = live.family()
    assert len(family) >= len(NAMES) + 1
    live.process.send_signal(signal.SIGINT)
    assert live.process.wait(240) == 0, live.log[-3000:]
    assert not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE], "orphans"
