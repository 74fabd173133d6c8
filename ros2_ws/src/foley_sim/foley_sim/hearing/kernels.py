"""The inner loops of a generated recording, compiled once and cached on disk."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

_BLOCK = 32  # samples
_SILENT = 9.2  # decays until 80 dB down
_jit = numba.njit(cache=True, nogil=True, fastmath=True)


@_jit  # type: ignore[untyped-decorator]
def ring(
    omega: Array,  # [m] angular frequency per sample, in any order
    rate: Array,  # [m] amplitude decay per sample
    gain: Array,  # [m]
    phase: Array,  # [m] 0 starts as a sine
    out: Array,  # [n] added to
) -> None:
    """Impulse response of modes: sum of gain e^(-rate i) sin(omega i + phase), each until it has fallen by 80 dB."""
    turn_re, turn_im = np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.float32)
    for m in range(omega.size):
        fall = math.exp(-rate[m])
        a, b = fall * math.cos(omega[m]), fall * math.sin(omega[m])
        re, im = 1.0, 0.0
        for k in range(_BLOCK):
            turn_re[k], turn_im[k] = re, im
            re, im = re * a - im * b, re * b + im * a
        x, y = gain[m] * math.cos(phase[m]), gain[m] * math.sin(phase[m])
        length = min(out.size, int(_SILENT / max(rate[m], 1e-9)) + _BLOCK)
        for first in range(0, length, _BLOCK):
            c, s = np.float32(x), np.float32(y)
            for k in range(
                min(_BLOCK, out.size - first)
            ):  # samples of a block do not wait for each other: they are computed together
                out[first + k] += s * turn_re[k] + c * turn_im[k]
            x, y = x * re - y * im, x * im + y * re


@_jit  # type: ignore[untyped-decorator]
def add_pulses(
    time: Array,  # [p] beginning, in samples
    impulse: Array,  # [p] area of the pulse
    width: Array,  # [p] duration, in samples
    out: Array,  # [n] added to
) -> None:
    """Force of contacts: sin^1.5 half waves (Hertz), sampled; the area is kept where one is shorter than samples."""
    for p in range(time.size):
        wide = max(width[p], np.float32(2.0))
        first = math.ceil(time[p])
        last = min(int(time[p] + wide), out.size - 1)
        total = np.float32(0.0)
        for i in range(max(first, 0), last + 1):
            s = math.sin(math.pi * (i - time[p]) / wide)
            total += s * math.sqrt(s) if s > 0 else 0.0
        if total <= 0.0:
            continue
        scale = impulse[p] / total
        for i in range(max(first, 0), last + 1):
            s = math.sin(math.pi * (i - time[p]) / wide)
            if s > 0:
                out[i] += scale * s * math.sqrt(s)


@_jit  # type: ignore[untyped-decorator]
def add_grains(
    time: Array,  # [g] beginning, in samples
    gain: Array,  # [g]
    omega: Array,  # [g] angular frequency per sample
    rate: Array,  # [g] amplitude decay per sample
    out: Array,  # [n] added to
) -> None:
    """Many short decaying sines, each until it has fallen by 52 dB."""
    for g in range(time.size):
        first = max(math.ceil(time[g]), 0)
        last = min(first + int(6.0 / rate[g]) + 2, out.size)
        ahead = first - time[g]
        fall = math.exp(-rate[g])
        a, b = np.float32(fall * math.cos(omega[g])), np.float32(fall * math.sin(omega[g]))
        x = np.float32(gain[g] * math.exp(-rate[g] * ahead) * math.cos(omega[g] * ahead))
        y = np.float32(gain[g] * math.exp(-rate[g] * ahead) * math.sin(omega[g] * ahead))
        for i in range(first, last):
            out[i] += y
            real = x * a - y * b
            y = x * b + y * a
            x = real


@_jit  # type: ignore[untyped-decorator]
def formants(
    source: Array,  # [n]
    hz: Array,  # [f, k] centre of every formant at k points evenly over the time
    bandwidth_hz: Array,  # [f]
    rate_hz: float,
    out: Array,  # [n] added to
) -> None:
    """Resonators side by side whose centres move (Klatt's parallel branch)."""
    n, points = source.size, hz.shape[1]
    for f in range(hz.shape[0]):
        r = math.exp(-math.pi * bandwidth_hz[f] / rate_hz)
        y1 = np.float32(0.0)
        y2 = np.float32(0.0)
        c1 = np.float32(0.0)
        weight = np.float32(1.0 - r)
        for i in range(n):
            if i % 64 == 0:
                at = i / n * (points - 1)
                k = min(int(at), points - 2)
                centre = hz[f, k] + (at - k) * (hz[f, k + 1] - hz[f, k])
                c1 = np.float32(2.0 * r * math.cos(2 * math.pi * centre / rate_hz))
            y = weight * source[i] + c1 * y1 - np.float32(r * r) * y2
            y2 = y1
            y1 = y
            out[i] += y


@_jit  # type: ignore[untyped-decorator]
def compress(
    x: Array,  # [n] changed in place
    threshold: float,  # amplitude above which the gain falls
    slope: float,  # 0 none, 1 a limiter
    attack: float,  # share of the way to a louder level per sample
    release: float,  # and to a softer one
) -> None:
    """Feed-forward compressor on the peak level; with a low threshold and slow release an automatic gain control."""
    level = np.float32(threshold)
    for i in range(x.size):
        size = abs(x[i])
        level += (size - level) * (attack if size > level else release)
        if level > threshold:
            x[i] *= (threshold / level) ** slope


@_jit  # type: ignore[untyped-decorator]
def smooth(x: Array, keep: float) -> None:
    """One-pole low-pass, in place: y[i] = keep y[i - 1] + (1 - keep) x[i]."""
    y = np.float32(0.0)
    for i in range(x.size):
        y = keep * y + (1 - keep) * x[i]
        x[i] = y


@_jit  # type: ignore[untyped-decorator]
def octave_energy(
    spectrum: NDArray[np.complex64],  # [k]
    edges: NDArray[np.int64],  # [b + 1] bins
    out: NDArray[np.float64],  # [b]
) -> None:
    """Energy between edges."""
    for b in range(out.size):
        total = 0.0
        for k in range(edges[b], edges[b + 1]):
            total += spectrum[k].real ** 2 + spectrum[k].imag ** 2
        out[b] = total
