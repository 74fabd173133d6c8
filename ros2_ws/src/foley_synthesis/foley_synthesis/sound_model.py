"""The contract of every sound model: what it may be given of one contact, and the sound that it predicts.

A model says by `needs` which inputs it cannot do without, and by `modes` which predictions it makes; whoever asks
gathers those, and can say which one is missing. See `vis/inference/sound_model.py` and `flow/inference/sound_model.py`.
One that can go on, chunk by chunk, has `stream` too: see `StreamingSoundModel`.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from foley_perception.action.trajectory import TipPath, ToolTrajectory
from foley_perception.clips.inputs import MeasuredTool
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.checkpoint import Vocabulary

Mode = Literal["planned", "executed"]
Background = tuple[NDArray[np.float32], CameraModel] | None
"""Depth [H, W] behind the arm and the camera that it is of; None: nothing was seen."""


class Input(enum.Enum):
    """An input that a model may need in each of its modes."""

    STILL = "crop of the place from before the tool came near"
    ACTION = "motion of the tip around the contact"
    PICTURE = "whole camera picture from before the tool came near"
    CAMERA = "camera"
    TOOL = "poses of the tool"


@dataclasses.dataclass(frozen=True, eq=False)
class PlannedTool:
    """A planned motion with all six degrees of freedom, and where its tip is."""

    trajectory: ToolTrajectory  # in the world
    tx_tool_tip: SE3

    def tip_path(self) -> TipPath:
        """The same as the path of the tip."""
        return self.trajectory.tip_path(self.tx_tool_tip)


@dataclasses.dataclass(frozen=True, eq=False)
class ContactQuery:
    """What is known of one contact. The clip's grid starts 0.25 s before the contact and lasts 1 s."""

    still: NDArray[np.uint8] | None = None  # [128, 128, 3], crop around the contact point
    frames: NDArray[np.uint8] | None = None  # [30, 128, 128, 3] at 30 Hz; None: planned mode
    action: NDArray[np.float32] | None = None  # [90, 8] at 90 Hz: planned where frames is None, else measured
    contact_ns: int = 0  # in the time of `tool`
    picture: NDArray[np.uint8] | None = None  # [H, W, 3] that `still` is cut from
    camera: CameraModel | None = None  # that took `picture`
    tool: PlannedTool | None = None
    measured: MeasuredTool | None = None  # executed mode
    background: Background = None
    no_picture: str = ""  # why there is no picture of the place, for a model that wants one

    @property
    def mode(self) -> Mode:
        """`planned` claims to predict; `executed` knows what was seen and measured during the contact."""
        return "planned" if self.frames is None else "executed"


@dataclasses.dataclass(frozen=True, eq=False)
class HeardTouch:
    """A contact that is over, with its sound: what a model may know of a surface when it is touched again."""

    time_ns: int
    position: NDArray[np.float64]  # [3] in the world [m]
    samples: NDArray[np.float32]  # [n] mono, from `start_ns` on
    sample_rate: int  # [Hz]
    start_ns: int
    measured: MeasuredTool  # of that time
    background: Background = None


@dataclasses.dataclass(frozen=True, eq=False)
class PredictedSound:
    """The sound of one contact and, where the model has them, features of it and what it says about the material."""

    waveform: NDArray[np.float32]  # [n] mono
    sample_rate: int  # [Hz]
    onset_s: float  # of the contact within the waveform
    mode: Mode = "planned"
    model_id: str = ""  # sha256 of the checkpoint
    solver_steps: int = 0  # of a generative solver; 0: direct regression
    seed: int = 0  # of the random numbers used; 0: none were
    features: NDArray[np.float32] | None = None  # [t, dims] at 90 Hz
    cochleagram: NDArray[np.float32] | None = None  # [t, channels] at 90 Hz
    belief: MaterialBelief | None = None
    belief_model_id: str = ""  # of another model that `belief` is of; empty: of this one
    exemplar_id: str = ""  # clip whose waveform was used; empty where none was
    distance: float = math.nan  # mean L1 between predicted features and the exemplar's; NaN without one


class SoundModel(Protocol):
    """From a contact that is planned (or over) to its sound. Used from one thread."""

    @property
    def model_id(self) -> str:
        """sha256 of the checkpoint."""

    @property
    def domain(self) -> str:
        """What the model, or whichever has its beliefs, was trained on: `sim` or `real`."""

    @property
    def vocabulary(self) -> Vocabulary | None:
        """Of its beliefs; None where it has none."""

    @property
    def needs(self) -> frozenset[Input]:
        """Inputs without which it predicts nothing; frames are given in executed mode always."""

    @property
    def wants(self) -> frozenset[Input]:
        """Inputs of which it makes use where they are there, and says by its note where they are not."""

    @property
    def modes(self) -> frozenset[Mode]:
        """Predictions that it makes."""

    @property
    def note(self) -> str:
        """What whoever reads diagnostics should know of how it predicts; empty: nothing."""

    def warm_up(self) -> None:
        """Throw-away predictions, so that the first real one is as fast as the rest."""

    def predict(self, query: ContactQuery) -> PredictedSound:
        """Raises ValueError where an input that it needs is missing, of a wrong shape, or not finite."""


class SoundStream(Protocol):
    """Sound of a motion that goes on, from a moment on. What was told is never changed."""

    @property
    def sample_rate(self) -> int:
        """[Hz]."""

    @property
    def chunk_samples(self) -> int:
        """Of every chunk."""

    @property
    def begin_ns(self) -> int:
        """Of the next chunk."""

    def next(
        self, plans: Sequence[PlannedTool], background: Background, measured: MeasuredTool | None = None
    ) -> NDArray[np.float32]:
        """The next chunk [chunk_samples].

        Args:
            plans: in the order in which they begin, each of which holds until the next one begins.
            measured: of the motion so far, which counts in place of the plans; None: the plans alone count.

        Raises:
            ValueError: poses are not known, or plans are not in order.
        """


@runtime_checkable
class StreamingSoundModel(SoundModel, Protocol):
    """A model that can also tell the sound of planned motion as it goes on."""

    def stream(self, start_ns: int) -> SoundStream:
        """From a moment on, in the time of plans."""

    def hear(self, samples: NDArray[np.float32], sample_rate: int) -> None:
        """The last seconds of the room [n], of which it may be told how loud it is between touches."""

    @property
    def remembers_s(self) -> tuple[float, float] | None:
        """Seconds of sound before and after a contact that it remembers; None: it remembers none."""

    def remember(self, touch: HeardTouch) -> None:
        """A touch as it sounded. Raises ValueError where it cannot be used."""
