from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from foley_perception.audio.resample import resampled
from foley_synthesis.checkpoint import CorruptCheckpoint
from foley_synthesis.hearing.inference.hearing_model import HearingModel


@pytest.fixture(scope="module")
def model(tiny_hearing: Path) -> HearingModel:
    return HearingModel.load(tiny_hearing)


def sound(generated: ModuleType, material: str, seed: int = 0, onset_s: float = 0.2) -> NDArray[np.float32]:
    made: NDArray[np.float32] = generated.contact(material, np.random.default_rng(1000 + seed), onset_s)
    return made


@pytest.mark.parametrize("material", ["wood", "metal"])
def test_what_was_learned_is_heard(model: HearingModel, generated: ModuleType, material: str) -> None:
    heard = [model.hear(sound(generated, material, i), 24_000, onset_s=0.2) for i in range(6)]
    assert [h.belief.best for h in heard] == [material] * 6
    assert model.vocabulary.labels == ("metal", "wood") and model.domain == "sim" and "Limits" in model.card
    assert all(material in h.material_set and h.contact > 0.5 for h in heard)
    assert all(abs(h.belief.log10_e_mean - generated.LOG10_E[material]) < 0.6 for h in heard)
    assert all(h.embedding.shape == (32,) and h.logits.shape == (2,) for h in heard)
    assert all(sum(h.action.values()) == pytest.approx(1.0, abs=1e-5) for h in heard)


def test_it_is_heard_after_a_short_while(model: HearingModel, generated: ModuleType) -> None:
    short = model.hear(sound(generated, "metal"), 24_000, onset_s=0.2, heard_s=0.06)
    assert short.heard_s == pytest.approx(0.06) and short.belief.best == "metal"
    # Nothing that comes later may count.
    later = sound(generated, "metal")
    later[round(0.26 * 24_000) :] = 0.1
    again = model.hear(later, 24_000, onset_s=0.2, heard_s=0.06)
    np.testing.assert_allclose(again.logits, short.logits, atol=1e-5)
    cut = model.hear(later[: round(0.26 * 24_000)], 24_000, onset_s=0.2)
    np.testing.assert_allclose(cut.logits, short.logits, atol=1e-5)


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
def test_another_rate_says_the_same(model: HearingModel, generated: ModuleType, rate: int) -> None:
    for material in ("wood", "metal"):
        made = sound(generated, material)
        there = model.hear(made, 24_000, onset_s=0.2).belief
        other = model.hear(resampled(made, 24_000, rate), rate, onset_s=0.2).belief
        assert other.best == there.best and max(np.abs(other.p() - there.p())) < 0.1


def test_a_rate_at_which_no_onset_can_be_searched_is_heard(
    model: HearingModel, generated: ModuleType
) -> None:
    low = resampled(sound(generated, "wood"), 24_000, 3_000)
    heard = model.hear(low, 3_000)
    assert heard.heard_s == pytest.approx(1.0, abs=0.02) and heard.bandwidth_hz <= 1_500


def test_gain_says_nothing(model: HearingModel, generated: ModuleType) -> None:
    made = sound(generated, "wood")
    quiet = model.hear(made * np.float32(0.01), 24_000, onset_s=0.2)
    np.testing.assert_allclose(quiet.logits, model.hear(made, 24_000, onset_s=0.2).logits, atol=1e-3)


@pytest.mark.parametrize("onset_s", [0.0, 0.2, 0.6])
def test_the_onset_is_found(model: HearingModel, generated: ModuleType, onset_s: float) -> None:
    made = sound(generated, "metal", onset_s=onset_s)
    told = model.hear(made, 24_000, onset_s=onset_s)
    found = model.hear(made, 24_000)
    assert found.heard_s == pytest.approx(told.heard_s, abs=0.01) and found.belief.best == "metal"


def test_a_file_that_begins_with_its_contact_is_heard(model: HearingModel, generated: ModuleType) -> None:
    whole = sound(generated, "metal")
    begun = model.hear(whole[4800:], 24_000, onset_s=0.0)
    assert begun.belief.best == "metal"
    # What lies before it is unknown: zeros put there say no more.
    padded = model.hear(np.concatenate([np.zeros(4800, np.float32), whole[4800:]]), 24_000, onset_s=0.2)
    np.testing.assert_allclose(padded.logits, begun.logits, atol=1e-4)


def test_reasons_not_to_believe(model: HearingModel, generated: ModuleType) -> None:
    made = sound(generated, "wood")
    silent = model.hear(made * np.float32(1e-4), 24_000)
    assert silent.belief.abstain and "silence" in silent.belief.reason
    assert silent.belief.p().tolist() == [0.5, 0.5] and silent.material_set == ("metal", "wood")
    assert "clipped" in model.predict(np.clip(made * 100, -1, 1), 24_000, onset_s=0.2).reason
    noise = 0.05 * np.random.default_rng(0).standard_normal(24_000).astype(np.float32)
    assert "no contact stands out" in model.predict(noise, 24_000, onset_s=0.4).reason
    assert "less than 0.05 s" in model.predict(made, 24_000, onset_s=1.19).reason
    assert (
        "digital silence"
        in model.predict(
            np.concatenate([made[:4800], np.zeros(24_000, np.float32)]), 24_000, onset_s=0.21
        ).reason
    )


def test_a_noise_that_grows_louder_is_no_contact(model: HearingModel, generated: ModuleType) -> None:
    noise = generated.noise(np.random.default_rng(7))
    noise[:4800] *= 0.2
    heard = model.hear(noise, 24_000, onset_s=0.2)
    assert heard.belief.abstain and heard.belief.reason.startswith(("no contact: ", "unlike anything"))
    assert not heard.belief.unsure


def test_what_is_no_sound_is_refused(model: HearingModel) -> None:
    for samples, rate, word in (
        (np.zeros((2, 100), np.float32), 24_000, "shape"),
        (np.full(100, np.nan, np.float32), 24_000, "NaN"),
        (np.zeros(100, np.float32), 0, "sample_rate"),
    ):
        with pytest.raises(ValueError, match=word):
            model.predict(samples, rate)


def test_no_model_ships_by_an_unknown_name() -> None:
    with pytest.raises(CorruptCheckpoint, match="foley train hearing"):
        HearingModel.load("no_such_model")
