"""The table of scored windows, and a picture and sounds of some of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from foley_synthesis.evaluation import report
from foley_synthesis.evaluation.measure import Table
from foley_synthesis.evaluation.sound_metrics import REAL
from foley_synthesis.flow.networks.mel import HOP, RATE, LogMel
from foley_synthesis.flow.windows import Items


def markdown(table: Table) -> str:
    """The table with its notes."""
    f = table.facts
    head = f"{f['windows']} windows of {f['scenes']} scenes, split `{f['split']}`, {f['onsets']} onsets."
    return f"{head}\n\n{report.markdown(table)}"


def draw(items: Items, shown: dict[int, dict[str, NDArray[np.float32]]], out: Path) -> None:
    """`windows.png`: spectrograms, the real one on top; and each sound as FLAC."""
    transform = LogMel()
    strips = {}
    for row, sounds in shown.items():
        mels = {REAL: items.mel[row].numpy()}
        mels |= {name: transform(torch.from_numpy(sound)).numpy() for name, sound in sounds.items()}
        strips[items.windows[row].window_id] = mels
    draw_strips(strips, items.mel.shape[2] * HOP / RATE, (-1.0, 1.0), out / "windows.png")
    for row, sounds in shown.items():
        write_sounds(items.windows[row].window_id, sounds, out)


def draw_strips(
    strips: Mapping[str, Mapping[str, NDArray[np.floating]]],
    seconds: float,
    between: tuple[float, float],
    path: Path,
) -> None:
    """A column for each window, a line for each sound: window -> sound -> levels [bins, frames].

    Args:
        seconds: that a window lasts.
        between: levels that are drawn dark and bright.
    """
    names = list(dict.fromkeys(name for mels in strips.values() for name in mels))
    if len(names) < 2:
        return
    plt = report.pyplot()
    figure, axes = plt.subplots(
        len(names), len(strips), figsize=(4.2 * len(strips), 1.7 * len(names)), squeeze=False, sharex=True
    )
    for column, (title, mels) in enumerate(strips.items()):
        for line, name in enumerate(names):
            axis = axes[line][column]
            axis.set_yticks([])
            if name in mels:
                extent = (0, seconds, 0, len(mels[name]))
                axis.imshow(
                    mels[name], origin="lower", aspect="auto", vmin=between[0], vmax=between[1], extent=extent
                )
            if column == 0:
                axis.set_ylabel(name.replace(", ", ",\n"), fontsize=8)
        axes[0][column].set_title(title, fontsize=8)
        axes[-1][column].set_xlabel("s")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def write_sounds(window_id: str, sounds: Mapping[str, NDArray[np.float32]], out: Path) -> None:
    """`<window>_<method>.flac` for each."""
    import soundfile

    for name, sound in sounds.items():
        safe = re.sub(r"[^A-Za-z0-9._-]+", "_", f"{window_id}_{name}")
        soundfile.write(out / f"{safe}.flac", np.clip(sound, -1, 1), RATE)
