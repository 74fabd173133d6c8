"""Small drawings of the page, as SVG. Colours are classes of the page's style, so that they follow light and dark."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

Line = Mapping[str, Any]  # as TimeLine.told gives it
_LEFT, _BOTTOM, _TOP = 52, 16, 6  # [px] beside and below a plot, for its numbers


def spark(line: Line | None, *, width: int = 120, height: int = 24, bottom: float | None = None) -> str:
    """A line without numbers; its band from lowest to highest behind it. Empty where there is nothing.

    Args:
        bottom: the value of the lower edge; None: the lowest of all.
    """
    if not line or not any(v is not None for v in line["mid"]):
        return ""
    low, high = _span(line, bottom)
    high += 0.15 * (high - low) if bottom is not None else 0.0  # a steady rate is no upper edge
    body = _drawn(line, 0, 1, width, height - 2, low, high)
    return f'<svg class="spark" viewBox="0 0 {width} {height}" width="{width}" height="{height}">{body}</svg>'


def plot(
    line: Line | None,
    show: Callable[[float], str],
    *,
    marks: Sequence[float] = (),
    bound: float | None = None,
    duration_s: float = 0.0,
    span: tuple[float, float] | None = None,
    least: float = 1e-6,
    width: int = 560,
    height: int = 110,
) -> str:
    """A line over the time of a recording, with its numbers.

    Args:
        show: a value in words.
        marks: moments [s], as ticks at the upper edge.
        bound: a limit, as a dashed line.
        span: lower and upper edge; None: what there is.
        least: difference of the edges: smaller changes are not blown up.
    """
    if not line or not any(v is not None for v in line["mid"]):
        return ""
    low, high = span or _span(line, None, least)
    if bound is not None and math.isfinite(bound):
        low, high = min(low, bound), max(high, bound)
    steps = len(line["mid"]) * line["step_s"]
    total = max(duration_s, steps, 1e-9)
    wide, tall = width - _LEFT - 4, height - _BOTTOM - _TOP
    body = _drawn(line, _LEFT, _TOP, wide * steps / total, tall, low, high)
    for value in (low, high):
        at = _TOP + tall * (1 - (value - low) / (high - low))
        body += f'<text x="{_LEFT - 5}" y="{at + 4:.1f}" text-anchor="end">{escape(show(value))}</text>'
    if bound is not None and math.isfinite(bound):
        at = _TOP + tall * (1 - (bound - low) / (high - low))
        body += f'<path class="bound" d="M{_LEFT} {at:.1f}H{width - 4}"/>'
    for mark in marks:
        if 0 <= mark <= total:
            body += f'<path class="mark" d="M{_LEFT + wide * mark / total:.1f} {_TOP}v6"/>'
    body += f'<path class="axis" d="M{_LEFT} {_TOP}V{_TOP + tall}H{width - 4}"/>'
    body += f'<text x="{_LEFT}" y="{height - 3}">0</text>'
    body += f'<text x="{width - 4}" y="{height - 3}" text-anchor="end">{escape(_time(total))}</text>'
    return _svg(body, width, height, "plot")


def waveform(
    envelope: Sequence[Sequence[float]], before: float, *, width: int = 240, height: int = 56
) -> str:
    """The lowest and highest samples of a contact's clip; ``before`` is the share of it before the contact."""
    if not envelope:
        return ""
    top = max(max(abs(a), abs(b)) for a, b in envelope) or 1.0
    step, middle = width / len(envelope), height / 2
    bars = "".join(
        f"M{(i + 0.5) * step:.1f} {middle - b / top * middle:.1f}V{middle - a / top * middle + 0.6:.1f}"
        for i, (a, b) in enumerate(envelope)
    )
    onset = f'<path class="onset" d="M{before * width:.1f} 0V{height}"/>'
    return _svg(f'{onset}<path class="wave" d="{bars}"/>', width, height, "waveform")


