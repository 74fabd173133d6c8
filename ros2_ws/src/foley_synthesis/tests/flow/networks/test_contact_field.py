"""The vector field of contacts: its size, what it sees, and what it does where something is not known."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from foley_perception.action.contact_motion import GROUPS, NAMES
from foley_synthesis.flow.networks.contact_field import (
    CONDITIONS,
    HIT_FRAMES,
    ContactCondition,
    ContactField,
    ContactFieldConfig,
    Hits,
    paper,
    small,
    tiny,
)
from foley_synthesis.flow.networks.motion_encoder import MotionConfig

MOTION = MotionConfig.of(GROUPS)
WHAT, VIEWS, CONTENT = 7, 6, 4
FRAMES = 20


def made(seed: int = 0) -> ContactField:
    """A field that says something: at first every block's gate and the last layer are 0."""
    torch.manual_seed(seed)
    field = ContactField(tiny(MOTION, WHAT, VIEWS, CONTENT)).eval()
    with torch.no_grad():
        for value in field.parameters():
            if not value.any():
                value.normal_(std=0.3)
    return field


def known(frames: int = FRAMES, batch: int = 2, seed: int = 1) -> ContactCondition:
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    hits = Hits(
        noise(batch, 3, CONTENT + 1, HIT_FRAMES),
        noise(batch, 3, 4 * HIT_FRAMES, len(NAMES)),
        torch.ones(batch, frames, 3, dtype=torch.bool),
    )
    return ContactCondition(
        noise(batch, 4 * frames, len(NAMES)),
        torch.zeros(batch, dtype=torch.bool),
        noise(batch, 80),
        noise(batch, frames, WHAT),
        hits,
        noise(batch, 5, VIEWS),
    )


@pytest.mark.parametrize(("size", "low", "high"), [(small, 4.5e6, 5.6e6), (paper, 150e6, 165e6)])
def test_sizes_are_what_they_are_called(size: object, low: float, high: float) -> None:
    with torch.device("meta"):
        field = ContactField(size(MOTION, 29, 0))  # type: ignore[operator]
    assert low < sum(value.numel() for value in field.parameters()) < high


def test_the_untrained_field_is_the_best_for_noise_and_its_gradient_is_not_0() -> None:
    field = ContactField(tiny(MOTION, WHAT, VIEWS, CONTENT))
    x, t = torch.randn(2, CONTENT + 1, FRAMES), torch.tensor([0.1, 0.9])
    out = field(x, t, field.condition(known()))
    # E[x_1 - x_0 | x_t] of independent unit normal x_0, x_1.
    best = x * ((2.0 * t - 1.0) / (t.square() + (1.0 - t).square()))[:, None, None]
    torch.testing.assert_close(out, best)
    (out - x).square().mean().backward()
    assert float(field._outwards.weight.grad.abs().max()) > 0  # type: ignore[union-attr]


@pytest.mark.parametrize("name", CONDITIONS)
def test_each_condition_counts_and_has_its_null(name: str) -> None:
    field, told = made(), known()
    given = torch.ones(2, len(CONDITIONS))
    given[:, CONDITIONS.index(name)] = 0.0
    # Another motion and other hits are not seen where they are left out, with whatever they come.
    other = known(seed=2)
    if name == "motion":
        changed = dataclasses.replace(told, motion=other.motion, executed=~told.executed, hits=None)
        told = dataclasses.replace(told, hits=None)  # hits are looked up by motion
    else:
        changed = dataclasses.replace(told, **{name: getattr(other, name)})
    assert not torch.allclose(field.condition(told), field.condition(changed), atol=1e-3)
    torch.testing.assert_close(field.condition(told, given), field.condition(changed, given))
    if name != "motion":
        absent = dataclasses.replace(told, **{name: None})
        torch.testing.assert_close(field.condition(told, given), field.condition(absent))


def test_whether_motion_was_measured_is_told() -> None:
    field, told = made(), known()
    measured = dataclasses.replace(told, executed=~told.executed)
    assert not torch.allclose(field.condition(told), field.condition(measured), atol=1e-3)


def test_what_is_not_known_of_some_frames_is_null_there_alone() -> None:
    field, told = made(), known()
    assert told.what is not None
    what = told.what.clone()
    what[:, :5] = torch.nan
    partly = field.condition(dataclasses.replace(told, what=what))
    torch.testing.assert_close(partly[:, 5:], field.condition(told)[:, 5:])
    torch.testing.assert_close(partly[:, :5], field.condition(dataclasses.replace(told, what=None))[:, :5])


