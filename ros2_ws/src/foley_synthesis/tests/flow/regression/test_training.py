"""Training on sessions, checkpoints, and what the table asks of them."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foley_common.session_file import read_session
from foley_synthesis.checkpoint import CorruptCheckpoint
from foley_synthesis.commands import flow as flow_command
from foley_synthesis.evaluation.windows.models import load_window_model as of_table
from foley_synthesis.flow.regression import training
from foley_synthesis.flow.regression.build import Asked, ask_otherwise, build_regression, network_of
from foley_synthesis.flow.regression.config import RegressionConfig, RegressionTrainConfig
from foley_synthesis.flow.regression.data import CHANNELS, SessionSource, features_of, held
from foley_synthesis.flow.regression.model import load_model
from foley_synthesis.flow.regression.window_model import load_window_model
from foley_synthesis.flow.sessions import SessionSet, load_sessions
from foley_synthesis.flow.window_model import EvaluationWindow
from foley_synthesis.training.state import Interrupted


def _session_files() -> Any:
    spec = importlib.util.spec_from_file_location(
        "session_files", Path(__file__).parents[1] / "session_files.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FILES = _session_files()
CONFIG = RegressionTrainConfig(minutes=5.0, steps=6, batch=4, crop_s=2.048, validate_every=3)


def small(variant: str = "mean", **more: Any) -> RegressionConfig:
    return dataclasses.replace(network_of(variant, **more), width=16, deep_width=16, levels=2)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("sets")
    return [
        FILES.write_falling(root / split, 2, split, 10 * i)
        for i, split in enumerate(("train", "validation", "test"))
    ]


@pytest.fixture(scope="module")
def sessions(folders: list[Path]) -> SessionSet:
    return load_sessions(folders)


@pytest.fixture(scope="module")
def trained(sessions: SessionSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that has learned when the tip clicks."""
    out = tmp_path_factory.mktemp("trained") / "regression"
    config = dataclasses.replace(CONFIG, steps=60, validate_every=60, ema_decay=0.8, learning_rate=1e-2)
    build_regression(sessions, out, small(), config, Asked())
    return out


def window_of(folders: list[Path]) -> EvaluationWindow:
    return EvaluationWindow(read_session(sorted(folders[2].glob("*.npz"))[0]), 1.6)


def test_features_tell_the_plan_or_what_was_measured(sessions: SessionSet) -> None:
    part = sessions.batch(sessions.windows("train")[:1] * 3)
    told = torch.tensor([0, 1, 2])
    features = features_of(part.planned, part.executed, part.force, part.what, told, small())
    assert features.shape == (3, 1000, sum(CHANNELS.values()))
    motion = part.planned.shape[-1]
    torch.testing.assert_close(features[0, :, :motion], part.planned[0])
    torch.testing.assert_close(features[1:, :, :motion], part.executed[1:])
    force = features[:, :, motion : motion + part.force.shape[-1]]
    assert not force[:2].any() and torch.equal(force[2], part.force[2])
    torch.testing.assert_close(
        features[:, :, motion + part.force.shape[-1]].mean(dim=1), torch.tensor([0.0, 1.0, 1.0])
    )
    torch.testing.assert_close(features[0, 7, -part.what.shape[-1] :], part.what[0, 1])


def test_at_a_lower_rate_each_row_is_the_nearest_that_came() -> None:
    rows = torch.arange(100.0)[None, :, None]
    made = held(rows, 30.0)[0, :, 0]
    assert len(made.unique()) == 25 and float((made - rows[0, :, 0]).abs().max()) <= 2.5
    torch.testing.assert_close(held(rows, 125.0), rows)


def test_onsets_of_a_plan_in_a_new_scene_are_learned(trained: Path, folders: list[Path]) -> None:
    window = window_of(folders)
    levels, _ = load_window_model(trained).levels(window, draws=3, seed=0)
    assert levels.shape == (1, 80, 1000)  # of one sound
    loud = levels[0].mean(dim=0).numpy()
    clicks = (window.session.contact_s[window.contacts] - window.start_s) * 125.0
    peaks = np.flatnonzero((loud[1:-1] > loud[:-2]) & (loud[1:-1] >= loud[2:]) & (loud[1:-1] > 15.0)) + 1
    assert len(clicks) == 8
    assert all(np.abs(peaks - click).min() <= 3.0 for click in clicks)
    assert all(np.abs(clicks - peak).min() <= 3.0 for peak in peaks)


