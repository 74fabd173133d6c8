import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from foley_synthesis.checkpoint import CorruptCheckpoint
from foley_synthesis.flow.sight import study as study_module
from foley_synthesis.flow.sight.examples import Examples
from foley_synthesis.flow.sight.head import HeadConfig, SightHead, Targets, head_loss
from foley_synthesis.flow.sight.model import (
    Beliefs,
    SightModel,
    calibrated,
)
from foley_synthesis.flow.sight.model_file import is_sight, load_sight, save_sight
from foley_synthesis.flow.sight.pictures import Layout
from foley_synthesis.flow.sight.score import look_known, score, shapes_of
from foley_synthesis.flow.sight.training import (
    SightTrainConfig,
    calibrate,
    calibration_of,
    scaling_of,
    train_sight,
)
from foley_synthesis.flow.what import MATERIALS, SHAPES
from foley_synthesis.training.state import Interrupted

QUICK = SightTrainConfig(epochs=60, least_steps=30, batch=16, hidden=32, dropout=0.1, members=2, rate=3e-3)


def told(objects: int = 60, views: int = 3, seed: int = 0, noise: float = 0.2) -> Examples:
    """Things whose first inputs are what they are; the first object has ten times as many views as others."""
    rng = np.random.default_rng(seed)
    material = rng.integers(0, 3, objects)
    shape = rng.integers(0, 2, objects)
    size = rng.normal(0, 0.5, (objects, 3)).astype(np.float32)
    hollowness = np.where(material == 1, 0.7, 0.0).astype(np.float32)
    counts = np.full(objects, views)
    counts[0] *= 10
    which = np.repeat(np.arange(objects), counts)
    clean = np.concatenate([np.eye(3)[material], np.eye(2)[shape], size], axis=1)
    inputs = clean[which] + rng.normal(0, noise, (len(which), clean.shape[1]))
    return Examples(
        inputs.astype(np.float32), which, tuple(f"{seed}-{k // 5}" for k in range(objects)),
        material.astype(np.int64), shape.astype(np.int64), size, hollowness,
        tuple(MATERIALS[m] for m in material), tuple(f"thing-{k}" for k in range(objects)),
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained() -> SightModel:
    return calibrate(train_sight(told(), QUICK, {"encoder": {"name": "x", "identity": "y"}}), told(seed=1))


def test_it_learns_materials_shapes_sizes_and_hollowness_of_unseen_things(trained: SightModel) -> None:
    test = told(seed=2)
    found = score(trained.beliefs(test.inputs, test.object, 60), test, shapes_of(told()), 0, 50).figures
    assert found["material_balanced_accuracy"].value > 0.9
    assert found["material_log_loss"].value < 0.5
    assert found["shape_balanced_accuracy"].value > 0.9
    assert found["hollow_balanced_accuracy"].value > 0.9
    assert found["size_error_length"].value < 0.3  # of a spread of .5, nothing known: .4
    assert 0.7 < found["size_inside_90"].value <= 1.0
    assert (
        found["material_log_loss"].low <= found["material_log_loss"].value <= found["material_log_loss"].high
    )


def test_the_same_seed_gives_the_same_network_and_another_another() -> None:
    few = dataclasses.replace(QUICK, epochs=2, least_steps=1, members=1)
    inputs = told().inputs[:5]
    one, same = (train_sight(told(), few, {}).views(inputs).material for _ in range(2))
    other = train_sight(told(), dataclasses.replace(few, seed=1), {}).views(inputs).material
    assert np.array_equal(one, same) and not np.allclose(one, other)


def test_views_of_a_thing_are_averaged_and_an_unseen_thing_is_as_things_were(trained: SightModel) -> None:
    test = told(seed=2)
    one = test.inputs[:1]
    alone = trained.beliefs(one, np.array([0]), 1)
    often = trained.beliefs(np.repeat(one, 5, axis=0), np.zeros(5, int), 1)
    assert np.allclose(alone.material, often.material)  # not surer of more views of the same
    both = trained.uncalibrated(test.inputs[[0, 40]], np.array([0, 0]), 1)
    views = trained.views(test.inputs[[0, 40]]).material
    mean = np.exp(np.log(np.clip(views, 1e-6, 1)).mean(axis=0))
    assert np.allclose(both.material[0], mean / mean.sum())
    two = trained.uncalibrated(one, np.array([1]), 2)
    frequency = np.bincount(told().material, minlength=len(MATERIALS)) / 60
    assert np.allclose(two.material[0], frequency, atol=1e-6)
    assert two.hollow[0] == pytest.approx((told().hollowness > 0).mean(), abs=1e-6)


def test_features_are_the_views_themselves_turned_and_say_nothing_of_what_nobody_saw(
    trained: SightModel,
) -> None:
    test = told(seed=2)
    scaled = (test.inputs - trained.scaling.mean.numpy()) / trained.scaling.std.numpy()
    views = test.inputs[test.object == 0], test.inputs[test.object == 5]
    both = np.concatenate(views)
    found = trained.features(both, np.repeat([0, 2], [len(v) for v in views]), 3)
    assert found.shape == (3, 8) and np.isnan(found[1]).all()
    # All components of eight inputs: distances are those of what was seen.
    apart = np.linalg.norm(scaled[test.object == 0].mean(axis=0) - scaled[test.object == 5].mean(axis=0))
    assert np.linalg.norm(found[0] - found[2]) == pytest.approx(apart, rel=1e-4)
    spread = trained.features(told().inputs, told().object, 60).std(axis=0)
    assert (np.diff(spread) < 0.2).all()  # the first say most


def test_calibration_softens_what_is_too_sure() -> None:
    rng = np.random.default_rng(0)
    truth = told(objects=400, seed=5)
    right = rng.random(400) < 0.7
    said = np.where(right, truth.material, (truth.material + 1) % 3)
    sure = np.full((400, len(MATERIALS)), 1e-4)
    sure[np.arange(400), said] = 1.0
    sure /= sure.sum(axis=1, keepdims=True)
    shape = np.full((400, len(SHAPES)), 1 / len(SHAPES))
    beliefs = Beliefs(
        sure, shape, truth.log_size + rng.normal(0, 0.4, (400, 3)), np.full((400, 3), 0.2),
        np.full(400, 0.5), np.full(400, 0.7),
    )  # fmt: skip
    by = calibration_of(beliefs, truth)
    assert by.material > 2
    assert by.size == pytest.approx(2.0, rel=0.1)
    after = calibrated(beliefs, by)
    assert np.allclose(after.log_size_std, 0.2 * by.size)
    before, then = (
        score(b, truth, shapes_of(truth), 0, 20).figures["material_log_loss"].value for b in (beliefs, after)
    )
    assert then < before
    assert np.array_equal(after.material.argmax(axis=1), said)


def test_sizes_are_a_likelihood_and_labels_are_smoothed() -> None:
    head = SightHead(HeadConfig(2, 3, 2))
    output = head.eval()(torch.zeros(4, 2))
    truth = Targets(
        torch.zeros(4, dtype=torch.long),
        torch.ones(4, dtype=torch.long),
        output.log_size.detach(),
        torch.zeros(4),
    )
    exact = head_loss(output, truth, 0.0)
    far = head_loss(output, dataclasses.replace(truth, log_size=truth.log_size + 3.0), 0.0)
    assert far > exact + 1
    wide = dataclasses.replace(output, log_size_std=output.log_size_std + 1.0)
    narrow = head_loss(wide, truth, 0.0)
    assert float((narrow - exact).detach()) == pytest.approx(0.3 * 3, abs=1e-4)
    sure = dataclasses.replace(output, material=torch.tensor([[50.0, 0.0, 0.0]]).repeat(4, 1))
    assert head_loss(sure, truth, 0.1) > head_loss(sure, truth, 0.0) + 1


def test_an_epoch_looks_at_each_thing_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    whole = SightHead.forward

    def counted(self: SightHead, inputs: torch.Tensor) -> object:
        seen.append(len(inputs))
        return whole(self, inputs)

    monkeypatch.setattr(SightHead, "forward", counted)
    train_sight(told(), dataclasses.replace(QUICK, epochs=3, least_steps=1, members=1), {})
    assert sum(seen) == 3 * 60  # not 3 * 207, of which the first object has 30


def test_scaling_knows_how_materials_go_with_shapes() -> None:
    known = told()
    scaling = scaling_of(known)
    assert float(scaling.pairs.sum()) == pytest.approx(1.0)
    share = ((known.material == 1) & (known.shape == 0)).mean()
    assert float(scaling.pairs[1, 0]) == pytest.approx(share, abs=1e-6)
    assert scaling.hollow_pairs[1, 0] == 1 and scaling.hollow_pairs[0, 0] == 0
    assert float(scaling.hollowness) == pytest.approx(0.7, abs=1e-6)


def test_it_comes_back_from_its_folder(tmp_path: Path, trained: SightModel) -> None:
    model_id = save_sight(trained, tmp_path / "sight", {"figure": 1})
    again = load_sight(tmp_path / "sight")
    assert again.model_id == model_id and again.calibration == trained.calibration
    assert is_sight(tmp_path / "sight") and not is_sight(tmp_path)
    test = told(seed=2)
    one, same = (m.beliefs(test.inputs, test.object, 60) for m in (trained, again))
    for field in dataclasses.fields(Beliefs):
        assert np.array_equal(getattr(one, field.name), getattr(same, field.name))
    file = tmp_path / "sight" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(CorruptCheckpoint, match=r"model\.safetensors"):
        load_sight(tmp_path / "sight")


def test_who_knows_the_look_knows_what_the_look_allows() -> None:
    training = told(objects=30)
    same = look_known(training, told(seed=1))
    assert same is not None
    assert np.array_equal(same.argmax(axis=1), told(seed=1).material)
    painted = dataclasses.replace(training, look=("paint",) * 30)
    shares = look_known(painted, painted)
    assert shares is not None
    assert np.allclose(shares[0][:3], np.bincount(training.material, minlength=3) / 30, atol=0.01)
    assert look_known(dataclasses.replace(training, look=("",) * 30), training) is None


def test_shapes_that_training_lacks_are_figures_of_their_own() -> None:
    test = told(seed=2)
    test.shape[:10] = SHAPES.index("rod")
    perfect = Beliefs(
        np.eye(len(MATERIALS))[test.material], np.eye(len(SHAPES))[np.zeros(60, int)],
        test.log_size.astype(np.float64), np.full((60, 3), 0.1), (test.hollowness > 0).astype(float),
        np.full(60, 0.7),
    )  # fmt: skip
    figures = score(perfect, test, shapes_of(told()), 0, 20).figures
    assert figures["shape_balanced_accuracy"].value == pytest.approx(0.5)  # one shape of the two known ones
    assert figures["material_accuracy_new_shapes"].value == 1.0
    assert figures["material_balanced_accuracy"].value == 1.0 and figures["material_ece"].value < 1e-6


def test_an_interrupted_study_goes_on_with_what_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = dataclasses.replace(QUICK, epochs=2, least_steps=1, members=1)
    trained: list[int] = []
    train = study_module.train_sight

    def counted(known: Examples, *rest: Any) -> SightModel:
        trained.append(known.inputs.shape[1])
        if len(trained) == 2:
            raise KeyboardInterrupt
        return train(known, *rest)

    monkeypatch.setattr(study_module, "train_sight", counted)
    encoder = ("none", SimpleNamespace(dims=1, identity="none-1"))

    def run() -> study_module.Study:
        parts = [told(seed=seed) for seed in range(3)]
        wide = [dataclasses.replace(p, inputs=np.tile(p.inputs, (1, 20)).astype(np.float32)) for p in parts]
        return study_module.study(*wide, quick, encoder=encoder, replicates=5, kept=tmp_path)  # type: ignore[arg-type]

    with pytest.raises(Interrupted, match="stopped in `colours`"):
        run()
    first = len(trained)
    result = run()
    assert trained[first:] == [128, 160 - Layout(1).width]  # colours and form, not the whole again
    assert result.metrics["training"]["objects"] == 60
