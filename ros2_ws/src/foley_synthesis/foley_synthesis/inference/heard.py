"""From the sound of a contact to what the touched thing is made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.belief import MaterialBelief
from foley_synthesis.checkpoint import Checkpoint, Vocabulary


class HeardModel:
    """Material, hardness, roughness and hollowness from heard audio."""

    vocabulary: Vocabulary
    model_id: str
    domain: str  # `sim` or `real`

    def __init__(self, checkpoint: Checkpoint, *, threads: int = 1) -> None:
        raise NotImplementedError

    @classmethod
    def load(cls, path: str | Path | None = None, *, threads: int = 1) -> HeardModel:
        """From a checkpoint folder; None means the one that ships. Raises CorruptCheckpoint."""
        raise NotImplementedError

    def warm_up(self) -> None:
        """One throw-away prediction, so that the first real one is as fast as the rest."""
        raise NotImplementedError

    def predict(
        self,
        samples: NDArray[np.float32],  # [n] mono, in [-1, 1], holding one contact; 1 s around it is best
        sample_rate: int,
        *,
        onset_s: float | None = None,  # of the contact within `samples`; None: the clearest one is searched
    ) -> MaterialBelief:
        """Silence, clipping and doubt lead to `abstain` with a reason, never to an exception.

        Raises:
            ValueError: samples are not one-dimensional or not finite, or the rate is not positive.
        """
        raise NotImplementedError
