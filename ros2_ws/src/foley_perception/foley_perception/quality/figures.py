"""The figures of a bag that was read once: of its topics, microphones, cameras and contacts, as JSON has them.

NaN is what is not known; it is written as null.
"""

from __future__ import annotations

import base64
import datetime
import math
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from foley_common import topics as registry
from foley_common.times import NS_PER_S
from foley_perception.audit.recording import Verdict
from foley_perception.audit.times import SENSORS
from foley_perception.episodes.outline import Outline
from foley_perception.episodes.sound import Stream
from foley_perception.episodes.tracks import EpisodeError
from foley_perception.quality.contacts import Found, margins_db
from foley_perception.quality.picture_meter import jpeg
from foley_perception.quality.watch import BagWatch
from foley_perception.recording.inspect import BagReport

_NOT_SHOWN = frozenset({"robot_file", "topics"})  # of the metadata: long, and told elsewhere
_THUMB_WIDTH = 72  # [px]
_ZERO = 1e-10  # -200 dBFS
_LEAST_HEADS = 250  # of half a stream, before its clock's drift is told: 5 s at 100 Hz
_DETERMINED_PPM = 20.0
_LONGEST = 400  # of a value of the metadata
_MOST_TIMES = 2000  # contacts whose times are kept


def about(report: BagReport, verdict: Verdict) -> dict[str, Any]:
    begun = verdict.clock.stamp_ns(report.start_ns) / NS_PER_S
    session = {str(k): _short(v) for k, v in report.session.items() if k not in _NOT_SHOWN}
    try:
        when = datetime.datetime.fromtimestamp(begun, datetime.UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):  # a clock that was never set right
        when = ""
    return {
        "duration_s": report.duration_s,
        "pauses": len(report.pauses),
        "bytes": report.bytes,
        "messages": report.messages,
        "files": [file.name for file in report.files],
        "begun": when,
        "session": session,
        "scan": session.get("kind") == "scan",
    }


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."


def of_topics(
    watch: BagWatch, report: BagReport, roles: Mapping[str, registry.Topic], verdict: Verdict
) -> dict[str, Any]:
    found = {}
    for t in report.topics:
        role, lines = roles.get(t.topic), watch.lines.get(t.topic)
        sensor = role is not None and role.reader in SENSORS
        sent = t.messages + t.lost
        found[t.topic] = {
            "type": t.type,
            "role": role.role if role is not None else "",
            "required": t.expected,
            "sensor": sensor,
            "messages": t.messages,
            "bytes": t.bytes,
            "rate_hz": t.rate,
            "lost": t.lost,
            "lost_share": t.lost / sent if sent else 0.0,
            "gaps": t.gaps,
            "max_gap_s": t.max_gap,
            "max_gap_at_s": t.max_gap_at,
            "skew_median_s": t.skew_median,
            "skew_p99_s": t.skew_p99,
            "one_clock": verdict.clock.same,  # else arrival minus stamp is no latency
            "drift_ppm": lines.skew.slope_ppm() if lines is not None and sensor else math.nan,
        }
        if lines is not None:
            found[t.topic]["rate_line"] = lines.arrivals.told(60, rate=True)
            if not lines.skew.empty and (sensor or t.expected):
                offset = (lines.first_skew_ns or 0) * 1e-9 if verdict.clock.same else 0.0
                found[t.topic]["skew_line"] = _raised(lines.skew.told(), offset)
    return found


def _raised(line: dict[str, Any], by: float) -> dict[str, Any]:
    """A line by its true height, where clocks are the same; else from its first value on."""
    return {
        key: [None if v is None else v + by for v in value] if isinstance(value, list) else value
        for key, value in line.items()
    }


def of_microphones(
    watch: BagWatch, outline: Outline | None, roles: Mapping[str, registry.Topic]
) -> dict[str, Any]:
    found = {}
    for topic, meter in watch.sounds.items():
        role = roles.get(topic)
        figures = {"topic": topic} | meter.figures() | _samples(watch, topic, meter.channel)
        figures |= {"heard": len(meter.heard), "deaf": meter.deaf, "clocks": _clocks(outline, role)}
        determined = [c["drift_ppm"] for c in figures["clocks"] if math.isfinite(c["drift_ppm"])]
        figures["clock_drift_ppm"] = max(determined, key=abs) if determined else math.nan
        found[role.device if role is not None else topic] = figures
    return dict(sorted(found.items(), key=lambda item: item[0] != registry.MAIN_MICROPHONE))


