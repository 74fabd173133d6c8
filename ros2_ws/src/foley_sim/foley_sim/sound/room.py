"""The room: one impulse response per source position, applied block by block.

Responses come from pyroomacoustics' image sources (early reflections) with an exponentially decaying tail after Sabine,
cut to TAIL_S. Their direct sound is 1/r at delay r/c: the delay of propagation is in the response and nowhere else.

The convolution is uniformly partitioned overlap-save on a fixed grid of blocks. A block that is only partly known is
computed as if the rest of it were silent, which is exact for the part already known; so no future input is needed and
cutting the time line differently changes the result by rounding only.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from foley_sim.sound import kernels
from foley_sim.sound.kernels import Array
from foley_sim.sound.modal import SOUND_SPEED
from foley_sim.spec import RoomSpec

TAIL_S = 0.25
TABLE_HEIGHT = 0.75
"""Of the bench top above the floor [m]; the world's origin lies on it, in the middle of the room."""

_IMAGE_ORDER = 7
_MIXING_S = 0.03  # from here on the statistical tail takes over

_CARDIOID = 0.5  # pressure response p + (1 - p) cos(angle)

Point = tuple[float, float, float]


def impulse_responses(
    room: RoomSpec,
    microphone: Point,
    sources: tuple[Point, ...],
    sample_rate: int,
    seed: int,
    cardioid_axis: Point | None = None,
) -> Array:
    """Responses [sources, taps] from positions in the world to the microphone, taps = TAIL_S * sample_rate.

    cardioid_axis: where a cardioid points, in the world; None for an omnidirectional microphone.
    Raises ValueError if the microphone or a source lies outside the room, or an axis has no length.
    """
    if cardioid_axis is not None and math.hypot(*cardioid_axis) < 1e-6:
        raise ValueError(f"microphone: axis is {cardioid_axis}, a cardioid needs a direction")
    return _responses(room, microphone, sources, sample_rate, seed, cardioid_axis).copy()


@functools.lru_cache(maxsize=16)
def _responses(
    room: RoomSpec,
    microphone: Point,
    sources: tuple[Point, ...],
    sample_rate: int,
    seed: int,
    cardioid_axis: Point | None,
) -> Array:
    import pyroomacoustics  # takes most of a second; only those who render need it

    origin = np.array([room.size[0] / 2, room.size[1] / 2, TABLE_HEIGHT])
    for name, point in (("microphone", microphone), *((f"source {i}", p) for i, p in enumerate(sources))):
        place = origin + np.array(point)
        if not np.all((place > 0) & (place < np.array(room.size))):
            raise ValueError(f"room: {name} at {point} m lies outside the room of {room.size} m")
    shoebox = pyroomacoustics.ShoeBox(
        list(room.size),
        fs=sample_rate,
        materials=pyroomacoustics.Material(room.absorption),
        max_order=_IMAGE_ORDER,
    )
    for point in sources:
        shoebox.add_source((origin + np.array(point)).tolist())
    directivity = None
    if cardioid_axis is not None:
        from pyroomacoustics.directivities import CardioidFamily, DirectionVector

        x, y, z = cardioid_axis
        direction = DirectionVector(
            azimuth=math.atan2(y, x), colatitude=math.atan2(math.hypot(x, y), z), degrees=False
        )
        directivity = CardioidFamily(orientation=direction, p=_CARDIOID)
    shoebox.add_microphone((origin + np.array(microphone)).tolist(), directivity=directivity)
    shoebox.compute_rir()
    taps = round(TAIL_S * sample_rate)
    # responses of pyroomacoustics start late by half the length of its fractional-delay filters
    early_shift = pyroomacoustics.constants.get("frac_delay_length") // 2
    result = np.zeros((len(sources), taps))
    for row, response in zip(result, shoebox.rir[0], strict=True):
        part = np.asarray(response)[early_shift : early_shift + taps]
        row[: part.size] = part
    return _with_tail(result, room, sample_rate, seed)


