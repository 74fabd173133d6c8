"""The ablation table on small data: every method is there, and the figures mean what they say."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.synthetic import write_synthetic_dataset
from foley_synthesis.commands import ablate as command
from foley_synthesis.evaluation.ablation.end_to_end import (
    EndToEndConfig,
    fit_end_to_end,
    from_scratch,
    predict_end_to_end,
    scratch_images,
    trunk_maps,
    tuned_from,
)
from foley_synthesis.evaluation.ablation.nets import VARIANTS, AblationNet, FitConfig, predict
from foley_synthesis.evaluation.ablation.run import ablate
from foley_synthesis.evaluation.ablation.table import ORDER, markdown, orderings
from foley_synthesis.evaluation.ablation.variants import closest
from foley_synthesis.evaluation.measure import Better, Cell, Metric, Table
from foley_synthesis.metrics.bootstrap import of_replicates
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.networks.sound_net import VisInput, robust_loss
from foley_synthesis.vis.training.build import prepare
from foley_synthesis.vis.training.config import TrainConfig
from foley_synthesis.vis.training.features import load_features
from foley_synthesis.vis.training.loop import Split
from foley_synthesis.vision.efficientnet import EfficientNetLite0

pytestmark = [pytest.mark.slow, pytest.mark.long]
TINY = {"hidden": 24, "still_units": 16, "frame_units": 8, "dropout": 0.1}


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> ClipDataset:
    """Another dataset, of which nothing was learned."""
    folder = tmp_path_factory.mktemp("judge") / "dataset"
    write_synthetic_dataset(folder, clips_per_split=4, seed=1)
    return ClipDataset(folder)


@pytest.fixture(scope="module")
def tables(tiny_dataset: ClipDataset, judge: ClipDataset) -> dict[str, Table]:
    return ablate(
        tiny_dataset,
        judge,
        seeds=2,
        epochs=3,
        replicates=40,
        threads=1,
        model=TINY,
        tuned_epochs=1,
        scratch_epochs=1,
    )


@pytest.fixture(scope="module")
def figures(tables: dict[str, Table]) -> dict[str, Any]:
    return {name: table.to_dict(seeds=True) for name, table in tables.items()}


def test_every_method_has_every_figure(
    tables: dict[str, Table], figures: dict[str, Any], judge: ClipDataset
) -> None:
    assert set(figures) == {"test", "judge"} and figures["judge"]["contacts"] == len(judge)
    methods = figures["test"]["methods"]
    assert set(methods) == set(ORDER)
    for name, row in methods.items():
        trained = {*VARIANTS, "fine-tuned", "trained from scratch", "random"}
        assert row["loudness_db"]["seeds"] == (2 if name.removesuffix(", parametric") in trained else 1), name
        for key, value in row.items():
            if key == "material_confusion":
                assert all(sum(shares) == pytest.approx(1.0, abs=1e-3) or not any(shares) for shares in value)
            elif key == "fooling_rate_by_material":
                assert all(0.0 <= share <= 1.0 for share in value.values())
            elif value["value"] is not None:
                assert value["low"] - 1e-6 <= value["value"] <= value["high"] + 1e-6
    text = markdown(tables)
    assert text.count("| full |") == 2 and "40.0 %" in text


def test_the_truth_has_no_error_and_chance_is_beaten_by_it(
    tables: dict[str, Table], figures: dict[str, Any]
) -> None:
    methods = figures["test"]["methods"]
    real = methods["real sound"]
    assert real["loudness_db"]["value"] == real["centroid_octaves"]["value"] == 0.0
    assert real["loudness_r"]["value"] == pytest.approx(1.0)
    assert real["material_accuracy"]["value"] > figures["test"]["chance"]["material"]
    match, random = (methods[n]["centroid_octaves"]["value"] for n in ("real sound match", "random"))
    assert match < random
    verdicts = orderings(tables["test"])["real sound match > full"]
    keys = [key for found in verdicts.values() for key in found]
    assert len(keys) == len(set(keys)) and {"loudness_db", "material_accuracy"} <= set(keys)


def test_an_ordering_holds_only_where_the_difference_is_sure() -> None:
    def cell(values: list[float]) -> Cell:
        found = of_replicates(float(np.mean(values)), np.array(values))
        return Cell(found, replicates=np.array(values))

    def metric(key: str, better: Better) -> Metric:
        return Metric(key, key, better, lambda output, items: output)

    better: dict[str, Better] = {"less": "lower", "more": "higher", "either": "lower", "unknown": "higher"}
    full = {"less": [1.0, 2.0], "more": [0.1, 0.2], "either": [1.0, 2.0], "unknown": [np.nan, np.nan]}
    random = {"less": [4.0, 4.5], "more": [0.6, 0.9], "either": [1.5, 1.5], "unknown": [0.5, 0.5]}
    cells = {
        name: {key: cell(values) for key, values in row.items()}
        for name, row in (("full", full), ("image match", random))
    }
    table = Table((), tuple(metric(*one) for one in better.items()), cells, {}, {})
    assert orderings(table) == {
        "full > image match": {"holds": ["less"], "reversed": ["more"], "open": ["either"]}
    }


def test_differences_are_paired(figures: dict[str, Any]) -> None:
    """Both methods of a pair are about the same contacts: their difference is surer than either."""
    part = figures["test"]
    for pair, found in part["differences"].items():
        first, second = pair.split(" > ")
        for key, cell in found.items():
            values = [part["methods"][method][key]["value"] for method in (first, second)]
            assert cell["value"] == pytest.approx(values[0] - values[1], abs=2e-5)
            assert cell["low"] - 1e-6 <= cell["value"] <= cell["high"] + 1e-6


def test_it_repeats(figures: dict[str, Any], tiny_dataset: ClipDataset) -> None:
    again = ablate(
        tiny_dataset,
        seeds=2,
        epochs=3,
        replicates=40,
        threads=1,
        model=TINY,
        tuned_epochs=1,
        scratch_epochs=1,
    )["test"].figures()
    for name, row in figures["test"]["methods"].items():
        for key, value in row.items():
            if "value" in value and value["value"] is not None:
                repeated = again[name][key]
                assert repeated["value"] == pytest.approx(value["value"], abs=2e-3), (name, key)


def test_parts_that_are_left_out_do_not_matter() -> None:
    torch.manual_seed(0)
    config = ModelConfig(encoder_dims=12, **TINY)
    given = VisInput(
        torch.randn(2, config.still_dims), torch.randn(2, 10, 12), torch.randn(2, 90, 8), torch.ones(2)
    )
    other = VisInput(given.still, torch.randn(2, 10, 12), torch.randn(2, 90, 8), given.executed)
    for name, parts in VARIANTS.items():
        net = AblationNet(config, parts).eval()
        same = torch.equal(net(given), net(other))
        assert same == (name == "no spacetime"), name
        moved = given._replace(frames=torch.cat([torch.zeros(2, 1, 12), given.frames[:, 1:]], dim=1))
        # The frame is shown for nine steps; what an untrained LSTM keeps of it is above rounding for some 30 more.
        late = (net(moved) - net(given))[:, 15:25].abs().max()
        assert bool(late > 1e-5) == (parts.recurrent and parts.spacetime), "only the LSTM remembers"


def test_the_closest_is_found_around_the_contact() -> None:
    rng = np.random.default_rng(0)
    keys = rng.standard_normal((30, 90, 10)).astype(np.float32)
    asked = keys[[4, 17]] + 0.05 * rng.standard_normal((2, 90, 10)).astype(np.float32)
    asked[:, :10] = 100.0  # long before the contact: not compared
    assert closest(keys, asked).tolist() == [4, 17]


def test_the_command_writes_the_table(tiny_dataset: ClipDataset, tmp_path: Path, capsys: Any) -> None:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    arguments = [
        str(tiny_dataset.path),
        "--seeds",
        "1",
        "--epochs",
        "1",
        "--threads",
        "1",
        "--frozen",
        "--replicates",
        "10",
        "--out",
        str(tmp_path),
    ]
    assert command.run(parser.parse_args(arguments)) == 0
    assert "| real sound match |" in capsys.readouterr().out
    stored = json.loads((tmp_path / "metrics.json").read_text())
    assert stored["seeds"] == 1 and "full > image match" in stored["orderings"]["test"]
    assert command.run(parser.parse_args([str(tmp_path)])) == 2
    assert command.run(parser.parse_args([*arguments, "--seeds", "0"])) == 2


@pytest.fixture(scope="module")
def opened(tiny_dataset: ClipDataset) -> tuple[Any, ...]:
    """What both end-to-end methods start from."""
    encoder = EfficientNetLite0()
    shape = ModelConfig(encoder_dims=encoder.dims, materials=4, **TINY)
    features = load_features(tiny_dataset, encoder, shape)
    labels = tuple(sorted({c.material for c in tiny_dataset.clips}))
    networks, _, tensors, split = prepare(features, shape, TrainConfig(), labels)
    return encoder, shape, networks, tensors, split


def test_an_opened_network_says_what_the_frozen_one_says_until_it_is_trained(
    tiny_dataset: ClipDataset, opened: tuple[Any, ...]
) -> None:
    encoder, shape, networks, tensors, split = opened
    torch.manual_seed(0)
    net = AblationNet(shape, VARIANTS["full"]).eval()
    maps = trunk_maps(tiny_dataset, encoder, shape)
    assert maps.shape == (len(tiny_dataset), 12, 192, 4, 4) and maps.dtype == torch.float16
    model = tuned_from(net, encoder.network(), networks)
    rows = split.train[:6]
    through, frozen = predict_end_to_end(model, maps, tensors, rows), predict(net, tensors, rows)
    assert (through - frozen).abs().max() < 0.02 * frozen.abs().max()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    fit_end_to_end(model, maps, tensors, split, EndToEndConfig(1, 1e-3, 1e-3, batch=8), seed=0)
    moved = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    assert any(k.startswith("trunk.tail") and k.endswith("weight") for k in moved)
    assert not any("running" in k or "still_mean" in k for k in moved), "statistics stand"
    assert torch.equal(predict(net, tensors, rows), frozen), "the frozen one is not touched"


def test_a_network_from_scratch_learns_its_training_clips(
    tiny_dataset: ClipDataset, opened: tuple[Any, ...]
) -> None:
    _, shape, _, tensors, split = opened
    images = scratch_images(tiny_dataset, shape)
    assert images.shape == (len(tiny_dataset), 12, 3, 64, 64) and images.dtype == torch.uint8
    model = from_scratch(shape, AblationNet(shape, VARIANTS["full"]), seed=1)
    same = from_scratch(shape, AblationNet(shape, VARIANTS["full"]), seed=1)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), same.parameters(), strict=True))

    def loss() -> float:
        return float(
            robust_loss(predict_end_to_end(model, images, tensors, split.train), tensors.sound[split.train])
        )

    before = loss()
    ticks: list[int] = []
    own = Split(split.train, split.train)
    config = EndToEndConfig(3, 2e-3, 2e-3, batch=8)
    fit_end_to_end(model, images, tensors, own, config, seed=0, progress=lambda: ticks.append(1))
    assert loss() < before and len(ticks) == 3


def test_impossible_training_is_refused() -> None:
    with pytest.raises(ValueError, match="epochs is 0"):
        FitConfig(epochs=0)
