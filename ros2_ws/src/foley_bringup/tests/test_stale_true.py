"""No planner is ever told what nobody can know any more: every node that predicates depend on dies and hangs."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[4]
S = 1_000_000_000
TRUE, FALSE = 1, 2
# Whose end may change what a planner may believe.
DEPENDED_ON = ("material", "contact_detector", "sim_world", "synthesizer", "hand_mapper")


@pytest.fixture(autouse=True)
def from_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


def stamp(seconds: float) -> SimpleNamespace:
    return SimpleNamespace(sec=int(seconds), nanosec=round(seconds % 1 * S))


def snapshot(at_s: float, *told: tuple[str, int, float], lease_s: float = 3.0) -> Any:
    return SimpleNamespace(
        header=SimpleNamespace(stamp=stamp(at_s)),
        predicates=[
            SimpleNamespace(
                name=name,
                arguments=["mug"],
                state=state,
                newest_evidence=stamp(evidence_s),
                valid_until=stamp(at_s + lease_s),
            )
            for name, state, evidence_s in told
        ],
    )


@pytest.mark.parametrize(
    ("killed", "told", "looked_s", "wrong"),
    [
        ("material", [("is_hard", TRUE, 99)], 102, ""),
        ("material", [("is_hard", TRUE, 30)], 102, "evidence that is 72.0 s old"),
        ("material", [("is_hard", TRUE, 30)], 104, ""),
        ("recorder", [("sounds_as_expected", TRUE, 90), ("was_hit", TRUE, 90)], 102, ""),
        (
            "recorder",
            [("sounds_as_expected", TRUE, 90), ("was_hit", TRUE, 95)],
            102,
            "not about the newest contact",
        ),
    ],
)
def test_what_is_wrong_to_be_told(killed: str, told: Any, looked_s: float, wrong: str) -> None:
    planner = importlib.import_module("benchmarks._planner").Planner({"is_hard": 60.0})
    planner.take(snapshot(100, *told))
    planner.killed(killed, 100 * S)
    planner.look(round(looked_s * S))
    assert wrong in str(planner.wrong) and bool(planner.wrong) == bool(wrong)


def test_a_newest_contact_is_not_to_be_told_of_when_nobody_hears_all_of_them() -> None:
    planner = importlib.import_module("benchmarks._planner").Planner({})
    told = (("sounds_as_expected", TRUE, 99), ("was_hit", TRUE, 99), ("was_scratched", FALSE, 99))
    planner.take(snapshot(100, *told))
    assert planner.needing_ears(100 * S) == 2 and planner.needing_ears(104 * S) == 0
    planner.killed("contact_detector", 100 * S)
    for second in range(100, 107):
        planner.take(snapshot(second, *told))
        planner.look(second * S)
    assert planner.wrong == [], "it takes a lease to see that it is gone, and one for the snapshot"
    planner.take(snapshot(107, *told))
    planner.look(107 * S)
    assert len(planner.wrong) == 2 and all("after contacts were missed" in said for said in planner.wrong)
    assert not any("was_hit" in said for said in planner.wrong), "that it was hit stays true"


def test_a_lease_longer_than_promised_is_wrong() -> None:
    planner = importlib.import_module("benchmarks._planner").Planner({})
    planner.take(snapshot(100, ("is_hard", TRUE, 99), lease_s=3.5))
    assert "valid for 3.5 s after its snapshot" in str(planner.wrong)


@pytest.mark.system
@pytest.mark.long
def test_no_planner_is_told_what_nobody_knows(tmp_path: Path, ros_domain: int) -> None:
    """Killed and stopped, each in turn, beside the simulated robot that goes on touching things."""
    command = [sys.executable, "-m", "benchmarks.node_kills", "--kills", "1", "--hangs", "1", "--load", "0"]
    command += ["--domain", str(ros_domain), "--nodes", *DEPENDED_ON, "--out", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, timeout=1500, capture_output=True, text=True)
    assert (tmp_path / "metrics.json").exists(), ended.stdout + ended.stderr
    rows = json.loads((tmp_path / "metrics.json").read_text())["nodes"]
    assert len(rows) == 2 * len(DEPENDED_ON)
    for name, row in rows.items():
        assert row["came_back"] == row["faults"], name
        assert row["told_wrongly"] == [], name
        if name.split()[0] in ("contact_detector", "sim_world"):
            assert min(row["needing_ears"]) > 0, "nothing was held that could have been wrong"
        assert (row["stale_true_s_max"] or 0.0) <= 3.1, name
