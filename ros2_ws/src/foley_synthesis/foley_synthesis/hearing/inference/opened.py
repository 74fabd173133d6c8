"""Whatever hears materials, by its name: a hearing model, or the heard part of a checkpoint that also predicts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from foley_synthesis import checkpoint
from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.checkpoint import CONFIG_FILE, Checkpoint, CorruptCheckpoint, Vocabulary
from foley_synthesis.hearing.inference.among import AmongMaterials

if TYPE_CHECKING:
    from foley_synthesis.hearing.inference.hearing_model import HearingModel

HEARD_PART = "checkpoint"  # in the place of a hearing model: the heard part of the checkpoint that sees
DEFAULT_HEARING = "hearing"  # where nobody says: the one that ships
_SCHEMAS = ("foley-hearing-1", "foley-hearing-adaptation-1")


class HearsMaterial(Protocol):
    """A model of hearing, of any kind."""

    vocabulary: Vocabulary
    model_id: str
    domain: str  # that it was trained on: `sim` or `real`

    def warm_up(self) -> None:
        """One throw-away prediction, so that the first real one is as fast as the rest."""

    def predict(
        self, samples: NDArray[np.float32], sample_rate: int, *, onset_s: float | None = None
    ) -> MaterialBelief:
        """Of one contact. Raises ValueError for what is no sound."""
        ...


def open_heard(path: str | Path | None = None, *, threads: int = 1) -> HearsMaterial:
    """By a folder, or a name that ships; None: the default.

    Raises:
        CorruptCheckpoint: a file is missing or damaged, or there is neither a hearing model nor a heard part.
    """
    from foley_synthesis.hearing.inference.heard_model import HeardModel

    if path is None:
        path = DEFAULT_HEARING
    folder = checkpoint.located(path)
    if checkpoint.schema_of(folder) in _SCHEMAS:
        return _hearing_model(folder, threads)
    return HeardModel.load(folder, threads=threads)


def hearing_beside(sight: Checkpoint, name: str = "", *, threads: int = 1) -> HearsMaterial:
    """What hears beside a checkpoint that sees, and in its words.

    Args:
        name: of a hearing model, or its folder; `checkpoint`: the heard part of ``sight``; empty: the default.

    Raises:
        CorruptCheckpoint: it is missing or damaged, or does not know all materials of ``sight``.
    """
    from foley_synthesis.hearing.inference.heard_model import HeardModel

    name = name or DEFAULT_HEARING
    if name == HEARD_PART:
        return HeardModel(sight, threads=threads)
    model = _hearing_model(checkpoint.located(name), threads)
    if model.vocabulary.labels == sight.vocabulary.labels:
        return model
    unknown = [label for label in sight.vocabulary.labels if label not in model.vocabulary.labels]
    if unknown:
        raise CorruptCheckpoint(
            checkpoint.located(name) / CONFIG_FILE,
            f"a hearing model that does not know {', '.join(unknown)}, of which {sight.path} speaks",
            f"name another one, or `{HEARD_PART}` for the heard part of that checkpoint",
        )
    return AmongMaterials(model, sight.vocabulary)


def _hearing_model(folder: Path, threads: int) -> HearingModel:
    from foley_synthesis.hearing.inference.hearing_model import HearingModel

    return HearingModel.load(folder, threads=threads)
