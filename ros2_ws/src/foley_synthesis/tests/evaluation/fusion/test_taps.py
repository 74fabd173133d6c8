"""Figures of fused taps and of parts, on objects whose taps follow a known law, and contacts read from sessions."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from foley_common.session_file import SessionData, write_session
from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fusion import FusionConfig
from foley_synthesis.checkpoint import Vocabulary
from foley_synthesis.evaluation.fusion.fit import fit_weights, fitting_cases
from foley_synthesis.evaluation.fusion.measure import Beliefs, believed
from foley_synthesis.evaluation.fusion.objects import TouchedObject, objects_of_sessions
from foley_synthesis.evaluation.fusion.parts import measure_parts, split_threshold
from foley_synthesis.evaluation.fusion.report import draw_reliability, parts, taps
from foley_synthesis.evaluation.fusion.taps import (
    SERIES,
    error_if_calibrated,
    measure_taps,
    reliability,
    sure_from,
    tap_cases,
)

MATERIALS = 4
RATE = 16_000


def told(rng: np.random.Generator, label: int, clear: float) -> MaterialBelief:
    """The posterior of a reading in Gaussian noise."""
    reading = rng.standard_normal(MATERIALS)
    reading[label] += clear
    p = np.exp(clear * (reading - reading.max()))
    return MaterialBelief(tuple((p / p.sum()).tolist()))


def things(count: int, *, seed: int = 0, clear: float = 1.2) -> list[TouchedObject]:
    """Taps apart are independent; all at one place say the same."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(count):
        label = int(rng.integers(MATERIALS))
        same = told(rng, label, clear)
        heard = [
            Evidence("heard", f"a{k}", k + 1, told(rng, label, clear), "tap", position=(0.05 * k, 0.0, 0.0))
            for k in range(8)
        ]
        heard += [Evidence("heard", f"b{k}", k + 20, same, "tap", position=(1.0, 0.0, 0.0)) for k in range(8)]
        there = (False,) * 8 + (True,) * 8
        found.append(
            TouchedObject(f"scene {i // 5}", f"object {i}", label, tuple(heard), (None,) * 16, there)
        )
    return found


def test_taps_apart_and_at_one_place_have_a_correlation_each() -> None:
    config, _ = fit_weights(fitting_cases(things(250), seed=0, draws=1))
    assert config.heard_correlation <= 0.1 and config.place_correlation >= 0.8


def test_figures_of_taps_stand_beside_simple_ways_and_chance(tmp_path: Path) -> None:
    config = FusionConfig(heard_correlation=0.0, place_correlation=1.0)
    objects = things(80)
    sure = {s: {n: sure_from(tap_cases(things(80, seed=1), s, n, 0), config) for n in (1, 8)} for s in SERIES}
    figures = measure_taps(objects, config, sure, replicates=10, seed=0)
    eight, there = figures["apart"]["8"], figures["at one place"]["8"]
    assert eight["objects"] == 80 and eight["chance"]["log_loss"] == pytest.approx(math.log(4))
    assert eight["fused"]["log_loss"]["value"] < 0.4 * eight["one of them alone"]["log_loss"]["value"]
    assert there["fused"]["log_loss"]["value"] < 0.6 * there["as if independent"]["log_loss"]["value"]
    assert there["fused"]["expected_calibration_error"]["value"] < there["error_if_calibrated"] + 0.06
    assert eight["fused"]["coverage_at_95"]["value"] > 0.8
    assert eight["fused"]["right_among_covered"]["value"] > 0.9
    assert sum(eight["reliability"]["share"]) == pytest.approx(1.0, abs=1e-3)
    text = taps({"set": figures})
    assert (
        "| set | 8 at one place | 80 | as if independent |" in text
        and len(text.splitlines()) == 2 + 2 * 4 * 3
    )
    draw_reliability({"set": figures}, tmp_path / "reliability.png")
    assert (tmp_path / "reliability.png").stat().st_size > 1000


def test_sure_is_where_enough_are_right() -> None:
    config = FusionConfig()
    cases = tap_cases(things(100), "apart", 1, 0)
    threshold = sure_from(cases, config)
    beliefs = believed(cases, config)
    kept = beliefs.p.max(axis=1) >= threshold
    assert (~beliefs.wrong)[kept].mean() >= 0.95 and kept.sum() > 20
    never = [c for c in cases if int(np.argmax(c.evidence[0].belief.probabilities)) != c.label]
    assert math.isinf(sure_from(never, config))


def test_few_objects_show_an_error_however_calibrated_they_are() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.5, 1.0, 2000)
    beliefs = Beliefs(
        np.stack([p, 1 - p], axis=1), np.ones(2000, bool), (rng.uniform(size=2000) > p).astype(np.int64)
    )
    few = error_if_calibrated(beliefs, [("s", str(i % 20)) for i in range(2000)], 0)
    many = error_if_calibrated(beliefs, [("s", str(i)) for i in range(2000)], 0)
    assert many < 0.03 < 0.05 < few
    found = reliability(beliefs)
    assert found["share"][0] == 0.0 and found["said"][0] is None
    assert found["right"][-1] == pytest.approx(found["said"][-1], abs=0.05)


