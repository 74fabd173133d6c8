"""A hearing model where only some of its materials are spoken of."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.checkpoint import Vocabulary

if TYPE_CHECKING:
    from foley_synthesis.hearing.inference.hearing import Hearing
    from foley_synthesis.hearing.inference.hearing_model import HearingModel

_MOST_OUTSIDE = 0.5  # probability of all other materials, above which the answer would be one of them


class AmongMaterials:
    """The same model over fewer materials: probabilities given that it is one of them.

    Whether it answers is decided before, over all that it knows, so that a promise on answers still holds; and where
    it hears something else it abstains.
    """

    def __init__(self, model: HearingModel, vocabulary: Vocabulary) -> None:
        """Raises ValueError for a material that the model does not know."""
        self._model = model
        self._order = [model.vocabulary.labels.index(label) for label in vocabulary.labels]
        self.vocabulary, self.model_id, self.domain = vocabulary, model.model_id, model.domain

    def warm_up(self) -> None:
        """As of the model."""
        self._model.warm_up()

    def predict(
        self, samples: NDArray[np.float32], sample_rate: int, *, onset_s: float | None = None
    ) -> MaterialBelief:
        """As of the model; raises the same."""
        return self._among(self._model.predict(samples, sample_rate, onset_s=onset_s))

    def hear(
        self,
        samples: NDArray[np.float32],
        sample_rate: int,
        *,
        onset_s: float | None = None,
        heard_s: float = math.inf,
    ) -> Hearing:
        """As of the model, with a belief among these materials; the rest is over all that it knows."""
        heard = self._model.hear(samples, sample_rate, onset_s=onset_s, heard_s=heard_s)
        return dataclasses.replace(heard, belief=self._among(heard.belief))

    @property
    def features_id(self) -> str:
        """As of the model."""
        return self._model.features_id

    def _among(self, heard: MaterialBelief) -> MaterialBelief:
        p = heard.p()[self._order]
        inside = float(p.sum())
        belief = dataclasses.replace(
            heard,
            vocabulary=self.vocabulary.labels,
            probabilities=tuple((p / inside).tolist()) if inside > 0 else (1.0 / len(p),) * len(p),
        )
        if 1.0 - inside > _MOST_OUTSIDE and heard.fit:
            named = ", ".join(self.vocabulary.labels)
            return belief.abstaining(f"it sounds like {heard.best}, none of {named}")
        return belief
