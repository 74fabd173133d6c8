"""From simulated bags to figures: impacts on whole recordings, and touches that are repeated with one thing changed."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("rclpy")

from foley_bringup.interventions import InterventionConfig, figures, simulate
from foley_perception.dataset.build import build_dataset, find_bags
from foley_perception.dataset.reader import ClipDataset
from foley_sim.ros.generate import GenerateConfig
from foley_synthesis.commands import impacts as impacts_command
from foley_synthesis.evaluation.impact_detection.videos import load_videos
from foley_synthesis.hearing.inference.heard_model import HeardModel
from foley_synthesis.vis.inference.predictor import Predictor
from foley_synthesis.vis.training.build import build_checkpoint
from foley_synthesis.vis.training.config import TrainConfig
from foley_synthesis.vision.encoders import load_encoder

TINY = {"hidden": 24, "still_units": 16, "frame_units": 8, "head_units": 32, "heard_units": 12}


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory, generate_here: Callable[..., None]) -> Path:
    """Two scenes for training and one to test, of FoleySim-1, 12 s each."""
    out = tmp_path_factory.mktemp("bags")
    for split, scenes in (("train", 2), ("test", 1)):
        generate_here(
            GenerateConfig(
                out,
                split=split,
                scenes=scenes,
                duration_s=12.0,
                edition="foleysim-1",
                robot="gantry",
                depth_rate_hz=0,
            )
        )
    return out


@pytest.fixture(autouse=True)
def private_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setattr("foley_synthesis.vis.training.features.cache_folder", lambda: cache)


@pytest.mark.long
@pytest.mark.slow
def test_impacts_of_recordings(bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = next(v for v in load_videos(find_bags([bags]), load_encoder("colour")) if v.split == "test")
    assert 10.0 < video.seconds < 12.1 and video.cochleagram.shape == (len(video.frame_of), 42)
    assert video.rgb.shape == video.spacetime.shape and 0 <= len(video.rgb) - 1 - video.frame_of.max() < 15
    assert np.all(np.diff(video.frame_of) >= 0) and len(video.impacts) >= 3 and video.heard.any()
    level = video.cochleagram.mean(axis=1)
    for at in video.impacts[video.heard]:
        near = level[max(int(at) - 3, 0) : int(at) + 14]
        assert near.max() > np.median(level), "sound and contacts share a clock"
    speed = [video.tip_speed[max(int(a) - 4, 0) : int(a)].max(initial=0.0) for a in video.impacts]
    assert np.median(speed) > 0.02, "and so does the motion"
    parser = argparse.ArgumentParser()
    impacts_command.configure(parser)
    words = [str(bags), "--seeds", "1", "--epochs", "2", "--encoder", "colour", "--replicates", "20"]
    assert impacts_command.run(parser.parse_args([*words, "--threads", "1", "--out", str(tmp_path)])) == 0
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert (
        found["videos"]["train"] == 2 and found["methods"]["sound itself"]["average_precision"]["value"] > 0.4
    )
    assert (tmp_path / "impacts.png").is_file() and "| RGB only |" in capsys.readouterr().out
    made, real = (soundfile.read(tmp_path / name)[0] for name in ("soundtrack.wav", "real.wav"))
    assert len(made) >= len(real) > 9 * 48_000 and np.abs(real).max() > 0.01


@pytest.mark.long
@pytest.mark.slow
def test_the_same_touches_with_one_thing_changed(
    bags: Path, tmp_path: Path, generate_here: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foley_bringup.interventions.generate", generate_here)
    build_dataset(find_bags([bags]), tmp_path / "dataset", workers=1)
    dataset = ClipDataset(tmp_path / "dataset")
    config = TrainConfig(minutes=None, epochs=2, threads=1, batch=4, exemplars=6)
    build_checkpoint(dataset, tmp_path / "model", config, encoder_name="colour", model=TINY)
    known = {c.material for c in dataset.clips if c.split == "train"}
    look = sorted(known)[0]
    asked = InterventionConfig(
        tmp_path / "changed", scenes=2, duration_s=8.0, looks=(look,), speeds=(2.0,), shifts_ms=(0, 100), jobs=1,
        replicates=20,
    )  # fmt: skip
    sets = simulate(asked)
    base, retextured, fast = (sets[n] for n in ("as it is", f"looks like {look}", "2 x as fast"))
    one = {c.plan_id: i for i, c in enumerate(base.clips) if c.scene_id == base.clips[0].scene_id}
    other = {c.plan_id: i for i, c in enumerate(retextured.clips) if c.scene_id == base.clips[0].scene_id}
    shared = sorted(set(one) & set(other))
    assert len(shared) >= 3
    for plan in shared:
        a, b = one[plan], other[plan]
        assert base.clips[a].material == retextured.clips[b].material
        assert np.abs(base.audio(a) - retextured.audio(b)).max() < 1e-3, "looks make no sound"
    changed = [np.abs(base.still(one[p]).astype(int) - retextured.still(other[p])).mean() for p in shared]
    assert max(changed) > 3.0
    found = figures(asked, sets, Predictor.load(tmp_path / "model"), HeardModel.load(tmp_path / "model"))
    assert abs(found["retexture"][look][f"heard: change for {look}"]["value"]) < 0.02
    assert found["speed"]["2"]["real_db"]["value"] > 3.0
    assert set(found["shift"]["onset_ms"]) == {"0", "100"} and len(fast.clips) > 0
