"""Visually Indicated Sounds as a sound model: one second of sound with features and a belief, in both modes."""

from __future__ import annotations

from foley_synthesis.checkpoint import Vocabulary
from foley_synthesis.sound_model import ContactQuery, Input, Mode, PredictedSound
from foley_synthesis.vis.inference.predictor import PredictionInput, Predictor


class VisSoundModel:
    """A `Predictor` behind the contract of `SoundModel`."""

    needs: frozenset[Input] = frozenset({Input.STILL, Input.ACTION})
    wants: frozenset[Input] = frozenset()
    modes: frozenset[Mode] = frozenset({"planned", "executed"})
    note = ""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self.model_id, self.domain = predictor.model_id, predictor.domain
        self.vocabulary: Vocabulary | None = predictor.vocabulary

    def warm_up(self) -> None:
        """Both modes once."""
        self._predictor.warm_up()

    def predict(self, query: ContactQuery) -> PredictedSound:
        """Raises ValueError where still or action are missing or cannot be used."""
        if query.still is None or query.action is None:
            raise ValueError("the query lacks still or action, a VIS model needs both")
        return self._predictor.predict(PredictionInput(query.still, query.frames, query.action))
