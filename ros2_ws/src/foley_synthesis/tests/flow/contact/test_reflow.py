"""A second flow that follows the first one in few steps."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from foley_synthesis.flow.contact import reflow
from foley_synthesis.flow.contact.config import ContactTrainConfig
from foley_synthesis.flow.contact.loop import crops_of, train
from foley_synthesis.flow.contact.reflow import make_pairs, reflow_loss, reflow_source
from foley_synthesis.flow.contact.sampling import ContactSampling, sample_latent
from foley_synthesis.flow.contact.synthetic import synthetic_field, synthetic_items

CPU = torch.device("cpu")
CONFIG = ContactTrainConfig(
    size="tiny", steps=45, batch=16, frames=40, threads=1, precision="fp32", listen_every_s=0,
    learning_rate=5e-3, ema_decay=0.9, joint_dropout=0.0,
)  # fmt: skip
MANY = ContactSampling(steps=12)


def test_two_steps_of_the_second_are_nearer_to_many_of_the_first_than_its_own_two() -> None:
    items = synthetic_items(8)
    field = synthetic_field()
    train(field, crops_of(items, CONFIG), CONFIG, CPU, validate=lambda ema: 0.0)
    first = synthetic_field()
    first.load_state_dict(field.state_dict())
    first.eval().requires_grad_(False)
    pairs = make_pairs(first, items, CONFIG, MANY, 4, 1.0)
    held_out = make_pairs(first, synthetic_items(4, first=50), CONFIG, MANY, 1, 1.0)
    before = reflow_loss(held_out)(field)
    straight = dataclasses.replace(CONFIG, learning_rate=2e-3)
    train(field, reflow_source(pairs), straight, CPU, validate=reflow_loss(held_out))
    assert reflow_loss(held_out)(field) < 0.9 * before
    batch, noise = held_out.batch(0, first)
    many = first.normalise(batch.latent)

    def apart(of: object) -> float:
        known = of.condition(batch.condition, batch.given, batch.groups)  # type: ignore[attr-defined]
        made = sample_latent(of, noise, known, None, ContactSampling(steps=2))  # type: ignore[arg-type]
        return float((made - many).square().mean())

    with torch.no_grad():
        assert apart(field) < 0.7 * apart(first)


def test_pairs_that_are_there_are_not_made_again(tmp_path: Path, monkeypatch: object) -> None:
    items, field = synthetic_items(2), synthetic_field().eval()
    made = make_pairs(field, items, CONFIG, ContactSampling(steps=1), 2, 1.0, folder=tmp_path, key="a")
    original = reflow._joined

    def refuse(*args: object) -> torch.Tensor:
        raise AssertionError("made again")

    reflow._joined = refuse  # type: ignore[assignment]
    try:
        again = make_pairs(field, items, CONFIG, ContactSampling(steps=1), 2, 1.0, folder=tmp_path, key="a")
    finally:
        reflow._joined = original
    for one, other in zip(made.latents, again.latents, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    batch, noise = again.batch(1, field)
    known = field.condition(batch.condition, batch.given, batch.groups)
    latent = field.restore(sample_latent(field, noise, known, None, ContactSampling(steps=1)))
    torch.testing.assert_close(batch.latent, latent.detach(), rtol=2e-3, atol=2e-3)
