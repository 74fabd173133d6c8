"""Training of the regression: crops of sessions in, the average of its weights that is best on validation out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from foley_synthesis.flow.regression.config import RegressionConfig, RegressionTrainConfig
from foley_synthesis.flow.regression.loss import energy_loss, foreground_error, mean_loss
from foley_synthesis.flow.regression.network import RegressionNet
from foley_synthesis.training import loop
from foley_synthesis.training.loop import Report
from foley_synthesis.training.state import Counters

STAGE = "regression"
_WARM_UP = 50  # steps
_DRAWS = 2  # of each item in a step of a network with noise
_VALIDATION_DRAWS = 4


@dataclasses.dataclass(frozen=True, eq=False)
class Crops:
    """Pieces of sessions."""

    features: Tensor  # [b, n, channels]
    floor: Tensor  # [b, 80] of the room, in dB
    over: Tensor  # [b, 80, n] levels over it in dB


class Source(Protocol):
    """Where crops come from."""

    def statistics(self) -> tuple[Tensor, Tensor, Tensor]:
        """Features [..., channels], floors [m, 80] and mean levels of what sounds [80], of training."""

    def crops(self, generator: torch.Generator) -> Crops:
        """A batch for a step."""

    def validation(self) -> Sequence[Crops]:
        """What the best weights are chosen by, in batches; planned motion."""


def train_regression(
    source: Source,
    network: RegressionConfig,
    config: RegressionTrainConfig,
    *,
    key: str = "",
    folder: Path | None = None,
    resume: bool = False,
    report: Report = lambda done, figures: None,
) -> tuple[RegressionNet, Counters]:
    """Train, and keep the averaged weights that are best on validation.

    Args:
        key: identifies data and settings of the run in its saved state, which lies in ``folder``.

    Raises:
        Interrupted: on Ctrl-C; the last whole step is kept.
        ValueError: ``resume`` finds the state of another run.
        FloatingPointError: the loss is not finite.
    """
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    net = RegressionNet(network)
    net.set_statistics(*source.statistics())
    trainee = loop.Trainee(
        STAGE,
        net,
        torch.optim.AdamW(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay),
        lambda step, done: (_loss(net, source, config, step), {}),
        lambda step, done: min(1.0, (step + 1) / _WARM_UP) * loop.half_cosine(done),
        lambda ema: validate(ema, source, config.seed),
        validate_every=config.validate_every,
    )
    counters = loop.train(trainee, config, key=key, folder=folder, resume=resume, report=report)
    return net, counters


@torch.no_grad()
def validate(net: RegressionNet, source: Source, seed: int) -> float:
    """Foreground error in dB of one sound; of several draws their energy score, by the same distance.

    What is touched is not told: a plan is what a sound is to be predicted from.
    """
    net.eval()
    generator = torch.Generator().manual_seed(seed)
    total, count = 0.0, 0
    for part in source.validation():
        draws = predictions(net, part, _VALIDATION_DRAWS if net.config.noise else 1, generator, {"what"})
        error = torch.stack([foreground_error(one, part.over) for one in draws]).mean(dim=0)
        pairs = [foreground_error(draws[i], draws[j]) for i in range(len(draws)) for j in range(i)]
        if pairs:
            error = error - 0.5 * torch.stack(pairs).mean(dim=0)
        total, count = total + float(error.sum()), count + len(error)
    return total / count


def predictions(
    net: RegressionNet,
    part: Crops,
    draws: int,
    generator: torch.Generator,
    without: AbstractSet[str] = frozenset(),
) -> Tensor:
    """Levels over the floor [draws, b, 80, n], without looking at some groups."""
    count, frames = part.features.shape[:2]
    kept = torch.tensor([[float(name not in without) for name, _, _ in net.config.groups]]).expand(count, -1)
    return torch.stack(
        [net(part.features, part.floor, kept, net.draw_noise(count, frames, generator)) for _ in range(draws)]
    )


def _loss(net: RegressionNet, source: Source, config: RegressionTrainConfig, step: int) -> Tensor:
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
    part = source.crops(generator)
    count, frames = part.features.shape[:2]
    dropped = [
        1.0 - config.what if name == "what" else config.group_dropout for name, _, _ in net.config.groups
    ]
    kept = (torch.rand(count, len(dropped), generator=generator) >= torch.tensor(dropped)).float()

    def once() -> Tensor:
        made: Tensor = net(part.features, part.floor, kept, net.draw_noise(count, frames, generator))
        return made

    if net.config.noise:
        return energy_loss(torch.stack([once() for _ in range(_DRAWS)]), part.over)
    return mean_loss(
        once(),
        part.over,
        foreground=config.foreground_weight,
        onset=config.onset_weight,
        rise=config.rise_weight,
        quantile=config.quantile,
    )
