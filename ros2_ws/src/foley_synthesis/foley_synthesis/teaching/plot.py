"""A picture of what was taught: contacts by how the others judge them, and where the classes differ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from foley_synthesis.teaching.embedding import POOLED_BANDS, POOLED_UNTIL_S
from foley_synthesis.teaching.example import TeachingError
from foley_synthesis.teaching.taught import TaughtPredicate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TRUE, _FALSE = "#4477aa", "#cc6677"
_RANGE_DB = 70.0  # that a pooled level of 1 stands for


def draw(taught: TaughtPredicate, path: Path) -> None:
    """PNG.

    Raises:
        TeachingError: there is too little to judge.
        OSError: it cannot be written.
    """
    from matplotlib.figure import Figure

    if taught.judged is None:
        raise TeachingError(f"`{taught.name}` cannot be drawn: {taught.verdict}")
    figure = Figure(figsize=(11.0, 4.2), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2)
    _contacts(left, taught)
    _difference(right, taught)
    figure.suptitle(f"{taught.name}: {'enough' if taught.enough else 'not enough'}")
    figure.savefig(path, format="png")


def _contacts(axes: Axes, taught: TaughtPredicate) -> None:
    judged = taught.judged
    assert judged is not None
    for row, (label, colour) in enumerate(((False, _FALSE), (True, _TRUE))):
        p = judged.p[judged.labels == label]
        offsets = np.linspace(-0.25, 0.25, len(p)) if len(p) > 1 else np.zeros(1)
        axes.scatter(np.sort(p), row + offsets, color=colour, s=28)
    for at in (taught.thresholds.false_below, taught.thresholds.true_above):
        axes.axvline(at, color="#888888", ls="--", lw=1.0)
    axes.set(xlim=(0.0, 1.0), ylim=(-0.6, 1.6), yticks=(0, 1), yticklabels=("FALSE", "TRUE"))
    axes.set(xlabel=f"P(TRUE), its {judged.by} left out", ylabel="label")
    axes.set_title(f"balanced accuracy {judged.accuracy:.2f}, at least {judged.bound:.2f}", fontsize=10)


def _difference(axes: Axes, taught: TaughtPredicate) -> None:
    size = taught.examples[0].embedding.sizes[-1]
    levels = np.stack([example.embedding.values[-size:] for example in taught.examples])
    labels = np.array([example.label for example in taught.examples], bool)
    apart = _RANGE_DB * (levels[labels].mean(axis=0) - levels[~labels].mean(axis=0)).reshape(-1, POOLED_BANDS)
    most = max(float(np.abs(apart).max()), 1.0)
    mesh = axes.pcolormesh(
        np.array(POOLED_UNTIL_S), np.arange(POOLED_BANDS + 1), apart.T, cmap="RdBu", vmin=-most, vmax=most
    )
    axes.set(xlabel="after the onset [s]", ylabel="band, low to high (mel)")
    axes.set_title("level against its peak: TRUE less FALSE [dB]", fontsize=10)
    axes.figure.colorbar(mesh, ax=axes)
