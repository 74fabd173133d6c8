"""Whether contacts tell as much as was expected of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from foley_synthesis.beliefs.contact_bank import ContactBank
from foley_synthesis.beliefs.fusion import FusionConfig, fuse
from foley_synthesis.beliefs.information import material_gain
from foley_synthesis.beliefs.outcomes import possible_outcomes
from foley_synthesis.evaluation.fusion.objects import TouchedObject
from foley_synthesis.metrics.bootstrap import hierarchical_weights, interval
from foley_synthesis.metrics.statistics import mean

DRAWS = 4  # orders of the contacts with each object
MOST_BEFORE = 8


def expected_and_found(
    objects: Sequence[TouchedObject], bank: ContactBank, config: FusionConfig, *, replicates: int, seed: int
) -> dict[str, dict[str, Any]]:
    """Contacts heard before -> mean information [nat] that the next one was expected to tell, and told.

    What it told is the growth of the log probability of the true material. Intervals are over scenes, then objects.
    """
    rng = np.random.default_rng(seed)
    rows: dict[int, list[tuple[str, str, float, float]]] = {}
    for thing in objects:
        for _ in range(DRAWS):
            order = rng.permutation(len(thing.heard)).tolist()
            for before in range(min(len(order), MOST_BEFORE + 1)):
                known = [thing.heard[i] for i in order[:before]]
                item = thing.heard[order[before]]
                outcomes = possible_outcomes(known, item.action, item.position, bank, config)
                growth = 0.0
                if item.belief.fit:
                    after = fuse([*known, item], config).belief.probabilities[thing.label]
                    growth = math.log(max(after, 1e-12)) - math.log(
                        max(float(outcomes.now[thing.label]), 1e-12)
                    )
                rows.setdefault(before, []).append(
                    (thing.scene, thing.object_id, material_gain(outcomes), growth)
                )
    figures = {}
    for before, found in sorted(rows.items()):
        expected, told = np.array([row[2:] for row in found]).T
        weights = hierarchical_weights([r[0] for r in found], [r[1] for r in found], replicates, seed)
        figures[str(before)] = {
            "contacts": len(found),
            "expected": round(float(expected.mean()), 5),
            "found": interval(lambda w, told=told: mean(told, w), weights).to_dict(),  # type: ignore[misc]
        }
    return figures
