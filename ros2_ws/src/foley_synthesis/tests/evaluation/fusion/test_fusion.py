"""Weights, answers and figures of a fusion, of objects whose sight and hearing are drawn from a known law."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fusion import FusionConfig, fuse
from foley_synthesis.evaluation.fusion.answers import answer_rules, with_answers
from foley_synthesis.evaluation.fusion.fit import drawn_cases, fit_weights, fitting_cases
from foley_synthesis.evaluation.fusion.measure import believed, measure_fusion
from foley_synthesis.evaluation.fusion.objects import TouchedObject
from foley_synthesis.evaluation.fusion.pictures import read_pictures, with_pictures

MATERIALS = 4


def told(rng: np.random.Generator, label: int, clear: float, sharpness: float = 1.0) -> MaterialBelief:
    """The posterior of a reading in Gaussian noise; to the power of ``sharpness``, which makes it too sure."""
    reading = rng.standard_normal(MATERIALS)
    reading[label] += clear
    p = np.exp(sharpness * clear * (reading - reading.max()))
    return MaterialBelief(tuple((p / p.sum()).tolist()))


def things(
    count: int, *, seed: int = 0, contacts: int = 8, heard: float = 1.0, seen: float = 1.5,
    sharpness: float = 1.0, alike: bool = False,
) -> list[TouchedObject]:  # fmt: skip
    """``heard`` and ``seen``: how clear a reading is; ``alike``: all contacts with an object are the same one."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(count):
        label = int(rng.integers(MATERIALS))
        first = told(rng, label, heard)
        sounds = [first if alike else told(rng, label, heard) for _ in range(contacts)]
        look = told(rng, label, seen, sharpness)
        found.append(
            TouchedObject(
                scene=f"scene {i // 5}",
                object_id=f"object {i}",
                label=label,
                heard=tuple(
                    Evidence("heard", f"c{k}", k + 1, sound, position=(0.1 * k, 0.0, 0.0))
                    for k, sound in enumerate(sounds)
                ),
                seen=tuple(Evidence("seen", f"p{k}", k + 1, look) for k in range(contacts)),
            )
        )
    return found


def test_calibrated_independent_evidence_is_multiplied_as_it_is() -> None:
    config, _ = fit_weights(fitting_cases(things(600), seed=0, draws=1))
    assert config.heard_correlation <= 0.1
    assert (config.heard_weight, config.sight_weight) == pytest.approx((1.0, 1.0), abs=0.12)
    assert config.temperature == pytest.approx(1.0, abs=0.12)


def test_contacts_that_say_the_same_count_once() -> None:
    config, _ = fit_weights(fitting_cases(things(400, alike=True), seed=0, draws=1))
    assert config.heard_correlation >= 0.9


def test_sight_that_is_too_sure_weighs_less() -> None:
    config, _ = fit_weights(fitting_cases(things(600, sharpness=3.0), seed=0, draws=1))
    assert config.sight_weight / config.heard_weight == pytest.approx(1 / 3, abs=0.06)


def test_the_loss_that_was_fitted_is_that_of_the_fused_belief() -> None:
    cases = fitting_cases(things(30), seed=0)
    config, loss = fit_weights(cases)
    said = [fuse(case.evidence, config).belief.probabilities[case.label] for case in cases]
    assert loss == pytest.approx(float(-np.log(said).mean()), rel=1e-6)


