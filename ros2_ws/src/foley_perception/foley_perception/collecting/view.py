"""What a session's terminal shows, gathered: plain data for :mod:`screen` and :mod:`lines` to draw."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from foley_perception.collecting.session import Phase
from foley_perception.collecting.status import Levels, Meter, RecorderState, UsualRates
from foley_perception.collecting.takes import Take

_MOST_SLOW = 2  # topics that are told one by one


@dataclasses.dataclass(frozen=True)
class Channel:
    """A level bar."""

    topic: str
    channel: int
    rms_dbfs: float
    peak_dbfs: float
    held_dbfs: float
    clips: bool
    clipped: int  # samples of the take, all channels


@dataclasses.dataclass(frozen=True)
class Row:
    """One topic."""

    topic: str
    rate: float  # [Hz]
    usual: float  # [Hz], NaN while it is not known
    silence: float  # [s], negative: nothing yet
    latency: float  # [s]
    lost: int
    bad: bool


@dataclasses.dataclass(frozen=True)
class View:
    """Everything that is drawn."""

    phase: Phase
    present: bool  # a recorder is there to be asked
    title: str  # of the take in progress, or the last one
    elapsed: float  # [s]
    remaining: float  # [s], NaN where it is not known
    counts: dict[str, int]
    snapshots: int
    channels: tuple[Channel, ...]
    rows: tuple[Row, ...]
    disk: str
    wrong: tuple[str, ...]  # the worst first
    prompt: str
    last: str  # take and verdict
    segment: str  # the open one


def channels(state: RecorderState, levels: Levels, now: float) -> tuple[Channel, ...]:
    """The level bars of every microphone."""
    return tuple(
        Channel(
            meter.topic,
            index,
            meter.rms_dbfs[index] if index < len(meter.rms_dbfs) else -math.inf,
            peak,
            max(levels.peak(meter.topic, index, now), peak),
            levels.clips(meter.topic, now),
            meter.clipped,
        )
        for meter in state.meters
        for index, peak in enumerate(meter.peak_dbfs)
    )


def rows(state: RecorderState, rates: UsualRates) -> tuple[Row, ...]:
    """Topics that matter: those that are required, that come, or of which something was lost; sensors first."""
    slow = {meter.topic for meter in rates.slow(state.meters)}

    def row(meter: Meter) -> Row:
        silent = meter.expected and (meter.silence < 0 or meter.rate == 0.0)
        bad = silent or meter.lost > 0 or meter.topic in slow
        usual = rates.usual(meter.topic)
        return Row(meter.topic, meter.rate, usual, meter.silence, meter.latency, meter.lost, bad)

    shown = [m for m in state.meters if m.expected or m.publishers or m.lost or m.messages or m.silence >= 0]
    return tuple(row(m) for m in sorted(shown, key=lambda m: (not m.expected, not m.rms_dbfs, m.topic)))


def wrong_now(state: RecorderState | None, rates: UsualRates, absent: str, doubt: str) -> tuple[str, ...]:
    """What is wrong, the worst first: that the recorder is not there, what it says itself, what only we see.

    Args:
        absent: why no recorder can be asked; empty where one can.
        doubt: that it seems to be gone in the middle of a take.
    """
    found = [text for text in (doubt or absent,) if text]
    if state is None or absent:
        return tuple(found)
    found += state.trouble
    found += _slow(state, rates)
    if not state.full:
        found.append(
            "this recorder sends no ~/status, it is older than this program: levels and rates are not shown"
        )
    return tuple(dict.fromkeys(found))


def _slow(state: RecorderState, rates: UsualRates) -> list[str]:
    """Topics that are slower than they were, but for those of which the recorder says something itself."""
    slow = [m for m in rates.slow(state.meters) if not any(m.topic in said for said in state.trouble)]
    if len(slow) > _MOST_SLOW:
        names = ", ".join(meter.topic for meter in slow[:_MOST_SLOW])
        return [
            f"{len(slow)} topics come slower than they did ({names}, ...): is a machine or network too busy?"
        ]
    found = []
    for meter in slow:
        now = f"comes at {meter.rate:.1f} Hz" if meter.rate > 0 else "has stopped"
        found.append(
            f"{meter.topic} {now}; it came at {rates.usual(meter.topic):.1f} Hz: look after its driver"
        )
    return found


def disk_line(state: RecorderState) -> str:
    """How much is written and how long the disk lasts."""
    parts = []
    if math.isfinite(state.write_rate):
        parts.append(f"{state.write_rate / 1e6:.1f} MB/s")
    if math.isfinite(state.disk_free):
        parts.append(f"{size(state.disk_free)} free")
    if not math.isnan(state.disk_lasts):
        parts.append(f"lasts {duration(state.disk_lasts)}" if math.isfinite(state.disk_lasts) else "")
    if state.state != "idle":
        files = f" in {state.files} files" if state.files > 1 else ""
        parts.append(f"{size(state.bytes)} written{files}")
        parts.append(f"{size(state.queued_bytes)} wait for it" if state.queued_bytes > 1e6 else "")
    if state.snapshot > 0:
        parts.append(f"snapshot holds {state.snapshot:.0f} s")
    return ", ".join(part for part in parts if part)


def size(count: float) -> str:
    """Bytes, in the unit that leaves one to three digits before the point."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit in ("B", "kB") or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration(seconds: float) -> str:
    """Such as `42 s`, `12 min`, `3.4 h`, `5 days`."""
    if not math.isfinite(seconds):
        return "for ever"
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 72 * 3600 else f"{seconds / 86400:.0f} days"


def clock(seconds: float) -> str:
    """Such as `0:04.2` or `1:02:03`."""
    whole = int(seconds)
    if whole >= 3600:
        return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    return f"{whole // 60}:{seconds % 60:04.1f}"


def last_take(takes: Sequence[Take]) -> str:
    """The last one that is over, and what it is worth."""
    over = [take for take in takes if take.outcome is not None]
    return f"{over[-1].title}: {over[-1].verdict}" if over else ""
