"""The fast cochleagram against Eq. 1 written out literally."""

import numpy as np
import pytest
import scipy.fft
import scipy.signal

from foley_perception.audio.cochleagram import Cochleagram, erb_of_hz, filter_responses, hz_of_erb


def literal_cochleagram(samples: np.ndarray, rate: int, frame_rate: float, exponent: float) -> np.ndarray:
    """Eq. 1, band by band at the full sample rate: filter, Hilbert envelope, mean over each frame, power."""
    # The same length of silence behind the sound as in the fast one: what wraps around is then the same.
    size = scipy.fft.next_fast_len(len(samples) + int(0.05 * rate), real=True)
    padded = np.concatenate([samples, np.zeros(size - len(samples))])
    spectrum = np.fft.fft(padded)
    frequency = np.abs(np.fft.fftfreq(len(padded), 1 / rate))
    frames = int(len(samples) * frame_rate / rate)
    edges = np.arange(frames + 1) * rate / frame_rate
    result = []
    for response in filter_responses(frequency, min(20_000.0, 0.45 * rate)):
        band = np.fft.ifft(spectrum * response).real
        envelope = np.abs(scipy.signal.hilbert(band))
        integral = np.concatenate([[0.0], np.cumsum(0.5 * (envelope[1:] + envelope[:-1]))])
        result.append(np.diff(np.interp(edges, np.arange(len(integral)), integral)) * frame_rate / rate)
    return np.stack(result, axis=1) ** exponent


def impact(rate: int, seconds: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(int(rate * seconds)) / rate
    since = np.maximum(t - 0.2, 0.0)
    modes = sum(
        a * np.exp(-since * d) * np.sin(2 * np.pi * f * since)
        for f, d, a in [(410.0, 30.0, 0.2), (1930.0, 60.0, 0.2), (7100.0, 120.0, 0.1)]
    )
    return (modes + 1e-3 * rng.standard_normal(len(t))).astype(np.float32)


@pytest.mark.parametrize("rate", [48_000, 44_100, 16_000])
def test_agrees_with_eq_1_written_out(rate: int) -> None:
    samples = impact(rate, 0.8, seed=3)
    fast = Cochleagram(rate)(samples)
    slow = literal_cochleagram(samples.astype(np.float64), rate, 90.0, 0.3)
    assert fast.shape == slow.shape == (72, 42)
    error = np.abs(fast - slow) / slow.max()
    # The largest errors stand in the frame before the onset, where the power of 0.3 stretches next to nothing.
    assert np.quantile(error, 0.99) < 0.001
    assert error.max() < 0.01


@pytest.mark.parametrize("highest", [20_000.0, 7_200.0])
def test_squared_responses_sum_to_one(highest: float) -> None:
    frequency = np.linspace(0.0, 24_000.0, 5001)
    responses = filter_responses(frequency, highest)
    assert responses.shape == (42, 5001)
    assert np.allclose(np.sum(responses**2, axis=0), 1.0, atol=1e-9)


def test_filterbank_reconstructs_the_sound() -> None:
    """Analysis and synthesis with the same filters is the identity."""
    samples = impact(48_000, 0.3, seed=1)
    frequency = np.fft.rfftfreq(len(samples), 1 / 48_000)
    spectrum = np.fft.rfft(samples)
    rebuilt = np.fft.irfft(sum(spectrum * r * r for r in filter_responses(frequency, 20_000.0)), len(samples))
    assert np.abs(rebuilt - samples).max() < 1e-6


def test_erb_scale_round_trip_and_known_value() -> None:
    frequency = np.array([50.0, 1000.0, 20_000.0])
    assert np.allclose(hz_of_erb(erb_of_hz(frequency)), frequency)
    # One ERB at 1 kHz is 24.7 (4.37 + 1) Hz = 132.6 Hz, which fixes the slope of the scale there.
    slope = float(erb_of_hz(1000.5) - erb_of_hz(999.5))
    assert slope == pytest.approx(1 / 132.6, rel=0.01)


def test_tone_lights_the_band_around_it() -> None:
    t = np.arange(48_000) / 48_000
    cochlea = Cochleagram(48_000)(np.sin(2 * np.pi * 1000 * t).astype(np.float32))
    corners = hz_of_erb(np.linspace(erb_of_hz(50.0), erb_of_hz(20_000.0), 42))
    loudest = int(np.argmax(cochlea[45]))
    assert corners[loudest - 1] < 1000 < corners[loudest + 1]


def test_gain_follows_the_exponent() -> None:
    samples = impact(48_000, 0.5, seed=0)
    cochlea = Cochleagram(48_000)
    assert np.allclose(cochlea(samples * 0.5), cochlea(samples) * 0.5**0.3, atol=1e-4)


def test_onset_falls_into_its_frame() -> None:
    samples = np.zeros(48_000, np.float32)
    samples[int(0.5 * 48_000)] = 1.0
    high = Cochleagram(48_000)(samples)[:, 35]
    assert int(np.argmax(high)) in (44, 45)


def test_imposed_envelopes_come_back() -> None:
    cochlea = Cochleagram(48_000)
    target = cochlea(impact(48_000, 1.0, seed=2))
    sound = cochlea.invert_envelopes(target, 48_000, seed=4)
    assert sound.shape == (48_000,) and np.isfinite(sound).all()
    error = np.abs(cochlea(sound) - target).mean()
    silence = np.abs(target).mean()
    assert error < 0.35 * silence
    assert np.array_equal(sound, cochlea.invert_envelopes(target, 48_000, seed=4))


def test_silence_stays_silent() -> None:
    cochlea = Cochleagram(48_000)
    assert not cochlea(np.zeros(4800, np.float32)).any()
    assert np.abs(cochlea.invert_envelopes(np.zeros((9, 42)))).max() == 0.0


def test_refuses_two_channels_and_short_rates() -> None:
    with pytest.raises(ValueError, match="one channel"):
        Cochleagram(48_000)(np.zeros((10, 2), np.float32))
    with pytest.raises(ValueError, match="too low"):
        Cochleagram(100)
    assert Cochleagram(48_000)(np.zeros(3, np.float32)).shape == (0, 42)
