"""From a sweep to the model of own noise, and how well it foretells a part of the sweep that it never heard."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.own_noise.bands import decibels
from foley_perception.own_noise.fit import fit, knots_of
from foley_perception.own_noise.model import OwnNoise, basis
from foley_perception.own_noise.sweep import HOP_S, Sweep, SweepError

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEAST_S = 20.0  # of a sweep
LEAST_MOVING_S = 10.0  # in which any joint moves
LEAST_SHARE = 0.5  # of the joints that must move, unless they are named
MOST_EVENTS_PER_MIN = 3.0
_LEAST_MOVED_S = 0.5  # a joint, or it counts as still: springs and fingers move by touch alone
_LEAST_SPEED = 0.01  # rad/s or m/s; slower is rest
_BLOCK_S = 1.0  # of the sweep; each fifth is held out
_EVENT_DB = 6.0  # over what is expected, in the mean of the bands
_EVENT_SPREADS = 5.0
_AROUND_S = 0.1  # of an event that is left out
_LEVEL_WINDOWS = 10  # over which levels are compared: single windows scatter whatever the model
_ROUGH_STEPS = 30  # of the fit by which events are found
_LEAST_GAIN = 0.02  # of the error, for which directions are told apart


@dataclasses.dataclass(frozen=True, eq=False)
class Learnt:
    """A model and what it is worth."""

    model: OwnNoise
    floor_error_db: Array  # [bands] rms, held out, of a stationary floor alone
    error_db: Array  # [bands] rms, held out, of the model
    held_out_s: float
    seconds: float
    moved_s: Mapping[str, float]  # by joint
    events_s: tuple[float, ...]  # sounds that no motion explains, left out
    clicks_s: tuple[float, ...]  # those beside the beginning or end of a motion, left out
    notes: tuple[str, ...]

    @property
    def explained_db(self) -> Array:
        """[bands] by which the error is less than that of a floor."""
        return self.floor_error_db - self.error_db

    def figures(self) -> dict[str, Any]:
        """For metrics.json."""
        fastest = dict(zip(self.model.joints, self.model.knots[:, -1], strict=True))
        return {
            "seconds": round(self.seconds, 1),
            "held_out_s": round(self.held_out_s, 1),
            "floor_error_db": round(float(self.floor_error_db.mean()), 2),
            "error_db": round(float(self.error_db.mean()), 2),
            "explained_db": round(float(self.explained_db.mean()), 2),
            "directions": 2 if self.model.signed else 1,
            "joints": {
                name: {
                    "moved_s": round(seconds, 1),
                    "fastest": round(float(fastest[name]), 3) if name in fastest else 0.0,
                }
                for name, seconds in self.moved_s.items()
            },
            "events": len(self.events_s),
            "clicks": len(self.clicks_s),
            "bands": [
                {
                    "from_hz": round(float(low)),
                    "to_hz": round(float(high)),
                    "floor_db": round(float(floor), 1),
                    "floor_error_db": round(float(a), 2),
                    "error_db": round(float(b), 2),
                }
                for low, high, floor, a, b in zip(
                    self.model.edges_hz[:-1], self.model.edges_hz[1:], decibels(self.model.floor),
                    self.floor_error_db, self.error_db, strict=True,
                )
            ],
            "notes": list(self.notes),
        }  # fmt: skip


def learn(sweep: Sweep, facts: Mapping[str, Any] | None = None, *, named: bool = False) -> Learnt:
    """The model of a sweep.

    Args:
        facts: microphone, robot and date, kept with it.
        named: the joints were named, so that all of them must move.

    Raises:
        SweepError: too short, too few joints move, or something else than the robot is heard.
    """
    moved = _check_motion(sweep, named)
    still = tuple(name for name in sweep.joints if moved[name] < _LEAST_MOVED_S)
    sweep = sweep.of_joints([name for name in sweep.joints if name not in still])
    knots = knots_of(sweep.speeds, _LEAST_SPEED)
    events, clicks = _events(sweep, knots)
    clean = ~_around(sweep, (*events, *clicks))
    events_s, clicks_s = (tuple(float(sweep.times_s[i]) for i in found) for found in (events, clicks))
    if len(events) > max(2.0, MOST_EVENTS_PER_MIN * sweep.seconds / 60.0):
        at = ", ".join(f"{t:.1f} s" for t in events_s[:6])
        raise SweepError(
            f"{', '.join(sweep.bags)}: {len(events)} sounds that no motion explains, as contacts and voices make (at "
            f"{at}{', ...' if len(events) > 6 else ''}); sweep again through free air in a quiet room"
        )
    kept = sweep.within(clean)
    held = _held_out(kept)
    train, test = kept.within(~held), kept.within(held)
    tried = {signed: _errors(train, test, knots, signed) for signed in (False, True)}
    signed = float(tried[True][0].mean()) < (1 - _LEAST_GAIN) * float(tried[False][0].mean())
    error, spread = tried[signed]
    constant = train.power.mean(axis=0)
    floor_error = _rms(_blocks(test, test.power), _blocks(test, np.tile(constant, (len(test.power), 1))))
    floor, rise = fit(kept.power, kept.speeds, knots, signed=signed)
    model = OwnNoise(
        sweep.joints, sweep.edges_hz, knots, floor, rise, spread, sweep.sample_rate, dict(facts or {})
    )
    return Learnt(
        model, floor_error, error, test.seconds, sweep.seconds, moved, events_s, clicks_s,
        _notes(sweep, still, floor_error, error, events_s, clicks_s),
    )  # fmt: skip


def stationary(sweep: Sweep) -> OwnNoise:
    """A floor alone, the mean of the sweep: what own noise is compared with."""
    joints, bands = len(sweep.joints), sweep.power.shape[1]
    mean = sweep.power.mean(axis=0)
    smooth = _blocks(sweep, sweep.power)
    spread = np.std(decibels(smooth), axis=0) if len(smooth) else np.zeros(bands)
    zeros, knots = np.zeros((joints, 1, 1, bands)), np.full((joints, 1), 1e9)
    return OwnNoise(sweep.joints, sweep.edges_hz, knots, mean, zeros, spread, sweep.sample_rate)


# ---- inside --------------------------------------------------------------------------------------------
def _check_motion(sweep: Sweep, named: bool) -> dict[str, float]:
    where = ", ".join(sweep.bags)
    if sweep.seconds < LEAST_S:
        lost = f" ({sweep.left_out_s:.1f} s have gaps or no joints)" if sweep.left_out_s else ""
        raise SweepError(
            f"{where}: {sweep.seconds:.1f} s of sound with joints{lost}, {LEAST_S:.0f} s are needed, a minute or two "
            "are better: move each joint at all of its speeds"
        )
    moving = np.abs(sweep.speeds) > _LEAST_SPEED
    moved = dict(zip(sweep.joints, (moving.sum(axis=0) * HOP_S).tolist(), strict=True))
    if moving.any(axis=1).sum() * HOP_S < LEAST_MOVING_S:
        raise SweepError(
            f"{where}: the joints move for {moving.any(axis=1).sum() * HOP_S:.1f} s, {LEAST_MOVING_S:.0f} s are needed"
        )
    still = [name for name, seconds in moved.items() if seconds < _LEAST_MOVED_S]
    if (named and still) or len(still) > (1 - LEAST_SHARE) * len(moved):
        raise SweepError(
            f"{where}: {', '.join(still)} did not move, {len(moved) - len(still)} of {len(moved)} joints did; sweep "
            "each joint that moves at work, or name those that do with --joints"
        )
    return moved


def _events(sweep: Sweep, knots: Array) -> tuple[list[int], list[int]]:
    """Windows in which far more is heard than motion explains: anywhere, and beside a motion's beginning or end."""
    floor, rise = fit(sweep.power, sweep.speeds, knots, signed=False, steps=_ROUGH_STEPS)
    weights = basis(sweep.speeds, knots, signed=False)
    expected = floor + weights @ rise.reshape(-1, len(floor))
    over = decibels(sweep.power / np.maximum(expected, 1e-30)).mean(axis=1)
    middle = float(np.median(over))
    spread = 1.4826 * float(np.median(np.abs(over - middle)))
    loud = np.flatnonzero(over - middle > max(_EVENT_DB, _EVENT_SPREADS * spread))
    moving = np.abs(sweep.speeds) > _LEAST_SPEED
    edges = np.flatnonzero((np.diff(moving.astype(np.int8), axis=0) != 0).any(axis=1))
    near = round(_AROUND_S / HOP_S)
    found: tuple[list[int], list[int]] = ([], [])
    last = -(10**9)
    for i in loud.tolist():
        if i - last > near:
            begun = np.abs(edges - i).min(initial=10**9) <= near
            found[1 if begun else 0].append(i)
        last = i
    return found


