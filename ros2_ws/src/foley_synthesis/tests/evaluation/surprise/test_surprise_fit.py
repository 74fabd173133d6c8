"""A surprise fitted to contacts whose spectra and beliefs are drawn: false alarms, power, and what changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from foley_common.session_file import SessionData, write_session
from foley_perception.audio.cochleagram import Cochleagram
from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fusion import FusionConfig
from foley_synthesis.checkpoint import Vocabulary
from foley_synthesis.evaluation.surprise import measure
from foley_synthesis.evaluation.surprise.cases import as_expected, swapped
from foley_synthesis.evaluation.surprise.contacts import Expectation, HeardContact, expectations, newest
from foley_synthesis.evaluation.surprise.fit import fit_test, fitting_scenes, held_out_p_values
from foley_synthesis.evaluation.surprise.report import (
    alarms_table,
    changes_table,
    power_table,
    sessions_table,
)
from foley_synthesis.evaluation.surprise.run import (
    SurpriseRun,
    on_changes,
    on_sessions,
    on_unseen,
    on_validation,
)
from foley_synthesis.evaluation.surprise.sessions import session_contacts
from foley_synthesis.evaluation.surprise.states import changed_cases, state_contacts
from foley_synthesis.metrics.surprise_ranks import SurpriseTest

RATE, BANDS = 48_000, 42
MATERIALS = ("glass", "metal", "wood")
PRIOR = FusionConfig()


def belief(rng: np.random.Generator, truth: int) -> MaterialBelief:
    logits = 1.5 * (np.arange(3) == truth) + rng.normal(0.0, 0.7, 3)
    p = np.exp(logits) / np.exp(logits).sum()
    return MaterialBelief(tuple((p / p.sum()).tolist()), calibrated_for="drawn")


def frames(rng: np.random.Generator, spectrum: np.ndarray) -> np.ndarray:
    return (spectrum + 0.4 * rng.standard_normal(BANDS)) * np.exp(-np.arange(46) / 20.0)[:, None]


def contacts(scenes: int, seed: int, touches: int = 4) -> list[HeardContact]:
    """Objects of a material each, with a spectrum of their own."""
    rng, found = np.random.default_rng(seed), []
    for scene in range(scenes):
        for thing in range(3):
            material = (scene + thing) % 3
            spectrum = rng.standard_normal(BANDS)
            for touch in range(touches):
                time_ns = 1000 * touch + 1
                action = ("tap", "hit")[int(rng.integers(2))]
                predicted = 0.1 * spectrum + rng.standard_normal(BANDS)
                found.append(
                    HeardContact(
                        f"scene{scene}", f"thing{thing}", MATERIALS[material], action, "",
                        {RATE: frames(rng, predicted)}, {RATE: frames(rng, spectrum)},
                        Evidence("seen", f"p{touch}", time_ns, belief(rng, material)),
                        Evidence("heard", f"c{scene}/{thing}/{touch}", time_ns, belief(rng, material)),
                    )
                )  # fmt: skip
    return found


@pytest.fixture(scope="module")
def validation() -> list[HeardContact]:
    return contacts(48, 0)


@pytest.fixture(scope="module")
def fitted(validation: list[HeardContact]) -> SurpriseTest:
    return fit_test(expectations(validation), PRIOR, heard_model="ear", sight_model="eye")


def test_false_alarms_stay_at_the_nominal_rate_and_other_things_are_told(fitted: SurpriseTest) -> None:
    test = fitted
    assert set(test.rules) == {"again", "touched", "belief", "unplanned", "sound"}
    assert test.rules["again"].rule.weights[2] > test.rules["again"].rule.weights[0], (
        "the thing itself tells most"
    )
    unseen = expectations(contacts(60, 1))
    cases, others = as_expected(unseen, PRIOR), swapped(unseen, PRIOR, 0)
    p, q = measure.p_values(test, cases), measure.p_values(test, others)
    assert not np.isnan(p).any()
    level = 0.1
    assert np.mean(p <= level) == pytest.approx(level, abs=3 * math.sqrt(level * (1 - level) / len(p)))
    first = np.array([math.isnan(case.differences.before) for case in others])
    assert np.mean(q[~first] <= level) > 0.9 > np.mean(q[first] <= level) > 2 * level
    assert measure.auroc(p, q) > 0.8 and measure.auroc(p, p) == pytest.approx(0.5)


def test_ranked_contacts_are_not_ranked_among_their_own_scene(
    validation: list[HeardContact], fitted: SurpriseTest
) -> None:
    expected = expectations(validation)
    ranking = [e for e in expected if e.contact.scene not in fitting_scenes(expected)]
    assert len(ranking) == 0.75 * len(expected)
    p = held_out_p_values(fitted, as_expected(ranking, PRIOR))
    assert np.mean(p <= 0.1) == pytest.approx(0.1, abs=0.05)


def test_too_few_contacts_are_refused() -> None:
    with pytest.raises(ValueError, match="too few to fit a surprise"):
        fit_test(expectations(contacts(3, 0)), PRIOR)


def test_a_contact_is_compared_with_the_newest_of_its_action() -> None:
    first, second, third = contacts(1, 0)[:3]
    assert newest((), "tap") is None
    chosen = newest((first, second), first.action)
    assert chosen is (second if second.action == first.action else first)
    assert newest((first, second), "scratch") is second
    alone = Expectation(third, ()).differences(third, PRIOR, planned=False)
    assert math.isnan(alone.spectrum) and math.isnan(alone.before) and math.isnan(alone.belief)


def test_figures_become_tables(validation: list[HeardContact], fitted: SurpriseTest) -> None:
    config = SurpriseRun(replicates=10)
    distances = np.linspace(0.1, 9.0, 200)
    sets = {
        "validation": on_validation(fitted, validation, config),
        "unseen": on_unseen(fitted, contacts(20, 2), distances, config),
    }
    text = alarms_table(sets)
    assert "| all | " in text and "| action tap | " in text and "| material glass | " in text
    assert sets["validation"]["alarms"]["all"]["contacts"] == 432
    assert sets["unseen"]["alarms"]["all"]["contacts"] == 240
    assert "of these `again`" in power_table(sets) and "the cochleagrams' distance alone" in power_table(sets)


# ---- things that changed -------------------------------------------------------------------------------------
class Ear:
    vocabulary, model_id, domain = Vocabulary("materials", "1", MATERIALS), "ear", "sim"

    def warm_up(self) -> None: ...

    def predict(
        self, samples: np.ndarray, sample_rate: int, *, onset_s: float | None = None
    ) -> MaterialBelief:
        assert (len(samples), sample_rate) == (round(0.9 * RATE), RATE) and onset_s == pytest.approx(0.25)
        return MaterialBelief((0.2, 0.6, 0.2))


def written(folder: Path, pitches: dict[str, Sequence[float]]) -> Path:
    """A set of taps on one thing in states."""
    import soundfile

    rng, rows = np.random.default_rng(0), ["contact,file,onset_s,split,state,object,scene,material,action"]
    for state, of_state in pitches.items():
        sound = 1e-3 * rng.standard_normal(RATE * (1 + 2 * len(of_state)))
        for k, pitch in enumerate(of_state):
            start = RATE * (1 + 2 * k)
            t = np.arange(RATE) / RATE
            sound[start : start + RATE] += 0.3 * np.sin(2 * np.pi * pitch * t) * np.exp(-12 * t)
            rows.append(f"{state}/{k},{state}.wav,{start / RATE},test,{state},jar,0,glass,tap")
        soundfile.write(folder / f"{state}.wav", sound, RATE)
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_a_thing_that_changed_is_more_surprising_than_one_that_did_not(
    tmp_path: Path, fitted: SurpriseTest
) -> None:
    found = state_contacts(
        Ear(), written(tmp_path, {"tight": [900.0, 905.0, 895.0], "loose": [3000.0, 3100.0]}), "test"
    )
    assert [c.state for c in found] == ["tight"] * 3 + ["loose"] * 2
    assert found[0].heard[RATE].shape[1] == Cochleagram(RATE)(np.zeros(RATE, np.float32)).shape[1]
    same, changed = changed_cases(found, PRIOR, "tight", "loose")
    assert (len(same), len(changed)) == (3, 2)
    most, least = max(c.differences.before for c in same), min(c.differences.before for c in changed)
    assert most < 0.3 * least
    figures = on_changes(fitted, found, SurpriseRun(replicates=5))
    assert set(figures) == {"tight, then loose", "loose, then tight"}
    assert figures["tight, then loose"]["auroc"]["value"] == 1.0
    assert "tight, then loose" in changes_table(figures)


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is it a set of `foley sim states`"):
        state_contacts(Ear(), tmp_path, "test")


# ---- contacts that nobody planned ------------------------------------------------------------------------------
def session(folder: Path, pitches: Sequence[float], rate: int) -> Path:
    """A tap every two seconds on one thing."""
    seconds, count = 2 * len(pitches) + 1, len(pitches)
    sound = 20.0 * np.random.default_rng(0).standard_normal(seconds * rate)
    t, onsets = np.arange(rate) / rate, 1.0 + 2.0 * np.arange(count)
    for onset, pitch in zip(onsets, pitches, strict=True):
        start = round(onset * rate)
        sound[start : start + rate] += 9000 * np.sin(2 * np.pi * pitch * t) * np.exp(-12 * t)
    objects = [{"object_id": "jar", "material": "glass"}]
    facts = {"scene_id": "s0", "split": "test", "sound_rate": rate, "objects": objects}
    facts |= {"contact_actions": ["tap"] * count, "contact_rise_db": [30.0] * count}
    rows, zeros = seconds * 125, np.zeros
    data = SessionData(
        facts, sound.astype(np.int16),
        zeros((rows, 7), np.float32), zeros((rows, 7), np.float32), zeros(rows, np.float32), zeros(rows, np.float32),
        zeros((rows, 6), np.float32), zeros(7, np.float32), zeros((0, 3), np.int16), zeros((0, 3), np.uint8),
        onsets.astype(np.float32), onsets.astype(np.float32), zeros(count, np.int16), zeros(count, np.float32),
        zeros(0, np.uint8), zeros(1, np.int64),
    )  # fmt: skip
    write_session(folder / "s0-p0.npz", data)
    return folder


def test_contacts_of_sessions_are_compared_with_earlier_ones(tmp_path: Path, fitted: SurpriseTest) -> None:
    found = session_contacts(Ear(), session(tmp_path, [900.0, 905.0, 3000.0, 895.0], RATE))
    assert [(c.object_id, c.action, c.material) for c in found] == [("jar", "tap", "glass")] * 4
    before = [c.differences.before for c in as_expected(expectations(found), PRIOR, planned=False)]
    assert math.isnan(before[0]) and before[1] < 0.3 * min(before[2:]), (
        "the third is another, and the fourth after it"
    )
    figures = on_sessions(fitted, found, SurpriseRun(replicates=5))
    assert figures["alarms"]["all"]["contacts"] == 3
    assert "| tap " in sessions_table({"b": figures})


def test_sessions_of_another_rate_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--sound-rate 48000"):
        session_contacts(Ear(), session(tmp_path, [900.0], 16_000))
