"""One recorded bag through the live nodes' callbacks and through the data set builder: the same arrays."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from foley_bringup.commands import replay as command
from foley_bringup.contract import compare, figures_of
from foley_bringup.ros.replay import replay_bag
from foley_sim.offline.job import BagJob
from foley_sim.ros.bag import write_bag

pytestmark = pytest.mark.nodes

ARRAYS = {"still", "frames", "action_executed", "action_planned", "audio"}


@pytest.fixture(scope="module", params=["raw", "compressed"])
def bag(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 s in a scene of FoleySim-1: seven actions, plans, measured force, gripper width."""
    folder = tmp_path_factory.mktemp("bags") / request.param
    write_bag(BagJob(folder, "test", 3, 0, 12.0, edition="foleysim-1", images=request.param))
    return folder


@pytest.fixture(scope="module")
def replayed(bag: Path, module_ros_domain: int) -> Any:
    return replay_bag(bag, "parallel_gripper")


def test_every_array_of_every_contact_is_the_same(replayed: Any) -> None:
    clips, plan_of, live = replayed
    assert len(clips) >= 3 and not live.refused
    figures = figures_of([compare(clips, live, plan_of)])
    assert set(figures["arrays"]) == ARRAYS
    for name, row in figures["arrays"].items():
        assert row["compared"] == row["within"] == len(clips), (name, row)
    assert figures["within"] and figures["contacts"] == len(clips)
    # The expected contact is another matter: it is found on the depth image, before the touch.
    expected = figures["planned_contact"]
    assert expected["plans"] == len(clips)
    assert expected["time_error_ms"]["median_absolute"] < 100
    assert expected["position_error_mm"]["median_absolute"] < 20


@pytest.mark.parametrize("array", sorted(ARRAYS))
def test_a_difference_in_any_array_is_found(replayed: Any, array: str) -> None:
    clips, plan_of, live = replayed
    live = dataclasses.replace(
        live, executed=dict(live.executed), plans=dict(live.plans), heard=dict(live.heard)
    )
    at = clips[1].clip.contact_ns
    inputs = live.executed[at]
    if array == "still":
        live.executed[at] = dataclasses.replace(inputs, still=np.roll(inputs.still, 1, axis=0))
    elif array == "frames":
        live.executed[at] = dataclasses.replace(inputs, frames=np.roll(inputs.frames, 1, axis=0))
    elif array == "action_executed":
        action = inputs.action.copy()
        action[40, 6] += 1e-4  # a tenth of a millimetre of the gripper's width
        live.executed[at] = dataclasses.replace(inputs, action=action)
    elif array == "action_planned":
        plan = live.plans[plan_of(at)]
        later = dataclasses.replace(plan.path, times_ns=plan.path.times_ns + 1_000_000)
        live.plans[plan_of(at)] = dataclasses.replace(plan, path=later)
    else:
        live.heard[at] = dataclasses.replace(live.heard[at], samples=live.heard[at].samples * 0.99)
    found = [d for d in compare(clips, live, plan_of).differences if not d.within]
    assert {(d.clip_id, d.array) for d in found} == {(clips[1].clip.clip_id, array)}


def test_what_only_one_side_has_is_a_difference(replayed: Any) -> None:
    clips, plan_of, live = replayed
    missing = dataclasses.replace(live, executed={}, plans={}, heard={})
    figures = figures_of([compare(clips, missing, plan_of)])
    assert not figures["within"]
    assert all(row["missing"] == row["compared"] == len(clips) for row in figures["arrays"].values())


def test_the_command_writes_its_figures(
    bag: Path, tmp_path: Path, ros_domain: int, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    assert command.run(parser.parse_args([str(bag), "--out", str(tmp_path / "out")])) == 0
    figures = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert figures["within"] and figures["bags"] == [bag.name]
    assert "action_planned" in capsys.readouterr().out
    assert command.run(parser.parse_args([str(tmp_path / "nothing"), "--out", str(tmp_path)])) == 2
