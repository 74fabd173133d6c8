"""Contacts from sound gated by motion, force and nearness.

    mic/audio ------------> worker: onsets --+
    ee_pose, wrench (kept as bytes) ---------+--> decide, some 90 ms after the onset --> contacts
    planned_tool_trajectory, depth, tf ------+

Callbacks run in the executor's thread and store or queue; listening and deciding happen in the worker's thread.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
from rclpy.serialization import deserialize_message

from foley_common import topics
from foley_msgs.msg import AudioChunk, ContactEvent, ToolTrajectory
from foley_perception.contact.config import ContactDetectorConfig
from foley_perception.contact.detector import ContactDetector, DetectedContact, Plan
from foley_perception.contact.listener import Listener
from foley_perception.contact.object_file import ObjectFile
from foley_perception.contact.objects import ObjectMap
from foley_perception.ros.own_noise import LiveOwnNoise
from foley_perception.ros.sensed_scene import SensedScene
from foley_ros import convert
from foley_ros.node import FoleyNode, Health, run
from foley_ros.polling import Poller

TICK_S = 0.02
POSES_AT_ONCE = 100  # are decoded in passing, so that a decision finds them done


class ContactDetectorNode(FoleyNode[ContactDetectorConfig]):
    """See the module's docstring."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("contact_detector", ContactDetectorConfig, **kwargs)

    def setup(self, config: ContactDetectorConfig) -> None:
        self._settings = config
        # Sound last: when it is taken, poses of the same time are there.
        poller = Poller(self.entities, TICK_S, after=self._tick)
        self._scene = SensedScene(self, poller, config.sensing)
        self._noise = LiveOwnNoise(self, poller, config.own_noise) if config.own_noise else None
        poller.subscribe(topics.MICROPHONE, self._on_audio)
        self._session = uuid.uuid4().hex[:8]
        # Names of this process: what another one called its objects, or what nobody kept, is never meant by them.
        prefix = f"object_{self._session[:6]}"
        self._objects = ObjectMap(config.objects, radius_m=config.object_radius, prefix=prefix)
        self._file = ObjectFile(config.state_file, frame=config.fixed_frame)
        well, said = self._file.restore(self._objects)
        if said:
            (self.get_logger().info if well else self.get_logger().warning)(said)
        self._listener = Listener(
            config.onset,
            channel=config.channel,
            silent_after_s=config.silent_after_s,
            own_noise=self._noise.source if self._noise is not None else None,
        )
        self._detector = ContactDetector(
            config.gates, self._scene.background.clearance, self._scene.tips, self._scene.forces
        )
        self._worst_latency_ns = 0
        self.start_worker(capacity=512)
        self._contacts = self.entities.publish(topics.CONTACTS)
        self.entities.subscribe(topics.TOOL_PLAN, self._on_plan, raw=True)

    # ---- callbacks: queue ----------------------------------------------------------------------------------
    def _on_audio(self, message: AudioChunk) -> None:
        stamp_ns = convert.to_ns(message.header.stamp)
        arrival_ns = self.entities.latencies.arrival_ns(topics.MICROPHONE, stamp_ns, self.now_ns())
        self._scene.times.add(topics.MICROPHONE, stamp_ns, arrival_ns)
        if self.active:
            self.put(lambda: self._hear(message, arrival_ns))

    def _on_plan(self, data: bytes) -> None:
        if self.active:
            self.put(lambda: self._take_plan(data))

    def _tick(self) -> None:
        """Decide also while no sound comes in: an onset may wait for poses."""
        self._scene.poll()
        if self.active and self._detector.waiting and self.pending_jobs == 0:
            self.put(self._decide)

    # ---- worker --------------------------------------------------------------------------------------------
    def _hear(self, message: AudioChunk, arrival_ns: int) -> None:
        try:
            samples = convert.audio_to_array(message)
        except convert.ConversionError as error:
            self.report(topics.MICROPHONE.name, str(error))
            return
        self.faults.clear(topics.MICROPHONE.name)
        for onset in self._listener.hear(
            samples,
            first_sample=int(message.first_sample),
            time_ns=convert.to_ns(message.header.stamp),
            stream_id=message.stream_id,
            sample_rate=int(message.sample_rate),
            arrival_ns=arrival_ns,
        ):
            self._detector.add_onset(onset)
        self._scene.tips.settle(least=POSES_AT_ONCE)
        self._decide()

    def _take_plan(self, data: bytes) -> None:
        message = deserialize_message(data, ToolTrajectory)
        try:
            path = self._scene.tool_plan(message).tip_path(self._scene.tx_tool_tip())
            contact = self._scene.background.planned_contact(path.times_ns, path.tip)
        except (ValueError, LookupError) as error:
            self.report(topics.TOOL_PLAN.name, str(error))
            return
        self.faults.clear(topics.TOOL_PLAN.name)
        self._detector.add_plan(Plan(path.plan_id, int(path.times_ns[0]), int(path.times_ns[-1]), contact))

    def _decide(self) -> None:
        for detected in self._detector.poll(self.now_ns()):
            message = self._message(detected)
            self._keep_objects()  # before anybody hears a name, so that it is not forgotten
            self._contacts.publish(message)
            self._worst_latency_ns = max(self._worst_latency_ns, self.now_ns() - detected.contact.time_ns)

    def _keep_objects(self) -> None:
        problem = self._file.save(self._objects)
        if problem:
            self.report("state_file", problem)
        else:
            self.faults.clear("state_file")

    def _message(self, detected: DetectedContact) -> ContactEvent:
        contact = detected.contact
        face = self._scene.background.face(np.asarray(contact.position))
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
    def figures(self) -> dict[str, Any]:
        listener = self._listener
        return {
            **vars(self._detector.counts),
            "audio_chunks": listener.chunks,
            "audio_refused_chunks": listener.refused_chunks,
            "audio_gaps": listener.gaps,
            "audio_lost_samples": listener.lost_samples,
            "audio_bad_samples": listener.bad_samples,
            "audio_restarts": listener.restarts,
            "audio_stamp_jitter_ms": round(listener.jitter_s * 1e3, 3),
            "objects": len(self._objects.names),
            "worst_latency_ms": round(self._worst_latency_ns / 1e6, 1),
            "queue_dropped": self.dropped_jobs,
            **(self._noise.figures(listener.mask) if self._noise is not None else {}),
        }

    def health(self) -> Health:
        now_ns = self.now_ns()
        faults, trouble = self.faults.standing(now_ns), self._listener.trouble(now_ns)
        problems = [*faults, *([trouble.message] if trouble is not None else []), *self._scene.problems()]
        if self._noise is not None:
            problems += self._noise.problems(self._listener.mask)
        if not problems:
            return Health.ok(**self.figures())
        deaf = any(f.startswith(topics.MICROPHONE.name) for f in faults) or (
            trouble is not None and trouble.serious
        )
        return (Health.error if deaf or self._scene.poses_wrong else Health.warn)(
            "; ".join(problems), **self.figures()
        )


def main(args: Sequence[str] | None = None) -> int:
    return run(ContactDetectorNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