def _around(sweep: Sweep, events: tuple[int, ...]) -> Flags:
    near = np.zeros(len(sweep.power), np.bool_)
    for i in events:
        near |= (sweep.bag == sweep.bag[i]) & (np.abs(sweep.times_s - sweep.times_s[i]) < _AROUND_S)
    return near


def _held_out(sweep: Sweep) -> Flags:
    """Each fifth second."""
    return np.asarray((sweep.times_s // _BLOCK_S).astype(np.int64) % 5 == 4)


def _errors(train: Sweep, test: Sweep, knots: Array, signed: bool) -> tuple[Array, Array]:
    """[bands] root mean square of what was held out, and its standard deviation in single windows [dB]."""
    floor, rise = fit(train.power, train.speeds, knots, signed=signed)
    expected = floor + basis(test.speeds, knots, signed=signed) @ rise.reshape(-1, len(floor))
    single = np.std(decibels(test.power) - decibels(expected), axis=0)
    return _rms(_blocks(test, test.power), _blocks(test, expected)), single


def _blocks(sweep: Sweep, power: Array) -> Array:
    """Means over tenths of a second that lie whole in one stretch: [n, bands]."""
    n = len(power) // _LEVEL_WINDOWS
    rows = power[: n * _LEVEL_WINDOWS].reshape(n, _LEVEL_WINDOWS, -1).mean(axis=1)
    times = sweep.times_s[: n * _LEVEL_WINDOWS].reshape(n, _LEVEL_WINDOWS)
    whole = np.ptp(times, axis=1) < 1.5 * _LEVEL_WINDOWS * HOP_S
    return np.asarray(rows[whole])


def _rms(heard: Array, expected: Array) -> Array:
    return np.asarray(np.sqrt(np.mean((decibels(heard) - decibels(expected)) ** 2, axis=0)))


def _notes(
    sweep: Sweep, still: tuple[str, ...], floor_error: Array, error: Array, events: tuple[float, ...],
    clicks: tuple[float, ...],
) -> tuple[str, ...]:  # fmt: skip
    notes = []
    if still:
        notes.append(f"{', '.join(still)} did not move: their noise, where they have any, is not in it")
    if sweep.left_out_s > 1.0:
        notes.append(f"{sweep.left_out_s:.1f} s were left out: gaps in the sound, or joints that nobody told")
    if events:
        notes.append(f"{len(events)} sounds that no motion explains were left out")
    if clicks:
        notes.append(
            f"{len(clicks)} sounds at the beginning or end of motions were left out: clicks of brakes are not learnt"
        )
    if float((floor_error - error).mean()) < 0.5:
        notes.append(
            "joint speeds tell hardly more than a stationary floor does: this robot's noise does not follow its joints"
        )
    return tuple(notes)
