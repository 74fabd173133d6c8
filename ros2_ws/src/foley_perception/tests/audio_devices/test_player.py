"""Sounds come out of a device when they are to be heard."""

from __future__ import annotations

import numpy as np
import pytest

from foley_perception.audio_devices.player import Player
from foley_perception.audio_devices.stream_resampler import StreamResampler

RATE, BLOCK, DELAY_S = 48_000, 480, 0.05


class Device:
    """Takes blocks; what it takes is heard DELAY_S later."""

    def __init__(self) -> None:
        self.player, self.now_s, self.heard = Player(RATE), 10.0, np.zeros(0, np.float32)

    def play(self, seconds: float, shift_s: float = 0.0) -> None:
        for _ in range(round(seconds * RATE / BLOCK)):
            block = np.zeros((BLOCK, 2), np.float32)
            self.player.fill(block, self.now_s + DELAY_S + shift_s, self.now_s)
            assert np.array_equal(block[:, 0], block[:, 1])
            self.heard = np.concatenate([self.heard, block[:, 0]])
            self.now_s += BLOCK / RATE

    def at(self, time_s: float) -> int:
        """Index in what was heard."""
        return round((time_s - 10.0 - DELAY_S) * RATE)


def test_a_sound_is_heard_when_it_is_to_be() -> None:
    device = Device()
    device.play(0.2)
    sound = np.linspace(0.1, 0.9, 1000, dtype=np.float32)
    assert device.player.add(10.4, sound, RATE)
    device.play(0.5)
    start = device.at(10.4)
    assert np.allclose(device.heard[start : start + 1000], sound)
    assert not device.heard[:start].any() and not device.heard[start + 1000 :].any()
    assert abs(device.player.latency_s - DELAY_S) < 1e-6 and device.player.played == 1


def test_what_is_late_is_left_out_and_counted_or_cut() -> None:
    device = Device()
    device.play(0.2)
    sound = np.full(4800, 0.5, np.float32)
    assert not device.player.add(10.2, sound, RATE) and device.player.late == 1
    assert device.player.add(10.2, sound, RATE, cut=True)
    device.play(0.3)
    told = np.flatnonzero(device.heard == 0.5)
    assert told[-1] == device.at(10.3) - 1 and device.player.late == 1
    faded = device.at(10.25) + round(0.005 * RATE)  # 10.25: what can still be chosen
    assert abs(told[0] - faded) <= 1


def test_chunks_of_a_stream_are_joined_at_another_rate() -> None:
    device = Device()
    device.play(0.2)
    time = np.arange(16_000) / 16_000
    sine = np.sin(2 * np.pi * 440 * time).astype(np.float32)
    for i in range(10):  # stamps that jitter by a millisecond
        jitter_s = 0.001 * (-1) ** i if i else 0.0
        chunk = sine[i * 1600 : (i + 1) * 1600]
        assert device.player.add(
            10.5 + 0.1 * i + jitter_s, chunk, 16_000, stream="plan", first_sample=i * 1600
        )
    device.play(1.5)
    start = device.at(10.5)
    wanted = np.sin(2 * np.pi * 440 * np.arange(46_000) / RATE)
    assert np.abs(device.heard[start + 200 : start + 46_000] - wanted[200:]).max() < 0.01


@pytest.mark.parametrize(("rate", "size"), [(11_025, 1024), (22_050, 500), (16_000, 333), (44_100, 1000)])
def test_chunks_that_the_ratio_of_the_rates_does_not_divide_keep_their_time(rate: int, size: int) -> None:
    device = Device()
    device.play(0.2)
    sine = np.sin(2 * np.pi * 300 * np.arange(rate) / rate).astype(np.float32)
    for first in range(0, rate - size, size):
        chunk = sine[first : first + size]
        assert device.player.add(10.5 + first / rate, chunk, rate, stream="plan", first_sample=first)
    device.play(1.5)
    start = device.at(10.5)
    wanted = np.sin(2 * np.pi * 300 * np.arange(40_000) / RATE)
    assert np.abs(device.heard[start + 500 : start + 40_000] - wanted[500:]).max() < 0.01


def test_a_sound_by_itself_is_heard_to_its_end() -> None:
    device = Device()
    device.play(0.2)
    sine = np.sin(2 * np.pi * 300 * np.arange(1100) / 11_025).astype(np.float32)
    assert device.player.add(10.5, sine, 11_025)
    device.play(0.6)
    start, end = device.at(10.5), device.at(10.5 + 1100 / 11_025)
    wanted = np.sin(2 * np.pi * 300 * np.arange(end - start) / RATE)
    assert np.abs(device.heard[start + 300 : end - 100] - wanted[300:-100]).max() < 0.02


def test_a_clock_that_moves_takes_what_is_not_yet_heard_with_it() -> None:
    device = Device()
    device.play(0.5)
    device.player.add(11.5, np.full(100, 0.5, np.float32), RATE)
    device.play(1.2, shift_s=0.1)  # the device says that all is heard 0.1 s later
    assert np.flatnonzero(device.heard)[0] == device.at(11.4)


def test_what_is_too_loud_is_clipped_and_counted() -> None:
    device = Device()
    device.play(0.2)
    for _ in range(2):
        device.player.add(10.4, np.full(100, 0.8, np.float32), RATE)
    device.play(0.4)
    assert device.heard.max() == 1.0 and device.player.clipped == 100


def test_resampling_in_chunks_is_resampling_at_once() -> None:
    random = np.random.default_rng(0)
    sound = np.convolve(random.standard_normal(44_100), np.ones(20) / 20, "same").astype(np.float32)
    from foley_perception.audio.resample import resampled

    whole = resampled(sound, 44_100, 48_000)
    stream = StreamResampler(44_100, 48_000)
    ahead = round(stream.ahead_s * 48_000)
    out = np.concatenate([stream.take(part) for part in np.array_split(sound, 37)])
    assert np.allclose(out[ahead:], whole[: len(out) - ahead], atol=1e-5)
    assert len(whole) - (len(out) - ahead) < 0.01 * 48_000
