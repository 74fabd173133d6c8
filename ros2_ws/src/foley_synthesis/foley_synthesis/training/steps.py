"""What the smaller trainings share: a rate that falls, one step, and the best weights so far."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def falling(epoch: int, epochs: int, *, warm_up: int = 0) -> float:
    """Share of the peak learning rate: half a cosine down to 0.02, rising over the first `warm_up` epochs."""
    share = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * epoch / epochs))
    return share * min(1.0, (epoch + 1) / warm_up) if warm_up else share


def step(
    loss: Tensor, optimiser: torch.optim.Optimizer, network: nn.Module, clip_norm: float, epoch: int
) -> None:
    """One update with the gradient's norm clipped.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    if not bool(loss.isfinite()):
        raise FloatingPointError(
            f"the loss is {float(loss.detach())} in epoch {epoch}; lower the learning rate"
        )
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
    optimiser.step()


class Best:
    """The weights with the least loss on what is held out."""

    def __init__(self, network: nn.Module, loss: float = math.inf) -> None:
        self._network, self._loss = network, loss
        self._weights = _copy(network)

    def see(self, loss: float) -> None:
        """Keep the present weights if they are better."""
        if loss < self._loss:
            self._loss, self._weights = loss, _copy(self._network)

    def restore(self) -> None:
        """Put the best weights back, and evaluate from now on."""
        self._network.load_state_dict(self._weights)
        self._network.eval()


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}
