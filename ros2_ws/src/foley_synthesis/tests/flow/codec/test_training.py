"""Sounds in memory, the loss, training that resumes, and the command."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from foley_common.session_file import SessionData, write_session
from foley_synthesis.checkpoint import CorruptCheckpoint
from foley_synthesis.commands import codec as command
from foley_synthesis.flow.codec import training
from foley_synthesis.flow.codec.config import CodecConfig, CodecTrainConfig
from foley_synthesis.flow.codec.loss import codec_losses, near_onsets
from foley_synthesis.flow.codec.model_file import load_codec, save_codec
from foley_synthesis.flow.codec.network import Codec
from foley_synthesis.flow.codec.sounds import SoundsError, crops, open_sounds, windows
from foley_synthesis.training.state import Interrupted

SMALL = CodecConfig(
    width=16, hidden=16, blocks=1, fine_width=16, fine_hidden=16, fine_blocks=1, latent=8, rounds=1
)
QUICK = CodecTrainConfig(steps=4, batch=2, heard=1, unheard=0.5, crop=8, validate_every=2, save_every_s=1e-6)


@pytest.fixture(autouse=True)
def few_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Components and scales of few crops."""
    monkeypatch.setattr(training, "_STATISTICS", 24)


def touched(seconds: float, rate: int, seed: int) -> np.ndarray:
    """Noise with a decaying tone each half second."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    since = time % 0.5
    tone = np.sin(2 * np.pi * (500 + 300 * seed) * time) * np.exp(-since / 0.03)
    return (0.2 * tone + 1e-3 * random.standard_normal(len(time))).astype(np.float32)


def session(folder: Path, name: str, split: str, seconds: float = 8.0, rate: int = 16_000) -> None:
    folder.mkdir(exist_ok=True)
    rows, seed = round(seconds * 125), len(name)
    zeros = np.zeros
    data = SessionData(
        {"scene_id": name, "split": split, "sound_rate": rate, "objects": []},
        (touched(seconds, rate, seed) * 32767).astype(np.int16),
        *(zeros((rows, 7), np.float32) for _ in range(2)),
        *(zeros(rows, np.float32) for _ in range(2)),
        zeros((rows, 6), np.float32),
        zeros(7, np.float32),
        zeros((0, 3), np.int16),
        zeros((0, 3), np.uint8),
        *(zeros(0, np.float32) for _ in range(2)),
        zeros(0, np.int16),
        zeros(0, np.float32),
        zeros(0, np.uint8),
        zeros(1, np.int64),
    )
    write_session(folder / f"{name}-p0.npz", data)


@pytest.fixture(scope="module")
def sets(made_once: Callable[..., Path]) -> Path:
    """A set of one session a split."""

    def make(folder: Path) -> Path:
        for name, split in (("a", "train"), ("bb", "validation"), ("ccc", "test")):
            session(folder, name, split)
        (folder / "a-p0.contacts.npz").write_bytes(b"to be rendered anew")
        return folder

    return made_once("codec_sets", make)


def test_sets_and_folders_are_read_and_what_is_skipped_is_told(sets: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "high.flac", np.stack([touched(1.0, 48_000, 1)] * 2, axis=1), 48_000)
    soundfile.write(tmp_path / "low.wav", touched(1.0, 8_000, 1), 8_000)
    soundfile.write(tmp_path / "none.wav", np.zeros(8_000), 16_000)
    (tmp_path / "text.wav").write_text("not a sound")
    found = open_sounds([sets, tmp_path], SMALL)
    assert sorted(zip(found.names, found.splits, strict=True))[:3] == [
        (f"{sets.name}/a-p0.npz", "train"),
        (f"{sets.name}/bb-p0.npz", "validation"),
        (f"{sets.name}/ccc-p0.npz", "test"),
    ]
    assert found.hours(SMALL, "train") * 3600 >= 8.0
    high = next(i for i, name in enumerate(found.names) if name.endswith("high.flac"))
    assert len(found.samples[high]) == 32 * 512  # 1 s, filled up to whole frames
    assert {text.split(":")[0].rsplit("/", 1)[-1] for text in found.skipped} == {
        "low.wav", "none.wav", "text.wav"
    }  # fmt: skip
    with pytest.raises(SoundsError, match="no such folder"):
        open_sounds([tmp_path / "nowhere"], SMALL)
    with pytest.raises(SoundsError, match="48000 Hz are needed"):
        open_sounds([sets], CodecConfig(rate=48_000))
    assert len(open_sounds([sets], SMALL, hours=1e-4).names) == 1


def test_crops_come_with_their_floor_at_the_same_gain(sets: Path) -> None:
    found = open_sounds([sets], SMALL, splits=("train",))
    plain, floor = crops(found, found.rows("train"), 6, 8, 512, 0.0, 3)
    loud, raised = crops(found, found.rows("train"), 6, 8, 512, 20.0, 3)
    assert plain.shape == (6, 8 * 512) and floor.shape == (6, 80)
    assert not torch.equal(loud, plain)
    again, _ = crops(found, found.rows("train"), 6, 8, 512, 20.0, 3)
    assert torch.equal(again, loud)
    gains = (raised / floor)[:, 40]
    assert float(gains.max() / gains.min()) > 1.5
    assert windows(found, "train", 125, 512).shape == (2, 64_000)
    assert windows(found, "train", 125, 512, 1).shape == (1, 64_000)
    assert not len(windows(found, "test", 125, 512))


def test_onsets_are_where_sound_rises() -> None:
    sound = 1e-3 * torch.randn(1, 16_384, generator=torch.Generator().manual_seed(0))
    sound[0, 8_000:8_400] += 0.3
    near = near_onsets(sound, 16_000, 64)[0]
    times = near.nonzero()[:, 0] * 64 / 16_000
    assert float(times.min()) == pytest.approx(0.47, abs=0.012)
    assert float(times.max()) == pytest.approx(0.53, abs=0.012)


def test_loss_falls_with_what_is_nearer(sets: Path) -> None:
    found = open_sounds([sets], SMALL, splits=("train",))
    sound, floor = crops(found, found.rows("train"), 8, 16, 512, 0.0, 1)
    codec = Codec(SMALL)

    def total() -> float:
        return float(
            codec_losses(codec.eval(), sound, floor, QUICK, torch.Generator().manual_seed(0))
            .total(QUICK)
            .detach()
        )

    before = total()
    codec.set_components(codec.split(sound)[0])
    assert total() < 0.8 * before


def test_a_resumed_training_repeats_an_uninterrupted_one(
    sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = open_sounds([sets], SMALL)
    whole, counters = training.train_codec(found, SMALL, QUICK)
    assert counters.step == 4 and len(counters.history) == 2
    assert {"train", "mel", "foreground_db", "elapsed_s"} < set(counters.history[0])
    loss = training._loss

    def stopping(*arguments: Any) -> tuple[torch.Tensor, dict[str, float]]:
        if arguments[4] == 3:
            raise KeyboardInterrupt
        return loss(*arguments)

    monkeypatch.setattr(training, "_loss", stopping)
    with pytest.raises(Interrupted, match="stopped, 3 steps are kept"):
        training.train_codec(found, SMALL, QUICK, key="k", folder=tmp_path / "state")
    monkeypatch.setattr(training, "_loss", loss)
    with pytest.raises(ValueError, match="other data or settings"):
        training.train_codec(found, SMALL, QUICK, key="other", folder=tmp_path / "state", resume=True)
    resumed, _ = training.train_codec(found, SMALL, QUICK, key="k", folder=tmp_path / "state", resume=True)
    for name, value in whole.state_dict().items():
        assert torch.allclose(value, resumed.state_dict()[name], atol=1e-6), name


def test_a_checkpoint_is_read_as_written_and_checked(tmp_path: Path) -> None:
    codec = Codec(SMALL).eval()
    model_id = save_codec(codec, {"sounds": {}}, tmp_path / "codec", {})
    again, facts, same = load_codec(tmp_path / "codec")
    sound = torch.from_numpy(touched(0.512, 16_000, 2))[None]
    with torch.no_grad():
        assert torch.equal(again.decode(again.encode(sound)), codec.decode(codec.encode(sound)))
    assert same == model_id and facts == {"sounds": {}}
    (tmp_path / "codec" / "config.yaml").write_text("schema: foley-codec-1\n")
    with pytest.raises(CorruptCheckpoint, match="sha256"):
        load_codec(tmp_path / "codec")


def call(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return int(command.run(parser.parse_args([str(a) for a in arguments])))


def test_the_command_trains_and_scores(
    sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("foley_synthesis.flow.codec.config.CodecConfig", lambda **given: SMALL)
    out = tmp_path / "codec"
    assert call("train", sets, "--out", out, "--steps", 2, "--batch", 2) == 0
    assert "2 steps" in capsys.readouterr().out
    figures = json.loads((out / "metrics.json").read_text())
    assert figures["steps"] == 2 and figures["sounds"]["files"] == 2
    assert call("score", out, sets, "--windows", 1, "--out", tmp_path / "score") == 0
    rows = json.loads((tmp_path / "score" / "metrics.json").read_text())["rows"]
    assert rows["true mel, true phase"]["foreground_db"] < rows["silence"]["foreground_db"]
    assert rows["true mel, Griffin-Lim"]["onset_f1"] > 0.9 and rows["silence"]["onset_f1"] == 0.0
    assert call("score", out, tmp_path) == 2
    assert "neither sessions" in capsys.readouterr().err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert call("train", sets, "--out", tmp_path / "full") == 2
    assert "holds no codec" in capsys.readouterr().err
