"""The force of contacts: when it acts, and for how long."""

from __future__ import annotations

import numpy as np
import pytest

from foley_sim.hearing.backgrounds import Noise
from foley_sim.hearing.bodies import Body, draw_body
from foley_sim.hearing.contacts import (
    SUPPORT_RATE,
    Force,
    choose_action,
    choose_striker,
    choose_support,
    contact_force,
    support_rate,
)
from foley_sim.hearing.vocabulary import DRAWN_ACTIONS, STRIKERS, SUPPORTS

ONSET = 4800


@pytest.fixture(scope="module")
def noise() -> Noise:
    return Noise(np.random.default_rng(0))


def _force(noise: Noise, action: str, striker: str = "metal", seed: int = 1, name: str = "wood") -> Force:
    rng = np.random.default_rng(seed)
    return contact_force(draw_body(0, name, rng), action, striker, float(ONSET), noise, rng)


@pytest.mark.parametrize("action", DRAWN_ACTIONS)
def test_nothing_acts_before_the_onset(noise: Noise, action: str) -> None:
    acted = 0.0
    for seed in range(4):
        force = _force(noise, action, "shoe" if action == "footstep" else "metal", seed)
        for part in (force.at_body, force.elsewhere, force.grains):
            assert np.isfinite(part).all()
            assert not part[:ONSET].any()
            acted += float(np.abs(part[ONSET : ONSET + 12000]).sum())
    assert acted > 0


def test_a_soft_striker_stays_longer(noise: Noise) -> None:
    """Hertz: the contact time grows as the modulus falls."""
    widths = {
        striker: np.median([_force(noise, "hit", striker, seed, "metal").width_s for seed in range(40)])
        for striker in ("metal", "wood", "rubber")
    }
    assert widths["metal"] < widths["wood"] < widths["rubber"]
    assert widths["metal"] < 1e-3 < widths["rubber"]


def test_wood_is_dented_across_its_fibres(noise: Noise) -> None:
    wood, stone = (
        np.median([_force(noise, "hit", "metal", seed, name).width_s for seed in range(40)])
        for name in ("wood", "stone")
    )
    assert wood > 1.5 * stone


def test_bounces_come_closer_together(noise: Noise) -> None:
    found = 0
    for seed in range(20):
        force = _force(noise, "bounce", "metal", seed, "metal")
        total = force.at_body + force.elsewhere
        peaks = np.flatnonzero(
            (total[1:-1] > total[:-2]) & (total[1:-1] >= total[2:]) & (total[1:-1] > 0.3 * total.max())
        )
        gaps = np.diff(peaks[np.insert(np.diff(peaks) > 400, 0, True)])
        if len(gaps) >= 2:
            found += 1
            assert (np.diff(gaps) < 60).all()
    assert found > 2


def test_a_firm_hand_damps_more_than_a_thread() -> None:
    rng = np.random.default_rng(3)
    body: Body = draw_body(0, "metal", rng, "plate")
    rates = {
        support: np.median([support_rate(body, support, rng).mean() for _ in range(30)])
        for support in ("free", "held", "gripped")
    }
    assert 10 * rates["free"] < rates["held"] < rates["gripped"]
    assert tuple(sorted(SUPPORT_RATE)) == tuple(sorted(SUPPORTS))


def test_what_is_chosen_has_a_name() -> None:
    rng = np.random.default_rng(0)
    for name in ("wood", "gravel", "foam", "stone"):
        for _ in range(20):
            body = draw_body(0, name, rng)
            action = choose_action(body, rng)
            assert action in DRAWN_ACTIONS
            assert choose_support(body, action, rng) in SUPPORTS
            striker = choose_striker(action, rng)
            assert striker in STRIKERS
            assert (striker == "shoe") == (action == "footstep")
