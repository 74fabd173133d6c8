"""The condition of a batch."""

from __future__ import annotations

from torch import Tensor

from foley_synthesis.flow.networks.vector_field import VectorField
from foley_synthesis.flow.windows import LATENT_FRAMES, Batch


def condition_of(field: VectorField, part: Batch, without: str) -> Tensor:
    """The condition of a batch [b, 250, condition], with one of both left out in an ablation."""
    return field.condition(
        None if without == "vision" else part.vision,
        None if without == "action" else part.action,
        LATENT_FRAMES,
    )
