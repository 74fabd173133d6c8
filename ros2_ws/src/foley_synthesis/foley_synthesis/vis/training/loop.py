"""The training loop: both networks in one pass over the clips, the best of each by validation loss."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from foley_synthesis.beliefs.calibration import fit_temperature
from foley_synthesis.beliefs.head_output import HeadOutput
from foley_synthesis.beliefs.material_head import Targets, head_loss
from foley_synthesis.training import processes
from foley_synthesis.training import state as training_state
from foley_synthesis.training.state import Counters, Interrupted
from foley_synthesis.vis.networks.networks import Networks
from foley_synthesis.vis.training.batches import (
    Tensors,
    heard_windows,
    inputs_for,
    sound_loss,
    validation_target,
)
from foley_synthesis.vis.training.config import TrainConfig
from foley_synthesis.vis.training.examples import (
    Examples,
    InMemory,
    Step,
    epoch_seed,
    nothing_of,
    said_of_all,
)

_CPU = torch.device("cpu")
_APART = 7_368_787  # between the seeds of processes
_PARTS = ("heard", "predicted")  # `predicted` is the sound network and its head together
Report = Callable[[float, dict[str, float]], None]


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Rows of the training and the validation clips."""

    train: Tensor  # [n] int64
    validation: Tensor  # [n] int64


def shuffled(targets: Targets, rows: Tensor, seed: int) -> Targets:
    """The targets of these rows permuted among them, all of one clip together."""
    generator = torch.Generator().manual_seed(seed)
    order = rows[torch.randperm(len(rows), generator=generator)]
    result = []
    for values in targets:
        moved = values.clone()
        moved[rows] = values[order]
        result.append(moved)
    return Targets(*result)


def class_weights(counts: Tensor) -> Tensor:
    """Inverse frequency of materials, mean one over those that there are: the balanced accuracy is what counts."""
    counts = counts.float()
    weights = torch.where(counts > 0, counts.sum() / counts.clamp(min=1.0), torch.zeros(()))
    return weights / weights[counts > 0].mean().clamp(min=1e-6) if bool((counts > 0).any()) else weights + 1.0


