"""`foley commission`: adapted to some things, judged on others, and refused where that is no better."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from foley_synthesis.commands import commission as command
from foley_synthesis.hearing.inference.hearing_model import HearingModel
from foley_synthesis.hearing.training import commission as module
from foley_synthesis.hearing.training.commission import commission
from foley_synthesis.hearing.training.taps import NoTaps

RATE = 24_000


def write(path: Path, sound: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, RATE, subtype="PCM_16")


def cork(seed: int) -> np.ndarray:
    """Something that the model never heard: high and short."""
    rng = np.random.default_rng(seed)
    time = np.arange(28_800) / RATE - 0.2
    parts = (np.sin(2 * np.pi * rng.uniform(2500, 4000) * time) for _ in range(3))
    sound = np.where(time < 0, 0.0, 0.05 * np.exp(-np.maximum(time, 0) / 0.03) * sum(parts))
    return (sound + 2e-4 * rng.standard_normal(len(time))).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, generated: ModuleType) -> Path:
    """Three things of each of two materials, one of which the model does not know."""
    taps = tmp_path_factory.mktemp("taps")
    for i in range(3):
        write(taps / "cork" / f"{i}.wav", cork(i))
        write(taps / "wood" / f"{i}.wav", generated.contact("wood", np.random.default_rng(50 + i)))
    return taps


def call(*words: object) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return int(command.run(parser.parse_args([str(word) for word in words])))


def test_the_command_shows_before_and_after_and_writes_what_helps(
    tiny_hearing: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "robot"
    assert call("--from", folder, "--out", out, "--model", tiny_hearing) == 0
    said = capsys.readouterr().out
    assert "cork: 3 taps in 3 recordings" in said
    assert f"use it: foley up --set material.hearing={out}" in said
    figures = json.loads((out / "metrics.json").read_text())
    before, after = figures["before"], figures["after"]
    assert (
        before["accuracy"] == pytest.approx(2 / 3, abs=0.34) and before["accuracy"] < after["accuracy"] == 1.0
    )
    assert after["log_loss"] < before["log_loss"] - 1.0  # the name of cork was not known
    low, high = figures["gain_interval"]
    assert before["accuracy_interval"][0] <= before["accuracy"] <= before["accuracy_interval"][1]
    assert 0.0 < low <= figures["gain"] <= high and figures["chance"] == pytest.approx(1 / 2)
    adapted = HearingModel.load(out)
    assert adapted.predict(cork(99), RATE, onset_s=0.2).best == "cork"


def test_what_would_be_worse_is_refused_and_nothing_is_written(
    tiny_hearing: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the held-out things sound otherwise than those that it was adapted to."""
    known = module._heard
    calls: list[int] = []

    def swapped(model: HearingModel, taps: list) -> object:
        calls.append(1)
        heard = known(model, taps)
        return heard if len(calls) == 1 else module._Heard(heard.losses + 9.0, heard.right, heard.answered)

    monkeypatch.setattr(module, "_heard", swapped)
    few, out = tmp_path / "taps", tmp_path / "robot"
    for path in [*folder.glob("cork/[01].wav"), *folder.glob("wood/[01].wav")]:
        write(few / path.parent.name / path.name, soundfile.read(path, dtype="float32")[0])
    assert call("--from", few, "--out", out, "--model", tiny_hearing) == 1
    assert [path.name for path in out.iterdir()] == ["metrics.json"]
    assert "stays as it is" in json.loads((out / "metrics.json").read_text())["reason"]


def test_a_model_that_is_right_already_stays(
    tiny_hearing: Path, folder: Path, generated: ModuleType, tmp_path: Path
) -> None:
    for material in ("wood", "metal"):
        for i in range(2):
            sound = generated.contact(material, np.random.default_rng(70 + i))
            write(tmp_path / "taps" / material / f"{i}.wav", sound)
    done = commission(tmp_path / "taps", HearingModel.load(tiny_hearing), tmp_path / "robot")
    assert not done.adopted and not (tmp_path / "robot").exists()
    assert done.materials == {"metal": (2, 2), "wood": (2, 2)} and done.reason.startswith("the model stays")


def test_things_that_cannot_be_split_are_refused_by_name(
    tiny_hearing: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for material in ("wood", "cork"):
        (tmp_path / "taps" / material).mkdir(parents=True)
        (tmp_path / "taps" / material / "0.wav").write_bytes((folder / material / "0.wav").read_bytes())
    with pytest.raises(NoTaps, match="one recording of cork alone"):
        commission(tmp_path / "taps", HearingModel.load(tiny_hearing), tmp_path / "robot")
    for words, said in (
        ((), "name materials to tap"),
        (("wood",), "wood alone: name two materials"),
        (("wood", "metal", "--things", "1"), "--things is 1, must be 2 or more"),
        (("wood", "metal", "--from", folder), "name materials to tap"),
    ):
        assert call(*words, "--out", tmp_path / "robot") == 2
        assert said in capsys.readouterr().err
