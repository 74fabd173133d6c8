"""`synthesizer`: the sound of a contact, before it (planned) and after it (executed).

    planned_trajectory -----------------------------+--> worker: contact, crop, model --> predicted_audio
    contacts -> waits until the clip is over -------+                                     predicted_material
    camera, depth, tf, ee_pose, wrench -> histories +

Callbacks store. Plans go to the worker at once; a contact goes there when its clip is over and no plan waits,
because a plan has a deadline and a contact has none. A plan that is over when its turn comes is left out if others
wait, so that a slow model is late by one prediction and not by all that queue before it.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import Any

from foley_common.times import NS_PER_S
from foley_msgs.msg import ContactEvent, HandTrajectory, PredictedAudio
from foley_perception.action.gripper import GripperHand
from foley_perception.action.planned_contact import PlannedContactConfig
from foley_perception.clips.grid import clip_start_ns
from foley_perception.contact_event import Contact
from foley_perception.geometry.tf_buffer import TransformUnavailable
from foley_ros import qos
from foley_ros.convert import ConversionError
from foley_ros.entities import Owned
from foley_ros.faults import Faults
from foley_ros.node import FoleyNode, Health, run
from foley_ros.preload import preload
from foley_ros.worker import Worker
from foley_synthesis.live.config import SynthesizerConfig
from foley_synthesis.live.loading import load_sound_model
from foley_synthesis.live.synthesis_core import CannotPredict, Reason, SynthesisCore
from foley_synthesis.ros import convert
from foley_synthesis.ros.scene_inputs import SceneInputs
from foley_synthesis.ros.synthesizer_output import (
    SynthesizerOutput,
    lateness,
    note_of,
    plan_end_ns,
    planned_tool,
)
from foley_synthesis.ros.what_if import WhatIf

Job = Callable[[], None]
TEND_PERIOD_S = 0.05


class SynthesizerNode(FoleyNode[SynthesizerConfig]):
    """See the module's docstring."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("synthesizer", SynthesizerConfig, **kwargs)
        self._owned = Owned(self)
        self._worker: Worker[Job] | None = None
        self._faults = Faults()
        self._waiting: collections.deque[Contact] = collections.deque(maxlen=16)
        self._planned = self._executed = self._skipped = self._late = self._outdated = 0
        self._lead_s = self._latency_s = float("nan")
        self._what_if = WhatIf(self, self._put, self._answer)

    # ---- life cycle ------------------------------------------------------------------------------------
    def setup(self, config: SynthesizerConfig) -> None:
        self._hand = GripperHand.from_yaml(config.hand)
        self._model = load_sound_model(config, self._hand)
        self._model.warm_up()
        self._core = SynthesisCore(
            self._model,
            contact=PlannedContactConfig(margin_m=config.tip_margin_m),
            clear_m=config.clear_m,
            use_depth=config.use_depth,
        )
        self._settings = config
        self._inputs = SceneInputs(self._owned, config, self._hand, self._faults, self.now_ns)
        self._output = SynthesizerOutput(self._owned, self._model, config.fixed_frame)
        self._worker = Worker(
            lambda job: job(), name="synthesizer", capacity=8, on_error=self._on_worker_error
        )
        self._owned.subscription(HandTrajectory, "planned_trajectory", self._on_plan, qos.EVENT)
        if config.executed and "executed" in self._model.modes:
            self._owned.subscription(ContactEvent, "contacts", self._on_contact, qos.EVENT)
        self._owned.timer(TEND_PERIOD_S, self._tend)

    def start(self) -> None:
        self._faults.clear_all()

    def stop(self) -> None:
        self._waiting.clear()

    def teardown(self) -> None:
        if self._worker is not None:
            self._worker.stop()
            self._worker = None
        self._owned.release()

    def health(self) -> Health:
        now_ns = self.now_ns()
        values = {
            "planned": self._planned,
            "executed": self._executed,
            "skipped": self._skipped,
            "lead_time_s": f"{self._lead_s:.3f}",
            "latency_s": f"{self._latency_s:.3f}",
            "plans_dropped": self._outdated + (self._worker.dropped if self._worker is not None else 0),
            "late": self._late,
            "model_id": self._model.model_id,
            "note": note_of(self._model, self._settings.executed),
        }
        problems = [*filter(None, [self._faults.sentence(now_ns)]), *self._inputs.problems(now_ns)]
        return Health.warn("; ".join(problems), **values) if problems else Health.ok("predicting", **values)

    # ---- callbacks: store only -------------------------------------------------------------------------
    def _on_plan(self, message: HandTrajectory) -> None:
        if self.active:
            arrival_ns = self.now_ns()
            self._put(lambda: self._predict_plan(message, arrival_ns))

    def _on_contact(self, message: ContactEvent) -> None:
        if self.active:
            try:
                self._waiting.append(convert.contact_of(message))
            except ConversionError as error:
                self._faults.report("contacts", str(error), self.now_ns())

    def _tend(self) -> None:
        """Hand over contacts whose clip is over, one at a time and only to an idle worker."""
        self._inputs.tf.tend()
        if not (self.active and self._waiting and self._worker is not None and self._worker.pending() == 0):
            return
        contact = self._waiting[0]
        end_ns = clip_start_ns(contact.time_ns) + NS_PER_S
        newest_ns = min(self._inputs.poses.newest_ns or 0, self._inputs.frames.newest_ns or 0)
        overdue = self.now_ns() > end_ns + round(self._settings.executed_patience_s * NS_PER_S)
        if newest_ns >= end_ns - NS_PER_S // 25 or overdue:
            self._waiting.popleft()
            self._put(lambda: self._predict_contact(contact))

    def _put(self, job: Job) -> None:
        if self._worker is not None:
            self._worker.put(job)

    # ---- worker ----------------------------------------------------------------------------------------
    def _predict_plan(self, message: HandTrajectory, arrival_ns: int) -> None:
        behind = self._worker is not None and self._worker.pending() > 1
        if behind and plan_end_ns(message) < self.now_ns():
            self._outdated += 1
            said = f"plan `{message.plan_id}` was over before its turn came, and others wait: it is left out"
            self._faults.report("late", said, self.now_ns())
            return
        try:
            audio, material = self._answer(message, arrival_ns)
        except CannotPredict as reason:
            self._skip("planned_trajectory", reason)
            return
        self._output.publish(audio, material)
        self._faults.clear("planned_trajectory")
        self._planned += 1
        self._lead_s, self._latency_s = audio.lead_time, audio.latency
        if said := lateness(audio):
            self._late += 1
            self._faults.report("late", said, self.now_ns())
            self.get_logger().warning(said, throttle_duration_sec=5.0)
        else:
            self._faults.clear("late")

    def _answer(self, message: HandTrajectory, arrival_ns: int) -> tuple[Any, Any]:
        """PredictedAudio and MaterialEstimate of a plan. Raises CannotPredict."""
        try:
            tool = planned_tool(message, self._hand, self._settings.hand_side, self._inputs)
        except TransformUnavailable as error:
            raise CannotPredict(Reason.NO_POSE, str(error)) from error
        result = self._core.planned(tool.tip_path(), self._inputs.view(), tool)
        return self._output.messages(
            result,
            mode=PredictedAudio.MODE_PLANNED,
            plan_id=message.plan_id,
            object_id="",
            newest_input_ns=arrival_ns,
            now_ns=self.now_ns(),
        )

    def _predict_contact(self, contact: Contact) -> None:
        start_ns = clip_start_ns(contact.time_ns)
        measured = (start_ns - NS_PER_S // 10, start_ns + NS_PER_S + NS_PER_S // 10)
        try:
            result = self._core.executed(contact, self._inputs.view(measured))
        except CannotPredict as reason:
            self._skip("executed", reason)
            return
        audio, material = self._output.messages(
            result,
            mode=PredictedAudio.MODE_EXECUTED,
            plan_id=contact.plan_id or contact.contact_id,
            object_id=contact.object_id,
            newest_input_ns=start_ns + NS_PER_S,
            now_ns=self.now_ns(),
        )
        self._output.publish(audio, material)
        self._faults.clear("executed")
        self._executed += 1

    def _skip(self, source: str, reason: CannotPredict) -> None:
        self._skipped += 1
        self._faults.report(source, str(reason), self.now_ns())
        self.get_logger().warning(f"{source}: {reason}", throttle_duration_sec=5.0)

    def _on_worker_error(self, error: Exception) -> None:
        self._faults.report("worker", f"{type(error).__name__}: {error}", self.now_ns())
        self.get_logger().error(f"while predicting: {type(error).__name__}: {error}")


def main(args: Sequence[str] | None = None) -> int:
    preload("foley_synthesis.vis.inference.loaded")
    return run(SynthesizerNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
