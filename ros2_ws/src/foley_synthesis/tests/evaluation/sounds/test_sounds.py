"""`foley score`: any sounds, every measure, one command."""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.commands import score as command
from foley_synthesis.evaluation.measure import Item, Metric
from foley_synthesis.evaluation.sound_metrics import WAVEFORM, SoundOutput
from foley_synthesis.evaluation.sounds import run
from foley_synthesis.evaluation.sounds.methods import (
    ScoreError,
    checkpoint_methods,
    folder_methods,
    read_sound,
)

pytestmark = pytest.mark.slow
SIMPLE = {
    "real sound", "real sound, 50 ms late", "real sound, PCA and resynthesis", "nearest image",
    "nearest clip, velocity zero", "random", "training mean", "silence",
}  # fmt: skip


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return parser.parse_args(
        [*words, "--encoder", "colour", "--no-judges", "--replicates", "40", "--threads", "1"]
    )


@pytest.fixture(scope="module")
def folder(tiny_dataset: ClipDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another program's sounds: the real ones at half the level and 16 kHz, a tenth of a second short."""
    folder = tmp_path_factory.mktemp("sounds")
    for index in tiny_dataset.indices("test"):
        sound = 0.5 * tiny_dataset.audio(index)[:43_200:3]
        soundfile.write(folder / f"{tiny_dataset.clips[index].clip_id}.wav", sound, 16_000)
    return folder


def test_one_command_scores_everything(
    tiny_dataset: ClipDataset,
    tiny_checkpoint: Path,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    models = ("--model", f"ours={tiny_checkpoint}", "--model", f"theirs={folder}")
    words = (*models, "--out", str(tmp_path), "--shown", "6", "--contacts", "12")
    assert command.run(arguments(str(tiny_dataset.path), *words)) == 0
    told = capsys.readouterr().out
    figures = json.loads((tmp_path / "metrics.json").read_text())
    rows = figures["methods"]
    assert set(rows) == SIMPLE | {"ours", "ours, parametric", "ours, planned", "theirs"}
    assert figures["contacts"] == 12 < len(tiny_dataset.indices("test")) and figures["models"][-1] == "theirs"
    real, silence, theirs = (rows[name] for name in ("real sound", "silence", "theirs"))
    assert (
        real["stft_relative"]["value"] == real["loudness_db"]["value"] == 0.0
        and real["onset_f1"]["value"] == 1.0
    )
    assert silence["stft_relative"]["value"] == pytest.approx(1.0) and silence["onset_f1"]["value"] == 0.0
    assert silence["centroid_octaves"]["value"] is None and silence["sync_ms"]["value"] is None
    assert theirs["loudness_db"]["value"] == pytest.approx(6.02, abs=1.0)
    assert theirs["loudness_r"]["value"] > 0.95 and theirs["onset_f1"]["value"] > 0.8
    late = rows["real sound, 50 ms late"]
    assert late["loudness_db"]["value"] < 2.0 and late["stft_relative"]["value"] > 0.5
    assert (
        rows["random"]["stft_relative"]["value"]
        > rows["real sound, PCA and resynthesis"]["stft_relative"]["value"]
    )
    assert "| theirs |" in told and "says nothing of people" in told.replace("\n", " ")
    for picture in ("scores.png", "loudness.png"):
        assert (tmp_path / picture).stat().st_size > 10_000


def test_the_page_plays_what_it_lists(
    tiny_dataset: ClipDataset,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And a metric that is added as one entry is in metrics.json, in the table, in the terminal and on the page."""

    def peak(output: SoundOutput, items: Sequence[Item]) -> np.ndarray:
        return np.array([np.abs(sound).max() for sound in output.waveforms])

    added = Metric("peak", "loudest sample", "none", peak, unit="full scale", note="Clipping begins at 1.")
    monkeypatch.setattr(run, "WAVEFORM", (*WAVEFORM, added))
    words = ("--model", f"<b>theirs</b>={folder}", "--out", str(tmp_path), "--shown", "4", "--contacts", "4")
    assert command.run(arguments(str(tiny_dataset.path), *words)) == 0
    html = (tmp_path / "index.html").read_text()
    silence = json.loads((tmp_path / "metrics.json").read_text())["methods"]["silence"]
    assert silence["peak"] == {"value": 0.0, "low": 0.0, "high": 0.0, "seeds": 1, "seed_std": 0.0}
    for text in (html, (tmp_path / "table.md").read_text(), capsys.readouterr().out):
        assert "loudest sample [full scale]" in text and "Clipping begins at 1." in text
    assert html.count("<audio") == 4 * (len(SIMPLE) + 1)
    assert "<b>theirs" not in html and "&lt;b&gt;theirs" in html
    for part in html.split('src="')[1:]:
        assert (tmp_path / part.split('"')[0]).is_file()
    heard, rate = soundfile.read(next((tmp_path / "sounds").glob("*.flac")))
    assert rate == 48_000 and heard.shape == (48_000,)


def test_a_judge_needs_a_dataset_to_learn_from(
    tiny_dataset: ClipDataset, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (str(tiny_dataset.path), "--model", f"theirs={folder}", "--train", str(tiny_dataset.path))
    assert command.run(arguments(*words, "--out", str(tmp_path), "--split", "test", "--contacts", "6")) == 0
    assert command.run(arguments(*words, "--out", str(tmp_path), "--split", "all")) == 2
    assert "contacts have no sound" in capsys.readouterr().err


def test_a_model_is_not_scored_on_what_it_learned(tiny_dataset: ClipDataset, tiny_checkpoint: Path) -> None:
    taught = [row for row in tiny_dataset.indices("train") if tiny_dataset.clips[row].object_id]
    seen = copy.copy(tiny_dataset)
    seen.clips = [dataclasses.replace(clip, split="test") for clip in tiny_dataset.clips]
    with pytest.raises(ScoreError, match="are among its exemplars"):
        list(checkpoint_methods("ours", str(tiny_checkpoint), seen, taught))
    list(checkpoint_methods("ours", str(tiny_checkpoint), tiny_dataset, tiny_dataset.indices("test")))


def test_bad_sounds_are_named(
    tiny_dataset: ClipDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = tiny_dataset.indices("test")[0]
    clip = tiny_dataset.clips[row].clip_id
    with pytest.raises(ScoreError, match=f"such as {clip}"):
        list(folder_methods("x", tmp_path, tiny_dataset, [row]))
    (tmp_path / f"{clip}.wav").write_bytes(b"RIFF")
    with pytest.raises(ScoreError, match="not a sound file that can be read"):
        next(folder_methods("x", tmp_path, tiny_dataset, [row])).predict([Item(row, "", "")], lambda: None)
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan]), 48_000, subtype="FLOAT")
    with pytest.raises(ScoreError, match="NaN"):
        read_sound(tmp_path / "nan.wav")
    tone = 0.3 * np.sin(np.arange(48_000) / 10)
    soundfile.write(tmp_path / "opposite.wav", np.stack([tone, -tone], axis=1), 48_000)
    assert np.abs(read_sound(tmp_path / "opposite.wav")).max() > 0.25, "channels are never averaged"
    for words in ((), (str(tmp_path),), (str(tiny_dataset.path), "--model", "x"),
                  (str(tiny_dataset.path), "--model", "x=/nowhere")):  # fmt: skip
        assert command.run(arguments(*words, "--out", str(tmp_path / "out"))) == 2
    told = capsys.readouterr().err
    assert "which dataset?" in told and "NAME=PATH" in told and "neither a checkpoint" in told