def test_the_true_sound_scores_best_of_what_is_shifted(trained: Path, folders: list[Path]) -> None:
    window = window_of(folders)
    sound = window.sound()
    candidates = np.stack([np.roll(sound, shift) for shift in (0, 1600, 4000, 8000)])
    scores = load_window_model(trained).score(window, candidates)
    assert int(scores.argmax()) == 0 and scores.shape == (4,)


def test_sounds_are_a_function_of_window_and_seed(trained: Path, folders: list[Path]) -> None:
    window, model, steps = window_of(folders), load_window_model(trained), []
    made = model.draw([window], 2, 3, lambda: steps.append(1))
    assert made.shape == (1, 1, 128_000) and made.dtype == np.float32 and steps == [1]
    assert np.array_equal(made, model.draw([window], 2, 3))
    assert (model.given, model.train_scenes) == ("plan", frozenset({"train-00000", "train-00001"}))
    assert model.model_id == of_table(trained).model_id


def test_draws_differ_and_are_as_many_as_asked_for(
    sessions: SessionSet, folders: list[Path], tmp_path: Path
) -> None:
    build_regression(sessions, tmp_path / "a", small("sampled"), CONFIG, Asked("motion and force", True))
    model = load_window_model(tmp_path / "a")
    window = window_of(folders)
    levels, _ = model.levels(window, 3, 0)
    again, _ = model.levels(window, 3, 0)
    assert levels.shape == (3, 80, 1000) and torch.equal(levels, again)
    assert not torch.allclose(levels[0], levels[1]) and not torch.allclose(
        levels[0], model.levels(window, 1, 1)[0][0]
    )
    assert model.given == "motion and force"


def test_the_template_is_put_where_the_plan_touches(
    sessions: SessionSet, folders: list[Path], tmp_path: Path
) -> None:
    build_regression(sessions, tmp_path / "t", None, CONFIG, Asked())
    model, window = load_window_model(tmp_path / "t"), window_of(folders)
    levels, _ = model.levels(window, 2, 0)
    loud = np.flatnonzero(levels[0].mean(dim=0).numpy() > 15.0)
    clicks = (window.session.contact_s[window.contacts] - window.start_s) * 125.0
    assert levels.shape == (1, 80, 1000)
    assert all(np.abs(loud - click).min() <= 2.5 for click in clicks)
    assert all(np.abs(clicks - frame).min() <= 4.0 for frame in loud)


