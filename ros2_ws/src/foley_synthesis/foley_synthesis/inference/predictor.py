"""From what is seen and how the robot will move (or moved) to the sound it makes, and what that says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.belief import MaterialBelief
from foley_synthesis.checkpoint import Checkpoint, Vocabulary


@dataclasses.dataclass(frozen=True)
class PredictionInput:
    """One contact on the clip's grid: it starts 0.25 s before the contact and lasts 1 s."""

    still: NDArray[np.uint8]  # [128, 128, 3], crop around the contact point before the tool came near
    frames: NDArray[np.uint8] | None  # [30, 128, 128, 3] at 30 Hz; None: planned mode
    action: NDArray[np.float32]  # [90, 8] at 90 Hz: planned where frames is None, else measured


@dataclasses.dataclass(frozen=True)
class Prediction:
    """One second of sound, and what it says about the material."""

    waveform: NDArray[np.float32]  # [48000] at 48 kHz
    onset_s: float  # offset of the contact in the waveform (0.25 nominal)
    features: NDArray[np.float32]  # [90, 10], PCA of the cochleagram, 90 Hz
    cochleagram: NDArray[np.float32]  # [90, 42]
    belief: MaterialBelief
    exemplar_id: str  # clip whose waveform was used; empty for parametric synthesis
    distance: float  # mean L1 between predicted features and the exemplar's; NaN for parametric synthesis
    mode: str = "planned"  # `planned` or `executed`


class Predictor:
    """Planned mode sees the still and the planned action; executed mode frames and the measured action too."""

    vocabulary: Vocabulary
    model_id: str
    domain: str  # `sim` or `real`

    def __init__(self, checkpoint: Checkpoint, *, threads: int = 1, synthesis: str = "example") -> None:
        raise NotImplementedError

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        *,
        threads: int = 1,
        synthesis: str = "example",  # or `parametric`
    ) -> Predictor:
        """From a checkpoint folder; None means the one that ships. Raises CorruptCheckpoint."""
        raise NotImplementedError

    def warm_up(self) -> None:
        """Both modes once, so that the first real prediction is as fast as the rest."""
        raise NotImplementedError

    def predict(self, contact: PredictionInput) -> Prediction:
        """Raises ValueError where a shape or type is wrong or the action is not finite."""
        raise NotImplementedError
