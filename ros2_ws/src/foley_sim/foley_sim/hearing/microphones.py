"""What a microphone and the way into a file do to sound: response, band, gain control, clipping, codecs, cuts."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from foley_sim.hearing import kernels
from foley_sim.hearing.bodies import Array, log_uniform
from foley_sim.hearing.vocabulary import MICROPHONES, RATE, SAMPLES

FFT = 2 * SAMPLES
_WEIGHTS = (0.28, 0.17, 0.06, 0.04, 0.07, 0.38)
# Responses are worked out on few frequencies, evenly in the logarithm, and interpolated.
_POINTS = 500
_GRID_HZ = np.geomspace(10.0, RATE / 2, _POINTS)
_PLACE = np.interp(
    np.log(np.maximum(np.fft.rfftfreq(FFT, 1 / RATE), 10.0)), np.log(_GRID_HZ), np.arange(_POINTS)
)
_BELOW = np.minimum(_PLACE.astype(np.int64), _POINTS - 2)
_SHARE = (_PLACE - _BELOW).astype(np.float32)

Complex = NDArray[np.complex64]
Response = NDArray[np.complexfloating[Any, Any]]


@dataclasses.dataclass(frozen=True)
class Microphone:
    """How one recording was made."""

    kind: str
    response: Complex  # [FFT / 2 + 1]
    bandwidth_hz: float  # nothing above


def draw_microphone(rng: np.random.Generator) -> Microphone:
    kind = MICROPHONES[int(rng.choice(len(MICROPHONES), p=_WEIGHTS))]
    s = 1j * _GRID_HZ
    h: Response = np.ones(_POINTS, complex)
    if kind == "mems":
        h *= _high_pass(s, log_uniform(rng, 40, 130)) * _peak(
            s, log_uniform(rng, 6000, 12000), rng.uniform(2, 14), 3.0
        )
    elif kind == "phone":
        h *= _high_pass(s, log_uniform(rng, 120, 450)) ** 2 * _low_pass(s, log_uniform(rng, 3000, 9000)) ** 2
        h *= _peak(s, log_uniform(rng, 1500, 4500), rng.uniform(2, 14), 3.0)
    elif kind == "contact":
        h *= _low_pass(s, log_uniform(rng, 800, 8000)) * _high_pass(s, log_uniform(rng, 20, 400))
        for _ in range(int(rng.integers(1, 4))):
            h *= _peak(s, log_uniform(rng, 400, 9000), rng.uniform(3, 18), rng.uniform(3, 20))
    else:
        h *= _high_pass(s, log_uniform(rng, 10, 100))
    if rng.random() < (0.95 if kind == "produced" else 0.6):
        reach = 12.0 if kind == "produced" else 8.0
        h *= _shelf(s, log_uniform(rng, 80, 900), rng.uniform(-reach, reach), low=True)
        h *= _shelf(s, log_uniform(rng, 1500, 9000), rng.uniform(-reach, reach), low=False)
        for _ in range(int(rng.integers(0, 4))):
            h *= _peak(s, log_uniform(rng, 100, 9000), rng.uniform(-10, 10), log_uniform(rng, 0.5, 5))
    if rng.random() < 0.08:
        h *= _high_pass(s, log_uniform(rng, 100, 1200))
    if rng.random() < 0.07:
        h *= _low_pass(s, log_uniform(rng, 1000, 8000)) ** int(rng.integers(1, 3))
    bandwidth = _bandwidth(kind, rng)
    grid = h.astype(np.complex64)
    response = grid[_BELOW] * (1 - _SHARE) + grid[_BELOW + 1] * _SHARE
    if bandwidth < RATE / 2:
        last = int(bandwidth / RATE * FFT)
        wide = max(int(last * rng.uniform(0.005, 0.08)), 8)
        response[last - wide : last] *= np.cos(np.linspace(0, np.pi / 2, wide, dtype=np.float32)) ** 2
        response[last:] = 0
    return Microphone(kind, response.astype(np.complex64), bandwidth)


def _bandwidth(kind: str, rng: np.random.Generator) -> float:
    if kind == "phone":
        return float(rng.choice([3400.0, 4000.0, 7000.0, 8000.0, 12000.0]))
    if kind == "narrow":
        return log_uniform(rng, 4000, 11900)
    return float(rng.choice([12000.0, 11025.0, 8000.0, 10000.0], p=[0.47, 0.42, 0.05, 0.06]))


def _high_pass(s: Response, hz: float) -> Response:
    return np.asarray(s * s / (s * s + 1.4 * hz * s + hz * hz))


def _low_pass(s: Response, hz: float) -> Response:
    return np.asarray(hz * hz / (s * s + 1.4 * hz * s + hz * hz))


def _peak(s: Response, hz: float, gain_db: float, q: float) -> Response:
    a = 10 ** (gain_db / 40)
    return np.asarray((s * s + a * hz / q * s + hz * hz) / (s * s + hz / (a * q) * s + hz * hz))


def _shelf(s: Response, hz: float, gain_db: float, *, low: bool) -> Response:
    a = 10 ** (gain_db / 40)
    return np.asarray((s + hz * a) / (s + hz / a) if low else (s * a + hz) / (s / a + hz))


def store(x: Array, kind: str, onset: int, contact: bool, rng: np.random.Generator) -> NDArray[np.int16]:
    """From the microphone's signal [SAMPLES] to a file: levels, codecs, cuts.

    Args:
        onset: sample where the contact begins; a file may have been cut there.
        contact: clips without one are neither cut at an onset nor that often processed.
    """
    peak = float(np.abs(x).max()) + 1e-12
    x = (x / np.float32(peak)).astype(np.float32)
    processed = 0.6 if kind == "produced" else 0.12
    if rng.random() < processed:
        kernels.compress(
            x, log_uniform(rng, 0.02, 0.6), rng.uniform(0.3, 0.95), 1 / (RATE * log_uniform(rng, 1e-4, 0.01)),
            1 / (RATE * log_uniform(rng, 0.02, 0.5)),
        )  # fmt: skip
    elif rng.random() < 0.06:  # automatic gain control
        kernels.compress(
            x, log_uniform(rng, 0.002, 0.05), rng.uniform(0.5, 1.0), 1 / (RATE * 0.01), 1 / (RATE * 0.4)
        )
    if rng.random() < 0.12:
        drive = log_uniform(rng, 0.5, 8) / (float(np.abs(x).max()) + 1e-12)
        x = np.tanh(x * np.float32(drive))
    if rng.random() < 0.15:
        x = _codec(x, rng)
    if contact:
        if rng.random() < 0.4:
            _cut_start(x, onset, rng)
        if rng.random() < 0.45:
            _cut_end(x, onset, rng)
    elif rng.random() < 0.3:
        x[: int(rng.uniform(0, 0.3) * RATE)] = 0
    peak = float(np.abs(x).max()) + 1e-12
    level_db = rng.uniform(-20, 0) if rng.random() < 0.75 else rng.uniform(-45, 0)
    if rng.random() < 0.05:
        level_db = rng.uniform(0, 12)  # clips
    if rng.random() < 0.15:
        x = -x
    return np.clip(np.round(x * (32767 / peak * 10 ** (level_db / 20))), -32768, 32767).astype(np.int16)


def _cut_start(x: Array, onset: int, rng: np.random.Generator) -> None:
    """Digital zeros before the file begins."""
    first = onset - int(log_uniform(rng, 0.0003, 0.03) * RATE)
    x[:first] = 0
    ramp = int(log_uniform(rng, 1, 60))
    x[first : first + ramp] *= np.linspace(0, 1, ramp, dtype=np.float32)


def _cut_end(x: Array, onset: int, rng: np.random.Generator) -> None:
    """Faded out and over, or cut off."""
    last = onset + int(log_uniform(rng, 0.12, 1.0) * RATE)
    if last >= SAMPLES:
        return
    fade = min(int(log_uniform(rng, 0.0005, 0.3) * RATE), last - onset)
    curve = np.linspace(1, 0, fade, dtype=np.float32) ** np.float32(rng.choice([0.5, 1.0, 2.0]))
    x[last - fade : last] *= curve
    x[last:] = 0


_FRAME = 512
_WINDOW = np.sqrt(np.hanning(_FRAME + 1)[:-1]).astype(np.float32)


def _codec(x: Array, rng: np.random.Generator) -> Array:
    """What lossy coding does: faint bins of every frame are gone, the others coarse."""
    hop = _FRAME // 2
    padded = np.pad(x, (hop, _FRAME))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::hop] * _WINDOW
    spectrum = scipy.fft.rfft(frames, axis=1)
    size = np.abs(spectrum) + 1e-9
    floor = size.max(1, keepdims=True) * 10 ** (-rng.uniform(25, 60) / 20)
    hearing = 1 + np.arange(size.shape[1]) / size.shape[1] * rng.uniform(0, 10)
    step = rng.uniform(0.05, 0.5)
    coarse = np.exp(np.round(np.log(size) / step) * step) / size
    spectrum = np.where(size > floor * hearing / 3, spectrum * coarse, 0)
    back = scipy.fft.irfft(spectrum.astype(np.complex64), _FRAME, axis=1) * _WINDOW
    out = np.zeros((back.shape[0] + 1) * hop, np.float32)
    out[: back.shape[0] * hop] += back[:, :hop].ravel()
    out[hop : (back.shape[0] + 1) * hop] += back[:, hop:].ravel()
    last = math.ceil(hop + x.size)
    return out[hop:last]
