"""`foley robot` beside a robot of another shape: joint_states and a URDF alone, other names, best effort."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foley_common.robot_file import RobotFile

pytestmark = pytest.mark.nodes

CODE = (
    "import argparse, sys; from foley_perception.commands import robot as r; p = argparse.ArgumentParser();"
    "r.configure(p); sys.exit(r.run(p.parse_args(sys.argv[1:])))"
)
URDF = """<robot name="cobot"><link name="base"/><link name="arm"/><link name="cobot_tcp"/><link name="finger"/>
<joint name="turn" type="revolute"><parent link="base"/><child link="arm"/></joint>
<joint name="mount" type="fixed"><parent link="arm"/><child link="cobot_tcp"/></joint>
<joint name="robotiq_85_left_knuckle_joint" type="revolute"><parent link="arm"/><child link="finger"/></joint>
</robot>"""


@pytest.fixture
def robot(ros_context: Any) -> None:
    """Publishes for as long as the context spins."""
    from geometry_msgs.msg import PoseStamped, WrenchStamped
    from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import CameraInfo, CompressedImage, JointState
    from std_msgs.msg import String

    from foley_msgs.msg import AudioChunk

    node = ros_context.helper
    lossy = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    node.create_publisher(String, "/cobot/robot_description", latched).publish(String(data=URDF))
    sound = AudioChunk(sample_rate=16000, channels=2, stream_id="a", samples=[0.0, 0.1] * 160)
    sound.header.frame_id = "head"
    joints = JointState(name=["turn", "robotiq_85_left_knuckle_joint"], position=[0.1, 0.2])
    picture = CompressedImage(format="bgr8; jpeg compressed bgr8", data=b"\xff\xd8\xff\xd9")
    info = CameraInfo(width=4, height=4, k=[5.0, 0.0, 2.0, 0.0, 5.0, 2.0, 0.0, 0.0, 1.0])
    publishers: dict[str, tuple[Any, Any]] = {}
    for name, message, qos in (
        ("/head/mics", sound, lossy),
        ("/cobot/joint_states", joints, lossy),
        ("/cobot/target_pose", PoseStamped(), lossy),
        ("/ft/wrench", WrenchStamped(), lossy),
        ("/eye/color/image_raw/compressed", picture, lossy),
        ("/eye/color/camera_info", info, lossy),
    ):
        publishers[name] = node.create_publisher(type(message), name, qos), message
    sent = 0

    def send() -> None:
        nonlocal sent
        sound.first_sample = 160 * sent
        sent += 1
        for publisher, message in publishers.values():
            message.header.stamp = node.get_clock().now().to_msg()
            publisher.publish(message)

    node.create_timer(0.01, send)


@pytest.fixture
def command(ros_context: Any, tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Runs `foley robot` in a process of its own while the robot publishes; code and what it said."""

    def run(*words: object) -> tuple[int, str]:
        said = tmp_path / "said"
        with said.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "-c", CODE, *map(str, words)], stdout=file, stderr=file
            )
            try:
                ros_context.spin_until(lambda: process.poll() is not None, 60, "the end of foley robot")
            finally:
                process.kill()
        return process.returncode, said.read_text()

    return run


def test_from_init_to_check(robot: None, command: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    file = tmp_path / "robot.yaml"
    code, said = command("init", "--out", file, "--seconds", 0.5)
    assert code == 0, said
    found = RobotFile.read(file)
    assert found.topic_map == {
        "mic/audio": "/head/mics",
        "joint_states": "/cobot/joint_states",
        "wrench": "/ft/wrench",
        "camera/image_raw": "/eye/color/image_raw",  # of which only the compressed pictures are published
        "robot_description": "/cobot/robot_description",
    }
    assert (found.name, found.frames.fixed, found.frames.tool) == ("cobot", "base", "cobot_tcp")
    assert found.hand == "robotiq_2f85" and found.gripper_joint == ""
    heard = found.sound["microphone"]
    assert (heard.sample_rate, heard.channel) == (16000, 1)  # nothing is heard on channel 0
    text = file.read_text()
    assert "# ee_pose:  # not found" in text and "/cobot/target_pose" in text

    changed = (
        file.read_text()
        .replace("/ft/wrench", "/ft/wrnch")
        .replace("sample_rate: 16000", "sample_rate: 48000")
    )
    file.write_text(changed)
    code, said = command("check", file, "--seconds", 0.5, "--metrics", tmp_path / "out")
    assert code == 1, said
    figures = json.loads((tmp_path / "out/metrics.json").read_text())
    told = "\n".join(entry["text"] for entry in figures["said"])
    assert "/ft/wrnch: nobody publishes it; of its type there are /ft/wrench" in told
    assert "/head/mics: has 16000 Hz, the file says 48000" in told
    assert "/head/mics: is offered best effort" in told
    assert figures["topics"]["joint_states"]["state"] == "ok"
    assert figures["topics"]["joint_states"]["qos"] == "best effort"
    assert figures["topics"]["joint_states"]["lag_median_s"] < 1.0
