"""A bag to an episode. Which topics are read, and how, stands in the registry of topics."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from foley_common import topics
from foley_common.latencies import Latencies
from foley_common.robot_file import Frames, RobotFile
from foley_common.topics import MAIN_DEVICES, Topic
from foley_perception.audit import motion as rules
from foley_perception.audit.finding import Finding, Severity
from foley_perception.audit.moving import JointNames, unreadable
from foley_perception.contact_event import NOWHERE, Contact
from foley_perception.episodes import decode, decode_motion
from foley_perception.episodes.cameras import Placing, camera_track
from foley_perception.episodes.decode import Decoder, Messages
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.frames import (
    AS_ROBOT,
    FrameNames,
    RecordedTransforms,
    World,
    contacts_in_world,
    frame_names,
)
from foley_perception.episodes.names import missing_text
from foley_perception.episodes.notes import Contacts, Joints, Pictures, Plans, Stamped
from foley_perception.episodes.outline import Outline, Span
from foley_perception.episodes.static_transforms import StaticTransforms
from foley_perception.episodes.tracks import (
    ArmTrack,
    AudioTrack,
    CameraTrack,
    EpisodeError,
    JointPlan,
    KeypointTrack,
    ToolPlan,
)
from foley_perception.geometry.tf_buffer import TransformBuffer
from foley_perception.recording.labels import between

_FOREVER_S = 1e6  # of moving transforms: as long as the bag
_Read = TypeVar("_Read")


def read_episode(
    path: str | Path,
    *,
    namespace: str = "",
    require: Iterable[str] = (),
    camera_frame: str = "camera_optical",
    frames: FrameNames | Frames = AS_ROBOT,
    mapping: Mapping[str, str] | None = None,
    latencies: Latencies | None = None,
    robot: RobotFile | None = None,
    name: str = "",
) -> Episode:
    """Read any bag: recorded here, by `ros2 bag record`, written by `rosbags`; unfinished ones as well.

    A further device (one beside the main microphone, camera and arm) that cannot be read is left out, which is told
    in ``problems``; what is wrong with a main one is an error.

    Args:
        namespace: of the topics, where a bag holds those of several robots.
        require: topics (without namespace) without which the episode is of no use.
        camera_frame: of the camera, where images and camera_info name no frame.
        frames: which are world, tool and tip; where nothing is said of one, as the robot's file has it.
        mapping: topics that bear other names, by the registry's (foley_common/topic_map.py).
        latencies: by which stamps are moved back; None: those that the bag's metadata tell.
        robot: in place of the file of the robot that the bag was recorded with.
        name: of the session, where its metadata give none; empty: that of its folder.

    Raises:
        EpisodeError: not a bag, a required topic is missing, or a topic has a wrong type, rate or encoding.
    """
    outline = Outline(
        Path(path),
        namespace=namespace,
        mapping=mapping,
        latencies=latencies,
        robot=robot,
        keep=True,
        name=name,
    )
    outline.make_poses(frame_names(frames, outline.robot.frames))
    there = {topic.name for topic in topics.TOPICS if outline.has(topic)}
    if missing := [name for name in require if name not in there]:
        raise EpisodeError(f"{path}: {missing_text(missing, outline.counts, outline.bag)}")
    return episode_of(outline, camera_frame=camera_frame, frames=frames)


def episode_of(
    outline: Outline,
    span: Span | None = None,
    *,
    camera_frame: str = "camera_optical",
    frames: FrameNames | Frames = AS_ROBOT,
) -> Episode:
    """The whole of a bag, or a stretch of it, which comes out as the same stretch of the whole would.

    Of a stretch, contacts are those within it, and streams reach beyond it as ``span`` says. There is no depth.

    Raises:
        EpisodeError: as of :func:`read_episode`.
    """
    if errors := outline.verdict.main_errors():
        raise EpisodeError("; ".join(errors))
    frames = frame_names(frames, outline.robot.frames)
    outline.make_poses(frames)
    read = _Reader(outline, span, frames)
    read.tell(outline.pose_findings)
    read.problems += [*outline.left_out, *outline.verdict.problems()]
    detected, arms, cameras = read.contacts(topics.CONTACTS), read.arms(), read.cameras(camera_frame)
    microphones, keypoints = read.microphones(), read.keypoints()
    scene, description = _scene(read.text(topics.SIM_SCENE)), read.text(topics.ROBOT_DESCRIPTION)
    labels = tuple(read.one(topics.LABELS, decode.labels) or ())
    read.tell(read.unreadable())
    for names in map(frames.of_arm, arms):
        read.static.check_tip(names.tool, names.tip, outline.start_ns)
    return Episode(
        path=outline.path,
        session=outline.session,
        scene=scene,
        start_ns=outline.start_ns,
        end_ns=outline.end_ns,
        microphones=microphones,
        arms=arms,
        cameras=cameras,
        keypoints=keypoints,
        transforms=read.world.transforms,
        frame_names=frames,
        detected=detected,
        labels=labels,
        robot_description=description,
        problems=tuple(read.problems),
        unplaced=tuple(read.unplaced),
        simulated=outline.topic("contacts", topics.MAIN_ARM) is not None,
        findings=tuple(read.findings),
        latencies=outline.latencies,
        robot=outline.robot,
        pauses=outline.pauses,
    )


# ---- inside --------------------------------------------------------------------------------------------
class _Reader:
    """The messages of a bag, or of a stretch of it, by the roles of their topics."""

    def __init__(self, outline: Outline, span: Span | None, frames: FrameNames) -> None:
        bag, names, world_frame = outline.bag, outline.names, frames.world
        self._outline, self._span, self._world, self._frames = outline, span, world_frame, frames
        self._bag, self._names, self._found = bag, names, outline.messages(span)
        self._decoder = Decoder({t: info for t, info in bag.topics.items() if t in names.values()})
        self._start_ns = outline.start_ns
        self.findings: list[Finding] = []
        self.transforms = TransformBuffer()
        self.world = World(world_frame, RecordedTransforms(self.transforms, lambda: self._moving))
        self.unplaced: list[str] = []
        self.static = StaticTransforms(self._of(topics.TF_STATIC), self._decoder)
        self.static.put(self.transforms, steps=False)
        self.problems = [*outline.problems, *self.static.problems]
        self.tell(self.static.findings(self._start_ns))

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
        if topic is None or not found:
            return ()
        placed = self._placed(lambda: contacts_in_world(self._names[topic.role], found, self.world))
        if placed is None:
            return tuple(dataclasses.replace(c, position=NOWHERE, frame_id=self._world) for c in found)
        return tuple(placed)

    def keypoints(self) -> KeypointTrack | None:
        """Of a person's hands, or of the gripper's."""
        topic, messages = topics.HAND_KEYPOINTS, self._of(topics.HAND_KEYPOINTS)
        if not messages:
            return None
        name, start_ns = self._names[topic.role], self._start_ns
        return self._placed(
            lambda: self._told(
                decode_motion.keypoint_track(name, messages, self._decoder, self.world, start_ns)
            )
        )

    def text(self, topic: Topic) -> str:
        """The newest std_msgs/String that can be read; empty without messages."""
        return next((str(m.data) for _, m in self._decoder.read_all(list(reversed(self._of(topic))))), "")

    def unreadable(self) -> Iterator[Finding]:
        """Of topics whose messages nobody else judges: as the one pass over the bag found it, or as they were read."""
        judged = {self._names.get(t.role) for t in topics.TOPICS if t.reader in ("pose", "wrench", "joints")}
        counts = dict(self._decoder.unreadable)
        for topic in topics.read_by("contacts", "joint_plans", "tool_plans"):
            note = self._outline.note(topic)
            if isinstance(note, Contacts | Plans):
                counts |= note.unreadable
        for name, count in counts.items():
            if name not in judged:
                yield from unreadable(name, count, self._outline.counts[name], self._start_ns)

    def tell(self, findings: Iterable[Finding]) -> None:
        """Raises EpisodeError for what makes the recording useless."""
        for finding in findings:
            if finding.severity == Severity.ERROR:
                raise EpisodeError(str(finding))
            self.findings.append(finding)
            if finding.severity == Severity.PROBLEM and self._span is None:
                self.problems.append(str(finding))  # of stretches they are told together: dataset/pieces.py

    def _told(self, read: tuple[_Read, list[Finding]]) -> _Read:
        self.tell(read[1])
        return read[0]

    def _placed(self, read: Callable[[], _Read]) -> _Read | None:
        """What is read; None for a stretch in which nothing can be placed, which of a whole bag is an error."""
        try:
            return read()
        except EpisodeError as error:
            tf = self._names.get(topics.TF.role)
            why = [
                f.text
                for f in self._outline.verdict.findings
                if f.topic == tf and f.severity == Severity.PROBLEM
            ]
            text = "; ".join([str(error), *why])
            if self._span is None:
                raise EpisodeError(text) from error
            self.unplaced.append(text)
            return None

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
                if wrong := self._outline.verdict.error(name):
                    raise EpisodeError(wrong)
                sound = self._outline.sound(topic)
                self.tell(unreadable(name, sound.unreadable, self._outline.counts[name], self._start_ns))
                edges = (self._span.first_ns, self._span.last_ns) if self._span is not None else (None, None)
                tracks[device] = sound.track(self._of(topic), *edges)
                pauses = self._outline.pauses
                gaps = [g for g in sound.gaps if not between(pauses, g.start_ns, g.end_ns)]
                if gaps:
                    seconds = sum(gap.seconds for gap in gaps)
                    self.problems.append(f"{name}: {len(gaps)} gaps, {seconds:.3f} s of sound are missing")
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
        decoder, world, start_ns, told = self._decoder, self.world, self._start_ns, self._told
        pose = wrench = None
        in_tool = True
        if "pose" in found:
            pose = self._placed(
                lambda: told(decode_motion.pose_track(name["pose"], messages["pose"], world, start_ns))
            )
        if "wrench" in found:
            tool = self._frames.of_arm(device).tool
            wrench, in_tool, wrong = decode_motion.wrench_series(
                name["wrench"], messages["wrench"], tool, world.transforms, start_ns
            )
            self.tell(wrong)
        joints = main.joints if main is not None else None  # one topic may hold those of all arms
        if "joints" in found:
            joints = decode_motion.joint_series(messages["joints"], decoder)
        joint_plans: list[JointPlan] = []
        if "joint_plans" in found:
            given = messages["joint_plans"]
            joint_plans = told(decode_motion.joint_plans(name["joint_plans"], given, decoder, start_ns))
        tool_plans: list[ToolPlan] = []
        if "tool_plans" in found:
            given = messages["tool_plans"]
            tool_plans = told(decode_motion.tool_plans(name["tool_plans"], given, decoder, world, start_ns))
        truth = self.contacts(found.get("contacts"))
        track = ArmTrack(
            pose, joints, wrench, tuple(joint_plans), tuple(tool_plans), truth, wrench_in_tool=in_tool
        )
        return self._judged(device, track)

    def _judged(self, device: str, arm: ArmTrack) -> ArmTrack:
        """Without what cannot have been measured: a wrench that does not change. What is wrong is told."""
        touches = self._outline.contact_times(device)
        for reader in ("joint_plans", "tool_plans"):
            topic = self._outline.topic(reader, device)
            note = self._outline.note(topic) if topic is not None else None
            if topic is not None and isinstance(note, Plans):
                came = [(plan.received, plan.start) for plan in note.plans]
                self.tell(rules.plan_times(self._names[topic.role], came, self._start_ns))
        arm = dataclasses.replace(
            arm,
            joint_plans=tuple(p for p in arm.joint_plans if self._in_time(p.received_ns, p.start_ns)),
            tool_plans=tuple(
                p for p in arm.tool_plans if self._in_time(p.received_ns, int(p.trajectory.times_ns[0]))
            ),
        )
        for reader, rule in (("pose", rules.resting), ("wrench", rules.wrench_stuck), ("joints", None)):
            topic = self._outline.topic(reader, device)
            note = self._outline.note(topic) if topic is not None else None
            judge = note.judge if isinstance(note, Stamped | Joints) else None
            if topic is None or judge is None:
                continue
            name = self._names[topic.role]
            self.tell(judge.findings(name, self._start_ns))
            if isinstance(judge, JointNames):
                arm = dataclasses.replace(arm, joint_spans=judge.spans)
                continue
            extent = judge.extent
            if extent is None or rule is None:
                continue
            if reader == "pose":
                arm = dataclasses.replace(arm, pose_extent=extent)
            elif arm.pose_extent is not None:
                told = rules.ends(name, "the force", *judge.told_ns, arm.pose_extent, self._start_ns)
                self.tell(told)
            found = rule(name, extent, touches, self._start_ns)
            self.tell(found)
            if (
                reader == "wrench"
                and arm.wrench is not None
                and isinstance(note, Stamped)
                and note.judge is not None
            ):
                arm = dataclasses.replace(arm, wrench=None if found else arm.wrench.without(judge.frozen))
        return arm

    def _in_time(self, received_ns: int, begins_ns: int) -> bool:
        return not rules.plan_of_another_time(received_ns, begins_ns, self._start_ns)

    def cameras(self, fallback_frame: str) -> dict[str, CameraTrack]:
        tracks = {}
        placing = Placing(self._world, fallback_frame, self.transforms, lambda: self._moving, self._start_ns)
        for device in topics.devices("image"):
            found = {reader: self._topic(reader, device) for reader in ("image", "depth", "camera_info")}
            streams = {
                reader: (self._bag.topics[self._names[topic.role]], self._of(topic))
                for reader, topic in found.items()
                if topic is not None
            }
            with self._bearable(device):
                note = self._outline.note(found["image"]) if found["image"] is not None else None
                outline = note.outline if isinstance(note, Pictures) else None
                track = camera_track(device, streams, self._decoder, placing, self.tell, outline)
                if track is not None:
                    tracks[device] = track
        return tracks

    @functools.cached_property
    def _moving(self) -> TransformBuffer:
        """Everything on /tf and /tf_static; read when a carried camera, or poses in another frame, ask for it."""
        buffer = TransformBuffer(cache_s=_FOREVER_S)
        self.static.put(buffer, steps=True)
        decode_motion.add_transforms(buffer, self._outline.transforms(self._span), self._decoder)
        return buffer


def _scene(text: str) -> dict[str, Any]:
    try:
        scene = yaml.safe_load(text) if text else {}
    except yaml.YAMLError as error:
        raise EpisodeError(f"sim/scene: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(scene, dict):
        raise EpisodeError(f"sim/scene: a {type(scene).__name__}, expected a mapping")
    return scene
