"""What tests of `foley record` share: a small recorder, and something that it records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

TOPICS = """
/**:
  ros__parameters:
    topics:
      - "ee_pose geometry_msgs/msg/PoseStamped state required"
      - "camera/camera_info sensor_msgs/msg/CameraInfo state"
      - "labels foley_msgs/msg/SegmentLabel event"
"""


@pytest.fixture
def poses(ros_context: Any) -> Callable[[str], None]:
    """Publishes poses at 100 Hz on a topic for as long as the context spins."""
    from geometry_msgs.msg import PoseStamped

    from foley_ros import convert, qos

    def publish(topic: str) -> None:
        node = ros_context.helper
        publisher = node.create_publisher(PoseStamped, topic, qos.STATE)

        def send() -> None:
            now = node.get_clock().now().nanoseconds
            publisher.publish(convert.pose_stamped(np.zeros(3), np.array([0, 0, 0, 1.0]), now, "world"))

        node.create_timer(0.01, send)

    return publish


@pytest.fixture
def recorder(ros_context: Any, start_node: Any, tmp_path: Path) -> Callable[..., Any]:
    """An active recorder in a process of its own, writing below tmp_path/bags."""

    def start(namespace: str = "", **how: Any) -> Any:
        file = tmp_path / "recorder.yaml"
        file.write_text(TOPICS)
        parameters = {
            "output_dir": tmp_path / "bags",
            "min_free_mb": 1.0,
            "flush_period_s": 0.2,
            "snapshot_s": 3.0,
        }
        node = start_node(
            "foley_perception.nodes.recorder",
            parameters=parameters,
            parameter_files=[file],
            namespace=namespace,
            **how,
        )
        ros_context.transition(f"{namespace}/recorder", "configure", "activate")
        return node

    return start