def test_a_resumed_training_repeats_an_uninterrupted_one(
    sessions: SessionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = small(groups=("height", "velocity"))
    whole = build_regression(sessions, tmp_path / "whole", network, CONFIG, Asked())[0]
    loss, calls = training._loss, []

    def stopped(*args: Any) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return loss(*args)

    every = dataclasses.replace(CONFIG, save_every_s=1e-6)
    monkeypatch.setattr(training, "_loss", stopped)
    with pytest.raises(Interrupted, match="3 steps"):
        build_regression(sessions, tmp_path / "part", network, every, Asked())
    monkeypatch.setattr(training, "_loss", loss)
    build_regression(sessions, tmp_path / "part", network, every, Asked(), resume=True)
    made, expected = (load_model(tmp_path / name).network.state_dict() for name in ("part", "whole"))  # type: ignore[union-attr]
    assert all(torch.equal(made[name], expected[name]) for name in expected)
    assert whole and not (tmp_path / ".part.training").exists()


def test_a_training_does_not_go_on_with_a_set_or_a_hand_that_has_changed(
    sessions: SessionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, every = small(groups=("height",)), dataclasses.replace(CONFIG, save_every_s=1e-6)
    loss, calls = training._loss, []

    def stopped(*args: Any) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return loss(*args)

    monkeypatch.setattr(training, "_loss", stopped)
    out = tmp_path / "out"
    with pytest.raises(Interrupted, match="stopped, 0 steps are kept"):  # it saves every 30 s
        build_regression(sessions, out, network, CONFIG, Asked())
    calls.clear()
    with pytest.raises(Interrupted, match="stopped, 1 steps are kept"):
        build_regression(sessions, out, network, every, Asked())
    first, *rest = sessions.items
    softer = SessionSet((dataclasses.replace(first, sound=first.sound // 2), *rest))
    with pytest.raises(ValueError, match="other data"):
        build_regression(softer, out, network, every, Asked(), resume=True)
    with pytest.raises(ValueError, match="other data"):
        build_regression(sessions, out, network, every, Asked(), hand="other", resume=True)


def test_weights_are_asked_with_other_knowledge(trained: Path, folders: list[Path], tmp_path: Path) -> None:
    other_id = ask_otherwise(trained, tmp_path / "b", Asked("motion"))
    one, other = load_window_model(trained), load_window_model(tmp_path / "b")
    assert (other.given, other.model_id) == ("motion", other_id) and other_id != one.model_id
    window = window_of(folders)
    assert not torch.allclose(
        one.levels(window, 1, 0)[0], other.levels(window, 1, 0)[0]
    )  # measured 4 mm higher


def test_a_damaged_checkpoint_is_named(trained: Path, tmp_path: Path) -> None:
    ask_otherwise(trained, tmp_path / "c", Asked())
    (tmp_path / "c" / "model.safetensors").write_bytes(b"none")
    with pytest.raises(CorruptCheckpoint, match=r"model\.safetensors: content does not match"):
        load_model(tmp_path / "c")


def test_the_plan_runs_late_or_early_where_that_is_asked_for(sessions: SessionSet) -> None:
    exact = SessionSource(sessions, small(), CONFIG)
    moved = SessionSource(sessions, small(), dataclasses.replace(CONFIG, plan_error_s=0.03))
    places = sessions.windows("validation")
    a, b, c = exact.windows(places), moved.windows(places), moved.windows(places, told=1)
    assert torch.equal(a.over, b.over) and not torch.allclose(a.features, b.features)
    assert torch.equal(c.features, exact.windows(places, told=1).features)  # what was measured is known


def test_a_model_for_late_plans_is_asked_with_late_plans(
    sessions: SessionSet, folders: list[Path], tmp_path: Path
) -> None:
    build_regression(sessions, tmp_path / "t", None, dataclasses.replace(CONFIG, plan_error_s=0.03), Asked())
    window = window_of(folders)
    model = load_window_model(tmp_path / "t")
    first = [
        int(np.flatnonzero(model.levels(window, 1, seed)[0][0].mean(dim=0) > 15.0)[0]) for seed in range(12)
    ]
    click = (window.session.contact_s[window.contacts[0]] - window.start_s) * 125.0
    assert len(set(first)) > 2 and all(abs(row - click) <= 7.0 for row in first)


def command(*arguments: str) -> int:
    import argparse

    parser = argparse.ArgumentParser()
    flow_command.configure(parser)
    return flow_command.run(parser.parse_args(["regress", *arguments]))


def test_the_command_trains_and_says_what_cannot_be(
    folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = [str(folder) for folder in folders[:2]]
    out = tmp_path / "made"
    assert (
        command(*sets, "--out", str(out), "--steps", "1", "--groups", "place,grip", "--motion-hz", "30") == 0
    )
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["steps"] == 1 and metrics["best"] > 0.0
    assert "model id" in capsys.readouterr().out
    config = load_model(out).network.config  # type: ignore[union-attr]
    assert ([name for name, _, _ in config.groups], config.motion_hz) == (["place", "grip"], 30.0)
    for arguments, message in (
        (["--groups", "plase"], "`plase` is none"),
        (["--variant", "median"], "variant is `median`"),
        (["--given", "mind"], "given is `mind`"),
    ):
        assert command(*sets, "--out", str(tmp_path / "not"), *arguments) == 2
        assert message in capsys.readouterr().err
    assert command(sets[0], "--out", str(tmp_path / "not")) == 2
    assert "no session of split `validation`" in capsys.readouterr().err
