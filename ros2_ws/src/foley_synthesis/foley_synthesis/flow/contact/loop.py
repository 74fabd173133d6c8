"""How the flow learns of sessions: what a step's loss is, and how its learning rate goes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from foley_synthesis.flow.contact.batches import ContactBatch, draw_crops, make_batch
from foley_synthesis.flow.contact.config import ContactTrainConfig
from foley_synthesis.flow.contact.items import ContactItems
from foley_synthesis.flow.contact.loss import FlowDraw, draw_flow, flow_errors, weighted_mean
from foley_synthesis.flow.networks.contact_field import ContactField
from foley_synthesis.training import loop, processes
from foley_synthesis.training.state import Counters

Report = Callable[[str, float, dict[str, float]], None]
Source = Callable[[ContactField, torch.Generator], "tuple[ContactBatch, FlowDraw]"]
"""What this process learns from in one step; everything random comes from the generator, the same in all of them."""

STAGE = "flow"
_WARM_UP = 0.04  # of the training, and at most so many steps:
_WARM_UP_STEPS = 500


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
    field.to(device)

    @functools.cache
    def shared() -> nn.Module:
        """Made at the first step: it takes the weights that are there then."""
        return processes.shared(_Step(field, precision_of(config, device)), device)

    def loss(step: int, done: float) -> tuple[Tensor, dict[str, float]]:
        batch, draw = source(field, torch.Generator().manual_seed(config.seed * 1_000_003 + step))
        return shared()(batch.to(device), draw), {}

    trainee = loop.Trainee(
        STAGE,
        field,
        torch.optim.AdamW(
            _decaying(field, config.weight_decay), lr=config.learning_rate, betas=(0.9, 0.98), fused=True
        ),
        loss,
        _rate,
        validate,
        validate_every_s=config.validate_every_s,
        listen=listen if config.listen_every_s else None,
        listen_every_s=config.listen_every_s,
    )
    return loop.train(
        trainee,
        config,
        key=key,
        folder=folder,
        resume=resume,
        report=lambda done, figures: report(STAGE, done, figures),
    )


def _rate(step: int, done: float) -> float:
    return min(1.0, max((step + 1) / _WARM_UP_STEPS, done / _WARM_UP)) * loop.half_cosine(done)


def _decaying(field: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Matrices decay; biases, norms and what stands for something absent do not."""
    matrices = [value for value in field.parameters() if value.ndim > 1]
    rest = [value for value in field.parameters() if value.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
