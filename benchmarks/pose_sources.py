"""What it costs `hand_mapper` to know where the tool is, by what the robot tells: ee_pose, joint_states, or tf alone.

    python -m benchmarks.pose_sources [--rates 100 500 1000] [--seconds 10]

The node runs in its own process, as `foley up` starts it, and is sent the motion of a UR5e by another: `ee_pose`, or
`joint_states` beside its URDF, or `/tf` with a transform of each of its links. Processor time of the node while it is
sent them, in percent of a core, and what it makes of them per second. Writes out/bench_pose_sources/metrics.json.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks._bench import parser
from foley_common.metrics_file import write_metrics

SOURCES = ("ee_pose", "joint_states", "tf")
LINKS = ("shoulder", "upper_arm", "forearm", "wrist_1", "wrist_2", "wrist_3", "tool")
_AXES = ("0 0 1", "0 1 0", "0 1 0", "0 1 0", "0 0 1", "0 1 0")
_STEPS = ("0 0 0.16", "0 0.14 0", "0 -0.12 0.43", "0 0 0.39", "0 0.09 0", "0 0 0.09", "0 0.08 0")
_WAIT_S = 30.0


def description() -> str:
    """A URDF with the joints of a UR5e."""
    parts = ['<robot name="arm"><link name="world"/><link name="base_link"/>']
    parts.append('<joint name="base" type="fixed"><parent link="world"/><child link="base_link"/></joint>')
    for i, (child, step) in enumerate(zip(LINKS, _STEPS, strict=True)):
        parent = LINKS[i - 1] if i else "base_link"
        kind = f'type="revolute"><axis xyz="{_AXES[i]}"/>' if i < len(_AXES) else 'type="fixed">'
        limit = '<limit lower="-6" upper="6" effort="1" velocity="1"/>' if i < len(_AXES) else ""
        parts.append(
            f'<link name="{child}"/><joint name="{child}_joint" {kind}<origin xyz="{step}"/>{limit}'
            f'<parent link="{parent}"/><child link="{child}"/></joint>'
        )
    return "".join([*parts, "</robot>"])


class Robot:
    """Publishes the motion of an arm, and counts what comes of it."""

    def __init__(self) -> None:
        import rclpy
        from geometry_msgs.msg import PoseStamped, TransformStamped
        from lifecycle_msgs.srv import ChangeState
        from sensor_msgs.msg import JointState
        from std_msgs.msg import String
        from tf2_msgs.msg import TFMessage

        from foley_msgs.msg import HandKeypoints
        from foley_ros import convert, qos

        self._rclpy, self._convert, self._qos = rclpy, convert, qos
        self._types = (JointState, TFMessage, TransformStamped, PoseStamped, ChangeState)
        self.node = rclpy.create_node("robot")
        self.poses = self.keypoints = 0
        self.node.create_subscription(PoseStamped, "ee_pose", self._pose, qos.STATE)
        self.node.create_subscription(HandKeypoints, "hand_keypoints", self._hand, qos.STATE)
        self._described = self.node.create_publisher(String, "robot_description", qos.LATCHED)
        self._String = String

    def _pose(self, message: Any) -> None:
        self.poses += 1

    def _hand(self, message: Any) -> None:
        self.keypoints += 1

    def spin_until(self, condition: Callable[[], bool], what: str, meanwhile: Callable[[], None]) -> None:
        stop = time.monotonic() + _WAIT_S
        while not condition():
            if time.monotonic() > stop:
                raise RuntimeError(f"no {what} within {_WAIT_S} s")
            meanwhile()
            self._rclpy.spin_once(self.node, timeout_sec=0.001)

    def activate(self) -> None:
        *_, change = self._types
        client = self.node.create_client(change, "/hand_mapper/change_state")
        self.spin_until(client.service_is_ready, "hand_mapper", lambda: None)
        for transition in (1, 3):  # configure, activate
            request = change.Request()
            request.transition.id = transition
            answer = client.call_async(request)
            self.spin_until(answer.done, "answer of hand_mapper", lambda: None)
            if not answer.result().success:
                raise RuntimeError("hand_mapper refused to be configured")

    def source(self, name: str) -> Callable[[float], None]:
        """What sends the arm's state at a time [s]."""
        joints, tfs, transform, pose, _ = self._types
        convert, node = self._convert, self.node
        if name == "joint_states":
            self._described.publish(self._String(data=description()))
            publisher = node.create_publisher(joints, "joint_states", self._qos.STATE)
            names = [f"{link}_joint" for link in LINKS[:6]] + ["gripper_width"]

            def send(t: float) -> None:
                now = convert.header(time.time_ns(), "")
                positions = [0.3 * np.sin(t + i) for i in range(6)] + [0.02]
                publisher.publish(joints(header=now, name=names, position=positions))

        elif name == "tf":
            publisher = node.create_publisher(tfs, "/tf", 100)
            frames = ("world", "base_link", *LINKS)

            def send(t: float) -> None:
                message, now = tfs(), time.time_ns()
                for i in range(len(frames) - 1):
                    step = transform(header=convert.header(now, frames[i]), child_frame_id=frames[i + 1])
                    angle = 0.15 * np.sin(t + i) if i else 0.0
                    step.transform.translation.z = 0.1
                    step.transform.rotation.y, step.transform.rotation.w = np.sin(angle), np.cos(angle)
                    message.transforms.append(step)
                publisher.publish(message)

        else:
            publisher = node.create_publisher(pose, "ee_pose", self._qos.STATE)
            quaternion = np.array([1.0, 0.0, 0.0, 0.0])

            def send(t: float) -> None:
                position = np.array([0.1 * np.sin(t), 0.0, 0.3])
                publisher.publish(convert.pose_stamped(position, quaternion, time.time_ns(), "world"))

        return send