def histogram(
    values: Sequence[float | None],
    show: Callable[[float], str],
    *,
    bound: float | None = None,
    width: int = 215,
    height: int = 96,
) -> str:
    """How many bags have which value. Empty where none has any."""
    known = [v for v in values if v is not None and math.isfinite(v)]
    if not known:
        return ""
    low, high = min(known), max(known)
    if high - low < 1e-9 * max(abs(high), 1.0):
        low, high = low - 0.5 * max(abs(low) * 0.1, 0.1), high + 0.5 * max(abs(high) * 0.1, 0.1)
    counts, edges = np.histogram(
        known, bins=min(24, max(8, round(math.sqrt(len(known)) * 2))), range=(low, high)
    )
    tall, wide = height - _BOTTOM - 14, (width - 8) / len(counts)
    body = ""
    for i, count in enumerate(counts.tolist()):
        if count:
            size = tall * count / counts.max()
            told = f"{count}: {show(float(edges[i]))} to {show(float(edges[i + 1]))}"
            body += (
                f'<rect class="bar" x="{4 + i * wide:.1f}" y="{14 + tall - size:.1f}" width="{max(wide - 1, 1):.1f}" '
                f'height="{size:.1f}"><title>{escape(told)}</title></rect>'
            )
    if bound is not None and low <= bound <= high:
        at = 4 + (width - 8) * (bound - low) / (high - low)
        body += f'<path class="bound" d="M{at:.1f} 10V{14 + tall}"/>'
    body += f'<path class="axis" d="M4 {14 + tall}H{width - 4}"/>'
    body += f'<text x="4" y="{height - 3}">{escape(show(low))}</text>'
    body += f'<text x="{width - 4}" y="{height - 3}" text-anchor="end">{escape(show(high))}</text>'
    return _svg(body, width, height, "histogram")


# ---- inside --------------------------------------------------------------------------------------------
def _svg(body: str, width: int, height: int, kind: str) -> str:
    return (
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" width="{width}" height="{height}">{body}</svg>'
    )


def _span(line: Line, bottom: float | None, least: float = 1e-6) -> tuple[float, float]:
    low = min(v for v in line.get("low", line["mid"]) if v is not None)
    high = max(v for v in line.get("high", line["mid"]) if v is not None)
    low = low if bottom is None else min(bottom, low)
    least = max(abs(high) * 1e-3, least)
    middle = 0.5 * (low + high)
    return (low, high) if high - low > least else (middle - 0.5 * least, middle + 0.5 * least)


def _drawn(line: Line, left: float, top: float, width: float, height: float, low: float, high: float) -> str:
    """The band and the line; both are broken where nothing is known."""
    step = width / len(line["mid"])

    def at(index: int, value: float) -> str:
        share = min(max((value - low) / (high - low), 0.0), 1.0)
        return f"{left + (index + 0.5) * step:.1f} {top + height * (1 - share):.1f}"

    body = ""
    for run in _runs(line["mid"]):
        if "low" in line and len(run) > 1:
            points = [at(i, line["high"][i]) for i in run] + [at(i, line["low"][i]) for i in reversed(run)]
            body += f'<path class="band" d="M{"L".join(points)}Z"/>'
        points = [at(i, line["mid"][i]) for i in run]
        body += f'<path class="line" d="M{"L".join(points)}{"h1" if len(points) == 1 else ""}"/>'
    return body


def _runs(values: Sequence[float | None]) -> Iterator[list[int]]:
    """Indices of values that follow each other. Of a line with few values (a slow camera in fine steps) all."""
    known = [i for i, value in enumerate(values) if value is not None]
    usual = sorted(b - a for a, b in itertools.pairwise(known))
    apart = 2 * usual[len(usual) // 2] if usual else 1
    run: list[int] = []
    for index in known:
        if run and index - run[-1] > apart:
            yield run
            run = []
        run.append(index)
    if run:
        yield run


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.2f} h"
