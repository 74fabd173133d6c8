"""How good a flow is on sessions that it does not train on: its loss on fixed draws, and what its sounds are like."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foley_synthesis.flow.codec.network import Codec, Coded
from foley_synthesis.flow.contact.batches import ContactBatch, draw_crops, make_batch, null_given
from foley_synthesis.flow.contact.config import ContactTrainConfig
from foley_synthesis.flow.contact.items import ContactItems
from foley_synthesis.flow.contact.loss import FlowDraw, even_times, flow_errors, weighted_mean
from foley_synthesis.flow.contact.sampling import ContactSampling, sample_latent
from foley_synthesis.flow.networks.contact_field import ContactField
from foley_synthesis.flow.networks.mel import decibels
from foley_synthesis.flow.session_features import log_mel
from foley_synthesis.metrics.foreground import above_floor, foreground_error

_SEED = 1  # the same for every run: losses of runs are comparable
_BATCH = 32
_WINDOW = 250  # frames: 8 s


def validation_loss(
    items: ContactItems, config: ContactTrainConfig, *, windows: int = 64, draws: int = 4
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
            crops = draw_crops(items, still, field.motion, generator)
            crops = dataclasses.replace(crops, groups=torch.ones_like(crops.groups))
            times = even_times(windows * draws, generator, mean=config.time_mean, spread=config.time_spread)
            for repeat in range(draws):
                noise = torch.randn(windows, field.config.latent, config.frames, generator=generator)
                draw = FlowDraw(noise, times[repeat * windows : (repeat + 1) * windows])
                for begin in range(0, windows, _BATCH):
                    rows = slice(begin, begin + _BATCH)
                    fixed.append((make_batch(items, crops[rows], still, mean_weight), draw[rows]))
        total = 0.0
        for batch, draw in fixed:
            batch = batch.to(device)
            condition = field.condition(batch.condition, batch.given, batch.groups)
            errors = flow_errors(field, field.normalise(batch.latent), condition, draw)
            total += float(weighted_mean(errors, batch.weight, field.channel_weights)) * len(batch.latent)
        return total / (windows * draws)

    return loss


def foreground_errors(
    items: ContactItems, codec: Codec, config: ContactTrainConfig, sampling: ContactSampling | None = None
) -> Callable[[ContactField], dict[str, float]]:
    """Foreground error [dB] of one sound of each of some windows of 8 s, against what the codec makes of the true one.

    Of planned motion, without being told what is touched or how it sounded before.
    """
    sampling = sampling or ContactSampling()
    fixed: list[tuple[ContactBatch, Tensor, list[NDArray[np.float32]]]] = []

    def above(sound: Tensor) -> NDArray[np.float32]:
        return above_floor(decibels(log_mel()(sound)).numpy())

    def prepare(field: ContactField) -> None:
        longest = max(item.frames for item in items.sessions)
        still = dataclasses.replace(
            config,
            batch=config.listen_windows, frames=min(_WINDOW, longest), executed=0.0, shift_s=0.0, lift_m=0.0,
            joint_dropout=0.0, dropout=0.0, what_true=0.0, what_blurred=0.0, near_contact=1.0,
            without=tuple({*config.without, "hits"}),
        )  # fmt: skip
        generator = torch.Generator().manual_seed(_SEED)
        crops = draw_crops(items, still, field.motion, generator)
        crops = dataclasses.replace(crops, groups=torch.ones_like(crops.groups))
        batch = make_batch(items, crops, still, 1.0)
        noise = torch.randn(batch.latent.shape, generator=generator)
        truth = codec.decode(Coded(batch.latent[:, :-1], batch.latent[:, -1:]))
        fixed.append((batch, noise, [above(sound) for sound in truth]))

    @torch.no_grad()
    def listen(field: ContactField) -> dict[str, float]:
        if not fixed:
            prepare(field)
        batch, noise, truth = fixed[0]
        device = next(field.parameters()).device
        batch = batch.to(device)
        known = field.condition(batch.condition, batch.given, batch.groups)
        null = None
        if sampling.guidance != 1.0:
            null = field.condition(batch.condition, null_given(batch.given), batch.groups)
        latent = field.restore(sample_latent(field, noise.to(device), known, null, sampling)).cpu()
        sounds = codec.decode(Coded(latent[:, :-1], latent[:, -1:]))
        errors = [foreground_error(above(made), real) for made, real in zip(sounds, truth, strict=True)]
        return {"foreground_db": float(np.mean(errors))}

    return listen
