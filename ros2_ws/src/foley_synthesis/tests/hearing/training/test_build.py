"""Sets, their features, training that goes on where it stopped, and the command."""

import argparse
import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from foley_synthesis.commands import train, train_hearing
from foley_synthesis.hearing.front_end import FrontEndConfig, log_mel
from foley_synthesis.hearing.inference.hearing_model import HearingModel
from foley_synthesis.hearing.model_file import load_hearing
from foley_synthesis.hearing.training.build import build_hearing
from foley_synthesis.hearing.training.features import MARGIN, open_features
from foley_synthesis.hearing.training.generated_set import GeneratedSet, SetError, shard_audio
from foley_synthesis.hearing.training.train_config import HearingTrainConfig
from foley_synthesis.training.state import Interrupted

SIZE = {"widths": (8, 8), "blocks": 1, "squeezed": 4, "embedding": 8}


@pytest.fixture(scope="module")
def sets(generated: ModuleType, made_once: Callable[..., Path]) -> Path:
    """Folder of `train` and `validation`."""

    def make(out: Path) -> None:
        generated.write_set(out / "train", clips=48, seed=3)
        generated.write_set(out / "validation", clips=160, seed=3, split="validation")

    return made_once("hearing_sets", make)


def test_a_set_says_what_its_clips_are(sets: Path) -> None:
    data = GeneratedSet.open(sets / "train")
    assert len(data) == 48 and data.counts == (24, 24) and data.materials == ("wood", "metal")
    assert (
        len(data.contacts) == 36 and np.isnan(data.labels["log10_e"][3]) and data.labels["material"][3] == -1
    )


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: (folder / "set.json").unlink(), "set.json: not readable"),
        (lambda folder: (folder / "set.json").write_text("{}"), "set.json: lacks 'rate'"),
        (lambda folder: [f.unlink() for f in folder.glob("shard_*")], "holds no shard_"),
        (
            lambda folder: (folder / "shard_00001.safetensors").write_bytes(b"no"),
            "shard_00001.safetensors: damaged",
        ),
    ],
)
def test_a_damaged_set_is_named_with_its_cure(
    sets: Path, tmp_path: Path, damage: Callable[[Path], object], told: str
) -> None:
    folder = shutil.copytree(sets / "train", tmp_path / "set")
    damage(folder)
    with pytest.raises(SetError, match=f"{told}.*foley sim hearing"):
        GeneratedSet.open(folder)


def test_features_are_made_once_and_are_the_front_ends(sets: Path) -> None:
    data, config = GeneratedSet.open(sets / "train"), FrontEndConfig()
    told: list[tuple[int, int]] = []
    made = open_features(data, config, progress=lambda done, of: told.append((done, of)))
    rows = np.array([40, 0, 25])
    expected = log_mel(shard_audio(data.shards[1])[16], data.rate, 0.2, config, margin=MARGIN)
    np.testing.assert_allclose(made.take(rows)[0], expected, atol=0.1)
    np.testing.assert_array_equal(made.of(rows).take(np.array([1, 2])), made.take(rows[1:]))
    told.clear()
    open_features(data, config, progress=lambda done, of: told.append((done, of)))
    assert told == []


def config(**fields: object) -> HearingTrainConfig:
    values = {
        "minutes": 5.0,
        "steps": 4,
        "batch": 8,
        "seeds": (0, 1),
        "network": SIZE,
        "validate_every": 2,
        **fields,
    }
    return HearingTrainConfig(**values)  # type: ignore[arg-type]


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(sets: Path, tmp_path: Path) -> None:
    data = [GeneratedSet.open(sets / split) for split in ("train", "validation")]
    whole, metrics = build_hearing(*data, tmp_path / "whole", config())
    assert metrics["steps"] == [4, 4] and set(metrics["validation"]) == {"60 ms", "150 ms", "500 ms", "all"}

    def stop(stage: str, done: float, figures: dict[str, float]) -> None:
        if stage == "member 2" and done > 0.4:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        build_hearing(*data, tmp_path / "stopped", config(), report=stop)
    with pytest.raises(ValueError, match="other data or settings"):
        build_hearing(*data, tmp_path / "stopped", config(batch=6), resume=True)
    again, _ = build_hearing(*data, tmp_path / "stopped", config(), resume=True)
    assert again == whole
    file = load_hearing(tmp_path / "stopped")
    assert file.members == 2 and file.vocabulary.labels == ("metal", "wood")
    assert file.facts["sets"]["train"]["contacts"] == 36


def test_sets_that_do_not_belong_together_are_refused(
    sets: Path, tmp_path: Path, generated: ModuleType
) -> None:
    data = GeneratedSet.open(sets / "train")
    with pytest.raises(SetError, match="another seed or split"):
        build_hearing(data, data, tmp_path / "out", config())
    other = generated.write_set(tmp_path / "other", clips=8, seed=9, materials=("wood", "stone"))
    with pytest.raises(SetError, match="materials are not those"):
        build_hearing(data, GeneratedSet.open(other), tmp_path / "out", config())
    few = generated.write_set(tmp_path / "few", clips=4, seed=9)
    with pytest.raises(SetError, match="too few objects"):
        build_hearing(data, GeneratedSet.open(few), tmp_path / "out", config())


def test_the_command_trains_and_tells_wrong_uses(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(*arguments: object) -> int:
        parser = argparse.ArgumentParser()
        train.configure(parser)
        return train.run(parser.parse_args([str(a) for a in arguments]))

    asked = train_hearing._config
    monkeypatch.setattr(train_hearing, "_config", lambda args: dataclasses.replace(asked(args), network=SIZE))
    out = tmp_path / "out"
    arguments = ("hearing", sets / "train", "--validation", sets / "validation", "--out", out)
    assert call(*arguments, "--steps", 1, "--batch", 4, "--threads", 1, "--jobs", 1, "--device", "cpu") == 0
    assert "150 ms heard: balanced_accuracy" in capsys.readouterr().out
    figures = json.loads((out / "metrics.json").read_text())
    assert figures["steps"] == [1] and "--steps 1 --seeds 1 --seed 0" in (out / "CARD.md").read_text()
    assert HearingModel.load(out).model_id != ""
    for wrong, told in (
        (("hearing", sets / "train", "--out", out), "--validation"),
        ((*arguments, "--epochs", 3), "--epochs is for `foley train DATASET`"),
        ((sets / "train", "--out", out, "--seeds", 2), "--seeds is for `foley train hearing SET`"),
        ((sets / "train", sets / "validation", "--out", tmp_path / "o"), "one dataset"),
        (
            ("hearing", sets / "train", "--validation", sets / "validation", "--out", sets),
            "holds no hearing model",
        ),
    ):
        assert call(*wrong) == 2
        assert told in capsys.readouterr().err
