"""The encoder of motion: what reaches which frame, and what of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from foley_synthesis.flow.networks.motion_encoder import MotionConfig, MotionEncoder

GROUPS = {"height": slice(0, 2), "velocity": slice(2, 5), "force": slice(5, 6)}


def encoder(dropout: float = 0.2) -> MotionEncoder:
    torch.manual_seed(0)
    config = MotionConfig(MotionConfig.of(GROUPS).groups, output=12, width=8, group_dropout=dropout)
    return MotionEncoder(config).eval()


def test_a_frame_sees_a_tenth_of_a_second_both_ways_and_evenly() -> None:
    features = torch.randn(1, 120, 6, generator=torch.Generator().manual_seed(1)).requires_grad_()
    out = encoder()(features)
    assert out.shape == (1, 30, 12)
    (slope,) = torch.autograd.grad(out[0, 15].square().sum(), features)
    rows = torch.nonzero(slope[0].abs().sum(-1)).flatten()
    behind, ahead = 61.5 - int(rows[0]), int(rows[-1]) - 61.5  # frame 15 lies amid rows 60 to 63
    assert behind == ahead >= 12.5
    assert len(rows) == rows[-1] - rows[0] + 1  # no row is skipped


def test_statistics_leave_out_what_is_not_known_and_make_inputs_unit() -> None:
    model = encoder()
    features = torch.randn(4, 40, 6, generator=torch.Generator().manual_seed(2)) * 3.0 + 5.0
    features[:, :, 5] = torch.nan
    features[:, :, 4] = 7.0
    features[0, :5, 0] = torch.nan
    model.set_statistics(features)
    known = features[..., 0][features[..., 0].isfinite()]
    torch.testing.assert_close(model.mean[0], known.mean())
    torch.testing.assert_close(model.std[0], known.std(correction=0))
    torch.testing.assert_close(model.mean[[4, 5]], torch.tensor([7.0, 0.0]))
    torch.testing.assert_close(model.std[[4, 5]], torch.ones(2))


def test_a_group_that_is_left_out_is_as_one_that_is_not_known() -> None:
    model = encoder()
    features = torch.randn(2, 40, 6, generator=torch.Generator().manual_seed(3))
    unknown = features.clone()
    unknown[..., 5] = torch.nan
    kept = torch.tensor([[1.0, 1.0, 0.0]]).expand(2, 3)
    torch.testing.assert_close(model(features, kept), model(unknown))
    assert not torch.allclose(model(features), model(unknown), atol=1e-3)
    # Absent is not the same as 0, its mean.
    rest = features.clone()
    rest[..., 5] = 0.0
    assert not torch.allclose(model(rest), model(unknown), atol=1e-3)


def test_groups_are_dropped_in_training_only_and_never_all() -> None:
    model = encoder(dropout=0.9)
    kept = model.groups_kept(4000, torch.Generator().manual_seed(4))
    assert float(kept.sum(1).min()) == 1.0
    # Each is kept in .1, and one in three of the .729 items that would have lost all.
    assert float(kept.mean()) == pytest.approx(0.1 + 0.729 / 3, abs=0.02)
    features = torch.randn(3, 40, 6)
    torch.testing.assert_close(model(features), model(features))
    model.train()
    assert not torch.equal(model(features), model(features))


@pytest.mark.parametrize(
    ("groups", "message"),
    [((), "empty"), ((("a", 1, 2),), "begin at 0"), ((("a", 0, 2), ("b", 2, 2)), "not be empty")],
)
def test_groups_that_cannot_work_are_refused(groups: tuple[tuple[str, int, int], ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MotionConfig(groups)


def test_rows_that_make_no_whole_frame_are_refused() -> None:
    features: Tensor = torch.zeros(1, 42, 6)
    with pytest.raises(ValueError, match="42 rows"):
        encoder()(features)


def test_what_a_network_does_not_take_must_be_there_and_not_be_all() -> None:
    groups = MotionConfig.of(GROUPS).groups
    assert MotionConfig(groups, without=("height",)).taken == (1, 2)
    for wrong, text in (
        ({"without": ("depth",)}, "without is `depth`, groups are height, velocity, force"),
        ({"without": tuple(GROUPS)}, "must leave at least one"),
        ({"rate_hz": 0.0}, r"rate_hz is 0.0, must be in \[1, 125\]"),
        ({"rate_hz": 250.0}, "rate_hz is 250"),
    ):
        with pytest.raises(ValueError, match=text):
            MotionConfig(groups, **wrong)  # type: ignore[arg-type]
