"""A picture of a recording and of what was heard in it."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.hearing.inference.sound_file import HeardContact
from foley_synthesis.hearing.listening.files import HeardFile, printable
from foley_synthesis.hearing.listening.listener import best_of, is_unknown
from foley_synthesis.hearing.listening.table import set_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_CONTACTS = 24  # that have room in a picture
_ACROSS = 4
_COLUMNS = 1200  # of waveform and spectrogram
_ROWS = 256  # of the spectrogram, evenly in log frequency
_LOWEST_HZ = 40.0
_WINDOW_S = 0.03
_RANGE_DB = 80.0
_SURE, _UNSURE, _OTHER, _ONSET = "#4477aa", "#bbbbbb", "#aaccee", "#cc3311"


def draw(file: HeardFile, path: Path) -> None:
    """PNG: waveform, spectrogram and, for each contact, the belief about its material.

    Raises:
        OSError: it cannot be written.
    """
    from matplotlib.figure import Figure

    shown = file.contacts[:MOST_CONTACTS]
    lines = math.ceil(len(shown) / _ACROSS)
    figure = Figure(figsize=(13.0, 4.6 + 3.1 * lines), dpi=100, layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=(4.6, 3.1 * lines)) if lines else [figure]
    top, *below = parts
    wave, spectrum = top.subplots(2, 1, sharex=True, height_ratios=(1, 2))
    _waveform(wave, file)
    _spectrogram(spectrum, file)
    for number, contact in enumerate(file.contacts, 1):
        for axis in (wave, spectrum):
            axis.axvline(contact.time_s, color=_ONSET, lw=1.0, ls="--" if contact.belief.abstain else "-")
        if number <= MOST_CONTACTS:
            wave.annotate(
                str(number), (contact.time_s, 1.0), (2, -2), xycoords=("data", "axes fraction"),
                textcoords="offset points", va="top", fontsize=9, color=_ONSET,
            )  # fmt: skip
    left_out = len(file.contacts) - len(shown)
    note = f"; beliefs of the first {MOST_CONTACTS} of {len(file.contacts)} contacts" if left_out else ""
    none = "" if file.contacts else ": no contact stands out from what is heard throughout"
    # The name of a file is no formula.
    wave.set_title((printable(Path(file.path.name)) + none + note).replace("$", r"\$"), fontsize=11)
    for panel in below:
        axes = panel.subplots(lines, _ACROSS, squeeze=False).flat
        for number, (axis, contact) in enumerate(zip(axes, shown, strict=False), 1):
            _belief(axis, number, contact)
        for axis in list(panel.axes)[len(shown) :]:
            axis.set_visible(False)
    figure.savefig(path, format="png")


def _waveform(axis: Axes, file: HeardFile) -> None:
    """Smallest and largest sample of each column, so that an hour shows its clicks."""
    n = len(file.samples)
    step = max(math.ceil(n / _COLUMNS), 1)
    begins = np.arange(0, n, step)
    low, high = (f.reduceat(file.samples, begins) for f in (np.minimum, np.maximum))
    axis.fill_between(begins / file.rate, low, high, step="post", color="0.25", lw=0.4)
    reach = max(1.1 * float(np.abs(file.samples).max()), 1e-6)
    axis.set_ylim(-reach, reach)
    axis.set_xlim(0.0, n / file.rate)
    axis.set_ylabel("amplitude", fontsize=9)
    axis.tick_params(labelsize=8)


def _spectrogram(axis: Axes, file: HeardFile) -> None:
    level = log_spectrogram(file.samples, file.rate)
    top = math.log10(0.5 * file.rate)
    bottom = math.log10(_LOWEST_HZ)
    peak = float(level.max())
    axis.imshow(
        level, aspect="auto", origin="lower", cmap="magma", vmin=peak - _RANGE_DB, vmax=peak,
        extent=(0.0, len(file.samples) / file.rate, bottom, top), interpolation="nearest",
    )  # fmt: skip
    ticks = [f for f in (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000) if math.log10(f) <= top]
    axis.set_yticks(
        [math.log10(f) for f in ticks], [f"{f // 1000} k" if f >= 1000 else f"{f}" for f in ticks]
    )
    axis.set_ylabel("frequency [Hz]", fontsize=9)
    axis.set_xlabel("time [s]", fontsize=9)
    axis.tick_params(labelsize=8)


def log_spectrogram(samples: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """Levels [rows, columns] in dB: evenly in log frequency from 40 Hz to half the rate, evenly in time."""
    window = max(round(_WINDOW_S * rate), 64)
    padded = np.pad(samples, (window // 2, window))
    # Never so few columns that a click falls between two windows.
    count = max(math.ceil(2 * len(samples) / window), min(_COLUMNS, len(samples) // 64), 2)
    begins = np.linspace(0, len(samples), count, endpoint=False).astype(np.int64)
    taper = np.hanning(window)
    frequency = np.geomspace(_LOWEST_HZ, 0.5 * rate, _ROWS)
    at = np.clip(frequency * window / rate, 0, window // 2)
    columns = []
    for block in np.array_split(begins, max(count // 512, 1)):
        power = np.abs(np.fft.rfft(padded[block[:, None] + np.arange(window)] * taper)) ** 2
        low = np.floor(at).astype(int)
        high, share = np.minimum(low + 1, window // 2), at - low
        columns.append(power[:, low] * (1.0 - share) + power[:, high] * share)
    power = np.concatenate(columns)
    step = math.ceil(count / _COLUMNS)
    power = np.maximum.reduceat(power, np.arange(0, count, step), axis=0)
    return np.asarray(10.0 * np.log10(power.T + 1e-12))


def _belief(axis: Axes, number: int, contact: HeardContact) -> None:
    b, heard = contact.belief, contact.heard
    p = b.p()
    order = np.argsort(p)
    inside = set(heard.material_set) if heard else set() if is_unknown(b) else {b.best}
    sure = _UNSURE if b.abstain else _SURE
    other = "#dddddd" if b.abstain else _OTHER
    axis.barh(
        [b.vocabulary[i] for i in order], p[order], height=0.75,
        color=[sure if b.vocabulary[i] in inside else other for i in order],
    )  # fmt: skip
    axis.set_xlim(0.0, 1.0)
    axis.tick_params(labelsize=8)
    axis.set_title(f"{number}: {contact.time_s:.3f} s, {contact.level_dbfs:.0f} dBFS", fontsize=9)
    lines: list[str] = []
    if b.abstain:
        lines += textwrap.wrap(f"abstains: {b.reason}", 34)
    if heard:
        lines += textwrap.wrap(set_text(heard), 34)
        action, share = best_of(heard.action)
        lines += [f"action: {action} {share:.2f}"] if action else []
    if math.isfinite(b.log10_e_mean):
        lines.append(f"log10 E {b.log10_e_mean:.1f} ± {b.log10_e_std:.1f} Pa")
    _words(axis, lines, "#cc3311" if b.abstain else "0.2")


def _words(axis: Any, lines: list[str], colour: str) -> None:
    axis.text(
        0.98, 0.03, "\n".join(lines), transform=axis.transAxes, ha="right", va="bottom", fontsize=8, color=colour,
        bbox={"facecolor": "white", "alpha": 0.75, "lw": 0},
    )  # fmt: skip
