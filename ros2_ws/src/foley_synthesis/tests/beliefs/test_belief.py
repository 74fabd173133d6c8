"""Beliefs."""

import json
import math

import numpy as np
import pytest

from foley_synthesis.beliefs.belief import MaterialBelief, entropy_of, unknown_belief


def test_unknown_is_uniform_and_abstains() -> None:
    belief = unknown_belief(("wood", "metal"), "silence")
    assert belief.abstain and belief.reason == "silence"
    assert belief.entropy == pytest.approx(math.log(2))
    document = json.loads(json.dumps(belief.to_dict(), allow_nan=False))
    assert document["log10_youngs_modulus"]["mean"] is None
    assert document["probabilities"] == {"wood": 0.5, "metal": 0.5}


def test_refuses_what_is_no_distribution() -> None:
    with pytest.raises(ValueError, match="sum to"):
        MaterialBelief(np.array([0.5, 0.2], np.float32), ("a", "b"), 10, 1, 0, 0, 0, False)
    with pytest.raises(ValueError, match="vocabulary has 1"):
        MaterialBelief(np.array([0.5, 0.5], np.float32), ("a",), 10, 1, 0, 0, 0, False)


def test_entropy() -> None:
    assert entropy_of(np.array([1.0, 0.0])) == 0.0
    assert entropy_of(np.array([0.25] * 4)) == pytest.approx(math.log(4))
