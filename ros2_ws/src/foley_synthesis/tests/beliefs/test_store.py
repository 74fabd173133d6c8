"""Which object a contact belongs to, and beliefs that survive a restart."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest

from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.beliefs.evidence import Evidence, EvidenceError
from foley_synthesis.beliefs.store import BeliefStore
from foley_synthesis.beliefs.store_file import StateError

LABELS = ("wood", "metal")
EARLIER = Path(__file__).parent / "beliefs_of_an_earlier_version.json"


def piece(key: str, x: float = 0.0, kind: str = "heard", time_ns: int = 1_000, p: float = 0.7) -> Evidence:
    return Evidence(
        kind=kind,  # type: ignore[arg-type]
        key=key,
        time_ns=time_ns,
        belief=MaterialBelief((p, 1 - p), log10_e_mean=10.0, log10_e_std=0.3),
        position=(x, 0.0, 0.0),
    )


@pytest.fixture
def store() -> BeliefStore:
    return BeliefStore(LABELS, same_object_radius_m=0.08)


def test_contacts_near_each_other_are_one_object(store: BeliefStore) -> None:
    first = store.resolve("", (0.0, 0.0, 0.0))
    store.add(first, piece("a", 0.0))
    assert store.resolve("", (0.07, 0.0, 0.0)) == first
    second = store.resolve("", (0.3, 0.0, 0.0))
    assert second not in ("", first)


@pytest.mark.parametrize(
    ("object_id", "position", "create", "expected"),
    [
        ("mug", (math.nan,) * 3, True, "mug"),
        ("", (math.nan,) * 3, True, ""),
        ("", (5.0, 0.0, 0.0), False, ""),
    ],
)
def testresolve(
    store: BeliefStore, object_id: str, position: tuple[float, ...], create: bool, expected: str
) -> None:
    assert store.resolve(object_id, position, create=create) == expected


def test_a_place_gets_the_name_of_its_contact(store: BeliefStore) -> None:
    place = store.resolve("", (0.0, 0.0, 0.0))
    assert place == "place_1"
    store.add(place, piece("plan", kind="seen"))
    assert store.resolve("object_1", (0.01, 0.0, 0.0)) == "object_1"
    store.add("object_1", piece("c", 0.01))
    store.add("place_9", piece("far", 0.5, kind="seen"))
    store.name_places("object_1", (0.01, 0.0, 0.0))
    assert store.objects == ["object_1", "place_9"]
    assert {item.key for item in store.evidence("object_1")} == {"plan", "c"}


def test_numbers_that_count_anew_do_not_mix_objects(store: BeliefStore) -> None:
    store.add(store.resolve("object_1", (0.0, 0.0, 0.0)), piece("a", 0.0))
    store.add(store.resolve("object_2", (0.4, 0.0, 0.0)), piece("b", 0.4))
    # The contact detector has restarted and met the second object first.
    assert store.resolve("object_1", (0.4, 0.01, 0.0)) == "object_2"
    assert store.resolve("object_2", (0.9, 0.0, 0.0)) == "place_1"
    # A name that means something is taken as it is, wherever it is.
    store.add("mug", piece("c", 0.8))
    assert store.resolve("mug", (0.0, 0.0, 0.0)) == "mug"


def test_names_that_are_never_given_twice_are_believed_wherever_they_are(store: BeliefStore) -> None:
    first, second = "object_7f3a2c_1", "object_09bc11_1"
    store.add(store.resolve(first, (0.0, 0.0, 0.0)), piece("a", 0.0))
    assert store.resolve(first, (0.9, 0.0, 0.0)) == first, "its owner says so"
    assert store.resolve(second, (0.0, 0.0, 0.0)) == second, "what is known of one is not said of the other"
    assert store.renamed(second, (0.01, 0.0, 0.0)) == first, "and a word is said of it"
    assert store.renamed(second, (0.5, 0.0, 0.0)) == store.renamed("mug", (0.0, 0.0, 0.0)) == ""
    assert store.renamed("object_7f3a2c_2", (0.01, 0.0, 0.0)) == "", (
        "the same detector tells two things apart"
    )
    store.add(second, piece("b", 0.0))
    assert store.renamed(second, (0.0, 0.0, 0.0)) == "", "once"


def test_levels_are_different_objects(store: BeliefStore) -> None:
    store.add("box", piece("a", 0.0))
    assert store.resolve("", (0.0, 0.0, 0.05)) != "box"
    assert store.resolve("", (0.0, 0.0, 0.01)) == "box"


def test_same_contact_replaces_itself(store: BeliefStore) -> None:
    store.add("mug", piece("a", p=0.6))
    store.add("mug", piece("a", p=0.9))
    assert store.belief("mug").contacts_heard == 1
    assert store.belief("mug").belief.probabilities[0] == pytest.approx(0.9)


def test_what_was_seen_stays_when_it_is_touched(store: BeliefStore) -> None:
    store.add("mug", piece("plan_1", kind="seen", time_ns=10**9))
    for i in range(3):
        store.add("mug", piece(f"c{i}", time_ns=10**9 + i))
    assert [item.kind for item in store.evidence("mug")] == ["seen", "heard", "heard", "heard"]


def test_the_newest_look_wins(store: BeliefStore) -> None:
    store.add("mug", piece("plan_1", kind="seen", time_ns=1, p=0.2))
    store.add("mug", piece("plan_2", kind="seen", time_ns=2, p=0.9))
    store.add("mug", piece("late", kind="seen", time_ns=1, p=0.3))
    assert [item.key for item in store.evidence("mug")] == ["plan_2"]
    doubtful = dataclasses.replace(
        piece("plan_3", kind="seen", time_ns=3), belief=MaterialBelief((0.5, 0.5), abstain=True)
    )
    store.add("mug", doubtful)
    assert [item.key for item in store.evidence("mug")] == ["plan_2"]
    store.add("pan", doubtful)
    assert [item.key for item in store.evidence("pan")] == ["plan_3"]


@pytest.mark.parametrize(
    ("x", "time_ns", "found"),
    [(0.05, 5 * 10**9, True), (0.1, 5 * 10**9, False), (0.1, 10**9 + 10**8, True), (0.2, 10**9, False)],
)
def test_a_place_is_named_by_what_touches_it_about_when_it_was_meant_to(
    store: BeliefStore, x: float, time_ns: int, found: bool
) -> None:
    store.add("place_1", piece("plan", kind="seen", time_ns=10**9))
    store.add("mug", piece("c", x, time_ns=time_ns))
    store.name_places("mug", (x, 0.0, 0.0), time_ns=time_ns, within_s=0.25, within_m=0.15)
    assert store.objects == (["mug"] if found else ["mug", "place_1"])
    assert store.belief("mug").contacts_predicted == int(found)


def test_merged_objects_keep_the_newest_look(store: BeliefStore) -> None:
    store.add("mug", piece("older", kind="seen", time_ns=1))
    store.add("place_1", piece("newer", kind="seen", time_ns=2))
    store.name_places("mug", (0.0, 0.0, 0.0))
    assert [item.key for item in store.evidence("mug")] == ["newer"]
    store.add("place_2", piece("oldest", kind="seen", time_ns=0))
    store.name_places("mug", (0.0, 0.0, 0.0))
    assert (store.objects, [item.key for item in store.evidence("mug")]) == (["mug"], ["newer"])


def test_bounds(store: BeliefStore) -> None:
    small = BeliefStore(LABELS, max_evidence=3, max_objects=2)
    for i in range(10):
        small.add("mug", piece(f"c{i}", time_ns=i))
    assert [item.key for item in small.evidence("mug")] == ["c7", "c8", "c9"]
    small.add("cup", piece("x", time_ns=100))
    small.add("pan", piece("y", time_ns=200))
    assert small.objects == ["cup", "pan"]


@pytest.mark.parametrize(("object_id", "item"), [("", piece("a")), ("mug", None)])
def test_bad_additions(store: BeliefStore, object_id: str, item: Evidence | None) -> None:
    wrong = item or Evidence("heard", "k", 1, MaterialBelief((0.2, 0.3, 0.5)))
    with pytest.raises(EvidenceError):
        store.add(object_id, wrong)


def test_restored_beliefs_are_the_same(store: BeliefStore, tmp_path: Path) -> None:
    file = tmp_path / "deep" / "beliefs.json"
    for i in range(3):
        store.add(store.resolve("", (0.0, 0.0, 0.0)), piece(f"c{i}", time_ns=i))
    store.add("mug", piece("plan", kind="seen"))
    store.save(file, model_id="abc")
    other = BeliefStore(LABELS)
    assert other.restore(file) == 2
    assert other.objects == store.objects
    assert all(other.belief(name) == store.belief(name) for name in store.objects)
    # A new object does not take a name that is in use.
    assert other.resolve("", (1.0, 0.0, 0.0)) not in store.objects
    assert sorted(p.name for p in file.parent.iterdir()) == ["beliefs.json"]


def test_a_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    store = BeliefStore(LABELS)
    assert store.restore(EARLIER) == 2
    fused = store.belief("mug")
    assert fused.belief.probabilities == pytest.approx((0.25, 0.75)) and not fused.belief.abstain
    assert (fused.belief.log10_e_mean, fused.belief.roughness) == pytest.approx((10.5, 0.2))
    assert math.isnan(fused.belief.hollowness) and fused.belief.calibrated_for == "sim, 1 contact"
    assert (fused.contacts_heard, fused.contacts_predicted) == (1, 1)
    assert fused.position == (0.1, 0.2, 0.05)
    (tap, look) = store.evidence("mug")
    assert (tap.action, tap.confidence, tap.key, look.kind) == ("tap", 0.9, "c1", "seen")
    store.save(tmp_path / "again.json", model_id="abc")
    again = BeliefStore(LABELS)
    assert again.restore(tmp_path / "again.json") == 2
    assert again.belief("mug").belief.probabilities == fused.belief.probabilities


def test_what_another_model_heard_abstains_and_what_was_seen_does_not(tmp_path: Path) -> None:
    store = BeliefStore(LABELS)
    store.add("mug", piece("c1", p=0.9))
    store.add("mug", piece("plan", kind="seen", p=0.2))
    store.save(tmp_path / "beliefs.json", model_id="abc")
    for model_id, expected in (("abc", 0.18 / 0.26), ("other", 0.2)):
        again = BeliefStore(LABELS)
        again.restore(tmp_path / "beliefs.json", model_id=model_id)
        fused = again.belief("mug")
        assert fused.belief.probabilities[0] == pytest.approx(expected) and fused.contacts_heard == 1


def test_of_several_predictions_in_an_earlier_file_the_newest_is_kept(tmp_path: Path) -> None:
    data = json.loads(EARLIER.read_text())
    look = {**data["objects"]["mug"][1], "abstain": False}
    data["objects"]["mug"] += [
        {**look, "key": f"p{i}", "time_ns": 10**18 + i, "probabilities": [1 - p, p]}
        for i, p in enumerate((0.9, 0.1))
    ]
    (tmp_path / "earlier.json").write_text(json.dumps(data))
    store = BeliefStore(LABELS)
    store.restore(tmp_path / "earlier.json")
    assert [item.key for item in store.evidence("mug")] == ["c1", "p1"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "not a state file"),
        ("{", "not a state file"),
        ("[]", "not a state file"),
        ('{"schema": 99}', "schema is 99"),
        ('{"schema": 1, "vocabulary": ["tin"], "objects": {}, "named": 0}', "labels"),
        ('{"schema": 1, "vocabulary": ["wood", "metal"], "named": 0, "objects": {"a": [{}]}}', "not a state"),
        ('{"schema": 1, "vocabulary": ["wood", "metal"], "named": 0, "objects": 7}', "not a state file"),
        ('{"schema": 1, "vocabulary": ["wood", "metal"], "named": 0, "objects": {"a": [{"kind": "heard", '
         '"key": "k", "time_ns": 1, "probabilities": [1.0]}]}}', "fit"),
    ],
)  # fmt: skip
def test_damaged_state_is_refused_whole(store: BeliefStore, tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "beliefs.json"
    file.write_text(content)
    store.add("mug", piece("a"))
    with pytest.raises(StateError, match=said):
        store.restore(file)
    assert store.objects == ["mug"]


def test_truncated_state_is_refused(store: BeliefStore, tmp_path: Path) -> None:
    file = tmp_path / "beliefs.json"
    store.add("mug", piece("a"))
    store.save(file, model_id="abc")
    text = file.read_text()
    json.loads(text)
    file.write_text(text[: len(text) // 2])
    with pytest.raises(StateError):
        BeliefStore(LABELS).restore(file)


def test_failed_save_keeps_the_old_file(store: BeliefStore, tmp_path: Path) -> None:
    file = tmp_path / "beliefs.json"
    store.save(file, model_id="abc")
    before = file.read_text()
    blocked = tmp_path / "beliefs.json" / "below_a_file.json"
    with pytest.raises(OSError):
        store.save(blocked, model_id="abc")
    assert file.read_text() == before
