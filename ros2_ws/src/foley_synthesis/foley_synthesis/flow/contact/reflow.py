"""Few steps by reflow: a second flow learns the straight lines from noise to what the first one makes of it.

Pairs of noise and sound that the first flow joins lie on paths that cross less (Liu et al. 2022, section 2.2), so that
a field that is trained on them is nearly straight and a few steps of Euler's method follow it. What guidance the first
one had is in its sounds; the second has none. Of a pair only the latent is kept: crop, condition and noise are drawn
again from the batch's number.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from foley_synthesis.flow.contact.batches import ContactBatch, draw_crops, make_batch, null_given
from foley_synthesis.flow.contact.config import ContactTrainConfig
from foley_synthesis.flow.contact.items import ContactItems
from foley_synthesis.flow.contact.loop import Source
from foley_synthesis.flow.contact.loss import FlowDraw, flow_errors, weighted_mean
from foley_synthesis.flow.contact.sampling import ContactSampling, sample_latent
from foley_synthesis.flow.networks.contact_field import ContactField
from foley_synthesis.training import processes

_SEED = 7_000_003  # of the first batch of pairs: no training draws the same
_GRID = 4  # steps that the second flow is to take; 2 and 1 begin at some of the same times
_ON_GRID = 0.75  # share of the training's times that lie where a step begins


@dataclasses.dataclass(frozen=True, eq=False)
class Pairs:
    """Batches of crops, and what the first flow makes of each one's noise."""

    items: ContactItems
    config: ContactTrainConfig
    mean_weight: float
    latents: tuple[Tensor, ...]  # each [b, latent, n] float16, as the codec would give it

    def __len__(self) -> int:
        return len(self.latents)

    def batch(self, index: int, field: ContactField) -> tuple[ContactBatch, Tensor]:
        """One batch of this process's, and its noise."""
        made, noise = _drawn(self.items, self.config, self.mean_weight, index, field)
        return dataclasses.replace(made, latent=self.latents[index].float()), noise


def make_pairs(
    first: ContactField,
    items: ContactItems,
    config: ContactTrainConfig,
    sampling: ContactSampling,
    batches: int,
    mean_weight: float,
    *,
    folder: Path | None = None,
    key: str = "",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Pairs:
    """So many batches of pairs; those that a folder holds already for the same key are read from it."""
    device = next(first.parameters()).device
    latents = []
    for index in range(batches):
        name = f"{key[:16]}-{index:05d}-{processes.rank()}of{processes.count()}.safetensors"
        path = None if folder is None else folder / name
        latent = None if path is None else _read(path)
        if latent is None:
            batch, noise = _drawn(items, config, mean_weight, index, first)
            latent = _joined(first, batch.to(device), noise.to(device), sampling).half().cpu()
            if path is not None:
                _write(path, latent)
        latents.append(latent)
        progress(index + 1, batches)
    return Pairs(items, config, mean_weight, tuple(latents))


def reflow_source(pairs: Pairs) -> Source:
    """A batch of pairs at random times, most of them where one of a few steps begins."""

    def source(field: ContactField, generator: torch.Generator) -> tuple[ContactBatch, FlowDraw]:
        index = int(torch.randint(len(pairs), (1,), generator=generator))
        size = pairs.config.batch
        places = torch.rand(size, generator=generator)
        begins = torch.randint(_GRID, (size,), generator=generator) / _GRID
        t = torch.where(torch.rand(size, generator=generator) < _ON_GRID, begins, places)
        batch, noise = pairs.batch(index, field)
        return batch, FlowDraw(noise, t[processes.part(size)])

    return source


def reflow_loss(pairs: Pairs) -> Callable[[ContactField], float]:
    """The loss on pairs of validation, at each time where one of a few steps begins."""

    @torch.no_grad()
    def loss(field: ContactField) -> float:
        device = next(field.parameters()).device
        total = 0.0
        for index in range(len(pairs)):
            batch, noise = pairs.batch(index, field)
            batch, noise = batch.to(device), noise.to(device)
            known = field.condition(batch.condition, batch.given, batch.groups)
            data = field.normalise(batch.latent)
            for begin in range(_GRID):
                errors = flow_errors(
                    field, data, known, FlowDraw(noise, torch.full((len(data),), begin / _GRID))
                )
                total += float(weighted_mean(errors, batch.weight, field.channel_weights))
        return total / (len(pairs) * _GRID)

    return loss


def _drawn(
    items: ContactItems, config: ContactTrainConfig, mean_weight: float, index: int, field: ContactField
) -> tuple[ContactBatch, Tensor]:
    generator = torch.Generator().manual_seed(_SEED + index)
    crops = draw_crops(items, config, field.motion, generator)
    noise = torch.randn(config.batch, field.config.latent, config.frames, generator=generator)
    rows = processes.part(config.batch)
    return make_batch(items, crops[rows], config, mean_weight), noise[rows]


@torch.no_grad()
def _joined(field: ContactField, batch: ContactBatch, noise: Tensor, sampling: ContactSampling) -> Tensor:
    known = field.condition(batch.condition, batch.given, batch.groups)
    null = None
    if sampling.guidance != 1.0:
        null = field.condition(batch.condition, null_given(batch.given), batch.groups)
    return field.restore(sample_latent(field, noise, known, null, sampling))


def _read(path: Path) -> Tensor | None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        latent: Tensor = load_file(path)["latent"]
    except (OSError, SafetensorError, KeyError):
        return None  # not there yet, or cut short: made again
    return latent


def _write(path: Path, latent: Tensor) -> None:
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    save_file({"latent": latent.contiguous()}, partial)
    partial.replace(path)
