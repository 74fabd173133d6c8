"""Latencies of a robot's devices against each other, from a recording of a few taps.

::

    sound -- onsets ---------.
    wrench -- steps ----------+-- taps that agree (match.py) --.
    arm -- stops of the tip --'                                +-- latencies against one device
    camera -- changes of pictures against the tip's way -------'

Stamps alone tell differences only: nobody knows when a tap truly was. The one whose stamps are the earliest, of
microphones, wrench and arm, is taken for right, unless another one is named; what all of them are late by together does
not show.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_common import topics
from foley_common.latencies import KEYS, Latencies
from foley_common.robot_file import Frames
from foley_common.topics import MAIN_ARM, WRENCH
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.names import Naming
from foley_perception.episodes.outline import Outline
from foley_perception.episodes.reader import episode_of
from foley_perception.episodes.tracks import AudioTrack, EpisodeError
from foley_perception.latency import match, pictures, taps
from foley_perception.latency.match import LEAST_TAPS, Difference, UnclearError

Array = NDArray[np.float64]

SOUND_STD_S = 0.0008  # of an onset
_LIMITS_S = {"sound": 0.006, "force": 0.006, "stop": 0.008}  # of single taps; and a period of the sensor
_TOO_LATE = frozenset({"sound_end_stamp", "stamp_ahead"})  # findings about what is measured here
EARLIEST = "earliest"


class CalibrationError(ValueError):
    """A recording that tells no latency; the message says why, and what to do."""


@dataclasses.dataclass(frozen=True)
class Found:
    """The latency of one device against the reference."""

    seconds: float
    std: float  # of `seconds`
    taps: int  # that it follows from
    spread_s: float  # of a single one; of a camera NaN


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What a recording of taps tells."""

    reference: str  # device whose latency is 0
    taps: int
    found: Mapping[str, Found]
    refused: Mapping[str, str]  # device -> why
    notes: tuple[str, ...]
    felt_s: Mapping[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)
    """Taps by device, from the recording's start, as its own stamps tell them."""

    def figures(self) -> dict[str, object]:
        """For metrics.json."""
        return {
            "reference": self.reference,
            "taps": self.taps,
            "latencies": {
                device: {
                    "seconds": round(f.seconds, 6),
                    "std": round(f.std, 6),
                    "taps": f.taps,
                    "spread_ms": None if math.isnan(f.spread_s) else round(1e3 * f.spread_s, 3),
                }
                for device, f in self.found.items()
            },
            "refused": dict(self.refused),
            "notes": list(self.notes),
        }


def calibrate_bag(
    bag: Path, naming: Naming | None = None, *, frames: Frames | None = None, reference: str = EARLIEST
) -> Calibration:
    """Read a recording of taps as it was stamped, whatever latencies its metadata tell.

    Raises:
        EpisodeError: it cannot be read.
        CalibrationError: see :func:`calibrate`.
    """
    naming = naming or Naming()
    outline = Outline(
        bag,
        namespace=naming.namespace,
        mapping=naming.mapping,
        latencies=Latencies(),
        robot=naming.robot,
        keep=True,
    )
    findings = tuple(f for f in outline.verdict.findings if f.rule not in _TOO_LATE)
    outline.verdict = dataclasses.replace(outline.verdict, findings=findings)
    unstamped = {
        role: name
        for role, name in outline.names.items()
        if name in outline.verdict.unstamped and outline.verdict.unstamped[name].throughout
    }
    return calibrate(episode_of(outline, frames=frames or Frames()), reference=reference, unstamped=unstamped)


def calibrate(
    episode: Episode, *, reference: str = EARLIEST, unstamped: Mapping[str, str] | None = None
) -> Calibration:
    """Latencies of all devices that felt the taps.

    Args:
        reference: device whose stamps are right; ``earliest``: the one that tells taps first.
        unstamped: role -> topic, of topics whose stamps are all 0.

    Raises:
        CalibrationError: no two devices tell the same taps, or the reference does not.
    """
    if reference != EARLIEST and reference not in KEYS:
        raise CalibrationError(f"reference is `{reference}`, known are {EARLIEST}, {', '.join(KEYS)}")
    return _Session(episode, unstamped or {}).answer(reference)


