import math

import numpy as np
import pytest
import scipy.signal
from numpy.typing import NDArray

from foley_perception.audio.resample import resampled
from foley_synthesis.hearing.front_end import (
    FrontEndConfig,
    bands_above,
    bandwidth_hz,
    centres_hz,
    log_mel,
    mel_filters,
    normalised,
)

CONFIG = FrontEndConfig()
RATE = 24_000


def tone(hz: float, onset_s: float = 0.2, seconds: float = 1.0, rate: int = RATE) -> NDArray[np.float32]:
    """A decaying tone in faint noise."""
    time = np.arange(round(seconds * rate)) / rate - onset_s
    sound = 0.3 * np.sin(2 * np.pi * hz * time) * np.exp(-np.maximum(time, 0) / 0.2) * (time >= 0)
    return (sound + 1e-4 * np.random.default_rng(0).standard_normal(len(time))).astype(np.float32)


def test_sizes() -> None:
    level = log_mel(tone(1000.0), RATE, 0.2, CONFIG)
    assert level.shape == (CONFIG.frames, CONFIG.bands) == (130, 64) and CONFIG.before_frames == 10
    assert log_mel(tone(1000.0), RATE, 0.2, CONFIG, margin=2).shape == (134, 64)
    # A product of other sizes is summed in another order on some processors.
    np.testing.assert_allclose(log_mel(tone(1000.0), RATE, 0.2, CONFIG, margin=2)[2:-2], level, rtol=1e-5)
    assert mel_filters(CONFIG).shape == (64, 513) and mel_filters(CONFIG).max() <= 1.0
    assert np.isfinite(level).all()


@pytest.mark.parametrize("hz", [200.0, 1000.0, 5000.0])
def test_a_tone_is_where_it_is_and_decays_as_it_does(hz: float) -> None:
    level = log_mel(tone(hz), RATE, 0.2, CONFIG)
    band = int(np.abs(centres_hz(CONFIG) - hz).argmin())
    assert abs(int(level[20].argmax()) - band) <= 1
    # exp(-t / 0.2 s) is 43.4 dB/s; from frame to frame 5 ms.
    fall = (level[20, band] - level[100, band]) / (80 * CONFIG.hop_s)
    assert fall == pytest.approx(20 * math.log10(math.e) / 0.2, rel=0.02)
    # Before the onset there is next to nothing, and the first frame after it is already loud.
    assert level[CONFIG.before_frames + 2, band] > level[CONFIG.before_frames - 3, band] + 30


def test_levels_are_those_of_their_own_peak() -> None:
    seen = normalised(log_mel(tone(1000.0), RATE, 0.2, CONFIG), CONFIG)
    quiet = normalised(log_mel(tone(1000.0) * np.float32(0.03), RATE, 0.2, CONFIG), CONFIG)
    assert (
        seen.shape == (2, 130, 64) and seen[0].max() == 1.0 and seen[0].min() >= 0.0 and seen[1].min() == 1.0
    )
    np.testing.assert_allclose(quiet, seen, atol=1e-3)


def test_what_is_before_the_file_is_unknown_and_no_silence() -> None:
    level = log_mel(tone(1000.0)[round(0.2 * RATE) :], RATE, 0.0, CONFIG)
    known = np.isfinite(level).all(axis=1)
    assert not known[: CONFIG.before_frames].any() and known[CONFIG.before_frames :].all()
    whole = log_mel(tone(1000.0), RATE, 0.2, CONFIG)
    band = int(whole[20].argmax())
    # A window of which half is known is told by that half.
    np.testing.assert_allclose(level[10:40, band], whole[10:40, band], atol=3.0)
    zeros = np.concatenate([np.zeros(2400, np.float32), tone(1000.0)[round(0.2 * RATE) :]])
    padded = log_mel(zeros, RATE, 0.1, CONFIG)
    np.testing.assert_array_equal(np.isfinite(padded), np.isfinite(level))
    np.testing.assert_allclose(padded[known], level[known], atol=1e-3)


