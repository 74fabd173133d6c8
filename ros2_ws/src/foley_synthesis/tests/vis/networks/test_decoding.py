"""From features, lag and level to a cochleagram on the plan's grid."""

import numpy as np
import pytest
import torch

from foley_perception.audio.cochleagram_onset import onset_frame
from foley_perception.clips.grid import ONSET_FRAME
from foley_synthesis.vis.config import MATCH_LIMIT_DB
from foley_synthesis.vis.networks.decoding import (
    DecodedSounds,
    amplified,
    at_level,
    decode_sounds,
    level_match_db,
    loudness,
    over_background,
    unit_level,
)
from foley_synthesis.vis.networks.onset_net import lags_s
from foley_synthesis.vis.networks.pca import Pca, fit_pca
from foley_synthesis.vis.outputs import OnsetOutput, VisOutput


def contacts(count: int = 12) -> np.ndarray:
    """Cochleagrams [n, 90, 42] that begin at the contact and decay."""
    rng = np.random.default_rng(0)
    frames = 0.02 + 0.01 * rng.random((count, 90, 42))
    after = np.arange(90 - 22)
    bands = rng.random((count, 1, 42)) + 0.2
    frames[:, 22:] += bands * np.exp(-after / 8.0)[None, :, None]
    return frames.astype(np.float32)


def made(
    frames: np.ndarray, pca: Pca, onset: OnsetOutput | None, background: np.ndarray | None = None
) -> DecodedSounds:
    features = torch.from_numpy(pca.encode(frames))
    return decode_sounds(VisOutput(features, features, features[:, 0], onset), pca, background)


def test_level_and_time_of_a_sound_are_those_that_the_heads_say() -> None:
    frames, background = contacts(), np.full(42, 0.02, np.float32)
    unit = unit_level(frames, background, loudness(frames))
    assert over_background(unit, background, loudness(frames)) == pytest.approx(frames, abs=1e-5)
    pca = fit_pca(unit, 10)
    n = len(unit)
    lag = torch.full((n, len(lags_s())), -30.0)
    late = int((lags_s() - 0.0325).abs().argmin())
    lag[:, late] = 0.0
    level = torch.linspace(-60.0, -20.0, n)
    found = made(unit, pca, OnsetOutput(lag, torch.zeros(n), level), background)
    assert loudness(found.frames) == pytest.approx(level.numpy(), abs=0.05)
    assert found.onset == pytest.approx(ONSET_FRAME + 90.0 * float(lags_s()[late]), abs=1e-3)
    assert found.aligned
    for one, same in zip(found.frames, pca.decode(found.keys), strict=True):
        apart = onset_frame(one, np.nan, least_rise=0.0) - onset_frame(same, np.nan, least_rise=0.0)
        assert apart == pytest.approx(3.0, abs=0.1)  # 32.5 ms are 2.9 frames


def test_what_is_to_be_softer_than_the_background_is_the_background() -> None:
    frames, background = contacts(3), np.full(42, 0.05, np.float32)
    unit = unit_level(frames, background, loudness(frames))
    floor_db = float(loudness(np.broadcast_to(background, (1, 90, 42)))[0])
    found = at_level(unit, background, np.array([floor_db + 20.0, floor_db, floor_db - 20.0]))
    assert float(loudness(found)[0]) == pytest.approx(floor_db + 20.0, abs=0.1)
    assert np.abs(found[2] - background).max() < 0.02 * np.abs(found[0] - background).max()


def test_without_heads_a_sound_is_as_the_components_say() -> None:
    frames = contacts()
    pca = fit_pca(frames, 10)
    found = made(frames, pca, None)
    assert np.allclose(found.frames, pca.decode(pca.encode(frames)))
    assert found.onset == pytest.approx([onset_frame(one, np.nan) for one in found.frames])
    assert not found.aligned


def test_a_real_sound_is_brought_to_the_level_within_what_a_match_may() -> None:
    frames = contacts(3)
    louder = amplified(frames, np.array([6.0, 40.0, -40.0]))
    assert loudness(louder) - loudness(frames) == pytest.approx([6.0, 40.0, -40.0], abs=1e-3)
    for level_db in (loudness(louder), None):
        gains = level_match_db(DecodedSounds(frames, louder, np.zeros(3), level_db), frames)
        assert gains == pytest.approx([6.0, MATCH_LIMIT_DB, -MATCH_LIMIT_DB], abs=1e-3)
