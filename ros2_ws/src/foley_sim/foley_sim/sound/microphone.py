"""From pressure to samples: the robot's own hum, noise, a high-pass, the calibrated gain, a guard against overload."""

from __future__ import annotations

import bisect
import collections
import math

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from foley_sim.sound import kernels
from foley_sim.sound.blocks import BLOCK, BlockSignal
from foley_sim.sound.kernels import Array

FULL_SCALE_PA = 16.0
"""Sound pressure that reaches full scale at gain_db = 0 [Pa]."""

MOTOR_HZ = (70.0, 130.0)
"""Where the pitch of the arm's drives at full speed may lie."""
HIGH_PASS_HZ = 30.0
KNEE = 0.8  # the guard leaves everything below this alone
_WAVE_POINTS = 1 << 16
_WAVE_TURNS = 10.0  # harmonics are multiples of 0.1: after 10 turns every one of them is back at its start

Response = tuple[tuple[float, float, float], ...]
"""Peaks of a frequency response: (Hz, gain dB, Q) each."""


class BlockNoise(BlockSignal):
    """Gaussian noise, unit rms, with a gentle rise towards low frequencies unless it is to be white."""

    def __init__(self, seed: list[int], *, white: bool = False) -> None:
        super().__init__()
        self._seed = seed
        self._white = white
        self._filter = np.zeros(2)

    def _block(self, number: int) -> Array:
        rng = np.random.default_rng([*self._seed, number])
        if self._white:
            return rng.standard_normal(BLOCK, dtype=np.float32).astype(np.float64)
        white, slow = rng.standard_normal((2, BLOCK))
        kernels.run_biquad(0.02, 0.0, 0.0, -0.98, 0.0, self._filter, slow)
        # rms of the low-passed noise is 0.02 / sqrt(1 - 0.98^2) = 0.1005; half of the power comes from each
        return np.asarray((white + slow / 0.1005) / math.sqrt(2.0))


class MotorHum:
    """Hum of the arm's drives, following the joint speed. Unit rms at full speed.

    base_hz: its pitch; None: drawn from the seed.
    """

    def __init__(self, seed: list[int], sample_rate: int, *, base_hz: float | None = None) -> None:
        rng = np.random.default_rng([*seed, 1])
        multiples = np.array([1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 17.3])
        amplitude = np.array([1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.12])
        amplitude *= math.sqrt(2 * (1 - 0.4**2)) / np.linalg.norm(amplitude)
        phases = rng.uniform(0, 2 * math.pi, multiples.size)
        turn = np.linspace(0.0, _WAVE_TURNS, _WAVE_POINTS + 1)
        self._wave = np.zeros(turn.size)
        for multiple, a, phase in zip(multiples, amplitude, phases, strict=True):
            self._wave += a * np.sin(2 * math.pi * multiple * turn + phase)
        self._base_hz = float(rng.uniform(*MOTOR_HZ)) if base_hz is None else base_hz
        self._noise = BlockNoise([*seed, 2])
        self._state = np.zeros(2)
        self._rate = sample_rate
        self._smoothing = 1.0 - math.exp(-1.0 / (0.02 * sample_rate))
        self._changes: collections.deque[tuple[int, float]] = collections.deque()
        self._speed = 0.0

    def set_speed(self, sample: int, speed: float) -> None:
        """From `sample` on the joints move at `speed`, a fraction of full speed in [0, 1]."""
        if not self._changes or self._changes[-1][0] <= sample:
            self._changes.append((sample, speed))
        else:
            bisect.insort(self._changes, (sample, speed), key=lambda change: change[0])

    def run(self, start: int, count: int) -> Array:
        """Hum of the samples [start, start + count)."""
        speed = np.empty(count)
        begin = 0
        while self._changes and self._changes[0][0] < start + count:
            sample, value = self._changes.popleft()
            end = max(sample - start, begin)
            speed[begin:end] = self._speed
            begin, self._speed = end, value
        speed[begin:] = self._speed
        out = np.zeros(count)
        noise = self._noise.take(count)
        kernels.run_motor(
            self._state, speed, noise, self._wave, _WAVE_TURNS, self._base_hz, float(self._rate),
            self._smoothing, out,
        )  # fmt: skip
        return out


def peak_section(hz: float, gain_db: float, q: float, sample_rate: int) -> tuple[float, ...]:
    """Biquad (b0, b1, b2, a1, a2) with a peak or a dip, 0 dB elsewhere (R. Bristow-Johnson, Audio EQ cookbook).

    Raises ValueError for a frequency outside (0, rate / 2) or a Q that is not positive.
    """
    if not 0 < hz < sample_rate / 2 or not q > 0 or not math.isfinite(gain_db):
        raise ValueError(
            f"microphone: response has a peak of ({hz} Hz, {gain_db} dB, Q {q}); need 0 < Hz < {sample_rate / 2:g}, "
            "a finite gain and Q > 0"
        )
    amplitude, w = 10 ** (gain_db / 40), 2 * math.pi * hz / sample_rate
    alpha = math.sin(w) / (2 * q)
    a0 = 1 + alpha / amplitude
    b = (1 + alpha * amplitude, -2 * math.cos(w), 1 - alpha * amplitude)
    return (*(x / a0 for x in b), -2 * math.cos(w) / a0, (1 - alpha / amplitude) / a0)


class Microphone:
    """Adds noise, removes what lies below HIGH_PASS_HZ, scales to full scale and bends peaks above KNEE.

    response: peaks that colour what is heard, but not the noise of the microphone itself.
    white: whether that noise is white.
    """

    def __init__(
        self,
        *,
        sample_rate: int,
        gain_db: float,
        noise_dbfs: float,
        seed: list[int],
        response: Response = (),
        white: bool = False,
    ) -> None:
        self._gain = 10 ** (gain_db / 20) / FULL_SCALE_PA
        self._noise_level = 10 ** (noise_dbfs / 20)
        self._noise = BlockNoise([*seed, 3], white=white)
        b, a = signal.butter(2, HIGH_PASS_HZ, "highpass", fs=sample_rate)
        self._section = (float(b[0]), float(b[1]), float(b[2]), float(a[1]), float(a[2]))
        self._filter = np.zeros(2)
        self._peaks = np.array([peak_section(*peak, sample_rate) for peak in response]).reshape(-1, 5)
        self._peak_state = np.zeros((len(response), 2))
        self.limited_samples = 0

    def record(self, pressure: Array, own_noise: Array) -> NDArray[np.float32]:
        """Samples [n] in (-1, 1) from pressure at the microphone [Pa] and noise in units of full scale, both [n]."""
        heard = pressure * self._gain + own_noise
        if self._peaks.size:
            kernels.run_cascade(self._peaks, self._peak_state, heard)
        heard += self._noise_level * self._noise.take(pressure.size)
        kernels.run_biquad(*self._section, self._filter, heard)
        loud = np.abs(heard) > KNEE
        count = int(np.count_nonzero(loud))
        if count:
            self.limited_samples += count
            over = (np.abs(heard[loud]) - KNEE) / (1 - KNEE)
            heard[loud] = np.sign(heard[loud]) * (KNEE + (1 - KNEE) * np.tanh(over) * 0.999)
        return np.asarray(heard, dtype=np.float32)
