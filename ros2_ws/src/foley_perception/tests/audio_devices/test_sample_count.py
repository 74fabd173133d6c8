"""Gaps are counted to the sample, and what only looks like one is none."""

from __future__ import annotations

import numpy as np
import pytest

from foley_perception.audio_devices.mailbox import Chunk
from foley_perception.audio_devices.sample_count import Placed, SampleCount

RATE, BLOCK = 48_000, 480
BUFFER_S = 0.02


class Device:
    """Samples whose value is their true index; hands over chunks with jitter."""

    def __init__(self) -> None:
        self.now_s, self.true = 100.0, 0
        self.random = np.random.default_rng(1)
        self.count = SampleCount(RATE, BUFFER_S)
        self.placed: list[Placed] = []

    def hear(self, seconds: float, *, off_s: float = 0.0, late_s: float = 0.0) -> None:
        """``off_s``: what the device says is wrong by so much; ``late_s``: chunks come so much later than usual."""
        for _ in range(round(seconds * RATE / BLOCK)):
            captured = 100.0 + self.true / RATE
            arrived = captured + 0.012 + late_s + self.random.exponential(0.0003)
            said = captured + off_s + 0.0001 * self.random.standard_normal()
            samples = np.arange(self.true, self.true + BLOCK, dtype=np.float32)[:, None]
            self.placed += self.count.take(Chunk(samples, arrived, captured_s=said, overflow=self.flag))
            self.true += BLOCK
            self.flag = False

    flag = False

    def lose(self, samples: int, *, flag: bool = False) -> None:
        self.true += samples
        self.flag = flag

    def finish(self) -> None:
        self.placed += self.count.finish()

    def true_first(self) -> np.ndarray:
        return np.array([p.samples[0, 0] for p in self.placed])

    def error_s(self) -> np.ndarray:
        return np.array([p.captured_s for p in self.placed]) - 100.0 - self.true_first() / RATE


def test_without_gaps_every_sample_has_its_place_and_time() -> None:
    device = Device()
    device.hear(4.0)
    assert [p.first_sample for p in device.placed] == list(range(0, 4 * RATE, BLOCK))
    assert np.abs(device.error_s()).max() < 0.0003
    assert device.count.gaps == 0 and 0.0002 <= device.placed[-1].std_s < 0.0005


@pytest.mark.parametrize("flag", [True, False])
@pytest.mark.parametrize("lost", [480, 4800, 24_000])
def test_lost_samples_are_missing_in_the_count(lost: int, flag: bool) -> None:
    device = Device()
    device.hear(3.0)
    device.lose(lost, flag=flag)
    device.hear(3.0)
    device.finish()
    first = np.array([p.first_sample for p in device.placed])
    assert device.count.gaps == 1 and abs(device.count.lost - lost) < 0.0005 * RATE
    # Each chunk is where it truly was, and those before the gap are not moved.
    assert np.abs(first - device.true_first()).max() < 0.0005 * RATE
    assert np.abs(device.error_s()).max() < 0.0006


def test_what_comes_late_is_not_lost() -> None:
    device = Device()
    device.hear(3.0)
    for left in range(50, 0, -1):  # half a second in a burst
        device.hear(0.01, late_s=0.01 * left)
    device.hear(2.0)
    assert device.count.gaps == 0 and len(device.placed) == 550


def test_a_devices_word_that_swings_is_no_gap() -> None:
    device = Device()
    device.hear(3.0)
    device.hear(3.0, off_s=0.03)
    assert device.count.gaps == 0 and device.count.jumps == 1
    assert device.placed[-1].first_sample == 6 * RATE - BLOCK


def test_where_the_devices_word_lags_behind_a_gap_arrival_tells_it() -> None:
    device = Device()
    device.hear(3.0)
    device.lose(9600)
    for step in range(300):  # it takes three seconds to notice
        device.hear(0.01, off_s=-0.2 * (1 - step / 300))
    device.hear(2.0)
    assert device.count.gaps == 1 and abs(device.count.lost - 9600) < 0.002 * RATE
    assert np.abs(device.error_s()).max() < 0.006, "the clock runs on by itself meanwhile"


def test_what_a_device_says_before_it_found_its_clock_is_not_believed() -> None:
    device = Device()
    device.hear(0.8, off_s=-0.5)
    device.hear(2.0)
    assert device.placed[0].first_sample == 0 and device.count.gaps == 0
    assert np.abs(device.error_s()).max() < 0.0005, "chunks of the start wait for it"


def test_what_nobody_took_in_time_is_known_to_the_sample() -> None:
    device = Device()
    device.hear(2.0)
    chunk = Chunk(
        np.zeros((BLOCK, 1), np.float32), 102.02 + 0.012, lost=777, dropped=777, captured_s=102.0 + 777 / RATE
    )
    device.placed += device.count.take(chunk)
    assert device.placed[-1].first_sample == 2 * RATE + 777 and device.count.lost == 777


def test_without_a_devices_word_arrival_stamps() -> None:
    count = SampleCount(RATE, BUFFER_S)
    placed = [
        p for i in range(300) for p in count.take(Chunk(np.zeros((BLOCK, 1), np.float32), 50.0 + 0.01 * i))
    ]
    assert placed and not any(p.by_device for p in placed)
    assert placed[-1].captured_s == pytest.approx(50.0 + 2.99 - 0.01, abs=1e-6)
