"""What sight says of windows of sessions, as a flow is told it in place of the truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_common.session_file import SessionData, read_arrays, read_session
from foley_synthesis.flow.sight.inference import ROWS_PER_FRAME, Seen, Sight
from foley_synthesis.flow.sight.looks import local_view
from foley_synthesis.flow.sight.posterior import WhatPosterior
from foley_synthesis.flow.window_model import EVALUATION_ROWS, EvaluationWindow


class SeenWindows:
    """Posteriors of windows; that of the session that was asked for last is kept.

    Args:
        stills: sets of stills (or of sessions with views) whose files show scenes that sessions have no views of.

    Raises:
        OSError, ValueError: a file of stills cannot be read.
    """

    def __init__(self, sight: Sight, stills: tuple[Path, ...] = ()) -> None:
        self._sight = sight
        self._shown = shown_scenes(stills)
        self._session: SessionData | None = None
        self._seen: Seen | None = None

    @property
    def model_id(self) -> str:
        """Of sight."""
        return self._sight.model.model_id

    @property
    def features_id(self) -> str:
        """See `SightModel.features_id`."""
        return self._sight.features_id

    @property
    def train_scenes(self) -> frozenset[str]:
        """Scene ids that sight was trained in."""
        return frozenset(self._sight.model.facts.get("train_scenes", ()))

    def posterior(self, window: EvaluationWindow) -> WhatPosterior:
        """Of its 250 frames.

        Raises:
            ValueError: neither the session nor any of the stills shows its scene.
        """
        return self._sight.posterior(self._window(window))

    def features(self, window: EvaluationWindow) -> NDArray[np.float32]:
        """What views show of what lies under the planned tip [250, dims]; NaN: the table, or what was not looked at.

        Raises:
            ValueError: as `posterior`.
        """
        seen = self._window(window)
        return self._sight.features(seen)[seen.under]

    def expected(self, window: EvaluationWindow) -> NDArray[np.float32]:
        """[250, WHAT_DIMS], classes as probabilities."""
        return self.posterior(window).expected()

    def draw(self, window: EvaluationWindow, seed: int) -> NDArray[np.float32]:
        """One possibility [250, WHAT_DIMS], a function of window and seed."""
        return self.posterior(window).draw(np.random.default_rng([seed, window.first_row]))

    def _window(self, window: EvaluationWindow) -> Seen:
        session = window.session
        if self._seen is None or self._session is not session:
            self._seen, self._session = self._sight.look(session, self._eyes(session)), session
        begin = window.first_row // ROWS_PER_FRAME
        return dataclasses.replace(
            self._seen, under=self._seen.under[begin : begin + EVALUATION_ROWS // ROWS_PER_FRAME]
        )

    def _eyes(self, session: SessionData) -> SessionData:
        if local_view(session):
            return session
        scene = str(session.facts["scene_id"])
        if scene not in self._shown:
            raise ValueError(
                f"scene `{scene}` has no views: make its sessions with --views, or stills of it with `foley sim stills`"
            )
        return read_session(self._shown[scene])


def shown_scenes(sets: Iterable[Path]) -> dict[str, Path]:
    """Scene id -> the first file of the sets that has views of it.

    Raises:
        OSError, ValueError: a file cannot be read.
    """
    shown: dict[str, Path] = {}
    for path in (p for folder in sets for p in sorted(folder.glob("*.npz"))):
        if path.name.endswith(".contacts.npz") or path.name.startswith("."):
            continue
        facts, _ = read_arrays(path)
        if facts.get("view_names"):
            shown.setdefault(str(facts["scene_id"]), path)
    return shown
