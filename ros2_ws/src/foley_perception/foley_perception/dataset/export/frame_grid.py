"""Where the frames of a demonstration lie, and what a bag has that can be laid on them.

Frame i is at ``start + i / fps``, in ROS time to the nanosecond. The first frame is the first image of the main
camera (of the first camera, where there is no main one) at which sound and poses are there as well; the last is the
last frame at which all of them still are.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from foley_common import topics
from foley_common.robot_file import Frames
from foley_common.times import NS_PER_S
from foley_common.topics import MAIN_ARM, MAIN_CAMERA, Topic
from foley_perception.action.gripper import GripperHand
from foley_perception.action.mimic import MimicJoints
from foley_perception.dataset.export.whole_topics import every_channel, stamps
from foley_perception.dataset.schema import DatasetError
from foley_perception.dataset.survey import recorded_contacts
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.frames import FrameNames, frame_names
from foley_perception.episodes.notes import Joints, Pictures, Stamped
from foley_perception.episodes.outline import Outline, Span
from foley_perception.episodes.reader import episode_of
from foley_perception.episodes.tracks import EpisodeError

TASK_KEYS: tuple[str, ...] = ("task", "segment")
"""Labels whose value says what is being done in their stretch of time."""
_UNNAMED = "no task was named"
_TASKS_TOLD = 3  # kinds of contact in a task that is made of them
_LOOK_NS = NS_PER_S


@dataclasses.dataclass(frozen=True)
class Surveyed:
    """What one bag has; all of it is JSON's."""

    session_id: str
    scene_id: str
    split: str  # that the bag names; empty: none
    objects: list[str]
    start_ns: int  # of frame 0
    frames: int
    microphones: dict[str, list[int]]  # rate, channels
    most_samples: dict[str, int]  # in one frame
    cameras: dict[str, list[int]]  # width, height
    arms: list[str]
    widths: list[str]  # arms whose gripper tells its opening
    wrenches: list[str]
    most_wrenches: int  # in one frame
    most_poses: int
    joints: list[str]
    task: str
    segments: list[list[int | str]]  # start [ns], end [ns], task
    paused_frames: int = 0  # at which the recording was paused: nothing is known at them


