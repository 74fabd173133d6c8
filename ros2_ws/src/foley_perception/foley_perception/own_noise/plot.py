"""A picture of learnt own noise: each joint's noise over its speed, measured beside foretold, and the error by band."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.own_noise.bands import decibels
from foley_perception.own_noise.learn import Learnt
from foley_perception.own_noise.sweep import Sweep

_STEPS = 24  # of speed, from 0 to the fastest
_MOST_JOINTS = 7


def draw(learnt: Learnt, sweep: Sweep, path: Path) -> None:
    """Write the picture.

    Raises:
        ValueError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ValueError("the picture needs matplotlib: pip install matplotlib") from error
    model = learnt.model
    sweep = sweep.of_joints(model.joints)
    moved = range(len(model.joints))[:_MOST_JOINTS]
    figure = Figure(figsize=(2.3 * max(len(moved), 2) + 1.5, 7.5), layout="constrained")
    grid = figure.add_gridspec(3, max(len(moved), 2))
    foretold = decibels(model.expect(sweep.speeds).density)
    measured = decibels(sweep.power)
    low, high = np.percentile(measured, [5, 99])
    kilohertz = model.edges_hz / 1000
    image = None
    for column, j in enumerate(moved):
        speeds = np.linspace(0.0, model.knots[j, -1], _STEPS + 1)
        for row, (levels, name) in enumerate(((measured, "measured"), (foretold, "foretold"))):
            axes = figure.add_subplot(grid[row, column])
            image = axes.pcolormesh(
                speeds,
                kilohertz,
                _by_speed(levels, sweep.speeds, j, speeds).T,
                vmin=low,
                vmax=high,
                rasterized=True,
            )
            axes.set_yscale("log")
            axes.set_title(f"{model.joints[j]}\n{name}" if row == 0 else name, fontsize=7)
            axes.tick_params(labelsize=6)
            if row == 1:
                axes.set_xlabel("speed [1/s]", fontsize=6)
            if column == 0:
                axes.set_ylabel("kHz", fontsize=7)
            else:
                axes.set_yticklabels([])
    if image is not None:
        figure.colorbar(image, ax=figure.axes, label="dB of full scale, per Hz", shrink=0.8)
    _errors(figure.add_subplot(grid[2, :]), learnt)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(str(path), dpi=110)


def _by_speed(
    levels: NDArray[np.float64], speeds: NDArray[np.float64], joint: int, edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean level [steps, bands] of the windows in which this joint is the one that moves most, by its speed."""
    own = np.abs(speeds[:, joint])
    alone = own >= np.abs(speeds).max(axis=1)
    index = np.digitize(own, edges) - 1
    rows = np.full((_STEPS, levels.shape[1]), np.nan)
    for step in range(_STEPS):
        chosen = alone & (index == step)
        if chosen.any():
            rows[step] = levels[chosen].mean(axis=0)
    return rows


def _errors(axes: Any, learnt: Learnt) -> None:
    centres = 0.5 * (learnt.model.edges_hz[:-1] + learnt.model.edges_hz[1:])
    axes.semilogx(centres, learnt.floor_error_db, label="stationary floor", color="tab:grey")
    axes.semilogx(centres, learnt.error_db, label="by joint speeds", color="tab:blue")
    axes.set_xlabel("Hz")
    axes.set_ylabel("rms error, held out [dB]", fontsize=7)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
