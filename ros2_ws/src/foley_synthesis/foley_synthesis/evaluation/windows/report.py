"""The table of scored windows, and a picture and sounds of some of them."""

from __future__ import annotations

import re
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
    import soundfile

    plt = report.pyplot()

    transform = LogMel()
    names = list(dict.fromkeys(name for sounds in shown.values() for name in sounds))
    if not names:
        return
    figure, axes = plt.subplots(
        len(names) + 1,
        len(shown),
        figsize=(4.2 * len(shown), 1.7 * (len(names) + 1)),
        squeeze=False,
        sharex=True,
    )
    seconds = items.mel.shape[2] * HOP / RATE
    for column, (row, sounds) in enumerate(shown.items()):
        window = items.windows[row]
        mels = {REAL: items.mel[row]}
        mels |= {name: transform(torch.from_numpy(sound)) for name, sound in sounds.items()}
        for line, name in enumerate([REAL, *names]):
            axis = axes[line][column]
            axis.imshow(
                mels[name].numpy(),
                origin="lower",
                aspect="auto",
                vmin=-1,
                vmax=1,
                extent=(0, seconds, 0, len(mels[name])),
            )
            axis.set_yticks([])
            if column == 0:
                axis.set_ylabel(name.replace(", ", ",\n"), fontsize=8)
            if line == 0:
                axis.set_title(window.window_id, fontsize=8)
        axes[-1][column].set_xlabel("s")
        for name, sound in sounds.items():
            safe = re.sub(r"[^A-Za-z0-9._-]+", "_", f"{window.window_id}_{name}")
            soundfile.write(out / f"{safe}.flac", np.clip(sound, -1, 1), RATE)
    figure.tight_layout()
    figure.savefig(out / "windows.png", dpi=110)
    plt.close(figure)
