"""What is heard in a room besides the contacts: a fan, mains hum, or the street."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from foley_sim.sound import kernels
from foley_sim.sound.blocks import BLOCK, BlockSignal
from foley_sim.sound.kernels import Array
from foley_sim.spec import Ambience

MAINS_HZ = 50.0
_MAINS = ((1.0, 1.0), (2.0, 0.6), (3.0, 0.25))  # multiple, amplitude
_BANDS = {"fan": (120.0, 900.0), "street": (35.0, 250.0)}  # [Hz]
_MODULATION = {"fan": 0.35, "street": 0.5}  # depth of the slow rise and fall
_STREET_HZ = 0.15  # cars come and go
_SETTLE = 4 * BLOCK  # a band's filter has forgotten its start by then


@dataclasses.dataclass(frozen=True)
class Hum:
    """Pitches of a place's hum, where they are not the renderer's own."""

    mains_hz: float
    motor_hz: float  # of the arm's drives at full speed


class AmbientSound(BlockSignal):
    """Unit rms. kind: not `none`. mains_hz: pitch of the ambience `mains`."""

    def __init__(
        self, kind: Ambience, seed: list[int], sample_rate: int, *, mains_hz: float = MAINS_HZ
    ) -> None:
        """Raises ValueError for kind `none`."""
        if kind == "none":
            raise ValueError("ambience: kind is `none`, there is nothing to hear")
        super().__init__()
        rng = np.random.default_rng([*seed, 0])
        self._seed = [*seed, 1]
        self._rate = sample_rate
        self._kind = kind
        self._phase = rng.uniform(0, 2 * math.pi, 3)
        self._beat_hz = float(rng.uniform(18.0, 45.0)) if kind == "fan" else _STREET_HZ
        if kind in _BANDS:
            sos = signal.butter(2, _BANDS[kind], "bandpass", fs=sample_rate, output="sos")
            _, response = signal.sosfreqz(sos, 1 << 16)
            self._sections = np.ascontiguousarray(np.delete(sos, 3, axis=1))  # a0 is 1
            depth = _MODULATION[kind]
            self._scale = 1 / math.sqrt(float(np.mean(np.abs(response) ** 2)) * (1 + depth**2 / 2))
            self._filter = np.zeros((sos.shape[0], 2))
            warm = np.random.default_rng([*seed, 2]).standard_normal(_SETTLE)
            kernels.run_cascade(self._sections, self._filter, warm)
        else:
            amplitude = math.sqrt(2 / sum(a**2 for _, a in _MAINS))
            self._mains = [
                (amplitude * a, 2 * math.pi * multiple * mains_hz, phase)
                for (multiple, a), phase in zip(_MAINS, self._phase, strict=True)
            ]
            # Of a whole number of hertz every harmonic repeats after a second.
            self._second: Array | None = None
            if float(mains_hz).is_integer():
                self._second = self._hum(np.arange(sample_rate))

    def _block(self, number: int) -> Array:
        index = number * BLOCK + np.arange(BLOCK)
        if self._kind == "mains":
            return self._hum(index) if self._second is None else self._second[index % self._rate]
        rng = np.random.default_rng([*self._seed, number])
        band = rng.standard_normal(BLOCK, dtype=np.float32).astype(np.float64)
        kernels.run_cascade(self._sections, self._filter, band)
        beat = np.sin(2 * math.pi * self._beat_hz * index / self._rate + self._phase[0])
        return np.asarray(self._scale * band * (1 + _MODULATION[self._kind] * beat))

    def _hum(self, index: NDArray[np.int64]) -> Array:
        time = index / self._rate
        out = np.zeros(len(index))
        for amplitude, omega, phase in self._mains:
            out += amplitude * np.sin(omega * time + phase)
        return out
