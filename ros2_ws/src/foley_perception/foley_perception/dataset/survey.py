"""What is known of a whole recording before it is cut: its contacts, where its windows lie, and what it lacks.

Of an episode that was read whole, or of a bag's outline, which gives the same: so a bag may be cut piece by piece.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from foley_common import topics
from foley_common.robot_file import Frames
from foley_common.times import NS_PER_S
from foley_common.topics import MAIN_ARM, MAIN_CAMERA, MAIN_MICROPHONE, Topic
from foley_perception.audit.finding import Severity
from foley_perception.clips.grid import WINDOW_S
from foley_perception.contact_event import Contact
from foley_perception.dataset.contacts import MergedContact, heard, merge_contacts
from foley_perception.dataset.schema import DatasetError
from foley_perception.episodes import decode
from foley_perception.episodes.decode import Decoder
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.frames import AS_ROBOT, FrameNames
from foley_perception.episodes.hands import finger_as_tool, seen, touching_side
from foley_perception.episodes.notes import Hands, Note, Stamped
from foley_perception.episodes.outline import Outline, Span
from foley_perception.episodes.reader import episode_of
from foley_perception.episodes.sound import Stream
from foley_perception.episodes.tracks import EpisodeError, PoseTrack
from foley_perception.own_noise.mask import NoiseSource
from foley_perception.own_noise.recorded import positions_in, source_of
from foley_perception.own_noise.sweep import positions_of

WINDOW_NS = round(WINDOW_S * NS_PER_S)
_EVER = (-(2**62), 2**62)
_BLOCK_S = 10  # of sound is listened to at a time
_LOOK_NS = 10 * NS_PER_S  # at a time, for the first pose that tf can place in the world


@dataclasses.dataclass(frozen=True, eq=False)
class Survey:
    """Of one recording."""

    sound: bool  # there is any
    frames: bool
    calibrated: bool  # it is known how the camera sees and where it stands
    side: str  # of the person whose finger touches; empty: a robot
    contacts: tuple[MergedContact, ...]  # in order of time
    by_ear: bool  # the contacts were found in the sound
    windows: range  # starts of all windows of 8 s that fit, whatever is missing in them
    problems: tuple[str, ...]

    @property
    def pictures(self) -> bool:
        """Whether the place of a contact can be shown."""
        return self.frames and self.calibrated


def survey_episode(episode: Episode, *, merge_s: float, onsets: bool, own_noise: str = "") -> Survey:
    """Of an episode that was read whole.

    Args:
        own_noise: file of the robot's own noise, out of which contacts by ear must stand; empty: none.

    Raises:
        DatasetError: it lacks motion, or both sound and pictures.
        EpisodeError: no hand is seen.
        OwnNoiseError: it is not of this robot, microphone or rate.
    """
    person = episode.ee_pose is None and episode.keypoints is not None
    side = touching_side(*seen(episode.keypoints)) if person and episode.keypoints is not None else ""
    pose, audio, frames = touching_path(episode, side), episode.audio, episode.frames
    contacts: Sequence[Contact] = episode.truth or episode.detected
    by_ear = onsets and not contacts and audio is not None
    if by_ear and audio is not None:
        noise = (
            source_of(own_noise, episode.robot, audio.sample_rate, positions_of(episode.joints))
            if own_noise
            else None
        )
        segments = (
            (s, _blocks(0, len(s.samples), s.sample_rate, s.samples.__getitem__)) for s in audio.segments
        )
        contacts = [c for s, b in segments for c in heard(b, s.first_sample, s.clock, s.sample_rate, noise)]
    windows = _windows(
        (int(pose.times_ns[0]), int(pose.times_ns[-1])) if pose is not None else None,
        (audio.start_ns, audio.end_ns) if audio is not None else None,
        int(frames.times_ns[0]) if frames is not None else None,
    )
    found = merge_contacts(contacts, merge_s)
    camera = {"frames": frames is not None, "calibrated": episode.camera_placed}
    return _survey(episode, pose is not None, side, found, by_ear, windows, **camera)


def survey_outline(
    outline: Outline,
    *,
    merge_s: float,
    onsets: bool,
    frames: FrameNames | Frames = AS_ROBOT,
    own_noise: str = "",
) -> Survey:
    """The same of a bag's outline; contacts are not yet placed in the world.

    Raises:
        DatasetError: it lacks motion, or both sound and pictures.
        EpisodeError: a topic cannot be read.
        OwnNoiseError: as of :func:`survey_episode`.
    """
    probe = episode_of(outline, Span(*[outline.start_ns] * 4), frames=frames)
    hands, side = outline.note(topics.HAND_KEYPOINTS), ""
    if outline.topic("pose", MAIN_ARM) is None and isinstance(hands, Hands):
        side = touching_side(*(hands.seen[name].count for name in ("left", "right")))
    microphone = outline.topic("audio", MAIN_MICROPHONE)
    sound = outline.sound(microphone) if microphone is not None else None
    contacts: Sequence[Contact] = recorded_contacts(outline)
    by_ear = onsets and not contacts and microphone is not None
    if by_ear and microphone is not None and sound is not None:
        noise = (
            source_of(own_noise, probe.robot, sound.streams[0].sample_rate, positions_in(outline, frames))
            if own_noise and sound.streams
            else None
        )
        contacts = [c for stream in sound.streams for c in _heard_in(outline, microphone, stream, noise)]
    image = outline.topic("image", MAIN_CAMERA)
    pictures = outline.note(image) if image is not None else None
    pose = _extent(outline, side, frames)
    windows = _windows(
        pose,
        (sound.start_ns, sound.end_ns) if sound is not None else None,
        pictures.usable.first if isinstance(pictures, Stamped) else None,
    )
    found = merge_contacts(contacts, merge_s)
    calibrated = _camera_somewhere(outline, probe, pictures, frames)
    camera = {"frames": pictures is not None, "calibrated": calibrated}
    return _survey(probe, pose is not None, side, found, by_ear, windows, **camera)


def touching_path(episode: Episode, side: str) -> PoseTrack | None:
    """Of the robot's tool, or of the finger that touches; None where it is not known."""
    if side and episode.keypoints is not None:
        return finger_as_tool(episode.keypoints, side, episode.frame_names.world)
    return episode.ee_pose


