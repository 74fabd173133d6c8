"""Learning curves: which data a point has, what is trained anew, and the command."""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from foley_common.session_file import SessionData
from foley_synthesis.commands import flow
from foley_synthesis.evaluation.windows import curve
from foley_synthesis.evaluation.windows.curve import Point, nested, points_of, trace
from foley_synthesis.evaluation.windows.sets import windows_of
from foley_synthesis.flow.codec.config import CodecConfig
from foley_synthesis.flow.codec.model_file import save_codec
from foley_synthesis.flow.codec.network import Codec
from foley_synthesis.flow.window_model import EvaluationWindow
from foley_synthesis.training.state import Interrupted


def _world() -> Any:
    place = Path(__file__).parents[2] / "flow" / "session_files.py"
    spec = importlib.util.spec_from_file_location("session_files", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_scenes_of_fewer_hours_are_among_those_of_more() -> None:
    scenes = {f"s{k}": 0.25 for k in range(20)}
    chosen = [nested(scenes, hours, seed=3) for hours in (0.4, 1.0, 2.6, 5.0)]
    assert [len(names) for names in chosen] == [2, 4, 11, 20]
    assert chosen[0] < chosen[1] < chosen[2] < chosen[3]
    assert nested(scenes, 1.0, seed=4) != chosen[1]
    with pytest.raises(ValueError, match=r"6 h were asked for, the training scenes last 5 h"):
        nested(scenes, 6.0, seed=3)


def test_points_are_every_size_and_end_with_little_data_first() -> None:
    points = points_of([2.5, 1.0], ["small", "tiny"], 100, 3.0)
    assert [point.name for point in points[:4]] == [
        "1h_small_100_steps", "1h_small_3_minutes", "1h_tiny_100_steps", "1h_tiny_3_minutes"
    ]  # fmt: skip
    assert len(points) == 8 and points[-1].hours == 2.5
    assert (points[0].pace["steps"], points[1].pace) == (100, {"steps": None, "minutes": 3.0})
    for bad, text in (([], "nothing to train"), ([1.0, 1.0], "once each"), ([0.0], "must be positive")):
        with pytest.raises(ValueError, match=text):
            points_of(bad, ["small"], 100, None)
    with pytest.raises(ValueError, match="nothing to train"):
        points_of([1.0], ["small"], None, None)


class Player:
    """A model that plays the true sound in noise, which its folder tells the level of."""

    given = "plan"
    train_scenes: frozenset[str] = frozenset()

    def __init__(self, folder: Path) -> None:
        self._noise = float((folder / "noise").read_text())

    def draw(
        self, windows: list[EvaluationWindow], draws: int, seed: int, step: Callable[[], None]
    ) -> NDArray[np.float32]:
        rng = np.random.default_rng(seed)
        sounds = np.stack([np.stack([w.sound()] * draws) for w in windows])
        return np.asarray(sounds + self._noise * rng.standard_normal(sounds.shape), np.float32)


class Learner:
    """The more data, the less noise."""

    def __init__(self, stop: int = -1) -> None:
        self.asked: list[str] = []
        self.settings, self._stop = "a", stop

    def hours(self) -> float:
        return 4.0

    def mark(self, point: Point) -> str:
        return f"{self.settings} {point}"

    def learn(self, point: Point, out: Path, resume: bool, report: Any) -> dict[str, Any]:
        if len(self.asked) == self._stop:
            raise Interrupted("stopped")
        self.asked.append(point.name)
        out.mkdir(exist_ok=True)
        (out / "noise").write_text(str(0.02 / point.hours))
        report(0.5, {"train": 1.0})
        return {"hours": point.hours, "parameters": 10, "steps": 7, "seconds": 0.1}


@pytest.fixture
def windows(make_session: Callable[..., SessionData]) -> list[EvaluationWindow]:
    return [w for k in range(2) for w in windows_of(make_session(f"v{k}", "validation", k, 8.0))]


def test_what_an_interrupted_run_has_found_is_kept(
    windows: list[EvaluationWindow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curve, "load_window_model", Player)
    points = points_of([0.5, 4.0], ["small"], 10, None)
    told: list[int] = []

    def run(learner: Learner, resume: bool = True) -> list[dict[str, Any]]:
        return trace(
            learner, points, windows, tmp_path, draws=2, resume=resume, found=lambda rows: told.append(len(rows))
        )  # fmt: skip

    with pytest.raises(Interrupted):
        run(Learner(stop=1))
    rest = Learner()
    rows = run(rest)
    assert rest.asked == ["4h_small_10_steps"] and told == [1, 1, 2]
    little, much = rows
    assert (little["line"], little["hours"], little["steps"]) == ("small, 10 steps", 0.5, 7)
    assert much["energy_db"]["value"] < little["energy_db"]["value"] - 0.5
    assert much["foreground_db"]["value"] < little["foreground_db"]["value"] - 0.5
    assert much["onset_f1"]["value"] > 0.8
    assert little["energy_db"]["low"] <= little["energy_db"]["value"] <= little["energy_db"]["high"]
    # Other settings, or a run that is not to go on, train again.
    other = Learner()
    other.settings = "b"
    run(other)
    assert len(other.asked) == 2
    again = Learner()
    assert run(again, resume=False) == rows and len(again.asked) == 2
    with pytest.raises(ValueError, match=r"5 h were asked for, there are 4 h"):
        trace(Learner(), points_of([5.0], ["small"], 10, None), windows, tmp_path)


def command(*words: object) -> int:
    parser = argparse.ArgumentParser()
    flow.configure(parser)
    return flow.run(parser.parse_args([str(word) for word in words]))


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """Arguments that name three scenes of training and one of validation."""
    root, world = tmp_path_factory.mktemp("sets"), _world()
    train = world.write_falling(root / "train", 3)
    validation = world.write_falling(root / "validation", 1, "validation", first=7)
    return ["--train", train, "--validation", validation]


def test_the_command_draws_a_curve_of_the_regression_and_goes_on(
    sets: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = [
        "--hours",
        0.003,
        0.006,
        "--sizes",
        "tiny",
        "--batch",
        2,
        "--draws",
        1,
        "--threads",
        1,
        "--windows",
        1,
    ]
    arguments = ["curve", *sets, "--regression", "mean", *ends, "--steps", 2, "--out", tmp_path / "curve"]
    assert command(*arguments) == 0
    figures = json.loads((tmp_path / "curve" / "metrics.json").read_text())
    one, two = figures["trainings"]
    assert figures["complete"] and (one["asked_hours"], two["asked_hours"]) == (0.003, 0.006)
    assert one["hours"] == pytest.approx(12.0 / 3600, rel=1e-3) and two["hours"] == pytest.approx(
        2 * one["hours"]
    )
    assert one["steps"] == 2 and one["foreground_db"]["value"] > 0.0
    assert (tmp_path / "curve" / "curve.png").stat().st_size > 1000
    assert "| tiny, 2 steps | 0.00 |" in capsys.readouterr().out
    (tmp_path / "curve" / "0.003h_tiny_2_steps" / "model.safetensors").unlink()  # it is not measured again
    assert command(*arguments, "--resume") == 0
    assert json.loads((tmp_path / "curve" / "metrics.json").read_text())["trainings"] == [one, two]
    for wrong, text in ((["--codec", "no"], "name --codec"), (["--draws", 0], "--draws is 0")):
        assert command(*arguments, *wrong) == 2
        assert text in capsys.readouterr().err


def test_the_command_draws_a_curve_of_the_flow(sets: list[object], tmp_path: Path) -> None:
    torch.manual_seed(0)
    codec = Codec(
        CodecConfig(
            latent=4, width=16, hidden=16, blocks=1, fine_width=16, fine_hidden=16, fine_blocks=1, rounds=0
        )
    )
    save_codec(codec, {}, tmp_path / "codec", {})
    ends = ["--hours", 0.003, "--sizes", "tiny", "--steps", 1, "--minutes", 1e-6, "--batch", 2, "--draws", 2]
    assert command(
        "curve", *sets, "--codec", tmp_path / "codec", *ends, "--threads", 1, "--windows", 1, "--out", tmp_path / "c"
    ) == 0  # fmt: skip
    rows = json.loads((tmp_path / "c" / "metrics.json").read_text())["trainings"]
    assert [row["line"] for row in rows] == ["tiny, 1 steps", "tiny, 1e-06 minutes"]
    assert [row["steps"] for row in rows] == [1, 1]
    assert all(row["energy_db"]["value"] <= row["foreground_db"]["value"] for row in rows)
