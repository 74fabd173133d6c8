"""Teaching while contacts are made, with a model whose features are what a test makes of a sound."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from foley_perception.contact_event import Contact
from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.beliefs.expressions import Expression
from foley_synthesis.beliefs.hysteresis import Truth
from foley_synthesis.beliefs.predicates import PredicateSpec
from foley_synthesis.hearing.inference.hearing import HeardFeatures, Hearing
from foley_synthesis.live import teaching
from foley_synthesis.live.contact_queue import HeardSound
from foley_synthesis.live.material_core import MaterialCore
from foley_synthesis.live.teaching import LiveTeaching, UnknownContact
from foley_synthesis.teaching.example import TeachingError
from foley_synthesis.teaching.library import TaughtLibrary

LABELS = ("wood", "metal")
RATE = 24_000
S = 1_000_000_000
T0 = 1_763_000_000 * S


class Model:
    """The first sample after the onset says whether a lid is tight; the rest of a sound is noise."""

    def predict(
        self, samples: np.ndarray, sample_rate: int, *, onset_s: float | None = None
    ) -> MaterialBelief:
        return self.hear(samples, sample_rate, onset_s=onset_s).belief

    def hear(
        self,
        samples: np.ndarray,
        sample_rate: int,
        *,
        onset_s: float | None = None,
        heard_s: float = math.inf,
    ) -> Hearing:
        own = samples[6000:6064].astype(np.float32)
        level = np.linspace(0.0, -40.0, 130, dtype=np.float32)[:, None] + np.zeros((130, 64), np.float32)
        unsure = MaterialBelief((0.5, 0.5), LABELS, abstain=True, reason="it is a test")
        return Hearing(
            unsure, {}, LABELS, 1.0, {}, (math.nan, math.nan), 1.0, 0.0, own, np.zeros(2, np.float32), 0.65, 8e3,
            HeardFeatures(own, np.zeros(0, np.float32), level),
        )  # fmt: skip


class World:
    """A core that believes, and what is taught beside it."""

    def __init__(self, folder: Path) -> None:
        other = PredicateSpec("was_hit", Expression("contacts_heard / 10", LABELS), when_abstaining=True)
        self.core = MaterialCore(Model(), LABELS, [other])
        self.teaching = LiveTeaching(TaughtLibrary(folder, "m"), LABELS, self.core.predicate_names)
        self.core.known.taught_of = self.teaching.said_of
        self.apply()
        self.count = 0

    def apply(self) -> None:
        self.core.known.calibrations |= self.teaching.calibrations()
        self.core.put_predicates(self.teaching.specs())

    def touch(self, tight: bool, object_id: str = "jar", known: float = 1.0, strange: bool = False) -> str:
        self.count += 1
        rng = np.random.default_rng(self.count)
        samples = 0.02 * rng.standard_normal(RATE).astype(np.float32)
        samples[6000] = 0.5 if tight else -0.5
        if strange:
            samples[6010:6020] = 1.0
        contact = Contact(
            T0 + self.count * S, f"c{self.count}", object_id, (0.1, 0.0, 0.0), 1, confidence=1.0
        )
        sound = HeardSound(contact, samples, 0.25, RATE, known)
        self.teaching.remember(sound, self.core.hear(sound))
        return contact.contact_id

    def label(self, *tight: bool) -> None:
        for state in tight:
            self.teaching.label("lid_is_tight", self.touch(state), state, "")
        self.apply()

    def value(self, object_id: str = "jar") -> object:
        values = self.core.predicates(T0 + (self.count + 1) * S)
        return next(v for v in values if v.name == "lid_is_tight" and v.arguments == (object_id,))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_predicate_is_unknown_until_it_was_taught_enough(world: World) -> None:
    world.label(True, False, True, False, True, False)
    assert math.isnan(world.value().probability) and world.value().state == Truth.UNKNOWN
    world.label(True, False)
    world.touch(True)
    world.touch(True)
    value = world.value()
    assert value.state == Truth.TRUE and value.probability > 0.8
    assert (value.evidence, value.calibration_id) == (
        "taught",
        world.teaching.library["lid_is_tight"].calibration_id,
    )
    assert value.newest_evidence_ns == T0 + world.count * S
    spec = next(spec for spec in world.core.specs if spec.taught)
    assert (spec.name, spec.text) == ("lid_is_tight", "taught with 4 positives and 4 negatives")


def test_what_changed_is_believed_after_two_touches(world: World) -> None:
    world.label(*[True, False] * 4)
    for _ in range(4):
        world.touch(True)
    assert world.value().state == Truth.TRUE
    world.touch(False)
    world.touch(False)
    assert world.value().state == Truth.FALSE


def test_each_object_has_its_own_state_and_a_strange_contact_tells_nothing(world: World) -> None:
    world.label(*[True, False] * 4)
    world.touch(True, "tin")
    world.touch(True, "tin")
    at_ns = T0 + world.count * S
    world.touch(True, "stone", strange=True)
    world.touch(True, "tin", strange=True)
    assert world.value("tin").state == Truth.TRUE and world.value("tin").newest_evidence_ns == at_ns
    assert math.isnan(world.value("stone").probability) and world.value("stone").state == Truth.UNKNOWN


def test_a_contact_that_is_retracted_or_merged_is_so_for_what_was_taught(world: World) -> None:
    world.label(*[True, False] * 4)
    world.touch(False, "tin")
    named = [world.touch(True, "can") for _ in range(2)]
    assert world.value("can").state == Truth.TRUE
    world.core.write("", "merge", lambda store, known: {"x": len(store.merged("tin", ["can"]).holding)})
    assert world.value("tin").state == Truth.TRUE  # its newest two
    world.core.write("", "retract", lambda store, known: {"x": store.retract(named, []).pieces})
    assert world.value("tin").state == Truth.FALSE


def test_the_newest_contact_is_meant_where_none_is_named_and_labels_are_taken_back(world: World) -> None:
    first, second = world.touch(True), world.touch(False)
    assert world.teaching.label("lid_is_tight", "", False, "w")[1] == second
    taught, _ = world.teaching.label("lid_is_tight", first, True, "w2")
    assert (taught.positives, taught.negatives) == (1, 1) and taught.examples[0].write_id == "w"
    taught, _ = world.teaching.label("lid_is_tight", first, None, "w3")
    assert (taught.positives, taught.negatives) == (0, 1)
    with pytest.raises(UnknownContact, match="has no label"):
        world.teaching.label("lid_is_tight", first, None, "w4")


def test_contacts_that_nobody_remembers_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownContact, match="nobody has touched anything yet"):
        world.teaching.label("lid_is_tight", "", True, "")
    monkeypatch.setattr(teaching, "MOST", 3)
    names = [world.touch(True) for _ in range(4)]
    deaf = world.touch(True, known=0.5)  # half of its sound was lost
    for name in (names[0], "nonsense"):
        with pytest.raises(UnknownContact, match="is not among the newest 3"):
            world.teaching.label("lid_is_tight", name, True, "")
    for name in (deaf, ""):  # that last contact, and no earlier one in its place
        with pytest.raises(UnknownContact, match=f"`{deaf}`, the newest, was not received whole: touch once"):
            world.teaching.label("lid_is_tight", name, True, "")
    assert world.teaching.label("lid_is_tight", names[3], True, "")[1] == names[3]
    with pytest.raises(TeachingError, match="one of predicates_file"):
        world.teaching.label("was_hit", names[3], True, "")


def test_what_is_said_of_objects_outlives_a_restart(world: World, tmp_path: Path) -> None:
    world.label(*[True, False] * 4)
    world.touch(True)
    world.touch(True)
    path = tmp_path / "contacts.safetensors"
    world.teaching.save(path, "m")
    world.core.save(tmp_path / "beliefs.json", model_id="h")
    after = World(tmp_path)
    assert after.teaching.restore(path, "m") == ""
    after.core.restore(tmp_path / "beliefs.json", model_id="h")
    after.count = world.count
    assert after.value().state == Truth.TRUE
    assert after.value().probability == pytest.approx(world.value().probability, abs=0.01)
    other = World(tmp_path)
    assert other.teaching.restore(path, "another model") == "" and other.teaching.said_of([]) == ({}, 0)
    path.write_bytes(b"nonsense")
    assert "not restored" in other.teaching.restore(path, "m")


def test_a_name_that_a_file_has_is_told(world: World, tmp_path: Path) -> None:
    examples = [dataclasses.replace(e, contact_id=f"x{k}") for k, e in enumerate(_some(world))]
    TaughtLibrary(tmp_path, "m").add("was_hit", examples)
    world.teaching.library.reload()
    assert "one of predicates_file" in world.teaching.problems()[0]
    assert [spec.name for spec in world.teaching.specs()] == ["lid_is_tight"]


def _some(world: World) -> list:
    world.label(True, False)
    return list(world.teaching.library["lid_is_tight"].examples)