def recorded_contacts(outline: Outline) -> list[Contact]:
    """Contacts of the main arm as they were recorded: true ones, else detected ones."""
    for topic in (outline.topic("contacts", MAIN_ARM), topics.CONTACTS):
        note = outline.note(topic) if topic is not None else None
        if topic is not None and note is not None:
            name = outline.names[topic.role]
            decoder = Decoder({name: outline.bag.topics[name]})
            if found := decode.contacts(note.kept(*_EVER), decoder):
                return found
    return []


# ---- inside --------------------------------------------------------------------------------------------
def _survey(
    episode: Episode,
    moved: bool,
    side: str,
    contacts: list[MergedContact],
    by_ear: bool,
    windows: range,
    *,
    frames: bool,
    calibrated: bool,
) -> Survey:
    sound = episode.audio is not None
    told_of = [str(f) for f in episode.findings if f.severity == Severity.PROBLEM]
    wrong = list(dict.fromkeys([*episode.problems, *episode.unplaced, *told_of]))
    hints = f" ({'; '.join(wrong)})" if wrong else ""
    if not moved:
        wanted = f"{topics.EE_POSE.name} or {topics.HAND_KEYPOINTS.name}"
        raise DatasetError(f"{episode.path}: no {wanted}{hints}; record how the hand moves")
    if not sound and not frames:
        wanted = f"{topics.MICROPHONE.name}, no {topics.CAMERA.name}"
        raise DatasetError(f"{episode.path}: no {wanted}{hints}; clips need sound or pictures")
    told = [str(f) for f in episode.findings if f.rule == "pose_made" and f.severity == Severity.NOTE]
    if side:
        told.append(f"no ee_pose was recorded: the index finger of the {side} hand counts as the tool")
    if not sound:
        told.append(f"no {topics.MICROPHONE.name} was recorded: clips and windows have no sound")
    if not sound and not contacts:
        told.append(
            f"no contacts are known: neither {topics.TRUE_CONTACTS.name} nor {topics.CONTACTS.name} were recorded, "
            "and without sound none can be heard: there are no clips"
        )
    if not frames:
        told.append(f"no {topics.CAMERA.name} was recorded: clips and windows have no pictures")
    elif not calibrated:
        told.append(
            "camera: where it stands is not known (camera_info, and its frame in tf_static): clips have no pictures; "
            "record both, or register the camera with `foley scene register`"
        )
    return Survey(sound, frames, calibrated, side, tuple(contacts), by_ear, windows, tuple(told))


