"""A bag to an episode."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from foley_perception.episodes import decode
from foley_perception.episodes.decode import Decoder, Messages
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.frames import FOR_EVER_S, add_transforms, in_world
from foley_perception.episodes.pictures import frame_track
from foley_perception.episodes.tracks import EpisodeError, Series
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.tf_buffer import TransformBuffer
from foley_perception.recording.bag import Bag, BagMessage
from foley_perception.recording.errors import BagError

# What is read: the topic's name without namespace -> the type it must have.
TOPICS: dict[str, tuple[str, ...]] = {
    "mic/audio": ("foley_msgs/msg/AudioChunk",),
    "ee_pose": ("geometry_msgs/msg/PoseStamped",),
    "joint_states": ("sensor_msgs/msg/JointState",),
    "wrench": ("geometry_msgs/msg/WrenchStamped",),
    "camera/image_raw": ("sensor_msgs/msg/Image",),
    "camera/image_raw/compressed": ("sensor_msgs/msg/CompressedImage",),
    "camera/camera_info": ("sensor_msgs/msg/CameraInfo",),
    "camera/depth/image_raw": ("sensor_msgs/msg/Image",),
    "camera/depth/image_raw/compressedDepth": ("sensor_msgs/msg/CompressedImage",),
    "planned_joint_trajectory": ("trajectory_msgs/msg/JointTrajectory",),
    "hand_keypoints": ("foley_msgs/msg/HandKeypoints",),
    "contacts": ("foley_msgs/msg/ContactEvent",),
    "sim/contacts": ("foley_msgs/msg/ContactEvent",),
    "sim/scene": ("std_msgs/msg/String",),
    "labels": ("foley_msgs/msg/SegmentLabel",),
    "robot_description": ("std_msgs/msg/String",),
    "tf_static": ("tf2_msgs/msg/TFMessage",),
    "tf": ("tf2_msgs/msg/TFMessage",),
}
_COMPRESSED_DEPTH = "camera/depth/image_raw/compressedDepth"


def read_episode(
    path: str | Path,
    *,
    namespace: str = "",
    require: Iterable[str] = (),
    camera_frame: str = "camera_optical",
    world_frame: str = "world",
) -> Episode:
    """Read any bag: recorded here, by `ros2 bag record`, written by `rosbags`; unfinished ones as well.

    Args:
        namespace: of the topics, where a bag holds those of several robots.
        require: topics (without namespace) without which the episode is of no use.
        camera_frame: of the camera, where images and camera_info name no frame.

    Raises:
        EpisodeError: not a bag, a required topic is missing, or a topic has a wrong type, rate or encoding.
    """
    try:
        bag = Bag(path)
        found: dict[str, list[BagMessage]] = collections.defaultdict(list)
        start, end = 2**63 - 1, 0
        for message in bag.messages():
            found[message.topic].append(message)
            start, end = min(start, message.log_time), max(end, message.log_time)
    except BagError as error:
        raise EpisodeError(str(error)) from error
    names = _resolve(bag, namespace)
    messages = {name: found.get(topic, []) for name, topic in names.items()}
    missing = [name for name in require if not messages.get(name)]
    if missing:
        raise EpisodeError(
            f"{path}: no messages on {', '.join(missing)}; the bag has {', '.join(sorted(found)) or 'none'}"
        )
    decoder = Decoder({t: info for t, info in bag.topics.items() if t in names.values()})
    problems = list(bag.problems)
    transforms = TransformBuffer(FOR_EVER_S)
    problems += add_transforms(transforms, map(decoder.read, messages.get("tf_static", [])), "/tf_static")

    def has(name: str) -> bool:
        return bool(messages.get(name))

    def all_of(name: str, read: decode.ReadAll) -> tuple[Any, ...]:
        return tuple(read(messages[name], decoder)) if has(name) else ()

    frames_name = "camera/image_raw" if has("camera/image_raw") else "camera/image_raw/compressed"
    depth_name = "camera/depth/image_raw" if has("camera/depth/image_raw") else _COMPRESSED_DEPTH
    camera, camera_problem = _camera(
        messages.get("camera/camera_info", []), decoder, transforms, camera_frame, world_frame
    )
    audio = decode.audio_track(names["mic/audio"], messages["mic/audio"]) if has("mic/audio") else None
    ee_pose = decode.pose_track(names["ee_pose"], messages["ee_pose"]) if has("ee_pose") else None
    if ee_pose is not None and ee_pose.frame_id.lstrip("/") not in ("", world_frame):
        # The robot's own transforms come at its control rate; they are read only where they are needed.
        problems += add_transforms(transforms, map(decoder.read, messages.get("tf", [])), "/tf")
        ee_pose = in_world(ee_pose, names["ee_pose"], world_frame, transforms)
    wrench = decode.wrench_series(names["wrench"], messages["wrench"]) if has("wrench") else None
    if audio is not None and audio.gaps:
        seconds = sum(gap.seconds for gap in audio.gaps)
        problems.append(f"{names['mic/audio']}: {len(audio.gaps)} gaps, {seconds:.3f} s of sound are missing")
    if ee_pose is not None and ee_pose.dropped:
        problems.append(
            f"{names['ee_pose']}: {ee_pose.dropped} poses with NaN or without a transform were left out"
        )
    if camera_problem:
        problems.append(camera_problem)
    return Episode(
        path=Path(path),
        session=bag.session,
        scene=_scene(messages.get("sim/scene", []), decoder),
        start_ns=start,
        end_ns=end,
        audio=audio,
        ee_pose=ee_pose,
        joints=_joints(names, messages, decoder),
        wrench=wrench,
        keypoints=decode.keypoint_track(messages["hand_keypoints"], decoder)
        if has("hand_keypoints")
        else None,
        frames=frame_track(bag.topics[names[frames_name]], messages[frames_name], depth=False)
        if has(frames_name)
        else None,
        depth=frame_track(bag.topics[names[depth_name]], messages[depth_name], depth=True)
        if has(depth_name)
        else None,
        camera=camera,
        transforms=transforms,
        joint_plans=all_of("planned_joint_trajectory", decode.joint_plans),
        truth=all_of("sim/contacts", decode.contacts),
        detected=all_of("contacts", decode.contacts),
        labels=all_of("labels", decode.labels),
        robot_description=_newest_text(messages.get("robot_description", []), decoder),
        problems=tuple(problems),
    )


# ---- inside --------------------------------------------------------------------------------------------
def _resolve(bag: Bag, namespace: str) -> dict[str, str]:
    """Our names -> the bag's topics."""
    names: dict[str, str] = {}
    prefix = "/" + namespace.strip("/") + "/" if namespace.strip("/") else ""
    for name, types in TOPICS.items():
        if name in ("tf", "tf_static"):
            candidates = [t for t in bag.topics if t == f"/{name}"]
        elif prefix:
            candidates = [t for t in bag.topics if t == prefix + name]
        else:
            candidates = [t for t in bag.topics if t.endswith("/" + name) or t == name]
            # `sim/contacts` also ends like `contacts`.
            longer = [n for n in TOPICS if n != name and n.endswith("/" + name)]
            candidates = [t for t in candidates if not any(t.endswith("/" + n) for n in longer)]
            # `left/ee_pose` is of a second hand beside `ee_pose`.
            outer = [t for t in candidates if all(o.startswith(t.removesuffix(name)) for o in candidates)]
            candidates = outer if len(outer) == 1 else candidates
        if len(candidates) > 1:
            raise EpisodeError(
                f"{bag.path}: several topics could be {name}: {', '.join(sorted(candidates))}; "
                "say whose with the namespace"
            )
        for topic in candidates:
            kind = bag.topics[topic].type
            if kind not in types:
                raise EpisodeError(
                    f"{bag.path}: {topic} has type {kind}, expected {' or '.join(types)}; "
                    "record it through a bridge that converts it, or rename the topic"
                )
            names[name] = topic
    return names


