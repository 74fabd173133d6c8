"""A flow with its card: the same model, said truly."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from foley_synthesis import checkpoint
from foley_synthesis.commands import flow, flow_ship


def _world() -> Any:
    spec = importlib.util.spec_from_file_location("live_world", Path(__file__).parents[1] / "live_world.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def command(*words: object) -> int:
    parser = argparse.ArgumentParser()
    flow.configure(parser)
    return flow.run(parser.parse_args([str(word) for word in words]))


FACTS = {
    "size": "tiny",
    "train_scenes": ["a", "b"],
    "without": [],
    "codec_id": "c" * 64,
    "sight_id": "5" * 64,
}
METRICS = {
    "hours": 4.478,
    "with_views": {"train": 31, "validation": 1},
    "parameters": 5_600_065,
    "steps": 5363,
    "seconds": 3720.0,
    "best_validation": 0.67852,
}
TABLE = {
    "test": "out/sets/validation", "windows": 60, "scenes": 12, "touches": 445, "draws": 6,
    "methods": {
        "flow": {"foreground_db": {"value": 12.334, "low": 11.83, "high": 12.88}, "lag_ms": {"value": 8.0}},
        "silence": {"foreground_db": {"value": 20.66, "low": None, "high": None}, "onset_f1": {"value": None}},
    },
}  # fmt: skip


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    from foley_synthesis.flow.contact.model import load_model, save_model

    folder = _world().make_contact_flow(tmp_path / "flow")
    model = load_model(folder)
    model.facts.update(FACTS)
    save_model(model, folder, METRICS)
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "metrics.json").write_text(json.dumps(TABLE))
    (tmp_path / "commands.txt").write_text("foley codec train x\nfoley flow fit y\n")
    return folder  # type: ignore[no-any-return]


def test_what_ships_is_the_same_model_with_a_card(trained: Path, tmp_path: Path) -> None:
    options = ("--table", tmp_path / "table", "--commands", tmp_path / "commands.txt", "--release", 7)
    assert command("ship", trained, *options, "--to", tmp_path / "ship") == 0
    shipped = tmp_path / "ship" / "contact_flow"
    assert checkpoint.model_id_of(shipped) == checkpoint.model_id_of(trained)
    names = {"model.safetensors", "config.yaml", "manifest.yaml", "metrics.json", "CARD.md"}
    assert {file.name for file in shipped.iterdir()} == names
    page = (shipped / "CARD.md").read_text()
    for line in (
        "| version | 7, of Foley ",
        f"| model id | `{checkpoint.model_id_of(trained)}`",
        f"`{checkpoint.sha256_of(trained / 'model.safetensors')}`",
        "| licence | Apache-2.0 |",
        "| sound | 16000 Hz, one channel |",
        "4.5 h of simulated sound and motion in 2 scenes, of which 31 with views",
        "5363 steps, 62 minutes, loss on validation 0.6785",
        f"| sight | `{'5' * 64}` |",
        "60 windows of 8 s in 12 scenes, 445 touches, 6 draws of each",
        "| sound | foreground [dB] | onset F1 |",
        "| flow | 12.33 [11.83, 12.88] |  |",
        "| silence | 20.66 |  |",
        "foley codec train x\nfoley flow fit y\n```",
    ):
        assert line in page, line


def test_what_cannot_ship_is_told(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("ship", tmp_path / "nothing", "--to", tmp_path / "ship") == 2
    assert "no such checkpoint folder" in capsys.readouterr().err
    (trained.parent / "ship").mkdir()
    trained.rename(trained.parent / "ship" / "contact_flow")
    there = trained.parent / "ship" / "contact_flow"
    assert command("ship", there, "--to", there.parent) == 2
    assert "lies there already" in capsys.readouterr().err and there.is_dir()
    inside = tmp_path / "around" / "contact_flow" / "mine"
    shutil.copytree(there, inside)
    assert command("ship", inside, "--to", tmp_path / "around") == 2
    assert "lies there already" in capsys.readouterr().err and inside.is_dir()
    (tmp_path / "kept" / "contact_flow").mkdir(parents=True)
    (tmp_path / "kept" / "contact_flow" / "notes.txt").write_text("mine")
    assert command("ship", there, "--to", tmp_path / "kept") == 2
    assert "holds notes.txt" in capsys.readouterr().err
    assert (tmp_path / "kept" / "contact_flow" / "notes.txt").read_text() == "mine"
    monkeypatch.setattr(flow_ship, "MOST_BYTES", 1000)
    assert command("ship", there, "--to", tmp_path / "other") == 2
    assert "what ships may have" in capsys.readouterr().err and not (tmp_path / "other").exists()


def test_what_ships_is_not_tuned_where_it_lies(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checkpoint, "_SHIPPED", trained.parent)
    before = checkpoint.model_id_of(trained)
    assert command("tune", "flow", tmp_path / "set") == 2
    assert "ships with the package and stays as it is" in capsys.readouterr().err
    assert checkpoint.model_id_of(trained) == before


@pytest.fixture
def eyes(trained: Path, tmp_path: Path) -> Path:
    """A sight of three members, whose views the flow was trained with."""
    import torch

    from foley_synthesis.flow.contact.model import load_model, save_model
    from foley_synthesis.flow.sight.head import HeadConfig, SightHead
    from foley_synthesis.flow.sight.model import Scaling, SightCalibration, SightModel
    from foley_synthesis.flow.sight.model_file import save_sight

    torch.manual_seed(3)
    head = HeadConfig(150, 13, 8, hidden=80, members=3)
    pairs = torch.full((13, 8), 1.0 / 104)
    scaling = Scaling(
        torch.zeros(150), torch.ones(150), torch.zeros(3), torch.ones(3), pairs, pairs, torch.tensor(0.5),
        torch.randn(100, 150),
    )  # fmt: skip
    members = tuple(SightHead(head).eval() for _ in range(3))
    facts = {"encoder": {"name": "colour", "identity": "colour-1"}, "train_scenes": ["a"]}
    made = SightModel(members, scaling, SightCalibration(), facts)
    sight_id = save_sight(made, tmp_path / "sight", {})
    model = load_model(trained)
    model.facts["sight_id"] = sight_id
    save_model(model, trained, METRICS)
    return tmp_path / "sight"


def test_sight_ships_within_smaller_and_shows_the_same(trained: Path, eyes: Path, tmp_path: Path) -> None:
    import numpy as np

    from foley_synthesis.flow.sight.model_file import load_sight, sight_within

    assert command("ship", trained, "--sight", eyes, "--to", tmp_path / "ship") == 0
    shipped = tmp_path / "ship" / "contact_flow"
    assert sight_within(trained) is None and sight_within(shipped) == shipped / "sight"
    first, copy = load_sight(eyes), load_sight(shipped / "sight")
    assert (len(first.members), len(copy.members)) == (3, 2)
    assert copy.features_id == first.model_id == first.features_id != copy.model_id
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (eyes, shipped / "sight")]
    assert sizes[1] < 0.45 * sizes[0]
    inputs = np.random.default_rng(0).standard_normal((6, 150)).astype(np.float32)
    shown, same = (one.features(inputs, np.arange(6), 6) for one in (first, copy))
    assert np.abs(shown - same).max() < 0.02 * np.abs(shown).max(), "8 bits a weight"
    both = (dataclasses.replace(first, members=first.members[:2]), copy)
    said, as_well = (one.beliefs(inputs, np.arange(6), 6).material for one in both)
    np.testing.assert_allclose(as_well, said, atol=2e-3)
    # What ships is given away once more as it is.
    assert command("ship", shipped, "--to", tmp_path / "again") == 0
    again = tmp_path / "again" / "contact_flow"
    assert load_sight(again / "sight").features_id == first.model_id
    assert "| sight within | a copy of 2 of its networks" in (again / "CARD.md").read_text()


def test_another_sight_or_too_much_of_it_does_not_ship(
    trained: Path,
    eyes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("ship", trained, "--sight", eyes)
    own = sum((trained / f).stat().st_size for f in ("model.safetensors", "config.yaml", "manifest.yaml"))
    monkeypatch.setattr(flow_ship, "MOST_BYTES", own + 10_000)
    assert command(*words, "--to", tmp_path / "ship") == 2
    assert "or less sight (--sight-members)" in capsys.readouterr().err
    assert not (tmp_path / "ship" / "contact_flow").exists()
    assert command(*words, "--sight-members", 0, "--to", tmp_path / "ship") == 2
    assert "--sight-members is 0, must be at least 1" in capsys.readouterr().err
    (eyes / "config.yaml").write_text((eyes / "config.yaml").read_text() + "more: 1\n")
    names = ("model.safetensors", "config.yaml")
    checkpoint.write_yaml(eyes / "manifest.yaml", {n: checkpoint.sha256_of(eyes / n) for n in names})
    assert command(*words, "--to", tmp_path / "ship") == 2
    assert "with the views of another sight" in capsys.readouterr().err


def test_a_card_keeps_what_it_said_of_the_same_model(trained: Path, tmp_path: Path) -> None:
    options = ("--table", tmp_path / "table", "--commands", tmp_path / "commands.txt")
    first, second = tmp_path / "first" / "contact_flow", tmp_path / "second" / "contact_flow"
    assert command("ship", trained, *options, "--to", first.parent) == 0
    assert command("ship", first, "--release", 2, "--to", second.parent) == 0
    page = (second / "CARD.md").read_text()
    assert "| version | 2, of Foley" in page and "| flow | 12.33 [11.83, 12.88] |  |" in page
    assert page.count("foley codec train x\nfoley flow fit y\n```") == 1
    assert command("ship", trained, "--release", 3, "--to", first.parent) == 0
    assert "foley flow fit y" in (first / "CARD.md").read_text(), "of the card that lay there"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "which has no metrics.json; name the folder that `foley flow table --out` wrote"),
        ("{", "whose metrics.json is not readable"),
        ('{"test": "x"}', "whose metrics.json lacks `windows` and is none of a table"),
    ],
)
def test_figures_that_are_none_of_a_table_are_told(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, told: str
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    if content is not None:
        (other / "metrics.json").write_text(content)
    assert command("ship", trained, "--table", other, "--to", tmp_path / "ship") == 2
    said = capsys.readouterr().err
    assert f"--table is {other}, {told}" in said.replace("\n", " ")
