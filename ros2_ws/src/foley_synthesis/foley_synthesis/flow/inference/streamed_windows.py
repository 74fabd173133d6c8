"""A contact flow as it sounds live: windows made of chunks, one after the other, by a window that slides."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.flow.contact.model import ContactFlowModel
from foley_synthesis.flow.inference.contact_stream import ContactStream, WindowConfig
from foley_synthesis.flow.networks.contact_field import ContactCondition
from foley_synthesis.flow.window_model import EVALUATION_SAMPLES, EvaluationWindow, WindowGiven


@dataclasses.dataclass(frozen=True, eq=False)
class StreamedContactFlow:
    """A `WindowModel`. It is told of motion and of the room, and of motion no more than its window sees."""

    model: ContactFlowModel
    window: WindowConfig | None = None

    @property
    def given(self) -> WindowGiven:
        """What it is told of the hand."""
        return self.model.given

    @property
    def model_id(self) -> str:
        """Of the flow."""
        return self.model.model_id

    @property
    def train_scenes(self) -> frozenset[str]:
        """Scene ids that it was trained in."""
        return self.model.train_scenes

    def draw(
        self,
        windows: Sequence[EvaluationWindow],
        draws: int,
        seed: int,
        step: Callable[[], None] = lambda: None,
    ) -> NDArray[np.float32]:
        """Sounds [n, draws, 128000] at 16 kHz, a function of windows and seed alone."""
        made = []
        for window in windows:
            start = window.noise_seed(seed)
            made.append(np.stack([self._sound(window, start + k) for k in range(draws)]))
            step()
        return np.stack(made)

    def score(self, window: EvaluationWindow, candidates: NDArray[np.float32]) -> NDArray[np.float64]:
        """Of the flow itself."""
        return self.model.score(window, candidates)

    def _sound(self, window: EvaluationWindow, seed: int) -> NDArray[np.float32]:
        stream = ContactStream(self.model, seed=seed, window=self.window)
        conditions, codec = self.model.conditions, self.model.codec
        whole = conditions.of(window, codec)
        chunks = []
        for _ in range(math.ceil(EVALUATION_SAMPLES / stream.chunk_samples)):
            motion = conditions.motion(window, codec, *stream.rows)
            chunks.append(stream.next(ContactCondition(motion, whole.executed, whole.floor)))
        return np.concatenate(chunks)[:EVALUATION_SAMPLES]
