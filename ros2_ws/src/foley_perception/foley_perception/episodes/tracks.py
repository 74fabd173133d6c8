"""What an episode is made of: series on their own times, that can be asked at any other."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.action.trajectory import ToolTrajectory
from foley_perception.audio.clock_fit import SampleClock
from foley_perception.audit.finding import Finding
from foley_perception.audit.motion import Extent, JointSpan
from foley_perception.contact_event import Contact
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3, interpolate_at

Times = NDArray[np.int64]  # [n] ROS time in ns, increasing


class EpisodeError(ValueError):
    """A bag cannot be made an episode; the message names topic, field, value and cure."""


@dataclasses.dataclass(frozen=True)
class Gap:
    """A stretch in which nothing was received."""

    start_ns: int
    end_ns: int

    @property
    def seconds(self) -> float:
        return (self.end_ns - self.start_ns) / NS_PER_S


# ---- sound ---------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True, eq=False)
class AudioSegment:
    """One stream of a microphone, from its first sample to its last."""

    stream_id: str
    sample_rate: int
    first_sample: int  # index of samples[0] in the stream
    samples: NDArray[np.float32]  # [n] mono; 0 where nothing was received
    missing: tuple[tuple[int, int], ...]  # [start, stop) in ``samples`` of what was not received
    clock: SampleClock

    @property
    def start_ns(self) -> int:
        return int(self.clock.time_ns(self.first_sample))

    @property
    def end_ns(self) -> int:
        return int(self.clock.time_ns(self.first_sample + len(self.samples)))

    @property
    def stop_sample(self) -> int:
        """Behind the last one."""
        return self.first_sample + len(self.samples)

    def cut(self, start: int, count: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """``count`` samples from index ``start`` of ``samples`` (which may lie outside) and which exist."""
        sound, known = np.zeros(count, dtype=np.float32), np.zeros(count, dtype=np.bool_)
        low, high = max(start, 0), min(start + count, len(self.samples))
        if low < high:
            sound[low - start : high - start] = self.samples[low:high]
            known[low - start : high - start] = True
            for begin, stop in self.missing:
                known[max(begin - start, 0) : max(stop - start, 0)] = False
        return sound, known


@dataclasses.dataclass(frozen=True, eq=False)
class AudioTrack:
    """Everything a microphone gave: its streams in order of time."""

    segments: tuple[AudioSegment, ...]

    @property
    def start_ns(self) -> int:
        return self.segments[0].start_ns

    @property
    def end_ns(self) -> int:
        return max(segment.end_ns for segment in self.segments)

    @property
    def sample_rate(self) -> int:
        """Of the first stream; :meth:`slice` brings others to the asked rate."""
        return self.segments[0].sample_rate

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Inside of streams and between them."""
        return gaps_of(self.segments)

    def slice(
        self, start_ns: int, count: int, sample_rate: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """``count`` samples at ``sample_rate`` from ROS time ``start_ns`` on.

        Samples of a stream of this rate are taken as they are, from the nearest one on; other rates are
        resampled.

        Returns:
            The sound [count], 0 where nothing was received, and which of it was [count].
        """
        sound, known = np.zeros(count, dtype=np.float32), np.zeros(count, dtype=np.bool_)
        for segment in self.segments:
            at = float(segment.clock.sample_at(start_ns)) - segment.first_sample
            if segment.sample_rate == sample_rate:
                part, part_known = segment.cut(round(at), count)
            else:
                part, part_known = _resampled(segment, at, count, sample_rate)
            sound[part_known], known = part[part_known], known | part_known
        return sound, known


class Spanning(Protocol):
    """A stretch of one stream."""

    @property
    def stream_id(self) -> str: ...
    @property
    def first_sample(self) -> int: ...
    @property
    def stop_sample(self) -> int: ...
    @property
    def missing(self) -> tuple[tuple[int, int], ...]: ...
    @property
    def clock(self) -> SampleClock: ...
    @property
    def start_ns(self) -> int: ...
    @property
    def end_ns(self) -> int: ...


def gaps_of(streams: Sequence[Spanning]) -> tuple[Gap, ...]:
    """Inside of streams, which are in order of time, and between them; where the clock was set, nothing is missing."""
    found: list[Gap] = []
    for i, stream in enumerate(streams):
        if i and stream.start_ns > streams[i - 1].end_ns and not _follows(stream, streams[i - 1]):
            found.append(Gap(streams[i - 1].end_ns, stream.start_ns))
        for begin, stop in stream.missing:
            edges = stream.clock.time_ns(stream.first_sample + np.array([begin, stop]))
            found.append(Gap(int(edges[0]), int(edges[1])))
    return tuple(found)


def _follows(stream: Spanning, before: Spanning) -> bool:
    """Whether it is the same stream's next sample, by another clock."""
    return (stream.stream_id, stream.first_sample) == (before.stream_id, before.stop_sample)


def _resampled(
    segment: AudioSegment, at: float, count: int, rate: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    from scipy.signal import resample_poly

    divisor = math.gcd(rate, segment.sample_rate)
    up, down = rate // divisor, segment.sample_rate // divisor
    # Whole periods of the ratio lie before, so that the filter's start-up falls outside of what is kept.
    lead = -(-256 // down) * down
    need = lead + math.ceil(count * down / up) + 256
    source, source_known = segment.cut(round(at) - lead, need)
    skip = lead * up // down
    sound = resample_poly(source, up, down)[skip : skip + count].astype(np.float32)
    index = np.minimum(lead + np.arange(count) * down // up, need - 1)
    return sound, source_known[index]


# ---- motion --------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True, eq=False)
class PoseTrack:
    """Measured poses of one frame."""

    times_ns: Times
    poses: SE3  # [n]
    frame_id: str  # the poses are given in
    dropped: int = 0  # that were NaN

    def at(self, query_ns: Times, max_gap_s: float = 0.25) -> SE3:
        """Poses [m]: linear and SLERP; NaN outside and in gaps over ``max_gap_s``."""
        return interpolate_at(self.times_ns, self.poses, query_ns, max_gap_s=max_gap_s)


@dataclasses.dataclass(frozen=True, eq=False)
class Series:
    """Numbers over time: joint positions, forces."""

    times_ns: Times
    values: NDArray[np.float64]  # [n, d]
    names: tuple[str, ...] = ()
    dropped: int = 0

    def without(self, stretches: Sequence[Extent]) -> Series:
        """The same with NaN in some stretches of time."""
        values = self.values.copy() if stretches else self.values
        for held in stretches:
            values[(self.times_ns >= held.first_ns) & (self.times_ns <= held.last_ns)] = np.nan
        return dataclasses.replace(self, values=values)

    def at(self, query_ns: Times, max_gap_s: float = 0.25) -> NDArray[np.float64]:
        """Values [m, d], linear; NaN outside and in gaps over ``max_gap_s``."""
        origin = int(self.times_ns[0])
        times = (self.times_ns - origin).astype(np.float64)
        query = (np.asarray(query_ns, dtype=np.int64) - origin).astype(np.float64)
        result = np.stack([np.interp(query, times, column) for column in self.values.T], axis=1)
        right = np.clip(np.searchsorted(times, query), 0, times.size - 1)
        left = np.maximum(right - 1, 0)
        gap = (times[right] - times[left]) * 1e-9
        result[(query < times[0]) | (query > times[-1]) | ((gap > max_gap_s) & (times[right] != query))] = (
            np.nan
        )
        return result

    def column(self, name: str) -> NDArray[np.float64] | None:
        """Values [n] of one name; None if there is none."""
        return self.values[:, self.names.index(name)] if name in self.names else None


@dataclasses.dataclass(frozen=True, eq=False)
class KeypointTrack:
    times_ns: Times
    keypoints: NDArray[np.float64]  # [n, 2, 21, 3] world, left first, NaN where absent

    def at(self, query_ns: Times, max_gap_s: float = 0.25) -> NDArray[np.float64]:
        """[m, 2, 21, 3], linear."""
        flat = Series(self.times_ns, self.keypoints.reshape(len(self.times_ns), -1))
        return flat.at(query_ns, max_gap_s).reshape(-1, 2, 21, 3)


# ---- pictures ------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True, eq=False)
class FrameTrack:
    """Frames by stamp, decoded when asked for."""

    times_ns: Times
    _decode: Callable[[int], NDArray[np.generic]]
    size: tuple[int, int]  # width, height
    findings: tuple[Finding, ...] = ()  # which images were left out, and what is assumed of the others

    def __len__(self) -> int:
        return len(self.times_ns)

    def read(self, index: int) -> NDArray[np.generic]:
        """RGB [H, W, 3] uint8, or depth [H, W] float32 in metres with NaN where unknown.

        Raises:
            EpisodeError: an encoding that is not supported, or a damaged message.
        """
        return self._decode(index)

    def newest_at(self, query_ns: Times | Sequence[int]) -> NDArray[np.int64]:
        """Indices [m] of the newest frame whose stamp is at most each time; -1 where there is none yet."""
        return np.searchsorted(self.times_ns, np.asarray(query_ns, dtype=np.int64), side="right") - 1

    def nearest(self, query_ns: int) -> int:
        """Index of the frame nearest in time."""
        right = int(np.clip(np.searchsorted(self.times_ns, query_ns), 1, max(len(self) - 1, 1)))
        if len(self) == 1:
            return 0
        before, after = query_ns - self.times_ns[right - 1], self.times_ns[right] - query_ns
        return right - 1 if before <= after else right


# ---- events --------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True, eq=False)
class JointPlan:
    """A commanded joint trajectory."""

    received_ns: int
    start_ns: int
    offsets_s: NDArray[np.float64]  # [n], from start_ns
    names: tuple[str, ...]
    positions: NDArray[np.float64]  # [n, joints]
    velocities: NDArray[np.float64] | None  # [n, joints]

    @property
    def end_ns(self) -> int:
        return self.start_ns + round(float(self.offsets_s[-1]) * NS_PER_S)


@dataclasses.dataclass(frozen=True, eq=False)
class ToolPlan:
    """A planned motion of the tool, as the live system computed it."""

    received_ns: int
    frame_id: str
    trajectory: ToolTrajectory


@dataclasses.dataclass(frozen=True)
class Label:
    start_ns: int
    end_ns: int
    object_id: str
    key: str
    value: str


# ---- devices -------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True, eq=False)
class CameraTrack:
    """What one camera gave; None where it was not recorded."""

    frames: FrameTrack | None = None
    depth: FrameTrack | None = None
    model: CameraModel | None = None  # of a camera that is fixed in the world and calibrated
    carried: Callable[[int], CameraModel] | None = None  # by ROS time in ns: of one that moves or is changed

    @property
    def placed(self) -> bool:
        """Whether its calibration is known, and its place at some time."""
        return self.model is not None or self.carried is not None

    def at(self, time_ns: int) -> CameraModel:
        """The camera as it stood at a time.

        Raises:
            EpisodeError: it is not calibrated, or nobody said where it was then.
        """
        if self.model is not None:
            return self.model
        if self.carried is None:
            raise EpisodeError("its calibration or its place is not known")
        return self.carried(time_ns)


@dataclasses.dataclass(frozen=True, eq=False)
class ArmTrack:
    """What one arm did and measured; None or empty where it was not recorded."""

    ee_pose: PoseTrack | None = None  # tx_world_tool
    joints: Series | None = None
    wrench: Series | None = None  # [n, 6] of the tool, in its frame; see `wrench_in_tool`
    joint_plans: tuple[JointPlan, ...] = ()
    tool_plans: tuple[ToolPlan, ...] = ()
    truth: tuple[Contact, ...] = ()  # ground truth of the simulator
    joint_spans: Mapping[str, JointSpan] = dataclasses.field(default_factory=dict)  # of the whole recording
    pose_extent: Extent | None = None  # likewise
    wrench_in_tool: bool = (
        True  # else it is in a frame of which nobody knows where it is: its directions mean nothing
    )

    @property
    def force(self) -> tuple[Times, NDArray[np.float64]] | None:
        """Magnitude of the measured force: times [n] and [n] in newtons."""
        if self.wrench is None:
            return None
        return self.wrench.times_ns, np.linalg.norm(self.wrench.values[:, :3], axis=1)
