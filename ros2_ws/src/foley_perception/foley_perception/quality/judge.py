"""A bag's figures against the limits of the robot's file."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from foley_common.quality_limits import QualityLimits

Figures = Mapping[str, Any]
GOOD, PROBLEM, ERROR = "good", "problem", "error"
STATES: tuple[str, ...] = (ERROR, PROBLEM, GOOD)
_TEXTS: Mapping[str, str] = {
    "min_duration_s": "duration",
    "max_lost_share": "messages lost",
    "max_gap_s": "longest gap",
    "max_skew_s": "arrival after stamp (99 %)",
    "max_drift_ppm": "clock drift",
    "max_clipped_share": "clipped samples",
    "max_noise_floor_dbfs": "noise floor",
    "min_peak_dbfs": "loudest sample",
    "max_silent_share": "silence",
    "max_blur": "blur",
    "max_black_share": "black pixels",
    "max_saturated_share": "saturated pixels",
    "max_bad_picture_share": "pictures that cannot be decoded",
    "min_contacts": "contacts",
    "min_contact_margin_db": "contacts over the noise floor",
    "min_label_coverage": "contacts labelled",
    "max_errors": "audit errors",
    "max_problems": "audit problems",
    "min_rate_hz": "rate",
    "max_latency_s": "arrival after stamp (median)",
    "readable": "cannot be read",
}


@dataclasses.dataclass(frozen=True)
class Outside:
    """A figure that lies outside of its limit."""

    limit: str  # its name in `quality`, or in `limits` of a role; `readable` of what is no bag
    where: str  # topic or device; empty: the whole bag
    value: float
    bound: float
    text: str  # all of it, in words

    @property
    def title(self) -> str:
        """What the figure is, in words."""
        return title_of(self.limit)


@dataclasses.dataclass(frozen=True)
class Judged:
    """One bag, measured and judged."""

    name: str
    path: str
    file: str  # what its files are called
    figures: dict[str, Any] | None  # None: it cannot be read
    outside: tuple[Outside, ...] = ()
    state: str = ERROR
    error: str = ""  # why it cannot be read
    cached: bool = False
    limits: QualityLimits = dataclasses.field(default_factory=QualityLimits)


def title_of(limit: str) -> str:
    """What the figure of a limit is, in words."""
    return _TEXTS[limit]


def outside(figures: Figures, limits: QualityLimits) -> list[Outside]:
    """What lies outside, in the order of the limits. What is not known (no microphone, no contacts) is not judged."""
    found = []
    for name, bound in limits.judged().items():
        for where, value in _values(figures, name):
            if _beyond(name, value, bound):
                found.append(_outside(name, where, value, bound))
    return found + _by_role(figures)


def state_of(figures: Figures, beyond: list[Outside]) -> str:
    """`error` where the audit says so, `problem` where it tells one or a figure lies outside, else `good`."""
    severities = {finding["severity"] for finding in figures["findings"]}
    if ERROR in severities:
        return ERROR
    return PROBLEM if PROBLEM in severities or beyond else GOOD


def shown(name: str, value: float) -> str:
    """A figure with its unit, by the end of its name."""
    if not math.isfinite(value):
        return "-∞" if value < 0 else "-"
    for end, form in _FORMS.items():
        if name.endswith(end):
            return form(value)
    return f"{value:.3g}" if value % 1 else f"{value:.0f}"


# ---- inside --------------------------------------------------------------------------------------------
_FORMS: Mapping[str, Callable[[float], str]] = {
    "_share": lambda v: f"{v * 100:.3g} %",
    "_coverage": lambda v: f"{v * 100:.0f} %",
    "_dbfs": lambda v: f"{v:.1f} dBFS",
    "_db": lambda v: f"{v:.1f} dB",
    "_ppm": lambda v: f"{v:+.0f} ppm",
    "_hz": lambda v: f"{v:.4g} Hz",
    "_s": lambda v: f"{v * 1e3:.0f} ms" if abs(v) < 1.0 else f"{v:.2f} s",
    "_blur": lambda v: f"{v:.2f}",
}


def _outside(name: str, where: str, value: float, bound: float) -> Outside:
    side = "at most" if name.startswith("max_") else "at least"
    place = f"{where}: " if where else ""
    bound_text = shown(name, bound).removeprefix("+")
    text = f"{place}{_TEXTS[name]} {shown(name, value)}, {side} {bound_text} (`{name}`)"
    return Outside(name, where, value, bound, text)


def _beyond(name: str, value: float | None, bound: float) -> bool:
    if value is None or math.isnan(value):
        return False
    size = abs(value) if name == "max_drift_ppm" else value
    return size > bound if name.startswith("max_") else size < bound


def _values(figures: Figures, name: str) -> Iterator[tuple[str, Any]]:
    """The figures of a limit, and where each is from."""
    if name == "min_duration_s":
        yield "", figures["duration_s"]
    elif name in _OF_TOPICS:
        yield from ((t, _OF_TOPICS[name](f)) for t, f in figures["topics"].items())
    elif name in _OF_MICROPHONES:
        yield from ((m, f[_OF_MICROPHONES[name]]) for m, f in figures["microphones"].items())
    elif name in _OF_CAMERAS:
        yield from ((c, f[_OF_CAMERAS[name]]) for c, f in figures["cameras"].items() if f["role"])
    elif name in ("max_errors", "max_problems"):
        severity = name.removeprefix("max_").removesuffix("s")
        yield "", float(sum(f["severity"] == severity for f in figures["findings"]))
    elif not figures["scan"]:
        yield (
            "",
            {
                "min_contacts": figures["contacts"]["count"],
                "min_contact_margin_db": figures["contacts"]["margin_db"],
                "min_label_coverage": figures["labels"]["coverage"],
            }[name],
        )


_OF_TOPICS: Mapping[str, Callable[[Figures], float | None]] = {
    "max_lost_share": lambda f: f["lost_share"],
    "max_gap_s": lambda f: f["max_gap_s"] if f["required"] and f["gaps"] else None,
    "max_skew_s": lambda f: f["skew_p99_s"] if f["sensor"] and f["one_clock"] else None,
}
_OF_MICROPHONES: Mapping[str, str] = {
    "max_drift_ppm": "clock_drift_ppm",
    "max_clipped_share": "clipped_share",
    "max_noise_floor_dbfs": "noise_floor_dbfs",
    "min_peak_dbfs": "peak_dbfs",
    "max_silent_share": "silent_share",
}
_OF_CAMERAS: Mapping[str, str] = {
    "max_blur": "blur_median",
    "max_black_share": "black_share",
    "max_saturated_share": "saturated_share",
    "max_bad_picture_share": "bad_share",
}
_OF_ROLES: Mapping[str, str] = {
    "min_rate_hz": "rate_hz",
    "max_gap_s": "max_gap_s",
    "max_latency_s": "skew_median_s",
}


def _by_role(figures: Figures) -> list[Outside]:
    """By `limits` of the robot's file, which hold for single topics (`foley robot check` reads them too)."""
    found = []
    for topic, f in figures["topics"].items():
        for name, bound in figures["limits"].get(f["role"], {}).items():
            latency = name == "max_latency_s"
            value = f[_OF_ROLES[name]]
            if (f["one_clock"] or not latency) and _beyond(name, value, bound):
                found.append(_outside(name, topic, value, bound))
    return found
