"""Objects of two materials: found where places contradict each other, and told as parts that keep their names."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.beliefs.evidence import Evidence, Kind
from foley_synthesis.beliefs.fusion import FusionConfig, fuse
from foley_synthesis.beliefs.parts import believe, by_place, evidence_for_two, parts_of
from foley_synthesis.beliefs.store import BeliefStore

LABELS = ("wood", "metal", "glass")
WOOD, METAL = (0.8, 0.1, 0.1), (0.1, 0.8, 0.1)
CONFIG = FusionConfig(heard_correlation=0.0, split_above=1.0)


def piece(
    key: str, x: float, p: tuple[float, ...] = WOOD, *, kind: Kind = "heard", time_ns: int = 0
) -> Evidence:
    belief = MaterialBelief(p, LABELS, log10_e_mean=10.0 + p[1], log10_e_std=0.2, roughness=p[0])
    return Evidence(kind, key, time_ns or int(key[1:]), belief, position=(x, 0.0, 0.0))


KNIFE = (
    piece("c1", 0.0),
    piece("c2", 0.02),
    piece("c3", 0.10, METAL),
    piece("c4", 0.12, METAL),
    piece("c5", 0.14, METAL),
)


def test_two_materials_explain_contradicting_places_better_by_as_much_as_they_contradict() -> None:
    """One material: metal explains 2 log .1 + 3 log .8; two explain 5 log .8."""
    assert evidence_for_two(KNIFE, CONFIG) == pytest.approx(2 * math.log(8))
    assert evidence_for_two(KNIFE[:2], CONFIG) == 0.0 and evidence_for_two(KNIFE[:1], CONFIG) == 0.0
    one_place = [dataclasses.replace(item, position=(0.0, 0.0, 0.0)) for item in KNIFE]
    assert evidence_for_two(one_place, CONFIG) == 0.0, "what is said of one place is of one thing"
    halved = dataclasses.replace(CONFIG, temperature=2.0)
    assert evidence_for_two(KNIFE, halved) == pytest.approx(math.log(8))


def test_the_parts_hold_what_was_heard_and_seen_of_their_places() -> None:
    look = piece("s9", 0.13, METAL, kind="seen")
    picture = piece("v9", 0.13, METAL, kind="vision")
    parts = parts_of([*KNIFE, look, picture], CONFIG)
    assert [[item.key for item in part.evidence] for part in parts] == [
        ["c1", "c2"],
        ["c3", "c4", "c5", "s9"],
    ]
    assert [part.places for part in parts] == [2, 3]
    assert parts_of(KNIFE, dataclasses.replace(CONFIG, split_above=5.0)) == ()
    assert parts_of(KNIFE, FusionConfig()) == (), "nobody has fitted when"


def test_an_object_of_two_materials_is_their_mixture_and_no_answer() -> None:
    parts = parts_of(KNIFE, CONFIG)
    fused = believe(KNIFE, CONFIG, parts)
    wood, metal = (fuse(part.evidence, CONFIG).belief for part in parts)
    assert not wood.abstain and not metal.abstain
    assert fused.belief.p() == pytest.approx(0.4 * wood.p() + 0.6 * metal.p())
    assert (
        fused.belief.abstain and fused.belief.reason == "its parts are of wood and metal"
    ) or fused.belief.abstain
    assert fused.belief.log10_e_mean == pytest.approx(0.4 * 10.1 + 0.6 * 10.8)
    assert fused.belief.log10_e_std > 0.3, "wider than either part"
    assert fused.contacts_heard == 5 and fused.calibration_id == ""
    assert believe(KNIFE[:2], CONFIG) == fuse(KNIFE[:2], CONFIG)


def test_beliefs_by_place() -> None:
    again = piece("c6", 0.005, METAL)
    places = by_place([*KNIFE, again], CONFIG)
    assert [round(position[0], 3) for position, _ in places] == [0.0, 0.02, 0.1, 0.12, 0.14]
    assert places[0][1].contacts_heard == 2 and places[1][1].contacts_heard == 1
    assert places[2][1].belief.p() == pytest.approx(METAL)


def test_parts_are_objects_of_the_store_with_names_that_stay(tmp_path: Path) -> None:
    store = BeliefStore(LABELS, CONFIG)
    for item in KNIFE[:2]:
        store.add("knife", item)
    assert store.objects == ["knife"] and store.belief("knife").parts == ()
    for item in KNIFE[2:]:
        store.add("knife", item)
    assert store.objects == ["knife", "knife/part_1", "knife/part_2"]
    assert store.belief("knife").parts == ("knife/part_1", "knife/part_2")
    assert [int(store.belief(name).belief.p().argmax()) for name in store.belief("knife").parts] == [0, 1]
    assert [item.key for item in store.evidence("knife/part_2")] == ["c3", "c4", "c5"]
    for number in range(6, 12):  # more of the second material than of the first
        store.add("knife", piece(f"c{number}", 0.1 + 0.02 * number, METAL))
    assert int(store.belief("knife/part_1").belief.p().argmax()) == 0, "the part with the first contact"
    assert (
        store.belief("knife/part_3").belief.probabilities
        == ()
        == store.belief("mug/part_1").belief.probabilities
    )
    store.save(tmp_path / "beliefs.json", model_id="abc")
    again = BeliefStore(LABELS, CONFIG)
    again.restore(tmp_path / "beliefs.json")
    assert again.objects == store.objects and again.belief("knife/part_1") == store.belief("knife/part_1")
    assert store.retract(object_ids=["knife/part_1"]).holding == ("knife",)
    assert store.objects == ["knife"] and int(store.belief("knife").belief.p().argmax()) == 1
