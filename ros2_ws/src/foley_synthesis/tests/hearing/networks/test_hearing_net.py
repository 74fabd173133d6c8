import pytest
import torch

from foley_synthesis.hearing.networks.hearing_net import HearingEnsemble, HearingNet, HearingOutput, NetConfig

SIZE = NetConfig(bands=32, materials=5, actions=3, widths=(8, 16, 16), blocks=1, squeezed=8, embedding=12)


def made(seed: int = 0) -> HearingNet:
    torch.manual_seed(seed)
    return HearingNet(SIZE).eval()


def features(n: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    level = torch.rand(n, 40, 32, generator=generator)
    return torch.stack([level, torch.ones_like(level)], dim=1)


def test_every_head_has_its_size_and_range() -> None:
    with torch.no_grad():
        output = made()(features())
    shapes = {name: tuple(value.shape) for name, value in output._asdict().items()}
    assert shapes == {
        "logits": (3, 5), "action_logits": (3, 3), "embedding": (3, 12),
        **dict.fromkeys(("log10_e_mean", "log10_e_std", "log10_density_mean", "log10_density_std"), (3,)),
        **dict.fromkeys(("roughness", "hollowness", "contact_logit"), (3,)),
    }  # fmt: skip
    for value in (output.roughness, output.hollowness):
        assert ((value > 0) & (value < 1)).all()
    assert (output.log10_e_std > 0).all() and abs(float(output.log10_e_mean.mean()) - 10.0) < 3.0


def test_the_default_size_is_small() -> None:
    network = HearingNet(NetConfig(bands=64, materials=13, actions=10))
    assert 2e5 < sum(p.numel() for p in network.parameters()) < 1e6


def test_the_colour_of_a_microphone_leaves_the_own_level_of_bands() -> None:
    level = 0.3 + 0.4 * torch.rand(1, 40, 32)
    known = torch.ones_like(level)
    colour = 0.2 * torch.linspace(-1, 1, 32)
    seen, coloured = (made()._seen(torch.stack([x, known], dim=1)) for x in (level, level + colour))
    torch.testing.assert_close(seen[:, 2:4], coloured[:, 2:4])  # level against its own peak, and slope
    assert not torch.allclose(seen[:, 0], coloured[:, 0])


def test_an_ensemble_is_the_mean_of_its_members() -> None:
    members = [made(0), made(1)]
    with torch.no_grad():
        both, (one, two) = HearingEnsemble(members)(features()), [m(features()) for m in members]
    torch.testing.assert_close(both.logits, (one.logits + two.logits) / 2)
    assert both.embedding.shape == (3, 24)
    # The variance of a mixture is the mean of variances and the variance of means.
    spread = (one.log10_e_mean - two.log10_e_mean).square() / 4
    expected = ((one.log10_e_std.square() + two.log10_e_std.square()) / 2 + spread).sqrt()
    torch.testing.assert_close(both.log10_e_std, expected)
    with torch.no_grad():
        alone: HearingOutput = HearingEnsemble(members[:1])(features())
    torch.testing.assert_close(alone.logits, one.logits)


@pytest.mark.parametrize(("field", "value"), [("widths", (8,)), ("widths", (8, 10)), ("embedding", 0)])
def test_sizes_that_cannot_be_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        NetConfig(**{"bands": 32, "materials": 5, "actions": 3, field: value})  # type: ignore[arg-type]
