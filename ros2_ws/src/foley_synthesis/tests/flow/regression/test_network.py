"""The network, its losses and the sound of its levels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from foley_synthesis.flow.networks.mel import FINE, LogMel, decibels
from foley_synthesis.flow.regression.config import RegressionConfig, RegressionTrainConfig
from foley_synthesis.flow.regression.loss import energy_loss, foreground_error, mean_loss
from foley_synthesis.flow.regression.network import RegressionNet
from foley_synthesis.flow.regression.sound import LevelVocoder, levels_over, tone_over_floor
from foley_synthesis.metrics.audio import onsets

GROUPS = {"height": 3, "force": 2}


def net(noise: int = 0) -> RegressionNet:
    torch.manual_seed(0)
    return RegressionNet(RegressionConfig.of(GROUPS, width=8, deep_width=12, noise=noise)).eval()


def randn(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_levels_are_for_each_row_and_never_under_the_floor() -> None:
    made = net()(randn(2, 100, 5), torch.full((2, 80), -80.0))
    assert made.shape == (2, 80, 100) and float(made.detach().min()) >= 0.0


def test_each_level_of_the_network_sees_as_far_back_as_ahead() -> None:
    features = randn(1, 256, 5).requires_grad_()
    model = RegressionNet(RegressionConfig.of(GROUPS, width=8, deep_width=12, levels=1)).eval()
    made = model(features, torch.full((1, 80), -80.0))
    rows = []
    for frame in (128, 131):  # of one frame at 31.25 Hz, first and last
        (slope,) = torch.autograd.grad(made[0, :, frame].sum(), features, retain_graph=True)
        rows.append(torch.nonzero(slope[0].abs().sum(-1)).flatten())
    assert (
        129.5 - int(rows[0][0]) + 129.5 - int(rows[1][0])
        == int(rows[0][-1]) - 129.5 + int(rows[1][-1]) - 129.5
    )


def test_a_group_that_is_left_out_has_no_influence() -> None:
    model, features, floor = net(), randn(2, 64, 5), torch.full((2, 80), -80.0)
    kept = torch.tensor([[1.0, 0.0]]).expand(2, 2)
    other = features.clone()
    other[..., 3:] = randn(2, 64, 2, seed=2)
    torch.testing.assert_close(model(features, floor, kept), model(other, floor, kept))
    assert not torch.allclose(model(features, floor), model(other, floor))
    assert not torch.allclose(model(features, floor), model(features, floor, kept))


def test_a_louder_room_hides_more_of_the_same_sound() -> None:
    model = net()
    with torch.no_grad():
        model._room.weight.zero_()  # so that the room has no influence on what is made
    features = randn(1, 64, 5)
    quiet, loud = (model(features, torch.full((1, 80), level)) for level in (-80.0, -60.0))
    tone = torch.pow(10.0, tone_over_floor() / 10.0)[:, None]
    power = [torch.pow(10.0, over / 10.0) - tone for over in (quiet, loud)]
    torch.testing.assert_close(power[0], 100.0 * power[1], rtol=1e-2, atol=0.05)


def test_noise_makes_draws_and_must_be_given() -> None:
    model, features, floor = net(noise=2), randn(1, 100, 5), torch.full((1, 80), -80.0)
    draws = [
        model(features, floor, noise=model.draw_noise(1, 100, torch.Generator().manual_seed(s)))
        for s in (1, 2, 1)
    ]
    assert not torch.allclose(draws[0], draws[1], atol=1e-3)
    torch.testing.assert_close(draws[0], draws[2])
    with pytest.raises(ValueError, match="noise is given for 0 levels, must be for 4"):
        model(features, floor)
    assert net().draw_noise(1, 100) == []


def test_the_error_counts_where_either_stands_out() -> None:
    real, made = torch.zeros(1, 80, 10), torch.zeros(1, 80, 10)
    real[0, :8, 3] = 30.0
    made[0, :8, 3] = 24.0
    made[0, 8:16, 5] = 18.0
    made[0, 40:, 7] = 5.0  # background
    assert float(foreground_error(made, real)) == pytest.approx((6.0 + 18.0) / 2)
    assert float(foreground_error(real, real)) == 0.0


def test_the_loss_of_a_late_sound_is_more_than_that_of_one_as_far_off_in_level() -> None:
    real = torch.zeros(1, 80, 60)
    real[:, :, 20:] = 30.0 - 0.5 * torch.arange(40.0)
    weights = {"foreground": 8.0, "onset": 2.0, "rise": 0.5}
    late = torch.roll(real, 2, dims=2)
    apart = float((late - real).abs().mean())
    quieter = torch.where(real > 0, real - apart * real.numel() / float((real > 0).sum()), real)
    assert float((quieter - real).abs().mean()) == pytest.approx(apart, rel=0.05)
    assert float(mean_loss(late, real, **weights)) > 1.5 * float(mean_loss(quieter, real, **weights))
    assert float(mean_loss(real, real, **weights)) == 0.0


def test_what_is_made_is_as_loud_as_a_quantile_of_what_is_likely() -> None:
    real = torch.linspace(20.0, 40.0, 21)[:, None, None].expand(-1, 80, 12)
    weights = {"foreground": 0.0, "onset": 0.0, "rise": 0.0}
    for quantile in (0.25, 0.5, 0.75):
        costs = [
            float(mean_loss(torch.full_like(real, level), real, quantile=quantile, **weights))
            for level in torch.linspace(20.0, 40.0, 21)
        ]
        assert 20.0 + int(np.argmin(costs)) == pytest.approx(20.0 + 20.0 * quantile, abs=1.0)


def test_draws_as_varied_as_the_truth_beat_their_mean_and_draws_that_vary_too_much() -> None:
    torch.manual_seed(3)
    real = 30.0 + 6.0 * torch.randn(64, 1, 1).expand(-1, 20, 16)

    def score(spread: float) -> float:
        draws = 30.0 + spread * torch.randn(4, 64, 1, 1).expand(-1, -1, 20, 16)
        return float(energy_loss(draws, real))

    assert score(6.0) < 0.85 * score(0.0)
    assert score(6.0) < 0.85 * score(18.0)


def test_draws_that_are_right_in_each_bin_but_not_together_cost_more() -> None:
    torch.manual_seed(4)
    real = 30.0 + 6.0 * torch.randn(512, 1, 1).expand(-1, 20, 16)
    together = 30.0 + 6.0 * torch.randn(4, 512, 1, 1).expand(-1, -1, 20, 16)
    apart = 30.0 + 6.0 * torch.randn(4, 512, 20, 16)
    assert float(energy_loss(together, real)) < 0.97 * float(energy_loss(apart, real))


def test_levels_become_sound_over_the_tone_of_the_room() -> None:
    floor = torch.linspace(-70.0, -90.0, 80)
    over = tone_over_floor()[:, None].repeat(1, 250)
    for frame in (60, 160):
        sounding = torch.linspace(40.0, 15.0, 80)[:, None] - 0.4 * torch.arange(60)
        over[:, frame : frame + 60] = torch.maximum(over[:, frame : frame + 60], sounding)
    vocoder = LevelVocoder()
    sound = vocoder.waveform(over, floor, seed=1)
    heard = levels_over(torch.from_numpy(sound), floor)
    loud = over > 12.0
    assert float((heard - over)[loud].abs().mean()) < 2.0
    assert abs(float((heard - over)[loud].mean())) < 1.0
    found = onsets(sound, 16_000)
    assert all(np.abs(found - at).min() < 0.012 for at in (60 * 0.008, 160 * 0.008))
    assert np.array_equal(sound, vocoder.waveform(over, floor, seed=1))


def test_a_room_without_touches_has_its_floor_again() -> None:
    floor = torch.linspace(-70.0, -85.0, 80)
    tone = floor + tone_over_floor()
    made = torch.from_numpy(LevelVocoder().noise(tone, 8 * 16_000, seed=2))
    level = decibels(LogMel(**FINE)(made))
    mean = 20.0 * torch.pow(10.0, level / 20.0).mean(dim=1).log10()
    assert float((mean - tone).abs().max()) < 2.0 and abs(float((mean - tone).mean())) < 0.3
    assert float((level.quantile(0.2, dim=1) - floor).abs().max()) < 2.0
    assert 4.0 < float(tone_over_floor()[0]) < 7.0 and float(tone_over_floor()[-1]) < 3.0


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (lambda: RegressionConfig.of({}), "groups"),
        (lambda: RegressionConfig.of(GROUPS, kernel=4), "kernel"),
        (lambda: RegressionTrainConfig(minutes=0.0), "minutes"),
        (lambda: RegressionTrainConfig(executed=1.5), "executed"),
    ],
)
def test_a_value_that_cannot_work_is_named(made: object, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        made()  # type: ignore[operator]
