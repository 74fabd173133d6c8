"""What became of objects: evidence is retracted, moves, merges, splits and goes, and stays so after a restart."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.beliefs.evidence import Evidence, Kind
from foley_synthesis.beliefs.store import BeliefStore, Changed

LABELS = ("wood", "metal")
NOWHERE = (math.nan,) * 3


def piece(
    key: str,
    position: tuple[float, float, float] = (0.0, 0.0, 0.0),
    *,
    kind: Kind = "heard",
    time_ns: int = 1_000,
    p: float = 0.7,
) -> Evidence:
    return Evidence(kind, key, time_ns, MaterialBelief((p, 1 - p)), position=position)


@pytest.fixture
def store() -> BeliefStore:
    """A mug with two contacts and a look, a pan with one contact, and a place that nobody touched."""
    store = BeliefStore(LABELS)
    store.add("mug", piece("c1", (0.0, 0.0, 0.0), p=0.9))
    store.add("mug", piece("c2", (0.04, 0.0, 0.0), p=0.8))
    store.add("mug", piece("plan", (0.02, 0.0, 0.0), kind="seen", p=0.6))
    store.add("pan", piece("c3", (0.5, 0.0, 0.0), p=0.1))
    store.add("place_1", piece("look", (1.0, 0.0, 0.0), kind="seen", p=0.5))
    return store


def keys(store: BeliefStore, name: str) -> list[str]:
    return sorted(item.key for item in store.evidence(name))


def test_a_retracted_contact_is_as_if_it_had_not_been_heard(store: BeliefStore) -> None:
    alone = BeliefStore(LABELS)
    for item in store.evidence("mug"):
        if item.key != "c2":
            alone.add("mug", item)
    assert store.retract(["c2", "never"]) == Changed(("mug",), (), 1, 1)
    assert store.belief("mug") == alone.belief("mug")
    assert not store.retract(["c2"]), "the same write again changes nothing"
    store.add("mug", piece("c2", (0.04, 0.0, 0.0), p=0.8))
    assert keys(store, "mug") == ["c1", "plan"], "the same contact told again stays retracted"
    store.add("mug", piece("c2", time_ns=2_000))
    assert keys(store, "mug") == ["c1", "c2", "plan"], (
        "another one of that name, of a detector that counts anew"
    )


def test_whole_objects_and_untouched_places_are_retracted(store: BeliefStore) -> None:
    assert store.retract(["c3"]) == Changed((), ("pan",), 1, 1)
    assert store.retract(object_ids=["mug", "place_1"]) == Changed((), ("mug", "place_1"), 4, 4)
    assert store.objects == [] and store.belief("mug").belief.probabilities == ()


def test_beliefs_go_where_their_object_goes(store: BeliefStore) -> None:
    before = store.belief("mug")
    assert store.moved("mug", (2.0, 1.0, 0.5)) == Changed(("mug",), (), 3)
    after = store.belief("mug")
    assert after.position == pytest.approx((2.0, 1.0, 0.5))
    assert after.belief == before.belief
    assert [o.position[0] for o in store.evidence("mug") if o.kind == "heard"] == pytest.approx([1.98, 2.02])
    assert not store.moved("mug", (2.0, 1.0, 0.5)) and not store.moved("cup", (0.0, 0.0, 0.0))
    assert store.resolve("", (0.0, 0.0, 0.0)) != "mug", "what lies there now is another thing"
    assert store.resolve("", (2.0, 1.0, 0.5)) == "mug"


def test_an_object_that_nobody_located_lies_where_it_is_said_to(store: BeliefStore) -> None:
    store.add("cup", piece("c9", NOWHERE))
    assert store.moved("cup", (3.0, 0.0, 0.0)).holding == ("cup",)
    assert store.belief("cup").position == (3.0, 0.0, 0.0)
    assert store.moved("place_1", (4.0, 0.0, 0.0)).holding == ("place_1",)
    assert store.resolve("", (4.01, 0.0, 0.0)) == "place_1"


@pytest.mark.parametrize("change", ["moved", "gone"])
def test_what_was_seen_where_an_object_lay_is_left_to_nobody(store: BeliefStore, change: str) -> None:
    store.add("place_2", piece("seen there", (0.05, 0.0, 0.0), kind="seen"))
    if change == "moved":
        assert store.moved("mug", (2.0, 0.0, 0.0)).holding == ("mug",)
    else:
        assert store.gone("mug") == Changed((), ("mug", "place_2"), 4, 4)
    assert "place_2" not in store.objects
    found = store.resolve("", (0.05, 0.0, 0.0))
    assert found not in ("mug", "") and store.evidence(found) == []


def test_what_is_gone_leaves_nothing(store: BeliefStore) -> None:
    store.merged("mug", ["cup"])
    store.gone("mug")
    assert store.objects == ["pan", "place_1"] and not store.gone("mug")
    assert store.belief("mug").contacts_heard == 0
    assert store.resolve("cup", (0.0, 0.0, 0.0)) == "cup", "a name that stood for it is free again"


def test_merged_objects_have_one_belief_under_one_name(store: BeliefStore) -> None:
    assert store.merged("mug", ["pan", "place_1", "unknown"]) == Changed(("mug",), ("pan", "place_1"), 2)
    assert store.objects == ["mug"] and keys(store, "mug") == ["c1", "c2", "c3", "look"]
    assert store.resolve("pan", (0.5, 0.0, 0.0)) == store.resolve("pan", NOWHERE) == "mug"
    assert not store.merged("mug", ["pan"])
    store.merged("tray", ["mug"])
    assert store.resolve("pan", NOWHERE) == "tray", "names that stood for the mug do so for the tray"
    with pytest.raises(ValueError, match="need a name"):
        store.merged("", ["mug"])


def test_a_split_gives_each_contact_to_the_nearest(store: BeliefStore) -> None:
    store.add("mug", piece("nowhere", NOWHERE))
    changed = store.split("mug", ["cup", "spoon"], [(0.0, 0.0, 0.0), (0.05, 0.0, 0.0)])
    assert changed == Changed(("cup", "spoon"), ("mug",), 4, 1)
    assert keys(store, "cup") == ["c1", "plan"] and keys(store, "spoon") == ["c2"]
    assert store.resolve("mug", (0.045, 0.0, 0.0)) == "spoon", "the former name stands for the nearest"
    assert not store.split("mug", ["cup", "spoon"], [(0.0, 0.0, 0.0), (0.05, 0.0, 0.0)])


def test_one_part_of_a_split_may_keep_the_name(store: BeliefStore) -> None:
    store.add("mug", piece("nowhere", NOWHERE))
    store.split("mug", ["mug", "spoon"], [(0.0, 0.0, 0.0), (0.05, 0.0, 0.0)])
    assert keys(store, "mug") == ["c1", "nowhere", "plan"] and keys(store, "spoon") == ["c2"]
    assert store.resolve("mug", (0.05, 0.0, 0.0)) == "mug", "whoever owns the name says so"


@pytest.mark.parametrize(
    ("names", "positions"),
    [
        (["a"], [(0.0, 0.0, 0.0)]),
        (["a", "a"], [(0.0, 0.0, 0.0)] * 2),
        (["a", ""], [(0.0, 0.0, 0.0)] * 2),
        (["a", "b"], [(0.0, 0.0, 0.0)]),
        (["a", "b"], [(0.0, 0.0, 0.0), NOWHERE]),
    ],
)
def test_a_change_that_cannot_be_changes_nothing(
    store: BeliefStore, names: list[str], positions: list[tuple[float, float, float]]
) -> None:
    with pytest.raises(ValueError, match="position"):
        store.split("mug", names, positions)
    with pytest.raises(ValueError, match="position"):
        store.moved("mug", NOWHERE)
    assert store.objects == ["mug", "pan", "place_1"] and len(store.evidence("mug")) == 3


def test_changes_survive_a_restart(store: BeliefStore, tmp_path: Path) -> None:
    store.retract(["c2"])
    store.merged("mug", ["pan"])
    store.moved("mug", (2.0, 0.0, 0.0))
    store.add("mug", piece("picture", NOWHERE, kind="vision"))
    store.save(tmp_path / "beliefs.json", model_id="abc")
    again = BeliefStore(LABELS)
    again.restore(tmp_path / "beliefs.json", model_id="abc")
    assert {name: again.evidence(name) for name in again.objects if name != "mug"} == {
        name: store.evidence(name) for name in store.objects if name != "mug"
    }
    assert again.belief("mug") == store.belief("mug") and keys(again, "mug") == [
        "c1",
        "c3",
        "picture",
        "plan",
    ]
    assert again.resolve("pan", (0.5, 0.0, 0.0)) == "mug"
    again.add("mug", piece("c2", p=0.8))
    assert "c2" not in keys(again, "mug")


def test_old_evidence_weighs_less_and_is_dropped_in_the_end() -> None:
    hour_ns = 3_600 * 10**9
    store = BeliefStore(LABELS, forget_after_s=3_600.0)
    store.add("mug", piece("c1", time_ns=1, p=0.8))
    odds = []
    for hours in (0, 1, 2, 6):
        p = store.belief("mug", now_ns=hours * hour_ns + 1).belief.probabilities
        odds.append(math.log(p[0] / p[1]) if p else None)
    assert odds == [
        pytest.approx(math.log(4)),
        pytest.approx(math.log(4) / 2),
        pytest.approx(math.log(4) / 4),
        None,
    ]
    assert store.belief("mug", now_ns=6 * hour_ns).contacts_heard == 0
    store.add("pan", piece("c2", time_ns=hour_ns + 1))
    p = store.belief("mug").belief.probabilities
    assert math.log(p[0] / p[1]) == pytest.approx(math.log(4) / 2), (
        "as of the newest that is known of anything"
    )
    assert BeliefStore(LABELS).belief("mug", now_ns=10**18).newest_ns == 0
