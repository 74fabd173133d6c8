"""Training learns, repeats itself, resumes, and learns nothing from shuffled labels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.synthetic import write_synthetic_dataset
from foley_synthesis.beliefs.material_head import Targets
from foley_synthesis.checkpoint import load_checkpoint
from foley_synthesis.training.state import Interrupted
from foley_synthesis.training.steps import Best, falling, step
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.networks.pca import fit_pca
from foley_synthesis.vis.training import build, loop
from foley_synthesis.vis.training.batches import Tensors, sound_loss, training_inputs
from foley_synthesis.vis.training.config import TrainConfig
from foley_synthesis.vis.training.features import load_features
from foley_synthesis.vis.training.loop import shuffled
from foley_synthesis.vision.encoders import load_encoder

SMALL = {
    "hidden": 24,
    "still_units": 16,
    "frame_units": 8,
    "head_units": 32,
    "heard_units": 12,
    "dropout": 0.1,
}
QUICK = {"minutes": None, "threads": 1, "batch": 8, "exemplars": 4}


def train(dataset: ClipDataset, out: Path, **changes: object) -> tuple[str, dict]:
    resume, report = bool(changes.pop("resume", False)), changes.pop("report", None)
    config = TrainConfig(**{**QUICK, **changes})
    return build.build_checkpoint(
        dataset, out, config, encoder_name="colour", model=SMALL, resume=resume, report=report
    )


def test_losses_fall_and_materials_are_learned(tiny_checkpoint: Path) -> None:
    metrics = load_checkpoint(tiny_checkpoint).metrics
    first, last = metrics["history"][0], metrics["history"][-1]
    assert last["train_sound"] < 0.85 * first["train_sound"]
    assert last["train_heard"] < first["train_heard"]
    assert metrics["chance"] == 0.25
    assert metrics["validation_balanced_accuracy"]["heard"] > 0.7
    assert metrics["validation_balanced_accuracy"]["planned"] > 0.5


def test_resumed_equals_uninterrupted_and_a_seed_repeats(tiny_dataset: ClipDataset, tmp_path: Path) -> None:
    def stop_at_half(stage: str, done: float, _: dict[str, float]) -> None:
        if stage == "training" and done >= 0.5:
            raise KeyboardInterrupt

    whole, _ = train(tiny_dataset, tmp_path / "whole", epochs=4)
    with pytest.raises(Interrupted):
        train(tiny_dataset, tmp_path / "parts", epochs=4, report=stop_at_half)
    assert not (tmp_path / "parts").exists()
    with pytest.raises(ValueError, match="other data or settings"):
        train(tiny_dataset, tmp_path / "parts", epochs=4, seed=1, resume=True)
    train(tiny_dataset, tmp_path / "parts", epochs=4, resume=True)
    a, b = load_checkpoint(tmp_path / "whole"), load_checkpoint(tmp_path / "parts")
    for name, value in a.tensors.items():
        assert np.allclose(value, b.tensors[name], atol=1e-5), name
    assert not (tmp_path / ".parts.training").exists()
    other, _ = train(tiny_dataset, tmp_path / "other", epochs=4, seed=1)
    assert other != whole


def test_ctrl_c_inside_an_epoch_keeps_the_last_whole_one(
    tiny_dataset: ClipDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def stop(*arguments: Any) -> torch.Tensor:
        """In the second step of the third epoch; the second epoch is validated, with one loss more."""
        calls.append(1)
        if len(calls) == 3 * steps:
            raise KeyboardInterrupt
        return sound_loss(*arguments)

    steps = sum(clip.split == "train" for clip in tiny_dataset.clips) // int(str(QUICK["batch"]))
    assert steps > 2
    train(tiny_dataset, tmp_path / "whole", epochs=4)
    monkeypatch.setattr(loop, "sound_loss", stop)
    with pytest.raises(Interrupted, match="2 epochs are kept"):
        train(tiny_dataset, tmp_path / "parts", epochs=4, save_every_s=1e-6)
    monkeypatch.undo()
    train(tiny_dataset, tmp_path / "parts", epochs=4, save_every_s=1e-6, resume=True)
    a, b = load_checkpoint(tmp_path / "whole"), load_checkpoint(tmp_path / "parts")
    for name, value in a.tensors.items():
        assert np.allclose(value, b.tensors[name], atol=1e-5), name


@pytest.mark.long
def test_shuffled_labels_fall_to_chance(tmp_path: Path) -> None:
    """The same training that reaches more than 0.7 when the labels are right."""
    write_synthetic_dataset(tmp_path / "dataset", clips_per_split=48, seed=5)
    _, metrics = train(ClipDataset(tmp_path / "dataset"), tmp_path / "out", epochs=25, shuffle_labels=True)
    assert metrics["shuffle_labels"]
    assert metrics["validation_balanced_accuracy"]["heard"] < 0.55
    assert metrics["validation_balanced_accuracy"]["planned"] < 0.55


def test_shuffling_moves_whole_rows_of_the_training_split_only(tiny_dataset: ClipDataset) -> None:
    tensors, rows = _tensors(tiny_dataset)
    moved = shuffled(tensors.targets, rows, seed=0)
    others = torch.ones(len(tensors.targets.material), dtype=torch.bool)
    others[rows] = False
    assert torch.equal(moved.material[others], tensors.targets.material[others])
    assert not torch.equal(moved.material[rows], tensors.targets.material[rows])
    assert sorted(moved.material[rows].tolist()) == sorted(tensors.targets.material[rows].tolist())

    def pairs(targets: Targets, chosen: torch.Tensor) -> set[tuple[int, float]]:
        both = zip(targets.material[chosen].tolist(), targets.log10_e[chosen].tolist(), strict=True)
        return {(material, round(value, 4)) for material, value in both}

    assert pairs(moved, rows) == pairs(tensors.targets, rows)


def test_modality_dropout_shows_planned_inputs_only(tiny_dataset: ClipDataset) -> None:
    tensors, rows = _tensors(tiny_dataset)
    inputs, sound = training_inputs(tensors, rows, 0.5, torch.Generator().manual_seed(1))
    planned = inputs.executed == 0
    assert 0 < int(planned.sum()) < len(rows)
    assert float(inputs.frames[planned].abs().max()) == 0.0
    # A planned action carries no force; measured ones do.
    assert float(inputs.action[planned][..., 7].abs().max()) == 0.0
    assert float(inputs.action[~planned][..., 7].abs().max()) > 0.0
    assert sound.shape == (len(rows), 90, 10)
    all_planned, _ = training_inputs(tensors, rows, 1.0, torch.Generator().manual_seed(1))
    assert float(all_planned.executed.max()) == 0.0


def test_clips_without_a_plan_are_never_shown_as_planned(tiny_dataset: ClipDataset) -> None:
    tensors, rows = _tensors(tiny_dataset)
    tensors.has_plan[rows[:5]] = False
    inputs, _ = training_inputs(tensors, rows, 1.0, torch.Generator().manual_seed(1))
    assert inputs.executed[:5].tolist() == [1.0] * 5 and float(inputs.executed[5:].max()) == 0.0


def test_features_are_cached_by_fingerprint(tiny_dataset: ClipDataset) -> None:
    encoder = load_encoder("colour")
    shape = ModelConfig(encoder="colour", encoder_dims=encoder.dims)
    calls: list[int] = []
    first = load_features(tiny_dataset, encoder, shape)
    second = load_features(tiny_dataset, encoder, shape, lambda done, _: calls.append(done))
    assert calls == [] and np.array_equal(first.still, second.still)
    # Only training clips are shown in varied looks.
    rows = first.indices("train")
    assert not np.array_equal(first.still[rows, 0], first.still[rows, 1])
    rows = first.indices("test")
    assert np.array_equal(first.still[rows, 0], first.still[rows, 1])


def test_pca_of_ten_of_low_rank_sound_is_lossless() -> None:
    rng = np.random.default_rng(0)
    sound = (np.abs(rng.normal(size=(50, 90, 4))) @ np.abs(rng.normal(size=(4, 42)))).astype(np.float32)
    pca = fit_pca(sound, 10)
    features = pca.encode(sound)
    assert np.allclose(pca.decode(features), sound, atol=1e-3)
    assert float(features.reshape(-1, 10).var(axis=0).sum()) == pytest.approx(1.0, rel=1e-3)
    assert np.allclose(pca.components @ pca.components.T, np.eye(10), atol=1e-5)


def test_too_little_data_is_said(tmp_path: Path) -> None:
    write_synthetic_dataset(tmp_path / "dataset", clips_per_split=4, materials=("wood",))
    with pytest.raises(build.UntrainableDataset, match="1 materials"):
        train(ClipDataset(tmp_path / "dataset"), tmp_path / "out", epochs=1)


def test_config_names_the_bad_field() -> None:
    with pytest.raises(ValueError, match="minutes is -1"):
        TrainConfig(minutes=-1)
    with pytest.raises(ValueError, match="both unset"):
        TrainConfig(minutes=None)


def _tensors(dataset: ClipDataset) -> tuple[Tensors, torch.Tensor]:
    encoder = load_encoder("colour")
    shape = ModelConfig(encoder="colour", encoder_dims=encoder.dims, materials=4)
    features = load_features(dataset, encoder, shape)
    labels = tuple(sorted({clip.material for clip in dataset.clips}))
    _, _, tensors, split = build.prepare(features, shape, TrainConfig(), labels)
    return tensors, split.train


def test_the_best_weights_are_kept_and_a_loss_that_is_not_finite_ends_it() -> None:
    net = torch.nn.Linear(2, 1)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    best = Best(net)
    step(net(torch.ones(1, 2)).square().mean(), optimiser, net, 1.0, 0)
    kept = net.weight.detach().clone()
    best.see(0.5)
    step(net(torch.ones(1, 2)).square().mean() + 1.0, optimiser, net, 1.0, 1)
    best.see(0.7)
    assert not torch.equal(net.weight, kept)
    best.restore()
    assert torch.equal(net.weight, kept) and not net.training
    with pytest.raises(FloatingPointError, match="epoch 3"):
        step(net(torch.full((1, 2), torch.inf)).mean(), optimiser, net, 1.0, 3)
    assert falling(0, 10) == pytest.approx(1.0) and falling(0, 10, warm_up=4) == pytest.approx(0.25)
    assert 0.02 < falling(9, 10) < 0.06
