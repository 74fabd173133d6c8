"""`foley train`, `foley evaluate`, `foley listen` as a user calls them."""

import argparse
import dataclasses
import json
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from foley_perception.audio.resample import resampled
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.beliefs.contact_bank import load_bank
from foley_synthesis.beliefs.fitted import FILE, load_fitted, save_fitted
from foley_synthesis.checkpoint import load_checkpoint, model_id_of
from foley_synthesis.commands import evaluate, listen, train
from foley_synthesis.hearing.inference.sound_file import pick_onsets


def call(command: ModuleType, *arguments: object) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return int(command.run(parser.parse_args([str(a) for a in arguments])))


def test_listen_prints_json_for_a_stereo_file_of_another_rate(
    tiny_checkpoint: Path, tiny_dataset: ClipDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tiny_dataset.indices("test")[:2]
    sound = np.concatenate([tiny_dataset.audio(row) for row in rows])
    path = tmp_path / "two.wav"
    slow = resampled(sound, 48_000, 44_100)
    soundfile.write(path, np.stack([slow, slow], axis=1), 44_100)
    assert call(listen, path, "--json", "--checkpoint", tiny_checkpoint) == 0
    document = json.loads(capsys.readouterr().out)
    contacts = document["files"][0]["contacts"]
    assert [c["time_s"] for c in contacts] == pytest.approx([0.25, 1.25], abs=0.02)
    truth = [tiny_dataset.clips[row].material for row in rows]
    assert [c["material"] for c in contacts] == truth
    assert sum(contacts[0]["probabilities"].values()) == pytest.approx(1.0, abs=1e-3)
    assert document["model_domain"] == "sim" and len(document["model_id"]) == 64


def test_listen_shows_a_table(
    tiny_checkpoint: Path, tiny_dataset: ClipDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "one.flac"
    soundfile.write(path, tiny_dataset.audio(tiny_dataset.indices("test")[0]), 48_000)
    assert call(listen, path, "--checkpoint", tiny_checkpoint) == 0
    assert "material" in capsys.readouterr().out


def test_listen_names_bad_files_and_hears_the_others(
    tiny_checkpoint: Path, tiny_dataset: ClipDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, silent, text = tmp_path / "good.wav", tmp_path / "silent.wav", tmp_path / "text.wav"
    soundfile.write(good, tiny_dataset.audio(0), 48_000)
    soundfile.write(silent, np.zeros(48_000), 48_000)
    text.write_text("not a sound")
    code = call(listen, tmp_path / "none.wav", silent, text, good, "--json", "--checkpoint", tiny_checkpoint)
    captured = capsys.readouterr()
    assert code == 2
    for reason in ("none.wav: no such file", "silent.wav: silent", "text.wav: not a sound file"):
        assert reason in captured.err
    assert "contacts" in json.loads(captured.out)["files"][3]


def test_one_bad_file_costs_that_file(
    tiny_checkpoint: Path, tiny_dataset: ClipDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = tiny_dataset.audio(0)
    (tmp_path / "a[").mkdir()  # a name that would be a tag of the table's markup
    soundfile.write(tmp_path / "a[/b].wav", sound, 48_000)
    soundfile.write(tmp_path / "z.wav", sound, 48_000)
    hole = sound.copy()
    hole[100] = np.inf
    soundfile.write(tmp_path / "inf.wav", hole, 48_000, subtype="FLOAT")
    (tmp_path / "p.raw").write_bytes(bytes(1000))
    files = [tmp_path / name for name in ("a[/b].wav", "inf.wav", "p.raw", "z.wav")]
    assert call(listen, *files, "--json", "--checkpoint", tiny_checkpoint) == 2
    told = json.loads(capsys.readouterr().out)["files"]
    assert [f["file"] for f in told] == [str(f) for f in files]
    assert [list(f) for f in told] == [
        ["file", "contacts"],
        ["file", "error"],
        ["file", "error"],
        ["file", "contacts"],
    ]
    assert "1 samples are NaN or infinite" in told[1]["error"] and "raw samples" in told[2]["error"]
    assert told[0]["contacts"] == told[3]["contacts"] and told[0]["contacts"]
    assert call(listen, *files, "--checkpoint", tiny_checkpoint) == 2
    assert "[/b]" in capsys.readouterr().out.replace("\n", "")  # a long path is broken into lines


def test_a_steady_hum_holds_no_contact_and_hides_none(
    tiny_checkpoint: Path, tiny_dataset: ClipDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    t = np.arange(3 * 48_000) / 48_000
    hum = 0.02 * np.sin(2 * np.pi * 50 * t + 1.0) + 0.005 * np.sin(2 * np.pi * 150 * t)
    hum += 1e-4 * np.random.default_rng(0).standard_normal(len(t))
    over = hum.copy()
    for second in range(3):
        over[second * 48_000 : (second + 1) * 48_000] += tiny_dataset.audio(second)
    files = (("hum.wav", hum), ("offset.wav", 0.2 + over), ("over.wav", over), ("loud.wav", over + 6 * hum))
    for name, sound in files:
        soundfile.write(tmp_path / name, sound, 48_000, subtype="FLOAT")
    arguments = (tmp_path / "hum.wav", tmp_path / "over.wav", tmp_path / "offset.wav")
    assert call(listen, *arguments, "--json", "--checkpoint", tiny_checkpoint) == 0
    nothing, contacts, offset = json.loads(capsys.readouterr().out)["files"]
    assert nothing["contacts"] == []
    for told in (contacts, offset):
        assert [c["time_s"] for c in told["contacts"]] == pytest.approx([0.25, 1.25, 2.25], abs=0.02)
    assert call(listen, tmp_path / "hum.wav", "--checkpoint", tiny_checkpoint) == 0
    assert "no contact stands out" in capsys.readouterr().out
    assert call(listen, tmp_path / "loud.wav", "--json", "--checkpoint", tiny_checkpoint) == 0
    loud = json.loads(capsys.readouterr().out)["files"][0]["contacts"]
    assert [c["time_s"] for c in loud] == pytest.approx([0.25, 1.25, 2.25], abs=0.02)
    assert all(c["abstain"] for c in loud), "a material that hum may have made up is none"


def test_listen_names_a_missing_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(listen, tmp_path / "x.wav", "--checkpoint", tmp_path / "none") == 2
    assert "no such checkpoint" in capsys.readouterr().err


def test_train_then_evaluate(
    tiny_dataset: ClipDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "checkpoint"
    assert (
        call(train, tiny_dataset.path, "--out", out, "--epochs", 2, "--encoder", "colour", "--threads", 1)
        == 0
    )
    said = capsys.readouterr().out
    assert "model id" in said and "fused beliefs" in said
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["epochs"] == 2 and set(metrics["validation_balanced_accuracy"]) == {
        "heard",
        "planned",
        "executed",
    }
    arguments = (out, tiny_dataset.path, "--out", tmp_path / "evaluate", "--replicates", 20)
    model_id = model_id_of(out)
    assert call(evaluate, *arguments, "--record") == 0
    assert load_checkpoint(out).metrics["evaluation"]["contacts"] == 24 and model_id_of(out) == model_id
    written = json.loads((tmp_path / "evaluate" / "metrics.json").read_text())
    assert written["contacts"] == 24 and written["material_chance"] == 0.25
    # Two epochs teach nothing, and the check must be able to fail.
    assert call(evaluate, *arguments, "--require-above-chance") == 1


@pytest.mark.parametrize(
    ("schema", "cure"),
    [
        ("foley-contact-flow-2", "`foley flow table --model NAME=DIR`"),
        ("foley-codec-1", "`foley codec score`"),
    ],
)
def test_what_evaluate_does_not_measure_is_told_with_what_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], schema: str, cure: str
) -> None:
    (tmp_path / "config.yaml").write_text(f"schema: {schema}\n")
    assert call(evaluate, tmp_path, tmp_path / "dataset") == 2
    said = capsys.readouterr().err
    assert f"checkpoint is {tmp_path}, of schema `{schema}`" in said and f"measure it with {cure}" in said


def test_train_refuses_to_overwrite_a_folder_that_is_no_checkpoint(
    tiny_dataset: ClipDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    assert call(train, tiny_dataset.path, "--out", tmp_path, "--epochs", 1) == 2
    assert "holds no checkpoint" in capsys.readouterr().err and (tmp_path / "thesis.txt").exists()
    assert call(train, tmp_path, "--out", tmp_path / "out") == 2
    assert "manifest.json" in capsys.readouterr().err


def test_onsets_of_a_row_of_knocks() -> None:
    rng = np.random.default_rng(0)
    sound = 1e-3 * rng.standard_normal(3 * 48_000)
    times = (0.4, 0.9, 1.3, 2.2)
    for time_s, level in zip(times, (0.5, 0.2, 0.6, 0.15), strict=True):
        t = np.arange(12_000) / 48_000
        start = int(time_s * 48_000)
        sound[start : start + 12_000] += level * np.exp(-40 * t) * np.sin(2 * np.pi * 900 * t)
    assert pick_onsets(sound.astype(np.float32), 48_000) == pytest.approx(times, abs=0.02)
    assert pick_onsets(sound[19_200:].astype(np.float32), 48_000) == pytest.approx(
        (0, 0.5, 0.9, 1.8), abs=0.02
    )


def test_fusion_is_fitted_and_kept_with_the_checkpoint(
    tiny_checkpoint: Path, tiny_dataset: ClipDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_checkpoint, folder)
    arguments = (
        "fusion",
        tiny_dataset.path,
        "--sight",
        folder,
        "--out",
        tmp_path / "out",
        "--replicates",
        10,
        "--hearing",
        "checkpoint",
    )
    assert call(evaluate, *arguments, "--test", tiny_dataset.path) == 0
    written = json.loads((tmp_path / "out" / "metrics.json").read_text())
    (fitted,) = load_fitted(folder)
    assert fitted.is_for(model_id_of(folder), model_id_of(folder))
    assert written["fusion"]["fusion"]["sight_weight"] == fitted.config.sight_weight
    assert {"heard", "seen", "heard and seen"} <= set(written["test"]["1"])
    assert "sight and one heard contact" in (tmp_path / "out" / "table.md").read_text()
    save_fitted(dataclasses.replace(fitted, heard_model="another"), folder)
    assert [f.heard_model for f in load_fitted(folder)] == [model_id_of(folder), "another"]
    (folder / FILE).unlink()
    assert call(evaluate, *arguments, "--no-record") == 0
    assert load_fitted(folder) == () and load_fitted(tmp_path / "out") == (fitted,)
    assert call(evaluate, "fusion", tmp_path) == 2 and "manifest.json" in capsys.readouterr().err


def test_what_contacts_are_heard_to_say_is_kept_with_the_checkpoint(
    tiny_checkpoint: Path, tiny_dataset: ClipDataset, tmp_path: Path
) -> None:
    folder, out = tmp_path / "model", tmp_path / "out"
    shutil.copytree(tiny_checkpoint, folder)
    of = ("contacts", tiny_dataset.path, "--sight", folder, "--hearing", "checkpoint", "--replicates", 10)
    assert call(evaluate, *of, "--out", out, "--test", tiny_dataset.path) == 0
    bank = load_bank(folder, model_id_of(folder))
    assert bank is not None
    validation = [c for c in tiny_dataset.clips if c.split == "validation" and c.material in bank.labels]
    assert len(bank.material) == len(validation) == bank.measured_on["contacts"]
    assert set(bank.actions) == {clip.action for clip in validation}
    assert [bank.labels[m] for m in bank.material].count("metal") == sum(
        c.material == "metal" for c in validation
    )
    written = json.loads((out / "metrics.json").read_text())
    assert written["heard_model"] == model_id_of(folder)
    assert sum(row["contacts"] for row in written["actions"].values()) == len(validation)
    (checked,) = written["expected_and_found"].values()
    assert checked["0"]["expected"] >= 0.0 and checked["0"]["contacts"] > 0
    assert (
        call(evaluate, *of, "--out", out, "--no-record") == 0
        and load_bank(out, model_id_of(folder)) is not None
    )
