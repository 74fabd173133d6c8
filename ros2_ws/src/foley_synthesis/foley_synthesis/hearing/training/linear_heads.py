"""Fits linear heads over frozen features: strongly regularised, so that a direction must hold for many contacts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from foley_synthesis.hearing.linear_heads import NUMBERS, LinearHeads
from foley_synthesis.hearing.training.objective import HearingTargets

_LEAST_SCALE = 1e-2  # of a feature; one that hardly ever answers is not blown up
_ROUNDS = 100  # of L-BFGS


@dataclasses.dataclass(frozen=True)
class HeadsConfig:
    """How they are fitted."""

    decay: float = 30.0  # half the squared weights times it, per contact: 1 / (n C) of scikit-learn's C
    side_decay: float = (
        0.3  # the same of whether there is a contact, and whether it is of the simulated world
    )
    number_decay: float = 1.0  # the same of the regressions, of a variance of one
    embedding: int = 64


def fit_heads(
    features: NDArray[np.float32],  # [n, f]
    targets: HearingTargets,
    world: NDArray[np.float32],  # [w, f], features of contacts of the simulated world; may be none
    materials: int,
    actions: int,
    config: HeadsConfig,
    *,
    embedded: slice = slice(None),
    progress: Callable[[float], None] = lambda done: None,
) -> LinearHeads:
    """Classes count alike, however many contacts there are of each.

    Args:
        embedded: features that principal axes are of.

    Raises:
        ValueError: no contacts.
    """
    contact = targets.contact.numpy()
    if not contact.any():
        raise ValueError("the set has no contacts to fit heads on")
    centre = features[contact].mean(axis=0)
    scale = features[contact].std(axis=0) + _LEAST_SCALE
    x = torch.from_numpy(((features - centre) / scale).astype(np.float32))
    there = targets.contact
    parts = [_sharpened(x[there], targets.material[there], materials, config.decay)]
    progress(0.4)
    parts.append(_classes(x[there], targets.action[there], actions, config.decay))
    progress(0.6)
    parts.append(_sides(x, there.long(), config.side_decay))
    if len(world):
        w = torch.from_numpy(((world - centre) / scale).astype(np.float32))
        both = torch.cat([x[there], w])
        parts.append(_sides(both, torch.arange(len(both)) >= int(there.sum()), config.side_decay))
    else:
        never = torch.zeros(x.shape[1], 1), torch.full((1,), -50.0)
        parts.append(never)
    progress(0.8)
    spreads = []
    for name in NUMBERS:
        values = getattr(targets, name)
        known = there & values.isfinite()
        slope, bias, spread = _regression(x[known], values[known], config.number_decay)
        parts.append((slope, bias))
        spreads.append(spread)
    progress(1.0)
    return LinearHeads(
        centre.astype(np.float32),
        scale.astype(np.float32),
        torch.cat([w for w, _ in parts], dim=1).numpy(),
        torch.cat([b for _, b in parts]).numpy(),
        np.array(spreads[:2], np.float32),
        _axes(x[there], embedded, config.embedding),
        actions,
    )


def _classes(x: Tensor, labels: Tensor, count: int, decay: float) -> tuple[Tensor, Tensor]:
    """Multinomial logistic regression; a class that is not there is never said."""
    known = labels >= 0
    x, labels = x[known], labels[known].long()
    seen = torch.bincount(labels, minlength=count).float()
    there = seen > 0
    of_class = torch.where(there, len(labels) / (there.sum() * seen.clamp(min=1.0)), 0.0)
    weight = torch.zeros(x.shape[1], count, requires_grad=True)
    bias = torch.zeros(count, requires_grad=True)
    absent = torch.where(there, 0.0, -50.0)
    optimiser = torch.optim.LBFGS(
        [weight, bias], max_iter=_ROUNDS, history_size=10, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        losses = functional.cross_entropy(x @ weight + bias + absent, labels, reduction="none")
        loss = (losses * of_class[labels]).mean() + 0.5 * decay * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach() + absent


def _sharpened(x: Tensor, labels: Tensor, count: int, decay: float) -> tuple[Tensor, Tensor]:
    """The same, made as sure as its own contacts allow: so much decay also shrinks what is true."""
    weight, bias = _classes(x, labels, count, decay)
    known = labels >= 0
    logits = (x[known] @ weight + bias).numpy()
    temperatures = np.geomspace(0.01, 2.0, 60)
    there = labels[known].long()

    def loss(temperature: float) -> float:
        return float(functional.cross_entropy(torch.from_numpy(logits / temperature).float(), there))

    best = float(min(temperatures, key=loss))
    return weight / best, bias / best


def _sides(x: Tensor, positive: Tensor, decay: float) -> tuple[Tensor, Tensor]:
    """Log odds of the second of two classes."""
    weight, bias = _classes(x, positive, 2, decay)
    return weight[:, 1:] - weight[:, :1], bias[1:] - bias[:1]


def _regression(x: Tensor, y: Tensor, decay: float) -> tuple[Tensor, Tensor, float]:
    """Ridge regression of values [n]: weight [f, 1], bias [1] and the standard deviation that is left."""
    if not len(y):
        return torch.zeros(x.shape[1], 1), torch.full((1,), float("nan")), float("nan")
    centre, mean = x.mean(dim=0), y.mean()
    shifted = (x - centre).double()
    left = shifted.T @ shifted / len(y) + decay * torch.eye(x.shape[1], dtype=torch.float64)
    weight = torch.linalg.solve(left, shifted.T @ (y - mean).double() / len(y)).float()
    spread = float((y - mean - shifted.float() @ weight).std().clamp(min=0.05))
    return weight[:, None], (mean - centre @ weight)[None], spread


def _axes(x: Tensor, embedded: slice, count: int) -> NDArray[np.float32]:
    """Principal axes [f, count], divided by the root of the mean variance along them."""
    part = x[:, embedded]
    centred = (part - part.mean(dim=0)).double()
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(x))
    count = min(count, len(values))
    top = vectors[:, -count:].flip(1) / values[-count:].clamp(min=1e-6).mean().sqrt()
    axes = torch.zeros(x.shape[1], count)
    axes[embedded] = top.float()
    return axes.numpy()
