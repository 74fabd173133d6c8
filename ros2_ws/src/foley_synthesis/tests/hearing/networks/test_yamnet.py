"""YAMNet in torch at random weights: its size, and TensorFlow's padding."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from foley_synthesis.hearing.networks.yamnet import YamNet, convolved_same


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
