"""Sampling along a field that is known, and guidance that leaves the level alone."""

from __future__ import annotations

import types

import pytest
import torch
from torch import Tensor

from foley_synthesis.flow.contact.loss import (
    channel_weights,
    draw_flow,
    even_times,
    flow_errors,
    weighted_mean,
)
from foley_synthesis.flow.contact.sampling import ContactSampling, guided, sample_latent

CONTENT = 3


class Straight:
    """The field whose paths end where the condition says; of each item, along t."""

    config = types.SimpleNamespace(content=CONTENT)

    def __init__(self) -> None:
        self.asked: list[float] = []

    def __call__(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        self.asked.append(float(t[0]))
        return (condition.transpose(1, 2) - x) / (1.0 - t[:, None, None])


@pytest.mark.parametrize(("steps", "method"), [(1, "euler"), (7, "euler"), (5, "heun")])
def test_straight_paths_end_exactly_where_they_lead(steps: int, method: str) -> None:
    target, noise = torch.randn(2, 9, CONTENT + 1), torch.randn(2, CONTENT + 1, 9)
    config = ContactSampling(steps=steps, method=method)  # type: ignore[arg-type]
    made = sample_latent(Straight(), noise, target, None, config)  # type: ignore[arg-type]
    torch.testing.assert_close(made, target.transpose(1, 2), rtol=1e-4, atol=1e-5)


def test_temperature_scales_the_noise_that_paths_begin_with() -> None:
    class Still(Straight):
        def __call__(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
            return torch.zeros_like(x)

    noise, condition = torch.randn(2, CONTENT + 1, 9), torch.zeros(2, 9, CONTENT + 1)
    made = sample_latent(Still(), noise, condition, None, ContactSampling(temperature=0.6))  # type: ignore[arg-type]
    torch.testing.assert_close(made, 0.6 * noise)
    with pytest.raises(ValueError, match=r"temperature is -0\.1"):
        ContactSampling(temperature=-0.1)


def test_heun_is_of_second_order() -> None:
    class Turning(Straight):
        def __call__(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
            return x * (2.0 * t[:, None, None] + 1.0)  # x(1) = e^2 x(0)

    noise, condition = torch.ones(1, CONTENT + 1, 2, dtype=torch.float64), torch.zeros(1, 2, CONTENT + 1)

    def error(steps: int, method: str) -> float:
        config = ContactSampling(steps=steps, method=method)  # type: ignore[arg-type]
        made = sample_latent(Turning(), noise, condition, None, config)  # type: ignore[arg-type]
        return float((made - torch.e**2).abs().max())

    assert error(40, "euler") / error(80, "euler") == pytest.approx(2.0, rel=0.1)
    # Its last step is one of Euler's, whose error is of second order in the step as well.
    assert error(40, "heun") / error(80, "heun") == pytest.approx(4.0, rel=0.2)


def test_guidance_acts_on_content_within_its_interval_and_never_on_the_level() -> None:
    known, unknown = torch.randn(2, CONTENT + 1, 30), torch.randn(2, CONTENT + 1, 30)
    x = torch.randn(2, CONTENT + 1, 30)
    plain = guided(x, 0.5, known, unknown, CONTENT, ContactSampling(guidance=3.0, rescale=0.0))
    torch.testing.assert_close(plain[:, :CONTENT], (unknown + 3.0 * (known - unknown))[:, :CONTENT])
    torch.testing.assert_close(plain[:, CONTENT:], known[:, CONTENT:])
    scaled = guided(x, 0.5, known, unknown, CONTENT, ContactSampling(guidance=3.0, rescale=1.0))
    end, without = x + 0.5 * scaled, x + 0.5 * known
    torch.testing.assert_close(end[:, :CONTENT].std((1, 2)), without[:, :CONTENT].std((1, 2)))
    torch.testing.assert_close(scaled[:, CONTENT:], known[:, CONTENT:])


def test_outside_the_interval_the_null_is_not_asked() -> None:
    field = Straight()
    noise, condition = torch.randn(1, CONTENT + 1, 4), torch.randn(1, 4, CONTENT + 1)
    seen: list[int] = []
    original = field.__call__

    class Counting(Straight):
        def __call__(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
            seen.append(len(x))
            return original(x, t, condition)

    config = ContactSampling(steps=4, guidance=2.0, interval=(0.2, 0.6))
    sample_latent(Counting(), noise, condition, torch.zeros_like(condition), config)  # type: ignore[arg-type]
    assert seen == [1, 2, 2, 1]  # at 0, 1/4, 1/2, 3/4
    with pytest.raises(ValueError, match="null condition"):
        sample_latent(field, noise, condition, None, config)  # type: ignore[arg-type]


def test_the_error_of_the_best_guess_of_noise_alone_is_1_at_every_time() -> None:
    class Best(Straight):
        def __call__(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
            t = t[:, None, None]  # E[x_1 - x_0 | x_t] of independent unit normal x_0, x_1
            return x * (2.0 * t - 1.0) / (t.square() + (1.0 - t).square())

    generator = torch.Generator().manual_seed(0)
    data = torch.randn(6, CONTENT + 1, 20_000, generator=generator)
    draw = draw_flow(6, CONTENT + 1, 20_000, generator)
    errors = flow_errors(Best(), data, torch.zeros(6, 20_000, 1), draw)  # type: ignore[arg-type]
    torch.testing.assert_close(errors.mean((1, 2)), torch.ones(6), rtol=0.03, atol=0.0)


def test_two_halves_of_a_batch_weigh_as_the_whole() -> None:
    errors, frames = torch.rand(4, CONTENT + 1, 6), torch.rand(4, 6)
    channels = channel_weights(torch.rand(CONTENT) + 0.1, 0.125)
    whole = weighted_mean(errors, frames, channels)
    halves = weighted_mean(errors[:2], frames[:2], channels) + weighted_mean(errors[2:], frames[2:], channels)
    torch.testing.assert_close(whole, halves / 2)
    # One that is 1 everywhere has mean 1, whatever the weights.
    ones = weighted_mean(torch.ones_like(errors), torch.ones(4, 6), channels)
    torch.testing.assert_close(ones, torch.tensor(1.0))


def test_channels_weigh_as_they_are_heard_and_the_level_against_all_of_them() -> None:
    weights = channel_weights(torch.tensor([3.0, 1.0]), 0.25)
    torch.testing.assert_close(weights, torch.tensor([0.6, 0.2, 0.2]))


def test_even_times_have_the_distribution_of_drawn_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = draw_flow(20_000, 1, 1, generator, mean=-0.4, spread=0.8).t.sort().values
    even = even_times(20_000, generator, mean=-0.4, spread=0.8).sort().values
    assert float((drawn - even).abs().max()) < 0.05
    assert float((drawn - even).abs().mean()) < 0.01


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"interval": (0.8, 0.2)}, "interval"),
        ({"method": "rk4"}, "method is `rk4`"),
    ],
)
def test_ways_to_sample_that_cannot_work_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ContactSampling(**changes)  # type: ignore[arg-type]