def _with_tail(early: Array, room: RoomSpec, sample_rate: int, seed: int) -> Array:
    """Cross-fade from image sources to noise that decays after Sabine and loses its treble on the way."""
    rng = np.random.default_rng([seed, 7])
    taps = early.shape[1]
    time = np.arange(taps) / sample_rate
    x, y, z = room.size
    t60 = 0.161 * x * y * z / (room.absorption * 2 * (x * y + y * z + x * z))
    noise = rng.standard_normal(early.shape)
    dull = np.apply_along_axis(lambda row: np.convolve(row, np.ones(4) / 4, mode="same"), 1, noise)
    mix = np.clip((time - _MIXING_S) / _MIXING_S, 0.0, 1.0)
    noise = (1 - mix) * noise + mix * 2 * dull
    around = (time > 0.5 * _MIXING_S) & (time < 1.5 * _MIXING_S)
    level = np.sqrt((early[:, around] ** 2).mean(axis=1, keepdims=True))
    decay = np.exp(-math.log(1000.0) * (time - _MIXING_S) / t60)
    fade_out = np.clip((TAIL_S - time) / (0.2 * TAIL_S), 0.0, 1.0)
    return np.asarray((np.sqrt(1 - mix) * early + np.sqrt(mix) * level * decay * noise) * fade_out)


def travel_delay_s(source: Point, microphone: Point) -> float:
    """Time that sound takes from one point to another [s]."""
    return math.dist(source, microphone) / SOUND_SPEED


class RoomConvolver:
    """Many sources through one response each, summed at the microphone."""

    def __init__(self, responses: Array, block: int) -> None:
        """responses: [sources, taps]. block: samples per block of the grid."""
        sources, taps = responses.shape
        self.block = block
        self._partitions = math.ceil(taps / block)
        padded = np.zeros((sources, self._partitions * block))
        padded[:, :taps] = responses
        parts = padded.reshape(sources, self._partitions, block)
        self._filters = np.fft.rfft(parts, 2 * block, axis=2)  # [sources, partitions, block + 1]
        self._spectra = np.zeros_like(self._filters)  # ring of past blocks, per source
        self._newest = 0
        self._previous = np.zeros((sources, block))
        self._live = np.zeros(sources, dtype=np.int64)  # blocks until a source has left its ring
        self._present: dict[int, NDArray[np.complex128]] = {}  # spectra of the present block
        self._past: NDArray[np.complex128] | None = None  # what finished blocks add to the present one

    def partial(self, block_input: Array, sounding: NDArray[np.bool_]) -> Array:
        """Output [block] of the present block. block_input: [sources, block], zero where not yet known.

        sounding: [sources], false for sources whose rows of block_input are all zero.
        """
        if self._past is None:
            self._past = np.zeros(self.block + 1, dtype=np.complex128)
            for source in np.flatnonzero(self._live):
                kernels.multiply_partitions(
                    self._spectra[source], self._filters[source], self._newest, self._past
                )
        total = self._past.copy()
        self._present = {}
        for source in np.flatnonzero(sounding | (self._live > self._partitions)):
            frame = np.concatenate([self._previous[source], block_input[source]])
            self._present[int(source)] = np.fft.rfft(frame)
            total += self._present[int(source)] * self._filters[source, 0]
        return np.asarray(np.fft.irfft(total, 2 * self.block)[self.block :])

    def commit(self, block_input: Array, sounding: NDArray[np.bool_]) -> None:
        """The present block is complete, as the last call of `partial` saw it; the next one begins."""
        self._newest = (self._newest + 1) % self._partitions
        for source in np.flatnonzero(sounding | (self._live > 0)):
            self._spectra[source, self._newest] = self._present.get(int(source), 0.0)
            # one block longer than the response: the last samples sound on into a block of their own
            self._live[source] = self._partitions + 1 if sounding[source] else self._live[source] - 1
        self._previous[:] = block_input
        self._past = None
