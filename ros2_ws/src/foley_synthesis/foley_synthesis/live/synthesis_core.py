"""From a planned (or measured) motion and what the camera sees to the sound of the contact. No middleware.

    planned   plan -> tip path -> first contact with the depth seen behind the arm
                   -> picture of the place in which the tool is out of the way -> SoundModel
    executed  contact -> measured tip path, force and frames around it          -> SoundModel

A model is given what it `needs`. Whatever is missing is said by :class:`CannotPredict`, and nothing is kept of the
attempt.
"""

from __future__ import annotations

import dataclasses
import enum

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.action.planned_contact import PlannedContact
from foley_perception.action.trajectory import TipPath
from foley_perception.clips.grid import clip_start_ns
from foley_perception.clips.inputs import (
    NoMotion,
    Streams,
    contact_point,
    executed_inputs,
    planned_action,
    still_before,
)
from foley_perception.contact_event import Contact, Point
from foley_perception.scene.depth_background import DepthBackground
from foley_synthesis.sound_model import ContactQuery, Input, PlannedTool, PredictedSound, SoundModel

Array = NDArray[np.float64]


class Reason(enum.Enum):
    """Why there is no prediction."""

    NO_IMAGE = "no image"
    NO_CAMERA = "camera not known"
    NO_POSE = "pose of the tip not known"
    NO_CONTACT = "the plan touches nothing"
    BAD_TRAJECTORY = "trajectory cannot be used"
    NOT_PREDICTED = "the model makes no such predictions"


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
    prediction: PredictedSound
    planned: PlannedContact | None  # None in executed mode


class SynthesisCore:
    """Turns motions into predictions by a model. Stateless; use it from one thread."""

    def __init__(self, model: SoundModel) -> None:
        self._model = model

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

    def planned(self, plan: TipPath, view: View, tool: PlannedTool | None = None) -> Predicted:
        """Sound of the plan's first contact, from the plan alone.

        Args:
            tool: the same plan with the orientation of the tool, for models that need it.

        Raises:
            CannotPredict: see :class:`Reason`.
        """
        contact, streams = self.find_contact(plan, view), _streams(view)
        try:
            path = (plan.times_ns, plan.tip)
            action = planned_action(path, plan.width, contact.time_ns, contact.position)
            query = ContactQuery(
                action=action, contact_ns=contact.time_ns, tool=tool, background=view.background.view()
            )
            return self._predict(query, contact.position, streams, contact)
        except ValueError as error:
            raise _cannot(error, Reason.BAD_TRAJECTORY) from error

    def executed(self, contact: Contact, view: View) -> Predicted:
        """Sound of a contact that has happened, from what was measured around it.

        Raises:
            CannotPredict: see :class:`Reason`.
        """
        if "executed" not in self._model.modes:
            raise CannotPredict(Reason.NOT_PREDICTED, "contacts that are over; set `executed` to false")
        streams, start = _streams(view), clip_start_ns(contact.time_ns)
        inside = (streams.tip[0] >= start) & (streams.tip[0] < start + NS_PER_S)
        if inside.sum() < 2:
            raise CannotPredict(Reason.NO_POSE, f"no poses around contact `{contact.contact_id}`")
        try:
            position = contact_point(np.asarray(contact.position), streams, contact.time_ns)
            seen = executed_inputs(streams, contact.time_ns, position)
            query = ContactQuery(
                still=seen.still,
                frames=seen.frames,
                action=seen.action,
                contact_ns=contact.time_ns,
                measured=streams.tool,
                background=view.background.view(),
            )
            return self._predict(query, position, streams, None)
        except ValueError as error:
            raise _cannot(error, Reason.NO_POSE) from error

    def _predict(
        self,
        query: ContactQuery,  # with what is known of the motion
        position: Array,  # [3]
        streams: Streams,
        planned: PlannedContact | None,
    ) -> Predicted:
        needs = self._model.needs
        if Input.TOOL in needs and (query.tool if query.mode == "planned" else query.measured) is None:
            raise CannotPredict(
                Reason.BAD_TRAJECTORY if query.mode == "planned" else Reason.NO_POSE,
                f"{Input.TOOL.value} are not known",
            )
        query = _with_pictures(query, needs, streams, position)
        if wanted := self._model.wants - needs:
            try:
                query = _with_pictures(query, wanted, streams, position)
            except ValueError as error:
                query = dataclasses.replace(query, no_picture=str(error))
        x, y, z = (float(v) for v in position)
        return Predicted(query.contact_ns, (x, y, z), self._model.predict(query), planned)


def _with_pictures(
    query: ContactQuery, asked: frozenset[Input], streams: Streams, position: Array
) -> ContactQuery:
    """With what is asked of the camera. Raises ValueError where it is not there."""
    if Input.PICTURE in asked or (Input.STILL in asked and query.still is None):
        still = still_before(streams, query.contact_ns, position)
        query = dataclasses.replace(query, still=still.crop, picture=still.picture)
        if Input.CAMERA in asked:
            query = dataclasses.replace(query, camera=still.camera)
    elif Input.CAMERA in asked:
        newest = int(streams.frame_times[-1]) if len(streams.frame_times) else query.contact_ns
        query = dataclasses.replace(query, camera=streams.camera(newest))
    return query


def _streams(view: View) -> Streams:
    if view.streams is None:
        raise CannotPredict(Reason.NO_CAMERA, view.missing or "no camera_info or no tf yet")
    return view.streams


def _cannot(error: ValueError, motion: Reason) -> CannotPredict:
    return CannotPredict(motion if isinstance(error, NoMotion) else Reason.NO_IMAGE, str(error))
