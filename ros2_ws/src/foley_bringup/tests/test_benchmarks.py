"""Every benchmark is a module that says what it measures; one of them measures here."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
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
    main = importlib.import_module("benchmarks.exemplar_search").main
    assert main(["--count", "200", "--repeats", "1", "--out", str(tmp_path)]) == 0
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


def test_the_teaching_curve_tells_what_can_be_learned_from_what_cannot() -> None:
    """Made-up contacts in which one embedding tells the label, and level and decay do not."""
    contacts = importlib.import_module("benchmarks._state_contacts")
    curve = importlib.import_module("benchmarks.teaching_curve")
    rng = np.random.default_rng(0)
    rows = [(split, f"{split}{k}", scene, label) for split in ("train", "test") for k in range(2)
            for scene in range(4) for label in (True, False) for _ in range(5)]  # fmt: skip
    split, thing, scene, label = (np.array(column) for column in zip(*rows, strict=True))
    count = len(rows)
    values = rng.normal(0.0, 0.3, (count, 50)).astype(np.float32)
    values[:, 0] += np.where(label, 1.5, -1.5)
    made = contacts.Contacts(
        [f"c{i}" for i in range(count)], np.full(count, "is_full"), label, split, thing, scene,
        np.array([f"{a}{b}{c}" for _, a, b, c in rows]), values, (20, 30), np.zeros((count, 4)),
        rng.normal(size=(count, 6)).astype(np.float32), rng.normal(size=(count, 4)), "model",
    )  # fmt: skip
    found = curve.curves(made.of("is_full"), draws=2)
    for test in ("same", "other"):
        assert found[test]["taught"]["20"]["balanced_accuracy"] > 0.95
        assert (
            found[test]["taught"]["20"]["answered"] > 0.8
            and found[test]["head"]["5"]["balanced_accuracy"] > 0.9
        )
        for method in ("mfcc", "level", "decay"):
            assert 0.35 < found[test][method]["20"]["balanced_accuracy"] < 0.65
        low, high = found[test]["taught"]["10"]["interval_95"]
        assert low <= found[test]["taught"]["10"]["balanced_accuracy"] <= high
    # 5 contacts are fewer than the three of each label from which on anything is judged.
    assert (
        found["same"]["taught"]["5"]["not_known"] == 1.0
        and found["same"]["taught"]["5"]["log_loss"] == 0.6931
    )
