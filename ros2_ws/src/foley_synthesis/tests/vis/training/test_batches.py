"""Plans that are early or late, as training shows them."""

import numpy as np
import pytest
import torch

from foley_synthesis.beliefs.material_head import Targets
from foley_synthesis.vis.networks.onset_net import OnsetTargets
from foley_synthesis.vis.training.batches import (
    Tensors,
    later,
    plan_errors_s,
    training_batch,
    validation_target,
)


def tensors(onset: bool) -> Tensors:
    """40 contacts that begin at frame 22; every second has a plan alone."""
    n = 40
    sound = torch.zeros(n, 90, 1)
    sound[:, 22:] = 1.0
    nothing = torch.full((n,), float("nan"))
    return Tensors(
        still=torch.zeros(n, 3, 1),
        frames=torch.zeros(n, 10, 1),
        planned=torch.zeros(n, 90, 8),
        executed=torch.ones(n, 90, 8),
        has_plan=torch.arange(n) % 2 == 0,
        sound=sound,
        cochleagram=torch.zeros(n, 90, 42),
        targets=Targets(torch.zeros(n, dtype=torch.int64), nothing, nothing, nothing),
        onset=OnsetTargets(torch.full((n,), 0.004), torch.full((n,), -40.0)) if onset else None,
    )


def test_a_late_contact_moves_its_lag_and_not_its_sound() -> None:
    known, rows = tensors(onset=True), torch.arange(40)
    inputs, target = training_batch(known, rows, 1.0, 0.03, torch.Generator().manual_seed(0))
    assert target.onset is not None
    assert torch.equal(target.features, known.sound)
    planned = inputs.executed == 0
    assert planned.tolist() == known.has_plan.tolist()
    away = target.onset.lag_s - 0.004
    assert float(away[planned].abs().max()) <= 0.03 and float(away[planned].std()) > 0.01
    assert float(away[~planned].abs().max()) == 0.0  # what was measured is on time
    assert torch.equal(inputs.action[planned][..., :3].std(dim=1), torch.zeros(20, 3))


def test_on_the_plan_s_grid_the_sound_itself_is_late() -> None:
    known, rows = tensors(onset=False), torch.arange(40)
    generator = torch.Generator().manual_seed(0)
    _, target = training_batch(known, rows, 1.0, 0.03, generator)
    assert target.onset is None
    assert not torch.equal(target.features, known.sound)
    first = validation_target(known, rows, 0.03).features
    begins = 90 - first[..., 0].sum(dim=1)
    assert 19 <= float(begins.min()) < 21 and 23 < float(begins.max()) <= 25  # 30 ms are up to three frames
    assert torch.equal(first, validation_target(known, rows, 0.03).features)
    assert torch.equal(validation_target(known, rows, 0.0).features, known.sound)


def test_sounds_are_later_by_whole_frames() -> None:
    ramp = torch.arange(6.0)[None, :, None].repeat(2, 1, 1)
    found = later(ramp, torch.tensor([2 / 90 + 0.001, -1 / 90]))
    assert found[0, :, 0].tolist() == [0, 0, 0, 1, 2, 3]
    assert found[1, :, 0].tolist() == [1, 2, 3, 4, 5, 5]


def test_without_an_error_nothing_is_drawn() -> None:
    generator = torch.Generator().manual_seed(3)
    assert not plan_errors_s(5, 0.0, generator).any()
    untouched = torch.rand(1, generator=torch.Generator().manual_seed(3))
    assert torch.equal(torch.rand(1, generator=generator), untouched)
    assert np.abs(plan_errors_s(100, 0.02, generator).numpy()).max() == pytest.approx(0.02, rel=0.1)
