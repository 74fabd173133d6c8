"""From bodies to samples: low-order image sources and a feedback delay network, then the judge's own capsule.

The network has eight lines and a Householder matrix (J.-M. Jot, A. Chaigne, Digital delay networks for designing
artificial reverberators, AES 90, 1991). Every state is carried sample by sample.
"""

from __future__ import annotations

import itertools
import math

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import signal

from foley_sim.judge.substances import Array
from foley_sim.spec import RoomSpec

FULL_SCALE_PA = 20.0
_RING = 8192  # samples, a power of two
_LINES = np.array([1031, 1327, 1523, 1801, 2069, 2399, 2711, 3067])
_SEND = 0.12


class Room:
    """A shoebox whose floor lies 0.75 m under the table, around sources and a microphone."""

    def __init__(self, room: RoomSpec, sources: list[tuple[float, float, float]], ear: tuple[float, float, float],
                 rate: int) -> None:  # fmt: skip
        reflection = math.sqrt(1 - min(room.absorption, 0.95))
        size = np.array(room.size)
        offset = np.array([size[0] / 2, size[1] * 0.55, 0.75])
        taps, gains = [], []
        for source in sources:
            for order in itertools.product((-1, 0, 1), repeat=3):
                if sum(abs(n) for n in order) > 2:
                    continue
                place = np.array(source) + offset
                image = np.where(np.array(order) == 0, place, np.where(np.array(order) < 0, -place, 2 * size - place))
                distance = float(np.linalg.norm(image - np.array(ear) - offset))
                taps.append(min(round(distance / 343.0 * rate), _RING - 1))
                gains.append(reflection ** sum(abs(n) for n in order) / max(distance, 0.05))
        count = len(sources)
        self._taps = np.array(taps, dtype=np.int64).reshape(count, -1)
        self._gains = np.array(gains).reshape(count, -1)
        volume, surface = float(np.prod(size)), 2 * float(size @ np.roll(size, 1))
        t60 = 0.161 * volume / (-surface * math.log(1 - min(room.absorption, 0.95)))
        scaled = np.round(_LINES * rate / 48_000).astype(np.int64)
        self._decay = 10 ** (-3 * scaled / rate / t60)
        self._lengths = scaled
        self._ring, self._lines = np.zeros((count, _RING)), np.zeros((8, int(scaled.max())))
        self._low = np.zeros(8)

    def run(self, start: int, dry: Array) -> Array:
        """Pressure at the microphone [n] from pressures at 1 m [s, n]."""
        out = np.zeros(dry.shape[1])
        reverberate(self._ring, self._taps, self._gains, self._lines, self._lengths, self._decay, self._low, start,
                    dry, out)  # fmt: skip
        return out


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def reverberate(
    ring: Array, taps: NDArray[np.int64], gains: Array, lines: Array, lengths: NDArray[np.int64], decay: Array,
    low: Array, start: int, dry: Array, out: Array,
) -> None:  # fmt: skip
    """Images of every source and the network that all of them feed; adds to out [n]."""
    taken = np.zeros(8)
    for i in range(out.size):
        at = (start + i) & (_RING - 1)
        send, total = 0.0, 0.0
        for s in range(dry.shape[0]):
            ring[s, at] = dry[s, i]
            send += dry[s, i]
            for t in range(taps.shape[1]):
                total += gains[s, t] * ring[s, (at - taps[s, t]) & (_RING - 1)]
        mean = 0.0
        for j in range(8):
            value = lines[j, (start + i) % lengths[j]]
            low[j] += 0.6 * (value - low[j])
            taken[j] = low[j] * decay[j]
            mean += taken[j]
        total += mean * 0.35
        for j in range(8):
            sign = 1.0 if j % 2 == 0 else -1.0
            lines[j, (start + i) % lengths[j]] = taken[j] - mean / 4 + _SEND * sign * send
        out[i] += total


class Whine:
    """Gears of the arm: tones that chirp with the joint speed. Unit rms at full speed."""

    def __init__(self, seed: list[int], rate: int) -> None:
        rng = np.random.default_rng(seed)
        self._rate = rate
        self._base, self._span = rng.uniform(250.0, 420.0), rng.uniform(900.0, 2200.0)
        self._ratios = np.array([1.0, 2.0, 3.37, 5.11])
        self._levels = np.array([1.0, 0.5, 0.4, 0.2]) * math.sqrt(2 / 1.45)
        self._phase, self._speed = 0.0, 0.0
        self._changes: list[tuple[int, float]] = []
        self._zi = np.zeros(1)

    def set_speed(self, sample: int, speed: float) -> None:
        """From `sample` on the joints move at a fraction of full speed."""
        self._changes.append((sample, speed))
        self._changes.sort(key=lambda change: change[0])

    def run(self, start: int, count: int) -> Array:
        """Samples [start, start + count)."""
        speed = np.full(count, self._speed)
        while self._changes and self._changes[0][0] < start + count:
            sample, self._speed = self._changes.pop(0)
            speed[max(sample - start, 0) :] = self._speed
        pole = math.exp(-1 / (0.03 * self._rate))
        smooth, self._zi = signal.lfilter([1 - pole], [1, -pole], speed, zi=self._zi)
        phase = self._phase + np.cumsum(self._base + self._span * smooth) / self._rate
        self._phase = float(phase[-1]) if count else self._phase
        tones = np.sin(2 * np.pi * np.outer(self._ratios, phase)).T @ self._levels
        return np.asarray(np.sqrt(np.maximum(smooth, 0.0)) * tones)


class Capsule:
    """First-order ends, a presence peak, a little second-order distortion, violet-tinted hiss, a soft limit."""

    def __init__(self, gain_db: float, noise_dbfs: float, seed: list[int], rate: int) -> None:
        self._gain = 10 ** (gain_db / 20) / FULL_SCALE_PA
        self._noise = 10 ** (noise_dbfs / 20)
        self._rng = np.random.default_rng(seed)
        nyquist = 0.499 * rate
        peak_b, peak_a = signal.iirpeak(min(6500.0, 0.8 * nyquist), 1.4, fs=rate)
        self._sections = [
            signal.butter(1, 55.0, "highpass", fs=rate),
            signal.butter(1, min(14_500.0, nyquist), "lowpass", fs=rate),
            (np.asarray(peak_a) + 0.55 * np.asarray(peak_b), peak_a),  # 1 + 0.55 H: +3.8 dB
        ]
        self._states = [np.zeros(len(a) - 1) for _, a in self._sections]
        self._hiss = np.zeros(1)
        self.limited_samples = 0

    def record(self, pressure: Array, motor: Array) -> NDArray[np.float32]:
        """Samples in (-1, 1) from pressure [Pa] and the motor in units of full scale, both [n]."""
        white = self._rng.standard_normal(pressure.size)
        hiss, self._hiss = signal.lfilter([0.86, -0.5], [1.0], white, zi=self._hiss)
        x = pressure * self._gain + motor + self._noise * hiss
        for i, (b, a) in enumerate(self._sections):
            x, self._states[i] = signal.lfilter(b, a, x, zi=self._states[i])
            if i == 0:
                x = x + 0.03 * np.clip(x, -2, 2) ** 2
        loud = np.abs(x) > 0.7
        self.limited_samples += int(np.count_nonzero(loud))
        x[loud] = np.sign(x[loud]) * (0.7 + 0.299 * np.tanh((np.abs(x[loud]) - 0.7) / 0.299))
        return np.asarray(x, dtype=np.float32)
