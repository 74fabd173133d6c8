"""Linear heads over features: what they learn, what they leave out, and that they are the same after a file."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy.special import softmax

from foley_synthesis.hearing.linear_heads import LinearHeads
from foley_synthesis.hearing.training.linear_heads import HeadsConfig, fit_heads
from foley_synthesis.hearing.training.objective import HearingTargets

FEATURES, MATERIALS, ACTIONS = 12, 4, 3
LIGHT = HeadsConfig(decay=1e-2, number_decay=1e-3, embedding=5)


def made(n: int = 400, seed: int = 0) -> tuple[np.ndarray, HearingTargets]:
    """Material k raises feature k; material 3 is never there; feature 8 is log10 E; every fifth clip is no contact."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, FEATURES)).astype(np.float32)
    material = rng.choice(3, n, p=(0.8, 0.1, 0.1))
    contact = np.arange(n) % 5 != 0
    x[np.arange(n), material] += 6.0 * contact
    x[:, 11] += np.where(contact, 5.0, -5.0)
    action = (x[:, 6] > 0).astype(np.int64)
    nothing = torch.full((n,), float("nan"))
    return x, HearingTargets(
        torch.from_numpy(contact), torch.from_numpy(np.where(contact, material, -1)), torch.from_numpy(action),
        torch.from_numpy(9.0 + 0.5 * x[:, 8]), nothing, torch.full((n,), 0.25), nothing,
    )  # fmt: skip


@pytest.fixture(scope="module")
def heads() -> LinearHeads:
    x, targets = made()
    world = made(200, seed=1)[0]
    world[:, 10] += 20.0
    return fit_heads(x, targets, world, MATERIALS, ACTIONS, LIGHT)


def test_every_head_says_what_is_true_of_others(heads: LinearHeads) -> None:
    x, targets = made(300, seed=2)
    contact = targets.contact.numpy()
    output = heads(x)
    said = output.logits.argmax(axis=1)
    right = [(said[contact & (targets.material.numpy() == k)] == k).mean() for k in range(3)]
    assert min(right) > 0.9, "the rare ones as often as the frequent one"
    assert (output.action_logits[contact].argmax(axis=1) == targets.action.numpy()[contact]).mean() > 0.9
    assert ((output.contact_logit > 0) == contact).mean() > 0.98
    assert np.abs(output.log10_e_mean - targets.log10_e.numpy())[contact].mean() < 0.05
    assert float(output.log10_e_std[0]) == pytest.approx(0.05, abs=0.01), "what is left, at least 0.05"
    assert output.roughness.mean() == pytest.approx(0.25, abs=1e-3)
    assert np.isnan(output.log10_density_mean).all(), "nobody said"
    assert output.embedding.shape == (300, 5)


def test_a_material_that_was_not_there_is_never_said(heads: LinearHeads) -> None:
    assert float(softmax(heads(made(50)[0]).logits, axis=1)[:, 3].max()) < 1e-12


def test_the_simulated_world_is_told_by_its_own_direction(heads: LinearHeads) -> None:
    here, there = made(100, seed=3)[0], made(100, seed=4)[0]
    there[:, 10] += 20.0
    assert (heads.known_world(here) < 0).mean() > 0.97 and (heads.known_world(there) > 0).mean() > 0.97
    x, targets = made(60)
    nowhere = fit_heads(x, targets, np.zeros((0, FEATURES), np.float32), MATERIALS, ACTIONS, LIGHT)
    assert (nowhere.known_world(there) < 0).all(), "without a world nothing is of it"


def test_however_much_decay_it_is_as_sure_as_its_contacts_allow() -> None:
    x, targets = made()
    none = np.zeros((0, FEATURES), np.float32)
    contact = targets.contact
    x[::3] = np.random.default_rng(9).standard_normal(x[::3].shape)  # every third one tells nothing
    for decay in (0.1, 10.0):
        heads = fit_heads(x, targets, none, MATERIALS, ACTIONS, dataclasses.replace(LIGHT, decay=decay))
        logits = torch.from_numpy(heads(x).logits)[contact][:, :3]
        losses = [
            float(torch.nn.functional.cross_entropy(logits * by, targets.material[contact]))
            for by in (0.7, 1.0, 1.4)
        ]
        assert losses[1] < min(losses[0], losses[2])


def test_a_file_holds_them(heads: LinearHeads) -> None:
    again = LinearHeads.of(heads.to_tensors(), ACTIONS)
    x = made(20)[0]
    for one, other in zip(heads(x), again(x), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    with pytest.raises(KeyError):
        LinearHeads.of({}, ACTIONS)
    with pytest.raises(ValueError, match="features"):
        dataclasses.replace(heads, centre=np.zeros(3, np.float32))


def test_a_set_without_contacts_is_refused() -> None:
    x, targets = made(10)
    silent = targets._replace(contact=torch.zeros(10, dtype=torch.bool))
    with pytest.raises(ValueError, match="no contacts"):
        fit_heads(x, silent, x[:0], MATERIALS, ACTIONS, LIGHT)
