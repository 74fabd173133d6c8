"""Frames of a sound that is still coming, against the offline cochleagram."""

from __future__ import annotations

import numpy as np
import pytest

from foley_perception.audio.cochleagram import Cochleagram
from foley_perception.audio.cochleagram_stream import LOOKAHEAD_S, CochleagramStream

RATE = 48_000
COCHLEA = Cochleagram(RATE)


def _touches(seconds: float = 6.0) -> np.ndarray:
    """Damped tones from 80 Hz to 5 kHz over the noise of a room."""
    rng = np.random.default_rng(0)
    sound = 1e-3 * rng.standard_normal(round(seconds * RATE))
    time = np.arange(2 * RATE) / RATE
    for onset, hertz in ((0.5, 300), (1.1, 1200), (1.8, 80), (2.4, 5000), (3.0, 700), (3.6, 150)):
        start = round(onset * RATE)
        tone = 0.3 * np.exp(-6 * time) * np.sin(2 * np.pi * hertz * time)
        part = tone[: len(sound) - start]
        sound[start : start + len(part)] += part
    return sound.astype(np.float32)


def _streamed(sound: np.ndarray, stream: CochleagramStream, chunk: int) -> np.ndarray:
    parts = [stream.push(sound[i : i + chunk]) for i in range(0, len(sound), chunk)]
    return np.concatenate([*parts, stream.finish()])


def _error_db(ours: np.ndarray, offline: np.ndarray) -> float:
    return float(10 * np.log10(np.mean((ours - offline) ** 2) / np.mean(offline**2)))


def test_the_stated_lookahead_keeps_the_error_under_40_db() -> None:
    sound = _touches(8.0)
    offline = COCHLEA(sound)
    ours = _streamed(sound, CochleagramStream(COCHLEA), 4800)
    assert ours.shape == offline.shape
    assert _error_db(ours[120:-120], offline[120:-120]) < -40.0
    assert _error_db(ours, offline) < -34.0


def test_less_lookahead_costs_the_low_bands_only() -> None:
    sound = _touches()
    offline = COCHLEA(sound)
    ours = _streamed(sound, CochleagramStream(COCHLEA, lookahead_s=0.1), 480)
    assert -40.0 < _error_db(ours, offline) < -20.0
    assert _error_db(ours[:, 12:41], offline[:, 12:41]) < -50.0


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_frames_come_in_order_and_on_time_whatever_the_chunks(rate: int) -> None:
    cochlea = Cochleagram(rate)
    sound = _touches(4.0)[: 3 * rate]
    results = []
    for chunk in (rate // 100, 1000, 7777):
        stream = CochleagramStream(cochlea, hop=5)
        given = 0
        for start in range(0, len(sound), chunk):
            frames = stream.push(sound[start : start + chunk])
            given += len(frames)
            known_s = min(start + chunk, len(sound)) / rate
            assert len(frames) % 5 == 0 and given / 90 <= max(known_s - LOOKAHEAD_S, 0.0) + 1e-9
            assert given / 90 > known_s - stream.latency_s - 2 / 90 - 1e-9
        results.append(given)
        stream.finish()
        assert stream.frames == cochlea.frames_of(len(sound))
    assert len(set(results)) == 1


def test_nothing_grows_with_time() -> None:
    stream = CochleagramStream(COCHLEA)
    for _ in range(900):
        stream.push(np.zeros(480, np.float32))
    assert len(stream._sound) < 3.5 * RATE


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="lookahead_s is 0"):
        CochleagramStream(COCHLEA, lookahead_s=0)
    with pytest.raises(ValueError, match="hop is 0"):
        CochleagramStream(COCHLEA, hop=0)
    with pytest.raises(ValueError, match="must be one channel"):
        CochleagramStream(COCHLEA).push(np.zeros((10, 2)))
