"""YAMNet in torch: what the graph that is used (`hearing/frozen_networks.py`) is held against.

Its batch normalisations are part of the convolutions here (:mod:`foley_synthesis.hearing.training.yamnet_weights` puts
them there), so it cannot be trained further.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from foley_synthesis.hearing.frozen_networks import YAMNET_BLOCKS, YAMNET_CLASSES, YAMNET_DIMS

_CHUNK = 32  # patches at once: more are no faster on one core, and need more memory


class YamNet(nn.Module):
    """27 convolutions, their mean over time and bands, and one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        layers, before = [nn.Conv2d(1, 32, 3, 2)], 32
        for stride, channels in YAMNET_BLOCKS:
            layers.append(nn.Conv2d(before, before, 3, stride, groups=before))
            layers.append(nn.Conv2d(before, channels, 1))
            before = channels
        self.convolutions = nn.ModuleList(layers)
        self.classes = nn.Linear(YAMNET_DIMS, YAMNET_CLASSES)
        self.to(memory_format=torch.channels_last)  # 1.5 times as fast on one core

    def forward(
        self,
        patches: Tensor,  # [n, 96, 64], of `yamnet_log_mel`
    ) -> tuple[Tensor, Tensor]:
        """Embedding [n, 1024] and probability of each class [n, 521]; a sound may be of several, or of none."""
        embedding = torch.cat([self._embedding(part) for part in torch.split(patches, _CHUNK)])
        return embedding, torch.sigmoid(self.classes(embedding))

    def _embedding(self, patches: Tensor) -> Tensor:
        x = patches[:, None].contiguous(memory_format=torch.channels_last)
        for layer in self.convolutions:
            assert isinstance(layer, nn.Conv2d)
            x = functional.relu(convolved_same(x, layer))
        return x.mean(dim=(2, 3))


def convolved_same(
    x: Tensor,  # [n, channels, height, width]
    layer: nn.Conv2d,
) -> Tensor:
    """A convolution with TensorFlow's padding SAME: ceil(size / stride) values, the odd zero at the far end."""
    before, after = [], []
    for size, kernel, stride in zip(x.shape[2:], layer.kernel_size, layer.stride, strict=True):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        before.append(total // 2)
        after.append(total - total // 2)
    padding = tuple(before)
    if before != after:  # torch's own padding is the same on both sides, and needs no copy
        x, padding = functional.pad(x, (before[1], after[1], before[0], after[0])), (0, 0)
    return functional.conv2d(x, layer.weight, layer.bias, layer.stride, padding, groups=layer.groups)
