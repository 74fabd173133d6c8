"""What hears recordings, put beside a model: its file, which of the two answers, and what recordings change."""

from __future__ import annotations

import csv
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
import torch

from foley_synthesis.hearing import frozen_pair
from foley_synthesis.hearing.frozen import FrozenMissing
from foley_synthesis.hearing.frozen_pair import DIMS, FrozenPair, Heard, glass_over_metal
from foley_synthesis.hearing.inference.calibration import STAGES_S
from foley_synthesis.hearing.inference.hearing_model import HearingModel
from foley_synthesis.hearing.linear_heads import LinearHeads
from foley_synthesis.hearing.model_file import load_hearing
from foley_synthesis.hearing.networks.aisfx import AisfxNet
from foley_synthesis.hearing.networks.yamnet import YamNet
from foley_synthesis.hearing.sound_groups import class_names
from foley_synthesis.hearing.training import frozen_features
from foley_synthesis.hearing.training.calibrate import HonestyConfig
from foley_synthesis.hearing.training.generated_set import GeneratedSet, SetError
from foley_synthesis.hearing.training.linear_heads import HeadsConfig
from foley_synthesis.hearing.training.recorded import (
    RecordedConfig,
    add_recorded,
    as_recorded,
    save_with_recorded,
)
from foley_synthesis.hearing.training.recordings import Recordings, RecordingsError


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    """Of both networks, at random but so that what goes in is seen in what comes out."""
    torch.manual_seed(0)
    yamnet, aisfx = YamNet(), AisfxNet().eval()
    for net in (yamnet, aisfx):
        for layer in net.modules():
            if isinstance(layer, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    tensors = {f"yamnet.{name}": value for name, value in yamnet.state_dict().items()}
    tensors |= {f"aisfx.{name}": value for name, value in aisfx.state_dict().items() if value.ndim}
    return {name: value.half().numpy() for name, value in tensors.items()}


@pytest.fixture(scope="module")
def pair(weights: dict[str, np.ndarray]) -> FrozenPair:
    return FrozenPair(weights)


def test_what_is_not_heard_yet_has_no_influence(pair: FrozenPair, generated: ModuleType) -> None:
    sound = generated.contact("metal", np.random.default_rng(0))
    later = sound.copy()
    later[round(0.36 * 24_000) :] *= -30.0
    a, b = (pair.hear([Heard(s, 24_000, 0.2, 0.15)]).features for s in (sound, later))
    assert a.shape == (1, DIMS) and np.array_equal(a, b)
    whole = pair.hear([Heard(sound, 24_000, 0.2)]).features
    assert not np.allclose(a, whole)
    np.testing.assert_allclose(
        whole, pair.hear([Heard(0.1 * sound, 24_000, 0.2)]).features, rtol=2e-3, atol=2e-3
    )


def test_foreign_weights_are_refused(weights: dict[str, torch.Tensor]) -> None:
    with pytest.raises(FrozenMissing, match="aiSFX"):
        FrozenPair({name: value for name, value in weights.items() if name.startswith("yamnet.")})


def test_weights_that_were_not_fetched_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(frozen_pair, "_aisfx_path", lambda: tmp_path / "none.safetensors")
    monkeypatch.setattr(frozen_pair, "weights_path", lambda: tmp_path / "none.safetensors")
    with pytest.raises(FrozenMissing, match="--fetch-judges"):
        frozen_pair.cached_tensors()


def recordings(folder: Path, generated: ModuleType, count: int = 48) -> Path:
    """Two sources, at 22.05 kHz; one label that is no material."""
    folder.mkdir()
    rng = np.random.default_rng(5)
    rows = [{"file": "x.wav", "material": "water", "source_package": "a", "action": "hit"}]
    soundfile.write(folder / "x.wav", generated.contact("wood", rng), 22_050)
    for i in range(count):
        name = f"{i}.wav"
        material = ("wood", "metal")[i % 2]
        soundfile.write(folder / name, generated.contact(material, rng), 22_050)
        rows.append({"file": name, "material": material, "source_package": "ab"[i // 2 % 2], "action": "hit"})
    with (folder / "labels.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.mark.long
def test_a_model_with_ears_for_recordings(
    weights: dict[str, torch.Tensor],
    tiny_hearing: Path,
    generated: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for module in (frozen_pair, frozen_features):
        monkeypatch.setattr(module, "cached_tensors", lambda: weights, raising=False)
    monkeypatch.setattr("foley_synthesis.hearing.training.recorded.cached_tensors", lambda: weights)
    sets = [
        GeneratedSet.open(generated.write_set(tmp_path / split, clips=n, seed=seed, split=split))
        for split, n, seed in (("train", 60, 11), ("validation", 48, 12))
    ]
    folder = recordings(tmp_path / "recordings", generated)
    config = RecordedConfig(clips=60, validation=48, jobs=1, heads=HeadsConfig(decay=1e-3, embedding=8))
    file, figures = add_recorded(
        load_hearing(tiny_hearing), *sets, (), folder, config, HonestyConfig(risk=0.3)
    )
    assert figures["recordings"] == 48 and figures["left_out"]["recordings"] == 48
    assert figures["validation"]["all"] > 0.8, "low and short against high and long"
    assert figures["left_out"]["balanced_accuracy"] > 0.8
    save_with_recorded(file, tmp_path / "model", figures, commands=("made so",))
    assert "## Hearing recordings" in (tmp_path / "model/CARD.md").read_text() and "CC BY 4.0" in file_card(
        tmp_path
    )

    model = HearingModel.load(tmp_path / "model")
    right = 0
    for i in range(20):
        material = ("wood", "metal")[i % 2]
        heard = model.hear(generated.contact(material, np.random.default_rng(100 + i)), 24_000, onset_s=0.2)
        right += heard.belief.best == material
        assert heard.belief.calibrated_for.startswith("recordings: 48 of 2 sources")
        assert heard.embedding.shape == (8,)
    assert right >= 18
    for heard_by in (model, HearingModel.load(tmp_path / "model", recordings_only=True)):
        assert heard_by.stages[-1].sets.fitted_on == "48 recordings, all heard", "what taps are judged by"

    with pytest.raises(SetError, match="materials"):
        other = generated.write_set(tmp_path / "other", clips=16, seed=1, materials=("wood", "glass"))
        add_recorded(
            load_hearing(tiny_hearing), GeneratedSet.open(other), sets[1], (), None, config, HonestyConfig()
        )
    (folder / "labels.csv").write_text("file,material\n")
    with pytest.raises(RecordingsError, match="source_package"):
        add_recorded(load_hearing(tiny_hearing), *sets, (), folder, config, HonestyConfig())


@pytest.mark.long
def test_the_simulated_world_is_left_to_its_own_network(
    weights: dict[str, torch.Tensor],
    tiny_hearing: Path,
    generated: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(frozen_pair, "cached_tensors", lambda: weights)
    monkeypatch.setattr("foley_synthesis.hearing.training.recorded.cached_tensors", lambda: weights)
    sets = [
        GeneratedSet.open(generated.write_set(tmp_path / split, clips=n, seed=seed, split=split))
        for split, n, seed in (("train", 60, 11), ("validation", 48, 12))
    ]
    config = RecordedConfig(
        clips=60, validation=48, world=60, jobs=1, heads=HeadsConfig(decay=1e-3, embedding=8)
    )
    file, _ = add_recorded(load_hearing(tiny_hearing), *sets, (), None, config, HonestyConfig())
    assert file.recorded is not None
    sound = generated.contact("metal", np.random.default_rng(7))
    own = HearingModel.load(tiny_hearing).hear(sound, 24_000, onset_s=0.2)
    for odds in (50.0, -50.0):
        bias = file.recorded.heads.bias.copy()
        bias[file.recorded.heads.materials + file.recorded.heads.actions + 1] = odds
        moved = LinearHeads(**{**vars(file.recorded.heads), "bias": bias})
        part = type(file.recorded)(
            file.recorded.weights, moved, file.recorded.calibration, file.recorded.tensors
        )
        model = HearingModel(type(file)(**{**vars(file), "recorded": part}))
        heard = model.hear(sound, 24_000, onset_s=0.2)
        assert np.array_equal(heard.logits, own.logits) == (odds > 0), "its own network, or the heads"
        assert heard.embedding.shape == (8,), "one space for all contacts"
        assert model.hear(np.zeros(24_000, np.float32), 24_000).embedding.shape == (8,)


def test_biases_move_half_way_and_metal_is_told_from_glass_by_the_ratio_alone() -> None:
    labels = ("glass", "metal", "wood")
    bias = np.zeros(3 + 1 + 2 + 4, np.float32)
    bias[2] = 3.0  # of wood, which everything is taken for
    weight = np.zeros((DIMS, 10), np.float32)
    weight[0, 0], weight[0, 1] = 1.0, 3.0
    heads = LinearHeads(
        np.zeros(DIMS, np.float32), np.ones(DIMS, np.float32), weight, bias, np.ones(2, np.float32),
        np.zeros((DIMS, 2), np.float32), 1,
    )  # fmt: skip
    x = np.zeros((4, DIMS), np.float32)
    x[:, -1] = 1.0, 3.0, 1.0, 3.0
    heard = Recordings(
        dict.fromkeys(STAGES_S, x), np.array([0, 1, 2, 0]), np.array(list("aabb")), np.arange(4)
    )
    moved = as_recorded(heads, heard, labels)
    assert moved.bias[2] - moved.bias[0] == pytest.approx(1.5), "half of it is left"
    assert moved.bias.sum() == pytest.approx(3.0) and not moved.bias[3:].any()
    np.testing.assert_allclose(moved.weight[0, :2], 2.0)
    glassy, metallic = (moved(x[[i]]).logits[0] for i in (1, 0))
    assert glassy[0] > glassy[1] and metallic[1] > metallic[0]
    assert float(glassy[0] + glassy[1]) == pytest.approx(float(metallic[0] + metallic[1])), "their sum stays"


def test_glass_is_told_from_metal_by_classes() -> None:
    scores = np.full((3, 521), 1e-6, np.float32)
    names = class_names()
    scores[0, [names.index(name) for name in ("Glass", "Shatter", "Chink, clink")]] = 0.9
    scores[1, names.index("Cowbell")] = 0.9
    glass, metal, neither = glass_over_metal(scores)
    assert glass > 8.0 and metal == pytest.approx(-np.log(0.9 / 1e-4) / 10, rel=1e-4) and abs(neither) < 1e-5


def file_card(folder: Path) -> str:
    return (folder / "model/CARD.md").read_text()
