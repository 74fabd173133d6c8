"""The chain to the flow that ships: each step is a command that exists, and what is done is not done again."""

from __future__ import annotations

import argparse
import dataclasses
import json
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from foley_synthesis.commands import flow
from foley_synthesis.commands.flow_recipe import RecipeConfig, Step, StepFailed, cook, steps

FULL, SMALL = RecipeConfig(), RecipeConfig(small=True)


def parsed(step: Step) -> argparse.Namespace:
    """By the parser of the command itself; exits where it refuses a word."""
    parser = argparse.ArgumentParser()
    entry_points(group="foley.commands")[step.words[0]].load().configure(parser)
    return parser.parse_args(step.words[1:])


@pytest.mark.parametrize("config", [FULL, SMALL])
def test_every_step_is_a_command_that_reads_what_an_earlier_one_wrote(
    config: RecipeConfig, tmp_path: Path
) -> None:
    written: set[Path] = {tmp_path / "commands.txt"}
    chain = steps(config, tmp_path)
    for step in chain:
        found = vars(parsed(step))
        targets = {found.pop(name) for name in ("out", "to", "metrics") if found.get(name) is not None}
        texts = " ".join(map(str, found.values()))
        for word in step.words:
            path = Path(word.partition("=")[2] or word)
            if path.is_relative_to(tmp_path) and path not in targets:
                assert path in written, f"{step.name} reads {path}, which nobody wrote"
                assert str(path) in texts
        written |= targets
    assert tmp_path / "ship" in written and len({step.name for step in chain}) == len(chain)


def test_amounts_reach_their_steps(tmp_path: Path) -> None:
    config = RecipeConfig(hours=2.0, minutes=7.0, codec_minutes=3.0, views=0.2, jobs=3, threads=4)
    found = {step.name: parsed(step) for step in steps(config, tmp_path)}
    sessions = found["sessions of train"]
    assert (sessions.sessions, sessions.duration, sessions.views, sessions.jobs) == (180, 40.0, 0.2, 3)
    assert found["stills of train"].scenes >= sessions.sessions, (
        "the scene of every session is among the stills"
    )
    assert (found["flow"].minutes, found["flow"].threads, found["flow"].size) == (7.0, 4, "small")
    assert found["codec"].minutes == 3.0 and found["codec"].resume and found["flow"].resume
    assert found["flow"].sight == found["table"].sight == found["ship"].sight


def test_what_is_done_is_kept_and_a_step_that_failed_is_run_again(tmp_path: Path) -> None:
    ran: list[str] = []

    def runner(step: Step) -> int:
        ran.append(step.name)
        return 3 if step.name == "codec" and ran.count("codec") == 1 else 0

    names = [step.name for step in steps(SMALL, tmp_path)]
    with pytest.raises(StepFailed, match=r"`foley codec train .* ended with code 3") as stop:
        cook(SMALL, tmp_path, runner)
    assert stop.value.code == 3
    state = cook(SMALL, tmp_path, runner)
    at = names.index("codec")
    assert ran == [*names[: at + 1], *names[at:]] and list(state["seconds"]) == names
    assert json.loads((tmp_path / "recipe.json").read_text())["seconds"] == state["seconds"]
    cook(SMALL, tmp_path, runner)
    assert len(ran) == len(names) + 1
    lines = (tmp_path / "commands.txt").read_text().splitlines()
    assert lines == [step.line() for step in steps(SMALL, tmp_path)][:-1]


def test_other_amounts_are_another_recipe(tmp_path: Path) -> None:
    cook(SMALL, tmp_path, lambda step: 0)
    with pytest.raises(ValueError, match=r"holds a recipe with minutes 150\.0, not 5\.0; name another --out"):
        cook(dataclasses.replace(SMALL, minutes=5.0), tmp_path, lambda step: 0)
    with pytest.raises(ValueError, match="hours is 0"):
        RecipeConfig(hours=0.0)


def test_a_dry_run_prints_what_would_be_typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    flow.configure(parser)
    assert flow.run(parser.parse_args(["recipe", "--out", str(tmp_path / "new"), "--dry-run"])) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines == [step.line() for step in steps(FULL, tmp_path / "new")] and not (tmp_path / "new").exists()
    )
