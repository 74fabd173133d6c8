"""The contract of every model that makes the sound of a whole window, and what such a window is.

A table of windows asks a model for several sounds of each window, and how likely it finds given sounds. What a model
takes from a window (planned or measured motion, force, views, earlier sounds) is its own affair, and it says which by
``given``; the sound and the contacts of the window itself it must not look at.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from foley_common.session_file import MOTION_RATE, SessionData
from foley_synthesis.flow.networks.mel import RATE

EVALUATION_S = 8.0
EVALUATION_SAMPLES = round(EVALUATION_S * RATE)
EVALUATION_ROWS = round(EVALUATION_S * MOTION_RATE)  # of motion

Sound = NDArray[np.float32]
WindowGiven = Literal["nothing", "place", "plan", "motion", "motion and force"]
"""Of the hand, beside views: nothing, over what it is and not how it moves, the plan, the motion as it was measured,
and the measured force too."""


@dataclasses.dataclass(frozen=True, eq=False)
class EvaluationWindow:
    """8 s of a session, beginning at a sample of the motion."""

    session: SessionData
    start_s: float

    def __post_init__(self) -> None:
        """Raises ValueError where the session does not hold it."""
        rows = self.start_s * MOTION_RATE
        if abs(rows - round(rows)) > 1e-6:
            raise ValueError(f"start_s is {self.start_s}, must be a multiple of {1 / MOTION_RATE}")
        if not 0 <= self.first_row <= len(self.session.executed_pose) - EVALUATION_ROWS:
            raise ValueError(
                f"start_s is {self.start_s}, must leave {EVALUATION_S:g} of {self.session.duration_s:g} s"
            )

    @property
    def first_row(self) -> int:
        """Of the session's motion."""
        return round(self.start_s * MOTION_RATE)

    @property
    def rows(self) -> slice:
        """Of the session's motion, 1000 long."""
        return slice(self.first_row, self.first_row + EVALUATION_ROWS)

    @property
    def scene_id(self) -> str:
        """Of the session."""
        return str(self.session.facts["scene_id"])

    @property
    def session_id(self) -> str:
        """`<scene_id>-p<policy seed>`, as its file is called."""
        return f"{self.scene_id}-p{self.session.facts.get('policy_seed', 0)}"

    @property
    def window_id(self) -> str:
        """`<session_id>-<begin in ms>`."""
        return f"{self.session_id}-{round(self.start_s * 1e3):06d}"

    def noise_seed(self, seed: int) -> int:
        """Of what is drawn for this window: another one than for any other, the same in every model."""
        return seed * 1_000_003 + zlib.crc32(self.window_id.encode())

    @property
    def contacts(self) -> NDArray[np.int64]:
        """Indices of the session's contacts that lie in the window."""
        at = self.session.contact_s
        return np.flatnonzero((at >= self.start_s) & (at < self.start_s + EVALUATION_S))

    def sound(self) -> Sound:
        """The true sound [128000] at 16 kHz.

        Raises:
            ValueError: the session's rate is no multiple of 16 kHz.
        """
        from scipy.signal import resample_poly

        rate = self.session.sound_rate
        if rate % RATE:
            raise ValueError(f"sound_rate is {rate}, must be a multiple of {RATE}")
        begin = self.first_row * rate // MOTION_RATE
        samples = self.session.sound[begin : begin + round(EVALUATION_S * rate)].astype(np.float32) / 2**15
        return np.asarray(resample_poly(samples, 1, rate // RATE) if rate > RATE else samples, np.float32)


class WindowModel(Protocol):
    """From what is known of a window to its sound. Used from one thread."""

    @property
    def given(self) -> WindowGiven:
        """What it is told of the hand."""

    @property
    def model_id(self) -> str:
        """sha256 of the checkpoint."""

    @property
    def train_scenes(self) -> frozenset[str]:
        """Scene ids that it was trained in."""

    def draw(
        self,
        windows: Sequence[EvaluationWindow],
        draws: int,
        seed: int,
        step: Callable[[], None] = lambda: None,
    ) -> NDArray[np.float32]:
        """Sounds [n, draws, 128000] at 16 kHz, a function of windows and seed alone.

        A model that knows but one sound of a window gives one draw, [n, 1, 128000].

        Args:
            step: called after each window.
        """

    def score(self, window: EvaluationWindow, candidates: NDArray[np.float32]) -> NDArray[np.float64] | None:
        """How likely each of candidates [k, 128000] is the sound of the window, [k]; higher is likelier.

        None: it cannot say.
        """
