"""Which sound files are variants of one recording."""

import numpy as np
import pytest

from foley_synthesis.hearing.inference.variants import fingerprint, similarities, variant_groups

RATE = 22_050


def tap(
    seed: int, *, pitch_hz: float = 900.0, decay_s: float = 0.08, room_seed: int | None = None
) -> np.ndarray:
    """A struck thing: partials of one object, a noisy blow and a room, which each take draws anew."""
    rng = np.random.default_rng(seed)
    thing = np.random.default_rng(round(pitch_hz))
    t = np.arange(round(0.9 * RATE)) / RATE
    sound = np.zeros_like(t)
    for k in range(8):
        gain, phase = thing.uniform(0.2, 1.0) * rng.uniform(0.5, 1.5), rng.uniform(0, 2 * np.pi)
        hz = pitch_hz * (1 + k * thing.uniform(0.6, 1.4))
        sound += gain * np.sin(2 * np.pi * hz * t + phase) * np.exp(-t / (decay_s / (1 + 0.3 * k)))
    sound += 2.0 * rng.standard_normal(len(t)) * np.exp(-t / 0.01)
    sound += 0.3 * rng.standard_normal(len(t)) * np.exp(-t / 0.15)
    return np.r_[np.zeros(2000), 0.2 * sound].astype(np.float32)


def alike(a: np.ndarray, b: np.ndarray, rate_b: int = RATE) -> float:
    return float(similarities([fingerprint(a, RATE), fingerprint(b, rate_b)])[0, 1])


def filtered(x: np.ndarray) -> np.ndarray:
    from scipy.signal import lfilter

    return lfilter([1.0, 0.6], [1.0], x).astype(np.float32)


def faded(x: np.ndarray) -> np.ndarray:
    return (x * np.linspace(1.0, 0.0, len(x))).astype(np.float32)


def noisy(x: np.ndarray) -> np.ndarray:
    return x + 0.002 * np.random.default_rng(9).standard_normal(len(x)).astype(np.float32)


CHANGES = {
    "gain": lambda x: 0.1 * x,
    "negative": lambda x: -x,
    "trimmed": lambda x: x[1993 : 1993 + RATE // 3],
    "later": lambda x: np.r_[np.zeros(4567, np.float32), x],
    "faded": faded,
    "equalised": filtered,
    "noisy": noisy,
    "clipped": lambda x: np.clip(3.0 * x, -1.0, 1.0),
    "8 bit": lambda x: np.round(x * 127) / 127,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("decay_s", [0.02, 0.3])
def test_a_variant_is_known_by_its_texture(change: str, decay_s: float) -> None:
    original = tap(1, decay_s=decay_s)
    variant = np.asarray(CHANGES[change](original), np.float32)
    assert alike(original, variant) > 0.75
    assert variant_groups([fingerprint(original, RATE), fingerprint(variant, RATE)]).tolist() == [0, 0]


def test_clean_tones_are_variants_by_their_waveforms_alone() -> None:
    def tone(hz: float) -> np.ndarray:
        t = np.arange(RATE // 2) / RATE - 0.1
        struck = np.where(t < 0, 0.0, 0.3 * np.exp(-np.maximum(t, 0) / 0.05) * np.sin(2 * np.pi * hz * t))
        return (struck + 1e-4 * np.random.default_rng(round(hz)).standard_normal(len(t))).astype(np.float32)

    sounds = [tone(900.0), tone(970.0), 0.5 * tone(900.0), faded(tone(970.0)), tone(940.0)]
    assert variant_groups([fingerprint(s, RATE) for s in sounds]).tolist() == [0, 1, 0, 1, 2]


def test_at_another_rate() -> None:
    from scipy.signal import resample_poly

    original = tap(2)
    assert alike(original, resample_poly(original, 2, 1).astype(np.float32), 2 * RATE) > 0.9


@pytest.mark.parametrize("decay_s", [0.02, 0.08])
def test_two_taps_of_one_thing_are_two_recordings(decay_s: float) -> None:
    taps = [fingerprint(tap(seed, decay_s=decay_s), RATE) for seed in range(12)]
    values = similarities(taps)[np.triu_indices(12, 1)]
    assert values.max() < 0.55
    assert variant_groups(taps).tolist() == list(range(12))


def test_groups_are_numbered_as_they_come_and_hold_chains() -> None:
    a, b = tap(1), tap(2)
    sounds = [b, a, 0.5 * b, faded(a), noisy(faded(b))]
    assert variant_groups([fingerprint(np.asarray(s, np.float32), RATE) for s in sounds]).tolist() == [
        0,
        1,
        0,
        1,
        0,
    ]


def test_silence_and_what_is_too_short_are_variants_of_nothing() -> None:
    nothing = fingerprint(np.zeros(RATE, np.float32), RATE)
    short = fingerprint(tap(1)[2000:2100], RATE)
    assert variant_groups([nothing, nothing, short, short, fingerprint(tap(1), RATE)]).tolist() == [
        0,
        1,
        2,
        3,
        4,
    ]
    assert variant_groups([]).tolist() == []
