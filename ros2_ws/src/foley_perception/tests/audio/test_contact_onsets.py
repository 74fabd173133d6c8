"""Strikes, rings, scratches and rooms made here: how many contacts they are."""

import numpy as np
import pytest
from numpy.typing import NDArray

from foley_perception.audio.contact_onsets import ContactConfig, ContactFinder, ContactOnset

RATE = 48_000
Sound = NDArray[np.float64]
BELL = (523.0, 1440.0, 2833.0, 4700.0, 7100.0)
BEATING = (1500.0, 1503.0, 2900.0, 2911.0, 5200.0, 5221.0)


def noise(seconds: float, dbfs: float = -70.0, seed: int = 1) -> Sound:
    return 10 ** (dbfs / 20) * np.random.default_rng(seed).standard_normal(round(seconds * RATE))


def add(sound: Sound, at_s: float, other: Sound) -> None:
    begin = round(at_s * RATE)
    n = min(len(other), len(sound) - begin)
    sound[begin : begin + n] += other[:n]


def strike(t60_s: float, frequencies: tuple[float, ...] = BELL, click: float = 0.1, seed: int = 0) -> Sound:
    t = np.arange(round(min(1.3 * t60_s, 4.0) * RATE)) / RATE
    modes = sum(np.sin(2 * np.pi * f * t) for f in frequencies) * np.exp(-6.9 * t / t60_s)
    sound = 0.3 / len(frequencies) * modes
    sound[:240] += click * np.random.default_rng(seed).standard_normal(240) * np.exp(-np.arange(240) / 60)
    return np.asarray(sound)


def found(sound: Sound, chunk: int = RATE) -> list[ContactOnset]:
    """The last word on each contact."""
    finder = ContactFinder(RATE)
    samples = sound.astype(np.float32)
    told = [c for i in range(0, len(samples), chunk) for c in finder.process(samples[i : i + chunk])]
    return list({c.number: c for c in [*told, *finder.finish()]}.values())


def times(sound: Sound) -> list[float]:
    return [contact.sample / RATE for contact in found(sound)]


@pytest.mark.parametrize("frequencies", [(1500.0,), BELL, BEATING])
@pytest.mark.parametrize("t60_s", [0.3, 1.0, 3.0, 6.0])
def test_a_thing_that_rings_was_struck_once_and_three_taps_are_three(
    frequencies: tuple[float, ...], t60_s: float
) -> None:
    once, thrice = noise(3.0), noise(3.0)
    add(once, 0.5, strike(t60_s, frequencies))
    for tap in range(3):
        add(thrice, 0.5 + 0.8 * tap, strike(t60_s, frequencies, seed=tap))
    assert times(once) == pytest.approx([0.5], abs=0.01)
    assert times(thrice) == pytest.approx([0.5, 1.3, 2.1], abs=0.01)


def test_quick_taps_are_told_apart_and_bounces_are_not() -> None:
    taps, bounces = noise(2.0), noise(2.0)
    for at, gain in ((0.5, 1.0), (0.65, 0.8), (0.8, 0.9)):
        add(taps, at, gain * strike(0.1))
    for after, gain in ((0.0, 1.0), (0.012, 0.7), (0.021, 0.5), (0.028, 0.4)):
        add(bounces, 0.5 + after, gain * strike(0.1))
    assert times(taps) == pytest.approx([0.5, 0.65, 0.8], abs=0.01)
    assert times(bounces) == pytest.approx([0.5], abs=0.01)


def test_soft_taps_in_noise_are_heard_each() -> None:
    """Over noise that hides most of their bands, so that few rise: what they follow has died away long ago."""
    sound, at = noise(8.0, -50.0), np.arange(0.5, 7.9, 0.7)
    for tap, when in enumerate(at):
        add(sound, when, 0.06 * strike(0.1, (1500.0, 2400.0), click=0.1, seed=tap))
    assert times(sound) == pytest.approx(at.tolist(), abs=0.01)


