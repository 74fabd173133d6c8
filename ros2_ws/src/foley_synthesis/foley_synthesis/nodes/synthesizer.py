"""`synthesizer`: the sound of a contact, before it (planned) and after it (executed).

    planned_tool_trajectory ------------------------+--> worker: contact, crop, model --> predicted_audio
    contacts -> waits until the clip is over -------+                                     predicted_material
    camera, depth, tf, ee_pose, wrench -> histories +             window that slides ---> predicted_sound

Callbacks store. Plans go to the worker at once; a contact goes there when its clip is over and no plan waits,
because a plan has a deadline and a contact has none. Its clip is over when a picture, a pose, and whatever else
is sensed have come from after its end: a camera's picture comes late, and without it the model would be shown an
older one than it learnt from. Of a model that can go on, chunks of the plans' sound are made in between, the first one
before all else (`ros/plan_sound.py`), and it is told of the room and of touches that are over (`ros/live_hearing.py`).
A plan that is over when its turn comes is left out if others
wait, so that a slow model is late by one prediction and not by all that queue before it.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from foley_common import topics
from foley_common.times import NS_PER_S
from foley_msgs.msg import ContactEvent, HandTrajectory, PredictedAudio, ToolTrajectory
from foley_perception.action.tip import in_fixed_frame
from foley_perception.clips.grid import clip_start_ns
from foley_perception.clips.inputs import AROUND_NS
from foley_perception.contact_event import Contact
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformUnavailable
from foley_perception.ros.sensed_scene import SensedScene
from foley_ros.convert import ConversionError
from foley_ros.node import FoleyNode, run
from foley_ros.polling import Poller
from foley_ros.preload import preload
from foley_synthesis.live.config import SynthesizerConfig
from foley_synthesis.live.loading import load_sound_model
from foley_synthesis.live.synthesis_core import CannotPredict, Reason, SynthesisCore, View
from foley_synthesis.ros import convert
from foley_synthesis.ros.live_hearing import LiveHearing
from foley_synthesis.ros.plan_sound import PlanSoundOutput
from foley_synthesis.ros.synthesizer_output import (
    SynthesizerOutput,
    hand_plan,
    lateness,
    note_of,
    plan_end_ns,
)
from foley_synthesis.ros.what_if import WhatIf
from foley_synthesis.sound_model import PlannedTool, SoundModel, StreamingSoundModel

POLL_PERIOD_S = 0.02
HAND_OVER_PERIOD_S = 0.02


class SynthesizerNode(FoleyNode[SynthesizerConfig]):
    """See the module's docstring."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("synthesizer", SynthesizerConfig, **kwargs)
        self._waiting: collections.deque[Contact] = collections.deque(maxlen=16)
        self._planned = self._executed = self._skipped = self._late = self._outdated = 0
        self._lead_s = self._latency_s = float("nan")
        self._what_if = WhatIf(self, self.put, self._answer_hand)

    # ---- life cycle ------------------------------------------------------------------------------------
    def setup(self, config: SynthesizerConfig) -> None:
        self._settings = config
        poller = Poller(self.entities, POLL_PERIOD_S)
        self._scene = SensedScene(self, poller, config.sensing)
        self._model = self.load_model(config)
        self._model.warm_up()
        self._core = SynthesisCore(self._model)
        self._output = SynthesizerOutput(self.entities, self._model, config.fixed_frame)
        self._sound, self._hearing = None, None
        if isinstance(self._model, StreamingSoundModel):
            self._hearing = LiveHearing(self, self._model, self._scene, poller, self._in_fixed_frame)
            if config.stream:
                measured = self._scene.measured_tool if config.stream_measured else None
                self._sound = PlanSoundOutput(self, self._model, config.stream_lead_s, measured)
        self.start_worker(capacity=8)
        self.entities.subscribe(topics.TOOL_PLAN, self._on_plan)
        self._after = config.executed and "executed" in self._model.modes
        if self._after or self._hearing is not None:
            self.entities.subscribe(topics.CONTACTS, self._on_contact)
        self.entities.timer(HAND_OVER_PERIOD_S, self._hand_over)

    def load_model(self, config: SynthesizerConfig) -> SoundModel:
        """The model that is asked. Raises what :func:`load_sound_model` raises."""
        return load_sound_model(config, self._scene.hand)

    def start(self) -> None:
        self.faults.clear_all()

    def stop(self) -> None:
        self._waiting.clear()

    def figures(self) -> dict[str, Any]:
        return {
            "planned": self._planned,
            "executed": self._executed,
            "skipped": self._skipped,
            "lead_time_s": f"{self._lead_s:.3f}",
            "latency_s": f"{self._latency_s:.3f}",
            "plans_dropped": self._outdated + self.dropped_jobs,
            "late": self._late,
            **({} if self._sound is None else self._sound.figures()),
            **({} if self._hearing is None else self._hearing.figures()),
            "model_id": self._model.model_id,
            "note": note_of(self._model, self._settings.executed),
        }

    def problems(self) -> list[str]:
        return self._scene.problems()

    # ---- callbacks: store only -------------------------------------------------------------------------
    def _on_plan(self, message: ToolTrajectory) -> None:
        if self.active:
            arrival_ns = self.now_ns()
            self.put(lambda: self._predict_plan(message, arrival_ns))

    def _on_contact(self, message: ContactEvent) -> None:
        if self.active:
            try:
                contact = convert.contact_of(message)
            except ConversionError as error:
                self.report("contacts", str(error))
                return
            if self._after:
                self._waiting.append(contact)
            if self._hearing is not None:
                self._hearing.add(contact)

    def _hand_over(self) -> None:
        """Hand over contacts whose clip is over, one at a time and only to an idle worker."""
        self._scene.poll()
        if self.active and self._sound is not None and self.pending_jobs == 0 and self._sound.due():
            self.put(self._go_on)
            return
        if not (self.active and self.pending_jobs == 0):
            return
        if self._hearing is not None and self._hearing.due():
            self.put(self._hearing.go_on)
            return
        if not self._waiting:
            return
        contact = self._waiting[0]
        end_ns = clip_start_ns(contact.time_ns) + NS_PER_S
        overdue = self.now_ns() > end_ns + round(self._settings.executed_patience_s * NS_PER_S)
        if overdue or self._scene.sensed_until(end_ns):
            self._waiting.popleft()
            self.put(lambda: self._predict_contact(contact))

    # ---- worker ----------------------------------------------------------------------------------------
    def _go_on(self) -> None:
        """The next chunk of the plans' sound."""
        assert self._sound is not None
        self._sound.go_on(self._scene.background)

    def _predict_plan(self, message: ToolTrajectory, arrival_ns: int) -> None:
        if self.pending_jobs > 1 and plan_end_ns(message) < self.now_ns():
            self._outdated += 1
            said = f"plan `{message.plan_id}` was over before its turn came, and others wait: it is left out"
            self.report("late", said)
            return
        if self._sound is not None:
            self._sound.begin(lambda: self._tool(message), self._scene.background, arrival_ns)
        try:
            audio, material = self._answer(lambda: self._tool(message), arrival_ns)
        except CannotPredict as reason:
            self._skip("plan", reason)
            return
        self._output.publish(audio, material)
        self.faults.clear("plan")
        self._planned += 1
        self._lead_s, self._latency_s = audio.lead_time, audio.latency
        if said := lateness(audio):
            self._late += 1
            self.report("late", said)
        else:
            self.faults.clear("late")

    def _tool(self, message: ToolTrajectory) -> PlannedTool:
        return PlannedTool(self._scene.tool_plan(message), self._scene.tx_tool_tip())

    def _answer_hand(self, message: HandTrajectory, arrival_ns: int) -> tuple[Any, Any]:
        """The answer to somebody who asks what a motion of the hand would sound like. Raises CannotPredict."""
        return self._answer(lambda: hand_plan(message, self._scene, self._settings.hand_side), arrival_ns)

    def _answer(self, plan: Callable[[], PlannedTool], arrival_ns: int) -> tuple[Any, Any]:
        """PredictedAudio and MaterialEstimate of a plan. Raises CannotPredict."""
        try:
            tool = plan()
        except TransformUnavailable as error:
            raise CannotPredict(Reason.NO_POSE, str(error)) from error
        except ValueError as error:
            raise CannotPredict(Reason.BAD_TRAJECTORY, str(error)) from error
        result = self._core.planned(tool.tip_path(), self._view(), tool)
        return self._output.messages(
            result,
            mode=PredictedAudio.MODE_PLANNED,
            plan_id=tool.trajectory.plan_id,
            object_id="",
            newest_input_ns=arrival_ns,
            now_ns=self.now_ns(),
        )

    def _predict_contact(self, contact: Contact) -> None:
        try:
            placed = self._in_fixed_frame(contact)
            view = self._view(contact.time_ns - AROUND_NS, contact.time_ns + AROUND_NS)
            result = self._core.executed(placed, view)
        except CannotPredict as reason:
            self._skip("executed", reason)
            return
        audio, material = self._output.messages(
            result,
            mode=PredictedAudio.MODE_EXECUTED,
            plan_id=contact.plan_id or contact.contact_id,
            object_id=contact.object_id,
            newest_input_ns=clip_start_ns(contact.time_ns) + NS_PER_S,
            now_ns=self.now_ns(),
        )
        self._output.publish(audio, material)
        self.faults.clear("executed")
        self._executed += 1

    def _view(self, start_ns: int = 0, end_ns: int = 0) -> View:
        """The scene, with the motion between two times; none is needed for a plan."""
        try:
            return View(self._scene.streams(start_ns, end_ns), self._scene.background)
        except (TransformUnavailable, ValueError) as error:
            return View(None, self._scene.background, str(error))

    def _in_fixed_frame(self, contact: Contact) -> Contact:
        """Raises CannotPredict where tf does not know the contact's frame."""
        try:
            place = SE3.from_translation(np.asarray(contact.position))
            placed = in_fixed_frame(
                place, contact.frame_id, self._settings.fixed_frame, contact.time_ns, self._scene.lookup
            )
        except TransformUnavailable as error:
            raise CannotPredict(Reason.NO_POSE, str(error)) from error
        x, y, z = (float(v) for v in placed.translation)
        return dataclasses.replace(contact, position=(x, y, z), frame_id=self._settings.fixed_frame)

    def _skip(self, source: str, reason: CannotPredict) -> None:
        self._skipped += 1
        self.report(source, str(reason))


def main(args: Sequence[str] | None = None) -> int:
    preload("foley_synthesis.vis.inference.loaded")
    return run(SynthesizerNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
