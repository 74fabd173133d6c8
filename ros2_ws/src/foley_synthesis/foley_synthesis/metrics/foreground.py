"""Distances of sounds in which touches count, and the room's tone does not.

Everything here is of mel levels in dB [..., bins, frames] over each sound's own floor: of every bin the 20th percentile
over the sound, :func:`above_floor`. What stands :data:`FOREGROUND_DB` over it is foreground. As each sound is measured
against its own floor, its transform does not depend on what it is compared with; a proper score needs that. Levels must
end somewhere, as those of `flow/networks/mel.py` do at -100 dB: digital silence between touches has that floor, where
simulated recordings have -98 to -91 dB in most bins.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Levels = NDArray[np.floating]
FOREGROUND_DB = 10.0
_FLOOR_SHARE = 0.2
_COARSE_DB, _FINE_DB = np.arange(-24.0, 25.0, 3.0), np.array([-1.0, 1.0])


def floor_of(levels: Levels) -> NDArray[np.float32]:
    """The floor [..., bins] of levels [..., bins, frames] in dB: their 20th percentile over time."""
    rank = int(_FLOOR_SHARE * (levels.shape[-1] - 1))
    return np.asarray(np.partition(np.asarray(levels, np.float32), rank, axis=-1)[..., rank])


def above_floor(levels: Levels) -> NDArray[np.float32]:
    """How far levels [..., bins, frames] stand over their own floor [dB]; 0 where they lie under it."""
    apart = np.asarray(levels, np.float32) - floor_of(levels)[..., None]
    return np.asarray(np.maximum(apart, 0.0, out=apart), np.float32)


def foreground_error(made: Levels, real: Levels) -> float:
    """Mean |difference| [dB] of what :func:`above_floor` gives, over the bins where either is foreground.

    0 where neither has any.
    """
    either = np.maximum(made, real) > FOREGROUND_DB
    count = np.count_nonzero(either)
    return float(np.abs(made[either] - real[either]).sum(dtype=np.float64) / count) if count else 0.0


def aligned_error(made: Levels, real: Levels) -> tuple[float, float]:
    """The least :func:`foreground_error` over gains of the made sound, and that gain [dB].

    One gain moves the made sound's foreground; the rest of it stays, so that neither silence nor noise gains anything.
    Which bins are foreground is decided anew for every gain. It is sought within 24 dB in steps of 3, then of 1.
    """
    sounding = made > FOREGROUND_DB
    moved, beside = made[sounding], real[sounding]
    missed = ~sounding & (real > FOREGROUND_DB)
    fixed = float(np.abs(made[missed] - real[missed]).sum(dtype=np.float64))
    count = int(np.count_nonzero(missed))

    def error(gain: float) -> float:
        other = np.maximum(moved + np.float32(gain), 0.0)
        either = np.maximum(other, beside) > FOREGROUND_DB
        bins = count + int(np.count_nonzero(either))
        apart = float(np.abs(other[either] - beside[either]).sum(dtype=np.float64))
        return (fixed + apart) / bins if bins else 0.0

    errors = {float(gain): error(gain) for gain in _COARSE_DB}
    best = min(errors, key=lambda gain: (errors[gain], abs(gain)))
    for step in _FINE_DB:
        while best + step not in errors:
            errors[best + step] = error(best + step)
            if errors[best + step] >= errors[best]:
                break
            best += float(step)
    return errors[best], best


class EnergyScore(NamedTuple):
    """Of several draws X, X' of one window and the sound y that there was; lower is better.

    ``pairs`` is E d(X, y) - 1/2 E d(X, X') [dB] with d = :func:`foreground_error`. d has a mask, and so a divisor, of
    its own for every pair: it is no metric of negative type, and ``pairs`` is like a proper score without being one
    (sounds that are a little over 10 dB everywhere widen every mask).

    ``proper`` is the same with d the sum of |psi(a) - psi(b)| over ALL bins, where psi keeps foreground and sets the
    rest to 0: an L1 distance of a fixed transform, one for all pairs, whose energy score is proper for psi (Gneiting
    and Raftery 2007, section 4.3). It is a sum [dB x bins]; over windows, divide the sum of it by the sum of ``bins``,
    the foreground of the true sounds, which no prediction can move. (Dividing each window by its own would weight
    windows by their outcome, and honest predictions would no longer be best.)

    With one draw, the score of that draw as a certainty: its distance.
    """

    pairs: float
    proper: float
    bins: int
    error: float  # E d(X, y) of `pairs`


def energy_score(draws: Levels, real: Levels) -> EnergyScore:
    """Of draws [m, bins, frames] and the true sound [bins, frames], both over their floors."""
    loud = [np.where(one > FOREGROUND_DB, one, np.float32(0.0)) for one in (*draws, real)]
    truth = loud.pop()
    error = float(np.mean([foreground_error(one, real) for one in draws]))
    proper = float(np.mean([_sum_apart(one, truth) for one in loud]))
    pairs = error
    if len(draws) > 1:
        both = [(i, j) for i in range(len(draws)) for j in range(i)]
        pairs -= 0.5 * float(np.mean([foreground_error(draws[i], draws[j]) for i, j in both]))
        proper -= 0.5 * float(np.mean([_sum_apart(loud[i], loud[j]) for i, j in both]))
    return EnergyScore(pairs, proper, int(np.count_nonzero(truth)), error)


def _sum_apart(a: Levels, b: Levels) -> float:
    return float(np.abs(a - b).sum(dtype=np.float64))


def onset_strength(above: Levels) -> Array:
    """Mean rise over the bins from frame to frame [dB], [..., frames]; the first is 0."""
    rise = np.maximum(np.diff(above, axis=-1), 0.0).mean(axis=-2, dtype=np.float64)
    return np.asarray(np.concatenate([np.zeros((*rise.shape[:-1], 1)), rise], axis=-1))


def lag_frames(made: Array, real: Array, most: int) -> float:
    """By how many frames onset strength [frames] comes late, by the peak of the cross-correlation within ``most``.

    NaN where one of them does not vary: there is nothing to align.
    """
    a, b = made - made.mean(), real - real.mean()
    if not (np.ptp(a) > 1e-9 and np.ptp(b) > 1e-9):
        return float("nan")
    size = 1 << (len(a) + most).bit_length()
    product = np.fft.irfft(np.fft.rfft(a, size) * np.fft.rfft(b, size).conj(), size)
    lags = np.arange(-most, most + 1)
    return float(lags[int(product[lags].argmax())])