def measure(source: str, rate_hz: float, seconds: float) -> dict[str, Any]:
    """Figures of the node under one load."""
    import psutil

    command = [sys.executable, "-m", "foley_perception.nodes.hand_mapper"]
    node = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        robot = Robot()
        robot.activate()
        send, began, sent = robot.source(source), time.monotonic(), 0

        def drive() -> None:
            nonlocal sent
            while sent < (time.monotonic() - began) * rate_hz:
                send(sent / rate_hz)
                sent += 1

        try:
            made = "ee_pose" if source != "ee_pose" else "hand_keypoints"
            robot.spin_until(lambda: robot.poses > 100 and robot.keypoints > 10, made, drive)
        except RuntimeError as error:
            return {"source": source, "rate_hz": rate_hz, "refused": str(error)}
        process = psutil.Process(node.pid)
        start, used, counted = (
            time.monotonic(),
            sum(process.cpu_times()[:2]),
            (robot.poses, robot.keypoints, sent),
        )
        robot.spin_until(lambda: time.monotonic() - start >= seconds, "end", drive)
        spent, took = sum(process.cpu_times()[:2]) - used, time.monotonic() - start
        rates = [(b - a) / took for a, b in zip(counted, (robot.poses, robot.keypoints, sent), strict=True)]
        robot.node.destroy_node()
        return {
            "source": source,
            "rate_hz": rate_hz,
            "sent_hz": round(rates[2], 1),
            "cpu_percent": round(100 * spent / took, 1),
            "ee_pose_hz": round(rates[0], 1),
            "hand_keypoints_hz": round(rates[1], 1),
        }
    finally:
        node.terminate()
        node.wait(10)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("pose_sources", __doc__)
    options.add_argument("--rates", type=float, nargs="+", default=[100.0, 500.0, 1000.0], metavar="HZ")
    options.add_argument("--seconds", type=float, default=10.0, help="of each load (default: %(default)s)")
    options.add_argument("--sources", nargs="+", choices=SOURCES, default=list(SOURCES))
    args = options.parse_args(arguments)
    os.environ.setdefault("ROS_DOMAIN_ID", "64")
    import rclpy

    rclpy.init()
    found = []
    try:
        for source in args.sources:
            for rate in args.rates:
                found.append(measure(source, rate, args.seconds))
                print(found[-1], flush=True)
    finally:
        rclpy.shutdown()
    write_metrics(args.out, {"loads": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
