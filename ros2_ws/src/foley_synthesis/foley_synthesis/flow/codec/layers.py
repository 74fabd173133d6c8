"""ConvNeXt blocks along time (Liu et al. 2022; Siuzdak 2023), with or without a look at later frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

History = dict[nn.Module, Tensor]
"""Of a causal stream: what each convolution has seen last. Empty at the beginning; a call replaces it."""


_BEGIN = 0.3  # of the size of weights that is usual


class TimeConv(nn.Module):
    """A convolution of each channel alone along time [b, t, c], at float32: bfloat16 is slower here."""

    def __init__(self, channels: int, kernel: int, causal: bool) -> None:
        super().__init__()
        self._kernel, self._causal = kernel, causal
        self.weight = nn.Parameter(torch.empty(channels, 1, 1, kernel))
        self.bias = nn.Parameter(torch.zeros(channels))
        nn.init.trunc_normal_(self.weight, std=0.5 / kernel**0.5)

    def forward(self, x: Tensor, history: History | None = None) -> Tensor:
        count, reach = x.shape[1], self._kernel - 1
        ends = (reach if self._causal else reach // 2) if history is None else 0
        if history is not None:
            x = torch.cat([history.get(self, x.new_zeros(len(x), reach, x.shape[2])), x], dim=1)
            history[self] = x[:, count:]
        with torch.autocast(x.device.type, enabled=False):
            # An image of one row, channels last, as the fast kernels want it.
            image = x.float().transpose(1, 2)[:, :, None]
            made = nn.functional.conv2d(
                image, self.weight, self.bias, padding=(0, ends), groups=len(self.weight)
            )
        return made[:, :, 0, :count].transpose(1, 2)


class Block(nn.Module):
    """x + MLP(norm(convolution(x))) of [b, t, c]; the MLP begins small."""

    def __init__(self, channels: int, hidden: int, kernel: int, causal: bool) -> None:
        super().__init__()
        self._conv = TimeConv(channels, kernel, causal)
        self._norm = nn.LayerNorm(channels, eps=1e-6)
        self._in, self._out = nn.Linear(channels, hidden), nn.Linear(hidden, channels)
        with torch.no_grad():
            self._out.weight.mul_(_BEGIN)

    def forward(self, x: Tensor, history: History | None = None) -> Tensor:
        changed = self._out(nn.functional.silu(self._in(self._norm(self._conv(x, history)))))
        made: Tensor = x + changed
        return made
