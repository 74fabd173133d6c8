"""`material`: contacts, their sound and what was seen before them to material estimates, predicates and surprise.

    mic/audio ----------> ring ----+
    contacts  ----------> queue ---+--> worker: model, fusion --> material_estimates, predicates, surprise
    predicted_audio, predicted_material, vision_material --^

Callbacks store; a contact goes to the worker as soon as the ring holds its sound. The worker's thread runs the
model and publishes. `vocabulary` and `predicates` are latched; the beliefs are kept in `state_file`. What planners ask
and tell is in :mod:`foley_synthesis.ros.predicate_services`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from foley_common import topics
from foley_msgs.msg import MaterialEstimate, PredictedAudio
from foley_ros import convert as common
from foley_ros.node import FoleyNode, run
from foley_ros.preload import preload
from foley_synthesis import checkpoint
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fusion import FusedBelief
from foley_synthesis.hearing.inference.opened import hearing_beside
from foley_synthesis.live.config import MaterialConfig
from foley_synthesis.live.contact import ExpectedSound
from foley_synthesis.live.contact_queue import HeardSound
from foley_synthesis.live.loading import make_material_core
from foley_synthesis.live.state_file import BeliefFile
from foley_synthesis.ros import convert
from foley_synthesis.ros.contact_hearing import ContactHearing
from foley_synthesis.ros.material_output import MaterialOutput
from foley_synthesis.ros.predicate_services import PredicateServices
from foley_synthesis.ros.teaching import Teaching

Message = TypeVar("Message")
Value = TypeVar("Value")


class MaterialNode(FoleyNode[MaterialConfig]):
    """See the module's docstring."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("material", MaterialConfig, **kwargs)
        self._contacts_heard = self._contacts_unheard = 0
        self._frame_id = ""  # of the newest contact or look
        self._snapshots = threading.Lock()  # what is evaluated first is published first

    # ---- life cycle ------------------------------------------------------------------------------------
    def setup(self, config: MaterialConfig) -> None:
        content = checkpoint.load_checkpoint(config.checkpoint or None, exemplars=False)
        self._model = hearing_beside(content, config.hearing, threads=config.threads)
        self._model.warm_up()
        self._core = make_material_core(self._model, content, config)
        if self._core.note:
            self.get_logger().warning(self._core.note)
        self._file = BeliefFile(config.state_file)
        well, said = self._file.restore(self._core, self._model.model_id)
        if said:
            (self.get_logger().info if well else self.get_logger().warning)(said)
        self._output = MaterialOutput(
            self, self.entities, self._model, period_s=config.snapshot_period_s, lease_s=config.lease_s
        )
        self.start_worker(finish=True)
        self._hearing = ContactHearing(
            self,
            config,
            heard=lambda sound: self.put(lambda: self._hear(sound)),
            listening=self._on_listening,
            expectations=self._core.expectations,
            absent=self._on_absent,
        )
        subscribe = self.entities.subscribe
        subscribe(topics.PREDICTED_AUDIO, self._on_expected)
        subscribe(topics.PREDICTED_MATERIAL, self._on_sight)
        subscribe(topics.VISION_MATERIAL, self._on_vision)
        # Services that planners and teachers call; what they write goes through `core.write` and ends in `_written`.
        PredicateServices(
            self,
            self._core,
            lease_s=config.lease_s,
            sequence=lambda: self._output.sequence,
            written=self._written,
        )
        self._teaching = Teaching(self, self._core, self._model, config, self._written)
        self.entities.timer(config.snapshot_period_s, self._request_snapshot)
        self._output.vocabulary()

    def start(self) -> None:
        self._hearing.start()
        self.faults.clear_all()

    def stop(self) -> None:
        self._hearing.stop()
        with self._snapshots:  # nothing is watched any more: all are UNKNOWN
            self._output.predicates([], self.now_ns(), always=True)

    def figures(self) -> dict[str, Any]:
        return {
            "contacts_heard": self._contacts_heard,
            "contacts_without_sound": self._contacts_unheard,
            "objects": len(self._core.objects),
            "objects_without_pairs": self._core.objects_without_pairs,
            **self._core.sight(),
            **self._hearing.figures(),
            "jobs_dropped": self.dropped_jobs,
            "model_id": self._model.model_id,
            "note": self._core.note,
            "surprise_note": self._core.unranked,
        }

    def problems(self) -> list[str]:
        return self._hearing.problems()

    # ---- callbacks: store only -------------------------------------------------------------------------
    def _on_expected(self, message: PredictedAudio) -> None:
        if message.mode == PredictedAudio.MODE_PLANNED:
            now_ns = self.now_ns()
            sound = self._read(topics.PREDICTED_AUDIO.name, lambda m: convert.expected_of(m, now_ns), message)
            if sound is not None:
                self._core.expectations.expect(sound, now_ns)

    def _read(self, topic: str, read: Callable[[Message], Value | None], message: Message) -> Value | None:
        if not self.active:
            return None
        try:
            return read(message)
        except common.ConversionError as error:
            self.report(topic, str(error))
            return None

    def _on_sight(self, message: MaterialEstimate) -> None:
        if self.active:
            self.put(lambda: self._see(message))

    def _on_vision(self, message: MaterialEstimate) -> None:
        if self.active:
            self.put(lambda: self._see_by_image_model(message))

    def _on_absent(self, expected: ExpectedSound) -> None:
        """At once, whatever the worker is busy with."""
        self._output.surprise(self._core.missed(expected))
        self._snapshot()

    def _on_listening(self, deaf: str, missed_until_ns: int) -> None:
        self._core.listening(deaf=bool(deaf), missed_until_ns=missed_until_ns)
        self.put(self._snapshot)

    def _request_snapshot(self) -> None:
        if self.active and self.pending_jobs == 0:
            self.put(lambda: self._snapshot(always=True))

    def _written(self, objects: Collection[str] = ()) -> None:
        """Something was told to the node, which changed these objects' beliefs: planners see it before it is answered,
        and it outlives a restart.
        """
        self._snapshot(always=True)
        for name in set(objects) & set(self._core.objects):
            fused = self._core.belief(name)
            self._output.fused(name, fused, self._frame_id)
            self._tell_parts(fused, self._frame_id)
        self._keep()

    # ---- worker ----------------------------------------------------------------------------------------
    def _hear(self, sound: HeardSound) -> None:
        if sound.known == 0.0:
            self._contacts_unheard += 1
            self._hearing.missed(sound.contact)
            what = f"no sound was received around contact `{sound.contact.contact_id}`"
            self.report("hearing", what)
            return
        sound = self._hearing.cleaned(sound)
        outcome = self._core.hear(sound)
        self._frame_id = outcome.contact.frame_id or self._frame_id
        self._teaching.heard(sound, outcome)
        if outcome.formerly:
            name = outcome.contact.object_id
            what = f"`{name}` lies where `{outcome.formerly}` was: its detector lost its objects"
            self.report("contacts", f"{what}; what is known of the one is not said of the other")
        self._contacts_heard += 1
        self.faults.clear("hearing")
        if outcome.surprise is not None:
            (
                self.report("surprise", self._core.unranked)
                if self._core.unranked
                else self.faults.clear("surprise")
            )
        self._snapshot()  # planners first
        self._output.outcome(outcome)
        self._tell_parts(outcome.fused, outcome.contact.frame_id)
        self._keep()

    def _see(self, message: MaterialEstimate) -> None:
        topic, model_id = topics.PREDICTED_MATERIAL.name, self._core.sight_model
        now_ns = self.now_ns()
        sight = self._read(
            topic, lambda m: convert.sight_of(m, self._model.vocabulary, model_id, now_ns), message
        )
        if sight is not None:
            self._take_in(topic, sight, message)

    def _see_by_image_model(self, message: MaterialEstimate) -> None:
        topic, now_ns = topics.VISION_MATERIAL.name, self.now_ns()
        said = self._read(topic, lambda m: convert.vision_of(m, self._model.vocabulary, now_ns), message)
        if said is not None:
            self._take_in(topic, said, message)

    def _take_in(self, topic: str, look: Evidence, message: MaterialEstimate) -> None:
        believed = self._core.see(look, message.object_id)
        if believed is None:
            self.report(topic, "sight of neither an object nor a place: nobody knows of what")
            return
        self.faults.clear(topic)
        self._frame_id = message.header.frame_id or self._frame_id
        self._output.fused(*believed, message.header.frame_id)
        self._tell_parts(believed[1], message.header.frame_id)
        self._snapshot()
        self._keep()

    def _tell_parts(self, fused: FusedBelief, frame_id: str) -> None:
        """Where an object turned out to be of two materials, its parts are told as objects of their own."""
        for part in fused.parts:
            self._output.fused(part, self._core.belief(part), frame_id)

    def _keep(self) -> None:
        problem = self._file.save(self._core, self._model.model_id)
        if problem:
            self.report("state_file", problem)
        else:
            self.faults.clear("state_file")
        self._teaching.keep()

    def _snapshot(self, *, always: bool = False) -> None:
        with self._snapshots:
            if self.active:
                now_ns = self.now_ns()
                self._output.predicates(self._core.predicates(now_ns), now_ns, always=always)


def main(args: Sequence[str] | None = None) -> int:
    preload(
        "foley_synthesis.hearing.inference.hearing_model",
        "foley_synthesis.hearing.frozen_pair",
        "scipy.stats",
    )
    return run(MaterialNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
