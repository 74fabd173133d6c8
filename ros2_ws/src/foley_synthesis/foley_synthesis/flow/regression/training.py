"""Training of the regression: crops of sessions in, the average of its weights that is best on validation out."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from foley_synthesis.flow.regression.config import RegressionConfig, RegressionTrainConfig
from foley_synthesis.flow.regression.loss import energy_loss, foreground_error, mean_loss
from foley_synthesis.flow.regression.network import RegressionNet
from foley_synthesis.training import state as training_state
from foley_synthesis.training.state import Counters, Interrupted

Report = Callable[[float, dict[str, float]], None]
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

    Everything random is drawn anew from (seed, step), so that a resumed run repeats an uninterrupted one.

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
    both = nn.ModuleDict({"now": net, "ema": copy.deepcopy(net).requires_grad_(False)})
    optimiser = torch.optim.AdamW(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    best, counters = _copied(both["ema"]), Counters()
    if resume and folder is not None:
        loaded = training_state.load_state(folder, key, both, optimiser)
        if loaded is not None:
            best, counters = loaded
    before_s = counters.elapsed_s
    started = saved = time.monotonic()
    done = _done(config, counters)
    kept, whole = counters.epoch, True  # steps of the saved state; whether the weights are those after a step
    try:
        while done < 1.0:
            whole = False
            loss = _step(both, optimiser, source, config, counters.epoch, done)
            counters.epoch += 1
            counters.elapsed_s = before_s + time.monotonic() - started
            done = _done(config, counters)
            figures = {"train": loss}
            if counters.epoch % config.validate_every == 0 or done >= 1.0:
                figures["validation"] = validate(_net(both["ema"]), source, config.seed)
                if figures["validation"] < counters.best.get("regression", math.inf):
                    counters.best["regression"] = figures["validation"]
                    best = _copied(both["ema"])
                counters.history.append({"step": float(counters.epoch), **figures})
            whole = True
            report(min(done, 1.0), figures)
            if folder is not None and (time.monotonic() - saved > config.save_every_s or done >= 1.0):
                training_state.save_state(folder, key, both, optimiser, best, counters)
                kept, saved = counters.epoch, time.monotonic()
    except KeyboardInterrupt as stop:
        if folder is not None and whole:
            training_state.save_state(folder, key, both, optimiser, best, counters)
            kept = counters.epoch
        raise Interrupted(f"stopped, {kept} steps are kept") from stop
    net.load_state_dict(best)
    return net.eval(), counters


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


def _step(
    both: nn.ModuleDict,
    optimiser: torch.optim.Optimizer,
    source: Source,
    config: RegressionTrainConfig,
    step: int,
    done: float,
) -> float:
    net, ema = _net(both["now"]).train(), both["ema"]
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
        loss = energy_loss(torch.stack([once() for _ in range(_DRAWS)]), part.over)
    else:
        loss = mean_loss(
            once(),
            part.over,
            foreground=config.foreground_weight,
            onset=config.onset_weight,
            rise=config.rise_weight,
            quantile=config.quantile,
        )
    if not bool(loss.isfinite()):
        raise FloatingPointError(
            f"the loss is {float(loss.detach())} at step {step}; lower the learning rate"
        )
    falling = 0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))
    rate = config.learning_rate * min(1.0, (step + 1) / _WARM_UP) * falling
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimiser.step()
    # The average starts short, so that the first weights soon count for nothing.
    keep = min(config.ema_decay, 1.0 - 1.0 / (2.0 + step))
    with torch.no_grad():
        for averaged, value in zip(ema.parameters(), net.parameters(), strict=True):
            averaged.lerp_(value, 1.0 - keep)
    return float(loss.detach())


def _done(config: RegressionTrainConfig, counters: Counters) -> float:
    by_steps = counters.epoch / config.steps if config.steps else 0.0
    return max(by_steps, counters.elapsed_s / (60.0 * config.minutes)) if counters.epoch else 0.0


def _net(module: nn.Module) -> RegressionNet:
    assert isinstance(module, RegressionNet)
    return module


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