def _camera_somewhere(
    outline: Outline, probe: Episode, pictures: Note | None, frames: FrameNames | Frames
) -> bool:
    """Whether the camera can be placed at one of some times, spread over the recording."""
    if probe.camera_placed or not isinstance(pictures, Stamped) or not pictures.usable.count:
        return probe.camera_placed
    times = np.linspace(pictures.usable.first, pictures.usable.last, 9).astype(np.int64).tolist()
    return any(episode_of(outline, Span(*[t] * 4), frames=frames).camera_placed for t in times)


def _heard_in(
    outline: Outline, microphone: Topic, stream: Stream, noise: NoiseSource | None
) -> Iterator[Contact]:
    def read(part: slice) -> NDArray[np.float32]:
        return outline.samples(microphone, stream, part.start, part.stop)

    blocks = _blocks(stream.first_sample, stream.stop_sample, stream.sample_rate, read)
    return heard(blocks, stream.first_sample, stream.clock, stream.sample_rate, noise)


def _blocks(
    first: int, stop: int, sample_rate: int, read: Callable[[slice], NDArray[np.float32]]
) -> Iterator[NDArray[np.float32]]:
    size = _BLOCK_S * sample_rate
    return (read(slice(at, min(at + size, stop))) for at in range(first, stop, size))


def _extent(outline: Outline, side: str, frames: FrameNames | Frames) -> tuple[int, int] | None:
    """First and last time at which the pose of what touches is known in the world.

    Raises:
        EpisodeError: tf does not know the frame of the poses.
    """
    topic = topics.HAND_KEYPOINTS if side else outline.topic("pose", MAIN_ARM)
    note = outline.note(topic) if topic is not None else None
    index = note.seen[side] if isinstance(note, Hands) else note.usable if isinstance(note, Stamped) else None
    if index is None or not index.count:
        return None
    first, last = index.first, index.last
    unplaced: tuple[str, ...] = ()

    def times(start: int, end: int) -> NDArray[np.int64]:
        nonlocal unplaced
        episode = episode_of(outline, Span(start, end, start, end), frames=frames)
        pose, unplaced = touching_path(episode, side), unplaced or episode.unplaced
        return pose.times_ns if pose is not None else np.empty(0, dtype=np.int64)

    ends = (times(first, first)[:1].tolist(), times(last, last)[-1:].tolist())
    if ends == ([first], [last]):
        return first, last
    # In another frame than the world, of which tf does not know at either end: where it begins to, and ends.
    starts = index.steps(_LOOK_NS)
    known = (t for at in starts for t in times(at, at + _LOOK_NS).tolist())
    lowest = next(known, None)
    if lowest is None:
        raise EpisodeError(unplaced[0] if unplaced else f"{outline.path}: no pose can be placed in the world")
    known = (t for at in reversed(starts) for t in times(at, at + _LOOK_NS)[::-1].tolist())
    return lowest, next(known)


def _windows(pose: tuple[int, int] | None, audio: tuple[int, int] | None, first_frame: int | None) -> range:
    """Windows that do not overlap, from where everything has begun to where motion or sound ends."""
    if pose is None:
        return range(0)
    start = max(t for t in (pose[0], audio[0] if audio else None, first_frame) if t is not None)
    stop = min(pose[1], audio[1]) if audio else pose[1]
    count = max(stop - start, 0) // WINDOW_NS
    return range(start, start + count * WINDOW_NS, WINDOW_NS)
