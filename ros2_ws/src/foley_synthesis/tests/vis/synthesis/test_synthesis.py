"""From predicted features to a waveform."""

import numpy as np
import pytest

from foley_perception.audio.cochleagram import Cochleagram
from foley_perception.audio.cochleagram_onset import onset_frame
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.checkpoint import Exemplars
from foley_synthesis.vis.synthesis.exemplar import ExemplarBank, choose_exemplars, shifted
from foley_synthesis.vis.synthesis.parametric import parametric_waveform
from foley_synthesis.vis.synthesis.search import L1Index


def bank() -> ExemplarBank:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(5, 90, 10)).astype(np.float32)
    audio = rng.normal(size=(5, 48_000)).astype(np.float32) * 0.1
    ids = tuple(f"clip{i}" for i in range(5))
    return ExemplarBank(Exemplars(audio, features, features, ids, ids), onset_frame=22.5)


def test_the_nearest_exemplar_is_found_and_kept_in_place() -> None:
    b = bank()
    match = b.nearest(b.exemplars.features[3] + 0.01, onset=22.0)
    assert match.index == 3 and match.shift == 0 and match.distance == pytest.approx(0.01, rel=0.05)
    assert np.allclose(b.waveform(match), np.clip(b.exemplars.audio[3], -1, 1))


def test_a_later_onset_moves_the_waveform() -> None:
    b = bank()
    later = np.roll(b.exemplars.features[2], 9, axis=0)
    match = b.nearest(later, onset=31.0)
    assert (match.index, match.shift) == (2, 9) and match.distance < 1e-6
    waveform = b.waveform(match)
    assert waveform.shape == (48_000,)
    assert np.allclose(waveform[4800:], b.exemplars.audio[2][:-4800])


@pytest.mark.parametrize("by", [0, 100, -100, 30_000, -30_000])
def test_shifting_keeps_length_and_fills_with_background(by: int) -> None:
    audio = np.arange(48_000, dtype=np.float32)
    moved = shifted(audio, by, 4800)
    assert moved.shape == audio.shape
    if by > 0:
        assert np.array_equal(moved[by:], audio[:-by]) and moved[:by].max() < 4800
    if by < 0:
        assert np.array_equal(moved[:by], audio[-by:]) and moved[by:].min() >= 48_000 - 4800


def test_onset_is_where_loudness_rises() -> None:
    frames = np.full((90, 42), 0.1, np.float32)
    frames[40:] = 0.6
    assert onset_frame(frames, nominal=22.5) == pytest.approx(39.5, abs=1.0)
    assert onset_frame(np.full((90, 42), 0.1, np.float32), nominal=22.5) == 22.5


def test_exemplars_take_turns_over_materials_and_objects(tiny_dataset: ClipDataset) -> None:
    rows = np.asarray(tiny_dataset.indices("train"))
    chosen = choose_exemplars(tiny_dataset.clips, rows, 8, seed=0)
    materials = [tiny_dataset.clips[i].material for i in chosen]
    assert len(set(chosen)) == 8 and all(materials.count(m) == 2 for m in set(materials))
    assert {tiny_dataset.clips[i].split for i in chosen} == {"train"}


def test_parametric_sound_has_the_envelopes_it_was_given() -> None:
    cochlea = Cochleagram(48_000)
    target = np.zeros((90, 42), np.float32)
    target[30:60, 20:24] = 0.5
    sound = parametric_waveform(target, 48_000, cochlea, seed=1)
    back = cochlea(sound)
    assert back[35:55, 20:24].mean() > 5 * back[:25].mean()
    assert np.array_equal(sound, parametric_waveform(target, 48_000, cochlea, seed=1))


def test_search_is_exact_and_refuses_what_it_cannot_compare() -> None:
    rng = np.random.default_rng(0)
    bank, asked = rng.normal(size=(3000, 59, 10)), rng.normal(size=(7, 59, 10))
    index, distance = L1Index(bank).nearest(asked)
    apart = np.abs(bank[None] - asked[:, None]).mean(axis=(2, 3))
    assert index.tolist() == apart.argmin(axis=1).tolist()
    assert distance == pytest.approx(apart.min(axis=1), rel=1e-5)
    bank[11, 3, 2] = np.nan
    with pytest.raises(ValueError, match="window 11 of the bank holds NaN"):
        L1Index(bank)
    with pytest.raises(ValueError, match="at least one window"):
        L1Index(bank[:0])
    with pytest.raises(ValueError, match="590 values, those of the bank 100"):
        L1Index(bank[:3, :10]).nearest(asked)
    with pytest.raises(ValueError, match="searched for holds NaN"):
        L1Index(bank[:3]).nearest(np.full((1, 59, 10), np.nan))