@pytest.mark.parametrize("t60_s", [0.3, 1.0, 2.5])
def test_a_room_answers_and_is_no_contact(t60_s: float) -> None:
    n = round(t60_s * RATE)
    room = 0.02 * np.random.default_rng(5).standard_normal(n) * np.exp(-6.9 * np.arange(n) / n)
    room[0] = 1.0
    for at_s, gain in ((0.011, 0.5), (0.023, 0.4), (0.041, 0.3), (0.08, 0.2)):
        room[round(at_s * RATE)] += gain
    dry = strike(0.08)
    heard = np.fft.irfft(np.fft.rfft(dry, 4 * RATE) * np.fft.rfft(room, 4 * RATE))
    sound = noise(4.0)
    add(sound, 0.5, heard)
    assert times(sound) == pytest.approx([0.5], abs=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_a_scratch_is_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = round(1.5 * RATE)
    pressure = np.repeat(np.exp(0.35 * rng.standard_normal(150)), n // 150)
    edge = np.minimum(1.0, np.minimum(np.arange(n), np.arange(n)[::-1]) / (0.03 * RATE))
    sound = noise(3.0)
    add(sound, 0.7, 0.05 * rng.standard_normal(n) * pressure * edge)
    assert times(sound) == pytest.approx([0.7], abs=0.02)


def test_a_faint_rattle_after_a_strike_is_its_own_and_the_same_later_is_a_contact() -> None:
    sound = noise(4.0, -85.0)
    add(sound, 0.5, strike(0.15))
    add(sound, 0.8, 0.01 * strike(0.1, seed=1))
    add(sound, 3.0, 0.01 * strike(0.1, seed=1))
    assert times(sound) == pytest.approx([0.5, 3.0], abs=0.01)


def test_a_contact_begins_with_the_knock_and_not_with_the_brush_before_it() -> None:
    sound = noise(2.0, -85.0)
    add(sound, 0.5, 0.02 * strike(0.05))
    add(sound, 0.56, strike(0.15, seed=1))
    finder = ContactFinder(RATE)
    told = [*finder.process(sound.astype(np.float32)), *finder.finish()]
    assert [(c.number, c.moved) for c in told] == [(0, False), (0, True)]
    assert told[1].sample / RATE == pytest.approx(0.56, abs=0.005)
    assert told[1].level_dbfs > told[0].level_dbfs + 12.0


def test_a_contact_that_the_recording_ends_in() -> None:
    sound = noise(1.0)
    add(sound, 0.97, strike(0.3))
    assert times(sound) == pytest.approx([0.97], abs=0.005)


@pytest.mark.parametrize("chunk", [37, 480, 5000])
def test_the_chunks_do_not_matter(chunk: int) -> None:
    sound = noise(2.5)
    for tap in range(3):
        add(sound, 0.4 + 0.6 * tap, strike(1.0, seed=tap))
    assert found(sound, chunk) == found(sound)


def test_a_contact_comes_out_after_60_ms_of_it() -> None:
    sound = noise(1.5)
    add(sound, 0.5, strike(0.5))
    finder, samples = ContactFinder(RATE), sound.astype(np.float32)
    for begin in range(0, len(samples), 240):
        if finder.process(samples[begin : begin + 240]):
            break
    assert finder.samples_seen / RATE == pytest.approx(0.56, abs=0.0051)


def test_behind_a_gap_it_goes_on() -> None:
    sound = noise(3.0)
    add(sound, 0.5, strike(0.3))
    add(sound, 2.0, strike(0.3))
    samples = sound.astype(np.float32)
    finder = ContactFinder(RATE)
    told = finder.process(samples[:RATE])
    told += finder.skip(RATE // 2)
    told += finder.process(samples[3 * RATE // 2 :])
    assert [c.number for c in told] == [0, 1]
    assert [c.sample / RATE for c in told] == pytest.approx([0.5, 2.0], abs=0.01)


@pytest.mark.parametrize(
    ("field", "value"), [("rise_db", 0.0), ("least_gap_s", float("nan")), ("after_s", 0.001)]
)
def test_config_names_what_it_refuses(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        ContactConfig(**{field: value})
