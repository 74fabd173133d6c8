"""Clips and windows out of an episode, or out of a stretch of one."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from foley_common.enumerations import ACTIONS, UNKNOWN
from foley_common.robot_file import Frames
from foley_common.times import NS_PER_S
from foley_common.topics import MAIN_ARM, MAIN_CAMERA, MAIN_MICROPHONE
from foley_perception.action.gripper import GripperHand
from foley_perception.clips import grid as clip_grid
from foley_perception.clips.inputs import (
    NoMotion,
    Streams,
    contact_point,
    executed_inputs,
    measured_action,
    planned_action,
)
from foley_perception.clips.pictures import CLEAR_M, NoPicture, frame_indices
from foley_perception.contact_event import Contact
from foley_perception.dataset.contacts import MergedContact
from foley_perception.dataset.further import FurtherDevices, window_action
from foley_perception.dataset.schema import Clip, ClipData, DatasetError, Window, WindowData
from foley_perception.dataset.survey import WINDOW_NS, Survey, survey_episode, touching_path
from foley_perception.episodes.episode import Episode, number
from foley_perception.episodes.frames import AS_ROBOT, FrameNames, RecordedTransforms
from foley_perception.episodes.hands import hand_keypoints
from foley_perception.episodes.planned_path import PlannedPaths, plan_for, planned_paths
from foley_perception.episodes.tracks import ArmTrack, FrameTrack
from foley_perception.own_noise.clean import Cleaner
from foley_perception.own_noise.recorded import cleaner_of
from foley_perception.recording.bag_name import safe_name
from foley_perception.recording.labels import overlap_ns

_PLACEHOLDER_SPLIT = "train"  # splits are assigned when all bags are known


@dataclasses.dataclass(frozen=True)
class CutConfig:
    """How clips are cut."""

    merge_s: float = 0.3  # contacts closer together than this are one clip
    windows: bool = False  # also cut windows of 8 s
    hand: str = ""  # hand file, where no hand_keypoints were recorded; empty: that of the robot's file
    max_audio_gap_s: float = 0.02  # of a clip may be missing
    clear_m: float = CLEAR_M  # with the tip nearer than this to the place an earlier still is taken; 0: never
    onsets: bool = True  # find contacts by ear where neither truth nor contacts were recorded
    frames: FrameNames | Frames = AS_ROBOT
    own_noise: str = dataclasses.field(
        default="", repr=False
    )  # file of what is taken off the sound; empty: nothing

    def __post_init__(self) -> None:
        for name in ("merge_s", "max_audio_gap_s", "clear_m"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise DatasetError(f"{name} is {value}, must not be negative")


@dataclasses.dataclass
class Tally:
    """What was left out of a recording, and why."""

    skipped: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    contacts: dict[int, str] = dataclasses.field(default_factory=dict)  # [ns] those that are no clips
    devices: collections.Counter[tuple[str, str]] = dataclasses.field(default_factory=collections.Counter)
    noisy: int = 0  # stretches of sound at which joints were not told, so that own noise is still in them

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong but bearable with the own noise."""
        if not self.noisy:
            return ()
        return (
            f"own noise is still in the sound of {self.noisy} clips or windows: joint_states do not tell its joints "
            "there",
        )


