"""`foley record` beside a real recorder: what it says when the recorder dies, stops or is stopped, and other names."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.nodes

CODE = (
    "import argparse, sys; from foley_perception.commands import record as r; p = argparse.ArgumentParser();"
    "r.configure(p); sys.exit(r.run(p.parse_args(sys.argv[1:])))"
)


class Command:
    """`foley record` in a process of its own."""

    def __init__(self, out: Path, *options: str) -> None:
        self.out = out
        self._said, self._told = (out.parent / f"{out.name}.{end}" for end in ("out", "err"))
        arguments = ["--max-duration", "300", "--out", str(out), *options]
        with self._said.open("w") as said, self._told.open("w") as told:
            self.process = subprocess.Popen(
                [sys.executable, "-c", CODE, *arguments], stdout=said, stderr=told
            )

    @property
    def path(self) -> str:
        """Of the bag, once it has been said; empty until then."""
        _, _, after = self._said.read_text().partition("recording /")
        return "/" + after.partition("\n")[0] if "\n" in after else ""

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    @property
    def told(self) -> str:
        return self._told.read_text()

    @property
    def figures(self) -> dict[str, Any]:
        return dict(json.loads((self.out / "metrics.json").read_text()))


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    running: list[Command] = []

    def start(*options: str) -> Command:
        running.append(Command(tmp_path / f"out{len(running)}", *options))
        return running[-1]

    yield start
    for one in running:
        one.process.kill()
        one.process.wait()


def count(path: str) -> int:
    from foley_perception.recording.bag import Bag

    return sum(1 for _ in Bag(path).messages())


def recording(ros_context: Any, command: Command, messages: int = 50) -> str:
    """The bag of a command, once so many messages are in it on the disk."""
    ros_context.spin_until(lambda: command.path or command.ended, 60, "recording")
    assert command.path, command.told
    ros_context.spin_until(lambda: count(command.path) >= messages, 30, "messages in the bag")
    return command.path


@pytest.fixture
def statuses(ros_context: Any) -> list[str]:
    """The bags that the recorder's lines of /diagnostics have named."""
    from diagnostic_msgs.msg import DiagnosticArray

    from foley_common.topics import DIAGNOSTICS
    from foley_ros.topics import profile

    paths: list[str] = []

    def take(message: DiagnosticArray) -> None:
        paths.extend(pair.value for s in message.status for pair in s.values if pair.key == "path")

    ros_context.helper.create_subscription(DiagnosticArray, DIAGNOSTICS.name, take, profile(DIAGNOSTICS))
    return paths


def test_a_killed_recorder_is_told(
    ros_context: Any, recorder: Any, poses: Any, command: Any, statuses: list[str]
) -> None:
    from foley_msgs.srv import StopRecording
    from foley_perception.recording.recovery import recover_bag

    poses("/ee_pose")
    node = recorder()
    run = command()
    path = recording(ros_context, run)
    # From these the command knows the process, which must have been seen to live; of the second it has had the first.
    ros_context.spin_until(lambda: statuses.count(path) >= 2, 20, "statuses of the recorder")
    node.kill()
    # Long before its 300 s; the process of a recorder on this machine need not be waited for.
    ros_context.spin_until(lambda: run.ended, 30, "the end of foley record")
    assert run.process.returncode == 1
    assert "the recorder died: its process" in run.told
    assert f"{path} holds" in run.told and f"`foley bag recover {path}`" in run.told
    kept = count(path)
    assert run.figures["messages"] == kept >= 50 and run.figures["finished"] is False
    assert run.figures["topics"]["/ee_pose"]["messages"] == kept
    recorder()  # the successor tells it until somebody has asked
    told = ros_context.call(StopRecording, "/recorder/stop", StopRecording.Request())
    assert (told.error_code, told.path) == (told.ERROR_INTERRUPTED, path) and told.bytes > 0
    assert f"while it recorded {path}" in told.error_msg and f"`foley bag recover {path}`" in told.error_msg
    once_more = ros_context.call(StopRecording, "/recorder/stop", StopRecording.Request())
    assert once_more.error_code == once_more.ERROR_NOT_RECORDING
    recover_bag(Path(path))  # as it was told
    again = command()  # the new one records
    assert recording(ros_context, again) != path
    again.process.send_signal(signal.SIGINT)
    ros_context.spin_until(lambda: again.ended, 30, "the end of foley record")
    assert again.process.returncode == 0, again.told


def test_a_recorder_that_is_started_anew_is_noticed(
    ros_context: Any, recorder: Any, poses: Any, command: Any, statuses: list[str]
) -> None:
    """The first that is heard of the new one comes from a publisher that the command has found beforehand.

    How soon a process is found depends on the machine, and one that is found late is told as a death.
    """
    from lifecycle_msgs.msg import State

    from foley_common.topics import HEARTBEAT
    from foley_ros.topics import profile

    poses("/ee_pose")
    node = recorder()
    run = command()
    path = recording(ros_context, run)
    ros_context.spin_until(lambda: statuses.count(path) >= 2, 20, "statuses of the recorder")
    topic = f"/recorder/{HEARTBEAT.name.removeprefix('~/')}"
    new = ros_context.helper.create_publisher(State, topic, profile(HEARTBEAT))
    ros_context.spin_until(new.get_subscription_count, 20, "the command's subscription")
    os.kill(run.process.pid, signal.SIGSTOP)  # it sees the new one first
    node.kill()
    ros_context.helper.create_timer(0.02, lambda: new.publish(State(label="unconfigured")))
    os.kill(run.process.pid, signal.SIGCONT)
    ros_context.spin_until(lambda: run.ended, 30, "the end of foley record")
    assert run.process.returncode == 1
    assert "started anew" in run.told and f"`foley bag recover {path}`" in run.told