def train(
    networks: Networks,
    tensors: Tensors,
    split: Split,
    config: TrainConfig,
    *,
    key: str = "",
    folder: Path | None = None,
    resume: bool = False,
    spent_s: float = 0.0,
    report: Report | None = None,
    examples: Examples | None = None,
) -> Counters:
    """Train in place and leave the best weights in `networks`.

    Everything random is drawn anew from (seed, epoch), so that a resumed run repeats an uninterrupted one. Several
    processes each call this; the first one validates, saves and reports, and all are left with its best weights.

    Args:
        key: identifies data and settings of the run in its saved state.
        folder: for the state; None keeps none.
        spent_s: of the time budget, before this.
        report: called with the progress [0, 1] and the newest figures.
        examples: to train on, in place of the rows of `split`.

    Raises:
        Interrupted: on Ctrl-C. The last whole epoch is kept; in the middle of one, the last that was saved.
        ValueError: `resume` finds the state of another run.
        FloatingPointError: the loss is not finite.
    """
    optimiser = torch.optim.AdamW(
        networks.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    best, counters = _copy(networks), Counters()
    if resume and folder is not None:
        loaded = training_state.load_state(folder, key, networks, optimiser)
        if loaded is not None:
            best, counters = loaded
    _check_same_start(counters)
    spent_s = processes.agreed(spent_s, _CPU)
    first = processes.rank() == 0
    if not first:
        folder = report = None
    examples = examples or InMemory(tensors, split.train, config, networks.config.hearing)
    step = processes.shared(Step(networks, config.head_gradient), _CPU, unused=False)
    kept, whole = (
        counters.epoch,
        True,
    )  # the epoch of the saved state; whether the weights are those of an epoch
    weights = class_weights(examples.materials)
    before_s = counters.elapsed_s
    started = saved = time.monotonic()
    try:
        while (progress := _progress(config, counters, spent_s)) < 1.0:
            whole = False
            losses = _epoch(networks, step, optimiser, examples, config, counters.epoch, progress, weights)
            counters.epoch += 1
            counters.elapsed_s = processes.agreed(before_s + time.monotonic() - started, _CPU)
            if first and (counters.epoch % 2 == 0 or _progress(config, counters, spent_s) >= 1.0):
                losses |= validate(networks, tensors, split.validation, config)
                for part in _PARTS:
                    if losses[f"validation_{part}"] < counters.best.get(part, math.inf):
                        counters.best[part] = losses[f"validation_{part}"]
                        best = _merge(best, networks, part)
                counters.history.append({"epoch": float(counters.epoch), **losses})
            whole = True
            if report is not None:
                report(min(_progress(config, counters, spent_s), 1.0), losses)
            if folder is not None and time.monotonic() - saved > config.save_every_s:
                training_state.save_state(folder, key, networks, optimiser, best, counters)
                saved, kept = time.monotonic(), counters.epoch
    except KeyboardInterrupt as stop:
        if folder is not None and whole:
            training_state.save_state(folder, key, networks, optimiser, best, counters)
            kept = counters.epoch
        raise Interrupted(f"stopped; {kept} epochs are kept") from stop
    networks.load_state_dict(best)
    processes.from_first(networks)
    networks.eval()
    return counters


def _check_same_start(counters: Counters) -> None:
    """Raises ValueError where this process goes on from elsewhere than the first."""
    epoch = int(processes.agreed(float(counters.epoch), _CPU))
    if epoch != counters.epoch:
        raise ValueError(
            f"process {processes.rank()} begins at epoch {counters.epoch}, the first one at {epoch}: all must see the "
            "training state beside --out; put it where all machines see it"
        )


def _progress(config: TrainConfig, counters: Counters, spent_s: float) -> float:
    by_epoch = counters.epoch / config.epochs if config.epochs else 0.0
    by_time = (counters.elapsed_s + spent_s) / (60.0 * config.minutes) if config.minutes else 0.0
    # However long the features took, something is learned.
    return min(max(by_epoch, by_time), 1.0) if counters.epoch else 0.0


def _epoch(
    networks: Networks,
    step: nn.Module,
    optimiser: torch.optim.Optimizer,
    examples: Examples,
    config: TrainConfig,
    epoch: int,
    progress: float,
    weights: Tensor,
) -> dict[str, float]:
    torch.manual_seed(epoch_seed(config, epoch) + processes.rank() * _APART)  # dropout
    rate = (
        config.learning_rate
        * min(1.0, (epoch + 1) / 3)
        * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
    )
    for group in optimiser.param_groups:
        group["lr"] = rate
    networks.train()
    sums, batches = {"sound": 0.0, "predicted": 0.0, "heard": 0.0}, 0
    for batch in examples.batches(epoch):
        said, target, targets = said_of_all(step, batch)
        losses = {
            "sound": sound_loss(said.sound, target, config.loss),
            "predicted": head_loss(said.predicted, targets, weights),
            "heard": head_loss(said.heard, targets, weights),
        }
        loss = losses["sound"] + losses["predicted"] + losses["heard"]
        if processes.count() > 1:
            loss = loss + nothing_of(said)
        if not bool(loss.isfinite()):
            raise FloatingPointError(f"the loss is {float(loss)} in epoch {epoch}; lower the learning rate")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(networks.parameters(), config.clip_norm)
        optimiser.step()
        batches += 1
        for name, value in losses.items():
            sums[name] += float(value.detach())
    return {f"train_{name}": value / max(batches, 1) for name, value in sums.items()}


@torch.no_grad()
def validate(networks: Networks, tensors: Tensors, rows: Tensor, config: TrainConfig) -> dict[str, float]:
    """Losses and plain accuracies; `validation_predicted` joins sound and head in planned mode.

    The losses of the heads are what calibration will leave of them: a head that grows overconfident while it
    still learns to tell materials apart is not to be stopped for that.
    """
    networks.eval()
    targets = tensors.rows(rows)
    sound, said = networks.predict(inputs_for(tensors, rows, executed=False))
    heard = networks.heard(heard_windows(tensors, rows, networks.config))
    target = validation_target(tensors, rows, config.plan_error_s)
    loss = float(sound_loss(sound, target, config.loss))
    known = targets.material >= 0

    def accuracy(logits: Tensor) -> float:
        right = (logits.argmax(1) == targets.material)[known]
        return float(right.float().mean()) if bool(known.any()) else math.nan

    return {
        "validation_sound": loss,
        "validation_predicted": loss + 0.5 * calibrated_loss(said, targets),
        "validation_heard": calibrated_loss(heard, targets),
        "accuracy_predicted": accuracy(said.logits),
        "accuracy_heard": accuracy(heard.logits),
    }


def calibrated_loss(output: HeadOutput, targets: Targets) -> float:
    """The loss of a head at the temperature and the scale of its spread that suit these clips best."""
    known = targets.material >= 0
    temperature = 1.0
    if bool(known.any()):
        temperature = fit_temperature(output.logits[known].numpy(), targets.material[known].numpy())
    measured = targets.log10_e.isfinite()
    scale = 1.0
    if bool(measured.any()):
        z = (targets.log10_e - output.log10_e_mean)[measured] / output.log10_e_std[measured]
        scale = max(float(z.square().mean().sqrt()), 1e-3)
    return float(
        head_loss(
            output._replace(logits=output.logits / temperature, log10_e_std=output.log10_e_std * scale),
            targets,
        )
    )


def _copy(networks: Networks) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in networks.state_dict().items()}


def _merge(best: dict[str, Tensor], networks: Networks, part: str) -> dict[str, Tensor]:
    def belongs(name: str) -> bool:
        return name.startswith("heard.") == (part == "heard")

    current = networks.state_dict()
    return {k: current[k].detach().clone() if belongs(k) else value for k, value in best.items()}
