"""The training of the flow on sessions: steps, an average of the weights, validation, a state to go on from."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from foley_synthesis.flow.contact import processes
from foley_synthesis.flow.contact.batches import ContactBatch, draw_crops, make_batch
from foley_synthesis.flow.contact.config import ContactTrainConfig
from foley_synthesis.flow.contact.items import ContactItems
from foley_synthesis.flow.contact.loss import FlowDraw, draw_flow, flow_errors, weighted_mean
from foley_synthesis.flow.networks.contact_field import ContactField
from foley_synthesis.training import state as training_state
from foley_synthesis.training.state import Counters, Interrupted

Report = Callable[[str, float, dict[str, float]], None]
Source = Callable[[ContactField, torch.Generator], "tuple[ContactBatch, FlowDraw]"]
"""What this process learns from in one step; everything random comes from the generator, the same in all of them."""

STAGE = "flow"
_WARM_UP = 0.04  # of the training, and at most so many steps:
_WARM_UP_STEPS = 500
_LAST_RATE = 0.02  # share of the learning rate at the end


class _Step(nn.Module):
    """The loss as a module, so that several processes share its gradients."""

    def __init__(self, field: ContactField, precision: torch.dtype) -> None:
        super().__init__()
        self.field = field
        self._precision = precision

    def forward(self, batch: ContactBatch, draw: FlowDraw) -> Tensor:
        low = self._precision != torch.float32
        with torch.autocast(batch.latent.device.type, self._precision, enabled=low):
            condition = self.field.condition(batch.condition, batch.given, batch.groups)
            errors = flow_errors(self.field, self.field.normalise(batch.latent), condition, draw)
        return weighted_mean(errors, batch.weight, self.field.channel_weights)


def crops_of(items: ContactItems, config: ContactTrainConfig) -> Source:
    """Crops of sessions, noise and logit-normal times."""
    mean_weight = items.mean_weight(config.foreground_weight)

    def source(field: ContactField, generator: torch.Generator) -> tuple[ContactBatch, FlowDraw]:
        crops = draw_crops(items, config, field.motion, generator)
        draw = draw_flow(
            config.batch, field.config.latent, config.frames, generator,
            mean=config.time_mean, spread=config.time_spread,
        )  # fmt: skip
        rows = processes.part(config.batch)
        return make_batch(items, crops[rows], config, mean_weight), draw[rows]

    return source


def precision_of(config: ContactTrainConfig, device: torch.device) -> torch.dtype:
    """bfloat16 where it is asked for, or where the device has units that multiply in it: there 1.7 x as fast."""
    if config.precision == "auto":
        fits = torch.cuda.is_bf16_supported() if device.type == "cuda" else _cpu_multiplies_bf16()
    else:
        fits = config.precision == "bf16"
    return torch.bfloat16 if fits else torch.float32


def _cpu_multiplies_bf16() -> bool:
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))


def train(
    field: ContactField,
    source: Source,
    config: ContactTrainConfig,
    device: torch.device,
    *,
    validate: Callable[[ContactField], float],
    listen: Callable[[ContactField], dict[str, float]] | None = None,
    key: str = "",
    folder: Path | None = None,
    resume: bool = False,
    report: Report = lambda stage, done, figures: None,
) -> Counters:
    """Train in place; the average of the weights that is best on validation is left in the field.

    Everything random is drawn anew from (seed, step): ended by steps, a resumed run repeats an uninterrupted one.

    Args:
        validate: the lower the better.
        listen: further figures, asked for seldom.
        key: identifies data and settings of the run in its saved state, which lies in ``folder``.

    Raises:
        Interrupted: on Ctrl-C; the last whole step is kept.
        ValueError: ``resume`` finds the state of another run, or processes cannot share a batch.
        FloatingPointError: the loss is not finite.
    """
    processes.part(config.batch)
    both = nn.ModuleDict({"now": field.to(device), "ema": copy.deepcopy(field).to(device)})
    ema = both["ema"].requires_grad_(False).eval()
    assert isinstance(ema, ContactField)
    optimiser = torch.optim.AdamW(
        _decaying(field, config.weight_decay), lr=config.learning_rate, betas=(0.9, 0.98), fused=True
    )
    best, counters = _copied(ema), Counters()
    if resume and folder is not None:
        loaded = training_state.load_state(folder, key, both, optimiser)
        if loaded is not None:
            best, counters = loaded
    step = processes.shared(_Step(field, precision_of(config, device)), device)
    before_s, started = counters.elapsed_s, time.monotonic()
    saved = validated = listened = started
    first, losses = processes.rank() == 0, []
    kept, whole = counters.step, True  # steps of the saved state; whether the weights are those after a step

    def save() -> None:
        if first and folder is not None:
            training_state.save_state(folder, key, both, optimiser, best, counters)

    try:
        done = processes.agreed(_progress(config, counters), device)
        while done < 1.0:
            whole = False
            _set_rate(optimiser, config, counters.step, done)
            losses.append(_take(step, field, source, optimiser, config, counters.step, device))
            _average(ema, field, min(config.ema_decay, (1.0 + counters.step) / (10.0 + counters.step)))
            counters.step += 1
            counters.elapsed_s = before_s + time.monotonic() - started
            done = processes.agreed(_progress(config, counters), device)
            whole = True
            now = time.monotonic()
            if first and (done >= 1.0 or now - validated > config.validate_every_s):
                figures = {
                    "train": sum(losses) / len(losses),
                    "validation": _checked(validate(ema), counters.step),
                }
                if figures["validation"] < counters.best.get(STAGE, math.inf):
                    counters.best[STAGE] = figures["validation"]
                    best = _copied(ema)
                if (
                    listen
                    and config.listen_every_s
                    and (done >= 1.0 or now - listened > config.listen_every_s)
                ):
                    figures |= listen(ema)
                    listened = time.monotonic()
                counters.history.append(
                    {"step": float(counters.step), "elapsed_s": counters.elapsed_s, **figures}
                )
                report(STAGE, min(done, 1.0), figures)
                losses, validated = [], time.monotonic()
            elif first and counters.step % 5 == 0:
                report(STAGE, min(done, 1.0), {"step": counters.step, "train": sum(losses) / len(losses)})
            if done >= 1.0 or now - saved > config.save_every_s:
                save()
                kept, saved = counters.step, time.monotonic()
    except KeyboardInterrupt as stop:
        if whole:
            save()
            kept = counters.step
        raise Interrupted(f"stopped, {kept} steps are kept") from stop
    if (
        first and STAGE not in counters.best
    ):  # gone on with less time than had passed, before anything was validated
        counters.best[STAGE], best = _checked(validate(ema), counters.step), _copied(ema)
    field.load_state_dict(best)
    processes.from_first(field)
    field.eval()
    return counters


def _take(
    step: nn.Module,
    field: ContactField,
    source: Source,
    optimiser: torch.optim.Optimizer,
    config: ContactTrainConfig,
    index: int,
    device: torch.device,
) -> float:
    """One step; its loss."""
    field.train()
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + index)
    batch, draw = source(field, generator)
    loss = step(batch.to(device), draw)
    if not bool(loss.isfinite()):
        raise FloatingPointError(
            f"the loss is {float(loss.detach())} in step {index}; lower the learning rate"
        )
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(field.parameters(), 1.0)
    optimiser.step()
    return float(loss.detach())


def _checked(loss: float, step: int) -> float:
    """A loss of validation; weights are never chosen by one that is not finite."""
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"the loss on validation is {loss} after step {step}; lower the learning rate"
        )
    return loss


def _progress(config: ContactTrainConfig, counters: Counters) -> float:
    by_step = counters.step / config.steps if config.steps else 0.0
    return max(by_step, counters.elapsed_s / (60.0 * config.minutes))


def _set_rate(optimiser: torch.optim.Optimizer, config: ContactTrainConfig, step: int, done: float) -> None:
    rise = min(1.0, max((step + 1) / _WARM_UP_STEPS, done / _WARM_UP))
    fall = _LAST_RATE + (1.0 - _LAST_RATE) * 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))
    for group in optimiser.param_groups:
        group["lr"] = config.learning_rate * rise * fall


def _decaying(field: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Matrices decay; biases, norms and what stands for something absent do not."""
    matrices = [value for value in field.parameters() if value.ndim > 1]
    rest = [value for value in field.parameters() if value.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]


@torch.no_grad()
def _average(ema: nn.Module, now: nn.Module, keep: float) -> None:
    for averaged, value in zip(ema.parameters(), now.parameters(), strict=True):
        averaged.lerp_(value, 1.0 - keep)


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
