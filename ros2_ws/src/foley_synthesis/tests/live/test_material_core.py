"""Contacts, sound and predictions to beliefs, with a model that hears what the test tells it to."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from foley_perception.audio.resample import resampled
from foley_perception.audio.ring import AudioRing
from foley_perception.contact_event import Contact
from foley_synthesis.beliefs import predicates_file
from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.hysteresis import Truth
from foley_synthesis.live.contact import ExpectedSound
from foley_synthesis.live.contact_queue import ContactQueue, HeardSound
from foley_synthesis.live.material_core import MaterialCore
from foley_synthesis.metrics import surprise
from foley_synthesis.metrics.surprise_ranks import CalibratedRule, SurpriseTest
from foley_synthesis.metrics.surprise_scores import SITUATIONS, Rule

LABELS = ("wood", "metal")
RATE = 48_000
S = 1_000_000_000
T0 = 1_763_000_000 * S


def belief(p_metal: float, *, abstain: bool = False) -> MaterialBelief:
    return MaterialBelief(
        probabilities=(1 - p_metal, p_metal),
        vocabulary=LABELS,
        log10_e_mean=10.0 + p_metal,
        log10_e_std=0.3,
        roughness=0.2,
        hollowness=0.1,
        abstain=abstain,
        calibrated_for="sim, 1 contact",
    )


class Model:
    """Hears metal in loud sounds and wood in soft ones."""

    def predict(
        self, samples: np.ndarray, sample_rate: int, *, onset_s: float | None = None
    ) -> MaterialBelief:
        assert onset_s == 0.25 and sample_rate == RATE
        return belief(0.9 if np.abs(samples).max() > 0.5 else 0.1)


def ping(amplitude: float = 0.8, pitch_hz: float = 2000.0) -> np.ndarray:
    """0.9 s with the contact at 0.25 s."""
    t = np.arange(round(0.9 * RATE)) / RATE - 0.25
    rng = np.random.default_rng(0)
    tone = np.where(t >= 0, np.sin(2 * np.pi * pitch_hz * t) * np.exp(-20 * np.maximum(t, 0)), 0)
    return (amplitude * tone + 1e-4 * rng.standard_normal(t.size)).astype(np.float32)


def contact(name: str = "c1", time_ns: int = T0, x: float = 0.0, **more: object) -> Contact:
    fields = {"position": (x, 0.0, 0.0), "action": 1, "confidence": 1.0, **more}
    return Contact(time_ns, name, **fields)  # type: ignore[arg-type]


def heard(event: Contact, samples: np.ndarray | None = None, known: float = 1.0) -> HeardSound:
    return HeardSound(event, ping() if samples is None else samples, 0.25, RATE, known)


@pytest.fixture
def core() -> MaterialCore:
    specs = predicates_file.load(predicates_file.default_path(), LABELS)
    calibration = surprise.Calibration({RATE: np.linspace(0.1, 0.4, 99), 16_000: np.linspace(0.1, 0.4, 19)})
    return MaterialCore(Model(), LABELS, specs, calibration=calibration)


# ---- waiting for sound -------------------------------------------------------------------------------------
def filled_ring(start_ns: int, seconds: float, skip: slice | None = None) -> AudioRing:
    ring = AudioRing(RATE, 10.0)
    chunks = range(round(seconds * 100))
    for i in chunks:
        if skip is None or i not in range(*skip.indices(len(chunks))):
            ring.append(
                np.full(480, 0.1, np.float32), first_sample=480 * i, time_ns=start_ns + i * 10_000_000
            )
    return ring


def test_contact_waits_for_its_sound() -> None:
    ring = filled_ring(T0, 0.60)
    queue = ContactQueue(ring, before_s=0.25, after_s=0.5)
    assert queue.add(contact(time_ns=T0 + S // 4))
    assert not queue.add(contact(time_ns=T0 + S // 4)), "the same event again"
    now = T0 + round(0.65 * S)
    assert queue.ready(now) == [] and len(queue) == 1
    for i in range(60, 80):
        ring.append(np.full(480, 0.1, np.float32), first_sample=480 * i, time_ns=T0 + i * 10_000_000)
    (sound,) = queue.ready(now)
    assert sound.complete and len(sound.samples) == round(0.75 * RATE) and sound.onset_s == 0.25
    np.testing.assert_allclose(sound.samples, 0.1)
    assert queue.ready(now) == []


@pytest.mark.parametrize("silent", [True, False])
def test_overdue_contact_is_handed_on_incomplete(silent: bool) -> None:
    ring = AudioRing(RATE, 10.0) if silent else filled_ring(T0, 0.4)
    queue = ContactQueue(ring, after_s=0.65, patience_s=1.0)
    queue.add(contact(time_ns=T0 + S // 4))
    assert queue.ready(T0 + S // 4 + round(1.6 * S)) == []
    (sound,) = queue.ready(T0 + S // 4 + round(1.7 * S))
    assert not sound.complete
    assert sound.known == pytest.approx(0.0 if silent else 0.4 / 0.9, abs=0.02)


# ---- beliefs -----------------------------------------------------------------------------------------------
def states(core: MaterialCore, name: str, now_ns: int) -> dict[str, Truth]:
    return {v.name: v.state for v in core.predicates(now_ns) if v.arguments == (name,)}


def test_heard_contact_becomes_belief_and_predicates(core: MaterialCore) -> None:
    outcome = core.hear(heard(contact(object_id="mug")))
    assert outcome.fused.belief.probabilities[1] == pytest.approx(0.9)
    assert outcome.fused.contacts_heard == 1 and outcome.fused.newest_ns == T0
    said = states(core, "mug", T0 + S)
    assert said["is_made_of_metal"] == Truth.TRUE and said["is_made_of_wood"] == Truth.FALSE
    assert said["is_hard"] == Truth.TRUE and said["was_hit"] == Truth.TRUE
    assert said["was_scratched"] == Truth.FALSE and said["sounds_as_expected"] == Truth.UNKNOWN


def test_contacts_are_assigned_by_place(core: MaterialCore) -> None:
    for i, x in enumerate((0.0, 0.05, 0.4)):
        core.hear(heard(contact(f"c{i}", T0 + i * S, x)))
    assert len(core.objects) == 2
    assert [core.belief(name).contacts_heard for name in core.objects] == [2, 1]


def test_contact_without_place_or_object_is_not_fused(core: MaterialCore) -> None:
    outcome = core.hear(heard(Contact("c", T0)))
    assert outcome.contact.object_id == "" and outcome.fused.contacts_heard == 0
    assert core.objects == [] and core.predicates(T0) == []


def test_missing_sound_makes_the_contact_abstain(core: MaterialCore) -> None:
    outcome = core.hear(heard(contact(object_id="mug"), known=0.5))
    assert outcome.belief.abstain and outcome.fused.belief.abstain
    said = states(core, "mug", T0 + S)
    assert said["is_made_of_metal"] == Truth.UNKNOWN and said["was_hit"] == Truth.TRUE


def sight(key: str, time_ns: int, p_metal: float = 0.1, x: float = 0.0, *, abstain: bool = False) -> Evidence:
    return Evidence("seen", key, time_ns, belief(p_metal, abstain=abstain), position=(x, 0.0, 0.0))


def test_what_was_seen_counts_beside_what_is_heard(core: MaterialCore) -> None:
    named = core.see(sight("plan", T0), "")
    assert named is not None
    name, fused = named
    assert (fused.contacts_heard, fused.contacts_predicted) == (0, 1)
    assert fused.belief.probabilities[1] == pytest.approx(0.1)
    outcome = core.hear(heard(contact(time_ns=T0 + S // 10, plan_id="plan")))
    assert outcome.contact.object_id == name
    assert (outcome.fused.contacts_heard, outcome.fused.contacts_predicted) == (1, 1)
    assert outcome.fused.belief.probabilities[1] == pytest.approx(0.5)  # wood by sight, metal by sound
    # A look that comes late still counts, and is the newest.
    late = core.see(sight("plan_2", T0 + S // 10, 0.8), "")
    assert late is not None and late[0] == name and late[1].contacts_predicted == 1
    assert late[1].belief.probabilities[1] == pytest.approx(0.72 / 0.74)


def test_a_picture_from_before_the_object_went_is_not_of_what_lies_there_now(core: MaterialCore) -> None:
    def gone(store, known):  # type: ignore[no-untyped-def]
        store.gone("mug")
        known.gone("mug", T0 + S)
        return {}

    core.see(sight("plan", T0), "mug")
    core.write("", "gone", gone)
    assert core.see(sight("plan_2", T0 + S // 2), "mug") is not None and core.objects == []
    core.see(sight("plan_3", T0 + 2 * S), "mug")
    assert core.objects == ["mug"]


def test_sight_of_a_place_goes_to_the_object_that_its_contact_names(core: MaterialCore) -> None:
    core.see(sight("plan", T0, x=0.1), "")
    outcome = core.hear(heard(contact(time_ns=T0 + S // 10, object_id="mug")))
    assert core.objects == ["mug"] and outcome.fused.contacts_predicted == 1


def test_missing_and_unsure_sight_are_told_and_change_nothing(core: MaterialCore) -> None:
    alone = core.hear(heard(contact(object_id="mug"))).fused
    assert list(core.sight().values()) == [0, 0, 1, 0]
    unsure = core.see(sight("plan", T0, 0.0, abstain=True), "mug")
    assert unsure is not None and unsure[1].belief == alone.belief
    assert list(core.sight().values()) == [0, 1, 0, 0]
    core.see(sight("plan_2", T0 + S), "mug")
    assert list(core.sight().values()) == [1, 0, 0, 0]
    nowhere = Evidence("seen", "plan_3", T0, belief(0.5))
    assert core.see(nowhere, "") is None


def test_sight_leaves_the_surprise_as_it_is(core: MaterialCore) -> None:
    expect(core, expected(ping()))
    core.see(sight("plan", T0), "")
    surprised = core.hear(heard(contact(plan_id="plan"))).surprise
    assert surprised is not None and surprised.plan_id == "plan" and not surprised.surprised


# ---- surprise ----------------------------------------------------------------------------------------------
def expect(core: MaterialCore, sound: ExpectedSound) -> None:
    core.expectations.expect(sound, sound.contact_ns - S)


def expected(samples: np.ndarray, time_ns: int = T0, plan_id: str = "plan", x: float = 0.0) -> ExpectedSound:
    return ExpectedSound(time_ns, samples, 0.25, RATE, plan_id, "", (x, 0.0, 0.0))


def test_the_predicted_sound_is_no_surprise(core: MaterialCore) -> None:
    expect(core, expected(ping()))
    outcome = core.hear(heard(contact(object_id="mug")))
    assert outcome.surprise is not None
    assert outcome.surprise.distance == pytest.approx(0.0, abs=1e-6)
    assert outcome.surprise.percentile == 0.0 and not outcome.surprise.surprised
    assert outcome.surprise.plan_id == "plan" and outcome.surprise.contact.object_id == "mug"
    assert states(core, "mug", T0 + S)["sounds_as_expected"] == Truth.TRUE


def test_another_sound_is(core: MaterialCore) -> None:
    expect(core, expected(ping(pitch_hz=300.0)))
    outcome = core.hear(heard(contact(object_id="mug")))
    assert outcome.surprise is not None and outcome.surprise.surprised
    assert outcome.surprise.percentile == pytest.approx(0.99)
    assert states(core, "mug", T0 + S)["sounds_as_expected"] == Truth.FALSE
    # The next contact was not predicted: nothing is known of it.
    core.hear(heard(contact("c2", T0 + 5 * S, object_id="mug")))
    assert states(core, "mug", T0 + 6 * S)["sounds_as_expected"] == Truth.UNKNOWN


@pytest.mark.parametrize(
    ("sound", "matches"),
    [
        (expected(ping(), T0 + round(0.24 * S)), True),
        (expected(ping(), T0 - round(0.26 * S)), False),
        (expected(ping(), x=0.2), False),
        (ExpectedSound(T0, ping(), 0.25, RATE), True),
        (ExpectedSound(T0, ping()[::3], 0.25, RATE // 3), True),
        (ExpectedSound(T0, ping()[:20_000], 0.25, RATE), None),
    ],
)
def test_matching(core: MaterialCore, sound: ExpectedSound, matches: bool | None) -> None:
    expect(core, sound)
    surprised = core.hear(heard(contact())).surprise
    if matches is None:  # matched, but too short to compare
        assert surprised is not None and math.isnan(surprised.distance) and not surprised.surprised
    else:
        assert (surprised is not None) == matches


def test_a_newer_prediction_of_the_plan_replaces_the_older(core: MaterialCore) -> None:
    expect(core, expected(ping(pitch_hz=300.0)))
    expect(core, expected(ping(), T0 + S // 20))
    outcome = core.hear(heard(contact()))
    assert outcome.surprise is not None and outcome.surprise.distance < 1e-6


def test_a_prediction_of_a_lower_rate_is_ranked_among_those_of_that_rate(core: MaterialCore) -> None:
    expect(core, ExpectedSound(T0, resampled(ping(), RATE, 16_000), 0.25, 16_000))
    same = core.hear(heard(contact())).surprise
    expect(core, ExpectedSound(T0 + S, resampled(ping(pitch_hz=300.0), RATE, 16_000), 0.25, 16_000))
    other = core.hear(heard(contact("c2", T0 + S))).surprise
    assert same is not None and other is not None and same.distance < 0.1 * other.distance
    assert other.distance_name == "cochleagram_l2_16000"
    assert same.percentile == 0.0 and other.percentile == pytest.approx(0.95), "of 19, not of 99"
    assert core.unranked == ""
    expect(core, ExpectedSound(T0 + 2 * S, resampled(ping(), RATE, 22_050), 0.25, 22_050))
    unranked = core.hear(heard(contact("c3", T0 + 2 * S))).surprise
    assert unranked is not None and math.isnan(unranked.percentile) and not unranked.surprised
    assert "22050 Hz, at which the checkpoint has no calibration" in core.unranked


@pytest.mark.parametrize(
    ("distance", "calibration", "expected_rank"),
    [(1.0, [], math.nan), (math.nan, [1.0], math.nan), (0.0, [1, 2, 3], 0.0), (9.0, [1, 2, 3], 0.75),
     (2.0, [1, 2, 3], 0.25)],
)  # fmt: skip
def test_conformal_percentile(distance: float, calibration: list[float], expected_rank: float) -> None:
    assert surprise.conformal_percentile(distance, calibration) == pytest.approx(expected_rank, nan_ok=True)


def test_false_alarms_at_the_nominal_rate() -> None:
    rng = np.random.default_rng(0)
    draws = rng.gamma(2.0, size=(2000, 100))
    alarms = [surprise.conformal_percentile(float(d[0]), d[1:]) > 0.95 for d in draws]
    assert np.mean(alarms) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


@pytest.mark.parametrize(
    ("metrics", "size"),
    [
        ({}, 0),
        ({"surprise_calibration": {"distance_name": "other", "distances": [1.0]}}, 0),
        ({"surprise_calibration": {"distance_name": "cochleagram_l2", "distances": [1.0, 2.0]}}, 2),
        ({"surprise_calibration": {"distance_name": "cochleagram_l2", "distances": [[1.0]]}}, 0),
        ({"surprise_calibration": 3}, 0),
    ],
)
def test_calibration_of(metrics: dict[str, object], size: int) -> None:
    assert surprise.calibration_of(metrics).of(48_000).size == size


def test_a_rate_that_was_calibrated_has_a_rank_and_others_say_why_not() -> None:
    entry = {
        "distance_name": "cochleagram_l2",
        "distances": [1.0, 2.0],
        "lower_rates": {"16000": [3.0, math.nan]},
    }
    found = surprise.calibration_of({"surprise_calibration": entry})
    assert found.of(96_000).tolist() == [1.0, 2.0] and found.of(16_000).tolist() == [3.0]
    assert found.rates == [16_000, 48_000] and found.why_not(16_000) == found.why_not(48_000) == ""
    assert "compared at 11025 Hz" in found.why_not(11_025) and "16000, 48000 Hz" in found.why_not(11_025)
    assert "no calibration" in surprise.Calibration().why_not(48_000)


# ---- surprise, as it was fitted ------------------------------------------------------------------------------
def fitted(*situations: str) -> MaterialCore:
    rules = {}
    for name in situations:
        features = SITUATIONS[name].features
        ones, zeros = (1.0,) * len(features), (0.0,) * len(features)
        scores = np.linspace(0.0, 1.0, 99)
        rules[name] = CalibratedRule(Rule(features, ones, zeros, ones), {"tap": scores})
    specs = predicates_file.load(predicates_file.default_path(), LABELS)
    return MaterialCore(Model(), LABELS, specs, surprise_test=SurpriseTest(rules, sight_model="eye"))


def test_a_contact_that_contradicts_what_was_seen_is_surprising() -> None:
    for p_metal, surprising in ((0.99, False), (0.01, True)):
        core = fitted("belief")
        core.see(sight("plan", T0, p_metal), "")
        expect(core, expected(ping()))
        told = core.hear(heard(contact(object_id="mug", plan_id="plan"))).surprise
        assert told is not None and told.distance_name == "belief"
        held = core.belief("mug")
        assert held.contacts_predicted == 1 and told.surprised == surprising
        assert told.distance == pytest.approx(-math.log(0.9 * p_metal + 0.1 * (1 - p_metal)), abs=0.05)
        assert states(core, "mug", T0 + S)["sounds_as_expected"] == (
            Truth.FALSE if surprising else Truth.TRUE
        )


def test_a_thing_that_no_longer_sounds_as_it_did_is_surprising_without_a_plan() -> None:
    core = fitted("unplanned")
    assert core.hear(heard(contact(object_id="mug"))).surprise is None, "nothing was known of it"
    same = core.hear(heard(contact("c2", T0 + S, object_id="mug"))).surprise
    other = core.hear(heard(contact("c3", T0 + 2 * S, object_id="mug"), ping(pitch_hz=300.0))).surprise
    elsewhere = core.hear(
        heard(contact("c4", T0 + 3 * S, 0.5, object_id="jar"), ping(pitch_hz=300.0))
    ).surprise
    assert same is not None and other is not None and elsewhere is None
    assert (same.distance_name, same.plan_id) == ("unplanned", "") and not same.surprised
    assert other.surprised and other.distance > 5 * same.distance and other.percentile == pytest.approx(0.99)
    scratched = core.hear(heard(contact("c5", T0 + 4 * S, object_id="mug", action=4))).surprise
    assert scratched is None, "it was never scratched before"


def test_a_sound_that_another_model_predicted_is_not_ranked_among_those_of_the_fitted_one() -> None:
    core = fitted("sound")
    names = []
    for number, model_id in enumerate(("eye", "another eye", "")):
        sound = dataclasses.replace(expected(ping(), T0 + number * S), model_id=model_id)
        expect(core, sound)
        told = core.hear(heard(contact(f"c{number}", T0 + number * S))).surprise
        assert told is not None
        names.append(told.distance_name)
    assert names == ["sound", "cochleagram_l2", "sound"]


def test_a_planned_contact_that_did_not_come_is_a_surprise(core: MaterialCore) -> None:
    core.hear(heard(contact(object_id="mug")))
    told = core.missed(expected(ping(), T0 + 10 * S))
    assert (told.kind, told.contact.object_id, told.plan_id, told.surprised) == (
        "missed",
        "mug",
        "plan",
        True,
    )
    assert told.contact.time_ns == T0 + 10 * S and told.contact.contact_id == ""
    assert math.isnan(told.percentile) and math.isnan(told.distance)
    said = states(core, "mug", T0 + 11 * S)
    assert said["sounds_as_expected"] == Truth.FALSE and said["is_made_of_metal"] == Truth.TRUE
    expect(core, expected(ping(), T0 + 12 * S, "again"))
    core.hear(heard(contact("c2", T0 + 12 * S, object_id="mug")))
    assert states(core, "mug", T0 + 13 * S)["sounds_as_expected"] == Truth.TRUE, "a newer contact counts"


def test_of_a_place_where_nothing_is_known_a_missed_contact_names_no_object(core: MaterialCore) -> None:
    assert core.missed(expected(ping())).contact.object_id == "" and core.objects == []
