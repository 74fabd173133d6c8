"""Mel spectrograms, the vector field and rectified flow, each against what is known of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from foley_synthesis.flow.networks.autoencoder import AutoencoderConfig, MelAutoencoder
from foley_synthesis.flow.networks.mel import (
    BINS,
    FINE,
    HOP,
    RATE,
    GriffinLim,
    LogMel,
    decibels,
    magnitudes,
    of_magnitudes,
)
from foley_synthesis.flow.networks.rectified_flow import SampleConfig, flow_loss, sample
from foley_synthesis.flow.networks.vector_field import (
    ACTION_DIMS,
    FieldConfig,
    VectorField,
    latent_index,
    paper,
    small,
)

TINY = FieldConfig(vision_dims=6, condition=10, width=16, depth=1, heads=2, latent=4)


# ---- mel ---------------------------------------------------------------------------------------------------
def test_eight_seconds_are_500_frames_and_silence_is_minus_one() -> None:
    mel = LogMel()(torch.zeros(2, 8 * RATE))
    assert mel.shape == (2, BINS, 500)
    torch.testing.assert_close(mel, torch.full_like(mel, -1.0))


def test_a_click_is_in_the_frame_of_its_sample() -> None:
    sound = torch.zeros(RATE)
    sound[20 * HOP + HOP // 2] = 1.0
    loud = LogMel()(sound).mean(dim=0)
    assert int(loud.argmax()) == 20
    torch.testing.assert_close(loud[19], loud[21])


def test_fine_frames_are_at_125_hz_and_centred_on_the_middle_of_their_samples() -> None:
    sound = torch.zeros(8 * RATE)
    sound[500 * 128 + 64] = 1.0
    mel = LogMel(**FINE)(sound)
    assert mel.shape == (BINS, 1000)
    loud = mel.mean(dim=0)
    assert int(loud.argmax()) == 500
    torch.testing.assert_close(loud[499], loud[501])
    torch.testing.assert_close(decibels(mel[:, 0]), torch.full((BINS,), -100.0))
    made = GriffinLim(**FINE).waveform(mel.numpy())
    assert made.shape == (8 * RATE,) and abs(int(np.abs(made).argmax()) - (500 * 128 + 64)) <= 64


def test_magnitudes_undo_the_logarithm() -> None:
    mel = torch.linspace(-0.9, 1.5, 50).reshape(5, 10)
    torch.testing.assert_close(of_magnitudes(magnitudes(mel)), mel)
    torch.testing.assert_close(magnitudes(mel).log10() / 2.5 + 1.0, mel)
    assert magnitudes(LogMel(**FINE)(torch.zeros(4096))).abs().max() == 0.0


def test_griffin_lim_keeps_the_tone_of_a_quiet_room() -> None:
    room = 1e-4 * torch.randn(2 * RATE, generator=torch.Generator().manual_seed(0))
    transform = LogMel(**FINE)
    mel = transform(room)
    made = transform(torch.from_numpy(GriffinLim(**FINE).waveform(mel.numpy())))
    before, after = (decibels(values).quantile(0.2, dim=1) for values in (mel, made))
    assert before.median() < -90.0, "a few dB over the floor of the spectrogram"
    assert (after - before).abs().mean() < 0.5


def test_griffin_lim_gives_back_pitch_level_and_onset() -> None:
    time = torch.arange(2 * RATE) / RATE
    after = (time - 0.7).clamp(min=0.0)
    sound = 0.3 * torch.sin(2 * torch.pi * 1200 * after) * torch.exp(-6 * after)
    transform = LogMel()
    mel = transform(sound)
    made = GriffinLim().waveform(mel.numpy())
    assert made.shape == (mel.shape[1] * HOP,) and made.dtype == np.float32
    assert abs(int(np.argmax(np.abs(made) > 0.1)) - 0.7 * RATE) < 0.01 * RATE
    # Phases that do not quite agree sound before the onset, but softly.
    onset = round(0.7 * RATE)
    before, behind = (
        np.square(made[part]).sum() for part in (slice(onset - 800, onset - 80), slice(onset, onset + 1600))
    )
    assert 10 * np.log10(before / behind) < -15
    # Within the mel bin of 1,200 Hz, which is some 50 Hz wide.
    assert abs(int(np.abs(np.fft.rfft(made[-RATE:])).argmax()) - 1200) < 25
    loud = mel > 0.0
    assert float((transform(torch.from_numpy(made)) - mel).abs()[loud[:, : mel.shape[1]]].mean()) < 0.1
    np.testing.assert_array_equal(GriffinLim().waveform(mel.numpy()), made)


# ---- autoencoder -------------------------------------------------------------------------------------------
def test_the_latent_has_half_the_rate_and_unit_variance() -> None:
    torch.manual_seed(0)
    coder = MelAutoencoder(AutoencoderConfig(width=24))
    mels = torch.randn(20, BINS, 500) * torch.linspace(0.1, 1, BINS)[:, None]
    latent = coder.encode(mels)
    assert latent.shape == (20, 20, 250) and coder.decode(latent).shape == mels.shape
    coder.set_scale(mels)
    again = coder.encode(mels)
    torch.testing.assert_close(again.mean(dim=(0, 2)), torch.zeros(20), atol=1e-4, rtol=0)
    torch.testing.assert_close(again.std(dim=(0, 2)), torch.ones(20), atol=1e-3, rtol=0)
    # What is decoded does not depend on the scale.
    torch.testing.assert_close(coder.decode(again), coder.decode((latent - coder.shift) / coder.scale))


# ---- vector field ------------------------------------------------------------------------------------------
def test_the_network_of_the_paper_has_its_size_and_takes_a_step() -> None:
    field = VectorField(paper())
    count = sum(p.numel() for p in field.parameters())
    assert 150e6 < count < 165e6
    optimiser = torch.optim.SGD(field.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(1, 20, 16, generator=generator)
    known = field.condition(torch.randn(1, 2, 1536), torch.randn(1, 15, ACTION_DIMS), 16)
    before = field(data, torch.tensor([0.5]), known).detach()
    flow_loss(field, data, known, field.null_condition(1, 16), generator).backward()
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in field.parameters())
    optimiser.step()
    assert not torch.equal(field(data, torch.tensor([0.5]), known.detach()), before)


def test_the_small_network_is_small() -> None:
    assert 3e6 < sum(p.numel() for p in VectorField(small(3 * 1280)).parameters()) < 6e6


@pytest.mark.parametrize(("frames", "steps"), [(250, 32), (250, 240), (250, 250), (4, 8)])
def test_every_frame_takes_the_nearest_step(frames: int, steps: int) -> None:
    middles = (np.arange(steps) + 0.5) / steps
    at = (np.arange(frames) + 0.5) / frames
    away = np.abs(middles[latent_index(frames, steps)] - at)
    np.testing.assert_allclose(away, np.abs(middles[None] - at[:, None]).min(axis=1), atol=1e-12)


def test_sight_and_action_are_summed_and_action_has_unit_length() -> None:
    torch.manual_seed(0)
    field = VectorField(TINY)
    vision, action = torch.randn(3, 2, 6), torch.randn(3, 8, ACTION_DIMS)
    both = field.condition(vision, action, 16)
    only = field.condition(None, action, 16)
    torch.testing.assert_close(both, field.condition(vision, None, 16) + only)
    torch.testing.assert_close(only.norm(dim=-1), torch.ones(3, 16))
    assert torch.equal(only[:, 0], only[:, 1]) and not torch.equal(only[:, 1], only[:, 2])
    with pytest.raises(ValueError, match="neither vision nor action"):
        field.condition(None, None, 16)


def test_the_paper_takes_features_as_they_are() -> None:
    config = FieldConfig(vision_dims=6, condition=6, width=16, depth=1, heads=2, latent=4)
    vision = torch.randn(2, 4, 6)
    torch.testing.assert_close(VectorField(config).condition(vision, None, 4), vision)


def test_every_frame_hears_of_every_other() -> None:
    torch.manual_seed(0)
    field = VectorField(TINY)
    x = torch.randn(1, 4, 40, requires_grad=True)
    field(x, torch.tensor([0.3]), torch.randn(1, 40, 10))[0, :, 0].sum().backward()
    assert x.grad is not None and bool((x.grad[0].abs().sum(dim=0) > 0).all())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kernel": 4}, "kernel is 4"),
        ({"heads": 3}, "width is 16"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"depth": 0}, "depth"),
    ],
)
def test_sizes_that_cannot_work_are_named(change: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        FieldConfig(**{"vision_dims": 6, "condition": 10, "width": 16, "depth": 1, "heads": 2, **change})  # type: ignore[arg-type]


# ---- rectified flow ----------------------------------------------------------------------------------------
GOAL = 3.0
SPREAD = 0.5


def towards_a_point(x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
    """The field of data that is always ``GOAL`` where the condition is 1, and 0 where it is 0."""
    return (GOAL * condition.transpose(1, 2) - x) / (1 - t)[:, None, None]


def towards_a_gaussian(x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
    """E[x_1 - x_0 | x_t] for x_1 ~ N(GOAL, SPREAD^2)."""
    t = t[:, None, None]
    variance = (1 - t) ** 2 + (t * SPREAD) ** 2
    return GOAL + (t * SPREAD**2 - (1 - t)) / variance * (x - t * GOAL)


def test_the_loss_of_the_true_field_is_zero() -> None:
    generator = torch.Generator().manual_seed(0)
    known, nothing = torch.ones(64, 5, 1), torch.zeros(64, 5, 1)
    data = torch.full((64, 1, 5), GOAL)
    told = flow_loss(towards_a_point, data, known, nothing, generator, condition_dropout=0.0)
    assert float(told) < 1e-6
    # A sample with the null condition is drawn towards 0: off by GOAL / (1 - t).
    assert float(flow_loss(towards_a_point, data, known, nothing, generator, condition_dropout=0.2)) > 1.0


def test_so_many_samples_see_the_null_condition() -> None:
    seen: list[Tensor] = []

    def field(x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        seen.append(condition[:, 0, 0])
        return torch.zeros_like(x)

    count = 20_000
    generator = torch.Generator().manual_seed(0)
    flow_loss(
        field,
        torch.zeros(count, 1, 1),
        torch.ones(count, 1, 1),
        torch.zeros(count, 1, 1),
        generator,
        condition_dropout=0.2,
    )
    assert float(seen[0].mean()) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("steps", [1, 25])
def test_straight_paths_end_at_the_data_however_few_the_steps(steps: int) -> None:
    noise = torch.randn(6, 1, 5, generator=torch.Generator().manual_seed(1))
    made = sample(towards_a_point, noise, torch.ones(6, 5, 1), torch.zeros(6, 5, 1), SampleConfig(steps, 1.0))
    torch.testing.assert_close(made, torch.full_like(made, GOAL))


def test_noise_becomes_the_distribution_of_the_data() -> None:
    noise = torch.randn(20_000, 1, 1, generator=torch.Generator().manual_seed(2))
    nothing = torch.zeros(20_000, 1, 1)
    made = sample(towards_a_gaussian, noise, nothing, nothing, SampleConfig(100, 1.0))
    assert float(made.mean()) == pytest.approx(GOAL, abs=0.03)
    assert float(made.std()) == pytest.approx(SPREAD, abs=0.03)


def test_guidance_goes_beyond_the_condition() -> None:
    def constant(x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        return condition.transpose(1, 2).expand_as(x)

    known, nothing = torch.full((1, 4, 1), 2.0), torch.full((1, 4, 1), 0.5)
    for guidance in (0.0, 1.0, 4.5):
        made = sample(constant, torch.zeros(1, 1, 4), known, nothing, SampleConfig(5, guidance))
        torch.testing.assert_close(made, torch.full_like(made, 0.5 + guidance * 1.5))


def test_steps_and_guidance_are_checked() -> None:
    with pytest.raises(ValueError, match="steps is 0"):
        SampleConfig(0)
    with pytest.raises(ValueError, match="guidance is nan"):
        SampleConfig(guidance=math.nan)
