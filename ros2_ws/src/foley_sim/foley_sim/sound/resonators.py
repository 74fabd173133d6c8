"""A bank of resonators over time: what drives it, what damps it, and when it has come to rest.

Pulses may be scheduled ahead. The bank is put to rest on a fixed grid of samples only, and stretches without any drive
are run in one go; neither depends on how the time line is cut.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable

import numpy as np

from foley_sim.sound import kernels
from foley_sim.sound.kernels import Array

FAR = 2**62
"""A sample that never comes."""


@dataclasses.dataclass
class Pulse:
    """A force pulse on its way into the bank."""

    first: int
    impulses: Array  # [n] [N s] per sample
    click: Array  # [n] added to the output directly
    drive: Array  # [m] modal velocity per impulse [1/kg]

    @property
    def stop(self) -> int:
        return self.first + self.impulses.size


@dataclasses.dataclass
class Damper:
    """Extra decay of every mode from sample `first` to `stop`, worked out only if the bank sounds then."""

    first: int
    stop: int
    work_out: Callable[[], Array]  # -> [m] [1/s]

    @functools.cached_property
    def decay(self) -> Array:
        return self.work_out()


class Resonators:
    """Complex one-pole resonators (see kernels.run_bank).

    Args:
        frequency_hz, decay, gain: [m]; gain is output per modal velocity.
        sample_rate: [Hz].
        grid: samples between two chances to come to rest.
        silence: output below which the bank rests.
    """

    def __init__(
        self, frequency_hz: Array, decay: Array, gain: Array, *, sample_rate: int, grid: int, silence: float
    ) -> None:
        pole = np.exp((-decay + 2j * np.pi * frequency_hz) / sample_rate)
        self._pole_re, self._pole_im = np.ascontiguousarray(pole.real), np.ascontiguousarray(pole.imag)
        self._re, self._im = np.zeros(pole.size), np.zeros(pole.size)
        self._gain = np.ascontiguousarray(gain, dtype=np.float64)
        self._rate, self._grid, self._silence = sample_rate, grid, silence
        self._dampers: list[Damper] = []
        self.pulses: list[Pulse] = []
        self.ringing = False

    def next_drive(self) -> int:
        """First sample of the earliest pulse that is waiting or under way."""
        return min((p.first for p in self.pulses), default=FAR)

    def strike(self, pulse: Pulse) -> None:
        """Schedule a pulse."""
        self.pulses.append(pulse)

    def damp(self, damper: Damper, now: int) -> None:
        """Schedule extra damping; `now` is the next sample to be rendered."""
        self._dampers = [d for d in self._dampers if d.stop > now]
        if damper.stop > damper.first:
            self._dampers.append(damper)

    def run(self, start: int, out: Array, extra: list[tuple[Array, Array]]) -> None:
        """Add the output of [start, start + n) to out [n]. extra: further excitations, (drive [m], impulses [n])."""
        self.ringing = True
        drives, rows = [], []
        stop = start + out.size
        for pulse in self.pulses:
            begin, end = max(pulse.first, start), min(pulse.stop, stop)
            if begin < end:
                row = np.zeros(out.size)
                row[begin - start : end - start] = pulse.impulses[begin - pulse.first : end - pulse.first]
                out[begin - start : end - start] += pulse.click[begin - pulse.first : end - pulse.first]
                drives.append(pulse.drive)
                rows.append(row)
        if self.pulses:
            self.pulses = [p for p in self.pulses if p.stop > stop]
        for drive, row in extra:
            drives.append(drive)
            rows.append(row)
        drive_array = np.array(drives).reshape(len(drives), self._re.size)
        row_array = np.array(rows).reshape(len(rows), out.size)
        dampers = [d for d in self._dampers if d.first < stop and d.stop > start]
        for begin, end in _spans(dampers, start, stop):
            pole_re, pole_im = self._poles(dampers, begin)
            part = slice(begin - start, end - start)
            self._advance(pole_re, pole_im, drive_array, np.ascontiguousarray(row_array[:, part]), out[part])

    def _advance(self, pole_re: Array, pole_im: Array, drives: Array, rows: Array, out: Array) -> None:
        """Add the output of a stretch with these poles [m] and excitations to out [n]."""
        kernels.run_bank(self._re, self._im, pole_re, pole_im, self._gain, drives, rows, out)

    def free(self, start: int, out: Array) -> int:
        """Ring without drive from a sample of the grid on, at most out.size samples (a multiple of the grid).

        Returns how many were run: fewer where the bank came to rest or a damper begins.
        """
        limit = out.size
        for d in self._dampers:
            if d.stop > start and d.first < start + limit:
                limit = max(d.first - start, 0) // self._grid * self._grid
        if limit == 0:
            return 0
        done, rests = kernels.run_free(
            self._re, self._im, self._pole_re, self._pole_im, self._gain,
            self._grid, self._silence, out[:limit],
        )  # fmt: skip
        self.ringing = not rests
        return int(done)

    def settle(self, driven: bool) -> None:
        """On the grid: forget what is too faint to hear, and rest if nothing is left.

        Events still to come play no part, or adding them early would change the samples before them.
        """
        loudness = np.hypot(self._re, self._im) * self._gain
        faint = loudness < self._silence * 1e-3  # also keeps denormal numbers out of the inner loop
        self._re[faint] = 0.0
        self._im[faint] = 0.0
        if loudness.sum() < self._silence and not driven:
            self._re[:] = 0.0
            self._im[:] = 0.0
            self.ringing = False

    def _poles(self, dampers: list[Damper], sample: int) -> tuple[Array, Array]:
        active = [d.decay for d in dampers if d.first <= sample < d.stop]
        if not active:
            return self._pole_re, self._pole_im
        shrink = np.exp(-np.sum(active, axis=0) / self._rate)
        return self._pole_re * shrink, self._pole_im * shrink


def _spans(dampers: list[Damper], start: int, stop: int) -> list[tuple[int, int]]:
    """[start, stop) cut where damping changes."""
    edges = {start, stop}
    for d in dampers:
        edges.update(e for e in (d.first, d.stop) if start < e < stop)
    return list(itertools.pairwise(sorted(edges)))
