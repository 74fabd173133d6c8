import numpy as np
import pytest

from foley_synthesis.beliefs.belief import MaterialBelief, unknown_belief
from foley_synthesis.hearing.inference.families import MATERIALS
from foley_synthesis.hearing.listening.listener import is_unknown, likeliest, set_said

from .made import StagedHeard


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("metal", "ceramic", "glass"), "hard and ringing: metal, ceramic or glass"),
        (("glass", "ceramic"), "glassy: glass or ceramic"),
        (("metal", "glass"), "metal or glass"),
        (("wood",), "wood"),
        (("rubber", "stone"), "rubber or stone"),
        (MATERIALS, "anything"),
    ],
)
def test_a_set_is_said_by_the_name_of_its_family(names: tuple[str, ...], text: str) -> None:
    p = np.full(len(MATERIALS), 1 / len(MATERIALS))
    assert set_said(StagedHeard(MaterialBelief(tuple(p), MATERIALS), names, 0.5)) == text


def test_the_likeliest_materials_and_none_where_nothing_is_known() -> None:
    belief = MaterialBelief((0.1, 0.7, 0.2), ("wood", "metal", "glass"))
    assert likeliest(belief, 2) == "metal 0.70, glass 0.20" and not is_unknown(belief)
    unknown = unknown_belief(("wood", "metal"), "silence")
    assert is_unknown(unknown) and likeliest(unknown) == ""
