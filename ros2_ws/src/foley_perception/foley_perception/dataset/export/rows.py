"""A demonstration on its grid of frames, block by block: what formats of episodes write.

Frame i is at time t_i of the grid (``frame_grid.py``). Of it are told:

- the state of the arms **at** t_i: measured poses linear and by SLERP, joints and width linear;
- of each camera the image **nearest** to t_i, with its own stamp;
- sound, forces and poses **since the frame before**, in (t_i-1, t_i], as they were measured: nothing of a frame is
later
  than the frame, but for an image that is nearer than the one before it;
- the action: where the tool is to be at t_i+1, as the newest plan that was known at t_i says; where none speaks of that
  time, where it was measured then.

What is not known is NaN.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_common.topics import MAIN_ARM
from foley_perception.action.gripper import GripperHand
from foley_perception.contact_event import Contact
from foley_perception.dataset.export.demonstrations import Layout
from foley_perception.dataset.export.frame_grid import Surveyed, frame_times
from foley_perception.dataset.export.whole_topics import every_channel
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.frames import FrameNames
from foley_perception.episodes.notes import Contacts
from foley_perception.episodes.outline import Outline, Span
from foley_perception.episodes.planned_path import ReceivedPath, planned_paths
from foley_perception.episodes.reader import episode_of
from foley_perception.episodes.tracks import EpisodeError, FrameTrack, Series
from foley_perception.geometry.se3 import interpolate_at

BLOCK_S = 3  # of a recording at a time: images of as long are in memory
_BESIDE_NS = 300_000_000  # read on both sides of a block: motion is interpolated over gaps of 0.25 s
_WIDTH_GAP_S = 0.5
_EDGE_NS = 2 * NS_PER_S  # by which the first and last stamps may lie beyond the first and last arrival

Array = NDArray[np.float64]
POSE = ("x", "y", "z", "qx", "qy", "qz", "qw")
WRENCH = ("fx", "fy", "fz", "tx", "ty", "tz")


def state_names(layout: Layout) -> list[str]:
    """Of the numbers of a state: [m], quaternions, [rad] or [m] of joints."""
    names: list[str] = []
    for arm in layout.arms:
        names += [f"{of(arm)}tool.{axis}" for axis in POSE] + [f"{of(arm)}tip.{axis}" for axis in "xyz"]
        names += [f"{of(arm)}width"] if arm in layout.widths else []
    return names + [f"joint.{name}" for name in layout.joints]


def action_names(layout: Layout) -> list[str]:
    """Of the numbers of an action."""
    names: list[str] = []
    for arm in layout.arms:
        names += [f"{of(arm)}tool.{axis}" for axis in POSE]
        names += [f"{of(arm)}width"] if arm in layout.widths else []
    return names


def of(arm: str) -> str:
    """What stands before the names of an arm's numbers; nothing before those of the main one."""
    return "" if arm == MAIN_ARM else f"{arm}."


@dataclasses.dataclass(frozen=True, eq=False)
class High:
    """Numbers at their own rate, in the frames in which they were measured."""

    values: NDArray[np.float64]  # [frames, most, d], 0 behind those that there are
    stamps_ns: NDArray[np.int64]  # [frames, most], 0 behind them
    counts: NDArray[np.int64]  # [frames]


@dataclasses.dataclass(frozen=True, eq=False)
class Sound:
    """Of one microphone, in the frames in which it was captured."""

    samples: NDArray[np.float32]  # [frames, most, channels], 0 behind those that there are
    counts: NDArray[np.int64]  # [frames]
    known: NDArray[np.int64]  # [frames], how many of them were received; the others are 0
    first_samples: NDArray[np.int64]  # [frames], as the stream counts them; -1 where there are none
    stamps_ns: NDArray[np.int64]  # [frames] of the first; 0 where there are none


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """Of one camera: which image each frame shows."""

    track: FrameTrack
    index: NDArray[np.int64]  # [frames] in the track
    stamps_ns: NDArray[np.int64]  # [frames]

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """RGB [H, W, 3] of each frame. Raises EpisodeError."""
        last, image = -1, np.empty(0, np.uint8)
        for index in self.index.tolist():
            if index != last:
                last, image = index, np.ascontiguousarray(self.track.read(index), np.uint8)
            yield image


