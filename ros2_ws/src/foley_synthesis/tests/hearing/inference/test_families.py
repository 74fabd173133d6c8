"""The tree of materials, its probabilities, and how deep an answer may go."""

import numpy as np
import pytest

from foley_synthesis.hearing.inference.families import MATERIALS, Hierarchy, material_of

TREE = Hierarchy.over(MATERIALS)


def spread(**shares: float) -> np.ndarray:
    return np.array([[shares.get(name, 0.0) for name in MATERIALS]])


def test_every_material_is_under_its_families() -> None:
    under = {node.name: set(node.materials) for node in TREE.nodes}
    assert under["hard and ringing"] == {"metal", "glass", "ceramic"}
    assert under["hard"] == {"metal", "glass", "ceramic", "stone"}
    assert under["rigid"] == under["hard"] | {"wood", "plastic", "cardboard"}
    assert under["soft or loose"] == {"rubber", "foam", "fabric", "leaves", "gravel", "paper"}
    assert TREE.nodes[0].materials == MATERIALS
    for node in TREE.nodes[1:]:
        assert set(node.materials) < set(TREE.nodes[node.parent].materials)


def test_a_family_is_as_likely_as_its_materials() -> None:
    p = spread(metal=0.3, glass=0.25, ceramic=0.25, stone=0.1, wood=0.1)
    families = TREE.families(p[0])
    assert families["hard and ringing"] == pytest.approx(0.8)
    assert families["rigid"] == pytest.approx(1.0)
    assert "metal" not in families and "anything" not in families


@pytest.mark.parametrize(
    ("confidence", "answer"),
    [
        (0.2, "glass"),
        (0.5, "hard and ringing: metal, glass or ceramic"),
        (0.85, "hard: metal, glass, ceramic or stone"),
        (0.95, "rigid: wood, metal, glass, ceramic, plastic, stone or cardboard"),
    ],
)
def test_the_answer_goes_as_deep_as_its_confidence(confidence: float, answer: str) -> None:
    p = spread(metal=0.32, glass=0.38, ceramic=0.1, stone=0.1, wood=0.1)
    assert str(TREE.nodes[TREE.deepest(p, confidence)[0]]) == answer


def test_nothing_known_is_anything() -> None:
    p = np.full((1, 13), 1 / 13)
    assert TREE.nodes[TREE.deepest(p, 0.9)[0]].name == "anything"


def test_the_smallest_family_around_a_set() -> None:
    sets = np.array(
        [[name in chosen for name in MATERIALS] for chosen in ({"metal", "ceramic"}, {"foam"}, set())]
    )
    assert [TREE.nodes[k].name for k in TREE.smallest(sets)] == ["hard and ringing", "foam", "anything"]


def test_a_smaller_vocabulary_has_no_family_of_one_and_none_twice() -> None:
    tree = Hierarchy.over(("wood", "metal", "stone", "glass", "cork"))
    # Rigid is all that the tree knows of it but cork, which hangs from the root.
    assert [node.name for node in tree.nodes[:4]] == ["anything", "rigid", "hard", "hard and ringing"]
    assert tree.nodes[tree.index("cork")].parent == 0
    assert len(tree.nodes) == 4 + 5
    assert [node.name for node in Hierarchy.over(("metal", "glass")).nodes] == ["anything", "metal", "glass"]


def test_labels_of_recordings() -> None:
    assert material_of("Cloth") == "fabric" and material_of("gravel") == "gravel"
    assert [material_of(word) for word in ("sand", "dirt", "snow", "grass", "water")] == [None] * 5
    with pytest.raises(ValueError, match="kryptonite"):
        material_of("kryptonite")
