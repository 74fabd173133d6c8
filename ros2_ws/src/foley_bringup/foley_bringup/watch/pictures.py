"""Sounds as pictures and files: a spectrogram of what was predicted over what was heard, and WAV."""

from __future__ import annotations

import io

import cv2
import numpy as np
import soundfile
from numpy.typing import NDArray

from foley_bringup.watch.board import Sound

BEFORE_S, AFTER_S = 0.05, 0.6  # of the contact, that are shown
WIDTH, HEIGHT = 420, 130  # [px] of one of the two
_RANGE_DB = 70.0
_LOWEST_HZ = 60.0
_WINDOW_S = 0.016


def levels(
    sound: Sound, highest_hz: float
) -> NDArray[np.float64]:  # [HEIGHT, WIDTH] in dB, low at the bottom
    """Spectrogram around the contact on a logarithmic axis of frequency; -inf where there is no sound."""
    rate = sound.sample_rate
    window = max(64, round(_WINDOW_S * rate))
    centres = np.round((sound.onset_s + np.linspace(-BEFORE_S, AFTER_S, WIDTH)) * rate).astype(int)
    padded = np.pad(np.asarray(sound.samples, np.float64), window)
    starts = np.clip(centres + window // 2, 0, len(padded) - window)
    frames = padded[starts[:, None] + np.arange(window)] * np.hanning(window)
    power = np.abs(np.fft.rfft(frames, n=4 * window, axis=1)) ** 2
    frequencies = np.geomspace(_LOWEST_HZ, highest_hz, HEIGHT)
    bins = np.clip(np.round(frequencies * 4 * window / rate).astype(int), 0, power.shape[1] - 1)
    known = (frequencies <= rate / 2)[:, None]
    with np.errstate(divide="ignore"):
        shown = 10 * np.log10(power[:, bins].T)
    return np.where(known, shown, -np.inf)[::-1]


def spectrogram_png(predicted: Sound | None, heard: Sound | None) -> bytes:
    """Predicted above, heard below, on one scale of time, frequency and level; grey where there is none.

    Raises:
        ValueError: neither is there.
    """
    there = [sound for sound in (predicted, heard) if sound is not None]
    if not there:
        raise ValueError("nothing was predicted and nothing was heard")
    highest = min(20_000.0, max(sound.sample_rate for sound in there) / 2)
    tables = [None if s is None else levels(s, highest) for s in (predicted, heard)]
    top = max(float(t.max(initial=-200.0)) for t in tables if t is not None)
    rows = []
    for name, table in zip(("predicted", "heard"), tables, strict=True):
        if table is None:
            row = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
            name = f"{name}: none"
        else:
            scaled = np.clip((np.nan_to_num(table, neginf=-300.0) - top) / _RANGE_DB + 1.0, 0.0, 1.0)
            row = cv2.applyColorMap(np.round(255 * scaled).astype(np.uint8), cv2.COLORMAP_INFERNO)
        x = round(WIDTH * BEFORE_S / (BEFORE_S + AFTER_S))
        cv2.line(row, (x, 0), (x, HEIGHT - 1), (200, 200, 200), 1)
        cv2.putText(row, name, (8, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
        rows.append(row)
    rows.insert(1, np.full((4, WIDTH, 3), 255, np.uint8))
    done, png = cv2.imencode(".png", np.concatenate(rows))
    assert done
    return bytes(png)


def wav(sound: Sound) -> bytes:
    """16 bit; louder than full scale is cut."""
    file = io.BytesIO()
    samples = np.clip(np.nan_to_num(sound.samples), -1.0, 1.0)
    soundfile.write(file, samples, sound.sample_rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def jpeg(rgb: NDArray[np.uint8], most: int = 960) -> bytes:  # [H, W, 3]
    """A camera's picture, made smaller where its longer side has more than `most` pixels."""
    height, width = rgb.shape[:2]
    if (scale := most / max(height, width)) < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    assert done
    return bytes(data)
