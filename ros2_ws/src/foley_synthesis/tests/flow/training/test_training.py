"""The flow from windows with rendered views to a checkpoint and its sounds, in a made-up world that can be learned."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
import yaml

from foley_perception.clips import grid
from foley_perception.dataset import manifest, schema, store
from foley_perception.dataset.reader import ClipDataset
from foley_perception.dataset.synthetic import write_synthetic_dataset
from foley_synthesis.checkpoint import CorruptCheckpoint, sha256_of, write_yaml
from foley_synthesis.commands import flow
from foley_synthesis.flow.inference.model import load_model
from foley_synthesis.flow.networks.rectified_flow import SampleConfig, flow_loss
from foley_synthesis.flow.training import loop
from foley_synthesis.flow.training.build import build_flow, open_items
from foley_synthesis.flow.training.config import FlowTrainConfig
from foley_synthesis.flow.training.loop import train_flow
from foley_synthesis.flow.windows import Items, ItemsError, batch, check_splits
from foley_synthesis.training.state import Interrupted

COUNTS = {"train": 8, "validation": 3, "test": 2}
PITCH = {"wood": 500.0, "metal": 3000.0}
COLOUR = {"wood": (40, 90, 150), "metal": (190, 180, 170)}
MADE = SampleConfig(steps=3, guidance=2.0)
ENCODER = ("colour", "colour-1")


def window(name: str, split: str, material: str, taps: np.ndarray) -> schema.WindowData:
    """A right hand that comes down at some times, and the tones that sound then."""
    time = np.arange(grid.WINDOW_SAMPLES) / grid.SAMPLE_RATE
    sound = 1e-4 * np.random.default_rng(0).standard_normal(len(time))
    for tap in taps:
        after = (time - tap).clip(0)
        sound += 0.3 * np.sin(2 * np.pi * PITCH[material] * after) * np.exp(-15 * after)
    moments = np.arange(grid.WINDOW_KEYPOINTS) / grid.FRAME_RATE
    height = 0.1 * (1 - np.exp(-(((moments[:, None] - taps) / 0.1) ** 2)).max(axis=1))
    keypoints = np.full(schema.WINDOW_ARRAYS["keypoints"], np.nan, np.float32)
    keypoints[:, 1] = 0.0
    keypoints[:, 1, :, 2] = height[:, None]
    return schema.WindowData(
        schema.Window(f"{name}_w0000", name, f"scene-{name}", split, "sim", 0),
        sound.astype(np.float32),
        np.zeros((grid.WINDOW_FRAMES, 8, 8, 3), np.uint8),
        np.zeros(schema.WINDOW_ARRAYS["action_executed"], np.float32),
        keypoints,
    )


def draw_views(folder: Path, material: str) -> None:
    rows = []
    for moment in range(grid.WINDOW_FRAMES):
        for name in ("global", "local_right"):
            (folder / name).mkdir(parents=True, exist_ok=True)
            picture = np.full((16, 16, 3), COLOUR[material], np.uint8)
            cv2.imwrite(str(folder / name / f"{moment:05d}.jpg"), picture)
        row = {"time_ns": 125_000_000 + moment * 250_000_000, "has_global": True}
        rows.append(row | {"has_local_left": False, "has_local_right": True})
    pq.write_table(pa.Table.from_pylist(rows), folder / "views.parquet")
    (folder / "views.json").write_text(json.dumps({"fingerprint": "a"}))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A dataset with windows, and their views; one session was not rendered."""
    dataset, views = tmp_path_factory.mktemp("flow") / "dataset", tmp_path_factory.mktemp("views")
    store.make_folders(dataset)
    rng, rows = np.random.default_rng(0), []
    for split, count in COUNTS.items():
        for index in range(count):
            material, name = ("wood", "metal")[index % 2], f"{split}-{index}"
            taps = np.sort(rng.uniform(0.5, 7.5, 5))
            rows.append(store.store_window(dataset, window(name, split, material, taps)))
            draw_views(views / name, material)
    rows.append(store.store_window(dataset, window("unrendered", "train", "wood", np.array([1.0]))))
    manifest.finish(dataset, [], rows, sources=[])
    return dataset, views


@pytest.fixture(scope="module")
def items(world: tuple[Path, Path]) -> Items:
    return open_items(ClipDataset(world[0]), world[1], "colour")[0]


