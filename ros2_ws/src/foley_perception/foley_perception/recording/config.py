"""Configuration of the recorder."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from foley_perception.recording.recording import TopicSpec

DEFAULT_TOPICS: tuple[str, ...] = (
    "mic/audio foley_msgs/msg/AudioChunk audio required",
    "contact_mic/audio foley_msgs/msg/AudioChunk audio",
    "ee_pose geometry_msgs/msg/PoseStamped state required",
    "camera/image_raw sensor_msgs/msg/Image image required",
    "camera/camera_info sensor_msgs/msg/CameraInfo state required",
    "camera/depth/image_raw sensor_msgs/msg/Image image",
    "joint_states sensor_msgs/msg/JointState state",
    "wrench geometry_msgs/msg/WrenchStamped state",
    "planned_joint_trajectory trajectory_msgs/msg/JointTrajectory event",
    "left/ee_pose geometry_msgs/msg/PoseStamped state",
    "left/wrench geometry_msgs/msg/WrenchStamped state",
    "left/planned_joint_trajectory trajectory_msgs/msg/JointTrajectory event",
    "left/sim/contacts foley_msgs/msg/ContactEvent event",
    "planned_trajectory foley_msgs/msg/HandTrajectory event",
    "planned_tool_trajectory foley_msgs/msg/ToolTrajectory event",
    "hand_keypoints foley_msgs/msg/HandKeypoints state",
    "contacts foley_msgs/msg/ContactEvent event",
    "predicted_audio foley_msgs/msg/PredictedAudio event",
    "predicted_material foley_msgs/msg/MaterialEstimate event",
    "material_estimates foley_msgs/msg/MaterialEstimate event",
    "vocabulary foley_msgs/msg/VocabularyInfo latched",
    "predicates foley_msgs/msg/PredicateArray latched",
    "surprise foley_msgs/msg/Surprise event",
    "labels foley_msgs/msg/SegmentLabel event",
    "robot_description std_msgs/msg/String latched",
    "/tf tf2_msgs/msg/TFMessage state",
    "/tf_static tf2_msgs/msg/TFMessage tf_static",
    "/diagnostics diagnostic_msgs/msg/DiagnosticArray event",
    "sim/contacts foley_msgs/msg/ContactEvent event",
    "sim/sent std_msgs/msg/String latched",
    "sim/scene std_msgs/msg/String latched",
)


def _field(default: Any, doc: str) -> Any:
    return dataclasses.field(default=default, metadata={"doc": doc})


@dataclasses.dataclass(frozen=True)
class RecorderConfig:
    """Parameters of the recorder; see ``config/recorder.yaml``."""

    output_dir: str = _field("bags", "folder of the bags; relative to where the recorder was started")
    topics: tuple[str, ...] = _field(DEFAULT_TOPICS, "what is recorded: `name type profile [required]`")
    flush_period_s: float = _field(1.0, "[s] everything older is on disk, whatever happens")
    queue_mb: float = _field(128.0, "[MiB] messages waiting for the disk; beyond it they are dropped")
    min_free_mb: float = _field(256.0, "[MiB] recording ends by itself when the disk has less")
    longest_recording_s: float = _field(3600.0, "[s] StartRecording is refused a longer max_duration")
    silent_after_s: float = _field(2.0, "[s] a required topic this long without a message is a warning")
    start_without_required: bool = _field(
        True, "false: StartRecording is refused while a required topic has no publisher"
    )

    def __post_init__(self) -> None:
        for name in ("flush_period_s", "queue_mb", "longest_recording_s", "silent_after_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}, must be positive")
        if not (math.isfinite(self.min_free_mb) and self.min_free_mb >= 0):
            raise ValueError(f"min_free_mb is {self.min_free_mb}, must not be negative")
        if not self.output_dir.strip():
            raise ValueError("output_dir is empty, name a folder")
        names = [spec.name for spec in self.specs]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"topics: {', '.join(twice)} is listed more than once")

    @property
    def specs(self) -> tuple[TopicSpec, ...]:
        """The topics, parsed."""
        return tuple(TopicSpec.parse(entry) for entry in self.topics)
