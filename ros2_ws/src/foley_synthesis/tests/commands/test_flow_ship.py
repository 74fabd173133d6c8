"""A flow with its card: the same model, said truly."""

from __future__ import annotations

import argparse
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
