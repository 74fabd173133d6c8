"""Levels, blur and exposure against signals whose figures are known; lines whose memory does not grow."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from foley_common.metrics_file import plain
from foley_perception.quality import figures, judge
from foley_perception.quality.picture_meter import MOST_LOOKS, PictureMeter, blur_of
from foley_perception.quality.sound_meter import SoundMeter
from foley_perception.quality.time_line import TimeLine
from foley_perception.recording import cdr
from foley_perception.recording.bag import BagTopic
from foley_perception.recording.cdr import AudioHead, Header

RATE = 16_000


def heads_of(samples: np.ndarray, *, stream: str = "a", first: int = 0) -> list[tuple[AudioHead, np.ndarray]]:
    """Chunks of 10 ms."""
    size = RATE // 100
    return [
        (
            AudioHead(Header(at * 10**9 // RATE, ""), stream, first + at, RATE, 1, 0, 0.0, size, 0),
            samples[at : at + size, None].astype(np.float32),
        )
        for at in range(0, len(samples) - size + 1, size)
    ]


def test_levels_of_known_sounds() -> None:
    t = np.arange(4 * RATE) / RATE
    meter = SoundMeter(0, 0)
    for head, samples in heads_of(0.1 * np.sin(2 * np.pi * 1000 * t)):
        meter.add(head, samples, head.header.time_ns)
    meter.finish()
    figures = meter.figures()
    assert figures["noise_floor_dbfs"] == pytest.approx(-23.01, abs=0.05)  # RMS of 0.1 / sqrt(2)
    assert figures["noise_floor_dbfs_a"] == pytest.approx(-23.01, abs=0.1)  # A-weighting leaves 1 kHz alone
    low = SoundMeter(0, 0)
    for head, samples in heads_of(0.1 * np.sin(2 * np.pi * 100 * t)):
        low.add(head, samples, head.header.time_ns)
    low.finish()
    assert low.figures()["noise_floor_dbfs_a"] == pytest.approx(
        -23.01 - 19.1, abs=0.3
    )  # IEC 61672-1 at 100 Hz


def test_onsets_go_on_counting_behind_a_gap_and_mutes_are_no_noise_floor() -> None:
    rng = np.random.default_rng(0)
    sound = 1e-3 * rng.standard_normal(6 * RATE)
    for at in (1.0, 4.0):
        n = np.arange(RATE // 5) / RATE
        sound[round(at * RATE) :][: len(n)] += 0.3 * np.exp(-40 * n) * np.sin(2 * np.pi * 1200 * n)
    sound[5 * RATE :] = 0.0
    meter = SoundMeter(0, 0)
    for head, samples in heads_of(sound):
        if not 2 * RATE <= head.first_sample < 3 * RATE:
            meter.add(head, samples, head.header.time_ns)
            meter.add(head, samples, head.header.time_ns)  # twice: heard once
    meter.finish()
    assert [round(h.sample / RATE, 2) for h in meter.heard] == [1.0, 4.0]
    assert [round(h.about_ns * 1e-9, 2) for h in meter.heard] == [1.0, 4.0]
    assert meter.figures()["noise_floor_dbfs"] == pytest.approx(-60.0, abs=1.0)
    assert meter.samples == 5 * RATE


def test_blur_grows_with_blur_whatever_contrast_and_noise() -> None:
    rng = np.random.default_rng(1)
    sharp = np.full((240, 320), 120.0, np.float32)
    for _ in range(30):
        x, y, size = rng.integers(0, 280), rng.integers(0, 200), rng.integers(10, 40)
        sharp[y : y + size, x : x + size] = rng.integers(20, 235)
    soft = cv2.GaussianBlur(sharp, (0, 0), 3)
    assert blur_of(sharp) < 0.6 < 0.75 < blur_of(soft)
    assert blur_of(0.3 * soft + 60) == pytest.approx(blur_of(soft), abs=0.02)
    noisy = (soft + 3 * rng.standard_normal(soft.shape)).astype(np.float32)
    assert blur_of(noisy) > 0.75  # noise alone does not make it sharp
    assert math.isnan(blur_of(np.full((240, 320), 80, np.float32)))


def picture_of(pixels: np.ndarray) -> bytes:
    """An rgb8 Image."""
    height, width = pixels.shape[:2]
    head = b"\0\1\0\0" + bytes(8) + (1).to_bytes(4, "little") + b"\0" + bytes(3)
    head += height.to_bytes(4, "little") + width.to_bytes(4, "little")
    head += (5).to_bytes(4, "little") + b"rgb8\0" + b"\0" + bytes(2)
    head += (3 * width).to_bytes(4, "little") + pixels.size.to_bytes(4, "little")
    return head + pixels.tobytes()


def test_exposure_and_what_cannot_be_decoded() -> None:
    meter = PictureMeter(BagTopic("/camera/image_raw", "sensor_msgs/msg/Image", "", ""), 0)
    half = np.zeros((60, 80, 3), np.uint8)
    half[:, :20] = 255
    for k in range(30):  # 30 Hz: 2 Hz are looked at
        meter.add(picture_of(half), k * 33_333_333)
    assert meter.looked == 2
    meter.add(picture_of(half)[:200], 2 * 10**9)
    figures = meter.figures()
    assert (figures["black_share"], figures["saturated_share"]) == (0.75, 0.25)
    assert figures["brightness"] == pytest.approx(0.25) and figures["bad_share"] == pytest.approx(1 / 3)
    assert (figures["width"], figures["height"]) == (80, 60) and figures["first_wrong"]


def test_a_long_recording_costs_what_minutes_do() -> None:
    meter = PictureMeter(BagTopic("/c", "sensor_msgs/msg/Image", "", ""), 0)
    data = picture_of(np.zeros((8, 8, 3), np.uint8))
    for second in range(1500):
        for k in range(2):
            meter.add(data, second * 10**9 + k * 5 * 10**8)
    assert meter.looked < 2.5 * MOST_LOOKS and len(meter.thumbs()) == 8
    assert meter.thumbs()[-1][0] > 1300


def test_a_line_keeps_extremes_in_bounded_memory() -> None:
    line = TimeLine(0.1, most=16)
    for k in range(3000):
        line.add(k * 0.1, 1.0)
    line.add(150.0, -5.0)
    told = line.told(8)
    assert len(told["mid"]) <= 8 and told["step_s"] * len(told["mid"]) >= 300.0
    assert min(told["low"]) == -5.0 and max(told["high"]) == 1.0
    assert told["low"].index(-5.0) == int(150.0 / told["step_s"])
    line.add(math.nan, 1.0)
    line.add(1.0, math.nan)
    assert sum(line.told(8, rate=True)["mid"]) > 0


def test_slope_of_a_clock_that_drifts_below_delays() -> None:
    rng = np.random.default_rng(0)
    line = TimeLine()
    for k in range(6000):
        t = k * 0.01
        line.add(t, 300e-6 * t + float(rng.exponential(0.003)))
    assert line.slope_ppm() == pytest.approx(300.0, abs=15.0)
    short = TimeLine()
    short.add(0.0, 0.0)
    assert math.isnan(short.slope_ppm())


def test_the_picture_helper_is_what_readers_read() -> None:
    head = cdr.read_image_head(picture_of(np.zeros((6, 4, 3), np.uint8)))
    assert (head.height, head.width, head.encoding, head.step, head.size) == (6, 4, "rgb8", 12, 72)


def test_a_microphone_of_zeros_has_a_peak_that_is_judged() -> None:
    assert figures.dbfs(0.5) == pytest.approx(-6.02, abs=0.01)
    assert judge._beyond("min_peak_dbfs", plain(figures.dbfs(0.0)), -40.0)