# ---- inside --------------------------------------------------------------------------------------------
class _Session:
    def __init__(self, episode: Episode, unstamped: Mapping[str, str]) -> None:
        self._episode, self._start_ns = episode, episode.start_ns
        self.refused: dict[str, str] = {}
        self.notes: list[str] = []
        self._felt: dict[str, taps.Taps] = {}
        self._limit: dict[str, float] = {}
        for device, track in episode.microphones.items():
            self._feel(device, taps.Taps(self._onsets(track), SOUND_STD_S, "", taps.SOUND_BIAS_S), "sound")
        if episode.wrench is not None:
            self._feel(
                WRENCH.role,
                taps.force_taps(self._s(episode.wrench.times_ns), episode.wrench.values[:, :3]),
                "force",
            )
        times_ns, self._tip = episode.tip_path
        self._arm_s = self._s(times_ns)
        if len(times_ns):
            self._feel(MAIN_ARM, taps.stop_taps(self._arm_s, self._tip), "stop")
        for role, name in unstamped.items():
            if (device := role if role == WRENCH.role else topics.topic(role).device) in self._felt:
                del self._felt[device]
                self.refused[device] = f"{name} has stamps of 0 only: there is nothing to be corrected"

    def _s(self, times_ns: NDArray[np.int64]) -> Array:
        return np.asarray((np.asarray(times_ns, np.int64) - self._start_ns) / 1e9, np.float64)

    def _onsets(self, track: AudioTrack) -> Array:
        found = []
        for segment in track.segments:
            onsets = taps.sound_taps(segment.samples, segment.sample_rate) * segment.sample_rate
            found.append(self._s(segment.clock.time_ns(segment.first_sample + onsets)))
        return np.concatenate(found) if found else np.empty(0)

    def _feel(self, device: str, felt: taps.Taps, kind: str) -> None:
        self._felt[device] = felt
        self._limit[device] = _LIMITS_S[kind] + 2 * felt.std_s
        if felt.note and len(felt.times_s):
            self.notes.append(f"{device}: {felt.note}")

    # ---- differences -------------------------------------------------------------------------------------
    def answer(self, reference: str) -> Calibration:
        pivot = self._pivot()
        against: dict[str, Difference] = {}
        for device, felt in self._felt.items():
            if device == pivot:
                continue
            try:
                against[device] = self._difference(pivot, device)
            except UnclearError as error:
                self.refused[device] = f"{error}{f' ({felt.note})' if felt.note else ''}"
        if not against:
            why = "; ".join(f"{device}: {reason}" for device, reason in self.refused.items())
            raise CalibrationError(
                f"no two devices tell the same taps{f': {why}' if why else ''}. Tap a hard thing 6 to 10 times, "
                "at uneven intervals of a second and more"
            )
        late = {pivot: 0.0} | {device: d.seconds for device, d in against.items()}
        camera = self._cameras(late)
        late |= {device: found.seconds for device, found in camera.items()}
        # Against a camera, which is known to a few milliseconds, the others would be known no better.
        sharp = (device for device in late if device not in camera)
        chosen = min(sharp, key=lambda device: late[device]) if reference == EARLIEST else reference
        if chosen not in late:
            why = self.refused.get(chosen, "it was not recorded")
            raise CalibrationError(
                f"the reference {chosen} tells no taps: {why}; name another with --reference"
            )
        found = {device: self._relative(device, chosen, pivot, late, against, camera) for device in late}
        found = {device: f for device, f in found.items() if device not in self.refused}
        used = set.intersection(*(set(d.first.tolist()) for d in against.values()))
        return Calibration(
            reference=chosen,
            taps=max(len(used), *(len(d.pairs) for d in against.values())),
            found=found,
            refused=dict(self.refused),
            notes=tuple(self.notes),
            felt_s={device: tuple(felt.times_s.tolist()) for device, felt in self._felt.items()},
        )

    def _pivot(self) -> str:
        """The first of microphones, wrench and arm that felt taps: all are held against it."""
        for device, felt in self._felt.items():
            if len(felt.times_s) >= LEAST_TAPS:
                return device
            count = len(felt.times_s)
            self.refused[device] = felt.note or f"{count} taps, {LEAST_TAPS} are needed"
        told = "; ".join(f"{device}: {reason}" for device, reason in self.refused.items())
        raise CalibrationError(
            f"there are no taps in it ({told or 'neither sound nor force nor poses'}). Record while the tool taps "
            "a hard thing 6 to 10 times, at uneven intervals of a second and more"
        )

    def _difference(self, first: str, second: str) -> Difference:
        one, other = self._felt[first], self._felt[second]
        return match.difference(
            one.times_s,
            other.times_s,
            std_s=math.hypot(one.std_s, other.std_s),
            limit_s=math.hypot(self._limit[first], self._limit[second]),
            bias_s=math.hypot(one.bias_s, other.bias_s),
        )

    def _relative(
        self,
        device: str,
        reference: str,
        pivot: str,
        late: Mapping[str, float],
        against: Mapping[str, Difference],
        cameras: Mapping[str, Found],
    ) -> Found:
        seconds = late[device] - late[reference]
        if device == reference:
            count = len(against[device].pairs) if device in against else 0
            return Found(0.0, 0.0, count or max(len(d.pairs) for d in against.values()), 0.0)
        if cameras.keys() & {device, reference}:
            std = math.sqrt(sum(self._std(d, pivot, against, cameras) ** 2 for d in (device, reference)))
            return Found(
                seconds, std, cameras[next(iter(cameras.keys() & {device, reference}))].taps, math.nan
            )
        if pivot in (device, reference):
            told = against[device if reference == pivot else reference]
            return Found(seconds, told.std, len(told.pairs), told.spread_s)
        try:  # tap by tap: what the pivot adds to both falls out
            told = self._difference(reference, device)
        except UnclearError as error:
            self.refused[device] = str(error)
            return Found(seconds, math.nan, 0, math.nan)
        return Found(told.seconds, told.std, len(told.pairs), told.spread_s)

    @staticmethod
    def _std(
        device: str, pivot: str, against: Mapping[str, Difference], cameras: Mapping[str, Found]
    ) -> float:
        if device in cameras:
            return cameras[device].std
        return 0.0 if device == pivot else against[device].std

    def _cameras(self, late: Mapping[str, float]) -> dict[str, Found]:
        """Against the pivot, by way of the arm."""
        found: dict[str, Found] = {}
        for device, track in self._episode.cameras.items():
            if track.frames is None:
                continue
            if MAIN_ARM not in late:
                why = self.refused.get(MAIN_ARM, "no poses were recorded")
                self.refused[device] = f"pictures are held against the arm, which tells no taps: {why}"
                continue
            try:
                changed = pictures.changes(len(track.frames), track.frames.read)
                delay = pictures.delay(self._s(track.frames.times_ns), changed, self._arm_s, self._tip)
            except (UnclearError, EpisodeError) as error:
                self.refused[device] = str(error)
                continue
            found[device] = Found(
                late[MAIN_ARM] + delay.seconds, delay.std, len(self._felt[MAIN_ARM].times_s), math.nan
            )
            self.notes.append(
                f"{device}: its pictures follow the tip's way with a correlation of {delay.correlation:.2f}"
            )
        return found
