"""Embeddings of the model that ships: bound to it, the same for the same sound, and other for another one."""

from __future__ import annotations

import numpy as np
import pytest

from foley_synthesis.hearing.inference.among import AmongMaterials
from foley_synthesis.hearing.inference.hearing_model import HearingModel
from foley_synthesis.teaching.embedding import HEARD_S, CannotEmbed, embed, embedding_id, of_features

RATE = 24_000


def strike(decay: float, hz: float = 900.0, beats: int = 1, seed: int = 0) -> np.ndarray:
    """A second in which something rings from 0.25 s on, and as often again 80 ms later."""
    t = np.arange(RATE) / RATE
    sound = 1e-4 * np.random.default_rng(seed).standard_normal(RATE)
    for k in range(beats):
        after = t - 0.25 - 0.08 * k
        for part in (1.0, 2.76, 5.4):
            sound += np.where(
                after > 0, 0.1 * np.exp(-decay * after) * np.sin(2 * np.pi * hz * part * after), 0.0
            )
    return sound.astype(np.float32)


@pytest.fixture(scope="module")
def model() -> HearingModel:
    return HearingModel.load()


def test_a_contact_that_was_heard_anyway_needs_no_second_inference(model):
    heard = model.hear(strike(20.0), RATE, onset_s=0.25, heard_s=HEARD_S)
    here, alone = of_features(heard.features), embed(model, strike(20.0), RATE, 0.25)
    live = model.hear(strike(20.0)[: round(0.9 * RATE)], RATE, onset_s=0.25)  # as the node hears it
    assert of_features(live.features).values == pytest.approx(alone.values, abs=1e-3)
    assert here.values == pytest.approx(alone.values) and here.sizes == (128, 1024, 512, 160)


def test_the_same_thing_struck_again_is_nearer_than_one_that_rings_otherwise(model):
    a, again, other = (
        embed(model, sound, RATE, 0.25).values
        for sound in (strike(20.0), 0.3 * strike(20.0, seed=1), strike(120.0, seed=1))
    )
    assert 2.0 * np.linalg.norm(a - again) < np.linalg.norm(a - other)


def test_plain_numbers_say_how_it_sounds(model):
    short, long = (embed(model, strike(decay), RATE, 0.25).plain for decay in (30.0, 10.0))
    assert long.ring_s == pytest.approx(30.0 / (20.0 * np.log10(np.e) * 10.0), rel=0.15)
    assert long.ring_s > 2.5 * short.ring_s
    assert embed(model, strike(30.0, hz=1800.0), RATE, 0.25).plain.brightness_hz > 1.25 * short.brightness_hz
    assert embed(model, 0.1 * strike(30.0), RATE, 0.25).plain.level_db == pytest.approx(
        short.level_db - 20.0, abs=1.0
    )
    beats = [embed(model, strike(60.0, beats=k), RATE, 0.25).plain.beats for k in (1, 3)]
    assert beats[1] == beats[0] + 2


def test_what_hears_among_some_materials_hands_the_same_features_on(model):
    words = type(model.vocabulary)("few", "1", ("metal", "wood"))
    among = AmongMaterials(model, words)
    assert embedding_id(among) == embedding_id(model)
    heard = among.hear(strike(20.0), RATE, onset_s=0.25, heard_s=HEARD_S)
    assert among.hear(strike(20.0), RATE, onset_s=0.25).belief == among.predict(
        strike(20.0), RATE, onset_s=0.25
    )
    assert of_features(heard.features).values == pytest.approx(embed(model, strike(20.0), RATE, 0.25).values)


def test_silence_and_models_without_features_are_refused_with_the_cure(model):
    with pytest.raises(CannotEmbed, match="nothing is heard: "):
        embed(model, np.zeros(RATE, np.float32), RATE, 0.25)
    with pytest.raises(CannotEmbed, match="set `hearing` to the one that ships"):
        embed(object(), strike(20.0), RATE, 0.25)
