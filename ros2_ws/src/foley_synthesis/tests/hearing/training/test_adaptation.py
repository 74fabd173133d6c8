"""`foley train hearing --adapt`: folders of taps in, an adapted model out, or the model as it is."""

import argparse
import json
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from foley_synthesis.checkpoint import CorruptCheckpoint
from foley_synthesis.commands import train
from foley_synthesis.hearing.inference.adaptation import load_adaptation
from foley_synthesis.hearing.inference.hearing_model import HearingModel
from foley_synthesis.hearing.inference.opened import open_heard
from foley_synthesis.hearing.training.adaptation import adapt_model
from foley_synthesis.hearing.training.taps import NoTaps, find_recordings, grouped, read_taps

RATE = 24_000


def cork(seed: int) -> np.ndarray:
    """Something that the model never heard: high and short."""
    rng = np.random.default_rng(seed)
    time = np.arange(28_800) / RATE - 0.2
    sound = sum(
        np.exp(-np.maximum(time, 0) / 0.03) * np.sin(2 * np.pi * rng.uniform(2500, 4000) * time)
        for _ in range(3)
    )
    sound = np.where(time < 0, 0.0, 0.05 * sound)
    return (sound + 2e-4 * rng.standard_normal(len(time))).astype(np.float32)


def write(path: Path, sound: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, RATE, subtype="PCM_16")


@pytest.fixture(scope="module")
def model(tiny_hearing: Path) -> HearingModel:
    return HearingModel.load(tiny_hearing)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, generated: ModuleType) -> Path:
    """Five recordings of each of three materials, one of which the model does not know."""
    taps = tmp_path_factory.mktemp("taps")
    for i in range(5):
        write(taps / "Cork" / f"{i}.wav", cork(i))
        for material in ("wood", "metal"):
            write(taps / material / f"{i}.wav", generated.contact(material, np.random.default_rng(50 + i)))
    return taps


