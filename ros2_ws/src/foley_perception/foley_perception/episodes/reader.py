"""A bag to an episode. Which topics are read, and how, stands in the registry of topics."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml

from foley_common import topics
from foley_common.topics import MAIN_DEVICES, Topic
from foley_perception.audit.recording import RecordingAudit, Verdict
from foley_perception.contact_event import Contact
from foley_perception.episodes import decode
from foley_perception.episodes.decode import Decoder, Messages
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.frames import contacts_in_world, in_world
from foley_perception.episodes.names import resolve
from foley_perception.episodes.pictures import frame_track
from foley_perception.episodes.tracks import ArmTrack, AudioTrack, CameraTrack, EpisodeError, FrameTrack
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformBuffer
from foley_perception.recording.bag import Bag, BagMessage
from foley_perception.recording.errors import BagError

_FOREVER_S = 1e6  # of moving transforms: as long as the bag
_Read = TypeVar("_Read")


def read_episode(
    path: str | Path,
    *,
    namespace: str = "",
    require: Iterable[str] = (),
    camera_frame: str = "camera_optical",
    world_frame: str = "world",
) -> Episode:
    """Read any bag: recorded here, by `ros2 bag record`, written by `rosbags`; unfinished ones as well.

    A further device (one beside the main microphone, camera and arm) that cannot be read is left out, which is told
    in ``problems``; what is wrong with a main one is an error.

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
        audit = RecordingAudit()
        start, end = 2**63 - 1, 0
        for message in bag.messages():
            audit.add_message(bag.topics, message)
            found[message.topic].append(message)
            start, end = min(start, message.log_time), max(end, message.log_time)
    except BagError as error:
        raise EpisodeError(str(error)) from error
    names, left_out = resolve(bag, namespace)
    there = {topic.name for topic in topics.TOPICS if found.get(names.get(topic.role, ""))}
    if missing := [name for name in require if name not in there]:
        raise EpisodeError(
            f"{path}: no messages on {', '.join(missing)}; the bag has {', '.join(sorted(found)) or 'none'}"
        )
    verdict = audit.verdict({names[t.role]: t for t in topics.TOPICS if t.role in names})
    if errors := verdict.main_errors():
        raise EpisodeError("; ".join(errors))
    read = _Reader(bag, names, verdict.place(found), world_frame, verdict)
    read.problems += [*left_out, *verdict.problems()]
    return Episode(
        path=Path(path),
        session=bag.session,
        scene=_scene(read.text(topics.SIM_SCENE)),
        start_ns=verdict.clock.stamp_ns(start),
        end_ns=verdict.clock.stamp_ns(end),
        microphones=read.microphones(),
        arms=read.arms(),
        cameras=read.cameras(camera_frame),
        keypoints=read.one(topics.HAND_KEYPOINTS, decode.keypoint_track),
        transforms=read.transforms,
        detected=read.contacts(topics.CONTACTS),
        labels=tuple(read.one(topics.LABELS, decode.labels) or ()),
        robot_description=read.text(topics.ROBOT_DESCRIPTION),
        problems=tuple(read.problems),
    )


