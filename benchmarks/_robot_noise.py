"""The noise of a made-up robot's drives: harmonics of its motors, gears, PWM, a fan and brakes.

It follows from how joints move, by formulas that the model of own noise does not have: tones turn with the motors and
their amplitude depends on the load, gears are broadband, coloured by the structure and modulated once a turn, brakes
click. One seed makes the robot, another what it sounds like on a day.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy.signal
from numpy.typing import NDArray

Array = NDArray[np.float64]

_REST = 0.004  # of full speed, below which brakes may close


@dataclasses.dataclass(frozen=True, eq=False)
class Drive:
    """One joint's motor, gear and brake, as its robot's seed draws them."""

    turns: float  # of the motor per unit of the joint
    full_speed: float  # of the joint
    orders: Array  # [k] harmonics of the motor's turn
    tones: Array  # [k] their amplitudes
    tone_power: float  # exponent of speed
    gear: float  # amplitude of broadband noise
    gear_power: float
    modulated: float  # share of it, once a turn
    posture: float  # phase of the load that gravity makes
    path: Array  # [n] response of the structure from here to the microphone


@dataclasses.dataclass(frozen=True, eq=False)
class RobotNoise:
    """A robot's noise. Amplitudes are relative; scale the sum."""

    drives: tuple[Drive, ...]
    pwm_hz: float
    fan_hz: float
    fan_path: Array

    @classmethod
    def made(cls, seed: int, full_speeds: Array, rate: int, *, prismatic: Array) -> RobotNoise:
        """By the robot's seed, for joints with these full speeds [joints]."""
        rng = np.random.default_rng([0x0155, seed])
        drives = tuple(
            _drive(rng, float(full), bool(slides), rate)
            for full, slides in zip(full_speeds, prismatic, strict=True)
        )
        return cls(
            drives, float(rng.uniform(9_000, 15_500)), float(rng.uniform(90, 190)), _structure(rng, rate)
        )

    def sound(self, times_s: Array, positions: Array, rate: int, samples: int, seed: int) -> Array:
        """Noise [samples] from time 0 on while joints move so: times [t], positions [t, joints]."""
        rng = np.random.default_rng([0x0D47, seed])
        t = np.arange(samples) / rate
        total = self._fan(rng, t)
        for drive, column in zip(self.drives, positions.T, strict=True):
            total += _drive_sound(drive, rng, times_s, column, t, rate)
        load = np.abs(np.gradient(positions, times_s, axis=0)).sum(axis=1)
        whine = 1.0 + np.interp(t, times_s, load / max(load.max(), 1e-9))
        side = np.cumsum(np.interp(t, times_s, load)) / rate
        total += 0.02 * whine * np.sin(2 * np.pi * (self.pwm_hz * t + 12.0 * side))
        return total

    def _fan(self, rng: np.random.Generator, t: Array) -> Array:
        air = scipy.signal.lfilter([0.05], [1.0, -0.95], rng.standard_normal(len(t)))
        blades = sum(0.02 / k * np.sin(2 * np.pi * k * self.fan_hz * t + k) for k in (1, 2, 3, 5))
        return scipy.signal.fftconvolve(0.12 * air + blades, self.fan_path)[: len(t)]


def _drive(rng: np.random.Generator, full_speed: float, slides: bool, rate: int) -> Drive:
    count = int(rng.integers(4, 8))
    return Drive(
        turns=float(rng.uniform(20, 40) if slides else rng.uniform(80, 160) / (2 * np.pi)),
        full_speed=full_speed,
        orders=np.sort(rng.choice([1, 2, 4, 6, 8, 12, 14, 18, 24, 28, 36, 42, 60], count, replace=False)),
        tones=rng.uniform(0.05, 0.35, count),
        tone_power=float(rng.uniform(0.6, 1.4)),
        gear=float(rng.uniform(0.3, 0.9)),
        gear_power=float(rng.uniform(0.8, 1.7)),
        modulated=float(rng.uniform(0.1, 0.6)),
        posture=float(rng.uniform(0, 2 * np.pi)),
        path=_structure(rng, rate),
    )


