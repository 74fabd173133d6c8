"""Every benchmark is a module that says what it measures; one of them measures here."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
NAMES = sorted(p.stem for p in (ROOT / "benchmarks").glob("[a-z]*.py"))


@pytest.fixture(autouse=True)
def from_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


def test_all_are_listed_and_others_refused(capsys: pytest.CaptureFixture[str]) -> None:
    main = importlib.import_module("benchmarks.__main__").main
    assert main(["--list"]) == 0 and capsys.readouterr().out.split() == NAMES
    with pytest.raises(SystemExit, match="2"):
        main(["phlogiston"])
    assert "no benchmark named phlogiston; known are bag_damage" in capsys.readouterr().err


@pytest.mark.parametrize("name", NAMES)
def test_each_tells_what_it_measures_and_how_it_is_run(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        importlib.import_module(f"benchmarks.{name}").main(["--help"])
    told = capsys.readouterr().out
    assert told.startswith(f"usage: python -m benchmarks.{name} ")
    assert f"default: out/bench_{name}" in told and "metrics.json" in told


def test_one_measures(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.exemplar_search", "--count", "200", "--repeats", "1"]
    subprocess.run([*command, "--out", str(tmp_path)], cwd=ROOT, check=True, timeout=600)
    (bank,) = json.loads((tmp_path / "metrics.json").read_text())["banks"]
    assert bank["exemplars"] == 200 and bank["over_floor"]["ours (faiss)"] > 0


@pytest.mark.nodes
@pytest.mark.slow
def test_the_node_that_keeps_beliefs_survives_hostile_messages(tmp_path: Path, ros_domain: int) -> None:
    """The full size is `python -m benchmarks.hostile_messages`; this one is for what everybody may break."""
    command = [sys.executable, "-m", "benchmarks.hostile_messages", "--messages", "200", "--rate", "100"]
    command += ["--nodes", "material", "contact_detector", "--out", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, timeout=600, capture_output=True, text=True)
    nodes = json.loads((tmp_path / "metrics.json").read_text())["nodes"]
    assert ended.returncode == 0 and all(node["survived"] for node in nodes.values()), nodes
    assert min(nodes["contact_detector"]["sent"].values()) >= 100


def test_damage_costs_a_bag_the_damaged_chunks_and_nothing_else(tmp_path: Path) -> None:
    trials = importlib.import_module("benchmarks.bag_damage")
    noise = trials.noise_bag(tmp_path / "noise")
    sources = [trials.rewrite(noise, tmp_path / name, how) for name, how in trials.WAYS]
    found = trials.run_trials(sources, {"cut": 20, "flip": 20, "sector": 10}, 1, tmp_path)
    assert len(found) == 50 and [t for t in found if t.wrong or t.lost != t.messages_in_them] == []
    assert sum(t.damaged_chunks for t in found if t.kind == "flip") >= 10
    assert sum(t.lost for t in found) > 1000