def test_things_of_one_material_are_seldom_split_and_of_two_often() -> None:
    config, _ = fit_weights(fitting_cases(things(150, clear=2.0), seed=0, draws=1))
    above = split_threshold(things(200, seed=1, clear=2.0), config, seed=0)
    config = FusionConfig(heard_correlation=0.0, place_correlation=1.0, split_above=above)
    figures = measure_parts(things(200, seed=2, clear=2.0), config, seed=0)
    assert figures["4"]["single"]["value"] <= 0.08
    assert figures["4"]["spliced"]["value"] > 0.6 and figures["4"]["both_materials_right"]["value"] > 0.6
    answers = figures["4"]["answers_one_material"]
    assert answers["with_parts"]["value"] < answers["without"]["value"]
    assert math.isinf(split_threshold(things(20), config, seed=0)), "too few to bound a twentieth"
    assert "| set | 4 |" in parts({"set": figures})


# ---- sessions ----------------------------------------------------------------------------------------------
class Hears:
    """Says how loud the first sample of the sound is, and how often it was asked."""

    vocabulary = Vocabulary("words", "1", ("glass", "wood"))
    model_id, domain = "hears", "sim"

    def __init__(self) -> None:
        self.asked = 0

    def warm_up(self) -> None: ...

    def predict(
        self, samples: np.ndarray, sample_rate: int, *, onset_s: float | None = None
    ) -> MaterialBelief:
        self.asked += 1
        assert sample_rate == RATE and onset_s == pytest.approx(0.25, abs=1e-4)
        p = float(samples[0])
        return MaterialBelief((p, 1 - p), self.vocabulary.labels)


def session(folder: Path) -> None:
    times = np.array(
        [0.5, 1.5, 2.5, 3.0, 3.2], np.float32
    )  # the last two are too near to each other, or too quiet
    rows, count = 125 * 4, len(times)
    pose = np.tile(np.array([0.0, 0.0, 0.3, 0.0, 0.0, 0.0, 1.0], np.float32), (rows, 1))
    pose[:, 0] = np.arange(rows) / 1000.0
    data = SessionData(
        facts={
            "scene_id": "scene", "split": "test", "sound_rate": RATE, "contact_actions": ["tap"] * count,
            "contact_rise_db": [10.0, 10.0, 10.0, 10.0, 1.0],
            "contact_points": [[0.1, 0.0, 0.0], [0.2, 0.0, 0.0], [0.1, 0.0, 0.0], None, None],
            "objects": [{"object_id": "o", "material": "wood"}, {"object_id": "p", "material": "tin"}],
        },
        sound=np.full(4 * RATE, 2**14, np.int16),
        planned_pose=pose, executed_pose=pose,
        planned_width=np.zeros(rows, np.float32), executed_width=np.zeros(rows, np.float32),
        wrench=np.zeros((rows, 6), np.float32), tool_tip=np.array([0, 0, -0.2, 0, 0, 0, 1], np.float32),
        surface_points=np.zeros((0, 3), np.int16), surface_colours=np.zeros((0, 3), np.uint8),
        contact_s=times, contact_planned_s=np.full(count, np.nan, np.float32),
        contact_object=np.array([0, 0, 0, 1, 1], np.int16), contact_impulse=np.ones(count, np.float32),
        view_bytes=np.zeros(0, np.uint8), view_offsets=np.zeros(1, np.int64),
    )  # fmt: skip
    folder.mkdir()
    write_session(folder / "scene-p0.npz", data)


def test_contacts_of_sessions_are_heard_once_and_lie_where_the_tip_was(tmp_path: Path) -> None:
    session(tmp_path / "set")
    hears = Hears()
    (thing,) = objects_of_sessions(hears, tmp_path / "set", tmp_path / "kept")
    assert (thing.scene, thing.object_id, thing.label, thing.there) == ("scene", "o", 1, (True, False, True))
    assert [item.time_ns for item in thing.heard] == [500_000_000, 1_500_000_000, 2_500_000_000]
    assert thing.heard[0].position == pytest.approx((0.062, 0.0, 0.1), abs=1e-3)
    assert thing.heard[0].belief.probabilities == pytest.approx((0.5, 0.5), abs=1e-3)
    assert [item.key for item in thing.at_one_place.heard] == ["scene-p0:0", "scene-p0:2"]
    assert [item.key for item in thing.apart.heard] == ["scene-p0:1"]
    assert objects_of_sessions(hears, tmp_path / "set", tmp_path / "kept")[0].to_dict() == thing.to_dict()
    assert hears.asked == 3
    with pytest.raises(ValueError, match="no sessions"):
        objects_of_sessions(hears, tmp_path / "kept", tmp_path / "kept")