class Cutter:
    """Cuts one episode, or a stretch of one.

    Args:
        survey: of the whole recording, where the episode is a stretch of it.
        tally: to go on counting in.

    Raises:
        DatasetError: the episode lacks motion, or both sound and pictures.
    """

    def __init__(
        self,
        episode: Episode,
        config: CutConfig,
        survey: Survey | None = None,
        tally: Tally | None = None,
    ) -> None:
        self.config = config
        self.survey = survey or survey_episode(
            episode, merge_s=config.merge_s, onsets=config.onsets, own_noise=config.own_noise
        )
        self.episode = _of_a_person(episode, self.survey.side) if self.survey.side else episode
        self.episode.check_frames()
        self.tally = tally if tally is not None else Tally()
        self.scene_id = episode.scene_id or episode.session_id
        objects = episode.scene.get("objects")
        listed = objects if isinstance(objects, list) else []
        self._scene_objects = {str(o.get("id", "")) for o in listed if isinstance(o, dict)}

    @property
    def contacts(self) -> tuple[MergedContact, ...]:
        """From ground truth where there is some, else detected ones, else by ear."""
        return self.survey.contacts

    @property
    def left_out(self) -> dict[int, str]:
        """Contacts [ns] that are no clips, and why."""
        return self.tally.contacts

    def object_key(self, object_id: str) -> str:
        """An id that means the same object in every session. What a scene does not list belongs to it."""
        if not object_id:
            return ""
        if self.episode.domain == "sim" and object_id not in self._scene_objects:
            return f"{self.scene_id}/{object_id}"
        return object_id

    # ---- clips -----------------------------------------------------------------------------------------
    def clips(self, contacts: Iterable[tuple[int, MergedContact]] | None = None) -> Iterator[ClipData]:
        """Clips in order of time; why others were left out is counted in the tally.

        Args:
            contacts: those of this stretch, with their numbers in the recording; all of it by default.
        """
        for index, merged in enumerate(self.contacts) if contacts is None else contacts:
            try:
                yield self._clip(index, merged)
            except _SkipError as reason:
                self.tally.skipped[str(reason)] += 1
                self.tally.contacts[merged.contact.time_ns] = str(reason)

    def _clip(self, index: int, merged: MergedContact) -> ClipData:
        episode, contact, survey = self.episode, merged.contact, self.survey
        start_ns = clip_grid.clip_start_ns(contact.time_ns)
        self._check_paused(start_ns, round(clip_grid.CLIP_S * NS_PER_S))
        audio, gap_s = self._audio(start_ns, clip_grid.CLIP_SAMPLES)
        plan = plan_for(self._plans.paths, contact.time_ns)
        planned = np.full((clip_grid.CLIP_ACTIONS, clip_grid.ACTION_DIMS), np.nan, dtype=np.float32)
        try:
            point = contact_point(np.asarray(contact.position), self._streams, contact.time_ns)
            frames, still = None, None
            if survey.pictures:
                inputs = executed_inputs(self._since_pause(contact.time_ns), contact.time_ns, point)
                frames, still, executed = inputs.frames, inputs.still, inputs.action
            else:
                executed = measured_action(self._streams, contact.time_ns, point)
        except ValueError as reason:
            raise _SkipError(str(reason)) from reason
        if plan is not None:
            # A plan that ends before the clip begins is not of this contact, which was measured all the same.
            with contextlib.suppress(NoMotion):
                path = (plan.times_ns, plan.tip)
                planned = planned_action(path, plan.width, contact.time_ns, point)
        properties = episode.object_properties(contact.object_id, contact.time_ns)
        grid = clip_grid.sample_times_ns(start_ns, clip_grid.CLIP_FRAMES, clip_grid.FRAME_RATE)
        clip = Clip(
            clip_id=f"{safe_name(episode.session_id)}_{index:04d}",
            session_id=episode.session_id,
            scene_id=self.scene_id,
            object_id=self.object_key(contact.object_id),
            split=_PLACEHOLDER_SPLIT,
            domain=episode.domain,
            contact_ns=contact.time_ns,
            start_ns=start_ns,
            action=_action_name(contact, str(properties.get("action", ""))),
            material=str(properties.get("material", "") or ""),
            log10_youngs_modulus=number(properties.get("log10_youngs_modulus")),
            roughness=number(properties.get("roughness")),
            hollowness=number(properties.get("hollowness")),
            impulse=contact.impulse,
            speed=self._speed(contact.time_ns),
            position=(float(point[0]), float(point[1]), float(point[2])),
            contact_id=contact.contact_id,
            plan_id=contact.plan_id or (plan.plan_id if plan is not None else ""),
            duration=contact.duration,
            merged=merged.merged,
            audio_gap_s=gap_s,
            origin=episode.origin,
            reaction=str(properties.get("reaction", "") or ""),
            without=_without(survey.sound, survey.pictures),
        )
        further = self.further.of_clip(start_ns, contact.time_ns, point)
        clip = dataclasses.replace(
            clip, microphones=further.microphones, cameras=further.cameras, arms=further.arms
        )
        return ClipData(clip, audio, frames, still, executed, planned, self._keypoints(grid), further)

    def _audio(self, start_ns: int, count: int) -> tuple[NDArray[np.float32] | None, float]:
        """What was heard, and how many seconds of it are missing; None where there is no microphone."""
        track = self.episode.audio
        if track is None:
            return None, count / clip_grid.SAMPLE_RATE
        sound, known = track.slice(start_ns, count, clip_grid.SAMPLE_RATE)
        gap_s = float(np.count_nonzero(~known)) / clip_grid.SAMPLE_RATE
        if gap_s > self.config.max_audio_gap_s:
            raise _SkipError("sound is missing")
        if self._cleaner is not None:
            cleaned = self._cleaner.clean(sound, clip_grid.SAMPLE_RATE, start_ns)
            self.tally.noisy += cleaned.known < 0.5
            sound = cleaned.samples
        return sound, gap_s

    @cached_property
    def _cleaner(self) -> Cleaner | None:
        return cleaner_of(self.episode, self.config.own_noise) if self.config.own_noise else None

    def _speed(self, contact_ns: int) -> float:
        """Of the tip, from 15 to 5 ms before the contact."""
        assert self.episode.ee_pose is not None
        query = np.array([contact_ns - 15_000_000, contact_ns - 5_000_000], dtype=np.int64)
        tip = (self.episode.ee_pose.at(query) @ self.episode.tx_tool_tip).translation
        return float(np.linalg.norm(tip[1] - tip[0]) / 0.010)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong but bearable: of the episode, and what is taken for something else. Not of single items."""
        told = [*self.episode.problems, *self.survey.problems, *map(str, self._plans.findings)]
        if not self.survey.side:
            told += self.episode.motion_problems(self._hand)
        return tuple(told)

    # ---- hands -----------------------------------------------------------------------------------------
    def _keypoints(self, grid_ns: NDArray[np.int64]) -> NDArray[np.float32]:
        """[n, 2, 21, 3]: as recorded, else from the measured pose and width through the hand file."""
        return hand_keypoints(self.episode, grid_ns, self._hand).astype(np.float32)

    @cached_property
    def _hand(self) -> GripperHand:
        return GripperHand.from_yaml(self.config.hand or self.episode.robot.hand_reference)

    @cached_property
    def _width(self) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
        """Opening of the gripper as measured."""
        return self.episode.gripper_width(self._hand)

    @cached_property
    def _streams(self) -> Streams:
        """What was sensed, as models are shown it."""
        episode = self.episode
        track = episode.frames or _NO_FRAMES
        return Streams(
            episode.camera_at,
            track.times_ns,
            lambda index: np.asarray(track.read(index), dtype=np.uint8),
            episode.tip_path,
            width=self._width,
            force=episode.force,
            clear_m=self.config.clear_m,
        )

    def _check_paused(self, start_ns: int, length_ns: int) -> None:
        if overlap_ns(self.episode.pauses, start_ns, start_ns + length_ns):
            raise _SkipError("the recording was paused")

    def _since_pause(self, contact_ns: int) -> Streams:
        """What was sensed after the last pause before a contact: a picture from before it shows another state."""
        over = [p.end_ns for p in self.episode.pauses if p.end_ns <= contact_ns]
        if not over:
            return self._streams
        skipped = int(np.searchsorted(self._streams.frame_times, max(over)))
        frame = self._streams.frame
        return dataclasses.replace(
            self._streams,
            frame_times=self._streams.frame_times[skipped:],
            frame=lambda index: frame(index + skipped),
        )

    @cached_property
    def _plans(self) -> PlannedPaths:
        return planned_paths(self.episode, self._hand)

    @cached_property
    def further(self) -> FurtherDevices:
        """Microphones, cameras and arms beside the main ones."""
        return FurtherDevices(self.episode, self._hand, self.config.max_audio_gap_s, self.tally.devices)

    # ---- windows ---------------------------------------------------------------------------------------
    def windows(self, clips: Sequence[Clip], starts: Iterable[int] | None = None) -> Iterator[WindowData]:
        """Windows of 8 s that do not overlap, where sound, poses and frames are complete.

        Args:
            clips: of which at least those in the windows.
            starts: of windows in this stretch; all of the recording by default.
        """
        for start_ns in self.survey.windows if starts is None else starts:
            try:
                yield self._window(start_ns, clips)
            except _SkipError as reason:
                self.tally.skipped[f"window: {reason}"] += 1

    def _window(self, start_ns: int, clips: Sequence[Clip]) -> WindowData:
        episode = self.episode
        self._check_paused(start_ns, WINDOW_NS)
        index = (start_ns - self.survey.windows.start) // WINDOW_NS
        audio, gap_s = self._audio(start_ns, clip_grid.WINDOW_SAMPLES)
        frames = None
        if episode.frames is not None:
            grid = clip_grid.frame_times_ns(start_ns, clip_grid.WINDOW_FRAMES, clip_grid.WINDOW_FRAME_RATE)
            frames = np.stack([np.asarray(f, dtype=np.uint8) for f in _frames_at(episode.frames, grid)])
        if episode.ee_pose is None:
            raise _SkipError("motion is missing")
        action = window_action(episode.ee_pose, episode.tx_tool_tip, start_ns, self._width)
        further = self.further.of_window(start_ns)
        points = start_ns + np.round(
            np.arange(clip_grid.WINDOW_KEYPOINTS) * (1e9 / clip_grid.FRAME_RATE)
        ).astype(np.int64)
        inside = [c for c in clips if start_ns <= c.contact_ns < start_ns + WINDOW_NS]
        window = Window(
            window_id=f"{safe_name(episode.session_id)}_w{index:04d}",
            session_id=episode.session_id,
            scene_id=self.scene_id,
            split=_PLACEHOLDER_SPLIT,
            domain=episode.domain,
            start_ns=start_ns,
            contacts=tuple(c.clip_id for c in inside),
            object_ids=tuple(sorted({c.object_id for c in inside if c.object_id})),
            audio_gap_s=gap_s,
            origin=episode.origin,
            microphones=further.microphones,
            cameras=further.cameras,
            arms=further.arms,
            without=_without(audio is not None, frames is not None),
        )
        return WindowData(window, audio, frames, action, self._keypoints(points), further)


def _of_a_person(episode: Episode, side: str) -> Episode:
    """A person's demonstration: a finger is what touches."""
    tool = dataclasses.replace(episode.arms.get(MAIN_ARM, ArmTrack()), ee_pose=touching_path(episode, side))
    # A tip that a robot's description or tf names is not that of a finger.
    return dataclasses.replace(
        episode,
        arms={**episode.arms, MAIN_ARM: tool},
        transforms=RecordedTransforms(),
        frame_names=FrameNames(world=episode.frame_names.world),
        robot_description="",
    )


class _SkipError(Exception):
    """This item cannot be cut; the message says why."""


def _frames_at(track: FrameTrack, times_ns: NDArray[np.int64]) -> list[NDArray[np.generic]]:
    """The newest frame at each time; each is decoded once."""
    try:
        indices = frame_indices(track.times_ns, times_ns)
    except NoPicture as error:
        raise _SkipError(str(error)) from error
    decoded = {int(i): track.read(int(i)) for i in np.unique(indices)}
    return [decoded[int(i)] for i in indices]


def _no_frame(index: int) -> NDArray[np.generic]:
    raise IndexError(f"there is no frame {index}")


# Of a recording without pictures: without frames nothing is ever looked at through this camera.
_NO_FRAMES = FrameTrack(np.empty(0, dtype=np.int64), _no_frame, (0, 0))


def _without(sound: bool, pictures: bool) -> tuple[str, ...]:
    """Main devices that gave nothing of an item."""
    there = {MAIN_MICROPHONE: sound, MAIN_CAMERA: pictures}
    return tuple(device for device, given in there.items() if not given)


def _action_name(contact: Contact, labelled: str) -> str:
    name = contact.action_name
    return labelled if name == UNKNOWN and labelled in ACTIONS else name
