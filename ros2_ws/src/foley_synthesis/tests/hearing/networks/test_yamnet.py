"""YAMNet at random weights: sizes, TensorFlow's padding, its spectrogram, and the order of its classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from foley_synthesis.hearing.networks.yamnet import (
    PATCH_SAMPLES,
    RATE,
    YamNet,
    class_names,
    convolved_same,
    log_mel,
)


def test_it_has_the_published_size() -> None:
    net = YamNet()
    body = sum(p.numel() for p in net.convolutions.parameters())
    assert body == 3_195_456
    assert sum(p.numel() for p in net.classes.parameters()) == 521 * 1025
    with torch.inference_mode():
        embedding, scores = net.eval()(torch.zeros(33, 96, 64))
    assert embedding.shape == (33, 1024) and scores.shape == (33, 521)


def test_a_patch_knows_nothing_of_the_others() -> None:
    torch.manual_seed(0)
    net, patches = YamNet().eval(), torch.randn(40, 96, 64)  # more than are computed at once
    for layer in net.convolutions:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    with torch.inference_mode():
        together, alone = net(patches)[0], net(patches[35:36])[0]
    assert torch.allclose(together[35], alone[0], rtol=1e-3, atol=1e-4)
    assert not torch.allclose(together[34], alone[0], rtol=1e-1, atol=1e-2)


@pytest.mark.parametrize(("size", "stride"), [((6, 5), 2), ((5, 6), 2), ((6, 5), 1)])
def test_padding_is_tensorflows(size: tuple[int, int], stride: int) -> None:
    """One layer's output against the sum written out: the odd zero stands after the data."""
    rng = np.random.default_rng(1)
    x, kernel = rng.standard_normal(size), rng.standard_normal((3, 3))
    layer = nn.Conv2d(1, 1, 3, stride, bias=False)
    layer.weight.data[0, 0] = torch.from_numpy(kernel.astype(np.float32))
    found = convolved_same(torch.from_numpy(x.astype(np.float32))[None, None], layer)[0, 0].detach().numpy()
    out = tuple(-(-n // stride) for n in size)
    before = [max((m - 1) * stride + 3 - n, 0) // 2 for n, m in zip(size, out, strict=True)]
    wanted = np.zeros(out)
    for row, column, i, j in np.ndindex(*out, 3, 3):
        y, z = row * stride + i - before[0], column * stride + j - before[1]
        if 0 <= y < size[0] and 0 <= z < size[1]:
            wanted[row, column] += kernel[i, j] * x[y, z]
    assert found.shape == out and np.allclose(found, wanted, atol=1e-5)


def test_spectrogram_of_a_tone() -> None:
    hz = 1000.0
    tone = torch.sin(2 * torch.pi * hz * torch.arange(PATCH_SAMPLES + 160) / RATE)
    mel = log_mel(torch.stack([tone, torch.zeros_like(tone)]))
    assert mel.shape == (2, 97, 64)
    assert torch.allclose(mel[1], torch.tensor(1e-3).log())
    edges = np.linspace(1127 * np.log1p(125 / 700), 1127 * np.log1p(7500 / 700), 66)
    nearest = int(np.abs(edges[1:-1] - 1127 * np.log1p(hz / 700)).argmin())
    assert set(mel[0].argmax(dim=1).tolist()) == {nearest}
    # A whole number of periods in 512 values is one line: half the window's sum, times the triangle's height there.
    height = float(torch.exp(mel[0, 5, nearest]))
    assert 50.0 < height < 200.0, "Hann over 400 values: 100 at the line itself, 3 lines wide"


def test_too_short_a_sound_is_refused() -> None:
    with pytest.raises(ValueError, match="15600"):
        log_mel(torch.zeros(1, PATCH_SAMPLES - 1))


def test_classes_are_in_the_order_of_the_scores() -> None:
    names = class_names()
    assert len(names) == len(set(names)) == 521
    assert (names[0], names[132], names[435], names[520]) == ("Speech", "Music", "Glass", "Field recording")