def config(**changes: object) -> FlowTrainConfig:
    return FlowTrainConfig(**{"size": "tiny", "epochs": 2, "batch": 4, "threads": 1, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trained(world: tuple[Path, Path], items: Items, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model") / "flow"
    build_flow(ClipDataset(world[0]), items, out, config(), encoder=ENCODER)
    return out


# ---- items -------------------------------------------------------------------------------------------------
def test_items_hold_what_was_seen_done_and_heard(items: Items) -> None:
    assert len(items) == sum(COUNTS.values()) and {w.session_id for w in items.windows}.isdisjoint(
        {"unrendered"}
    )
    assert [len(items.rows(split)) for split in COUNTS] == list(COUNTS.values())
    assert items.mel.shape == (13, 80, 500) and items.action.shape == (13, 240, 126)
    views = items.vision.reshape(13, 32, 3, -1)
    torch.testing.assert_close(views[:, :, 0].norm(dim=-1), torch.ones(13, 32))
    assert bool((views[:, :, 1] == 0).all()), "the left hand is nowhere"
    assert bool(items.action.isfinite().all()) and bool((items.action[..., :63] == 0).all())
    # It sounds where the hand is down.
    part = batch(items, torch.arange(13))
    loud = items.mel.amax(dim=1)[:, ::2]
    down = part.action[..., 63 + 2] < 0.01
    assert float(loud[down].mean()) > float(loud[~down].mean()) + 0.1


def test_spliced_items_change_over_in_sound_sight_and_action_at_once(items: Items) -> None:
    rows = items.rows("train")
    plain = batch(items, rows)
    spliced = batch(items, rows, torch.Generator().manual_seed(3), spliced=0.5)
    changed = 0
    for row in range(len(rows)):
        differs = (spliced.action[row] != plain.action[row]).any(dim=1)
        if not bool(differs.any()):
            torch.testing.assert_close(spliced.sound[row], plain.sound[row])
            continue
        changed += 1
        cut = int(differs.float().argmax())
        torch.testing.assert_close(spliced.sound[row, :, : 2 * cut], plain.sound[row, :, : 2 * cut])
        (other,) = [
            k for k in range(len(rows)) if torch.equal(plain.action[k, cut:], spliced.action[row, cut:])
        ]
        # The hand may rest at the change itself.
        torch.testing.assert_close(spliced.sound[row, :, 2 * cut :], plain.sound[other, :, 2 * cut :])
        torch.testing.assert_close(spliced.vision[row, cut:], plain.vision[other, cut:])
    assert 1 <= changed <= 4


def test_without_windows_or_views_the_way_is_told(
    world: tuple[Path, Path], items: Items, tmp_path: Path
) -> None:
    write_synthetic_dataset(tmp_path / "bare", clips_per_split=1)
    with pytest.raises(ItemsError, match="has no windows; build it with `foley dataset build"):
        open_items(ClipDataset(tmp_path / "bare"), world[1], "colour")
    rows = items.rows("train").tolist()
    few = Items(
        tuple(items.windows[i] for i in rows), items.mel[rows], items.vision[rows], items.action[rows]
    )
    with pytest.raises(ItemsError, match=r"fewer than two windows with views in `validation` \(train 8, val"):
        check_splits(few)


# ---- training ----------------------------------------------------------------------------------------------
def test_training_lowers_the_loss_of_both_stages(items: Items) -> None:
    counters = train_flow(items, config(epochs=30, learning_rate=3e-3)).counters
    for name in ("autoencoder", "flow"):
        history = [entry["train"] for entry in counters[name].history]
        assert history[-1] < 0.8 * history[0], name
        assert counters[name].best[name] <= min(entry["validation"] for entry in counters[name].history)


def test_a_resumed_training_repeats_an_uninterrupted_one(
    items: Items, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_flow(items, config(epochs=4))
    calls = []

    def stop(*arguments: Any, **more: Any) -> torch.Tensor:
        """Ctrl-C in the middle of the third epoch: each has two steps."""
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return flow_loss(*arguments, **more)

    often = config(epochs=4, save_every_s=1e-6)
    monkeypatch.setattr(loop, "flow_loss", stop)
    with pytest.raises(Interrupted, match="stage `flow`, of which 2 epochs are kept"):
        train_flow(items, often, key="a", folder=tmp_path)
    monkeypatch.undo()
    epochs: list[str] = []
    again = train_flow(
        items, often, key="a", folder=tmp_path, resume=True, report=lambda stage, *_: epochs.append(stage)
    )
    assert epochs == ["flow", "flow"], "the autoencoder was finished, and two epochs of the flow"
    for name, value in whole.field.state_dict().items():
        torch.testing.assert_close(again.field.state_dict()[name], value, msg=name)
    with pytest.raises(ValueError, match="other data or settings"):
        train_flow(items, config(epochs=4), key="b", folder=tmp_path, resume=True)


def test_an_ablation_does_not_look(
    world: tuple[Path, Path], items: Items, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "blind"
    dataset = ClipDataset(world[0])
    build_flow(dataset, items, out, config(without="vision"), encoder=ENCODER, autoencoder=trained)
    blind, sighted = load_model(out), load_model(trained)
    for name, value in sighted.autoencoder.state_dict().items():
        torch.testing.assert_close(blind.autoencoder.state_dict()[name], value)
    part = batch(items, items.rows("test"))
    other = type(part)(part.sound, torch.randn_like(part.vision), part.action)
    torch.testing.assert_close(blind.mels(part, 0, MADE), blind.mels(other, 0, MADE))
    assert not torch.allclose(sighted.mels(part, 0, MADE), sighted.mels(other, 0, MADE))


def test_one_seed_gives_one_sound(items: Items, trained: Path) -> None:
    model, part = load_model(trained), batch(items, items.rows("test")[:1])
    first = model.sounds(part, 5, MADE)[0]
    assert first.shape == (128_000,) and bool(np.isfinite(first).all())
    np.testing.assert_array_equal(load_model(trained).sounds(part, 5, MADE)[0], first)
    assert not np.array_equal(model.sounds(part, 6, MADE)[0], first)


@pytest.mark.parametrize("file", ["model.safetensors", "config.yaml", "manifest.yaml"])
def test_a_damaged_checkpoint_is_named(trained: Path, tmp_path: Path, file: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    (copy / file).write_bytes((copy / file).read_bytes()[:-20] + b"x" * 20)
    with pytest.raises(CorruptCheckpoint, match=r"flow train|copy the checkpoint"):
        load_model(copy)
    (copy / file).unlink()
    with pytest.raises(CorruptCheckpoint, match=file):
        load_model(copy)


# ---- the command -------------------------------------------------------------------------------------------
def call(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    flow.configure(parser)
    return int(flow.run(parser.parse_args([str(a) for a in arguments])))


@pytest.mark.long
@pytest.mark.slow
def test_the_command_trains_scores_and_samples(
    world: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset, views = world
    common = (dataset, "--views", views, "--encoder", "colour", "--threads", 1)
    model, scored, sounds = tmp_path / "flow", tmp_path / "score", tmp_path / "sounds"
    assert call("train", *common, "--out", model, "--size", "tiny", "--epochs", 1) == 0
    assert "8 windows" in capsys.readouterr().out
    assert json.loads((model / "metrics.json").read_text())["parameters"]["field"] > 1e5
    fast = ("--steps", 2)
    assert call("score", *common, "--model", f"ours={model}", "--out", scored, *fast) == 0
    figures = json.loads((scored / "metrics.json").read_text())
    rows = figures["methods"]
    assert figures["windows"] == 2 and figures["onsets"] == 10
    assert list(rows)[:3] == ["ours", "ours, hands of another", "ours, views of another"]
    assert rows["silence"]["stft_relative"]["value"] == pytest.approx(1.0, abs=1e-3)
    # The order that must hold: what went through the vocoder only is nearer than another sound.
    assert rows["real spectrogram, vocoder"]["mel"]["value"] < rows["random"]["mel"]["value"]
    assert rows["real sound, 50 ms late"]["sync_ms"]["value"] == pytest.approx(50, abs=1)
    assert rows["real sound, 50 ms late"]["lag_ms"]["value"] == 48.0
    near, far = rows["real spectrogram, vocoder"], rows["silence"]
    assert near["foreground_db"]["value"] < far["foreground_db"]["value"]
    assert near["level_db"]["value"] < far["level_db"]["value"]
    assert rows["real spectrogram, vocoder"]["onset_f1"]["value"] > 0.7
    assert rows["random"]["onset_f1"]["value"] < 0.5
    assert (scored / "windows.png").stat().st_size > 10_000 and list(scored.glob("*_ours.flac"))
    assert call("sample", model, *common, "--to", sounds, *fast) == 0
    files = sorted(sounds.glob("*.flac"))
    assert [f.stem for f in files] == [f"test-{k}_w0000" for k in range(2)]
    assert soundfile.info(files[0]).frames == 128_000 and soundfile.info(files[0]).samplerate == 16_000


def test_the_command_names_what_is_wrong(
    world: tuple[Path, Path], trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset, views = world
    common = (dataset, "--views", views, "--encoder", "colour", "--threads", 1)
    assert call("train", *common, "--out", tmp_path / "x", "--without", "sound") == 2
    assert "without is `sound`, must be vision, action or empty" in capsys.readouterr().err
    assert call("score", dataset, "--views", views, "--threads", 0) == 2
    assert "--threads is 0, must be at least 1" in capsys.readouterr().err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    assert call("train", *common, "--out", tmp_path / "full") == 2
    assert "holds no flow" in capsys.readouterr().err
    assert call("score", *common, "--model", "flow") == 2
    assert "must be NAME=DIR" in capsys.readouterr().err
    assert (
        call("score", *common, "--model", f"flow={trained}", "--split", "test_seen", "--out", tmp_path / "y")
        == 2
    )
    assert "split `test_seen` has no windows" in capsys.readouterr().err
    other = shutil.copytree(trained, tmp_path / "other")
    facts = yaml.safe_load((other / "config.yaml").read_text())
    for change, told in (
        ({"encoder": {"name": "clip", "identity": "clip-1"}}, "saw its views through clip"),
        (
            {"dataset": facts["dataset"] | {"train_scenes": ["scene-test-1"]}},
            "trained in 1 scenes of split `test`",
        ),
    ):
        write_yaml(other / "config.yaml", facts | change)
        files = ("model.safetensors", "config.yaml")
        write_yaml(other / "manifest.yaml", {name: sha256_of(other / name) for name in files})
        assert call("sample", other, *common, "--to", tmp_path / "z") == 2
        assert told in capsys.readouterr().err
