"""Ablations: what is trained and asked, that differences are paired, what is kept, and the command."""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from foley_common.session_file import SessionData
from foley_synthesis.commands import flow
from foley_synthesis.evaluation.windows.ablate import Plan, ablate
from foley_synthesis.evaluation.windows.ablate_report import draw, markdown
from foley_synthesis.evaluation.windows.ablations import VARIANTS, Training, trainings_of, variants_of
from foley_synthesis.evaluation.windows.sets import windows_of
from foley_synthesis.flow.codec.config import CodecConfig
from foley_synthesis.flow.codec.model_file import save_codec
from foley_synthesis.flow.codec.network import Codec
from foley_synthesis.flow.contact import build
from foley_synthesis.flow.contact.model import load_model
from foley_synthesis.flow.contact.validation import validation_loss
from foley_synthesis.flow.contact.ways import Way
from foley_synthesis.flow.window_model import EvaluationWindow
from foley_synthesis.training.state import Interrupted


def _world() -> Any:
    place = Path(__file__).parents[2] / "flow" / "session_files.py"
    spec = importlib.util.spec_from_file_location("session_files_of_ablations", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_every_variant_is_trained_with_the_first_seed_before_any_with_the_next() -> None:
    variants = variants_of(["full", "force", "no-vision", "regnet"])
    names = [training.name for training in trainings_of(variants, [3, 5])]
    assert names == ["full_s3", "no-vision_s3", "regnet_s3", "full_s5", "no-vision_s5", "regnet_s5"]
    some = trainings_of(variants, [3, 5], ["force"])  # which asks the full model
    assert [training.name for training in some] == ["full_s3", "no-vision_s3", "regnet_s3", "full_s5"]
    # What asks another one's models is enough for them to be trained.
    assert [t.name for t in trainings_of(variants_of(["in-context"]), [0])] == ["full_s0"]
    for names, text in ((["fool"], "`fool` is not known, there are full"), (["full", "full"], "once each")):
        with pytest.raises(ValueError, match=text):
            variants_of(names)
    for seeds, every, text in (
        ([], None, "at least one"),
        ([1, 1], None, "each once"),
        ([0], ["no-look"], "no-look"),
    ):
        with pytest.raises(ValueError, match=text):
            trainings_of(variants, seeds, every)


def test_help_says_what_every_variant_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command("ablate", "--help")
    text = capsys.readouterr().out
    lines = dict(line.split(maxsplit=1) for line in text[text.index("\nvariants:") :].splitlines()[2:])
    assert list(lines) == list(VARIANTS)
    assert all(lines[name].startswith(variant.meaning) for name, variant in VARIANTS.items())


def test_no_variant_is_told_what_it_was_trained_without() -> None:
    told = {name: VARIANTS[name].way("told", views=True) for name in VARIANTS}
    seen = {name: VARIANTS[name].way("seen", views=True) for name in VARIANTS}
    assert told["full"] == Way(told=True) and seen["full"] == Way(seen=True, views=True)
    assert seen["no-vision"] == told["no-look"] == Way()
    assert seen["regression"] == Way(seen=True)  # it has no views
    assert told["force"] == Way(told=True, executed=True)
    assert seen["in-context"] == Way(seen=True, views=True, context=3)
    assert VARIANTS["full"].way("seen", views=False) == Way(seen=True)
    plan = Plan(tuple(variants_of(["full", "force", "no-vision"])), (), ("seen", "told"), views=False)
    assert plan.ways(Training(VARIANTS["full"], 0)) == [
        Way(seen=True), Way(told=True), Way(seen=True, executed=True), Way(told=True, executed=True)
    ]  # fmt: skip
    assert plan.ways(Training(VARIANTS["no-vision"], 0)) == [Way()]  # once, for both


class Player:
    """Plays the true sound in noise, each window's of a loudness of its own."""

    given = "plan"
    train_scenes: frozenset[str] = frozenset()

    def __init__(self, noise: float, seed: int) -> None:
        self._noise, self._seed = noise, seed

    def draw(
        self, windows: list[EvaluationWindow], draws: int, seed: int, step: Callable[[], None]
    ) -> NDArray[np.float32]:
        made = []
        for k, window in enumerate(windows):
            rng = np.random.default_rng([self._seed, seed, k])
            noise = self._noise * 4.0 ** (k % 3) * rng.standard_normal((draws, 128000))
            made.append(window.sound() + noise)
            step()
        return np.array(made, np.float32)


class Trainer:
    """Whose models are the worse the less they know."""

    def __init__(self, stop: int = -1) -> None:
        self.trained: list[str] = []
        self.asked_for: list[str] = []
        self._stop = stop

    def mark(self, training: Training) -> str:
        return training.name

    def train(self, training: Training, out: Path, resume: bool, report: Any) -> dict[str, Any]:
        if len(self.trained) == self._stop:
            raise Interrupted("stopped")
        self.trained.append(training.name)
        report(0.5, {"train": 1.0})
        return {"hours": 1.0, "parameters": 10, "steps": 7, "seconds": 0.1}

    def asked(self, training: Training, folder: Path, way: Way) -> Player:
        self.asked_for.append(f"{folder.name} {way.title}")
        return Player(
            {"full": 0.005, "no-vision": 0.02}[training.variant.name] * (0.5 if way.executed else 1.0),
            training.seed,
        )


@pytest.fixture(scope="module")
def windows(make_session: Callable[..., SessionData]) -> list[EvaluationWindow]:
    return [w for k in range(3) for w in windows_of(make_session(f"v{k}", "validation", k, 8.0))]


def test_rows_are_means_over_seeds_with_paired_differences_and_are_kept(
    windows: list[EvaluationWindow], tmp_path: Path
) -> None:
    variants = variants_of(["full", "force", "no-vision"])
    plan = Plan(tuple(variants), tuple(trainings_of(variants, [0, 1], ["full"])), ("told",), draws=2)
    seen: list[int] = []

    def run(trainer: Trainer, resume: bool = True) -> dict[str, Any]:
        return ablate(
            trainer, plan, windows, tmp_path, resume=resume, found=lambda figures: seen.append(len(figures["rows"]))
        )  # fmt: skip

    with pytest.raises(Interrupted):
        run(Trainer(stop=1))
    rest = Trainer()
    figures = run(rest)
    assert rest.trained == ["no-vision_s0", "full_s1"] and seen == [2, 2, 3, 3]
    assert rest.asked_for == [
        "no-vision_s0 ", "full_s1 told what is touched", "full_s1 motion and force, told what is touched"
    ]  # fmt: skip
    full, force, blind = figures["rows"]
    assert [row["variant"] for row in figures["rows"]] == ["full", "force", "no-vision"]
    assert full["seeds"] == [0, 1] and blind["seeds"] == [0] and "less_full" not in full
    first, second = full["energy_db"]["each"]
    assert first != second and full["energy_db"]["value"] == pytest.approx((first + second) / 2, abs=1e-4)
    assert full["energy_db"]["seed_std"] == pytest.approx(abs(first - second) / 2**0.5, abs=1e-4)
    # The difference is of the seed that both have; unpaired, its interval would be wider than either figure's.
    apart = blind["less_full"]["energy_db"]
    assert (
        apart["value"] == pytest.approx(blind["energy_db"]["value"] - first, abs=1e-4) and apart["low"] > 0.0
    )
    assert apart["high"] - apart["low"] < blind["energy_db"]["high"] - blind["energy_db"]["low"]
    assert force["less_full"]["energy_db"]["value"] < 0.0
    again = Trainer()
    assert run(again)["rows"] == figures["rows"] and not again.trained and not again.asked_for
    text = markdown(figures["rows"])
    assert len(text.splitlines()) == 5 and f"{full['energy_db']['value']:.2f} [" in text and "±" in text
    draw(figures["rows"], tmp_path / "bars.png")
    assert (tmp_path / "bars.png").stat().st_size > 1000


def test_a_training_that_was_not_measured_yet_is_not_trained_again(
    windows: list[EvaluationWindow], tmp_path: Path
) -> None:
    variants = variants_of(["full"])
    plan = Plan(tuple(variants), tuple(trainings_of(variants, [0])), ("plan",), draws=1)

    class Stopped(Trainer):
        def asked(self, training: Training, folder: Path, way: Way) -> Player:
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        ablate(Stopped(), plan, windows, tmp_path)
    rest = Trainer()
    ablate(rest, plan, windows, tmp_path, resume=True)
    assert not rest.trained and rest.asked_for == ["full_s0 "]
    ablate(rest, plan, windows, tmp_path)  # anew
    assert rest.trained == ["full_s0"]


def command(*words: object) -> int:
    parser = argparse.ArgumentParser()
    flow.configure(parser)
    return flow.run(parser.parse_args([str(word) for word in words]))


@pytest.mark.long
def test_the_command_trains_and_measures_variants_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = _world()
    few = functools.partial(validation_loss, windows=4, draws=1)  # most of the time went there
    monkeypatch.setattr(build, "validation_loss", few)
    torch.manual_seed(0)
    codec = Codec(
        CodecConfig(
            latent=4, width=16, hidden=16, blocks=1, fine_width=16, fine_hidden=16, fine_blocks=1, rounds=0
        )
    )
    save_codec(codec, {}, tmp_path / "codec", {})
    train = world.write_falling(tmp_path / "train", 2)
    validation = world.write_falling(tmp_path / "validation", 1, "validation", first=7)
    out = tmp_path / "out"
    arguments = [
        "ablate", "--train", train, "--validation", validation, "--codec", tmp_path / "codec", "--size", "tiny",
        "--steps", 1, "--batch", 2, "--draws", 2, "--windows", 1, "--threads", 1, "--told", "--out", out,
        "--variants", "full", "force", "paper-motion", "regnet",
    ]  # fmt: skip
    assert command(*arguments) == 0
    figures = json.loads((out / "metrics.json").read_text())
    assert figures["complete"] and figures["windows"] == 1 and figures["steps"] == 1
    assert sorted(figures["trainings"]) == ["full_s0", "paper-motion_s0", "regnet_s0"]
    assert {t["steps"] for t in figures["trainings"].values()} == {1}
    assert [(row["variant"], row["told"]) for row in figures["rows"]] == [
        ("full", "told what is touched"),
        ("force", "motion and force, told what is touched"),
        ("paper-motion", "told what is touched"),
        ("regnet", "told what is touched"),
    ]
    motion = load_model(out / "paper-motion_s0").field.config.motion
    assert [motion.names[k] for k in motion.taken] == ["place", "grip"] and motion.rate_hz == 30.0
    assert "| paper-motion | place and grip" in capsys.readouterr().out
    from_full = [
        *arguments[:-4], "paper-motion", "--out", tmp_path / "on", "--start", out / "full_s0",
        "--learning-rate", 1e-9, "--draws", 1,
    ]  # fmt: skip
    assert command(*from_full) == 0
    went_on, full = (load_model(f).field for f in (tmp_path / "on" / "paper-motion_s0", out / "full_s0"))
    assert went_on.config.motion == motion != full.config.motion
    weights = full.state_dict()
    assert all(torch.allclose(v, weights[n], atol=1e-5) for n, v in went_on.state_dict().items())
    capsys.readouterr()
    (out / "full_s0" / "model.safetensors").unlink()  # nobody is asked again
    assert command(*arguments, "--resume") == 0
    assert json.loads((out / "metrics.json").read_text())["rows"] == figures["rows"]
    for wrong, text in ((["--steps", 0], "--steps is 0"), (["--variants", "fool"], "`fool` is not known")):
        assert command(*arguments, *wrong) == 2
        assert text in capsys.readouterr().err
