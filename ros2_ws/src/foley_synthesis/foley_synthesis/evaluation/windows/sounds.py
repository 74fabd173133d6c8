"""Windows to be predicted, what there was to predict of each, and what a method says of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from functools import cache, cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from foley_synthesis.evaluation.measure import Array, Item
from foley_synthesis.evaluation.sound_metrics import Sound, SoundTruth
from foley_synthesis.flow.networks.mel import FINE, RATE, LogMel, decibels
from foley_synthesis.flow.window_model import EvaluationWindow
from foley_synthesis.metrics.foreground import above_floor, floor_of, onset_strength

FRAME_S = FINE["hop"] / RATE
CANDIDATES = 8
"""Sounds among which the true one is looked for; it is the first of them."""


@cache
def _transform() -> LogMel:
    return LogMel(**FINE)


@torch.no_grad()
def mel_levels(sounds: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mel levels in dB, window 512, hop 128 at 16 kHz: [..., samples] -> [..., 80, samples // 128]."""
    return np.asarray(decibels(_transform()(torch.from_numpy(np.ascontiguousarray(sounds)))).numpy())


@dataclasses.dataclass(frozen=True, eq=False)
class WindowTruth(SoundTruth):
    """A window's true sound; what is derived of it is derived once."""

    window: EvaluationWindow | None = None
    """None: known by its sound alone."""
    candidates: Sequence[EvaluationWindow] = ()
    """The window first, then 7 others whose sounds could be taken for its own."""

    @cached_property
    def _levels(self) -> NDArray[np.float32]:
        return mel_levels(self.waveform)

    @cached_property
    def above(self) -> NDArray[np.float32]:
        """Over its floor [dB], [80, frames]."""
        return above_floor(self._levels)

    @cached_property
    def floor(self) -> NDArray[np.float32]:
        """[80] dB."""
        return floor_of(self._levels)

    @cached_property
    def strength(self) -> Array:
        """Of its onsets, [frames]."""
        return onset_strength(self.above)

    @cached_property
    def touched_s(self) -> Array:
        """When it is touched, in the window: true contacts, or the onsets where it is known by its sound alone."""
        if self.window is None:
            return self.onsets
        session = self.window.session
        return np.asarray(session.contact_s[self.window.contacts] - self.window.start_s, float)

    @cached_property
    def candidates_above(self) -> NDArray[np.float16]:
        """[8, 80, frames], half precision: there are many."""
        others = [above_floor(mel_levels(window.sound())) for window in self.candidates[1:]]
        return np.stack([self.above, *others]).astype(np.float16)


@dataclasses.dataclass(frozen=True, eq=False)
class WindowOutput:
    """What a method says of n windows, with m draws of each."""

    sounds: NDArray[np.float32] | None = None  # [n, m, samples] at 16 kHz
    mel_above: NDArray[np.float32] | None = (
        None  # [n, m, 80, frames] over its floor [dB], where it has no sounds
    )
    scenes: Sequence[Sequence[str]] = ()  # [n][m] that a sound was recorded in; empty: it is no recording
    scores: Array | None = None  # [n, 8] how likely the method finds each candidate, NaN: it cannot say

    @cached_property
    def _measured(self) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Levels over their floors, and floors; a window at a time, as levels of all would double the room."""
        if self.sounds is None:
            assert self.mel_above is not None
            return self.mel_above, None
        above, floors = [], []
        for sounds in self.sounds:
            levels = mel_levels(sounds)
            above.append(above_floor(levels))
            floors.append(floor_of(levels))
        return np.stack(above), np.stack(floors)

    @property
    def above(self) -> NDArray[np.float32]:
        """Over its floor [dB], [n, m, 80, frames]."""
        return self._measured[0]

    @property
    def floor(self) -> NDArray[np.float32] | None:
        """[n, m, 80] dB; None where it has no sounds."""
        return self._measured[1]

    @property
    def draws(self) -> int:
        """Of each window."""
        return int(self.above.shape[1])

    # What metrics of one sound an item ask for: the first draw.
    @property
    def waveforms(self) -> Sequence[Sound]:
        """[n] of [samples]; empty where it has no sounds."""
        return () if self.sounds is None else tuple(self.sounds[:, 0])

    @property
    def rate(self) -> int:
        """[Hz]."""
        return RATE


def window_items(windows: Sequence[EvaluationWindow], seed: int = 0) -> list[Item]:
    """Items of windows, with the candidates of each for ranking."""
    rng = np.random.default_rng(seed)
    return [
        Item(
            row,
            window.scene_id,
            window.session_id,
            WindowTruth(
                waveform=window.sound(),
                rate=RATE,
                window=window,
                candidates=_candidates(row, windows, rng),
            ),
        )
        for row, window in enumerate(windows)
    ]


_SHIFT_S, _FURTHEST_S = 0.3, 2.0


def _candidates(
    row: int, windows: Sequence[EvaluationWindow], rng: np.random.Generator
) -> list[EvaluationWindow]:
    """The window, up to 4 others of its scene, and itself begun 0.3 to 2 s earlier or later, 8 in all."""
    own = windows[row]
    others = [w for k, w in enumerate(windows) if k != row and w.scene_id == own.scene_id]
    few = min(len(others), CANDIDATES // 2)
    chosen = [others[k] for k in rng.permutation(len(others))[:few]]
    starts = list(_begins(own, rng))
    needed = CANDIDATES - 1 - len(chosen)
    if len(starts) < needed:
        raise ValueError(
            f"window {own.window_id}: its session lasts {own.session.duration_s:g} s, too short to shift it in time"
        )
    return [own, *chosen, *(EvaluationWindow(own.session, start) for start in starts[:needed])]


def _begins(window: EvaluationWindow, rng: np.random.Generator) -> Iterable[float]:
    """Other beginnings, each at least 0.3 s from the window's, drawn without order."""
    steps = np.arange(-round(_FURTHEST_S / FRAME_S), round(_FURTHEST_S / FRAME_S) + 1)
    for step in rng.permutation(steps[np.abs(steps) * FRAME_S >= _SHIFT_S]):
        start = (window.first_row + int(step)) * FRAME_S
        if 0 <= start <= window.session.duration_s - 8.0 + 1e-9:
            yield start
