"""Two models as one: the sound of the one, and what the other believes about the material.

A flow makes sounds and has no beliefs; a VIS has both. Together they serve whoever listens to both topics.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.checkpoint import Vocabulary
from foley_synthesis.sound_model import (
    ContactQuery,
    HeardTouch,
    Input,
    Mode,
    PredictedSound,
    SoundModel,
    SoundStream,
    StreamingSoundModel,
)


class SoundBesideMaterial:
    """A `SoundModel` of two.

    Args:
        sound: is heard, of every contact that it can predict.
        material: is asked about the material of planned contacts: after a touch, hearing says it better.

    Raises:
        ValueError: ``material`` has no beliefs, or does not predict planned contacts.
    """

    def __init__(self, sound: SoundModel, material: SoundModel) -> None:
        if material.vocabulary is None or "planned" not in material.modes:
            raise ValueError(
                "the model of `checkpoint` says nothing of materials, so `sound_checkpoint` must be empty"
            )
        self._sound, self._material = sound, material
        self.model_id, self.domain = sound.model_id, material.domain
        self.vocabulary: Vocabulary | None = material.vocabulary
        self.needs: frozenset[Input] = sound.needs | material.needs
        self.wants: frozenset[Input] = sound.wants | material.wants
        self.modes: frozenset[Mode] = sound.modes

    @property
    def note(self) -> str:
        """Of both."""
        return "; ".join(filter(None, (self._sound.note, self._material.note)))

    def warm_up(self) -> None:
        """Both."""
        self._sound.warm_up()
        self._material.warm_up()

    def predict(self, query: ContactQuery) -> PredictedSound:
        """Raises ValueError where an input of either is missing or cannot be used."""
        made = self._sound.predict(query)
        if query.mode == "executed":
            return made
        said = self._material.predict(query)
        return dataclasses.replace(made, belief=said.belief, belief_model_id=said.model_id)


class StreamBesideMaterial(SoundBesideMaterial):
    """The same of a sound that can go on."""

    def __init__(self, sound: StreamingSoundModel, material: SoundModel) -> None:
        super().__init__(sound, material)
        self._streaming = sound

    def stream(self, start_ns: int) -> SoundStream:
        """See `StreamingSoundModel`."""
        return self._streaming.stream(start_ns)

    def hear(self, samples: NDArray[np.float32], sample_rate: int) -> None:
        """See `StreamingSoundModel`."""
        self._streaming.hear(samples, sample_rate)

    @property
    def remembers_s(self) -> tuple[float, float] | None:
        """See `StreamingSoundModel`."""
        return self._streaming.remembers_s

    def remember(self, touch: HeardTouch) -> None:
        """See `StreamingSoundModel`."""
        self._streaming.remember(touch)


def beside(sound: SoundModel, material: SoundModel) -> SoundBesideMaterial:
    """Both, with whatever the sound can do. Raises ValueError as `SoundBesideMaterial`."""
    if isinstance(sound, StreamingSoundModel):
        return StreamBesideMaterial(sound, material)
    return SoundBesideMaterial(sound, material)