def frame_times(start_ns: int, first: int, stop: int, fps: int) -> NDArray[np.int64]:
    """ROS times [stop - first] of frames; those before 0 lie before the start."""
    index = np.arange(first, stop, dtype=np.int64)
    return start_ns + (index * NS_PER_S + fps // 2) // fps


def survey(outline: Outline, fps: int, frames: FrameNames | Frames, hand: str, task: str) -> Surveyed:
    """What a bag has, in one more pass over it.

    Raises:
        DatasetError: it has no poses, or nothing that goes with them.
        EpisodeError: it cannot be read.
    """
    names = frame_names(frames, outline.robot.frames)
    outline.make_poses(names)
    probe = episode_of(outline, Span(*[outline.start_ns] * 4), frames=names)
    poses = _topics(outline, "pose")
    if MAIN_ARM not in poses:
        raise DatasetError(
            f"{outline.path}: there is no pose of the tool (ee_pose), and none can be made; a demonstration needs one"
        )
    images = _topics(outline, "image")
    start_ns, end_ns = _extent(outline, poses[MAIN_ARM], images, -(-NS_PER_S // fps))
    start_ns = _first_image(outline, images, start_ns, end_ns, names)
    count = (end_ns - start_ns) * fps // NS_PER_S + 1 if end_ns >= start_ns else 0
    if count < 2:
        raise DatasetError(
            f"{outline.path}: sound, images and poses have less than two frames in common at {fps} frames per second"
        )
    wrenches = _topics(outline, "wrench")
    times = stamps(outline, [*poses.values(), *wrenches.values()])
    gripper = GripperHand.from_yaml(hand or outline.robot.hand_reference)
    joints = outline.note(topics.JOINT_STATES)
    joint_names = joints.names if isinstance(joints, Joints) else ()
    microphones, most_samples = _sound(outline, fps)
    told = [
        e for e in probe.session.get("objects") or probe.scene.get("objects") or () if isinstance(e, dict)
    ]
    return Surveyed(
        session_id=probe.session_id,
        scene_id=probe.scene_id,
        split=probe.split,
        objects=sorted({str(entry.get("id") or entry.get("object_id") or "") for entry in told} - {""}),
        start_ns=start_ns,
        frames=int(count),
        microphones=microphones,
        most_samples=most_samples,
        cameras={name: list(_pictures(outline, topic).outline.usual[:2]) for name, topic in images.items()},
        arms=list(poses),
        widths=[arm for arm in poses if _tells_width(probe, gripper, arm, joint_names)],
        wrenches=list(wrenches),
        most_wrenches=_most(times, wrenches.values(), fps),
        most_poses=_most(times, poses.values(), fps),
        joints=list(joint_names),
        task=task or task_of(outline, probe),
        segments=[] if task else _segments(probe),
        paused_frames=_paused(outline, frame_times(start_ns, 0, int(count), fps)),
    )


def task_of(outline: Outline, probe: Episode) -> str:
    """What is done in a recording: as its metadata say, else as its contacts tell."""
    if named := str(probe.session.get("task") or "").strip():
        return named
    told = dict.fromkeys(
        " ".join(word for word in _contact_words(probe, c.object_id, c.time_ns, c.action_name) if word)
        for c in recorded_contacts(outline)
    )
    if not told:
        return _UNNAMED
    more = f" and {len(told) - _TASKS_TOLD} more" if len(told) > _TASKS_TOLD else ""
    return ", ".join(list(told)[:_TASKS_TOLD]) + more


def tasks_at(surveyed: Surveyed, times_ns: NDArray[np.int64]) -> list[str]:
    """What is done at times [n]: of labels that overlap, the one that begins last."""
    told = np.full(len(times_ns), surveyed.task, object)
    for start, end, task in surveyed.segments:
        told[(times_ns >= int(start)) & (times_ns < int(end))] = str(task)
    return [str(task) for task in told]


# ---- inside --------------------------------------------------------------------------------------------
def _contact_words(probe: Episode, object_id: str, time_ns: int, action: str) -> Sequence[str]:
    known = probe.object_properties(object_id, time_ns)
    given = str(known.get("action") or "")
    verb = action if action != "unknown" else given or "touch"
    return verb, str(known.get("material") or ""), object_id or "something"


def _paused(outline: Outline, times: NDArray[np.int64]) -> int:
    return sum(int(np.count_nonzero((times >= p.start_ns) & (times < p.end_ns))) for p in outline.pauses)


def _segments(probe: Episode) -> list[list[int | str]]:
    return [
        [label.start_ns, label.end_ns, label.value.strip()]
        for label in sorted(probe.labels, key=lambda label: label.start_ns)
        if label.key in TASK_KEYS and label.value.strip() and label.end_ns > label.start_ns
    ]


def _topics(outline: Outline, reader: str) -> dict[str, Topic]:
    """By device, those that have messages; a further device that cannot be read is none."""
    found = {}
    for device in topics.devices(reader):
        topic = outline.topic(reader, device)
        if topic is not None and not outline.verdict.error(outline.names[topic.role]):
            found[device] = topic
    return found


def _extent(outline: Outline, pose: Topic, images: dict[str, Topic], frame_ns: int) -> tuple[int, int]:
    """[ns] in which the main devices are all there, sound since the frame before the first."""
    firsts, lasts = [], []
    image = images.get(MAIN_CAMERA) or next(iter(images.values()), None)
    for topic in (pose, image):
        note = outline.note(topic) if topic is not None else None
        if isinstance(note, Stamped) and note.usable.count:
            firsts.append(note.usable.first)
            lasts.append(note.usable.last)
    if not firsts:
        raise DatasetError(f"{outline.path}: no pose can be used")
    microphone = outline.topic("audio", topics.MAIN_MICROPHONE)
    if microphone is not None:
        sound = outline.sound(microphone)
        firsts.append(sound.start_ns + frame_ns)
        lasts.append(sound.end_ns)
    return max(firsts), min(lasts)


def _first_image(
    outline: Outline, images: dict[str, Topic], start_ns: int, end_ns: int, frames: FrameNames
) -> int:
    """The stamp of the first image from a time on; that time where there is none soon."""
    device = MAIN_CAMERA if MAIN_CAMERA in images else next(iter(images), "")
    if not device or end_ns <= start_ns:
        return start_ns
    soon = min(start_ns + _LOOK_NS, end_ns)
    episode = episode_of(outline, Span(start_ns, soon, start_ns, soon), frames=frames)
    track = episode.cameras[device].frames if device in episode.cameras else None
    times = track.times_ns if track is not None else np.empty(0, np.int64)
    inside = times[(times >= start_ns) & (times <= soon)]
    return int(inside[0]) if inside.size else start_ns


def _pictures(outline: Outline, topic: Topic) -> Pictures:
    note = outline.note(topic)
    if not isinstance(note, Pictures):
        raise EpisodeError(f"{outline.path}: {topic.name} holds no images")
    return note


def _sound(outline: Outline, fps: int) -> tuple[dict[str, list[int]], dict[str, int]]:
    """Rate and channels, and the most samples that lie in one frame, by microphone."""
    kinds: dict[str, list[int]] = {}
    most: dict[str, int] = {}
    for device, topic in _topics(outline, "audio").items():
        try:
            streams = outline.sound(topic).streams
        except EpisodeError:
            if device == topics.MAIN_MICROPHONE:
                raise
            continue  # told where the episode is read
        first = streams[0]
        channels = every_channel(outline, topic, first, first.first_sample, first.first_sample + 1)[0].shape[
            1
        ]
        if any(stream.sample_rate != first.sample_rate for stream in streams):
            rates = sorted({stream.sample_rate for stream in streams})
            raise DatasetError(
                f"{outline.path}: {topic.name} has streams of {rates} Hz; an episode needs one rate: cut the bag there"
            )
        kinds[device] = [first.sample_rate, channels]
        # Of a clock that is exact to the last digit no frame has a sample more for its digits.
        most[device] = max(math.ceil(NS_PER_S / s.clock.period_ns / fps - 1e-7) for s in streams)
    return kinds, most


def _most(told: dict[str, NDArray[np.int64]], wanted: Iterable[Topic], fps: int) -> int:
    """Most messages within the length of a frame, wherever frames begin."""
    length, most = -(-NS_PER_S // fps) + 1, 0
    for topic in wanted:
        times = np.sort(told.get(topic.role, np.empty(0, np.int64)))
        if times.size:
            inside = np.searchsorted(times, times + length, side="left") - np.arange(times.size)
            most = max(most, int(inside.max()))
    return most


def _tells_width(probe: Episode, hand: GripperHand, arm: str, names: Sequence[str]) -> bool:
    if not hand.width_joint:
        return False
    family = MimicJoints(probe.robot_description).family(hand.width_joint)
    return any((name if arm == MAIN_ARM else f"{arm}_{name}") in names for name in family)
