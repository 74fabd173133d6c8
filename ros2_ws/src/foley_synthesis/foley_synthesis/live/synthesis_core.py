"""From a planned (or measured) motion and what the camera sees to the sound of the contact. No middleware.

    planned   plan -> tip path -> first contact with the depth seen behind the arm
                   -> crop of the newest frame in which the tool is out of the way -> Predictor
    executed  contact -> measured tip path, force and frames around it            -> Predictor

Whatever is missing is said by :class:`CannotPredict`, and nothing is kept of the attempt.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.action.planned_contact import PlannedContact
from foley_perception.action.trajectory import TipPath
from foley_perception.clips.grid import clip_start_ns
from foley_perception.clips.inputs import (
    ClipInputs,
    NoMotion,
    Streams,
    contact_point,
    executed_inputs,
    planned_inputs,
)
from foley_perception.scene.depth_background import DepthBackground
from foley_synthesis.live.contact import Contact, Point
from foley_synthesis.vis.inference.predictor import Prediction, PredictionInput

Array = NDArray[np.float64]


class Reason(enum.Enum):
    """Why there is no prediction."""

    NO_IMAGE = "no image"
    NO_CAMERA = "camera not known"
    NO_POSE = "pose of the tip not known"
    NO_CONTACT = "the plan touches nothing"
    BAD_TRAJECTORY = "trajectory cannot be used"


class CannotPredict(Exception):
    """There is no prediction for this motion; says what is missing and the cure."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason


@dataclasses.dataclass(frozen=True, eq=False)
class View:
    """What is known of the scene when a prediction is made."""

    streams: Streams | None  # None: the camera is not known
    background: DepthBackground
    missing: str = ""  # why there are no streams, for the error message


@dataclasses.dataclass(frozen=True, eq=False)
class Predicted:
    """A prediction and the contact it is about."""

    contact_ns: int
    position: Point  # [m] in the world
    prediction: Prediction
    planned: PlannedContact | None  # None in executed mode


class PredictsSound(Protocol):
    """What the core needs of a Predictor."""

    def predict(self, contact: PredictionInput) -> Prediction: ...


class SynthesisCore:
    """Turns motions into predictions. Stateless; use it from one thread."""

    def __init__(self, predictor: PredictsSound) -> None:
        self._predictor = predictor

    def find_contact(self, plan: TipPath, view: View) -> PlannedContact:
        """Where and when the plan touches.

        Raises:
            CannotPredict: the trajectory is not usable, the camera is not known, or nothing is touched.
        """
        known = np.isfinite(plan.tip).all(axis=1)
        if known.sum() < 3 or known.mean() < 0.9:
            raise CannotPredict(
                Reason.BAD_TRAJECTORY,
                f"plan `{plan.plan_id}` has {int(known.sum())} of {known.size} finite poses; "
                "at least 3, and nine in ten, are needed",
            )
        if np.any(np.diff(plan.times_ns) <= 0):
            raise CannotPredict(Reason.BAD_TRAJECTORY, f"plan `{plan.plan_id}`: times do not increase")
        _streams(view)
        contact = view.background.planned_contact(plan.times_ns, plan.tip)
        if contact is None:
            raise CannotPredict(Reason.NO_CONTACT, f"plan `{plan.plan_id}`")
        return contact

    def planned(self, plan: TipPath, view: View) -> Predicted:
        """Sound of the plan's first contact, from the plan alone.

        Raises:
            CannotPredict: see :class:`Reason`.
        """
        contact = self.find_contact(plan, view)
        path = (plan.times_ns, plan.tip)
        try:
            inputs = planned_inputs(_streams(view), path, plan.width, contact.time_ns, contact.position)
        except ValueError as error:
            raise _cannot(error, Reason.BAD_TRAJECTORY) from error
        return self._predict(contact.time_ns, contact.position, inputs, contact)

    def executed(self, contact: Contact, view: View) -> Predicted:
        """Sound of a contact that has happened, from what was measured around it.

        Raises:
            CannotPredict: see :class:`Reason`.
        """
        streams, start = _streams(view), clip_start_ns(contact.time_ns)
        inside = (streams.tip[0] >= start) & (streams.tip[0] < start + NS_PER_S)
        if inside.sum() < 2:
            raise CannotPredict(Reason.NO_POSE, f"no poses around contact `{contact.contact_id}`")
        try:
            position = contact_point(np.asarray(contact.position), streams, contact.time_ns)
            inputs = executed_inputs(streams, contact.time_ns, position)
        except ValueError as error:
            raise _cannot(error, Reason.NO_POSE) from error
        return self._predict(contact.time_ns, position, inputs, None)

    def _predict(
        self,
        contact_ns: int,
        position: Array,  # [3]
        inputs: ClipInputs,
        planned: PlannedContact | None,
    ) -> Predicted:
        prediction = self._predictor.predict(PredictionInput(inputs.still, inputs.frames, inputs.action))
        x, y, z = (float(v) for v in position)
        return Predicted(contact_ns, (x, y, z), prediction, planned)


def _streams(view: View) -> Streams:
    if view.streams is None:
        raise CannotPredict(Reason.NO_CAMERA, view.missing or "no camera_info or no tf yet")
    return view.streams


def _cannot(error: ValueError, motion: Reason) -> CannotPredict:
    return CannotPredict(motion if isinstance(error, NoMotion) else Reason.NO_IMAGE, str(error))
