"""A bag to an episode. Which topics are read, and how, stands in the registry of topics."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml

from foley_common import topics
from foley_common.topics import MAIN_DEVICES, Topic
from foley_perception.contact_event import NOWHERE, Contact
from foley_perception.episodes import decode
from foley_perception.episodes.decode import Decoder, Messages
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.frames import contacts_in_world, in_world
from foley_perception.episodes.names import missing_text
from foley_perception.episodes.outline import Outline, Span
from foley_perception.episodes.pictures import frame_track
from foley_perception.episodes.tracks import (
    ArmTrack,
    AudioTrack,
    CameraTrack,
    EpisodeError,
    FrameTrack,
    PoseTrack,
)
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformBuffer

_FOREVER_S = 1e6  # of moving transforms: as long as the bag
_Read = TypeVar("_Read")


def read_episode(
    path: str | Path,
    *,
    namespace: str = "",
    mapping: Mapping[str, str] | None = None,
    require: Iterable[str] = (),
    camera_frame: str = "camera_optical",
    world_frame: str = "world",
    mapping: Mapping[str, str] | None = None,
) -> Episode:
    """Read any bag: recorded here, by `ros2 bag record`, written by `rosbags`; unfinished ones as well.

    A further device (one beside the main microphone, camera and arm) that cannot be read is left out, which is told
    in ``problems``; what is wrong with a main one is an error.

    Args:
        namespace: of the topics, where a bag holds those of several robots.
        require: topics (without namespace) without which the episode is of no use.
        camera_frame: of the camera, where images and camera_info name no frame.
        mapping: topics that bear other names, by the registry's (foley_common/topic_map.py).

    Raises:
        EpisodeError: not a bag, a required topic is missing, or a topic has a wrong type, rate or encoding.
    """
    outline = Outline(Path(path), namespace=namespace, mapping=mapping, keep=True)
    there = {topic.name for topic in topics.TOPICS if outline.has(topic)}
    if missing := [name for name in require if name not in there]:
        raise EpisodeError(f"{path}: {missing_text(missing, outline.counts, outline.bag)}")
    return episode_of(outline, camera_frame=camera_frame, world_frame=world_frame)


def episode_of(
    outline: Outline,
    span: Span | None = None,
    *,
    camera_frame: str = "camera_optical",
    world_frame: str = "world",
) -> Episode:
    """The whole of a bag, or a stretch of it, which comes out as the same stretch of the whole would.

    Of a stretch, contacts are those within it, and streams reach beyond it as ``span`` says. There is no depth.

    Raises:
        EpisodeError: as of :func:`read_episode`.
    """
    read = _Reader(outline, span, world_frame)
    read.problems += outline.left_out
    return Episode(
        path=outline.path,
        session=outline.session,
        scene=_scene(read.text(topics.SIM_SCENE)),
        start_ns=outline.start_ns,
        end_ns=outline.end_ns,
        microphones=read.microphones(),
        arms=read.arms(),
        cameras=read.cameras(camera_frame),
        keypoints=read.one(topics.HAND_KEYPOINTS, decode.keypoint_track),
        transforms=read.transforms,
        detected=read.contacts(topics.CONTACTS),
        labels=tuple(read.one(topics.LABELS, decode.labels) or ()),
        robot_description=read.text(topics.ROBOT_DESCRIPTION),
        problems=tuple(read.problems),
        unplaced=tuple(read.unplaced),
        simulated=outline.topic("contacts", topics.MAIN_ARM) is not None,
    )


# ---- inside --------------------------------------------------------------------------------------------
class _Reader:
    """The messages of a bag, or of a stretch of it, by the roles of their topics."""

    def __init__(self, outline: Outline, span: Span | None, world_frame: str) -> None:
        bag, names = outline.bag, outline.names
        self._outline, self._span, self._world = outline, span, world_frame
        self._bag, self._names, self._found = bag, names, outline.messages(span)
        self._decoder = Decoder({t: info for t, info in bag.topics.items() if t in names.values()})
        self.transforms = TransformBuffer()
        self.unplaced: list[str] = []
        self.problems = [
            *outline.problems,
            *decode.add_transforms(self.transforms, self._of(topics.TF_STATIC), self._decoder, static=True),
        ]

    def _of(self, topic: Topic | None) -> Messages:
        return self._found.get(self._names.get(topic.role, ""), []) if topic is not None else []

    def _topic(self, reader: str, device: str) -> Topic | None:
        """The first of a device's topics of one kind that has messages: raw before compressed."""
        topic = self._outline.topic(reader, device)
        return topic if self._of(topic) or reader in ("audio", "contacts") else None

    def one(self, topic: Topic, read: Callable[[Messages, Decoder], _Read]) -> _Read | None:
        """What one topic holds; None without messages."""
        messages = self._of(topic)
        return read(messages, self._decoder) if messages else None

    def contacts(self, topic: Topic | None) -> tuple[Contact, ...]:
        """Contacts on a topic, placed in the world; none without messages."""
        found = decode.contacts(self._of(topic), self._decoder)
        if topic is None or all(c.frame_id.lstrip("/") in ("", self._world) for c in found):
            return tuple(found)
        try:
            return tuple(contacts_in_world(found, self._names[topic.role], self._world, self._moving))
        except EpisodeError as error:
            if self._span is None:
                raise
            self.unplaced.append(str(error))
            return tuple(dataclasses.replace(c, position=NOWHERE, frame_id=self._world) for c in found)

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
                sound = self._outline.sound(topic)
                edges = (self._span.first_ns, self._span.last_ns) if self._span is not None else (None, None)
                tracks[device] = sound.track(self._of(topic), *edges)
                if sound.gaps:
                    seconds = sum(gap.seconds for gap in sound.gaps)
                    self.problems.append(
                        f"{name}: {len(sound.gaps)} gaps, {seconds:.3f} s of sound are missing"
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
        pose = self._pose(name["pose"], messages["pose"]) if "pose" in found else None
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

    def _pose(self, name: str, messages: Messages) -> PoseTrack | None:
        """Of a stretch in which no pose can be placed, None; of a whole bag that is an error."""
        pose = decode.pose_track(name, messages)
        span, given = self._span, pose.times_ns
        if pose.frame_id.lstrip("/") not in ("", self._world):
            try:
                pose = in_world(pose, name, self._world, self._moving)
            except EpisodeError as error:
                if span is None:
                    raise
                self.unplaced.append(str(error))
                return None
        if span is None and pose.dropped:
            self.problems.append(dropped_text(name, pose.dropped))
        if span is not None:  # without a transform, within it; those with NaN are counted in the outline
            lost = np.setdiff1d(given, pose.times_ns)
            pose = dataclasses.replace(pose, dropped=sum(map(span.holds, lost.tolist())))
        return pose

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
        decode.add_transforms(buffer, self._of(topics.TF_STATIC), self._decoder, static=True)
        decode.add_transforms(buffer, self._outline.transforms(self._span), self._decoder, static=False)
        return buffer


def dropped_text(topic: str, count: int) -> str:
    """What is told of poses that cannot be used."""
    return f"{topic}: {count} poses with NaN or without a transform were left out"


def _scene(text: str) -> dict[str, Any]:
    try:
        scene = yaml.safe_load(text) if text else {}
    except yaml.YAMLError as error:
        raise EpisodeError(f"sim/scene: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(scene, dict):
        raise EpisodeError(f"sim/scene: a {type(scene).__name__}, expected a mapping")
    return scene
