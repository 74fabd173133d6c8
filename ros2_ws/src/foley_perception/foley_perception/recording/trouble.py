"""What is wrong with a recorder now, as sentences with their cure, the worst first."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from foley_perception.recording.meters import Meter

_SHORT_S = 600.0  # of disk, at the rate of now


@dataclasses.dataclass(frozen=True)
class Disk:
    """Where bags are written."""

    free: float  # [byte]
    reserve: float  # [byte] that a recording leaves free, with which it ends
    rate: float  # [byte/s] that are written
    remaining_s: float = math.inf  # until the recording ends by itself

    @property
    def lasts_s(self) -> float:
        """Until a recording ends for want of space; infinity while nothing is written."""
        return max(self.free - self.reserve, 0.0) / self.rate if self.rate > 0 else math.inf


def troubles(
    meters: Sequence[Meter],
    disk: Disk,
    *,
    publishers: Mapping[str, int],
    types: Mapping[str, Sequence[str]],
    dropped: int = 0,
    silent_after_s: float = 2.0,
    further: Sequence[str] = (),
    paused: bool = False,
) -> list[str]:
    """Of topics and disk.

    Args:
        publishers: of each topic, now.
        types: with which topics are published.
        dropped: messages that the disk was too slow for.
        further: what else is wrong, told between sensors that are silent and those that sound wrong.
        paused: so that nobody looks for a disk that is not written to.
    """
    found = list(_of_disk(disk, paused))
    if dropped:
        found.append(
            f"{dropped} messages were dropped, because the disk is too slow: record fewer topics, compress images "
            "(parameter `compression`), or use a faster disk"
        )
    for meter in meters:
        found += _silent(meter, publishers.get(meter.topic, 0), types.get(meter.topic, ()), silent_after_s)
    found += further
    for meter in meters:
        found += _sound(meter)
    return found


def _of_disk(disk: Disk, paused: bool) -> list[str]:
    free = f"{disk.free / 1e9:.1f} GB are free"
    if disk.free < disk.reserve:
        return [f"{free}, less than `min_free_mb`: a recording is refused, or ends; free some space"]
    lasts = disk.lasts_s
    if paused or lasts >= min(_SHORT_S, disk.remaining_s):
        return []
    minutes = f"{lasts / 60:.0f} min" if lasts >= 120 else f"{lasts:.0f} s"
    return [
        f"the disk lasts {minutes} more at {disk.rate / 1e6:.1f} MB/s ({free}): then the recording ends by itself; "
        "free some space, or stop before"
    ]


def _silent(meter: Meter, publishers: int, types: Sequence[str], after_s: float) -> list[str]:
    others = [kind for kind in types if kind != meter.type]
    if publishers and others and meter.type not in types:
        return [
            f"{meter.topic} is published as {', '.join(others)}, and recorded as {meter.type}: nothing arrives; "
            "correct the parameter `topics`, or map another topic"
        ]
    if not meter.expected:
        return []
    if not publishers:
        return [f"{meter.topic} is required and has no publisher: start its driver, or map its topic (--map)"]
    if 0 <= meter.silence <= after_s:
        return []
    since = "has not sent anything yet" if meter.silence < 0 else f"has been silent for {meter.silence:.1f} s"
    return [f"{meter.topic} is required and {since}: look at its driver"]


def _sound(meter: Meter) -> list[str]:
    told = []
    if meter.clips_now:
        told.append(f"{meter.topic} clips ({meter.clipped} samples at full scale): lower the gain")
    if meter.dead_channels:
        whose = (
            "holds nothing but zeros"
            if len(meter.dead_channels) == len(meter.levels)
            else f"holds nothing but zeros in channel {', '.join(map(str, meter.dead_channels))}"
        )
        told.append(f"{meter.topic} {whose}: is it muted, unplugged, or another input chosen?")
    return told
