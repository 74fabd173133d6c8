"""Hearing of contacts that are not of the simulated world: frozen networks, linear heads, their own calibration."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beside import Beside
from foley_synthesis.hearing.inference.calibration import HearingCalibration
from foley_synthesis.hearing.inference.contact_likeness import not_a_contact

if TYPE_CHECKING:
    from foley_synthesis.hearing.model_file import RecordedPart
    from foley_synthesis.hearing.output import HearingOutput


@dataclasses.dataclass(frozen=True, eq=False)
class Recorded:
    """Of one contact."""

    output: HearingOutput  # one row
    known_world: bool  # it sounds like one of the simulated world, which another network hears better
    no_contact: str  # why it is taken for no contact at all; empty where it is not
    features: NDArray[np.float32]  # [f] of the frozen networks, as the heads take them


class RecordedHearing:
    """What stands in a file, ready to hear."""

    def __init__(self, part: RecordedPart, threads: int = 1, beside: Beside | None = None) -> None:
        """Raises KeyError, TypeError or ValueError for what is missing or nonsense."""
        from foley_synthesis.hearing.frozen_pair import FrozenPair

        self.calibration = HearingCalibration.of(part.calibration, part.tensors)
        self._heads = part.heads
        self._pair = FrozenPair(part.weights, threads=threads, beside=beside)

    @property
    def embedding(self) -> int:
        """Size of an embedding."""
        return self._heads.embedding

    def hear(
        self,
        samples: NDArray[np.float32],  # [n] mono
        sample_rate: int,
        onset_s: float,
        heard_s: float,  # so much of it after the onset is known
    ) -> Recorded:
        """One contact."""
        from foley_synthesis.hearing.frozen_pair import Heard

        found = self._pair.hear([Heard(samples, sample_rate, onset_s, heard_s)])
        other = not_a_contact(found.scores[0])
        world = float(self._heads.known_world(found.features)[0]) > 0.0
        return Recorded(
            self._heads(found.features),
            world,
            other.reason if other.refused else "",
            self._heads.scaled(found.features)[0],
        )