@pytest.fixture(scope="module")
def adapted(model: HearingModel, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("adapted") / "robot"
    run = adapt_model(folder, model, out)
    assert run.report.adopted and run.taps == run.recordings == 15
    assert run.report.before.balanced_accuracy <= 0.7  # cork is never said
    assert run.report.after is not None and run.report.after.balanced_accuracy > 0.85
    return out


def test_the_adapted_model_says_what_it_was_taught(
    tiny_hearing: Path, adapted: Path, model: HearingModel, generated: ModuleType
) -> None:
    other = HearingModel.load(tiny_hearing, adaptation=adapted)
    alone = open_heard(adapted)  # it knows where its model is
    assert alone.model_id == other.model_id and alone.vocabulary == other.vocabulary
    assert other.vocabulary.labels == ("metal", "wood", "cork")
    assert other.vocabulary.version != model.vocabulary.version and other.model_id != model.model_id
    said = [other.hear(cork(100 + i), RATE, onset_s=0.2) for i in range(8)]
    assert [h.belief.best for h in said].count("cork") >= 7
    assert all("15 taps of 3 materials" in h.belief.calibrated_for for h in said)
    assert sum("cork" in h.material_set for h in said) >= 7
    for material in ("wood", "metal"):
        known = [
            other.hear(
                generated.contact(material, np.random.default_rng(200 + i)), RATE, onset_s=0.2
            ).belief.best
            for i in range(8)
        ]
        assert known.count(material) >= 7
    early = other.hear(cork(120), RATE, onset_s=0.2, heard_s=0.06)
    assert len(early.belief.probabilities) == 3 and sum(early.belief.probabilities) == pytest.approx(
        1.0, abs=1e-5
    )


def test_it_goes_with_its_model_alone(tiny_hearing: Path, adapted: Path, tmp_path: Path) -> None:
    other = shutil.copytree(adapted, tmp_path / "other")
    config = other / "config.yaml"
    config.write_text(config.read_text().replace("labels:", "# \nlabels:", 1))
    with pytest.raises(CorruptCheckpoint, match="sha256"):
        load_adaptation(other)
    with pytest.raises(CorruptCheckpoint, match="schema"):
        load_adaptation(tiny_hearing)
    stranger = load_adaptation(adapted)
    with pytest.raises(CorruptCheckpoint, match="is for the model"):
        stranger.applied_to(HearingModel.load(tiny_hearing)._calibration, "0" * 64)


def command(*words: str) -> int:
    parser = argparse.ArgumentParser()
    train.configure(parser)
    return train.run(parser.parse_args(["hearing", *words]))


def test_the_command_says_what_it_did_and_what_to_record(
    tiny_hearing: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tmp_path / "few"
    for name in ("cork", "wood"):
        write(few / name / "only.wav", cork(7 if name == "cork" else 8))
    out = tmp_path / "out"
    assert command("--adapt", str(few), "--model", str(tiny_hearing), "--out", str(out)) == 1
    told = capsys.readouterr().out
    assert "the model stays as it is" in told and "next: record" in told
    assert [path.name for path in out.iterdir()] == ["metrics.json"]
    assert json.loads((out / "metrics.json").read_text())["report"]["adopted"] is False
    assert command("--adapt", str(folder), "--model", str(tiny_hearing), "--out", str(out)) == 0
    assert "adapted by" in capsys.readouterr().out
    assert open_heard(out).vocabulary.labels == ("metal", "wood", "cork")
    for words in (
        ["--adapt", str(folder), "--resume"],
        ["--adapt", str(folder), "--seeds", "2"],
        ["--model", "x"],
    ):
        assert command(*words, "--out", str(out)) == 2
    assert command("--adapt", str(folder), "--model", str(tiny_hearing), "--out", str(folder)) == 2
    assert "holds no adaptation" in capsys.readouterr().err


def test_a_model_that_is_right_stays_as_it_is(model: HearingModel, folder: Path, tmp_path: Path) -> None:
    for material in ("wood", "metal"):
        shutil.copytree(folder / material, tmp_path / "taps" / material)
    run = adapt_model(tmp_path / "taps", model, tmp_path / "out")
    if run.report.before.log_loss < 0.05:  # nothing is left to gain
        assert not run.report.adopted
    assert (tmp_path / "out").exists() == run.report.adopted
    json.dumps(run.to_dict(), allow_nan=False)


def test_what_a_folder_may_hold(folder: Path, tmp_path: Path) -> None:
    found = find_recordings(folder)
    assert {r.material for r in found} == {"cork", "wood", "metal"} and len(found) == 15
    (tmp_path / "labels.csv").write_text("file,material\na.wav,Cloth\nb.wav,sand\n")
    assert [r.material for r in find_recordings(tmp_path)] == ["fabric", "sand"]
    (tmp_path / "labels.csv").write_text("name,what\na.wav,Cloth\n")
    with pytest.raises(NoTaps, match="`material` are needed"):
        find_recordings(tmp_path)
    (tmp_path / "labels.csv").unlink()
    with pytest.raises(NoTaps, match="make a folder for each material"):
        find_recordings(tmp_path)
    (tmp_path / "glass").mkdir()
    (tmp_path / "glass" / "broken.wav").write_bytes(b"RIFF")
    write(tmp_path / "glass" / "silent.wav", np.zeros(RATE, np.float32))
    taps, problems = read_taps(find_recordings(tmp_path))
    assert not taps and len(problems) == 2 and "silent" in problems[1]


def test_taps_that_hang_together_are_judged_together(generated: ModuleType, tmp_path: Path) -> None:
    def tap(seed: int) -> np.ndarray:
        made = generated.contact("wood", np.random.default_rng(seed))
        noise = np.random.default_rng(1000 + seed).standard_normal(len(made)) * np.exp(
            -np.arange(len(made)) / 8000
        )
        made[4800:] += 0.05 * noise[: len(made) - 4800].astype(np.float32)
        return made

    write(tmp_path / "wood" / "a.wav", np.concatenate([tap(0), tap(1)]))
    write(tmp_path / "wood" / "b.wav", tap(2))
    write(tmp_path / "wood" / "b_softer.wav", 0.3 * tap(2))
    write(tmp_path / "foam" / "one.wav", np.concatenate([tap(3), tap(4), tap(5)]))
    write(tmp_path / "stone" / "x.wav", tap(6))
    write(tmp_path / "metal" / "x_again.wav", 0.5 * tap(6))
    taps, problems = read_taps(find_recordings(tmp_path))
    assert not problems and len(taps) == 9
    group = grouped(taps)
    assert len(group.taps) == 7  # the sound under stone and metal is left out
    by_name: dict[str, list[int]] = {}
    for one, own in zip(group.taps, group.groups.tolist(), strict=True):
        by_name.setdefault(one.recording.path.name, []).append(own)
    assert len(set(by_name["a.wav"])) == 1
    assert by_name["b.wav"] == by_name["b_softer.wav"] != by_name["a.wav"][:1]
    assert len(set(by_name["one.wav"])) == 3  # there is no other recording of foam
    told = "\n".join(group.notes)
    assert "one sound under different materials" in told and "x_again.wav" in told
    assert "foam: one recording" in told and "1 taps are variants" in told
