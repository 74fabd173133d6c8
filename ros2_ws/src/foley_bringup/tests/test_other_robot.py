"""A robot of another shape than the simulator's own, from `foley robot init` to predicates and a data set."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.nodes,
    pytest.mark.system,
    pytest.mark.real_time,
    pytest.mark.slow,
    pytest.mark.long,
]

ROOT = Path(__file__).resolve().parents[4]


def test_a_strangers_robot_works_from_its_file_alone(
    tmp_path: Path, ros_domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands of docs/robots.md, beside drivers in a process of their own; `python -m benchmarks.other_robot`."""
    monkeypatch.syspath_prepend(str(ROOT))
    try:
        importlib.import_module("benchmarks.other_robot").overlay()
    except (RuntimeError, FileNotFoundError) as error:
        pytest.skip(f"the overlay cannot be built: {str(error)[:300]}")
    command = [sys.executable, "-m", "benchmarks.other_robot", "--duration", "10", "--out", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, env=os.environ, timeout=800, capture_output=True, text=True)
    assert (tmp_path / "metrics.json").is_file(), ended.stdout + ended.stderr
    found = json.loads((tmp_path / "metrics.json").read_text())

    assert found["init"]["wrong"] == {} and found["init"]["exit_code"] == 0
    errors = [one for one in found["check"]["said"] if one["severity"] == "error"]
    assert errors == []
    # A busy machine loses what is sent best effort, and then a contact's sound or force with it.
    assert found["contacts"] >= 4 and found["made_up"] == 0
    assert found["found"] >= found["contacts"] - 1 and found["in_place"] == found["found"]
    assert found["predicates"] > 0 and found["objects"] >= 3
    assert found["record"]["exit_code"] == 0
    assert not [said for said in found["record"]["said"] if "nobody publishes" in said]
    # Recorders list topics that nobody published; what a busy machine held up is told, and rightly.
    assert not [one for one in found["check_of_bag"]["said"] if "no message" in one["text"]]
    assert found["dataset"]["exit_code"] == 0 and found["dataset"]["clips"] >= found["found"] - 1, found[
        "dataset"
    ]
