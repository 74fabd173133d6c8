"""A sight on several sets of views of the same things."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from foley_synthesis.commands import flow_sight
from foley_synthesis.flow.sight import inference
from foley_synthesis.flow.sight.comparison import compare
from foley_synthesis.flow.sight.examples import Examples
from foley_synthesis.flow.sight.model import Beliefs, Scaling, SightCalibration, SightModel
from foley_synthesis.flow.what import MATERIALS, SHAPES

COUNT = 40


def things(inputs: np.ndarray, order: np.ndarray | None = None) -> Examples:
    """One view [n, 13] of each thing; materials in turn, four things a scene."""
    order = np.arange(len(inputs)) if order is None else order
    return Examples(
        inputs[order].astype(np.float32), np.arange(len(order)), tuple(f"scene-{k // 4}" for k in order),
        order % len(MATERIALS), np.zeros(len(order), np.int64), np.zeros((len(order), 3), np.float32),
        np.zeros(len(order), np.float32), ("",) * len(order), tuple(f"thing-{k}" for k in order),
    )  # fmt: skip


class Reader(SightModel):
    """Believes its inputs: probabilities of materials."""

    def beliefs(self, inputs: np.ndarray, thing: np.ndarray, count: int) -> Beliefs:
        said = np.zeros((count, len(MATERIALS)))
        said[thing] = inputs
        shapes = np.full((count, len(SHAPES)), 1 / len(SHAPES))
        zeros = np.zeros((count, 3))
        return Beliefs(said, shapes, zeros, zeros + 1, np.full(count, 0.1), np.full(count, 0.5))


@pytest.fixture(scope="module")
def reader() -> SightModel:
    dims, pairs = len(MATERIALS), torch.zeros(len(MATERIALS), len(SHAPES))
    pairs[:, 0] = 1 / dims
    one = torch.ones(3)
    return Reader(
        (),
        Scaling(torch.full((dims,), 1 / dims), one.new_ones(dims), one, one, pairs, 0 * pairs, one[0], torch.eye(dims)),
        SightCalibration(), {"train_scenes": ["trained"]},
    )  # fmt: skip


def said(right: float, wrong: np.ndarray) -> np.ndarray:
    """Probabilities [COUNT, 13] of the truth, or of the next material where ``wrong``; the rest is spread."""
    classes = len(MATERIALS)
    found = np.full((COUNT, classes), (1 - right) / (classes - 1))
    found[np.arange(COUNT), (np.arange(COUNT) + wrong) % classes] = right
    return found


def test_the_same_things_are_scored_and_differences_are_of_each_thing(reader: SightModel) -> None:
    sharp = said(0.9, np.zeros(COUNT, int))
    blurred = said(0.6, (np.arange(COUNT) % 4 == 0).astype(int))
    order = np.random.default_rng(0).permutation(COUNT)[:30]  # another order, and ten things less
    found = compare(reader, {"sharp": things(sharp), "blurred": things(blurred, order)}, replicates=50)
    assert found.things == 30
    kept = np.sort(order)
    lost = -np.log(blurred[kept, kept % 13]) + np.log(0.9)
    apart = found.differences["blurred"]
    assert apart["material_log_loss"].value == pytest.approx(lost.mean(), rel=1e-4)
    assert apart["material_log_loss"].low > 0
    assert found.scores["sharp"].figures["material_balanced_accuracy"].value == 1.0
    accuracy = found.scores["blurred"].figures["material_balanced_accuracy"].value
    assert apart["material_balanced_accuracy"].value == pytest.approx(accuracy - 1.0)
    assert apart["material_same_answer"].value == pytest.approx((kept % 4 != 0).mean())
    rows = found.lines()
    assert [row[0] for row in rows] == ["", "sharp", "blurred", "blurred less sharp"]
    assert rows[1][2].startswith("0.105") and found.figures["things"] == 30


def test_features_are_held_against_those_of_the_same_thing(reader: SightModel) -> None:
    rng = np.random.default_rng(1)
    own = rng.normal(size=(COUNT, len(MATERIALS)))
    found = compare(
        reader,
        {"own": things(own), "same": things(own), "shifted": things(own + 2.0), "other": things(own[::-1])},
        replicates=20,
    )
    same, shifted, other = (found.likeness[name] for name in ("same", "shifted", "other"))
    assert same["cosine_same_thing"].value == pytest.approx(1.0)
    assert abs(same["cosine_other_things"].value) < 0.1 and same["nearest_is_the_same"].value == 1.0
    assert 0.0 < shifted["cosine_same_thing"].value < 0.8
    assert other["nearest_is_the_same"].value < 0.1


def test_scenes_that_it_learned_in_and_sets_of_other_things_are_refused(reader: SightModel) -> None:
    one = things(said(0.9, np.zeros(COUNT, int)))
    with pytest.raises(ValueError, match="learned in 1 of the scenes, such as trained"):
        compare(reader, {"a": one, "b": dataclasses.replace(one, scene=("trained",) * COUNT)})
    with pytest.raises(ValueError, match="no thing is in all sets"):
        compare(reader, {"a": one, "b": dataclasses.replace(one, scene=("elsewhere",) * COUNT)})


def test_the_command_scores_sets_beside_the_first(
    tmp_path: Path, seen: ModuleType, reader: SightModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (seen.write_hopping(tmp_path / name, "test", 2) for name in ("simulator", "gaussians"))
    encoder = SimpleNamespace(
        dims=1, identity="mean", encode=lambda images: images.mean(axis=(1, 2))[:, :1].astype(np.float32)
    )

    class Even(Reader):
        def beliefs(self, inputs: np.ndarray, thing: np.ndarray, count: int) -> Beliefs:
            return super().beliefs(np.full((len(inputs), len(MATERIALS)), 1 / len(MATERIALS)), thing, count)

        def features(self, inputs: np.ndarray, thing: np.ndarray, count: int) -> np.ndarray:
            return np.stack([inputs[thing == k].mean(axis=0) for k in range(count)])

    model = Even((), reader.scaling, SightCalibration(), {"encoder": {"name": "mean", "identity": "mean"}})
    monkeypatch.setattr(
        inference, "open_sight", lambda folder, threads: SimpleNamespace(model=model, encoder=encoder)
    )
    parser = argparse.ArgumentParser()
    flow_sight.configure(parser.add_subparsers())
    out = tmp_path / "out"
    args = parser.parse_args(
        ["sight", str(first), str(second), "--score", str(tmp_path), "--out", str(out), "--replicates", "5"]
    )
    assert flow_sight.run(args) == 0
    figures = json.loads((out / "metrics.json").read_text())
    assert figures["things"] == 4 and list(figures["scores"]) == ["simulator", "gaussians"]
    assert figures["scores"]["gaussians"]["material_log_loss"]["value"] == pytest.approx(np.log(13), abs=1e-4)
    assert figures["likeness"]["gaussians"]["nearest_is_the_same"]["value"] == 1.0
    with pytest.raises(ValueError, match="--validation and --test are needed"):
        flow_sight.run(parser.parse_args(["sight", str(first), "--out", str(out)]))
