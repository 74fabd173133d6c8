"""Both stages of training: the autoencoder of spectrograms, then the flow in its latent."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from foley_synthesis.flow.inference.condition import condition_of
from foley_synthesis.flow.networks import autoencoder as coders
from foley_synthesis.flow.networks.autoencoder import MelAutoencoder
from foley_synthesis.flow.networks.rectified_flow import flow_loss
from foley_synthesis.flow.networks.vector_field import SIZES, VectorField
from foley_synthesis.flow.training.config import FlowTrainConfig
from foley_synthesis.flow.windows import LATENT_FRAMES, Batch, Items, batch
from foley_synthesis.training import state as training_state
from foley_synthesis.training.state import Counters, Interrupted

Report = Callable[[str, float, dict[str, float]], None]
_WARM_UP = 0.05  # of the training
_VALIDATION_DRAWS = 8  # of noise and time for each window


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """Both networks, and how they came to be."""

    autoencoder: MelAutoencoder
    field: VectorField
    counters: dict[str, Counters]  # of each stage


@dataclasses.dataclass(frozen=True, eq=False)
class _Stage:
    name: str
    model: nn.Module
    loss: Callable[[nn.Module, Tensor, torch.Generator], Tensor]  # of rows
    validate: Callable[[nn.Module], float]
    minutes: float


def train_flow(
    items: Items,
    config: FlowTrainConfig,
    *,
    key: str = "",
    folder: Path | None = None,
    resume: bool = False,
    autoencoder: MelAutoencoder | None = None,
    report: Report = lambda stage, done, figures: None,
) -> Trained:
    """Train on the windows of `train`, keep what is best on those of `validation`.

    Args:
        key: identifies data and settings of the run in its saved state, which lies in ``folder``.
        autoencoder: a trained one; its stage is left out then.

    Raises:
        Interrupted: on Ctrl-C. The last whole epoch is kept; in the middle of one, the last that was saved.
        ValueError: ``resume`` finds the state of another run.
        FloatingPointError: a loss is not finite.
    """
    torch.set_num_threads(config.threads)
    device = torch.device(config.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    items = items.to(device)
    torch.manual_seed(config.seed)
    rows, validation = items.rows("train"), items.rows("validation")
    counters: dict[str, Counters] = {}
    if autoencoder is None:
        autoencoder = MelAutoencoder(coders.SIZES[config.size]).to(device)
        coder = _Stage(
            "autoencoder",
            autoencoder,
            lambda model, chosen, generator: _coder_loss(model, items.mel[chosen], generator),
            lambda model: _coded(model, items.mel[validation]),
            config.autoencoder_minutes,
        )
        counters["autoencoder"] = _run(coder, rows, config, key, folder, resume, report)
        autoencoder.set_scale(items.mel[rows])
    field = VectorField(SIZES[config.size](items.vision.shape[-1])).to(device)
    field.set_statistics(items.vision[rows], items.action[rows])
    fixed = autoencoder.to(device).eval().requires_grad_(False)
    latents = torch.cat([fixed.encode(part) for part in torch.split(items.mel, 16)])

    def loss(model: nn.Module, chosen: Tensor, generator: torch.Generator) -> Tensor:
        assert isinstance(model, VectorField)
        part = batch(items, chosen, generator, spliced=config.spliced, sounds=latents)
        return _flow(model, part, config, generator, config.condition_dropout)

    def validate(model: nn.Module) -> float:
        assert isinstance(model, VectorField)
        generator = torch.Generator().manual_seed(config.seed)
        draws = torch.split(validation.repeat(_VALIDATION_DRAWS), 2 * config.batch)
        sums = [
            float(_flow(model, batch(items, part, sounds=latents), config, generator, 0.0)) * len(part)
            for part in draws
        ]
        return sum(sums) / (len(validation) * _VALIDATION_DRAWS)

    stage = _Stage("flow", field, loss, validate, config.minutes)
    counters["flow"] = _run(stage, rows, config, key, folder, resume, report)
    return Trained(autoencoder.cpu(), field.cpu(), counters)


def _flow(
    field: VectorField,
    part: Batch,
    config: FlowTrainConfig,
    generator: torch.Generator,
    condition_dropout: float,
) -> Tensor:
    known = condition_of(field, part, config.without)
    null_condition = field.null_condition(len(known), LATENT_FRAMES)
    return flow_loss(field, part.sound, known, null_condition, generator, condition_dropout=condition_dropout)


def _coder_loss(model: nn.Module, mel: Tensor, generator: torch.Generator) -> Tensor:
    assert isinstance(model, MelAutoencoder)
    error, divergence = model.loss(mel, generator)
    return error + model.config.kl_weight * divergence


def _coded(model: nn.Module, mel: Tensor) -> float:
    """Mean error of a bin after encoding and decoding."""
    assert isinstance(model, MelAutoencoder)
    parts = [
        (model.decode(model.encode(part)) - part).abs().mean() * len(part) for part in torch.split(mel, 16)
    ]
    return float(torch.stack(parts).sum() / len(mel))


def _run(
    stage: _Stage,
    rows: Tensor,
    config: FlowTrainConfig,
    key: str,
    folder: Path | None,
    resume: bool,
    report: Report,
) -> Counters:
    """Train a stage's model in place and leave the best EMA of its weights in it.

    Everything random is drawn anew from (seed, epoch), so that a resumed run repeats an uninterrupted one.
    """
    both = nn.ModuleDict({"now": stage.model, "ema": copy.deepcopy(stage.model)})
    now, ema = both["now"], both["ema"].requires_grad_(False)
    optimiser = torch.optim.AdamW(now.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    best, counters = _copied(ema), Counters()
    place = None if folder is None else folder / stage.name
    if resume and place is not None:
        loaded = training_state.load_state(place, key, both, optimiser)
        if loaded is not None:
            best, counters = loaded
    kept, whole = (
        counters.epoch,
        True,
    )  # the epoch of the saved state; whether the weights are those of an epoch
    before_s = counters.elapsed_s
    started = saved = time.monotonic()
    try:
        done = _progress(config, stage.minutes, counters)
        while done < 1.0:
            whole = False
            loss = _epoch(stage, both, optimiser, rows, config, counters.epoch, done)
            counters.epoch += 1
            counters.elapsed_s = before_s + time.monotonic() - started
            # Looked at once an epoch: the last one is always validated.
            done = _progress(config, stage.minutes, counters)
            figures = {"train": loss}
            if counters.epoch % 5 == 0 or done >= 1.0:
                with torch.no_grad():
                    figures["validation"] = stage.validate(ema.eval())
                if figures["validation"] < counters.best.get(stage.name, math.inf):
                    counters.best[stage.name] = figures["validation"]
                    best = _copied(ema)
                counters.history.append({"epoch": float(counters.epoch), **figures})
            whole = True
            report(stage.name, min(done, 1.0), figures)
            if place is not None and (time.monotonic() - saved > config.save_every_s or done >= 1.0):
                training_state.save_state(place, key, both, optimiser, best, counters)
                saved, kept = time.monotonic(), counters.epoch
    except KeyboardInterrupt as stop:
        if place is not None and whole:
            training_state.save_state(place, key, both, optimiser, best, counters)
            kept = counters.epoch
        raise Interrupted(f"stopped in stage `{stage.name}`, of which {kept} epochs are kept") from stop
    stage.model.load_state_dict(best)
    stage.model.eval()
    return counters


def _progress(config: FlowTrainConfig, minutes: float, counters: Counters) -> float:
    by_epoch = counters.epoch / config.epochs if config.epochs else 0.0
    return max(by_epoch, counters.elapsed_s / (60.0 * minutes)) if counters.epoch else 0.0


def _epoch(
    stage: _Stage,
    both: nn.ModuleDict,
    optimiser: torch.optim.Optimizer,
    rows: Tensor,
    config: FlowTrainConfig,
    epoch: int,
    done: float,
) -> float:
    now, ema = both["now"].train(), both["ema"]
    seed = config.seed * 1_000_003 + epoch
    torch.manual_seed(seed)  # dropout
    generator = torch.Generator().manual_seed(seed)
    rate = config.learning_rate * min(1.0, 0.025 + done / _WARM_UP, (1.02 - done) / (1.0 - _WARM_UP))
    for group in optimiser.param_groups:
        group["lr"] = rate
    order = rows[torch.randperm(len(rows), generator=generator)]
    parts = torch.tensor_split(order, max(1, round(len(order) / config.batch)))
    total = 0.0
    for part in parts:
        loss = stage.loss(now, part, generator)
        if not bool(loss.isfinite()):
            raise FloatingPointError(
                f"the loss is {float(loss)} in stage `{stage.name}`, epoch {epoch}; lower the learning rate"
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(now.parameters(), 1.0)
        optimiser.step()
        total += float(loss.detach()) * len(part)
        # The average starts short, so that the first weights soon count for nothing.
        keep = min(config.ema_decay, 1.0 - 1.0 / (2.0 + epoch))
        with torch.no_grad():
            for averaged, value in zip(ema.parameters(), now.parameters(), strict=True):
                averaged.lerp_(value, 1.0 - keep)
    return total / len(rows)


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
