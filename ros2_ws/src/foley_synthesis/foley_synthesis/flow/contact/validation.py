"""How good a flow is on sessions that it does not train on: its loss on fixed draws, and what its sounds are like."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch

from foley_synthesis.flow.contact.batches import ContactBatch, draw_crops, make_batch
from foley_synthesis.flow.contact.config import ContactTrainConfig
from foley_synthesis.flow.contact.items import ContactItems
from foley_synthesis.flow.contact.loss import FlowDraw, even_times, flow_errors, weighted_mean
from foley_synthesis.flow.contact.what import WhatLayout
from foley_synthesis.flow.networks.contact_field import ContactField

_SEED = 1  # the same for every run: losses of runs are comparable
_BATCH = 32


def validation_loss(
    items: ContactItems, config: ContactTrainConfig, layout: WhatLayout, *, windows: int = 64, draws: int = 4
) -> Callable[[ContactField], float]:
    """The loss of planned motion on fixed crops, noise and times, each condition given but those left out for good."""
    still = dataclasses.replace(
        config, batch=windows, executed=0.0, shift_s=0.0, lift_m=0.0, joint_dropout=0.0, dropout=0.0
    )
    mean_weight = items.mean_weight(config.foreground_weight)
    fixed: list[tuple[ContactBatch, FlowDraw]] = []

    @torch.no_grad()
    def loss(field: ContactField) -> float:
        device = next(field.parameters()).device
        if not fixed:
            generator = torch.Generator().manual_seed(_SEED)
            crops = draw_crops(items, still, field.motion, layout, generator)
            crops = dataclasses.replace(crops, groups=torch.ones_like(crops.groups))
            times = even_times(windows * draws, generator, mean=config.time_mean, spread=config.time_spread)
            for repeat in range(draws):
                noise = torch.randn(windows, field.config.latent, config.frames, generator=generator)
                draw = FlowDraw(noise, times[repeat * windows : (repeat + 1) * windows])
                for begin in range(0, windows, _BATCH):
                    rows = slice(begin, begin + _BATCH)
                    fixed.append((make_batch(items, crops[rows], still, layout, mean_weight), draw[rows]))
        total = 0.0
        for batch, draw in fixed:
            batch = batch.to(device)
            condition = field.condition(batch.condition, batch.given, batch.groups)
            errors = flow_errors(field, field.normalise(batch.latent), condition, draw)
            total += float(weighted_mean(errors, batch.weight, config.level_weight)) * len(batch.latent)
        return total / (windows * draws)

    return loss
