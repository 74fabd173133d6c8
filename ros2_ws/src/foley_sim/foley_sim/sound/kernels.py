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
def run_free(
    re: Array,  # [m] as in run_bank
    im: Array,
    pole_re: Array,
    pole_im: Array,
    gain: Array,
    grid: int,
    silence: float,  # output below which the bank rests
    out: Array,  # [n] added to, n a multiple of grid
) -> tuple[int, bool]:
    """run_bank without drive, with faint modes dropped at every `grid` samples. Returns (samples done, at rest).

    Only the modes that still sound are computed.
    """
    modes = re.size
    which = np.empty(modes, np.int64)
    x, y, a, b, g = np.empty(modes), np.empty(modes), np.empty(modes), np.empty(modes), np.empty(modes)
    done = 0
    rests = False
    while done < out.size and not rests:
        live = 0
        for m in range(modes):
            if re[m] != 0.0 or im[m] != 0.0:
                which[live] = m
                x[live], y[live], a[live], b[live], g[live] = re[m], im[m], pole_re[m], pole_im[m], gain[m]
                live += 1
        for i in range(done, done + grid):
            total = 0.0
            for m in range(live):
                total += g[m] * x[m]
                real = x[m] * a[m] - y[m] * b[m]
                y[m] = x[m] * b[m] + y[m] * a[m]
                x[m] = real
            out[i] += total
        loud = 0.0
        for m in range(live):
            level = math.sqrt(x[m] * x[m] + y[m] * y[m]) * g[m]
            loud += level
            faint = level < silence * 1e-3
            re[which[m]] = 0.0 if faint else x[m]
            im[which[m]] = 0.0 if faint else y[m]
        rests = loud < silence
        done += grid
    if rests:
        re[:] = 0.0
        im[:] = 0.0
    return done, rests


@_jit  # type: ignore[untyped-decorator]
def run_grains(
    first: NDArray[np.int64],  # [g] first sample of every grain
    stop: NDArray[np.int64],  # [g]
    state: Array,  # [2, g] real and imaginary part [Pa], in place
    pole: Array,  # [2, g]
    start: int,
    out: Array,  # [n] samples [start, start + n), added to
) -> None:
    """Damped sinusoids, the imaginary parts of z <- z * pole."""
    end = start + out.size
    for k in range(first.size):
        if first[k] >= end:
            continue
        x, y, a, b = state[0, k], state[1, k], pole[0, k], pole[1, k]
        for i in range(max(first[k], start) - start, min(stop[k], end) - start):
            out[i] += y
            real = x * a - y * b
            y = x * b + y * a
            x = real
        state[0, k], state[1, k] = x, y


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
    wave: Array,  # [p + 1] the harmonics' sum over `turns` turns of the shaft, its first value repeated at the end
    turns: float,
    base_hz: float,  # shaft frequency at full speed
    rate: float,
    smoothing: float,
    out: Array,  # [n] added to; unit rms at full speed
) -> None:
    """Harmonics of the shaft (read from a table, linear interpolation) plus noise, both growing with speed."""
    phase, s = state[0], state[1]
    scale = (wave.size - 1) / turns
    for i in range(out.size):
        s += smoothing * (speed[i] - s)
        if s > 1e-6:
            place = phase * scale
            k = int(place)
            part = place - k
            out[i] += s * (wave[k] + part * (wave[k + 1] - wave[k]) + 0.4 * rough[i])
            phase += s * base_hz / rate
            if phase >= turns:
                phase -= turns
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
def run_cascade(
    sections: Array,  # [k, 5] b0, b1, b2, a1, a2 of every section
    state: Array,  # [k, 2], in place
    samples: Array,  # [n], in place
) -> None:
    """Sections one after the other, sample by sample: while one waits for its last result the others work."""
    for i in range(samples.size):
        x = samples[i]
        for k in range(sections.shape[0]):
            y = sections[k, 0] * x + state[k, 0]
            state[k, 0] = sections[k, 1] * x - sections[k, 3] * y + state[k, 1]
            state[k, 1] = sections[k, 2] * x - sections[k, 4] * y
            x = y
        samples[i] = x


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
    run_motor(two.copy(), one, one, two, 10.0, 1.0, 1.0, 0.5, one.copy())
    run_free(one.copy(), one.copy(), one, one, one, 1, 1.0, one.copy())
    count = np.zeros(1, dtype=np.int64)
    run_grains(count, count, np.zeros((2, 1)), np.zeros((2, 1)), 0, one.copy())
    run_biquad(1.0, 0.0, 0.0, 0.0, 0.0, two.copy(), one.copy())
    run_cascade(np.zeros((1, 5)), np.zeros((1, 2)), one.copy())
    spectra = np.zeros((2, 2), dtype=np.complex128)
    multiply_partitions(spectra, spectra, 0, np.zeros(2, dtype=np.complex128))
