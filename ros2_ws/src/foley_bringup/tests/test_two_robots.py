"""Two simulated robots in one ROS domain, each with a `foley up` of its own: nothing of one reaches the other."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

pytest.importorskip("rclpy")
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import State
from rclpy.serialization import deserialize_message

from foley_bringup import shared_memory
from foley_msgs.msg import ContactEvent
from foley_msgs.srv import StartRecording, StopRecording
from foley_perception.episodes import read_episode
from foley_perception.recording.bag import Bag
from foley_ros import qos

pytestmark = [pytest.mark.nodes, pytest.mark.system, pytest.mark.real_time, pytest.mark.slow]

NAMES = ("sim_world", "hand_mapper", "recorder", "contact_detector")
SEEDS = {"left": 3, "right": 7}
NEAR_S, NEAR_M = 0.05, 0.05  # of the contact that was
SHARED = {"/diagnostics", "/rosout", "/parameter_events"}


@dataclasses.dataclass
class Robot:
    """`foley up --sim --namespace NAME` in a process of its own, watched from here."""

    name: str
    context: Any
    folder: Path

    def __post_init__(self) -> None:
        self.beats: dict[str, list[tuple[int, str]]] = {name: [] for name in NAMES}
        self.heard: list[ContactEvent] = []
        self.true: list[ContactEvent] = []
        node = self.context.helper
        for name in NAMES:
            node.create_subscription(
                State, f"/{self.name}/{name}/heartbeat", self._keep_beat(name), qos.HEARTBEAT
            )
        for topic, kept in (("contacts", self.heard), ("sim/contacts", self.true)):
            node.create_subscription(ContactEvent, f"/{self.name}/{topic}", kept.append, qos.EVENT)
        command = ["foley", "up", "--sim", "--namespace", self.name, "--scene-seed", str(SEEDS[self.name])]
        command += ["--only", *NAMES]  # nothing that looks at pictures, which are not drawn either
        command += ["--set", "sim_world.camera_rate_hz=0.0", "--set", "sim_world.depth_rate_hz=0.0"]
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder)

    def _keep_beat(self, name: str) -> Any:
        def keep(message: State, info: dict[str, int]) -> None:
            self.beats[name].append((info["source_timestamp"], message.label))

        return keep

    @property
    def log_file(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    @property
    def active(self) -> bool:
        assert self.process.poll() is None, f"`foley up` ended with {self.process.returncode}:\n{self.log}"
        return all(beats and beats[-1][1] == "active" for beats in self.beats.values())

    def pids(self) -> dict[str, int]:
        """Of its nodes."""
        found = {}
        for process in psutil.Process(self.process.pid).children(recursive=True):
            if named := re.search(r"__node:=(\w+)", " ".join(process.cmdline())):
                found[named[1]] = process.pid
        return found

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(240)
            except subprocess.TimeoutExpired:
                self.process.kill()


@pytest.fixture(scope="module")
def robots(
    module_ros_context: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Robot, Robot]]:
    folder = tmp_path_factory.mktemp("two")
    both = Robot("left", module_ros_context, folder), Robot("right", module_ros_context, folder)
    try:
        module_ros_context.spin_until(lambda: all(r.active for r in both), 90, "every node of both active")
        yield both
    finally:
        for robot in both:
            robot.end()


@pytest.fixture(scope="module")
def diagnostics(module_ros_context: Any) -> list[DiagnosticStatus]:
    said: list[DiagnosticStatus] = []
    module_ros_context.helper.create_subscription(
        DiagnosticArray, "/diagnostics", lambda m: said.extend(m.status), 50
    )
    return said


def when_s(event: ContactEvent) -> float:
    return float(event.header.stamp.sec + event.header.stamp.nanosec * 1e-9)


def place(event: ContactEvent) -> np.ndarray:
    return np.array([event.position.x, event.position.y, event.position.z])


def nearest(event: ContactEvent, events: list[ContactEvent]) -> ContactEvent:
    return min(events, key=lambda other: abs(when_s(other) - when_s(event)))


def test_no_topic_is_shared_but_diagnostics(robots: tuple[Robot, Robot], module_ros_context: Any) -> None:
    node, others = module_ros_context.helper, []
    for topic, _ in node.get_topic_names_and_types():
        ends = [*node.get_publishers_info_by_topic(topic), *node.get_subscriptions_info_by_topic(topic)]
        owners = {end.node_namespace.strip("/") for end in ends if end.node_name != node.get_name()}
        if owners and owners != {topic.split("/")[1]}:
            others.append(topic)
    assert set(others) <= SHARED, "tf as well, whose frames have the same names"


def test_each_hears_its_own_contacts_where_they_were(
    robots: tuple[Robot, Robot], module_ros_context: Any
) -> None:
    def as_it_was(contact: ContactEvent, robot: Robot) -> bool:
        """What was there is told when it is over."""
        true = nearest(contact, robot.true)
        apart_m = np.linalg.norm(place(true) - place(contact))
        return abs(when_s(true) - when_s(contact)) < NEAR_S and bool(apart_m < NEAR_M)

    def all_as_they_were() -> bool:
        return all(
            r.active and r.true and len(r.heard) >= 3 and all(as_it_was(c, r) for c in r.heard[:3])
            for r in robots
        )

    module_ros_context.spin_until(all_as_they_were, 40, "three contacts of each, as they were")
    ids = [{contact.contact_id for contact in robot.heard} for robot in robots]
    assert not ids[0] & ids[1]


def test_diagnostics_name_the_robot_and_find_no_frame_at_two_places(
    robots: tuple[Robot, Robot], diagnostics: list[DiagnosticStatus], module_ros_context: Any
) -> None:
    wanted = {f"/{r.name}/{node}" for r in robots for node in (*NAMES, "lifecycle_manager")}
    module_ros_context.spin_until(lambda: wanted <= {s.name for s in diagnostics}, 20, "a line of every node")
    assert {s.name for s in diagnostics} == wanted
    assert not [s.message for s in diagnostics if "robots" in s.message or "another lifecycle" in s.message]


def test_a_recording_of_one_holds_nothing_of_the_other(
    robots: tuple[Robot, Robot], module_ros_context: Any
) -> None:
    for robot in robots:
        request = StartRecording.Request(name=f"of_{robot.name}", max_duration=60.0)
        started = module_ros_context.call(StartRecording, f"/{robot.name}/recorder/start", request)
        assert started.error_code == 0, started.error_msg
    counts = [len(robot.heard) for robot in robots]
    module_ros_context.spin_until(
        lambda: all(len(r.heard) > n for r, n in zip(robots, counts, strict=True)), 60, "a contact of each"
    )
    for robot in robots:
        stopped = module_ros_context.call(
            StopRecording, f"/{robot.name}/recorder/stop", StopRecording.Request()
        )
        absent = re.findall(r"/[\w/]+", stopped.error_msg)
        assert all(topic.startswith(f"/{robot.name}/camera/") for topic in absent), stopped.error_msg
        assert Path(stopped.path).name == f"of_{robot.name}"
        kept = list(Bag(stopped.path).messages())
        assert {m.topic.split("/")[1] for m in kept} == {robot.name, "diagnostics"}
        lines = [deserialize_message(m.data, DiagnosticArray) for m in kept if m.topic == "/diagnostics"]
        assert {s.name.split("/")[1] for line in lines for s in line.status} == {robot.name}
        episode = read_episode(stopped.path)  # finds tf of the namespace by itself
        assert episode.transforms.lookup("tool", "tip").translation[2] > 0.01
        assert episode.detected and episode.ee_pose is not None
        assert not [problem for problem in episode.problems if "tf" in problem or "tip" in problem]


def test_beliefs_are_kept_apart(robots: tuple[Robot, Robot]) -> None:
    files = set()
    for robot in robots:
        words = psutil.Process(robot.pids()["contact_detector"]).cmdline()
        files.add(next(word for word in words if word.startswith("state_file:=")))
    assert len(files) == 2


def test_cleaning_shared_memory_takes_nothing_that_either_uses(
    robots: tuple[Robot, Robot], tmp_path: Path
) -> None:
    """As the second one does when it starts: here at once, and with links in place of the files."""
    used = set()
    for pid in [pid for robot in robots for pid in robot.pids().values()]:
        maps = Path(f"/proc/{pid}/maps").read_text()
        used |= set(re.findall(r"/dev/shm/(fastrtps_(?:port\d+|[0-9a-f]{16}))", maps))
    links = [file for file in shared_memory.FOLDER.iterdir() if any(name in file.name for name in used)]
    assert len(used) >= 2 * len(NAMES) and len(links) > len(used), "segments, ports and their locks"
    for file in links:
        (tmp_path / file.name).symlink_to(file)
    assert shared_memory.clean(tmp_path, min_age_s=-1.0) == (0, 0)
    assert len(list(tmp_path.iterdir())) == len(links)


@pytest.mark.parametrize("name", ["contact_detector", "lifecycle_manager"])
def test_what_is_killed_of_one_is_mended_by_its_own_manager_only(
    robots: tuple[Robot, Robot], module_ros_context: Any, name: str
) -> None:
    left, right = robots
    module_ros_context.spin_until(lambda: left.active and right.active, 60, "both active")
    lefts, rights, log = left.pids(), right.pids(), left.log
    os.kill(rights[name], signal.SIGKILL)
    up = "the system is up" if name == "lifecycle_manager" else f"{name}: active"
    told = right.log.count(up)
    module_ros_context.spin_until(lambda: right.log.count(up) > told and right.active, 90, f"{name} is back")
    assert left.pids() == lefts and left.log == log, "the other's neighbour"
    assert {n: pid for n, pid in right.pids().items() if n != name} == {
        n: pid for n, pid in rights.items() if n != name
    }


def test_one_may_end_while_the_other_goes_on(robots: tuple[Robot, Robot], module_ros_context: Any) -> None:
    left, right = robots
    lefts, rights, count = left.pids(), right.pids(), len(right.heard)
    left.process.send_signal(signal.SIGINT)
    module_ros_context.spin_until(lambda: left.process.poll() is not None, 60, "the end of the first")
    assert left.process.returncode == 0 and not [pid for pid in lefts.values() if psutil.pid_exists(pid)]
    module_ros_context.spin_until(lambda: len(right.heard) > count, 60, "a contact of the other")
    assert right.active and right.pids() == rights
