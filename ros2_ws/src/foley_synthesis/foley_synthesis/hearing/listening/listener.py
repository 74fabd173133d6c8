"""Whatever hears: what is asked of a model, and how its answer is said."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.checkpoint import Vocabulary
from foley_synthesis.hearing.inference.families import Hierarchy, said

SHOWN = 3  # materials that are named of a distribution


class Heard(Protocol):
    """What a model says of one contact beside its material."""

    @property
    def belief(self) -> MaterialBelief: ...
    @property
    def families(self) -> Mapping[str, float]: ...
    @property
    def material_set(self) -> tuple[str, ...]: ...  # holds the material in a share `coverage` of contacts
    @property
    def coverage(self) -> float: ...
    @property
    def action(self) -> Mapping[str, float]: ...
    def to_dict(self) -> dict[str, Any]: ...


class Listener(Protocol):
    """A model that says what a heard thing is made of."""

    vocabulary: Vocabulary
    model_id: str
    domain: str

    def predict(
        self, samples: NDArray[np.float32], sample_rate: int, *, onset_s: float | None = None
    ) -> MaterialBelief: ...


@runtime_checkable
class Hearer(Protocol):
    """A model that says more than the material, and says it before all has been heard."""

    def hear(
        self,
        samples: NDArray[np.float32],
        sample_rate: int,
        *,
        onset_s: float | None = None,
        heard_s: float = math.inf,
    ) -> Heard: ...


def perceive(
    model: Listener, samples: NDArray[np.float32], rate: int, onset_s: float, heard_s: float = math.inf
) -> tuple[MaterialBelief, Heard | None]:
    """The belief about the contact that begins at `onset_s` of samples [n], and whatever else the model says."""
    if isinstance(model, Hearer):
        heard = model.hear(samples, rate, onset_s=onset_s, heard_s=heard_s)
        return heard.belief, heard
    return model.predict(samples, rate, onset_s=onset_s), None


def likeliest(belief: MaterialBelief, count: int = SHOWN) -> str:
    """`wood 0.61, plastic 0.20`; empty where nothing is known."""
    if is_unknown(belief):
        return ""
    order = sorted(zip(belief.probabilities, belief.vocabulary, strict=True), reverse=True)[:count]
    return ", ".join(f"{name} {p:.2f}" for p, name in order)


def is_unknown(belief: MaterialBelief) -> bool:
    """Whether every material is as likely as any other: nothing was heard."""
    p = belief.probabilities
    return not p or max(p) - min(p) < 1e-6


def set_said(heard: Heard) -> str:
    """`hard and ringing: metal, glass or ceramic`: by the name of its family where it is a whole family."""
    tree = Hierarchy.over(heard.belief.vocabulary)
    inside = np.array([name in heard.material_set for name in tree.vocabulary])
    node = tree.nodes[int(tree.smallest(inside[None])[0])]
    if inside.all():
        return "anything"
    whole = len(node.materials) == inside.sum() > 1 and node.depth > 0
    return f"{node.name}: {said(heard.material_set)}" if whole else said(heard.material_set)


def best_of(shares: Mapping[str, float]) -> tuple[str, float]:
    """The most probable name; an empty one where there is none."""
    return max(shares.items(), key=lambda item: item[1], default=("", math.nan))