def _structure(rng: np.random.Generator, rate: int) -> Array:
    """A response of 40 ms with a dozen resonances, and a part that reaches the microphone directly."""
    t = np.arange(round(0.04 * rate)) / rate
    hz = np.exp(rng.uniform(np.log(150), np.log(9000), 14))
    decay = rng.uniform(60, 500, 14)
    gain = rng.uniform(0.2, 1.0, 14) * (hz / 500) ** -0.4
    modes = sum(
        g * np.exp(-d * t) * np.sin(2 * np.pi * f * t) for g, d, f in zip(gain, decay, hz, strict=True)
    )
    modes = modes / np.linalg.norm(modes)
    modes[0] += rng.uniform(0.08, 0.25)
    return np.asarray(modes)


def _drive_sound(
    drive: Drive, rng: np.random.Generator, times_s: Array, position: Array, t: Array, rate: int
) -> Array:
    step = float(np.median(np.diff(times_s)))
    smooth = scipy.signal.savgol_filter(position, 7, 2)
    speed = np.gradient(smooth, step) / drive.full_speed
    acceleration = np.gradient(speed, step)
    # What the drive carries: gravity by posture, and inertia. Nothing of it is told to who learns.
    load = 0.6 + 0.4 * np.sin(smooth + drive.posture) + 0.08 * np.abs(acceleration)
    v, carried = np.interp(t, times_s, np.abs(speed)), np.interp(t, times_s, load)
    turn = 2 * np.pi * drive.turns * np.interp(t, times_s, smooth)
    phases = rng.uniform(0, 2 * np.pi, len(drive.orders))
    tones = sum(a * np.sin(m * turn + p) for a, m, p in zip(drive.tones, drive.orders, phases, strict=True))
    rough = rng.standard_normal(len(t)) * (1 + drive.modulated * np.sin(turn))
    dry = v**drive.tone_power * carried * tones + drive.gear * v**drive.gear_power * rough
    dry += _clicks(rng, times_s, np.abs(speed), len(t), rate)
    return np.asarray(scipy.signal.fftconvolve(dry, drive.path)[: len(t)])


def _clicks(rng: np.random.Generator, times_s: Array, speed: Array, samples: int, rate: int) -> Array:
    """A brake opens where a motion follows half a second of rest, and closes where half a second follows a motion."""
    clicks = np.zeros(samples)
    still = speed < _REST
    edges = np.flatnonzero(np.diff(still.astype(np.int8)))
    need = round(0.5 / float(np.median(np.diff(times_s))))
    burst = rng.standard_normal(round(0.006 * rate)) * np.exp(
        -np.arange(round(0.006 * rate)) / (0.0015 * rate)
    )
    for edge in edges.tolist():
        starts = bool(still[edge])
        rests = still[max(edge - need, 0) : edge] if starts else still[edge + 1 : edge + need]
        at = round(float(times_s[edge]) * rate)
        if len(rests) >= need - 2 and rests.all() and at + len(burst) < samples:
            clicks[at : at + len(burst)] += 0.4 * rng.uniform(0.5, 1.5) * burst
    return clicks


def sweep_motion(full_speeds: Array, seconds: float, seed: int) -> tuple[Array, Array]:
    """Times [t] at 250 Hz and positions [t, joints] of a sweep: each joint at rising speeds, then all."""
    rng = np.random.default_rng([0x5EE9, seed])
    times = np.arange(0.0, seconds, 0.004)
    joints = len(full_speeds)
    velocity = np.zeros((len(times), joints))
    alone = 0.65 * seconds / joints
    for j in range(joints):
        begin = 2.0 + j * alone
        inside = (times >= begin) & (times < begin + alone)
        ramp = (times[inside] - begin) / alone
        velocity[inside, j] = (
            full_speeds[j] * _trapezes(ramp * alone, float(rng.uniform(1.4, 2.0))) * (0.15 + 0.85 * ramp)
        )
    together = times >= 2.0 + joints * alone + 1.0
    for j in range(joints):
        phase, period = rng.uniform(0, 6.28), rng.uniform(2.0, 5.0)
        wave = np.sin(2 * np.pi * times[together] / period + phase)
        velocity[together, j] = full_speeds[j] * rng.uniform(0.5, 1.0) * wave
    return times, np.cumsum(velocity, axis=0) * 0.004


def _trapezes(t: Array, period: float) -> Array:
    """Back and forth with ramps and short rests, in [-1, 1]."""
    return np.asarray(np.clip(1.6 * np.sin(2 * np.pi * t / period), -1.0, 1.0))