def test_all_at_once_is_believed_what_is_believed_of_each() -> None:
    """Contacts of which some are at one place and some cannot be used, sight, an image model, rules for answers."""
    objects = [
        dataclasses.replace(
            thing,
            heard=tuple(
                dataclasses.replace(
                    o, position=(0.1 * (k // 3), 0.0, 0.0), belief=o.belief.abstaining("clipped")
                )
                if k == 4
                else dataclasses.replace(o, position=(0.1 * (k // 3), 0.0, 0.0))
                for k, o in enumerate(thing.heard)
            ),
        )
        for thing in pictured(things(12))
    ]
    config = FusionConfig("log_linear", 0.8, 0.6, 0.4, 0.3, 0.7, temperature=0.6)
    rules = answer_rules(objects * 9, config, target_risk=0.3, certainty=0.9, seed=0)
    ruled = with_answers(config, rules, "sim")
    rng = np.random.default_rng(0)
    cases = [c for n in (1, 5) for v in (False, True) for c in drawn_cases(objects, n, rng, seen=v, vision=v)]
    cases += drawn_cases(objects, 1, rng, heard=False)
    found = believed(cases, ruled)
    for case, p, answered in zip(cases, found.p, found.answered, strict=True):
        one = fuse(case.evidence, ruled).belief
        assert p == pytest.approx(one.p()) and bool(answered) != one.abstain


def test_cases_leave_out_what_was_asked_for() -> None:
    rng = np.random.default_rng(0)
    few, many = things(2, contacts=1), things(3)
    blind = dataclasses.replace(many[0], seen=(None,) * 8)
    clipped = dataclasses.replace(
        many[1],
        heard=tuple(dataclasses.replace(o, belief=o.belief.abstaining("clipped")) for o in many[1].heard),
    )
    assert [len(case.evidence) for case in drawn_cases([*few, *many], 4, rng)] == [5, 5, 5]
    assert len(drawn_cases([blind], 4, rng)) == 0 and len(drawn_cases([blind], 4, rng, seen=False)) == 1
    assert drawn_cases([clipped], 1, rng) == []
    (only,) = drawn_cases(many[:1], 4, rng, heard=False)
    assert [item.kind for item in only.evidence] == ["seen"]
    with pytest.raises(ValueError, match="no evidence"):
        fit_weights([])


def test_answers_keep_their_bound_on_other_objects() -> None:
    config = FusionConfig(heard_correlation=0.0)
    rules = answer_rules(things(400), config, target_risk=0.2, certainty=0.95, seed=0)
    assert [(rule.heard, rule.seen) for rule in rules] == [
        (1, False),
        (2, False),
        (0, True),
        (1, True),
        (2, True),
    ]
    assert all(rule.objects == 400 for rule in rules)
    bounded = with_answers(config, rules, "sim")
    for contacts, seen in ((1, True), (4, False)):
        cases = drawn_cases(things(1200, seed=1), contacts, np.random.default_rng(2), seen=seen)
        fused = [fuse(case.evidence, bounded).belief for case in cases]
        wrong = [
            int(np.argmax(b.probabilities)) != case.label
            for b, case in zip(fused, cases, strict=True)
            if not b.abstain
        ]
        assert len(wrong) > 300 and np.mean(wrong) < 0.2
        assert fused[0].calibrated_for.startswith("sim: fused, ")


def test_what_is_no_better_than_chance_never_answers() -> None:
    rules = answer_rules(
        things(200, heard=0.0, seen=0.0), FusionConfig(), target_risk=0.2, certainty=0.95, seed=0
    )
    assert rules and not any(rule.answers for rule in rules)


def test_figures_of_both_are_better_and_paired() -> None:
    objects = things(200)
    config = with_answers(FusionConfig(heard_correlation=0.0), (), "sim")
    figures = measure_fusion(objects, config, replicates=20, seed=0)
    assert list(figures) == ["1", "2", "4", "8"] and figures["1"]["objects"] == 200
    one, eight = figures["1"], figures["8"]
    assert eight["heard"]["log_loss"]["value"] < 0.5 * one["heard"]["log_loss"]["value"]
    assert one["seen"]["balanced_accuracy"] == eight["seen"]["balanced_accuracy"]
    gain = one["heard and seen > heard"]
    assert gain["balanced_accuracy"]["low"] > 0 > gain["log_loss"]["high"]
    assert one["heard"]["answered"]["value"] == 0.0 and one["heard"]["wrong_where_answered"]["value"] is None


# ---- an image model of a user's ----------------------------------------------------------------------------
def pictured(objects: list[TouchedObject]) -> list[TouchedObject]:
    rng = np.random.default_rng(9)
    return [
        dataclasses.replace(thing, vision=Evidence("vision", "v", 0, told(rng, thing.label, 1.5)))
        for thing in objects
    ]


def test_the_weight_of_an_image_model_is_fitted_where_somebody_has_one() -> None:
    config, _ = fit_weights(fitting_cases(pictured(things(300)), seed=0, draws=1))
    assert config.vision_weight == pytest.approx(1.0, abs=0.2)
    rules = answer_rules(pictured(things(100)), config, target_risk=0.2, certainty=0.95, seed=0)
    assert [(r.heard, r.seen) for r in rules if r.vision] == [
        (n, s) for s in (False, True) for n in (0, 1, 2)
    ]
    bounded = with_answers(config, rules, "sim")
    thing = pictured(things(1, seed=3))[0]
    assert thing.vision is not None
    fused = fuse([thing.heard[0], thing.vision], bounded).belief
    assert fused.calibrated_for == "sim: fused, an image model and one heard contact"
    one = measure_fusion(pictured(things(40)), bounded, replicates=2, seed=0)["1"]
    assert one["heard and image model"]["log_loss"]["value"] < one["image model"]["log_loss"]["value"]


def test_what_an_image_model_says_is_read_by_scene_and_object(tmp_path: Path) -> None:
    file = tmp_path / "pictures.csv"
    file.write_text("scene,object,glass,wood\nscene 0,object 1,0.9,0.1\n")
    found = with_pictures(things(3), read_pictures(file, ("glass", "wood")))
    assert [thing.vision is not None for thing in found] == [False, True, False]
    assert found[1].vision is not None and found[1].vision.belief.probabilities == pytest.approx((0.9, 0.1))
    for text, said in (
        ("scene,object,glass\n", "no column wood"),
        ("scene,object,glass,wood\ns,o,0.9,0.9\n", "line 2.*sum to 1.8"),
        ("scene,object,glass,wood\ns,o,nan,1\n", "line 2.*sum to nan"),
        ("scene,object,glass,wood\ns,o,1.5,-0.5\n", "line 2"),
        ("scene,object,glass,wood\ns,o,x,0\n", "line 2"),
    ):
        file.write_text(text)
        with pytest.raises(ValueError, match=said):
            read_pictures(file, ("glass", "wood"))
