"""The networks that predict, in NumPy: `vis.networks` as one contact at a time needs them, without torch.

A prediction is a thousandth of what an image costs to encode, while torch alone would take half a gigabyte of memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.special
from numpy.typing import NDArray

from foley_perception.clips.grid import ONSET_FRAME
from foley_synthesis.beliefs.belief import LOG10_E_CENTRE
from foley_synthesis.beliefs.head_output import STD_RANGE, HeadOutput
from foley_synthesis.vis.config import ModelConfig
from foley_synthesis.vis.outputs import (
    ACTION_LIMIT,
    ACTION_SCALE,
    LAGS,
    LEVEL_CENTRE_DB,
    LEVEL_SCALE_DB,
    OnsetOutput,
    VisOutput,
)
from foley_synthesis.weights import Array, Weights

_EPSILON = 1e-5  # of torch's BatchNorm
_POOLED = 18  # stretches of 5 rows, of which the mean motion is told
_SPEED = slice(3, 6)


class VisNetworks:
    """Sound from sight and action, and what that sound says. Raises WrongWeights."""

    def __init__(self, config: ModelConfig, tensors: Mapping[str, NDArray[Any]]) -> None:
        weights, c = Weights(tensors), config
        self._config = config
        self._still_scale = weights("still_mean", c.still_dims), weights("still_std", c.still_dims)
        self._frame_scale = weights("frame_mean", c.encoder_dims), weights("frame_std", c.encoder_dims)
        self._still = weights.linear("vis.still.1", c.still_units, c.still_dims)
        self._frame = weights.linear("vis.frame.1", c.frame_units, c.encoder_dims)
        self._lstm = _Lstm(weights, c.still_units + c.frame_units + c.action_dims + 1, c.hidden)
        self._output = weights.linear("vis.output", c.components, c.hidden)
        self._onset = _Onset(weights, c) if c.decoding == "onset" else None
        self._head = _Head(weights, c)
        self.background = weights("vis.onset.background", c.channels) if c.decoding == "onset" else None

    def __call__(
        self,
        still: Array,  # [still_views, d], encoded
        frames: Array | None,  # [f, d], encoded; None: planned mode
        action: Array,  # [t, 8] in SI units; NaN: not known
    ) -> tuple[VisOutput, HeadOutput]:
        """Of one contact; rows of one."""
        executed = float(frames is not None)
        known = _tanh((still.reshape(-1) - self._still_scale[0]) / self._still_scale[1], self._still)
        steps = len(action)
        moved = normalise_action(action)
        seen = np.zeros((steps, self._config.frame_units), np.float32)
        if frames is not None:
            units = _tanh((frames - self._frame_scale[0]) / self._frame_scale[1], self._frame)
            seen = np.repeat(units, self._config.replication, axis=0)
        flag = np.full((steps, 1), executed, np.float32)
        states = self._lstm(np.concatenate([np.tile(known, (steps, 1)), seen, moved, flag], axis=1))
        features = _affine(states, self._output)
        onset = None if self._onset is None else self._onset(moved, known, executed)
        said = self._head(features, states, known)
        return VisOutput(features[None], states[None], known[None], onset), said


def normalise_action(action: Array) -> Array:
    """As `vis.networks.sound_net.normalise_action` does: [t, 8] to about unit size, what is not known as 0."""
    known = np.nan_to_num(action.astype(np.float32))
    scaled = known / np.asarray(ACTION_SCALE, np.float32)
    scaled[:, 7] = np.log1p(np.maximum(known[:, 7], 0.0))
    return np.asarray(np.clip(scaled, -ACTION_LIMIT, ACTION_LIMIT), np.float32)


class _Lstm:
    """One layer; the gates are input, forget, cell and output."""

    def __init__(self, weights: Weights, inputs: int, hidden: int) -> None:
        self._given = weights("vis.lstm.weight_ih_l0", 4 * hidden, inputs)
        self._kept = weights("vis.lstm.weight_hh_l0", 4 * hidden, hidden)
        self._bias = weights("vis.lstm.bias_ih_l0", 4 * hidden) + weights("vis.lstm.bias_hh_l0", 4 * hidden)
        self._hidden = hidden

    def __call__(self, x: Array) -> Array:
        """States [t, hidden] of inputs [t, inputs]."""
        given = x @ self._given.T + self._bias
        state = cell = np.zeros(self._hidden, np.float32)
        states = np.empty((len(x), self._hidden), np.float32)
        for t, row in enumerate(given):
            enter, forget, new, leave = np.split(row + self._kept @ state, 4)
            cell = scipy.special.expit(forget) * cell + scipy.special.expit(enter) * np.tanh(new)
            state = scipy.special.expit(leave) * np.tanh(cell)
            states[t] = state
        return states


class _Onset:
    """Lag, presence and level of an onset."""

    def __init__(self, weights: Weights, c: ModelConfig) -> None:
        dims = len(motion_summary(np.zeros((c.sound_frames, c.action_dims), np.float32)))
        mean, variance = (weights(f"vis.onset.scale.running_{name}", dims) for name in ("mean", "var"))
        self._scale = mean, np.sqrt(variance + _EPSILON)
        self._mix = (
            weights.linear("vis.onset.mix.0", c.head_units, dims + c.still_units + 1),
            weights.linear("vis.onset.mix.3", c.head_units, c.head_units),
        )
        self._output = weights.linear("vis.onset.output", LAGS + 2, c.head_units)

    def __call__(self, action: Array, still: Array, executed: float) -> OnsetOutput:
        scaled = (motion_summary(action) - self._scale[0]) / self._scale[1]
        x = np.concatenate([scaled, still, [executed]]).astype(np.float32)
        for layer in self._mix:
            linear = _affine(x, layer)
            x = linear * scipy.special.expit(linear)
        said = _affine(x, self._output)
        level = LEVEL_CENTRE_DB + LEVEL_SCALE_DB * said[LAGS + 1 :]
        return OnsetOutput(said[None, :LAGS], said[LAGS : LAGS + 1], level)


def motion_summary(action: Array) -> Array:
    """As `vis.networks.onset_net.motion_summary` does, of one normalised action [t, 8]."""
    at = int(ONSET_FRAME)
    speed = np.linalg.norm(action[:, _SPEED], axis=1)
    across = np.linalg.norm(action[:, 3:5], axis=1)
    down, height = action[:, 5], action[:, 2]
    bend = np.linalg.norm(np.diff(action[:, _SPEED], axis=0), axis=1)
    near, after = slice(at - 6, at + 7), slice(at, at + 54)
    columns = [
        *(down[at + k] for k in range(-6, 7, 2)),
        *(height[at + k] for k in (-12, -6, -3, 3, 6, 12)),
        *(values[near].min() for values in (down, height)),
        *(values[near].max() for values in (down, speed, across)),
        bend[near].max(),
        bend[after].mean(),
        *(values[after].mean() for values in (across, speed, height, np.abs(down))),
        *(values[after].max() for values in (across, speed)),
        height[after].min(),
        (height[after] < 0.1).mean(),
        action[at, 6],
        action[near, 7].max(),
        action[after, 7].mean(),
    ]
    pooled = np.stack([speed, across, height, down], axis=1)
    pooled = pooled.reshape(_POOLED, -1, pooled.shape[1]).mean(axis=1)
    return np.concatenate([columns, pooled.reshape(-1)]).astype(np.float32)


class _Head:
    """What the predicted sound says about the material."""

    def __init__(self, weights: Weights, c: ModelConfig) -> None:
        units = c.head_units // 2
        self._sound = (
            (
                weights("predicted.sound.0.weight", units, c.components, 7),
                weights("predicted.sound.0.bias", units),
            ),
            (weights("predicted.sound.2.weight", units, units, 5), weights("predicted.sound.2.bias", units)),
        )
        self._mix = weights.linear("predicted.mix.1", c.head_units, 2 * units + 2 * c.hidden + c.still_units)
        self._material = weights.linear("predicted.head.material", c.materials, c.head_units)
        self._numbers = weights.linear("predicted.head.numbers", 4, c.head_units)

    def __call__(self, features: Array, states: Array, still: Array) -> HeadOutput:
        maps = features.T
        for weight, bias in self._sound:
            maps = np.maximum(_convolved(maps, weight, bias), 0.0)
        parts = (maps.mean(axis=1), maps.max(axis=1), states.mean(axis=0), states.max(axis=0), still)
        mixed = np.maximum(_affine(np.concatenate(parts), self._mix), 0.0)
        mean, log_std, rough, hollow = _affine(mixed, self._numbers)[:, None]
        return HeadOutput(
            _affine(mixed, self._material)[None],
            LOG10_E_CENTRE + mean,
            np.clip(np.exp(log_std), *STD_RANGE),
            scipy.special.expit(rough),
            scipy.special.expit(hollow),
        )


def _convolved(x: Array, weight: Array, bias: Array) -> Array:
    """[made, ceil(t / 2)] of [given, t]: stride 2, as much padding as keeps the middle in place."""
    size = weight.shape[2]
    padded = np.pad(x, ((0, 0), (size // 2, size // 2)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=1)[:, ::2]
    return np.asarray(np.einsum("gtk,mgk->mt", windows, weight, optimize=True) + bias[:, None], np.float32)


def _affine(x: Array, layer: tuple[Array, Array]) -> Array:
    return np.asarray(x @ layer[0].T + layer[1], np.float32)


def _tanh(x: Array, layer: tuple[Array, Array]) -> Array:
    return np.asarray(np.tanh(_affine(x, layer)), np.float32)
