"""Shapes, gradients and modes of the networks."""

import math
from itertools import pairwise

import pytest
import torch

from foley_synthesis.beliefs.material_head import Targets, head_loss
from foley_synthesis.hearing.networks.heard_net import peak_normalised, spans
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.networks.networks import Networks
from foley_synthesis.vis.networks.sound_net import VisInput, normalise_action, robust_loss

CONFIG = ModelConfig(
    encoder_dims=20, hidden=16, still_units=8, frame_units=6, head_units=12, heard_units=8, materials=5
)


def batch(n: int = 3, *, executed: float = 1.0) -> VisInput:
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    return VisInput(random(n, 40), random(n, 10, 20), random(n, 90, 8), torch.full((n,), executed))


def test_shapes_and_a_gradient_for_every_parameter() -> None:
    networks = Networks(CONFIG)
    sound, said = networks.predict(batch())
    heard = networks.heard(torch.rand(3, CONFIG.hearing.frames, 42))
    assert sound.features.shape == (3, 90, 10) and sound.states.shape == (3, 90, 16)
    assert said.logits.shape == heard.logits.shape == (3, 5)
    targets = Targets(torch.tensor([0, 4, 2]), torch.tensor([9.0, 11.0, 10.0]), torch.rand(3), torch.rand(3))
    loss = (
        robust_loss(sound.features, torch.zeros(3, 90, 10))
        + head_loss(said, targets)
        + head_loss(heard, targets)
    )
    loss.backward()
    without = [n for n, p in networks.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


def test_planned_mode_sees_no_frames() -> None:
    """Whatever stands in `frames`, a planned prediction must not change."""
    networks = Networks(CONFIG).eval()
    planned = batch(executed=0.0)
    other = planned._replace(frames=planned.frames + 100.0)
    assert torch.equal(networks.vis(planned).features, networks.vis(other).features)
    executed = batch(executed=1.0)
    other = executed._replace(frames=executed.frames + 1.0)
    assert not torch.allclose(networks.vis(executed).features, networks.vis(other).features)


def test_a_prediction_does_not_see_the_future_of_the_action() -> None:
    networks = Networks(CONFIG).eval()
    first = batch()
    action = first.action.clone()
    action[:, 60:] += 1.0
    second = first._replace(action=action)
    a, b = networks.vis(first).features, networks.vis(second).features
    assert torch.equal(a[:, :60], b[:, :60]) and not torch.allclose(a[:, 60:], b[:, 60:])


def test_robust_loss_is_eq_4() -> None:
    predicted, target = torch.zeros(1, 2, 3), torch.tensor([[[3.0, 0.0, 4.0], [0.0, 0.0, 0.0]]])
    expected = (math.log(0.5 + 25.0) + math.log(0.5)) / 2
    assert float(robust_loss(predicted, target, epsilon=0.5)) == pytest.approx(expected, abs=1e-6)


def test_head_loss_leaves_out_what_is_unknown() -> None:
    networks = Networks(CONFIG).eval()
    output = networks.heard(torch.rand(4, CONFIG.hearing.frames, 42))
    nothing = Targets(torch.full((4,), -1), *(torch.full((4,), math.nan) for _ in range(3)))
    assert head_loss(output, nothing).item() == 0.0
    some = nothing._replace(material=torch.tensor([2, -1, -1, -1]))
    assert 0.0 < head_loss(output, some).item() < math.inf


def test_head_gradient_of_zero_leaves_the_sound_alone() -> None:
    networks = Networks(CONFIG)
    _, said = networks.predict(batch(), head_gradient=0.0)
    said.logits.sum().backward()
    assert (
        networks.vis.output.weight.grad is None or float(networks.vis.output.weight.grad.abs().sum()) == 0.0
    )
    assert float(networks.predicted.head.material.weight.grad.abs().sum()) > 0.0


def test_heard_input_does_not_depend_on_the_gain() -> None:
    window = torch.rand(2, 59, 42)
    assert torch.allclose(peak_normalised(window), peak_normalised(window * 0.3))
    assert torch.isfinite(peak_normalised(torch.zeros(1, 59, 42))).all()


def test_action_in_si_units_becomes_unit_size() -> None:
    action = torch.zeros(1, 8)
    action[0] = torch.tensor([0.05, -0.05, 0.1, 0.3, 0.0, -0.6, 0.05, math.e - 1])
    assert torch.allclose(normalise_action(action), torch.tensor([[1.0, -1, 2, 1, 0, -2, 1, 1]]))
    assert float(normalise_action(torch.full((1, 8), 1e9)).max()) <= 6.0
    assert not normalise_action(torch.full((1, 8), torch.nan)).any(), (
        "what is not known is 0 for the networks"
    )


def test_config_names_the_bad_field() -> None:
    with pytest.raises(ValueError, match="hidden is 0"):
        ModelConfig(hidden=0)
    with pytest.raises(ValueError, match="frame_stride is 4"):
        ModelConfig(frame_stride=4)
    with pytest.raises(ValueError, match="unknown fields"):
        ModelConfig.from_dict({"depth": 3})
    assert ModelConfig.from_dict(CONFIG.to_dict()) == CONFIG


def test_statistics_give_unit_size() -> None:
    networks = Networks(CONFIG)
    generator = torch.Generator().manual_seed(0)
    still = torch.randn(500, 40, generator=generator) * 2 + 5
    frames = torch.randn(100, 10, 20, generator=generator) * 3 - 1
    windows = torch.rand(500, CONFIG.hearing.frames, 42, generator=generator)
    networks.set_statistics(still, frames, windows)
    for normal in (networks.normalise_still(still), networks.normalise_frames(frames)):
        assert abs(float(normal.mean())) < 0.05 and abs(float(normal.std()) - 1.0) < 0.05


def test_spans_cover_the_window_once_and_grow() -> None:
    found = spans(5, 59)
    assert found[0] == (0, 4) and found[-1][1] == 59
    assert all(a[1] == b[0] for a, b in pairwise(found))
    widths = [end - begin for begin, end in found[1:]]
    assert widths == sorted(widths)