@pytest.mark.slow
def test_stopped_deactivated_and_ended(ros_context: Any, recorder: Any, poses: Any, command: Any) -> None:
    """By somebody else, by the life cycle, by SIGTERM: each time the bag is finished, and it is told."""
    from foley_msgs.srv import StopRecording

    poses("/ee_pose")
    node = recorder()
    for end in ("stop", "deactivate", "terminate"):
        run = command()
        path = recording(ros_context, run)
        if end == "stop":
            assert ros_context.call(StopRecording, "/recorder/stop", StopRecording.Request()).error_code == 0
        elif end == "deactivate":
            ros_context.transition("/recorder", "deactivate")
        else:
            os.kill(node.process.pid, signal.SIGTERM)
        ros_context.spin_until(lambda run=run: run.ended, 30, f"the end of foley record after {end}")
        said = {
            "stop": "somebody else stopped the recording",
            "deactivate": "the recorder was deactivated",
            "terminate": "the recorder was ended",
        }
        assert run.process.returncode == 1 and said[end] in run.told, run.told
        assert path in run.told and "recover" not in run.told
        assert run.figures["topics"]["/ee_pose"]["messages"] == count(path)
        if end == "deactivate":
            ros_context.transition("/recorder", "activate")


def test_names_that_ros_remaps_are_in_the_metadata(
    ros_context: Any, recorder: Any, poses: Any, command: Any
) -> None:
    """As a launch file gives them; and in a namespace, which is no other name."""
    from foley_perception.recording.bag import Bag

    poses("/arm/tcp")
    recorder(namespace="/left", remap={"ee_pose": "/arm/tcp"})
    run = command("--namespace", "left")
    path = recording(ros_context, run)
    run.process.send_signal(signal.SIGINT)
    ros_context.spin_until(lambda: run.ended, 30, "the end of foley record")
    assert run.process.returncode == 0, run.told
    bag = Bag(path)
    assert bag.session["topics"] == {"ee_pose": "/arm/tcp"}
    assert {message.topic for message in bag.messages()} == {"/arm/tcp"}
    assert "/left/camera/camera_info" in bag.topics


def test_ctrl_c_keeps_the_recording(ros_context: Any, recorder: Any, poses: Any, command: Any) -> None:
    poses("/ee_pose")
    recorder()
    run = command()
    path = recording(ros_context, run)
    run.process.send_signal(signal.SIGINT)
    ros_context.spin_until(lambda: run.ended, 30, "the end of foley record")
    assert run.process.returncode == 0 and run.told == ""
    assert run.figures["path"] == path and run.figures["topics"]["/ee_pose"]["messages"] == count(path)


def test_topics_of_other_names(ros_context: Any, recorder: Any, poses: Any, command: Any) -> None:
    """Recorded under their own names, and found again without a mapping; the recorder has its names back after it."""
    from rcl_interfaces.srv import GetParameters

    from foley_perception.episodes import read_episode

    poses("/arm/tcp")
    recorder()
    wrong = command("--map", "camera/camera_info=/arm/tcp")
    ros_context.spin_until(lambda: wrong.ended, 60, "the refusal")
    assert wrong.process.returncode == 2
    assert "has type geometry_msgs/msg/PoseStamped, expected sensor_msgs/msg/CameraInfo" in wrong.told
    run = command("--map", "ee_pose=/arm/tcp", "--map", "camera=/wrist/image")
    path = recording(ros_context, run)
    busy = command("--map", "ee_pose=/other")
    ros_context.spin_until(lambda: busy.ended, 60, "the second refusal")
    assert busy.process.returncode == 2 and f"{path} is being recorded" in busy.told
    ros_context.spin_until(lambda: "nobody publishes /wrist/image, which camera/image_raw" in run.told, 20)
    run.process.send_signal(signal.SIGINT)
    ros_context.spin_until(lambda: run.ended, 30, "the end of foley record")
    assert run.process.returncode == 1 and "nothing was received on /wrist/image" in run.told
    topics = run.figures["topics"]
    assert topics["/arm/tcp"]["messages"] == count(path) and "/wrist/camera_info" in topics
    episode = read_episode(path)
    assert episode.ee_pose is not None and len(episode.ee_pose.times_ns) == topics["/arm/tcp"]["messages"]
    after = ros_context.call(
        GetParameters, "/recorder/get_parameters", GetParameters.Request(names=["topic_map"])
    )
    assert list(after.values[0].string_array_value) == []