@dataclasses.dataclass(frozen=True, eq=False)
class Block:
    """Some frames, and the numbers of that time as they were measured. Blocks without frames lie before and behind."""

    first: int  # number of its first frame
    times_ns: NDArray[np.int64]  # [frames]
    state: Array  # [frames, state_names]
    action: Array  # [frames, action_names]
    planned: NDArray[np.bool_]  # [frames]: the main arm's action is a plan's
    sound: dict[str, Sound]
    images: dict[str, Images]
    wrenches: dict[str, High]
    poses: dict[str, High]
    series: dict[str, Series]  # `pose`, `wrench`, `joints` by the name of a file, of this time only
    contacts: tuple[Contact, ...]
    problems: tuple[str, ...]


class Rows:
    """The blocks of one demonstration, in order. Whatever blocks it is read in, the rows are the same."""

    def __init__(
        self, outline: Outline, survey: Surveyed, layout: Layout, hand: GripperHand, frames: FrameNames
    ) -> None:
        self._outline, self._survey, self._layout = outline, survey, layout
        self._hand, self._frames = hand, frames
        self._turned: dict[str, Array] = {}  # the newest quaternion of each arm, by which signs are kept
        self._last_action: Array | None = None
        topic = outline.topic("contacts", MAIN_ARM)
        note = outline.note(topic) if topic is not None else None
        # Of the whole recording: a stretch without a true contact must not take detected ones in their place.
        self._true = isinstance(note, Contacts) and bool(note.times_ns)

    def blocks(self, block_s: float = BLOCK_S) -> Iterator[Block]:
        """Raises EpisodeError."""
        survey, fps = self._survey, self._layout.fps
        size = max(round(block_s * fps), 1)
        lead = int(frame_times(survey.start_ns, -1, 0, fps)[0])
        end = int(frame_times(survey.start_ns, survey.frames - 1, survey.frames, fps)[0])
        step = round(block_s * NS_PER_S)
        for low in range(min(self._outline.start_ns, survey.start_ns) - _EDGE_NS, lead, step):
            yield self._block(0, 0, low, min(low + step, lead))
        for first in range(0, survey.frames, size):
            stop = min(first + size, survey.frames)
            edges = frame_times(survey.start_ns, first - 1, stop, fps)
            yield self._block(first, stop, int(edges[0]), int(edges[-1]))
        for low in range(end, max(self._outline.end_ns, end) + _EDGE_NS, step):
            yield self._block(survey.frames, survey.frames, low, low + step)

    def _block(self, first: int, stop: int, low_ns: int, high_ns: int) -> Block:
        """Frames [first, stop), and what was measured in (low, high]."""
        layout, fps = self._layout, self._layout.fps
        times = frame_times(self._survey.start_ns, first, stop, fps)
        after = frame_times(self._survey.start_ns, first + 1, stop + 1, fps)
        span = Span(low_ns + 1, high_ns + 1, low_ns - _BESIDE_NS, high_ns + _BESIDE_NS)
        episode = episode_of(self._outline, span, frames=self._frames)
        edges = np.concatenate([frame_times(self._survey.start_ns, first - 1, first, fps), times])
        series = {name: _within(s, low_ns, high_ns) for name, s in _series(episode, layout).items()}
        empty = first == stop
        state, action = self._state(episode, times), self._measured_action(episode, after)
        planned = self._plan(episode, times, after, action)
        self._end(state, action, stop)
        return Block(
            first=first,
            times_ns=times,
            state=state,
            action=action,
            planned=planned,
            sound={} if empty else {name: self._sound(name, first, stop) for name in layout.microphones},
            images={} if empty else {name: _images(episode, name, times) for name in layout.cameras},
            wrenches={
                arm: _high(series.get(f"{of(arm)}wrench"), edges, layout.most_wrenches, 6)
                for arm in layout.wrenches
            },
            poses={
                arm: _high(series.get(f"{of(arm)}pose"), edges, layout.most_poses, 7) for arm in layout.arms
            },
            series=series,
            contacts=tuple(episode.truth if self._true else episode.detected),
            problems=episode.problems,
        )

    # ---- motion ------------------------------------------------------------------------------------------
    def _state(self, episode: Episode, times: NDArray[np.int64]) -> Array:
        columns: list[Array] = []
        for arm in self._layout.arms:
            tool = self._tool(episode, arm, times, f"state {arm}")
            track = episode.arms[arm].ee_pose if arm in episode.arms else None
            tip = np.full((len(times), 3), np.nan)
            if track is not None and len(track.times_ns):
                tip = (track.at(times) @ episode.tool_tip(arm)).translation
            columns += [tool, tip]
            columns += [self._width(episode, arm, times)[:, None]] if arm in self._layout.widths else []
        joints = episode.joints
        for name in self._layout.joints:
            column = joints.column(name) if joints is not None else None
            known = _known(joints.times_ns, column) if joints is not None and column is not None else None
            columns.append(_at(known, times, 0.25)[:, None])
        return np.concatenate(columns, axis=1) if columns else np.empty((len(times), 0))

    def _measured_action(self, episode: Episode, after: NDArray[np.int64]) -> Array:
        columns: list[Array] = []
        for arm in self._layout.arms:
            columns.append(self._tool(episode, arm, after, f"action {arm}"))
            columns += [self._width(episode, arm, after)[:, None]] if arm in self._layout.widths else []
        return np.concatenate(columns, axis=1) if columns else np.empty((len(after), 0))

    def _tool(self, episode: Episode, arm: str, times: NDArray[np.int64], key: str) -> Array:
        """Poses [n, 7] of the tool in the world, of quaternions whose signs do not jump."""
        track = episode.arms[arm].ee_pose if arm in episode.arms else None
        if track is None or not len(track.times_ns):
            return np.full((len(times), 7), np.nan)
        poses = track.at(times)
        return np.concatenate([poses.translation, self._continued(poses.quaternion, key)], axis=1)

    def _continued(self, quaternions: Array, key: str) -> Array:
        """The same rotations [n, 4], each on the side of the one before it."""
        found = quaternions.copy()
        before = self._turned.get(key)
        for row in found:
            if before is not None and float(row @ before) < 0.0:
                row *= -1.0
            if np.isfinite(row).all():
                before = row.copy()
        if before is not None:
            self._turned[key] = before
        return found

    def _width(self, episode: Episode, arm: str, times: NDArray[np.int64]) -> Array:
        told = episode.gripper_width(self._hand, arm)
        return _at(_known(*told) if told is not None else None, times, _WIDTH_GAP_S)

    def _plan(
        self, episode: Episode, times: NDArray[np.int64], after: NDArray[np.int64], action: Array
    ) -> NDArray[np.bool_]:
        """Put planned poses of the main arm into an action; which rows."""
        planned = np.zeros(len(times), np.bool_)
        if not len(times) or not (episode.joint_plans or episode.tool_plans):
            return planned
        for plan in planned_paths(
            episode, self._hand
        ).paths:  # in the order in which they came: a newer one holds
            motion = plan.motion
            rows = np.flatnonzero(
                (plan.received_ns <= times) & (after >= motion.times_ns[0]) & (after <= motion.times_ns[-1])
            )
            if not rows.size:
                continue
            poses = interpolate_at(motion.times_ns, motion.poses, after[rows], max_gap_s=np.inf)
            for row, where, turn in zip(rows, poses.translation, poses.quaternion, strict=True):
                measured = action[row, 3:7]
                action[row, :3] = where
                action[row, 3:7] = -turn if float(turn @ measured) < 0.0 else turn
            planned[rows] = True
            self._plan_width(plan, rows, after, action)
        return planned

    def _plan_width(
        self, plan: ReceivedPath, rows: NDArray[np.int64], after: NDArray[np.int64], action: Array
    ) -> None:
        if MAIN_ARM not in self._layout.widths:
            return
        start = int(plan.motion.times_ns[0])
        width = np.interp(after[rows] - start, plan.motion.times_ns - start, plan.motion.widths)
        action[rows, 7] = np.where(np.isfinite(width), width, action[rows, 7])

    def _end(self, state: Array, action: Array, stop: int) -> None:
        """Behind the last frame nothing need be known: it is to stay where it is."""
        if not len(action) or stop < self._survey.frames:
            return
        names, wanted = state_names(self._layout), action_names(self._layout)
        here = state[-1][[names.index(name) for name in wanted]]
        action[-1] = np.where(np.isfinite(action[-1]), action[-1], here)

    # ---- sound -------------------------------------------------------------------------------------------
    def _sound(self, microphone: str, first: int, stop: int) -> Sound:
        topic = self._outline.topic("audio", microphone)
        _, channels = self._layout.microphones[microphone]
        most, count = self._layout.most_samples[microphone], stop - first
        samples = np.zeros((count, most, channels), np.float32)
        counts, firsts = np.zeros(count, np.int64), np.full(count, -1, np.int64)
        stamps, received = np.zeros(count, np.int64), np.zeros(count, np.int64)
        for stream in self._outline.sound(topic).streams if topic is not None else ():
            per_frame = NS_PER_S / stream.clock.period_ns / self._layout.fps
            anchor = round(float(stream.clock.sample_at(self._survey.start_ns)))
            # Not of the frames' times, which are rounded to the nanosecond: so that as many samples lie in every frame
            # as the two rates say. A sample captured at t_i is still of frame i.
            edges = anchor + 1 + np.rint(np.arange(first - 1, stop) * per_frame).astype(np.int64)
            low = np.maximum(edges[:-1], stream.first_sample)
            high = np.minimum(edges[1:], stream.stop_sample)
            mine = np.flatnonzero(high - low > counts)
            if topic is None or not mine.size:
                continue
            begin = int(low[mine[0]])
            sound, known = every_channel(self._outline, topic, stream, begin, int(high[mine[-1]]))
            width = min(sound.shape[1], channels)
            for row in mine.tolist():
                length = int(high[row] - low[row])
                samples[row] = 0.0
                samples[row, :length, :width] = sound[low[row] - begin : high[row] - begin, :width]
                counts[row], firsts[row] = length, low[row]
                received[row] = np.count_nonzero(known[low[row] - begin : high[row] - begin])
                stamps[row] = int(stream.clock.time_ns(low[row]))
        return Sound(samples, counts, received, firsts, stamps)


