"""What sight says of windows of sessions, as a flow is told it in place of the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_common.session_file import SessionData, read_arrays, read_session
from foley_synthesis.flow.sight.inference import ROWS_PER_FRAME, Sight
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
        self._shown: dict[str, Path] = {}
        for path in (p for folder in stills for p in sorted(folder.glob("*.npz"))):
            if path.name.endswith(".contacts.npz") or path.name.startswith("."):
                continue
            facts, _ = read_arrays(path)
            if facts.get("view_names"):
                self._shown.setdefault(str(facts["scene_id"]), path)
        self._session: SessionData | None = None
        self._posterior: WhatPosterior | None = None

    @property
    def train_scenes(self) -> frozenset[str]:
        """Scene ids that sight was trained in."""
        return frozenset(self._sight.model.facts.get("train_scenes", ()))

    def posterior(self, window: EvaluationWindow) -> WhatPosterior:
        """Of its 250 frames.

        Raises:
            ValueError: neither the session nor any of the stills shows its scene.
        """
        session = window.session
        if self._posterior is None or self._session is not session:
            self._posterior, self._session = self._sight.of_session(session, self._eyes(session)), session
        return self._posterior.window(window.first_row // ROWS_PER_FRAME, EVALUATION_ROWS // ROWS_PER_FRAME)

    def expected(self, window: EvaluationWindow) -> NDArray[np.float32]:
        """[250, WHAT_DIMS], classes as probabilities."""
        return self.posterior(window).expected()

    def draw(self, window: EvaluationWindow, seed: int) -> NDArray[np.float32]:
        """One possibility [250, WHAT_DIMS], a function of window and seed."""
        return self.posterior(window).draw(np.random.default_rng([seed, window.first_row]))

    def _eyes(self, session: SessionData) -> SessionData:
        if local_view(session):
            return session
        scene = str(session.facts["scene_id"])
        if scene not in self._shown:
            raise ValueError(
                f"scene `{scene}` has no views: make its sessions with --views, or stills of it with `foley sim stills`"
            )
        return read_session(self._shown[scene])