# ---- inside --------------------------------------------------------------------------------------------
class _Reader:
    """The messages of a bag by the roles of their topics."""

    def __init__(
        self,
        bag: Bag,
        names: dict[str, str],
        found: dict[str, list[BagMessage]],
        world_frame: str,
        verdict: Verdict,
    ) -> None:
        self._verdict = verdict
        self._bag, self._names, self._found, self._world = bag, names, found, world_frame
        self._decoder = Decoder({t: info for t, info in bag.topics.items() if t in names.values()})
        self.transforms = TransformBuffer()
        self.problems = [
            *bag.problems,
            *decode.add_transforms(self.transforms, self._of(topics.TF_STATIC), self._decoder, static=True),
        ]

    def _of(self, topic: Topic | None) -> Messages:
        return self._found.get(self._names.get(topic.role, ""), []) if topic is not None else []

    def _topic(self, reader: str, device: str) -> Topic | None:
        """The first of a device's topics of one kind that has messages: raw before compressed."""
        return next((t for t in topics.read_by(reader, device=device) if self._of(t)), None)

    def one(self, topic: Topic, read: Callable[[Messages, Decoder], _Read]) -> _Read | None:
        """What one topic holds; None without messages."""
        messages = self._of(topic)
        return read(messages, self._decoder) if messages else None

    def contacts(self, topic: Topic | None) -> tuple[Contact, ...]:
        """Contacts on a topic, placed in the world; none without messages."""
        found = decode.contacts(self._of(topic), self._decoder)
        if topic is None or all(c.frame_id.lstrip("/") in ("", self._world) for c in found):
            return tuple(found)
        return tuple(contacts_in_world(found, self._names[topic.role], self._world, self._moving))

    def text(self, topic: Topic) -> str:
        """The newest std_msgs/String; empty without messages."""
        messages = self._of(topic)
        return str(self._decoder.read(messages[-1]).data) if messages else ""

    @contextlib.contextmanager
    def _bearable(self, device: str) -> Iterator[None]:
        """What is wrong with a further device is told, and does not make the bag useless."""
        try:
            yield
        except EpisodeError as error:
            if device in MAIN_DEVICES:
                raise
            self.problems.append(f"{error}; {device} is left out")

    # ---- devices -----------------------------------------------------------------------------------------
    def microphones(self) -> dict[str, AudioTrack]:
        tracks = {}
        for device in topics.devices("audio"):
            if (topic := self._topic("audio", device)) is None:
                continue
            name = self._names[topic.role]
            with self._bearable(device):
                if wrong := self._verdict.error(name):
                    raise EpisodeError(wrong)
                track = tracks[device] = decode.audio_track(name, self._of(topic))
                if track.gaps:
                    seconds = sum(gap.seconds for gap in track.gaps)
                    self.problems.append(
                        f"{name}: {len(track.gaps)} gaps, {seconds:.3f} s of sound are missing"
                    )
        return tracks

    def arms(self) -> dict[str, ArmTrack]:
        tracks: dict[str, ArmTrack] = {}
        for device in topics.devices("pose"):
            with self._bearable(device):
                track = self._arm(device, tracks.get(topics.MAIN_ARM))
                if track is not None:
                    tracks[device] = track
        return tracks

    def _arm(self, device: str, main: ArmTrack | None) -> ArmTrack | None:
        found = {
            reader: topic
            for reader in ("pose", "joints", "wrench", "joint_plans", "tool_plans", "contacts")
            if (topic := self._topic(reader, device)) is not None
        }
        if not found:
            return None
        name = {reader: self._names[topic.role] for reader, topic in found.items()}
        messages = {reader: self._of(topic) for reader, topic in found.items()}
        pose = decode.pose_track(name["pose"], messages["pose"]) if "pose" in found else None
        if pose is not None and pose.frame_id.lstrip("/") not in ("", self._world):
            pose = in_world(pose, name["pose"], self._world, self._moving)
        if pose is not None and pose.dropped:
            self.problems.append(
                f"{name['pose']}: {pose.dropped} poses with NaN or without a transform were left out"
            )
        joints = main.joints if main is not None else None  # one topic may hold those of all arms
        if "joints" in found:
            joints = decode.joint_series(name["joints"], messages["joints"], self._decoder)
        return ArmTrack(
            ee_pose=pose,
            joints=joints,
            wrench=decode.wrench_series(name["wrench"], messages["wrench"]) if "wrench" in found else None,
            joint_plans=tuple(decode.joint_plans(messages.get("joint_plans", []), self._decoder)),
            tool_plans=tuple(decode.tool_plans(messages.get("tool_plans", []), self._decoder)),
            truth=self.contacts(found.get("contacts")),
        )

    def cameras(self, fallback_frame: str) -> dict[str, CameraTrack]:
        tracks = {}
        for device in topics.devices("image"):
            frames, depth, info = (self._topic(r, device) for r in ("image", "depth", "camera_info"))
            if frames is None and depth is None and info is None:
                continue
            with self._bearable(device):
                model, carried = self._place(device, info, fallback_frame)
                tracks[device] = CameraTrack(self._frames(frames), self._frames(depth), model, carried)
        return tracks

    def _frames(self, topic: Topic | None) -> FrameTrack | None:
        if topic is None:
            return None
        bag_topic = self._bag.topics[self._names[topic.role]]
        return frame_track(bag_topic, self._of(topic), depth=topic.reader == "depth")

    def _place(
        self, device: str, topic: Topic | None, fallback_frame: str
    ) -> tuple[CameraModel | None, Callable[[int], CameraModel] | None]:
        """A camera that is fixed in the world, or how to place one that is carried; what is wrong is told."""
        if topic is None:
            return None, None
        info = self._decoder.read(self._of(topic)[-1])
        frame = info.header.frame_id or fallback_frame
        k = np.asarray(info.k).reshape(3, 3)
        try:
            camera = CameraModel(k, int(info.width), int(info.height), SE3.identity())
        except ValueError as error:
            self.problems.append(f"{topic.name}: {error}")
            return None, None
        try:
            pose = self.transforms.lookup(self._world, frame)
            return dataclasses.replace(camera, tx_world_camera=pose), None
        except LookupError as error:
            if device == topics.MAIN_CAMERA:
                self.problems.append(
                    f"{device}: no transform from {frame} to {self._world} in tf_static ({error}); "
                    "record tf_static"
                )
                return None, None

        def carried(time_ns: int) -> CameraModel:
            try:
                pose = self._moving.lookup(self._world, frame, time_ns)
            except LookupError as error:
                # Without the time, which is another one for each frame.
                told = f"no transform from {frame} to {self._world} at that time; record /tf and /tf_static"
                raise EpisodeError(told) from error
            return dataclasses.replace(camera, tx_world_camera=pose)

        return None, carried

    @functools.cached_property
    def _moving(self) -> TransformBuffer:
        """Everything on /tf and /tf_static; read when a carried camera, or poses in another frame, ask for it."""
        buffer = TransformBuffer(cache_s=_FOREVER_S)
        for topic in (topics.TF_STATIC, topics.TF):
            static = topic == topics.TF_STATIC
            decode.add_transforms(buffer, self._of(topic), self._decoder, static=static)
        return buffer


def _scene(text: str) -> dict[str, Any]:
    try:
        scene = yaml.safe_load(text) if text else {}
    except yaml.YAMLError as error:
        raise EpisodeError(f"sim/scene: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(scene, dict):
        raise EpisodeError(f"sim/scene: a {type(scene).__name__}, expected a mapping")
    return scene
