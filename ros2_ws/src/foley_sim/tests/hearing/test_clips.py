"""Clips: what is said of them is true of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from foley_sim.hearing.backgrounds import Noise
from foley_sim.hearing.bodies import draw_body
from foley_sim.hearing.clips import NO_CONTACT, contact, no_contact, object_clips
from foley_sim.hearing.vocabulary import ACTIONS, KINDS, RATE, SAMPLES
from foley_sim.materials import MATERIALS


@pytest.fixture(scope="module")
def noise() -> Noise:
    return Noise(np.random.default_rng(0))


@pytest.mark.parametrize("name", MATERIALS)
def test_a_clip_says_what_it_is_of(noise: Noise, name: str) -> None:
    rng = np.random.default_rng(6)
    body = draw_body(77, name, rng)
    clip = contact(body, noise, rng)
    assert clip.audio.shape == (SAMPLES,)
    assert clip.audio.any()
    assert (clip.kind, clip.object_id, MATERIALS[clip.material]) == (0, 77, name)
    assert clip.log10_e == pytest.approx(math.log10(body.material.youngs_modulus))
    assert clip.log10_density == pytest.approx(math.log10(body.material.density))
    assert clip.hollowness == body.hollowness
    assert 0.1 < clip.onset_s < 0.3


def test_the_contact_is_where_it_is_said_to_be(noise: Noise) -> None:
    rng = np.random.default_rng(7)
    checked = 0
    for _ in range(40):
        clip = contact(draw_body(0, "metal", rng), noise, rng, "hit")
        if clip.snr_db < 40:
            continue
        checked += 1
        onset = int(clip.onset_s * RATE)
        before = clip.audio[: onset - 48].astype(float)
        after = clip.audio[onset : onset + 2400].astype(float)
        assert np.mean(after**2) > 20 * np.mean(before**2)
    assert checked > 10


def test_clips_of_no_contact_have_no_material(noise: Noise) -> None:
    rng = np.random.default_rng(8)
    for kind in KINDS[1:]:
        clip = no_contact(kind, noise, rng)
        assert KINDS[clip.kind] == kind
        assert (clip.material, clip.action, clip.striker, clip.support, clip.object_id) == (-1,) * 5
        assert math.isnan(clip.onset_s)
        assert math.isnan(clip.log10_e)
        assert math.isnan(clip.snr_db)


def test_the_share_of_clips_without_a_contact(noise: Noise) -> None:
    rng = np.random.default_rng(9)
    clips = [clip for thing in range(150) for clip in object_clips(thing, noise, rng)]
    share = np.mean([clip.kind != 0 for clip in clips])
    assert share == pytest.approx(NO_CONTACT, abs=0.06)
    assert {ACTIONS[clip.action] for clip in clips if clip.kind == 0} >= {"hit", "footstep", "scratch"}


def test_metal_rings_longer_than_wood(noise: Noise) -> None:
    """What hearing lives on survives rooms and microphones, in the middle of many draws."""
    rng = np.random.default_rng(10)

    def late_share(name: str) -> float:
        shares = []
        for _ in range(40):
            clip = contact(draw_body(0, name, rng, "bar"), noise, rng, "hit")
            x = clip.audio[int(clip.onset_s * RATE) :].astype(float) ** 2
            shares.append(x[1200:4800].sum() / x[:4800].sum())
        return float(np.median(shares))

    assert late_share("metal") > 2 * late_share("wood")