def test_what_is_not_heard_yet_is_unknown_and_changes_nothing() -> None:
    sound = tone(1000.0)
    whole = log_mel(sound, RATE, 0.2, CONFIG)
    for heard_s in (0.06, 0.15, 0.5):
        part = log_mel(sound, RATE, 0.2, CONFIG, heard_s=heard_s)
        frames = CONFIG.heard_frames(heard_s)
        assert np.isfinite(part[:frames]).all() and not np.isfinite(part[frames:]).any()
        np.testing.assert_allclose(part[:frames], whole[:frames], atol=1e-4)
        cut = log_mel(sound[: round((0.2 + heard_s) * RATE)], RATE, 0.2, CONFIG)
        np.testing.assert_array_equal(np.isfinite(cut), np.isfinite(part))
    assert CONFIG.heard_frames(math.inf) == 130 and CONFIG.heard_frames(0.06) == 20


def test_digital_silence_within_a_sound_is_unknown() -> None:
    sound = tone(1000.0)
    sound[round(0.3 * RATE) : round(0.4 * RATE)] = 0.0
    known = np.isfinite(log_mel(sound, RATE, 0.2, CONFIG)).all(axis=1)
    at = CONFIG.before_frames + round(0.15 / CONFIG.hop_s)
    assert not known[at] and known[at - 20] and known[at + 20]


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000])
def test_another_rate_says_the_same_up_to_what_it_holds(rate: int) -> None:
    wide = 0.02 * np.random.default_rng(1).standard_normal(RATE).astype(np.float32)
    sound = tone(1000.0) + wide * (np.arange(RATE) > 0.2 * RATE)
    there = log_mel(sound, RATE, 0.2, CONFIG)
    other = log_mel(resampled(sound, RATE, rate), rate, 0.2, CONFIG)
    held = ~bands_above(CONFIG, rate)
    assert not np.isfinite(other[:, ~held]).any() and np.isfinite(other[:, held]).all()
    assert held.all() == (rate > 23_500)
    assert (
        np.abs(other[:, held] - there[:, held])[15:].max() < 4.0
    )  # the converter's filter falls near its edge
    assert bandwidth_hz(other, CONFIG) == pytest.approx(min(rate / 2, CONFIG.high_hz), rel=0.06)


def test_bands_in_which_a_file_holds_nothing_are_unknown() -> None:
    rng = np.random.default_rng(2)
    narrow = scipy.signal.resample(0.1 * rng.standard_normal(8000), RATE)
    level = log_mel(narrow, RATE, 0.2, CONFIG)
    assert 3900 < bandwidth_hz(level, CONFIG) < 5000
    assert not np.isfinite(level[:, centres_hz(CONFIG) > 5000]).any()


@pytest.mark.parametrize(
    ("samples", "onset_s"),
    [(np.zeros(0, np.float32), 0.0), (np.zeros(100, np.float32), 5.0), (np.zeros(24_000), 0.1)],
)
def test_where_nothing_was_recorded_nothing_is_known(samples: NDArray[np.float32], onset_s: float) -> None:
    level = log_mel(samples, RATE, onset_s, CONFIG)
    assert not np.isfinite(level).any() and bandwidth_hz(level, CONFIG) == 0.0
    assert not normalised(level, CONFIG).any()


@pytest.mark.parametrize(
    ("field", "value"), [("hop", 600), ("high_hz", 13_000.0), ("bands", 2), ("floor_db", -80.0), ("fft", 256)]
)
def test_sizes_that_cannot_be_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        FrontEndConfig(**{field: value})  # type: ignore[arg-type]


def test_bands_without_a_bin_are_refused() -> None:
    with pytest.raises(ValueError, match="hold no bin"):
        mel_filters(FrontEndConfig(fft=512, bands=200))
