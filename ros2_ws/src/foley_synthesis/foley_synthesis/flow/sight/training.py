"""Training of sight, and its calibration."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foley_synthesis.beliefs.calibration import fit_temperature
from foley_synthesis.flow.sight.examples import Examples
from foley_synthesis.flow.sight.head import HeadConfig, SightHead, Targets, head_loss
from foley_synthesis.flow.sight.model import Beliefs, Scaling, SightCalibration, SightModel
from foley_synthesis.flow.what import MATERIALS, SHAPES
from foley_synthesis.training.steps import falling, step

Report = Callable[[int, int, float], None]

FEATURES = 128
"""Principal components that are kept of views, at most."""
_LEAST_STD = 1e-2  # of an input: what varies less is not blown up
_SIZE_SCALES = (0.25, 4.0)


@dataclasses.dataclass(frozen=True)
class SightTrainConfig:
    """How to train.

    Raises:
        ValueError: a value that cannot be.
    """

    epochs: int = 60  # of at least `least_steps` in all
    least_steps: int = 800
    batch: int = 128
    rate: float = 1e-3
    weight_decay: float = 0.05
    smoothing: float = 0.05
    hidden: int = 256
    dropout: float = 0.4
    members: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch, self.members, self.least_steps) < 1 or not 0 <= self.smoothing < 1:
            raise ValueError(
                f"{self}: epochs, batch, members and steps must be at least 1, smoothing in [0, 1)"
            )


def train_sight(
    known: Examples,
    config: SightTrainConfig,
    facts: dict[str, Any],
    report: Report = lambda done, total, loss: None,
) -> SightModel:
    """Train an ensemble, uncalibrated. In an epoch each object is looked at once, from one of its views at random.

    Args:
        report: called with steps done, steps in all, and the loss of the last epoch.

    Raises:
        ValueError: there are no examples.
        FloatingPointError: the loss is not finite.
    """
    scaling = scaling_of(known)
    inputs = (torch.from_numpy(known.inputs) - scaling.mean) / scaling.std
    truth = known.targets()
    truth = dataclasses.replace(truth, log_size=(truth.log_size - scaling.size_mean) / scaling.size_std)
    head = HeadConfig(
        inputs.shape[1], len(MATERIALS), len(SHAPES), config.hidden, config.dropout, config.members
    )
    per_epoch = -(-len(known.material) // config.batch)
    epochs = max(config.epochs, -(-config.least_steps // per_epoch))
    members = []
    for index in range(config.members):
        members.append(
            _member(
                known,
                inputs,
                truth,
                head,
                config,
                index,
                epochs,
                _part(report, index, config, epochs * per_epoch),
            )
        )
    return SightModel(tuple(members), scaling, SightCalibration(), facts)


def _part(report: Report, index: int, config: SightTrainConfig, steps: int) -> Report:
    return lambda done, total, loss: report(index * steps + done, config.members * steps, loss)


def _member(
    known: Examples,
    inputs: Tensor,
    truth: Targets,
    head: HeadConfig,
    config: SightTrainConfig,
    index: int,
    epochs: int,
    report: Report,
) -> SightHead:
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(1000 * config.seed + index)
        rng = np.random.default_rng([config.seed, index])
        order = np.argsort(known.object, kind="stable")
        counts = np.bincount(known.object, minlength=len(known.material))
        begins = np.cumsum(counts) - counts
        network = SightHead(head)
        optimiser = torch.optim.AdamW(network.parameters(), config.rate, weight_decay=config.weight_decay)
        per_epoch = -(-len(counts) // config.batch)
        for epoch in range(epochs):
            for group in optimiser.param_groups:
                group["lr"] = config.rate * falling(epoch, epochs, warm_up=2)
            network.train()
            view = torch.from_numpy(order[begins + (rng.random(len(counts)) * counts).astype(int)])
            total = 0.0
            shuffled = torch.from_numpy(rng.permutation(len(counts)))
            for begin in range(0, len(counts), config.batch):
                part = shuffled[begin : begin + config.batch]
                loss = head_loss(network(inputs[view[part]]), truth[part], config.smoothing)
                step(loss, optimiser, network, 1.0, epoch)
                total += float(loss.detach()) * len(part)
            report((epoch + 1) * per_epoch, epochs * per_epoch, total / len(counts))
        return network.eval()


def scaling_of(known: Examples) -> Scaling:
    """Of training's objects and their views.

    Raises:
        ValueError: there are none.
    """
    if not len(known.material):
        raise ValueError("there are no objects to learn from")
    pairs = np.zeros((len(MATERIALS), len(SHAPES)))
    hollow = np.zeros_like(pairs)
    np.add.at(pairs, (known.material, known.shape), 1.0)
    np.add.at(hollow, (known.material, known.shape), known.hollowness > 0)
    empty = known.hollowness[known.hollowness > 0]
    mean = torch.from_numpy(known.inputs.mean(axis=0))
    std = torch.from_numpy(np.maximum(known.inputs.std(axis=0), _LEAST_STD))
    return Scaling(
        mean,
        std,
        torch.from_numpy(known.log_size.mean(axis=0)),
        torch.from_numpy(np.maximum(known.log_size.std(axis=0), _LEAST_STD)),
        torch.from_numpy(pairs / pairs.sum()).float(),
        torch.from_numpy(hollow / np.maximum(pairs, 1.0)).float(),
        torch.tensor(float(empty.mean()) if len(empty) else 0.0),
        _basis((torch.from_numpy(known.inputs[np.unique(known.object, return_index=True)[1]]) - mean) / std),
    )


def _basis(scaled: Tensor) -> Tensor:
    """First principal components [dims, inputs] of one view of each object, by a randomised decomposition."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        return torch.pca_lowrank(scaled, min(FEATURES, *scaled.shape))[2].T.contiguous()


def calibrate(model: SightModel, validation: Examples) -> SightModel:
    """The same with temperatures and the spread of sizes that fit what validation's objects are."""
    said = model.uncalibrated(validation.inputs, validation.object, len(validation.material))
    return dataclasses.replace(model, calibration=calibration_of(said, validation))


def calibration_of(said: Beliefs, truth: Examples) -> SightCalibration:
    """Least negative log likelihood of classes; for sizes, normal residuals of unit spread."""
    residual = (said.log_size - truth.log_size) / said.log_size_std
    hollow = (truth.hollowness > 0).astype(np.int64)
    two = np.stack([1 - said.hollow, said.hollow], axis=1)
    scale = float(np.clip(np.sqrt(np.mean(residual**2)), *_SIZE_SCALES))
    return SightCalibration(
        fit_temperature(_logits(said.material), truth.material),
        fit_temperature(_logits(said.shape), truth.shape),
        fit_temperature(_logits(two), hollow),
        scale,
    )


def _logits(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(np.clip(probabilities, 1e-9, 1.0))
