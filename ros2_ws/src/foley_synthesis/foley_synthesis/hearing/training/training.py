"""Training of one hearing network on a generated set, chosen on another."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foley_synthesis.hearing.front_end import FrontEndConfig
from foley_synthesis.hearing.networks.hearing_net import HearingNet
from foley_synthesis.hearing.output import HearingOutput, NetConfig
from foley_synthesis.hearing.training.augment import augmented, cropped, features_of, heard_until
from foley_synthesis.hearing.training.features import Features
from foley_synthesis.hearing.training.objective import HearingTargets, objective
from foley_synthesis.hearing.training.train_config import HearingTrainConfig
from foley_synthesis.training import loop
from foley_synthesis.training.loop import Report
from foley_synthesis.training.state import Counters

_STAGE = "hearing"
_CHOSEN_BY_S = (0.15, math.inf)  # what may have been heard where weights are chosen
_AT_ONCE = 256


@dataclasses.dataclass(frozen=True, eq=False)
class Clips:
    """Features and what is known of them; row i of both is one clip."""

    features: Features
    targets: HearingTargets

    def rows(self, *, contact: bool) -> NDArray[np.int64]:
        """Those that are contacts, or those that are none."""
        return np.flatnonzero(self.targets.contact.numpy() == contact)

    def of(self, rows: NDArray[np.int64]) -> Clips:
        """Some of them."""
        return Clips(self.features.of(rows), self.targets.rows(torch.from_numpy(rows)))

    def some(self, count: int) -> Clips:
        """So many of them, spread evenly; all where there are fewer."""
        if len(self.features) <= count:
            return self
        return self.of(np.linspace(0, len(self.features) - 1, count).round().astype(np.int64))


def train_member(
    train: Clips,
    validation: Clips,
    size: NetConfig,
    config: HearingTrainConfig,
    seed: int,
    *,
    groups: Sequence[Sequence[int]] = (),
    key: str = "",
    folder: Path | None = None,
    resume: bool = False,
    report: Report = lambda done, figures: None,
) -> tuple[HearingNet, Counters]:
    """A network, with the weights that are best on validation.

    Args:
        groups: labels of each family, for the loss.
        key: identifies data and settings of the run in its saved state, which lies in ``folder``.

    Raises:
        Interrupted: on Ctrl-C; the last step is kept.
        ValueError: there is nothing to learn from or to choose by, or ``resume`` finds the state of another run.
        FloatingPointError: the loss is not finite.
    """
    contacts, others = train.rows(contact=True), train.rows(contact=False)
    if not len(contacts) or not len(validation.rows(contact=True)):
        raise ValueError("the set, or that of validation, holds no contacts")
    torch.set_num_threads(config.threads)
    torch.manual_seed(seed)
    device = torch.device(config.device)
    network = HearingNet(size).to(device)
    half = config.bf16 and _multiplies_bf16(device)
    mixed = torch.from_numpy(train.features.take(others[:512])).float().to(device)
    chosen_by = validation.some(config.validated)

    def loss(step: int, done: float) -> tuple[Tensor, dict[str, float]]:
        rng = np.random.default_rng([seed, step])
        strange = round(config.no_contact_share * config.batch) if len(others) else 0
        rows = np.concatenate(
            [rng.choice(contacts, config.batch - strange), rng.choice(others, strange)] if strange
            else [rng.choice(contacts, config.batch)]
        )  # fmt: skip
        generator = torch.manual_seed(
            int(rng.integers(2**62))
        )  # of dropout as well: a run that goes on repeats
        levels = torch.from_numpy(train.features.take(rows)).float().to(device)
        levels = augmented(levels, mixed, config.front_end, config.augment, generator)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            output = network(features_of(levels, config.front_end))
        output = HearingOutput(*(value.float() for value in output))
        targets = train.targets.rows(torch.from_numpy(rows)).to(device)
        return objective(output, targets, config.objective, groups)

    trainee = loop.Trainee(
        _STAGE,
        network,
        torch.optim.AdamW(
            network.parameters(), lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=config.weight_decay
        ),
        loss,
        lambda step, done: one_cycle(done, config.warm_up),
        lambda ema: _chosen_by(ema, chosen_by, config.front_end, half),
        validate_every=config.validate_every,
        validate_every_s=config.validate_every_s,
    )
    # The loop's pace is that of one member.
    pace = dataclasses.replace(config, minutes=config.minutes / len(config.seeds))
    counters = loop.train(trainee, pace, key=key, folder=folder, resume=resume, report=report)
    return network.cpu(), counters


def one_cycle(done: float, warm_up: float) -> float:
    """Share of the learning rate: up to 1 over a share of the training, then down half a cosine (Smith 2018)."""
    if done < warm_up:
        return 0.05 + 0.95 * done / warm_up
    return loop.half_cosine((done - warm_up) / (1.0 - warm_up), last=0.005)


@torch.no_grad()
def outputs_of(
    network: torch.nn.Module,
    clips: Clips,
    front_end: FrontEndConfig,
    heard_s: float = math.inf,
    *,
    half: bool = False,
) -> HearingOutput:
    """Of all clips, where so many seconds after the onset were heard.

    Args:
        half: multiplied in bfloat16.
    """
    device = next(network.parameters()).device
    network.eval()
    parts = []
    for begin in range(0, len(clips.features), _AT_ONCE):
        rows = np.arange(begin, min(begin + _AT_ONCE, len(clips.features)))
        levels = cropped(torch.from_numpy(clips.features.take(rows)).float().to(device), front_end)
        if not math.isinf(heard_s):
            levels = heard_until(levels, front_end, heard_s)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            parts.append(network(features_of(levels, front_end)))
    return HearingOutput(*(torch.cat(values).float().cpu() for values in zip(*parts, strict=True)))


def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))


def _chosen_by(network: HearingNet, clips: Clips, front_end: FrontEndConfig, half: bool) -> float:
    """Negative log likelihood of material, log10 E and contact; mean over what may have been heard."""
    targets, total = clips.targets, 0.0
    for heard_s in _CHOSEN_BY_S:
        output = outputs_of(network, clips, front_end, heard_s, half=half)
        known = targets.contact & (targets.material >= 0)
        nll = torch.nn.functional.cross_entropy(output.logits[known], targets.material[known])
        contact = torch.nn.functional.binary_cross_entropy_with_logits(
            output.contact_logit, targets.contact.float()
        )
        total += float(nll + 0.5 * contact) / len(_CHOSEN_BY_S)
        known = targets.contact & targets.log10_e.isfinite()
        if bool(known.any()):
            std = output.log10_e_std[known]
            z = (targets.log10_e[known] - output.log10_e_mean[known]) / std
            total += 0.2 * float((0.5 * z.square() + std.log()).mean()) / len(_CHOSEN_BY_S)
    return total
