"""The measured likeness of contacts with one object, and what was expected against what was found."""

from __future__ import annotations

import numpy as np
import pytest

from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fusion import FusionConfig
from foley_synthesis.evaluation.contacts.bank import measured_bank, measured_likeness
from foley_synthesis.evaluation.contacts.check import expected_and_found
from foley_synthesis.evaluation.fusion.objects import TouchedObject

LABELS = ("metal", "wood")


def objects(own: float, contacts: int = 4, count: int = 300) -> list[TouchedObject]:
    """Whose log odds vary by 1, the share ``own`` of it by object alone; a metal's are 1 more, a wood's 1 less."""
    rng = np.random.default_rng(0)
    found = []
    for k in range(count):
        label = k % 2
        thing = rng.normal(0.0, own**0.5) + (1.0 if label == 0 else -1.0)
        heard = []
        for c in range(contacts):
            p = 1.0 / (1.0 + np.exp(-(thing + rng.normal(0.0, (1.0 - own) ** 0.5))))
            place = (0.1 * c, 0.0, 0.0)
            told = MaterialBelief((float(p), float(1 - p)))
            heard.append(Evidence("heard", f"{k}-{c}", c + 1, told, "tap", position=place))
        found.append(TouchedObject(f"scene{k // 5}", f"o{k}", label, tuple(heard), (None,) * contacts))
    return found


@pytest.mark.parametrize("own", [0.0, 0.5, 0.9])
def test_likeness_is_the_correlation_within_an_object(own: float) -> None:
    likeness = measured_likeness(objects(own))
    assert likeness.apart == pytest.approx(own, abs=0.08)
    assert likeness.at_place == likeness.apart  # nothing was touched twice at one place


def test_what_is_expected_is_found() -> None:
    things = objects(0.5)
    bank = measured_bank(things[:150], LABELS, "model", {"datasets": ["x"]})
    assert bank.measured_on == {"datasets": ["x"], "scenes": 30, "objects": 150, "contacts": 600}
    config = FusionConfig(heard_correlation=0.5)
    figures = expected_and_found(things[150:], bank, config, replicates=50, seed=0)
    assert set(figures) == {"0", "1", "2", "3"}
    first = figures["0"]
    assert first["found"]["low"] - 0.03 < first["expected"] < first["found"]["high"] + 0.03
    assert first["expected"] > figures["1"]["expected"] > figures["3"]["expected"] >= 0.0
