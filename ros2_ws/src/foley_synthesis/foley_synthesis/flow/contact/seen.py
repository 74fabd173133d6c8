"""A flow of contacts that is told what sight says: p(sound | views, hands) as a sum over what may be touched.

Each sound is of one possibility: what is touched is drawn from sight's posterior, then the sound of that. Draws differ
as much as what could be there, and their mean is that of the sum.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from foley_synthesis.flow.codec.network import Codec
from foley_synthesis.flow.contact.model import ContactFlowModel
from foley_synthesis.flow.contact.window_conditions import WindowConditions
from foley_synthesis.flow.networks.contact_field import ContactCondition
from foley_synthesis.flow.sight.windows import SeenWindows
from foley_synthesis.flow.window_model import EvaluationWindow, WindowGiven


@dataclasses.dataclass(eq=False)
class SeenConditions(WindowConditions):
    """As `WindowConditions`, and of what is touched what sight expects: classes as probabilities.

    Raises:
        ValueError: ``seen`` is missing, or it is to be told the truth too.
    """

    seen: SeenWindows | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seen is None or self.told != "nothing":
            raise ValueError(
                f"told is `{self.told}` and seen is {self.seen}, but sight stands in place of the truth"
            )

    @property
    def follows_tip(self) -> bool:
        """Yes: sight speaks of what lies under the tip."""
        return True

    def of(self, window: EvaluationWindow, codec: Codec) -> ContactCondition:
        """Of one window, with a batch of 1."""
        assert self.seen is not None
        return told(super().of(window, codec), self.seen.expected(window))


@dataclasses.dataclass(frozen=True, eq=False)
class SeenContactFlow:
    """A `WindowModel` of a flow and of sight.

    Args:
        model: which is told nothing of what is touched by its own conditions.
        seen: sight's posteriors of windows.
        drawn: each sound is of one draw of what is touched; else all are of what is expected.
    """

    model: ContactFlowModel
    seen: SeenWindows
    drawn: bool = True

    def __post_init__(self) -> None:
        """Raises ValueError where the flow is told the truth as well."""
        self._expecting()

    @property
    def given(self) -> WindowGiven:
        """What it is told of the hand."""
        return self._expecting().given

    @property
    def model_id(self) -> str:
        """Of the flow."""
        return self.model.model_id

    @property
    def train_scenes(self) -> frozenset[str]:
        """Scene ids that the flow or sight was trained in."""
        return self.model.train_scenes | self.seen.train_scenes

    def draw(
        self,
        windows: Sequence[EvaluationWindow],
        draws: int,
        seed: int,
        step: Callable[[], None] = lambda: None,
    ) -> NDArray[np.float32]:
        """Sounds [n, draws, 128000] at 16 kHz, a function of windows and seed alone."""
        if not self.drawn:
            return self._expecting().draw(windows, draws, seed, step)
        made = []
        for window in windows:
            known = self.model.conditions.of(window, self.model.codec)
            start = window.noise_seed(seed)
            generator = torch.Generator().manual_seed(start)
            shape = (draws, self.model.field.config.latent, known.frames)
            noise = torch.randn(shape, generator=generator)
            sounds = [
                self.model.sounds(told(known, self.seen.draw(window, start + k)), noise[k : k + 1])
                for k in range(draws)
            ]
            made.append(torch.cat(sounds).numpy())
            step()
        return np.stack(made).astype(np.float32)

    def score(self, window: EvaluationWindow, candidates: NDArray[np.float32]) -> NDArray[np.float64]:
        """Minus the flow's loss for each of candidates [k, 128000] under what is expected [k]."""
        return self._expecting().score(window, candidates)

    def _expecting(self) -> ContactFlowModel:
        own = self.model.conditions
        known = {field.name: getattr(own, field.name) for field in dataclasses.fields(own)}
        return dataclasses.replace(self.model, conditions=SeenConditions(**known, seen=self.seen))


def told(condition: ContactCondition, what: NDArray[np.float32]) -> ContactCondition:
    """A condition of a batch of 1 with ``what`` [frames, WHAT_DIMS] in place of what it said of it."""
    return dataclasses.replace(condition, what=torch.from_numpy(what)[None])