def _joints(names: dict[str, str], messages: dict[str, list[BagMessage]], decoder: Decoder) -> Series | None:
    own = messages.get("joint_states")
    return decode.joint_series(names["joint_states"], own, decoder) if own else None


def _newest_text(messages: Messages, decoder: Decoder) -> str:
    return str(decoder.read(messages[-1]).data) if messages else ""


def _scene(messages: Messages, decoder: Decoder) -> dict[str, Any]:
    text = _newest_text(messages, decoder)
    try:
        scene = yaml.safe_load(text) if text else {}
    except yaml.YAMLError as error:
        raise EpisodeError(f"sim/scene: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(scene, dict):
        raise EpisodeError(f"sim/scene: a {type(scene).__name__}, expected a mapping")
    return scene


def _camera(
    messages: Messages, decoder: Decoder, transforms: TransformBuffer, fallback: str, world: str
) -> tuple[CameraModel | None, str]:
    if not messages:
        return None, ""
    info = decoder.read(messages[-1])
    frame = info.header.frame_id or fallback
    try:
        pose = transforms.lookup(world, frame)
        camera = CameraModel(np.asarray(info.k).reshape(3, 3), int(info.width), int(info.height), pose)
    except LookupError as error:
        return None, f"camera: no transform from {frame} to {world} in tf_static ({error}); record tf_static"
    except ValueError as error:
        return None, f"camera/camera_info: {error}"
    return camera, ""
