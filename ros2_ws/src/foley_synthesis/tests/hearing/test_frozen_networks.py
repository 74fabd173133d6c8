"""Networks as ONNX Runtime runs them against the same in torch, and spectrograms against what made the weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchaudio

from foley_synthesis.hearing import frozen_networks
from foley_synthesis.hearing.frozen_networks import (
    AISFX_RATE,
    PATCH_SAMPLES,
    YAMNET_RATE,
    aisfx,
    aisfx_spectrogram,
    yamnet,
    yamnet_log_mel,
)  # fmt: skip
from foley_synthesis.hearing.networks.aisfx import AisfxNet
from foley_synthesis.hearing.networks.yamnet import YamNet
from foley_synthesis.hearing.sound_groups import class_names
from foley_synthesis.weights import WrongWeights


def randomised(net: torch.nn.Module) -> torch.nn.Module:
    """So that what goes in is seen in what comes out."""
    torch.manual_seed(0)
    for layer in net.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if isinstance(layer, torch.nn.BatchNorm2d):
            for values in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
                torch.nn.init.uniform_(values, 0.5, 1.5)
    return net.eval()


def arrays(net: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in net.state_dict().items()}


def test_yamnet_says_what_it_says_in_torch() -> None:
    net = randomised(YamNet())
    patches = torch.randn(3, 96, 64)
    with torch.inference_mode():
        embedding, scores = net(patches)
    found, said = yamnet(arrays(net))(patches.numpy())
    assert np.allclose(found, embedding.numpy(), rtol=1e-4, atol=1e-4)
    assert np.allclose(said, scores.numpy(), atol=1e-5)
    assert not np.allclose(found[0], found[1], rtol=1e-2)


def test_aisfx_says_what_it_says_in_torch() -> None:
    net = randomised(AisfxNet())
    spectrograms = torch.rand(2, 56, 96)
    with torch.inference_mode():
        wanted = net(spectrograms).numpy()
    (found,) = aisfx(arrays(net))(spectrograms.numpy())
    assert found.shape == (2, 512) and np.allclose(found, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize("damage", ["missing", "other shape"])
def test_other_weights_are_refused(damage: str) -> None:
    for build, net, name in ((yamnet, YamNet(), "classes.bias"), (aisfx, AisfxNet(), "blocks.0.1.weight")):
        tensors = arrays(net)
        tensors = {k: v for k, v in tensors.items() if k != name} | (
            {} if damage == "missing" else {name: np.zeros(3, np.float32)}
        )
        with pytest.raises(WrongWeights, match=name):
            build(tensors)


def test_aisfx_sees_the_spectrogram_of_its_training() -> None:
    sound = np.random.default_rng(0).standard_normal(AISFX_RATE).astype(np.float32)
    mel = torchaudio.transforms.MelSpectrogram(
        AISFX_RATE, n_fft=2048, hop_length=1024, n_mels=96, f_min=0.0, f_max=AISFX_RATE / 2, mel_scale="htk"
    )
    power = mel(torch.from_numpy(sound / np.abs(sound).max())).T / mel.mel_scale.fb.sum(dim=0)
    wanted = torch.log10(1e4 * power + 1.0).numpy() / frozen_networks._LARGEST
    found = aisfx_spectrogram(sound, 60)
    assert found.shape == (60, 96)
    assert np.allclose(found[: len(wanted)], wanted, atol=2e-5) and not found[len(wanted) :].any()


def test_yamnets_spectrogram_of_a_tone() -> None:
    hz = 1000.0
    tone = np.sin(2 * np.pi * hz * np.arange(PATCH_SAMPLES + 160) / YAMNET_RATE).astype(np.float32)
    mel = yamnet_log_mel(np.stack([tone, np.zeros_like(tone)]))
    assert mel.shape == (2, 97, 64)
    assert np.allclose(mel[1], np.log(1e-3))
    edges = np.linspace(1127 * np.log1p(125 / 700), 1127 * np.log1p(7500 / 700), 66)
    nearest = int(np.abs(edges[1:-1] - 1127 * np.log1p(hz / 700)).argmin())
    assert set(mel[0].argmax(axis=1).tolist()) == {nearest}
    # A whole number of periods in 512 values is one line: half the window's sum, times the triangle's height there.
    height = float(np.exp(mel[0, 5, nearest]))
    assert 50.0 < height < 200.0, "Hann over 400 values: 100 at the line itself, 3 lines wide"


def test_too_short_a_sound_is_refused() -> None:
    with pytest.raises(ValueError, match="15600"):
        yamnet_log_mel(np.zeros((1, PATCH_SAMPLES - 1), np.float32))


def test_classes_are_in_the_order_of_the_scores() -> None:
    names = class_names()
    assert len(names) == len(set(names)) == 521
    assert (names[0], names[132], names[435], names[520]) == ("Speech", "Music", "Glass", "Field recording")
