"""Contacts from sound gated by motion, force and nearness.

    mic/audio ------------> worker: onsets --+
    ee_pose, wrench (kept as bytes) ---------+--> decide, some 90 ms after the onset --> contacts
    planned_trajectory, camera/depth, tf ----+

Callbacks run in the executor's thread and store or queue; listening and deciding happen in the worker's thread.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from foley_msgs.msg import AudioChunk, ContactEvent, HandTrajectory
from foley_perception.contact.config import ContactDetectorConfig
from foley_perception.contact.detector import ContactDetector, DetectedContact
from foley_perception.contact.listener import Listener
from foley_perception.contact.objects import ObjectMap
from foley_perception.geometry.tf_buffer import TransformBuffer
from foley_perception.ros.contact_inputs import ContactInputs
from foley_perception.ros.tf import TransformListener
from foley_ros import convert, qos
from foley_ros.entities import Owned
from foley_ros.node import FoleyNode, Health, run
from foley_ros.polling import Drain
from foley_ros.worker import Worker

TICK_S = 0.02


class ContactDetectorNode(FoleyNode[ContactDetectorConfig]):
    """See the module's docstring."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("contact_detector", ContactDetectorConfig, **kwargs)
        self._owned = Owned(self)
        self._worker: Worker[Callable[[], None]] | None = None
        self._tf: TransformListener | None = None

    # ---- life cycle ----------------------------------------------------------------------------------------
    def setup(self, config: ContactDetectorConfig) -> None:
        frames = TransformBuffer()
        self._settings = config
        # Sound last: when it is taken, poses of the same time are there.
        drain = Drain(self._owned, TICK_S, after=self._tick)
        self._inputs = ContactInputs(config, frames, drain, self.now_ns)
        drain.subscription(AudioChunk, "mic/audio", self._on_audio, qos.AUDIO)
        self._objects = ObjectMap(config.objects, radius_m=config.object_radius)
        self._listener = Listener(
            config.onset, channels=config.channels, silent_after_s=config.silent_after_s
        )
        self._detector = ContactDetector(
            config.gates, self._inputs.surroundings.clearance, self._inputs.tips, self._inputs.forces
        )
        self._session = uuid.uuid4().hex[:8]
        self._worst_latency_ns = 0
        self._worker_failure = self._audio_problem = ""
        self._worker = Worker(lambda job: job(), name="contact_detector", capacity=512, on_error=self._failed)
        self._tf = TransformListener(self, frames)
        self._contacts = self._owned.publisher(ContactEvent, "contacts", qos.EVENT)
        self._owned.subscription(HandTrajectory, "planned_trajectory", self._on_plan, qos.EVENT, raw=True)

    def teardown(self) -> None:
        self._owned.release()
        if self._worker is not None:
            self._worker.stop()
        if self._tf is not None:
            self._tf.close()
        self._worker = self._tf = None

    # ---- callbacks: queue ----------------------------------------------------------------------------------
    def _put(self, job: Callable[[], None]) -> None:
        if self.active and self._worker is not None:
            self._worker.put(job)

    def _on_audio(self, message: AudioChunk) -> None:
        arrival_ns = self.now_ns()
        self._put(lambda: self._hear(message, arrival_ns))

    def _on_plan(self, data: bytes) -> None:
        self._put(lambda: self._take_plan(data))

    def _tick(self) -> None:
        """Decide also while no sound comes in: an onset may wait for poses."""
        assert self._worker is not None and self._tf is not None
        self._tf.tend()
        if self._detector.waiting and self._worker.pending() == 0:
            self._put(self._decide)

    # ---- worker --------------------------------------------------------------------------------------------
    def _hear(self, message: AudioChunk, arrival_ns: int) -> None:
        try:
            samples = convert.audio_to_array(message)
        except convert.ConversionError as error:
            self._audio_problem = f"mic/audio: {error}"
            return
        self._audio_problem = ""
        for onset in self._listener.hear(
            samples,
            first_sample=int(message.first_sample),
            time_ns=convert.to_ns(message.header.stamp),
            stream_id=message.stream_id,
            sample_rate=int(message.sample_rate),
            arrival_ns=arrival_ns,
        ):
            self._detector.add_onset(onset)
        self._decide()

    def _take_plan(self, data: bytes) -> None:
        plan = self._inputs.plan(data)
        if plan is not None:
            self._detector.add_plan(plan)

    def _decide(self) -> None:
        for detected in self._detector.poll(self.now_ns()):
            self._contacts.publish(self._message(detected))
            self._worst_latency_ns = max(self._worst_latency_ns, self.now_ns() - detected.contact.time_ns)

    def _message(self, detected: DetectedContact) -> ContactEvent:
        contact = detected.contact
        face = self._inputs.surroundings.face(np.asarray(contact.position))
        return ContactEvent(
            header=convert.header(contact.time_ns, self._settings.fixed_frame),
            contact_id=f"{self._session}-{self._detector.counts.contacts}",
            object_id=self._objects.assign(contact.position, face),
            position=convert.array_to_point(contact.position),
            action=contact.action,
            duration=float("nan"),
            impulse=float("nan"),
            level=detected.level_dbfs,
            confidence=contact.confidence,
            gates_used=detected.gates_used,
            gates_passed=detected.gates_passed,
            plan_id=contact.plan_id,
        )

    # ---- health --------------------------------------------------------------------------------------------
    def _failed(self, error: Exception) -> None:
        self._worker_failure = f"{type(error).__name__}: {error}"
        self.get_logger().error(self._worker_failure)

    def health(self) -> Health:
        listener, worker = self._listener, self._worker
        values: dict[str, Any] = {
            **vars(self._detector.counts),
            "audio_chunks": listener.chunks,
            "audio_refused_chunks": listener.refused_chunks,
            "audio_gaps": listener.gaps,
            "audio_lost_samples": listener.lost_samples,
            "audio_bad_samples": listener.bad_samples,
            "audio_restarts": listener.restarts,
            "audio_stamp_jitter_ms": round(listener.jitter_s * 1e3, 3),
            "worst_latency_ms": round(self._worst_latency_ns / 1e6, 1),
            "queue_dropped": worker.dropped if worker is not None else 0,
        }
        trouble = listener.trouble(self.now_ns())
        problems = [p for p in (self._audio_problem, self._worker_failure) if p]
        problems += [trouble.message] if trouble is not None else []
        deaf = bool(self._audio_problem) or (trouble is not None and trouble.serious)
        problems += self._inputs.problems()
        if not problems:
            return Health.ok(**values)
        return (Health.error if deaf else Health.warn)("; ".join(problems), **values)


def main(args: Sequence[str] | None = None) -> int:
    return run(ContactDetectorNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
