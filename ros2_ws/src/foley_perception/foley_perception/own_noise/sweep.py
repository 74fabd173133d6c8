"""Windows of a recorded sweep: power by band, speeds of the joints, and what makes it useless."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foley_perception.episodes.episode import Episode
from foley_perception.episodes.tracks import AudioSegment, Series
from foley_perception.own_noise.bands import band_edges, densities, hop_of, window_of
from foley_perception.own_noise.motion import JointPositions, Times, speeds_at

Array = NDArray[np.float64]

HOP_S = 0.01
_AT_ONCE = 1000  # windows
_FULL_SCALE = 0.999
_MOST_CLIPPED = 1e-4  # of the samples
_SILENT = 1e-5  # rms, -100 dBFS


class SweepError(ValueError):
    """A recording from which no own noise is learnt; the message says why, and what to do."""


@dataclasses.dataclass(frozen=True, eq=False)
class Sweep:
    """Windows of one or more recordings, one behind the other."""

    power: Array  # [t, bands] mean square per hertz
    speeds: Array  # [t, joints], none NaN
    times_s: Array  # [t] from the beginning of its recording
    bag: NDArray[np.int64]  # [t] which recording
    joints: tuple[str, ...]
    edges_hz: Array  # [bands + 1]
    sample_rate: int
    left_out_s: float  # with gaps in the sound, or joints that nobody told
    bags: tuple[str, ...]

    @property
    def seconds(self) -> float:
        return len(self.power) * HOP_S

    def within(self, chosen: NDArray[np.bool_]) -> Sweep:
        """Of some of the windows [t]."""
        return dataclasses.replace(
            self, power=self.power[chosen], speeds=self.speeds[chosen], times_s=self.times_s[chosen],
            bag=self.bag[chosen],
        )  # fmt: skip

    def of_joints(self, names: Sequence[str]) -> Sweep:
        """With the speeds of some joints only."""
        columns = [self.joints.index(name) for name in names]
        return dataclasses.replace(self, speeds=self.speeds[:, columns], joints=tuple(names))


def positions_of(joints: Series | None) -> JointPositions:
    """Of a recording."""

    def positions(name: str, start_ns: int, end_ns: int) -> tuple[Times, Array]:
        column = joints.column(name) if joints is not None else None
        if joints is None or column is None:
            return np.empty(0, np.int64), np.empty(0)
        low, high = np.searchsorted(joints.times_ns, [start_ns, end_ns + 1])
        told = ~np.isnan(column[low:high])
        return joints.times_ns[low:high][told], column[low:high][told]

    return positions


def sweep_of(episodes: Sequence[Episode], joints: Sequence[str] = ()) -> Sweep:
    """Everything that recordings of one robot and microphone tell.

    Args:
        joints: those that count; empty: all that are told.

    Raises:
        SweepError: no sound or joints, other joints or another rate than in the first recording, clipped or silent
            sound, or contacts that were recorded.
    """
    parts = [_one(episode, joints) for episode in episodes]
    if not parts:
        raise SweepError("no recordings were given")
    first = parts[0]
    for part in parts[1:]:
        if (part.joints, part.sample_rate) != (first.joints, first.sample_rate):
            raise SweepError(
                f"{part.bags[0]}: joints {', '.join(part.joints)} at {part.sample_rate} Hz, {first.bags[0]} has "
                f"{', '.join(first.joints)} at {first.sample_rate} Hz: give sweeps of one robot and one microphone"
            )
    return Sweep(
        power=np.concatenate([p.power for p in parts]),
        speeds=np.concatenate([p.speeds for p in parts]),
        times_s=np.concatenate([p.times_s for p in parts]),
        bag=np.repeat(np.arange(len(parts)), [len(p.power) for p in parts]),
        joints=first.joints,
        edges_hz=first.edges_hz,
        sample_rate=first.sample_rate,
        left_out_s=sum(p.left_out_s for p in parts),
        bags=tuple(p.bags[0] for p in parts),
    )


def _one(episode: Episode, joints: Sequence[str]) -> Sweep:
    name = episode.path.name
    if episode.audio is None:
        raise SweepError(f"{name}: no mic/audio was recorded; own noise is learnt from sound")
    if episode.joints is None:
        raise SweepError(
            f"{name}: no joint_states were recorded; own noise is learnt as a function of joint speeds"
        )
    if contacts := sorted(c.time_ns for c in episode.truth or episode.detected):
        at = ", ".join(f"{(t - episode.start_ns) / 1e9:.1f} s" for t in contacts[:5])
        raise SweepError(
            f"{name}: {len(contacts)} contacts were recorded (at {at}); a sweep moves through free air: record another"
        )
    names = tuple(joints) or episode.joints.names
    if missing := [j for j in names if j not in episode.joints.names]:
        raise SweepError(
            f"{name}: joint_states never name {', '.join(missing)}; they tell {', '.join(episode.joints.names)}"
        )
    rate = episode.audio.sample_rate
    edges = band_edges(rate)
    _check_sound(name, episode.audio.segments)
    power, speeds, times, left_out = [], [], [], 0.0
    for segment in episode.audio.segments:
        if segment.sample_rate != rate:
            raise SweepError(f"{name}: the rate changes from {rate} to {segment.sample_rate} Hz in it")
        p, t = _windows(segment, edges)
        v = speeds_at(positions_of(episode.joints), names, t)
        good = np.isfinite(p).all(axis=1) & np.isfinite(v).all(axis=1)
        power.append(p[good])
        speeds.append(v[good])
        times.append((t[good] - episode.start_ns) * 1e-9)
        left_out += float(np.count_nonzero(~good)) * HOP_S
    kept = np.concatenate(power)
    return Sweep(
        kept, np.concatenate(speeds), np.concatenate(times), np.zeros(len(kept), np.int64), names, edges, rate,
        left_out, (name,),
    )  # fmt: skip


def _check_sound(name: str, segments: Sequence[AudioSegment]) -> None:
    sound = np.concatenate([s.samples for s in segments])
    clipped = float(np.mean(np.abs(sound) >= _FULL_SCALE))
    if clipped > _MOST_CLIPPED:
        raise SweepError(
            f"{name}: {100 * clipped:.2f} % of the samples are clipped; turn the microphone down and sweep again"
        )
    rms = float(np.sqrt(np.mean(sound.astype(np.float64) ** 2)))
    if rms < _SILENT:
        raise SweepError(
            f"{name}: its sound has {20 * np.log10(max(rms, 1e-12)):.0f} dBFS: is the microphone muted?"
        )


def _windows(segment: AudioSegment, edges_hz: Array) -> tuple[Array, Times]:
    """Power [t, bands], NaN where samples are missing, and the times [t] of the windows' middles."""
    rate, window = segment.sample_rate, window_of(segment.sample_rate)
    begins = np.arange(0, len(segment.samples) - window + 1, hop_of(rate, HOP_S))
    times = segment.clock.time_ns(segment.first_sample + begins + window / 2)
    power = np.empty((len(begins), len(edges_hz) - 1))
    for at in range(0, len(begins), _AT_ONCE):
        rows = begins[at : at + _AT_ONCE, None] + np.arange(window)
        power[at : at + _AT_ONCE] = densities(segment.samples[rows].astype(np.float64), rate, edges_hz)
    for begin, stop in segment.missing:
        power[(begins + window > begin) & (begins < stop)] = np.nan
    return power, np.asarray(times, np.int64)
