"""How a flow is best sampled: guidance, steps and the rest, by the foreground energy score on windows of validation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from foley_synthesis.flow.contact.model import ContactFlowModel
from foley_synthesis.flow.contact.sampling import ContactSampling
from foley_synthesis.flow.networks.mel import decibels
from foley_synthesis.flow.session_features import log_mel
from foley_synthesis.flow.window_model import EvaluationWindow
from foley_synthesis.metrics.foreground import above_floor, energy_score


@dataclasses.dataclass(frozen=True)
class Tuned:
    """What one way to sample gave."""

    sampling: ContactSampling
    energy_score: float  # [dB] of pairs; lower is better
    foreground_db: float  # of one draw


def tune(
    model: ContactFlowModel,
    windows: Sequence[EvaluationWindow],
    ways: Sequence[ContactSampling],
    *,
    draws: int = 4,
    seed: int = 0,
    step: Callable[[], None] = lambda: None,
) -> tuple[Tuned, ...]:
    """Each way to sample, best first. All of them begin with the same noise.

    Args:
        step: called after each window of each way.
    """
    truths = [_above(window.sound()[None])[0] for window in windows]
    results = []
    for way in ways:
        made = dataclasses.replace(model, sampling=way).draw(windows, draws, seed, step)
        scores = [energy_score(_above(one), truth) for one, truth in zip(made, truths, strict=True)]
        results.append(
            Tuned(
                way,
                float(np.mean([score.pairs for score in scores])),
                float(np.mean([score.error for score in scores])),
            )
        )
    return tuple(sorted(results, key=lambda tuned: tuned.energy_score))


def _above(sounds: NDArray[np.float32]) -> NDArray[np.float32]:
    """[m, bins, frames] of sounds [m, n]."""
    with torch.no_grad():
        return above_floor(decibels(log_mel()(torch.from_numpy(sounds))).numpy())