def _samples(watch: BagWatch, topic: str, channel: int) -> dict[str, Any]:
    """What the audit counted of the channel that is heard."""
    assert watch.audit is not None
    levels = watch.audit.levels(topic)
    channels = levels.channels if levels is not None else ()
    if not channels:
        return {"peak_dbfs": math.nan, "clipped_share": math.nan, "silent_share": math.nan}
    heard = channels[min(channel, len(channels) - 1)]
    clipped = heard.high_rail.samples + heard.low_rail.samples
    _, _, silent = heard.silence(levels.rate if levels is not None else 1)
    return {
        "peak_dbfs": dbfs(heard.peak),
        "clipped_share": clipped / heard.count if heard.count else math.nan,
        "silent_share": silent / heard.count if heard.count else math.nan,
    }


def dbfs(peak: float) -> float:
    """Of zeros a number as well: JSON has no infinity, and what is not known is not judged."""
    return 20.0 * math.log10(max(peak, _ZERO))


def _clocks(outline: Outline | None, role: registry.Topic | None) -> list[dict[str, Any]]:
    """Of each stream: by how much its clock runs slower than its rate says, and how far its stamps jitter."""
    if outline is None or role is None or role.role not in outline.names:
        return []
    try:
        return [
            {"stream_id": s.stream_id, "drift_ppm": _drift_ppm(s), "jitter_s": s.clock.jitter_s}
            for s in outline.sound(role).streams
        ]
    except (EpisodeError, KeyError):  # told by the audit; or a role that another topic has
        return []


def _drift_ppm(stream: Stream) -> float:
    """Theil's slope of the stamps over the count of samples; NaN where they do not determine it to 20 ppm.

    The clock that sound is placed by (audio/clock_fit.py) is more careful, and keeps to the rate in a short stream.
    """
    heads = stream.heads[stream.heads[:, 1] != 0]
    half = len(heads) // 2
    if half < _LEAST_HEADS:
        return math.nan
    samples = heads[:, 0].astype(np.float64)
    late = (heads[:, 1] - heads[0, 1]) - (samples - samples[0]) * (NS_PER_S / stream.sample_rate)
    apart = (samples[-half:] - samples[:half]) * (NS_PER_S / stream.sample_rate)
    slopes = (late[-half:] - late[:half]) / np.where(apart > 0, apart, np.nan)
    slope = float(np.nanmedian(slopes))
    error = 1.4826 * float(np.nanmedian(np.abs(slopes - slope))) / math.sqrt(half)
    return slope * 1e6 if error * 1e6 < _DETERMINED_PPM else math.nan


def of_cameras(watch: BagWatch, roles: Mapping[str, registry.Topic]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for topic, meter in watch.pictures.items():
        role = roles.get(topic)
        if role is not None and role.reader != "image":
            continue
        name = role.device if role is not None and role.device not in found else topic
        found[name] = {"topic": topic, "role": role.role if role is not None else ""} | meter.figures()
    return dict(sorted(found.items(), key=lambda item: item[0] != registry.MAIN_CAMERA))


def of_contacts(found: Found, microphones: Mapping[str, Any], outline: Outline | None) -> dict[str, Any]:
    main = microphones.get(registry.MAIN_MICROPHONE, {})
    margins = margins_db(found, main.get("noise_floor_dbfs", math.nan))
    start = outline.start_ns if outline is not None else 0
    return {
        "count": len(found.contacts),
        "merged": sum(m.merged for m in found.contacts) - len(found.contacts),
        "source": found.source,
        "heard": len(found.heard),
        "margin_db": sorted(margins)[len(margins) // 2] if margins else math.nan,
        "times_s": [round((m.contact.time_ns - start) / NS_PER_S, 3) for m in found.contacts[:_MOST_TIMES]],
    }


def thumb_of(pictures: list[tuple[float, bytes]]) -> str:
    """One picture for a table, from the middle of the recording, as JPEG in base64; empty where there is none."""
    if not pictures:
        return ""
    middle = cv2.imdecode(np.frombuffer(pictures[len(pictures) // 2][1], np.uint8), cv2.IMREAD_COLOR)
    picture = np.asarray(cv2.cvtColor(middle, cv2.COLOR_BGR2RGB), np.uint8)
    return base64.b64encode(jpeg(picture, _THUMB_WIDTH, quality=60)).decode()


def of_thumbs(pictures: list[tuple[float, bytes]]) -> list[dict[str, Any]]:
    return [{"time_s": at, "jpeg": base64.b64encode(data).decode()} for at, data in pictures]
