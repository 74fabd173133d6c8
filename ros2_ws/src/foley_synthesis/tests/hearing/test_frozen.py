"""Frozen features: the patch around a contact, what is not known yet, and YAMNet at random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from foley_synthesis.hearing.frozen import FrozenFeatures, FrozenMissing, patch_around
from foley_synthesis.hearing.frozen_networks import PATCH_SAMPLES
from foley_synthesis.hearing.networks.yamnet import YamNet
from foley_synthesis.hearing.sound_groups import CONTACTS, GROUPS, OTHERS, group_scores, log_group_scores


@pytest.fixture(scope="module")
def features() -> FrozenFeatures:
    torch.manual_seed(0)
    net = YamNet()
    for layer in net.convolutions:  # so that what goes in is seen in what comes out
        torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        torch.nn.init.zeros_(layer.bias)
    return FrozenFeatures({name: value.half().numpy() for name, value in net.state_dict().items()})


def contact(rate: int, onset_s: float, length_s: float) -> np.ndarray:
    time = np.arange(round(length_s * rate)) / rate - onset_s
    return np.where(time >= 0, 0.2 * np.exp(-8 * np.abs(time)) * np.sin(2 * np.pi * 600 * time), 0.0).astype(
        np.float32
    )


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 44_100, 48_000])
def test_a_patch_begins_before_the_onset_at_any_rate(rate: int) -> None:
    patch = patch_around(contact(rate, 0.4, 2.0), rate, 0.4)
    assert patch.shape == (PATCH_SAMPLES,) and patch.dtype == np.float32
    assert np.abs(patch).max() == pytest.approx(0.5)
    first = np.flatnonzero(np.abs(patch) > 0.05)[0] / 16_000
    assert first == pytest.approx(0.10, abs=0.002)
    same = patch_around(contact(16_000, 0.4, 2.0), 16_000, 0.4)
    assert np.abs(patch - same)[: PATCH_SAMPLES - 100].max() < 0.02


def test_what_is_not_known_is_zero_and_has_no_influence() -> None:
    sound = contact(24_000, 0.05, 0.6)
    patch = patch_around(sound, 24_000, 0.05)
    assert not patch[:700].any(), "the recording began 0.05 s before"
    assert not patch[round(0.66 * 16_000) :].any(), "and ended 0.55 s after"
    early = patch_around(sound, 24_000, 0.05, heard_s=0.06)
    assert early[1700:2500].any() and not early[round(0.165 * 16_000) :].any()
    louder = sound.copy()
    louder[round(0.11 * 24_000) :] *= 50.0
    assert np.array_equal(early, patch_around(louder, 24_000, 0.05, heard_s=0.06))
    assert not patch_around(np.zeros(1000, np.float32), 16_000, 0.01).any()
    assert not patch_around(sound, 24_000, 5.0).any(), "an onset after the end"


def test_gain_does_not_count(features: FrozenFeatures) -> None:
    sound = contact(48_000, 0.2, 1.2)
    one, other = (features.hear(gain * sound, 48_000, 0.2) for gain in (1.0, 0.01))
    assert one.embedding.shape == (1, 1024) and one.embedding.dtype == np.float16
    assert one.scores.shape == (1, 521) and one.log_groups.shape == (1, len(GROUPS))
    assert np.allclose(one.embedding, other.embedding, rtol=1e-2, atol=1e-2)
    later = features.hear(sound, 48_000, 0.3)
    assert not np.allclose(one.embedding, later.embedding, rtol=1e-1, atol=1e-1)


def test_many_are_as_one_by_one(features: FrozenFeatures) -> None:
    patches = np.stack([patch_around(contact(16_000, t, 1.0), 16_000, 0.1) for t in (0.1, 0.2, 0.3)])
    together = features.hear_patches(patches)
    alone = features.hear_patches(patches[2:])
    assert np.allclose(together.embedding[2], alone.embedding[0], rtol=1e-2, atol=1e-2)
    assert np.allclose(together.scores[2], alone.scores[0], atol=1e-3)
    assert not np.allclose(together.embedding[1], alone.embedding[0], rtol=1e-1, atol=1e-1)


def test_missing_and_damaged_weights_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FrozenMissing, match="--fetch-judges"):
        FrozenFeatures.load(tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(FrozenMissing, match="delete it"):
        FrozenFeatures.load(tmp_path / "bad.safetensors")
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(FrozenMissing, match="delete it"):
        FrozenFeatures.load(tmp_path / "other.safetensors")


def test_groups_name_classes_once() -> None:
    named = [name for group in (CONTACTS | OTHERS).values() for name in group]
    assert len(named) == len(set(named))
    scores = np.zeros((2, 521), np.float32)
    scores[0, 435], scores[0, 436], scores[1, 0] = 0.3, 0.6, 0.9  # Glass; Chink, clink; Speech
    found = group_scores(scores)
    assert found[0, GROUPS.index("glass")] == np.float32(0.6) and found[
        1, GROUPS.index("speech")
    ] == np.float32(0.9)
    assert (found > 0).sum() == 2
    assert log_group_scores(scores).min() == pytest.approx(np.log(1e-4))
