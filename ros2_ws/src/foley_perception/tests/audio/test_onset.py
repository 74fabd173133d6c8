import numpy as np
import pytest
from numpy.typing import NDArray

from foley_perception.audio.onset import Onset, OnsetDetector
from foley_perception.audio.onset_config import BankConfig, OnsetConfig

RATE = 48_000


def room(
    seconds: float, seed: int = 0, noise_dbfs: float = -66.0, hum_dbfs: float = -58.0
) -> NDArray[np.float64]:
    """Noise, and the hum of a motor that keeps speeding up and stopping."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    speed = np.clip(np.sin(2 * np.pi * t / 1.7), 0, 1)
    phase = 2 * np.pi * np.cumsum(90 + 60 * speed) / RATE
    hum = speed * sum(np.sin(k * phase) / k for k in range(1, 8))
    return 10 ** (noise_dbfs / 20) * rng.standard_normal(t.size) + 10 ** (hum_dbfs / 20) * hum


def add_click(sound: NDArray[np.float64], at_s: float, level_dbfs: float, rng: np.random.Generator) -> None:
    """A few decaying modes that start together."""
    start = round(at_s * RATE)
    t = np.arange(min(round(0.2 * RATE), sound.size - start)) / RATE
    modes = sum(
        rng.uniform(0.2, 1)
        * np.exp(-t * rng.uniform(30, 300))
        * np.sin(2 * np.pi * rng.uniform(400, 6000) * t)
        for _ in range(6)
    )
    sound[start : start + t.size] += 10 ** (level_dbfs / 20) * modes / np.abs(modes).max()


def clicks(
    seed: int, low_dbfs: float, seconds: float = 20.0
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0.5, seconds - 0.5, 20))
    times = times[np.concatenate([[True], np.diff(times) > 0.15])]
    sound = room(seconds, seed)
    for at in times:
        add_click(sound, at, rng.uniform(low_dbfs, low_dbfs + 20), rng)
    return sound.astype(np.float32), times


def listen(sound: NDArray[np.float32], chunk: int = 480) -> list[Onset]:
    detector = OnsetDetector()
    return [o for i in range(0, len(sound), chunk) for o in detector.process(sound[i : i + chunk])]


def matched(onsets: list[Onset], times: NDArray[np.float64]) -> list[float]:
    """Signed errors [s] of onsets matched one to one with true times, within 30 ms."""
    found = np.array([o.sample / RATE for o in onsets])
    errors, free = [], set(range(len(found)))
    for at in times:
        near = [i for i in free if abs(found[i] - at) < 0.03]
        if near:
            best = min(near, key=lambda i: abs(found[i] - at))
            free.remove(best)
            errors.append(float(found[best] - at))
    return errors


@pytest.mark.parametrize("low_dbfs", [-30.0, -45.0])
def test_clicks_in_noise_and_hum(low_dbfs: float) -> None:
    heard = expected = 0
    errors: list[float] = []
    for seed in range(3):
        sound, times = clicks(seed, low_dbfs)
        onsets = listen(sound)
        errors += matched(onsets, times)
        heard, expected = heard + len(onsets), expected + len(times)
    assert len(errors) / heard > 0.95, "precision"
    assert len(errors) / expected > 0.95, "recall"
    assert np.median(np.abs(errors)) < 0.003
    assert np.percentile(np.abs(errors), 95) < 0.006


def test_hum_and_noise_alone_do_not_fire() -> None:
    for seed in range(3):
        assert listen(room(15.0, seed).astype(np.float32)) == []


def test_a_steady_tone_and_digital_silence_do_not_fire() -> None:
    t = np.arange(3 * RATE) / RATE
    assert listen((0.1 * np.sin(2 * np.pi * 1234.5 * t) * np.clip(t, 0, 1)).astype(np.float32)) == []
    assert listen(np.zeros(RATE, np.float32)) == []


def test_a_soft_thump_is_heard() -> None:
    sound = room(3.0)
    t = np.arange(round(0.08 * RATE)) / RATE
    thump = np.sin(2 * np.pi * 90 * t) * np.exp(-t * 40)
    sound[2 * RATE : 2 * RATE + t.size] += 10 ** (-38 / 20) * thump
    onsets = listen(sound.astype(np.float32))
    assert len(onsets) == 1
    assert onsets[0].sample / RATE == pytest.approx(2.0, abs=0.01)
    assert onsets[0].level_dbfs == pytest.approx(-39, abs=3)


@pytest.mark.parametrize("chunk", [1, 37, 4096, 10**6])
def test_result_does_not_depend_on_chunks(chunk: int) -> None:
    sound, _ = clicks(5, -35.0, seconds=4.0)
    sound = sound[: RATE // 2] if chunk == 1 else sound
    assert listen(sound, chunk) == listen(sound, 480)


def test_onsets_come_within_60_ms() -> None:
    sound, times = clicks(1, -30.0, seconds=4.0)
    detector = OnsetDetector()
    for i in range(0, len(sound), 480):
        for onset in detector.process(sound[i : i + 480]):
            assert detector.samples_seen - onset.sample < 0.06 * RATE
    assert len(times)


def test_the_edge_of_a_gap_is_no_onset() -> None:
    sound = (0.05 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)
    detector = OnsetDetector()
    found = detector.process(sound[: RATE // 2])
    detector.skip(RATE)
    assert detector.samples_seen == RATE // 2 + RATE
    found += detector.process(sound[RATE // 2 :])
    assert found == []


def test_two_clicks_closer_than_the_interval_are_one() -> None:
    sound = room(2.0)
    rng = np.random.default_rng(3)
    add_click(sound, 1.0, -20, rng)
    add_click(sound, 1.05, -12, rng)
    assert len(listen(sound.astype(np.float32))) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("sample_rate", 0), ("sample_rate", 2000), ("hop_s", -1.0), ("flux_ratio", float("nan"))],
)
def test_config_names_what_it_refuses(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        OnsetConfig(**{field: value})


def test_bank_refuses_bad_bands() -> None:
    with pytest.raises(ValueError, match="low_hz is 500"):
        BankConfig(0.01, 4, 500.0, 400.0, 4, 2.0, 1, 6.0)
    with pytest.raises(ValueError, match="min_bands is 5"):
        BankConfig(0.01, 4, 100.0, 400.0, 4, 2.0, 5, 6.0)


def mains(seconds: float, frequency: float, level_dbfs: float, noise_dbfs: float) -> NDArray[np.float64]:
    """Hum with twenty harmonics, over noise."""
    rng = np.random.default_rng(round(frequency - level_dbfs))
    t = np.arange(round(seconds * RATE)) / RATE
    hum = sum(
        np.sin(2 * np.pi * k * frequency * t + rng.uniform(0, 2 * np.pi)) / np.sqrt(k) for k in range(1, 21)
    )
    noise = 10 ** (noise_dbfs / 20) * rng.standard_normal(t.size)
    return 10 ** (level_dbfs / 20) * hum / np.sqrt(np.square(hum).mean()) + noise


@pytest.mark.parametrize("frequency", [50.0, 60.0])
@pytest.mark.parametrize(("level_dbfs", "noise_dbfs"), [(-20, -60), (-20, -70), (-40, -120), (-60, -90)])
def test_mains_hum_is_no_onset_from_its_first_sample_on(
    frequency: float, level_dbfs: float, noise_dbfs: float
) -> None:
    hum = mains(3.0, frequency, level_dbfs, noise_dbfs)
    for begin in range(0, 960, 96):  # wherever in its period it begins
        assert listen(hum[begin : begin + RATE].astype(np.float32)) == []
    rng = np.random.default_rng(1)
    for at in (0.8, 2.0):
        add_click(hum, at, -8.0, rng)
    onsets = [o.sample / RATE for o in listen(hum.astype(np.float32))]
    assert onsets == pytest.approx([0.8, 2.0], abs=0.01)


def test_a_contact_at_the_first_sample_is_heard_where_the_background_is_known() -> None:
    sound = room(1.0, hum_dbfs=-120.0)
    background = sound[:2400].copy()
    add_click(sound, 0.0, -10.0, np.random.default_rng(2))
    assert listen(sound.astype(np.float32)) == []
    detector = OnsetDetector()
    detector.expect(background.astype(np.float32))
    assert [o.sample / RATE for o in detector.process(sound.astype(np.float32))] == pytest.approx(
        [0.0], abs=0.01
    )
