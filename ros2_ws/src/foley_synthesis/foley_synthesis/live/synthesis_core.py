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
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.action.planned_contact import PlannedContact, PlannedContactConfig, planned_contact
from foley_perception.action.trajectory import TipPath
from foley_perception.clips.action import clip_action
from foley_perception.clips.grid import clip_start_ns
from foley_perception.contact_event import Contact, Point
from foley_perception.geometry.camera import CameraModel
from foley_perception.scene.crop import crop_around
from foley_synthesis.live.history import Frame, History, choose_still, frames_on_grid
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

    camera: CameraModel | None
    depth: NDArray[np.float32] | None  # [h, w] background [m]
    frames: History[Frame]
    tip_at: Callable[[int], Array | None]  # measured tip [3] in the world at a time [ns]; None: not known
    tips: History[Array]  # the same around an executed contact
    widths: History[float]  # [m], measured around an executed contact
    forces: History[float]  # [N], magnitude, measured around an executed contact
    missing: str = ""  # why camera or tips are not there, for the error message


@dataclasses.dataclass(frozen=True, eq=False)
class Predicted:
    """A prediction and the contact it is about."""

    contact_ns: int
    position: Point  # [m] in the world
    prediction: PredictedSound
    planned: PlannedContact | None  # None in executed mode


class SynthesisCore:
    """Turns motions into predictions. Stateless but for its configuration; use it from one thread.

    Args:
        model: what predicts the sound.
        clear_m: a tip nearer than this to the contact point is in the way of the still.
        use_depth: False finds contacts by the turning point of the plan alone.
    """

    def __init__(
        self,
        model: SoundModel,
        *,
        contact: PlannedContactConfig | None = None,
        clear_m: float = 0.10,
        use_depth: bool = True,
    ) -> None:
        self._model = model
        self._contact = contact or PlannedContactConfig()
        self._clear_m = clear_m
        self._use_depth = use_depth

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
        camera = _camera(view)
        depth = view.depth if self._use_depth else None
        if depth is not None and depth.shape != (camera.height, camera.width):
            camera = camera.scaled(depth.shape[1], depth.shape[0])
        contact = planned_contact(plan.times_ns, plan.tip, depth, camera, self._contact)
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
        contact = self.find_contact(plan, view)
        action = clip_action(
            contact.time_ns, contact.position, plan.times_ns, plan.tip, width=(plan.times_ns, plan.width)
        )
        query = ContactQuery(action=action, contact_ns=contact.time_ns, tool=tool)
        return self._predict(query, contact.position, view, contact)

    def executed(self, contact: Contact, view: View) -> Predicted:
        """Sound of a contact that has happened, from what was measured around it.

        Raises:
            CannotPredict: see :class:`Reason`.
        """
        if "executed" not in self._model.modes:
            raise CannotPredict(Reason.NOT_PREDICTED, "contacts that are over; set `executed` to false")
        times, tips = _series(view.tips)
        start, end = clip_start_ns(contact.time_ns), clip_start_ns(contact.time_ns) + NS_PER_S
        inside = (times >= start) & (times < end)
        if inside.sum() < 2:
            raise CannotPredict(
                Reason.NO_POSE, view.missing or f"no poses around contact `{contact.contact_id}`"
            )
        position = np.asarray(contact.position, dtype=np.float64)
        if not contact.located:
            position = tips[int(np.argmin(np.abs(times - contact.time_ns)))]
        frames = frames_on_grid(view.frames, start)
        if frames is None:
            raise CannotPredict(Reason.NO_IMAGE, f"no frames around contact `{contact.contact_id}`")
        action = clip_action(
            contact.time_ns, position, times, tips, width=_series(view.widths), force=_series(view.forces)
        )
        crops = [self._crop(frame, position, view) for frame in frames]
        query = ContactQuery(frames=np.stack(crops), action=action, contact_ns=contact.time_ns)
        return self._predict(query, position, view, None)

    def _predict(
        self,
        query: ContactQuery,  # with what is known of the motion
        position: Array,  # [3]
        view: View,
        planned: PlannedContact | None,
    ) -> Predicted:
        needs = self._model.needs
        if Input.TOOL in needs and query.tool is None:
            raise CannotPredict(Reason.BAD_TRAJECTORY, f"{Input.TOOL.value} are not known")
        if Input.CAMERA in needs:
            query = dataclasses.replace(query, camera=_camera(view))
        if needs & {Input.STILL, Input.PICTURE}:
            chosen = choose_still(view.frames, query.contact_ns, lambda t: self._is_clear(t, position, view))
            if chosen is None:
                raise CannotPredict(
                    Reason.NO_IMAGE, "no frame from before the contact; is the camera running?"
                )
            # The crop also says where a picture is not of the camera's size.
            still = self._crop(chosen[1], position, view)
            query = dataclasses.replace(query, still=still, picture=chosen[1])
        x, y, z = (float(v) for v in position)
        return Predicted(query.contact_ns, (x, y, z), self._model.predict(query), planned)

    def _crop(self, frame: Frame, position: Array, view: View) -> Frame:
        try:
            return crop_around(frame, _camera(view), position)
        except ValueError as error:
            raise CannotPredict(Reason.NO_IMAGE, str(error)) from error

    def _is_clear(self, time_ns: int, position: Array, view: View) -> bool:
        tip = view.tip_at(time_ns)
        return tip is None or bool(np.linalg.norm(tip - position) >= self._clear_m)


def _camera(view: View) -> CameraModel:
    if view.camera is None:
        raise CannotPredict(Reason.NO_CAMERA, view.missing or "no camera_info or no tf yet")
    return view.camera


def _series(history: History[Array] | History[float]) -> tuple[NDArray[np.int64], Array]:
    times, items = history.snapshot()
    return np.asarray(times, dtype=np.int64), np.asarray(items, dtype=np.float64)
