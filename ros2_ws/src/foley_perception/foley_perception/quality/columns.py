"""The table of a folder of bags: its columns, its rows, and how the figures are spread."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from foley_common.quality_limits import QualityLimits
from foley_perception.quality import judge, plots
from foley_perception.quality.judge import Judged

Figures = Mapping[str, Any]
_TOLD = 8  # sentences of a row that is folded out


@dataclasses.dataclass(frozen=True)
class Column:
    """One figure of a bag."""

    title: str
    about: str  # what it is, for whoever rests on the title
    value: Callable[[Figures], float | None]
    show: Callable[[float], str]
    limits: tuple[str, ...] = ()  # that it is judged by


def duration(seconds: float) -> str:
    """In words."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.2f} h"


def size(count: float) -> str:
    """Of bytes, in words."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def row(judged: Judged) -> dict[str, Any]:
    """One bag for the table; with what is shown where it is folded out."""
    figures = judged.figures
    findings = figures["findings"] if figures is not None else []
    counts = collections.Counter(f["severity"] for f in findings)
    told = [f for f in findings if f["severity"] != "note"]
    cells = []
    beyond = {o.limit for o in judged.outside}
    for column in COLUMNS:
        value = column.value(figures) if figures is not None else None
        shown = "" if value is None else column.show(value)
        cells.append((value, shown, bool(beyond.intersection(column.limits))))
    return {
        "judged": judged,
        "cells": cells,
        "thumb": figures.get("thumb", "") if figures is not None else "",
        "scene": (figures["session"].get("scene_id", "") if figures is not None else ""),
        "level": plots.spark(_level_line(figures), width=84, height=26),
        "counts": [(severity, counts[severity]) for severity in ("error", "problem") if counts[severity]],
        "rank": judge.STATES.index(judged.state),
        "keys": sorted(beyond | ({"readable"} if judged.error else set())),
        "told": told[:_TOLD],
        "more": max(len(told) - _TOLD, 0),
        "rates": _rates(figures),
    }


def reasons(bags: Sequence[Judged]) -> list[tuple[str, str, int]]:
    """Limit, what it is of, and in how many bags something lies outside of it: the most first."""
    counts = collections.Counter(name for j in bags for name in {o.limit for o in j.outside})
    counts["readable"] = sum(bool(j.error) for j in bags)
    return [(name, judge.title_of(name), count) for name, count in counts.most_common() if count]


def bad(judged: Judged, where: str) -> set[str]:
    """Limits that a device or topic lies outside of."""
    return {o.limit for o in judged.outside if o.where == where}


def histograms(bags: Sequence[Figures], limits: QualityLimits | None) -> list[tuple[str, str]]:
    """Title and drawing of each figure that is known of some bag."""
    judged = limits.judged() if limits is not None else {}
    rates = [("microphone", "chunks of sound"), ("image", "pictures")]
    found = [
        ("noise floor", _noise, judged.get("max_noise_floor_dbfs"), lambda v: f"{v:.0f} dBFS"),
        ("contacts", _contacts, judged.get("min_contacts"), lambda v: f"{v:.0f}"),
        ("blur", _blur, judged.get("max_blur"), lambda v: f"{v:.2f}"),
        *((f"{title} per second", _rate_of(device), None, lambda v: f"{v:.4g}") for device, title in rates),
        ("duration", lambda f: f["duration_s"], judged.get("min_duration_s"), duration),
    ]
    drawn = [
        (title, plots.histogram([value(f) for f in bags], show, bound=bound))
        for title, value, bound, show in found
    ]
    return [(title, svg) for title, svg in drawn if svg]


# ---- inside --------------------------------------------------------------------------------------------
def _first(kind: str, key: str) -> Callable[[Figures], float | None]:
    """Of the main microphone or camera, else of the first."""

    def value(figures: Figures) -> float | None:
        device = next(iter(figures[kind].values()), None)
        return None if device is None else device[key]

    return value


def _worst(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None and math.isfinite(v)]
    return max(known, key=abs) if known else None


def _rate_of(device: str) -> Callable[[Figures], float | None]:
    """Of the main microphone's or camera's topic."""

    def value(figures: Figures) -> float | None:
        kind = figures["microphones" if device == "microphone" else "cameras"]
        first = next(iter(kind.values()), None)
        return None if first is None else figures["topics"][first["topic"]]["rate_hz"]

    return value


def _skew(figures: Figures) -> float | None:
    return _worst([t["skew_p99_s"] for t in figures["topics"].values() if t["sensor"] and t["one_clock"]])


def _level_line(figures: Figures | None) -> Mapping[str, Any] | None:
    first = next(iter(figures["microphones"].values()), None) if figures is not None else None
    return first["level_line"] if first is not None else None


def _rates(figures: Figures | None) -> list[tuple[str, float, str]]:
    """Sensors of a bag: topic, rate, and the rate over time."""
    if figures is None:
        return []
    sensors = ((name, t) for name, t in figures["topics"].items() if t["sensor"] and t["messages"])
    return [(name, t["rate_hz"], plots.spark(t.get("rate_line"), bottom=0.0)) for name, t in sensors]


_noise = _first("microphones", "noise_floor_dbfs")
_blur = _first("cameras", "blur_median")


def _contacts(figures: Figures) -> float:
    return float(figures["contacts"]["count"])


COLUMNS: tuple[Column, ...] = (
    Column("length", "of the recording", lambda f: f["duration_s"], duration, ("min_duration_s",)),
    Column("size", "of its files", lambda f: f["bytes"], size),
    Column("contacts", "recorded, else heard", _contacts, lambda v: f"{v:.0f}", ("min_contacts",)),
    Column(
        "over noise",
        "median peak of the contacts that are heard, over the noise floor",
        lambda f: f["contacts"]["margin_db"],
        lambda v: f"{v:.0f} dB",
        ("min_contact_margin_db",),
    ),
    Column(
        "labelled",
        "share of the contacts of which material or action is known",
        lambda f: f["labels"]["coverage"],
        lambda v: f"{v * 100:.0f} %",
        ("min_label_coverage",),
    ),
    Column("noise", "noise floor [dBFS]", _noise, lambda v: f"{v:.0f} dB", ("max_noise_floor_dbfs",)),
    Column(
        "peak",
        "loudest sample [dBFS]",
        _first("microphones", "peak_dbfs"),
        lambda v: f"{v:.1f} dB",
        ("min_peak_dbfs",),
    ),
    Column(
        "clipped",
        "share of the samples",
        _first("microphones", "clipped_share"),
        lambda v: f"{v * 100:.2g} %",
        ("max_clipped_share",),
    ),
    Column(
        "silent",
        "share of the time in which samples do not change",
        _first("microphones", "silent_share"),
        lambda v: f"{v * 100:.2g} %",
        ("max_silent_share",),
    ),
    Column(
        "lost",
        "messages, of all topics",
        lambda f: sum(t["lost"] for t in f["topics"].values()),
        lambda v: f"{v:.0f}",
        ("max_lost_share",),
    ),
    Column(
        "longest gap",
        "of a topic that clips need",
        lambda f: _worst(
            [t["max_gap_s"] for t in f["topics"].values() if t["required"] and t["rate_hz"] > 2]
        ),
        lambda v: judge.shown("_s", v),
        ("max_gap_s",),
    ),
    Column(
        "skew",
        "arrival minus stamp, 99th percentile of the worst sensor",
        _skew,
        lambda v: judge.shown("_s", v),
        ("max_skew_s", "max_latency_s"),
    ),
    Column(
        "drift",
        "of the microphone's clock [ppm]",
        _first("microphones", "clock_drift_ppm"),
        lambda v: f"{v:+.0f}",
        ("max_drift_ppm",),
    ),
    Column("blur", "median; 0 sharp, 1 blurred", _blur, lambda v: f"{v:.2f}", ("max_blur",)),
    Column(
        "light",
        "mean brightness of the pictures, 0 to 1",
        _first("cameras", "brightness"),
        lambda v: f"{v:.2f}",
        ("max_black_share", "max_saturated_share"),
    ),
)
