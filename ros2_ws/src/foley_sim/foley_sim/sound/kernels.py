"""The inner loops of sound, compiled once and cached on disk.

Every one carries its state from call to call sample by sample: cutting the time line differently changes nothing.
"""

from __future__ import annotations

import functools
import math

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Sums may be reordered (so that they vectorise); NaN and infinity keep their meaning.
_jit = numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})


@_jit  # type: ignore[untyped-decorator]
def run_bank(
    re: Array,  # [m] state: modal velocity [m/s], changed in place
    im: Array,  # [m] its quadrature
    pole_re: Array,  # [m]
    pole_im: Array,  # [m]
    gain: Array,  # [m] pressure per velocity
    drive: Array,  # [e, m] shape / modal mass of every excitation [1/kg]
    impulse: Array,  # [e, n] [N s] per sample
    out: Array,  # [n] pressure at 1 m [Pa], added to
) -> None:
    """Complex one-pole resonators: z <- (z + drive * impulse) * exp((-sigma + j omega) / rate); velocity is Re z."""
    for i in range(out.size):
        for e in range(drive.shape[0]):
            kick = impulse[e, i]
            if kick != 0.0:
                for m in range(re.size):
                    re[m] += drive[e, m] * kick
        total = 0.0
        for m in range(re.size):
            total += gain[m] * re[m]
            real = re[m] * pole_re[m] - im[m] * pole_im[m]
            im[m] = re[m] * pole_im[m] + im[m] * pole_re[m]
            re[m] = real
        out[i] += total


@_jit  # type: ignore[untyped-decorator]
def run_friction(
    state: Array,  # [3] distance slid [profile points], smoothed speed [m/s], smoothed force amplitude [N]; in place
    profile: Array,  # [p] surface profile, unit rms, p a power of two
    speed: Array,  # [n] slip speed wanted [m/s]
    force: Array,  # [n] amplitude of the force wanted [N]
    points_per_metre: float,
    rate: float,
    smoothing: float,  # per sample, in (0, 1]
    out: Array,  # [n] impulse per sample [N s], written
) -> None:
    """Read the profile at slip speed (linear interpolation) and scale it by the force."""
    mask = profile.size - 1
    position, v, f = state[0], state[1], state[2]
    for i in range(out.size):
        v += smoothing * (speed[i] - v)
        f += smoothing * (force[i] - f)
        whole = math.floor(position)
        part = position - whole
        k = int(whole) & mask
        value = profile[k] * (1.0 - part) + profile[(k + 1) & mask] * part
        out[i] = f * value / rate
        position += v * points_per_metre / rate
    if position > 4.0 * profile.size:
        position -= 2.0 * profile.size
    state[0], state[1], state[2] = position, v, f


@_jit  # type: ignore[untyped-decorator]
def run_motor(
    state: Array,  # [2] phase [cycles], smoothed speed fraction; in place
    speed: Array,  # [n] wanted, in [0, 1]
    rough: Array,  # [n] unit noise
    harmonics: Array,  # [h, 3] multiple of the shaft's frequency, amplitude, phase [rad]
    base_hz: float,  # shaft frequency at full speed
    rate: float,
    smoothing: float,
    out: Array,  # [n] added to; unit rms at full speed
) -> None:
    """Harmonics of the shaft plus noise, both growing with speed."""
    phase, s = state[0], state[1]
    for i in range(out.size):
        s += smoothing * (speed[i] - s)
        if s > 1e-6:
            value = 0.0
            for h in range(harmonics.shape[0]):
                value += harmonics[h, 1] * math.sin(2.0 * math.pi * phase * harmonics[h, 0] + harmonics[h, 2])
            out[i] += s * (value + 0.4 * rough[i])
            phase += s * base_hz / rate
            # harmonics are multiples of 0.1: after 10 turns every one of them is back at its start
            if phase >= 10.0:
                phase -= 10.0
    state[0], state[1] = phase, s


@_jit  # type: ignore[untyped-decorator]
def run_biquad(
    b0: float, b1: float, b2: float, a1: float, a2: float,
    state: Array,  # [2], in place
    samples: Array,  # [n], in place
) -> None:  # fmt: skip
    """Second-order section, transposed direct form II."""
    s1, s2 = state[0], state[1]
    for i in range(samples.size):
        x = samples[i]
        y = b0 * x + s1
        s1 = b1 * x - a1 * y + s2
        s2 = b2 * x - a2 * y
        samples[i] = y
    state[0], state[1] = s1, s2


@_jit  # type: ignore[untyped-decorator]
def multiply_partitions(spectra: NDArray[np.complex128], filters: NDArray[np.complex128], newest: int, out: NDArray[np.complex128]) -> None:  # fmt: skip  # noqa: E501
    """out [b] += sum over k >= 1 of spectra[newest - k + 1 (a ring)] * filters[k], spectra and filters [k, b]."""
    partitions = filters.shape[0]
    for k in range(1, partitions):
        row = (newest - k + 1) % spectra.shape[0]
        for b in range(out.size):
            out[b] += spectra[row, b] * filters[k, b]


@functools.cache
def warm_up() -> None:
    """Compile (or load from the disk cache) every kernel now, so that no live sound has to wait for it."""
    one, two, three = np.zeros(1), np.zeros(2), np.zeros(3)
    square = np.zeros((1, 1))
    run_bank(one.copy(), one.copy(), one, one, one, square, square, one.copy())
    run_friction(three.copy(), np.zeros(2), one, one, 1.0, 1.0, 0.5, one.copy())
    run_motor(two.copy(), one, one, np.zeros((1, 3)), 1.0, 1.0, 0.5, one.copy())
    run_biquad(1.0, 0.0, 0.0, 0.0, 0.0, two.copy(), one.copy())
    spectra = np.zeros((2, 2), dtype=np.complex128)
    multiply_partitions(spectra, spectra, 0, np.zeros(2, dtype=np.complex128))
