"""Intervals, metrics, baselines, and the evaluation of a small model."""

import json
from pathlib import Path

import numpy as np
import pytest

from foley_perception.audio.cochleagram import Cochleagram
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.checkpoint import load_checkpoint
from foley_synthesis.evaluation import baselines
from foley_synthesis.evaluation.checkpoint.evaluate import evaluate
from foley_synthesis.evaluation.checkpoint.report import save_confusion, tables
from foley_synthesis.metrics import classification, cochleagram
from foley_synthesis.metrics.bootstrap import hierarchical_weights, interval, mean_interval
from foley_synthesis.metrics.cochleagram import moved


def test_flat_bootstrap_has_the_width_of_theory() -> None:
    """One contact per object and scene: the interval of a mean is +-1.96 sigma / sqrt(n)."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=400)
    names = [str(i) for i in range(400)]
    found = mean_interval(values, hierarchical_weights(names, names, 800, seed=1))
    assert found.value == pytest.approx(values.mean())
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.12)


def test_contacts_of_one_scene_hang_together() -> None:
    """Ten scenes of identical contacts know as much as ten contacts, however many there are."""
    values = np.repeat(np.random.default_rng(0).normal(size=10), 40)
    scenes = [str(i // 40) for i in range(400)]
    objects = [f"{i // 10}" for i in range(400)]
    nested = mean_interval(values, hierarchical_weights(scenes, objects, 600, seed=1))
    flat = mean_interval(values, hierarchical_weights(*[[str(i) for i in range(400)]] * 2, 600, seed=1))
    assert nested.high - nested.low > 4 * (flat.high - flat.low)


def test_weights_draw_as_many_contacts_as_there_are_on_average_and_repeat() -> None:
    scenes, objects = list("aaaabbbb"), list("xxyyzzww")
    weights = hierarchical_weights(scenes, objects, 500, seed=3)
    assert weights.shape == (500, 8) and weights.sum(axis=1).mean() == pytest.approx(8.0)
    assert np.array_equal(weights, hierarchical_weights(scenes, objects, 500, seed=3))
    assert weights.mean(axis=0) == pytest.approx(np.ones(8), abs=0.2)


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(60):
        centre = rng.normal(0.0, 1.0, 30)
        values = (centre[:, None] + rng.normal(0.0, 0.5, (30, 4))).reshape(-1)
        scenes = [str(i // 4) for i in range(120)]
        names = [str(i) for i in range(120)]
        found = mean_interval(values, hierarchical_weights(scenes, names, 150, seed=trial))
        hits += found.low <= 0.0 <= found.high
    assert 50 <= hits <= 60


def test_balanced_accuracy_by_hand() -> None:
    truth, said = np.array([0, 0, 0, 1, -1]), np.array([0, 0, 1, 1, 0])
    assert classification.balanced_accuracy(truth, said, 3) == pytest.approx((2 / 3 + 1) / 2)
    weights = np.array([1.0, 1.0, 0.0, 1.0, 5.0])
    assert classification.balanced_accuracy(truth, said, 3, weights) == 1.0
    assert np.isnan(classification.balanced_accuracy(np.array([-1]), np.array([0]), 3))
    found = interval(lambda w: classification.balanced_accuracy(truth, said, 3, w), np.ones((3, 5)))
    assert found.low == found.high == found.value


def test_scores_of_certainty_and_of_ignorance() -> None:
    truth = np.array([0, 1, 2, 3])
    perfect, uniform = np.eye(4), np.full((4, 4), 0.25)
    assert classification.brier_score(perfect, truth) == 0.0
    assert classification.brier_score(uniform, truth) == pytest.approx(0.75)
    assert classification.log_loss(uniform, truth) == pytest.approx(np.log(4))
    assert classification.expected_calibration_error(perfect, truth) == 0.0
    assert classification.expected_calibration_error(np.roll(perfect, 1, axis=1), truth) == pytest.approx(1.0)


def test_centroid_and_loudness_of_a_tone() -> None:
    cochlea = Cochleagram(48_000)
    t = np.arange(48_000) / 48_000
    tone = np.stack([cochlea(g * np.sin(2 * np.pi * 2000 * t).astype(np.float32)) for g in (0.5, 0.05)])
    centres = baselines.band_centres(cochlea)
    assert cochleagram.centroid_hz(tone, centres, 0.3) == pytest.approx([2000, 2000], rel=0.08)
    assert np.diff(cochleagram.loudness_db(tone, 0.3))[0] == pytest.approx(-20.0, abs=0.1)


def test_simple_rows() -> None:
    assert baselines.majority(np.array([1, 1, 0, -1, -1, -1]), 2).tolist() == [1, 1]
    train = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    assert baselines.nearest(train, np.array([[0.1, 2.0], [3.0, 0.2]])).tolist() == [1, 0]
    frames = np.arange(6, dtype=np.float32).reshape(1, 6, 1)
    assert moved(frames, 2)[0, :, 0].tolist() == [0, 0, 0, 1, 2, 3]


def test_evaluation_is_whole_and_a_model_that_learned_is_above_chance(
    tiny_checkpoint: Path, tiny_dataset: ClipDataset, tmp_path: Path
) -> None:
    evaluation = evaluate(load_checkpoint(tiny_checkpoint), tiny_dataset, replicates=100, threads=1)
    assert evaluation.contacts == 24 and evaluation.chance == 0.25
    assert {"heard", "planned", "executed", "majority", "nearest image"} <= set(evaluation.accuracy)
    assert evaluation.accuracy["majority"].value == pytest.approx(0.25)
    assert evaluation.above_chance()
    assert (
        evaluation.sound["silence"]["envelope"].value
        > evaluation.sound["planned, regression"]["envelope"].value
    )
    floor = evaluation.sound["truth, through PCA (floor)"]["envelope"].value
    assert floor < min(row["envelope"].value for name, row in evaluation.sound.items() if "floor" not in name)
    document = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    assert sum(map(sum, document["confusion"]["heard"])) == 24
    assert any("200 or more" in note for note in document["notes"])
    save_confusion(evaluation, tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").read_bytes().startswith(b"\x89PNG")
    assert len(tables(evaluation)) == 3
