"""The ablation table on small data: every row is there, and the figures mean what they say."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.ablation.nets import VARIANTS, AblationNet, FitConfig
from foley_synthesis.ablation.rows import closest
from foley_synthesis.ablation.run import ablate
from foley_synthesis.ablation.table import ORDER, markdown, orderings
from foley_synthesis.commands import ablate as command
from foley_synthesis.models.config import ModelConfig
from foley_synthesis.models.vis import VisInput

TINY = {"hidden": 24, "still_units": 16, "frame_units": 8, "dropout": 0.1}


@pytest.fixture(scope="module")
def figures(tiny_dataset: ClipDataset) -> dict[str, Any]:
    return ablate(
        tiny_dataset,
        tiny_dataset,
        seeds=2,
        epochs=3,
        replicates=40,
        model=TINY,
        tuned_epochs=1,
        scratch_epochs=1,
    )


def test_every_row_has_every_figure(figures: dict[str, Any], tiny_dataset: ClipDataset) -> None:
    assert set(figures) == {"test", "judge"} and figures["judge"]["contacts"] == len(tiny_dataset)
    rows = figures["test"]["rows"]
    assert set(rows) == set(ORDER)
    for name, row in rows.items():
        trained = {*VARIANTS, "fine-tuned", "trained from scratch", "random"}
        assert row["loudness_db"]["seeds"] == (2 if name.removesuffix(", parametric") in trained else 1), name
        for key, value in row.items():
            if key == "material_confusion":
                assert all(sum(shares) == pytest.approx(1.0, abs=1e-3) or not any(shares) for shares in value)
            elif key == "taken_for_real_by_material":
                assert all(0.0 <= share <= 1.0 for share in value.values())
            elif value["value"] is not None:
                assert value["low"] - 1e-6 <= value["value"] <= value["high"] + 1e-6
    text = markdown(figures)
    assert text.count("| full |") == 2 and "40.0 %" in text


def test_the_truth_has_no_error_and_chance_is_beaten_by_it(figures: dict[str, Any]) -> None:
    real = figures["test"]["rows"]["real sound"]
    assert real["loudness_db"]["value"] == real["centroid_octaves"]["value"] == 0.0
    assert real["loudness_r"]["value"] == pytest.approx(1.0)
    assert real["material_accuracy"]["value"] > figures["test"]["chance"]["material"]
    match, random = (
        figures["test"]["rows"][n]["centroid_octaves"]["value"] for n in ("real sound match", "random")
    )
    assert match < random
    ordered = orderings(figures)["test"]["real sound match > full"]
    assert (
        set(ordered.values()) <= {True, False}
        and "loudness_db" in ordered
        and "reaction_accuracy" not in ordered
    )


def test_it_repeats(figures: dict[str, Any], tiny_dataset: ClipDataset) -> None:
    again = ablate(
        tiny_dataset, seeds=2, epochs=3, replicates=40, model=TINY, tuned_epochs=1, scratch_epochs=1
    )
    for name, row in figures["test"]["rows"].items():
        for key, value in row.items():
            if "value" in value and value["value"] is not None:
                repeated = again["test"]["rows"][name][key]
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
        late = (net(moved) - net(given))[:, 60:].abs().max()
        assert bool(late > 0) == (parts.recurrent and parts.spacetime), "only the LSTM remembers"


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


def test_impossible_training_is_refused() -> None:
    with pytest.raises(ValueError, match="epochs is 0"):
        FitConfig(epochs=0)
