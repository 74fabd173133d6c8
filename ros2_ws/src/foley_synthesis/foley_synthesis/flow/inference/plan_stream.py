"""The sound of plans as it goes on, of a `ContactFlowSoundModel`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.clips.inputs import MeasuredTool
from foley_perception.geometry.height_map import HeightMap
from foley_synthesis.flow.inference.contact_channels import ROW_NS
from foley_synthesis.flow.inference.contact_stream import ContactStream
from foley_synthesis.flow.networks.contact_field import ContactCondition
from foley_synthesis.sound_model import Background, PlannedTool


class TellsPlans(Protocol):
    """Who knows what a flow is told of plans."""

    def surface(self, plans: Sequence[PlannedTool], background: Background) -> HeightMap | None:
        """What was seen around the tips of plans."""

    def told(
        self,
        start_ns: int,
        rows: int,
        plans: Sequence[PlannedTool],
        surface: HeightMap | None,
        measured: MeasuredTool | None = None,
    ) -> ContactCondition:
        """All that is known of some rows of plans. Raises ValueError where the plans are not known."""


class PlanStream:
    """A `SoundStream` of plans: a `ContactStream`, and what it is told.

    The surface is looked at anew where a plan comes or goes; within a plan it stays what it was.
    """

    def __init__(self, model: TellsPlans, stream: ContactStream, start_ns: int) -> None:
        self._model, self._stream, self._start_ns = model, stream, start_ns
        self._surface: HeightMap | None = None
        self._of: tuple[PlannedTool, ...] = ()

    @property
    def sample_rate(self) -> int:
        """[Hz]."""
        return self._stream.rate

    @property
    def chunk_samples(self) -> int:
        """Of every chunk."""
        return self._stream.chunk_samples

    @property
    def begin_ns(self) -> int:
        """Of the next chunk."""
        return self._start_ns + round(self._stream.begin_s * NS_PER_S)

    def next(
        self, plans: Sequence[PlannedTool], background: Background, measured: MeasuredTool | None = None
    ) -> NDArray[np.float32]:
        """See `SoundStream`."""
        self.sample(self.condition(plans, background, measured))
        return self.decode()

    def condition(
        self, plans: Sequence[PlannedTool], background: Background, measured: MeasuredTool | None = None
    ) -> ContactCondition:
        """First stage: features."""
        if self._of != tuple(plans):
            self._surface, self._of = self._model.surface(plans, background), tuple(plans)
        begin, end = self._stream.rows
        start_ns = self._start_ns + begin * ROW_NS
        return self._model.told(start_ns, end - begin, plans, self._surface, measured)

    def sample(self, known: ContactCondition) -> None:
        """Second stage: the latent."""
        self._stream.sample(known)

    def decode(self) -> NDArray[np.float32]:
        """Third stage: the waveform."""
        return self._stream.decode()