# ---- inside --------------------------------------------------------------------------------------------
def _series(episode: Episode, layout: Layout) -> dict[str, Series]:
    """What was measured at rates of its own, by the name of its file."""
    found: dict[str, Series] = {}
    for arm in dict.fromkeys((*layout.arms, *layout.wrenches)):  # of an arm there may be the force alone
        track = episode.arms.get(arm)
        if track is None:
            continue
        if track.ee_pose is not None and arm in layout.arms:
            poses = track.ee_pose.poses
            values = np.concatenate([poses.translation, poses.quaternion], axis=1)
            found[f"{of(arm)}pose"] = Series(track.ee_pose.times_ns, values, POSE)
        if track.wrench is not None:
            found[f"{of(arm)}wrench"] = Series(track.wrench.times_ns, track.wrench.values, WRENCH)
    if episode.joints is not None and layout.joints:
        columns = [episode.joints.column(name) for name in layout.joints]
        nothing = np.full(len(episode.joints.times_ns), np.nan)
        values = np.stack([nothing if column is None else column for column in columns], axis=1)
        found["joints"] = Series(episode.joints.times_ns, values, layout.joints)
    return found


def _within(series: Series, low_ns: int, high_ns: int) -> Series:
    """What lies in (low, high]."""
    inside = (series.times_ns > low_ns) & (series.times_ns <= high_ns)
    return Series(series.times_ns[inside], series.values[inside], series.names)


