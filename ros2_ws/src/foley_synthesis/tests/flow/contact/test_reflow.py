"""Pairs of noise and sound, and a second flow that is to join them in straight lines."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from foley_synthesis.flow.contact import reflow
from foley_synthesis.flow.contact.config import ContactTrainConfig
from foley_synthesis.flow.contact.reflow import Pairs, make_pairs, reflow_loss, reflow_source
from foley_synthesis.flow.contact.sampling import ContactSampling, sample_latent
from foley_synthesis.flow.contact.synthetic import synthetic_field, synthetic_items
from foley_synthesis.flow.networks.contact_field import ContactField

CONFIG = ContactTrainConfig(size="tiny", batch=6, frames=40, joint_dropout=0.0)
MANY = ContactSampling(steps=25)


class Curved(ContactField):
    """dx/dt = (2 t + 1) x, whose paths end at e^2 times where they begin."""

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        return x * (2.0 * t[:, None, None] + 1.0)


class Joining(ContactField):
    """The straight lines between the same ends, as they are for a number of steps of Euler's method."""

    factor = 1.0

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        along = t[:, None, None]
        return x / (1.0 + along * (self.factor - 1.0)) * (self.factor - 1.0)


def of(kind: type[ContactField]) -> ContactField:
    plain = synthetic_field()
    field = kind(plain.config)
    field.load_state_dict(plain.state_dict())
    return field.eval()


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return make_pairs(of(Curved), synthetic_items(2), CONFIG, MANY, 2, 1.0)


def test_straight_lines_between_the_pairs_have_no_loss_and_one_step_along_them_is_many_of_the_first(
    pairs: Pairs,
) -> None:
    straight = of(Joining)
    assert isinstance(straight, Joining)
    straight.factor = float(torch.tensor([1 + (2 * k / 25 + 1) / 25 for k in range(25)]).prod())
    assert straight.factor == pytest.approx(2.718**2, rel=0.15)  # Euler is late
    assert reflow_loss(pairs)(straight) < 1e-4  # latents are kept in half precision
    assert reflow_loss(pairs)(of(Curved)) > 0.1
    batch, noise = pairs.batch(1, straight)
    known = straight.condition(batch.condition, batch.given, batch.groups)
    once = sample_latent(straight, noise, known, None, ContactSampling(steps=1))
    torch.testing.assert_close(once, straight.normalise(batch.latent), rtol=0.01, atol=0.02)


def test_training_asks_mostly_where_one_of_four_steps_begins(pairs: Pairs) -> None:
    source, field = reflow_source(pairs), of(Curved)
    drawn = [source(field, torch.Generator().manual_seed(seed)) for seed in range(60)]
    times = torch.cat([draw.t for _, draw in drawn])
    begins = (times * 4) % 1 == 0
    assert float(begins.float().mean()) == pytest.approx(0.75, abs=0.08)
    counts = torch.bincount((times[begins] * 4).long())
    assert len(counts) == 4 and int(counts.min()) > 40
    batch, draw = drawn[0]
    again, _ = next(
        one for one in (pairs.batch(k, field) for k in range(2)) if torch.equal(one[1], draw.noise)
    )
    torch.testing.assert_close(batch.latent, again.latent)


def test_pairs_that_are_there_are_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items, field = synthetic_items(2), of(Curved)
    made = make_pairs(field, items, CONFIG, MANY, 2, 1.0, folder=tmp_path, key="a")

    def refuse(*args: object) -> Tensor:
        raise AssertionError("made again")

    monkeypatch.setattr(reflow, "_joined", refuse)
    again = make_pairs(field, items, CONFIG, MANY, 2, 1.0, folder=tmp_path, key="a")
    for one, other in zip(made.latents, again.latents, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    with pytest.raises(AssertionError, match="made again"):
        make_pairs(field, items, CONFIG, MANY, 2, 1.0, folder=tmp_path, key="b")
