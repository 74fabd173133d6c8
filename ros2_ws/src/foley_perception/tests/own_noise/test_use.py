"""What own noise is used for: cleaned sound, and onsets that are none."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from foley_perception.audio.onset import Onset, OnsetDetector
from foley_perception.audio.onset_config import OnsetConfig
from foley_perception.contact.listener import Listener
from foley_perception.own_noise.clean import CleanConfig, Cleaner
from foley_perception.own_noise.joints import JointHistory
from foley_perception.own_noise.learn import Learnt
from foley_perception.own_noise.mask import NoiseSource

Array = NDArray[np.float64]


def starts(t: Array) -> Array:
    """Rest, then all at once 2 rad/s, thrice in six seconds."""
    return np.stack([2.0 * (t % 2.0 > 1.0), np.zeros_like(t)], axis=1)


def tap(rate: int) -> Array:
    t = np.arange(round(0.3 * rate)) / rate
    return np.asarray(np.exp(-t / 0.04) * sum(np.sin(2 * np.pi * hz * t) for hz in (500, 1300, 2100, 2900)))


def test_own_noise_is_taken_off_and_a_tap_stays(made: Any, learnt: Learnt) -> None:
    noise = made.noise(made.speeds, 4.0, 5)
    at = round(2.0 * made.rate)
    clean = np.zeros_like(noise)
    clean[at : at + round(0.3 * made.rate)] += (0.2 * tap(made.rate)).astype(np.float32)
    cleaner = Cleaner(learnt.model, made.positions(made.speeds, 4.0), CleanConfig(least_db=-20.0))
    done = cleaner.clean(noise + clean, made.rate, 0)
    assert done.samples.shape == noise.shape and done.samples.dtype == np.float32 and done.known == 1.0
    error = done.samples - clean
    before, after = (float(np.mean(x[: at - 400] ** 2)) for x in (noise, error))
    assert 10 * np.log10(before / after) > 6.0
    loud = slice(at, at + round(0.05 * made.rate))
    assert np.mean(error[loud] ** 2) < 0.05 * np.mean(clean[loud] ** 2)


def test_without_joints_the_sound_stays_as_it_is(made: Any, learnt: Learnt) -> None:
    sound = made.noise(made.speeds, 1.0, 5)
    done = Cleaner(learnt.model, JointHistory().positions).clean(sound, made.rate, 0)
    assert done.samples is sound and done.known == 0.0
    half = Cleaner(learnt.model, made.positions(made.speeds, 0.4)).clean(sound, made.rate, 0)
    assert 0.3 < half.known < 0.7
    np.testing.assert_allclose(
        half.samples[round(0.6 * made.rate) :], sound[round(0.6 * made.rate) :], atol=1e-6
    )


def test_live_a_contact_is_cleaned_as_of_a_recording(made: Any, learnt: Learnt) -> None:
    sound, recorded = made.noise(made.speeds, 3.0, 6), made.positions(made.speeds, 4.0)
    stamps, _ = recorded("elbow", 0, 4_000_000_000)
    columns = [recorded(name, 0, 4_000_000_000)[1] for name in made.names]
    history = JointHistory()
    for i, stamp in enumerate(stamps):
        history.add(int(stamp), made.names, np.array([column[i] for column in columns]))
    part, start_ns = sound[8000:15000], 1_000_000_000
    offline = Cleaner(learnt.model, recorded).clean(part, made.rate, start_ns)
    live = Cleaner(learnt.model, history.positions).clean(part, made.rate, start_ns)
    np.testing.assert_array_equal(live.samples, offline.samples)


def onsets(made: Any, sound: Array, expected: Any = None) -> list[Onset]:
    detector = OnsetDetector(OnsetConfig(sample_rate=made.rate), expected)
    pad = np.zeros(made.rate // 5)
    return detector.process(np.concatenate([sound, pad]).astype(np.float32))


def clear(made: Any, found: list[Onset]) -> list[float]:
    return [onset.sample / made.rate for onset in found if onset.clear]


def test_a_motion_that_starts_is_no_clear_onset_and_a_tap_in_it_is(made: Any, learnt: Learnt) -> None:
    sound = made.noise(starts, 6.0, 7).astype(float)
    mask = NoiseSource(learnt.model, made.positions(starts, 7.0)).mask(
        lambda samples: np.round(samples / made.rate * 1e9).astype(np.int64)
    )
    assert [round(t) for t in clear(made, onsets(made, sound))] == [1, 3, 5]
    found = onsets(made, sound, mask)
    assert [round(o.sample / made.rate) for o in found] == [1, 3, 5] and clear(made, found) == []
    # 40 ms after a motion that begins: what the motor did hides no tap.
    for at in (3.04, 5.5):
        sound[round(at * made.rate) :][: round(0.3 * made.rate)] += 0.1 * tap(made.rate)
    assert clear(made, onsets(made, sound, mask)) == pytest.approx([3.04, 5.5], abs=0.005)
    assert mask.counts.asked > 0 and mask.counts.unknown == 0


def test_unknown_speeds_leave_onsets_as_they_were(made: Any, learnt: Learnt) -> None:
    sound = made.noise(starts, 6.0, 7).astype(float)
    mask = NoiseSource(learnt.model, JointHistory().positions).mask(lambda samples: samples.astype(np.int64))
    assert onsets(made, sound, mask) == onsets(made, sound)
    assert mask.counts.unknown == mask.counts.asked > 0


def test_a_listener_at_another_rate_says_so_and_hears_as_without(made: Any, learnt: Learnt) -> None:
    source = NoiseSource(learnt.model, JointHistory().positions)
    listener = Listener(OnsetConfig(sample_rate=made.rate), own_noise=source)
    assert listener.mask is not None
    chunk = 1e-3 * np.random.default_rng(0).standard_normal((480, 1)).astype(np.float32)
    listener.hear(chunk, first_sample=0, time_ns=10**9, stream_id="m", sample_rate=48_000)
    assert listener.mask is None
    trouble = listener.trouble(10**9 + 10**7)
    assert trouble is not None and not trouble.serious
    assert "learnt at 8000 Hz, the microphone gives 48000 Hz" in trouble.message