def _high(series: Series | None, edges: NDArray[np.int64], most: int, width: int) -> High:
    """In frames that end at ``edges[1:]``."""
    frames = len(edges) - 1
    values = np.zeros((frames, most, width))
    stamps, counts = np.zeros((frames, most), np.int64), np.zeros(frames, np.int64)
    if series is not None and frames:
        frame = np.searchsorted(edges, series.times_ns, side="left") - 1
        for row in range(frames):
            mine = np.flatnonzero(frame == row)
            counts[row] = mine.size
            values[row, : mine.size] = series.values[mine]
            stamps[row, : mine.size] = series.times_ns[mine]
    return High(values, stamps, counts)


def _images(episode: Episode, camera: str, times: NDArray[np.int64]) -> Images:
    track = episode.cameras[camera].frames if camera in episode.cameras else None
    if track is None or not len(track):
        raise EpisodeError(f"{episode.path}: no image of `{camera}` lies near its frames")
    index = np.array([track.nearest(int(time)) for time in times], np.int64)
    return Images(track, index, track.times_ns[index])


def _known(times: NDArray[np.int64], values: Array) -> Series | None:
    """Only what is known; None where nothing is."""
    finite = np.isfinite(values)
    return Series(times[finite], values[finite][:, None]) if finite.any() else None


def _at(series: Series | None, times: NDArray[np.int64], max_gap_s: float) -> Array:
    """Values [n] of a series of one number."""
    return np.full(len(times), np.nan) if series is None else series.at(times, max_gap_s)[:, 0]
