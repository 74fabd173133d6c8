"""Whether a predicate truly holds: its own expression, on what a thing is made of instead of what is believed."""

from __future__ import annotations

from collections.abc import Sequence

from foley_synthesis.beliefs.expressions import Facts
from foley_synthesis.beliefs.predicates import PredicateSpec

_SURE = 1e-6  # spread of what is known exactly


def truly(
    spec: PredicateSpec,
    labels: Sequence[str],
    *,
    material: str,
    log10_youngs_modulus: float,
    roughness: float,
    hollowness: float,
) -> bool:
    """Of one thing. Raises ValueError where such a truth says nothing of the predicate."""
    numbers = {
        "log10_youngs_modulus_pa_mean": log10_youngs_modulus,
        "log10_youngs_modulus_pa_std": _SURE,
        "roughness": roughness,
        "hollowness": hollowness,
        "entropy_nat": 0.0,
        "abstain": 0.0,
    }
    probability = spec.expression(Facts(numbers, {label: float(label == material) for label in labels}))
    if not 0.0 <= probability <= 1.0:
        raise ValueError(
            f"predicate `{spec.name}` is not one of what a thing is made of: choose another, such as is_hard"
        )
    return probability >= 0.5
