"""Spectrograms show a tone where it is, on one scale, and sounds become files that can be played."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
import soundfile

from foley_bringup.watch.board import Sound
from foley_bringup.watch.pictures import AFTER_S, BEFORE_S, HEIGHT, WIDTH, jpeg, levels, spectrogram_png, wav


def tone(hz: float, level: float = 0.5, rate: int = 16_000) -> Sound:
    time_s = np.arange(rate) / rate
    samples = level * np.sin(2 * np.pi * hz * time_s) * (time_s >= 0.25)
    return Sound(samples.astype(np.float32), rate, 0.25)


def test_a_tone_lies_at_its_frequency_and_begins_at_the_contact() -> None:
    table = levels(tone(1000.0), 8000.0)
    assert table.shape == (HEIGHT, WIDTH)
    row = HEIGHT - 1 - round(np.log(1000 / 60) / np.log(8000 / 60) * (HEIGHT - 1))
    assert abs(int(table[:, WIDTH // 2].argmax()) - row) <= 2
    contact = round(WIDTH * BEFORE_S / (BEFORE_S + AFTER_S))
    assert table[row, contact + 12] - table[row, contact - 12] > 40.0


def test_both_sounds_are_on_one_scale() -> None:
    quiet, loud = tone(1000.0, 0.005), tone(1000.0)
    picture = cv2.imdecode(np.frombuffer(spectrogram_png(quiet, loud), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (2 * HEIGHT + 4, WIDTH, 3)
    assert picture[HEIGHT + 4 :].max() > 200 and picture[30:HEIGHT].sum() < picture[HEIGHT + 34 :].sum() / 1.3


def test_what_is_not_there_is_said() -> None:
    alone = cv2.imdecode(np.frombuffer(spectrogram_png(None, tone(500.0)), np.uint8), cv2.IMREAD_COLOR)
    assert (alone[60, WIDTH // 2] == 60).all(), "grey"
    with pytest.raises(ValueError, match="nothing was predicted"):
        spectrogram_png(None, None)


def test_sounds_become_wav() -> None:
    sound = tone(440.0)
    samples, rate = soundfile.read(io.BytesIO(wav(sound)))
    assert rate == 16_000 and len(samples) == 16_000
    assert np.abs(samples - sound.samples).max() < 1e-4


def test_large_pictures_are_made_smaller() -> None:
    big = np.zeros((1080, 1920, 3), np.uint8)
    big[..., 0] = 200
    shown = cv2.imdecode(np.frombuffer(jpeg(big), np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape == (540, 960, 3)
    assert shown[100, 100, 2] > 190 and shown[100, 100, 0] < 20, "red stays red"
