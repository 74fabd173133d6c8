"""The regression as a model of windows: from a session to several sounds of 8 s of it."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foley_common.session_file import MOTION_RATE, SessionData
from foley_perception.action.gripper import GripperHand
from foley_synthesis.flow.networks.mel import decibels
from foley_synthesis.flow.regression.data import GIVEN, WHAT, features_of
from foley_synthesis.flow.regression.loss import foreground_error
from foley_synthesis.flow.regression.model import RegressionModel, load_model
from foley_synthesis.flow.regression.sound import LevelVocoder, levels_over
from foley_synthesis.flow.regression.template import Template
from foley_synthesis.flow.session_features import (
    FLOOR_STEP_S,
    ROWS_PER_LATENT,
    SessionFeatures,
    session_features,
)
from foley_synthesis.flow.sight.windows import SeenWindows
from foley_synthesis.flow.what import WHAT_DIMS, what_of
from foley_synthesis.flow.window_model import EvaluationWindow, WindowGiven

_SCORED_DRAWS = 8


class RegressionWindows:
    """See `WindowModel`. What it is told of the hand, and whether of what is touched, its checkpoint says.

    Args:
        seen: what is said of what lies under the tip of a window [250, dims]; None: the truth.
    """

    def __init__(
        self,
        model: RegressionModel,
        vocoder: LevelVocoder | None = None,
        seen: Callable[[EvaluationWindow], NDArray[np.float32]] | None = None,
    ) -> None:
        self._model, self._seen = model, seen
        self._vocoder = vocoder or LevelVocoder()
        self._hand = GripperHand.from_yaml(str(model.facts.get("hand", "parallel_gripper")))
        self._features = functools.lru_cache(maxsize=2)(self._features_of)  # windows come session by session

    @property
    def given(self) -> WindowGiven:
        """What it is told of the hand."""
        return GIVEN[GIVEN.index(self._model.facts.get("given", "plan"))]

    @property
    def model_id(self) -> str:
        """sha256 of the checkpoint."""
        return self._model.model_id

    @property
    def train_scenes(self) -> frozenset[str]:
        """Scene ids that it was trained in."""
        return frozenset(self._model.facts["dataset"]["train_scenes"])

    @property
    def looks(self) -> bool:
        """Whether it is told what views show, and needs somebody who looks."""
        return bool(self._model.facts.get("sight_id"))

    def looking(self, seen: SeenWindows | None) -> RegressionWindows:
        """The same with whoever looks at its windows.

        Raises:
            ValueError: nobody does, or it learned from what another sight shows.
        """
        if seen is None or seen.features_id != self._model.facts["sight_id"]:
            raise ValueError(
                "this regression looks at views: name the sight that it was trained with (--sight)"
            )
        return RegressionWindows(
            self._model, self._vocoder, lambda window: np.nan_to_num(seen.features(window))
        )

    def levels(self, window: EvaluationWindow, draws: int, seed: int) -> tuple[Tensor, Tensor]:
        """Levels over the floor [draws, 80, 1000], and the floor [80], in dB."""
        without = frozenset() if self._model.facts.get("what", False) else frozenset({WHAT})
        own = zlib.crc32(f"{window.window_id} {seed}".encode())
        features, floor = self._given(window, own)
        return self._model.levels(features, floor, draws, own, without), floor

    def draw(
        self,
        windows: Sequence[EvaluationWindow],
        draws: int,
        seed: int,
        step: Callable[[], None] = lambda: None,
    ) -> NDArray[np.float32]:
        """See `WindowModel`."""
        made = []
        for window in windows:
            levels, floor = self.levels(window, draws, seed)
            made.append([self._vocoder.waveform(one, floor, seed * 1000 + i) for i, one in enumerate(levels)])
            step()
        return np.array(made, np.float32)

    def score(self, window: EvaluationWindow, candidates: NDArray[np.float32]) -> NDArray[np.float64]:
        """Minus the mean foreground distance [dB] of each candidate to what it would make."""
        levels, floor = self.levels(window, _SCORED_DRAWS, 0)
        real = levels_over(torch.from_numpy(candidates), floor)
        apart = torch.stack([foreground_error(one.expand_as(real), real) for one in levels]).mean(dim=0)
        return -apart.double().numpy()

    def _features_of(self, session: SessionData) -> SessionFeatures:
        return session_features(session, self._hand)

    def _given(self, window: EvaluationWindow, seed: int) -> tuple[Tensor, Tensor]:
        """Features [1000, channels], of the tip for the template, and the floor [80] in dB.

        A model for plans that run early or late by up to so much is given such a plan.
        """
        kept, rows = self._features(window.session), np.arange(window.rows.start, window.rows.stop)
        known = kept.floors[min(int(window.start_s / FLOOR_STEP_S + 1e-6), len(kept.floors) - 1)]
        floor = decibels(torch.from_numpy(known.astype(np.float32)))
        reach = round(float(self._model.facts.get("plan_error_s", 0.0)) * MOTION_RATE)
        late = int(np.random.default_rng(seed).integers(-reach, reach + 1))

        def taken(part: NDArray[np.floating], at: NDArray[np.int64]) -> Tensor:
            return torch.from_numpy(part[at].astype(np.float32))[None]

        planned = taken(kept.planned, np.clip(rows - late, 0, len(kept.planned) - 1))
        executed, force = taken(kept.executed, rows), taken(kept.force, rows)
        network = self._model.network
        if isinstance(network, Template):
            return (planned if self.given == "plan" else executed)[0], floor
        if self._seen is not None:
            what = taken(self._seen(window), np.arange(len(rows)) // ROWS_PER_LATENT)
        else:
            objects = [what_of(item) for item in window.session.facts["objects"]]
            under = kept.under[np.minimum(rows // ROWS_PER_LATENT, len(kept.under) - 1)]
            what = taken(np.stack([*objects, np.zeros(WHAT_DIMS, np.float32)]), under.astype(np.int64))
        told = torch.tensor([GIVEN.index(self.given)])
        return features_of(planned, executed, force, what, told, network.config)[0], floor


def load_window_model(folder: Path) -> RegressionWindows:
    """Of a checkpoint.

    Raises:
        CorruptCheckpoint: a file is missing or damaged, or it is no regression.
    """
    return RegressionWindows(load_model(folder))
