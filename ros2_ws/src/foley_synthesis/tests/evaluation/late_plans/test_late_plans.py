"""The comparison of recipes: its figures, its choice, and that it goes on where it stopped."""

from pathlib import Path

import numpy as np
import pytest

from foley_perception.audio.cochleagram import Cochleagram
from foley_perception.dataset.reader import Clip
from foley_synthesis.evaluation.late_plans.metrics import (
    is_flat,
    late_plan_metrics,
    onset_error_ms,
    onset_f1,
)
from foley_synthesis.evaluation.late_plans.run import LatePlanConfig, compare, late_frames
from foley_synthesis.evaluation.measure import fixed, measure, weights_of
from foley_synthesis.evaluation.sound_metrics import SoundOutput, clip_items
from foley_synthesis.metrics.cochleagram import moved
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.networks.decoding import amplified
from foley_synthesis.vis.training.aligned import AlignedSounds
from foley_synthesis.vis.training.features import FeatureSet
from foley_synthesis.vis.training.sessions import BLIND

COCHLEA = Cochleagram(16_000)
SPLITS = ("train", "train", "validation", "test")


def clip(index: int, split: str) -> Clip:
    return Clip(
        f"c{index}", "s", f"scene{index % 3}{split}", f"o{index % 5}", split, "sim", 0, 0, "tap",
        ("wood", "metal")[index % 2], *[float("nan")] * 5, (0.0, 0.0, 0.0),
    )  # fmt: skip


def contacts(count: int = 40) -> FeatureSet:
    """Taps whose speed makes them loud; every fourth is too soft to have an onset."""
    rng = np.random.default_rng(0)
    speed = np.where(np.arange(count) % 4 == 3, 0.001, rng.uniform(0.1, 0.5, count))
    frames = 0.05 + 0.002 * rng.random((count, 90, 42))
    after = np.exp(-np.arange(68) / 6.0)
    frames[:, 22:] += (speed**0.6)[:, None, None] * after[None, :, None] * rng.uniform(0.5, 1, (count, 1, 42))
    action = np.zeros((count, 90, 8), np.float32)
    action[:, :23, 5] = -speed[:, None]
    clips = tuple(clip(i, SPLITS[i // 4 % 4]) for i in range(count))
    frames = frames.astype(np.float32)
    aligned = AlignedSounds(np.where(speed < 0.05, np.nan, 0.0).astype(np.float32), frames)
    one = np.zeros((count, 3, 1), np.float16)
    return FeatureSet(frames, one, np.zeros((count, 10, 1), np.float16), action, action, clips, aligned)


def test_the_right_sound_wins_and_flat_ones_have_no_onset() -> None:
    features = contacts(16)
    frames = features.cochleagram
    items = clip_items(features.clips, np.arange(16), frames)
    methods = [
        fixed("real", "truth", [SoundOutput(frames)]),
        fixed("three frames late", "truth", [SoundOutput(moved(frames, 3))]),
        fixed("6 dB louder", "truth", [SoundOutput(amplified(frames, np.full(16, 6.0)))]),
        fixed("noise", "nothing", [SoundOutput(np.full_like(frames, 0.05))]),
    ]
    table = measure(items, methods, late_plan_metrics(COCHLEA), weights_of(items, 20, 0))
    figures = {name: {k: c.found.value for k, c in row.items()} for name, row in table.cells.items()}
    assert [figures[m.key]["flat"] for m in methods[:2]] == [0.25, 0.25]
    assert figures["noise"]["flat"] == 1.0 and figures["noise"]["onset_f1"] == 0.0
    assert figures["real"]["onset_f1_20"] == 1.0 and figures["real"]["foreground_db"] == 0.0
    late = figures["three frames late"]
    assert (late["onset_f1"], late["onset_f1_20"]) == (1.0, 0.0)
    assert late["onset_ms"] == pytest.approx(100 / 3, abs=0.1)
    assert figures["6 dB louder"]["bias_db"] == pytest.approx(6.0, abs=1e-3)
    assert figures["6 dB louder"]["loudness_db"] == pytest.approx(6.0, abs=1e-3)
    assert 0.0 < late["foreground_db"] < figures["noise"]["foreground_db"]


def test_onsets_that_only_one_sound_has_are_false_or_missed() -> None:
    nan = np.nan
    pairs = np.array([[0.0, 0.01], [0.0, 0.03], [nan, 0.0], [0.0, nan], [nan, nan]])
    assert onset_f1(0.05)(pairs, None) == pytest.approx(4 / 6)
    assert onset_f1(0.02)(pairs, None) == pytest.approx(2 / 6)
    assert onset_error_ms(pairs) == pytest.approx(20.0)
    assert is_flat(np.full((2, 90, 42), 0.1, np.float32)).tolist() == [1.0, 1.0]


def test_contacts_are_late_by_the_same_frames_every_time() -> None:
    late = late_frames(400, 0.03)
    assert np.array_equal(late, late_frames(400, 0.03))
    assert (late.min(), late.max()) == (-3, 3) and abs(late.mean()) < 0.3
    assert not late_frames(5, 0.0).any()


def test_recipes_are_compared_one_is_chosen_and_trained_ones_are_kept(tmp_path: Path) -> None:
    features, shape = contacts(), ModelConfig(hidden=16, head_units=16, **BLIND)
    config = LatePlanConfig(recipes=("paper", "onset"), seeds=1, epochs=2, batch=8, replicates=20)
    stages: list[str] = []

    def run(**changes: object) -> dict:
        _, metrics = compare(
            features,
            shape,
            COCHLEA,
            LatePlanConfig(**{**vars(config), **changes}),
            tmp_path,
            progress=lambda stage, done, total: stages.append(stage),
            resume=True,
        )
        return metrics

    first = run()
    assert {"paper, seed 0", "onset, seed 0", "measured"} == set(stages)
    late = first["late"]["methods"]
    assert late["real sound"]["onset_f1_20"]["value"] == 1.0
    assert late["real sound, when it was planned"]["onset_f1_20"]["value"] < 1.0
    assert first["on_time"]["methods"]["real sound, when it was planned"]["onset_f1_20"]["value"] == 1.0
    chosen = first["chosen"]["regression"]
    figures = {
        name: first["validation"]["methods"][f"{name}, regression"]["foreground_db"]["value"]
        for name in config.recipes
    }
    assert chosen["recipe"] == min(figures, key=lambda name: figures[name])
    assert "onset, regression > paper, regression" in first["differences"]["late"]
    (heard,) = first["onset_heard"]["onset"]
    assert first["onset_heard"]["paper"] == [] and heard["real"] == 0.75 and 0.0 < heard["said"] < 1.0
    stages.clear()
    assert run()["late"] == first["late"]
    assert set(stages) == {"measured"}
    with pytest.raises(ValueError, match="of other data or settings"):
        run(epochs=1)


def test_what_cannot_be_compared_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="recipes are loud; known are paper"):
        LatePlanConfig(recipes=("loud",))
    features = contacts()
    with pytest.raises(ValueError, match="split `test_seen` has no contact with a plan"):
        compare(features, ModelConfig(**BLIND), COCHLEA, LatePlanConfig(), tmp_path, split="test_seen")