def test_a_hit_is_heard_only_in_frames_about_its_surface() -> None:
    field, told = made(), known()
    assert told.hits is not None
    use = told.hits.use.clone()
    use[:, 10:] = False
    use[:, :, 2] = False
    few = dataclasses.replace(told.hits, use=use)
    louder = dataclasses.replace(
        few, latent=few.latent + 3.0 * torch.tensor([1.0, 0, 0])[None, :, None, None]
    )
    one = field.condition(dataclasses.replace(told, hits=few))
    other = field.condition(dataclasses.replace(told, hits=louder))
    assert not torch.allclose(one[:, :10], other[:, :10], atol=1e-3)
    torch.testing.assert_close(one[:, 10:], other[:, 10:])
    torch.testing.assert_close(one[:, 10:], field.condition(dataclasses.replace(told, hits=None))[:, 10:])
    unheard = dataclasses.replace(
        few, latent=few.latent + 3.0 * torch.tensor([0, 0, 1.0])[None, :, None, None]
    )
    torch.testing.assert_close(one, field.condition(dataclasses.replace(told, hits=unheard)))


def test_views_change_nothing_at_first() -> None:
    field = ContactField(tiny(MOTION, WHAT, VIEWS, CONTENT)).eval()
    told = known()
    torch.testing.assert_close(field.condition(told), field.condition(dataclasses.replace(told, views=None)))


def test_a_field_goes_on_with_views_as_it_was_without() -> None:
    torch.manual_seed(1)
    blind = ContactField(tiny(MOTION, WHAT, 0, CONTENT)).eval()
    shown = 3.0 + 2.0 * torch.randn(200, VIEWS)
    shown[::7] = torch.nan
    seeing = blind.seeing(shown).eval()
    assert seeing.config == dataclasses.replace(blind.config, views=VIEWS)
    told = known()
    before = blind.condition(told)
    torch.testing.assert_close(seeing.condition(told), before)
    torch.testing.assert_close(seeing.views_mean, torch.full((VIEWS,), 3.0), rtol=0.2, atol=0.0)
    with torch.no_grad():
        seeing._views[-1].weight.normal_()
    assert told.views is not None
    after = seeing.condition(dataclasses.replace(told, views=torch.full_like(told.views, torch.nan)))
    torch.testing.assert_close(after, before)  # where nothing is seen, nothing is said
    assert float((seeing.condition(told) - before).abs().max().detach()) > 0.1
    with pytest.raises(ValueError, match="has views already"):
        seeing.seeing(shown)


def test_a_crop_amid_a_long_sound_has_the_field_of_that_sound() -> None:
    """Nothing looks further than the blocks reach: what was learned on crops holds for windows."""
    torch.manual_seed(0)
    config = dataclasses.replace(tiny(MOTION, WHAT, 0, CONTENT), reach=6)
    field = ContactField(config).eval()
    with torch.no_grad():
        for value in field.parameters():
            if not value.any():
                value.normal_(std=0.3)
    told = dataclasses.replace(known(100, 1), hits=None, views=None)
    x, t = torch.randn(1, CONTENT + 1, 100), torch.tensor([0.4])
    whole = field(x, t, field.condition(told))
    part = dataclasses.replace(told, motion=told.motion[:, 4 * 20 :], what=told.what[:, 20:])  # type: ignore[index]
    later = field(x[..., 20:], t, field.condition(part))
    # 8 frames of the motion encoder, 4 of each block's convolution, 6 of the attention.
    torch.testing.assert_close(whole[..., 50:], later[..., 30:], rtol=1e-4, atol=1e-5)


def test_normalise_and_restore_are_inverse_and_leave_unit_spread() -> None:
    field = made()
    latent = 3.0 * torch.randn(50, CONTENT + 1) + torch.arange(CONTENT + 1.0)
    field.set_statistics(latent, torch.randn(9, 80), torch.randn(9, 4, len(NAMES)), torch.randn(4, VIEWS))
    unit = field.normalise(latent.T)
    torch.testing.assert_close(unit.std(1), torch.ones(CONTENT + 1))
    torch.testing.assert_close(field.restore(unit), latent.T)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"kernel": 8}, "kernel is 8"), ({"attention": (2,)}, "attention"), ({"heads": 3}, "width is 32")],
)
def test_sizes_that_cannot_work_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(tiny(MOTION, WHAT), **changes)  # type: ignore[arg-type]


def test_a_config_comes_back_from_its_dictionary() -> None:
    config = small(MOTION, WHAT)
    assert ContactFieldConfig(**dataclasses.asdict(config)) == config
