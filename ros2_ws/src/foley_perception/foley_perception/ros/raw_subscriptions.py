"""Subscriptions of the recorder: raw, polled, and fitted to what their publishers offer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from foley_common.foreign_audio import INFO_TYPE, info_topics
from foley_common.foreign_audio import TYPES as FOREIGN_AUDIO
from foley_common.topics import CAMERA, CAMERA_COMPRESSED, MICROPHONE, RECORDED_QOS
from foley_perception.recording.recording import RawMessage, TopicSpec
from foley_perception.ros.image_topics import compressed_names, published_form
from foley_ros import qos
from foley_ros.foreign_audio import class_of
from foley_ros.polling import UnwatchedGroup
from foley_ros.topics import message_class

IMAGE_TYPE, COMPRESSED_TYPE = CAMERA.type, CAMERA_COMPRESSED.type
_PROFILES: dict[str, QoSProfile] = {
    **{name: qos.PROFILES[name] for name in RECORDED_QOS},
    # Three seconds of images: nothing is lost while a busy machine does not let the recorder run.
    "image": QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=90, reliability=ReliabilityPolicy.BEST_EFFORT),
}

OnMessage = Callable[[str, RawMessage], None]
OnError = Callable[[str, Exception], None]  # topic, and what its message made fail


def _never_called(data: bytes) -> None:
    """The callback of a subscription that is polled."""


class RawSubscriptions:
    """One raw subscription per topic, with the QoS of its publishers, asked for messages in batches.

    A thousand messages a second cost rclpy's executor half a core, nearly all of it for building a wait set
    per message. So the executor does not watch these subscriptions; :meth:`poll` takes what has come. Nothing
    waits in vain for that: arrival times are the middleware's, and its queues hold seconds.

    A reliable subscription never meets a best-effort publisher, nor a latched one a volatile publisher. So
    every topic begins with its profile, and is subscribed anew when its publishers offer less (as `ros2 bag
    record` does at its start; publishers may also come later).
    """

    def __init__(
        self, node: Node, specs: Mapping[str, TopicSpec], on_message: OnMessage, on_error: OnError
    ) -> None:
        self._node = node
        self._on_message, self._on_error = on_message, on_error
        self._group = UnwatchedGroup()
        # Where ROS time is simulated the middleware's own times mean nothing.
        self._system_time = not node.get_parameter("use_sim_time").value
        self._classes: dict[str, Any] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self.unavailable: dict[str, str] = {}  # topic -> why it cannot be subscribed
        self.specs: dict[str, TopicSpec] = {}
        self._required_unavailable: list[str] = []
        for topic, spec in specs.items():
            try:
                self._classes[topic] = message_class(spec.type)
            except (ModuleNotFoundError, AttributeError) as error:
                self.unavailable[topic] = f"type {spec.type} is not installed ({error})"
                if spec.required:
                    self._required_unavailable.append(topic)
                continue
            self.specs[topic] = spec
            self._subscribe(topic, _PROFILES[spec.profile])
        self._configured = dict(self.specs)

    @property
    def named(self) -> dict[str, str]:
        """Names as they were configured -> topics."""
        return {spec.name: topic for topic, spec in self._configured.items()}

    def follow_images(self) -> list[str]:
        """Take a topic's compressed images where only these are published, and raw ones where they are.

        What was required of the one is required of the other. Not to be called during a recording, whose topics are
        fixed.

        Returns:
            The topics that are new.
        """
        new = []
        for raw, spec in [(t, s) for t, s in self._configured.items() if s.type == IMAGE_TYPE]:
            wanted = published_form(self._node, raw)
            if wanted is None or (wanted in self.specs and (wanted == raw or raw not in self.specs)):
                continue
            for name in (raw, *compressed_names(raw)):
                if name in self.specs and (name == raw or name not in self._configured):
                    del self.specs[name]
                    self._node.destroy_subscription(self._subscriptions.pop(name))
            required = spec.required or (wanted in self.specs and self.specs[wanted].required)
            kind = IMAGE_TYPE if wanted == raw else COMPRESSED_TYPE
            self._classes[wanted] = message_class(kind)
            taken = dataclasses.replace(spec, name=wanted, type=kind, required=required)
            self.specs[wanted] = taken
            if wanted not in self._subscriptions:
                self._subscribe(wanted, _PROFILES[taken.profile])
            new.append(wanted)
        return new

    def follow_sound(self) -> list[str]:
        """Take a microphone's topic as the type that it has, and the AudioInfo beside it. Not during a recording.

        Returns:
            What is new, in words.
        """
        new = []
        for topic, spec in [(t, s) for t, s in self._configured.items() if s.type == MICROPHONE.type]:
            publishers = {p.topic_type: p for p in self._node.get_publishers_info_by_topic(topic)}
            known = [kind for kind in (MICROPHONE.type, *FOREIGN_AUDIO) if kind in publishers]
            if not known:
                continue
            kind = known[0]
            if kind != self.specs[topic].type:
                try:
                    found = class_of(kind, publishers[kind])
                except (ImportError, AttributeError, ValueError) as error:
                    if self.unavailable.get(topic) != str(error):
                        new.append(f"{topic} {error}")
                    self.unavailable[topic] = str(error)
                    continue
                self.unavailable.pop(topic, None)
                self._node.destroy_subscription(self._subscriptions.pop(topic))
                self._classes[topic] = found
                self.specs[topic] = dataclasses.replace(spec, type=kind)
                self._subscribe(topic, _PROFILES[spec.profile])
                new.append(f"{topic} is recorded as {kind}")
            new += self._follow_info(topic) if kind in FOREIGN_AUDIO else []
        return new

    def _follow_info(self, topic: str) -> list[str]:
        for name in info_topics(topic):
            kinds = {p.topic_type for p in self._node.get_publishers_info_by_topic(name)}
            if name in self.specs or INFO_TYPE not in kinds:
                continue
            self._classes[name] = message_class(INFO_TYPE)
            self.specs[name] = TopicSpec(name, INFO_TYPE, "latched")
            self._subscribe(name, _PROFILES["latched"])
            return [f"{name} is recorded: it says what {topic} holds"]
        return []

    def _subscribe(self, topic: str, profile: QoSProfile) -> None:
        self._subscriptions[topic] = self._node.create_subscription(
            self._classes[topic], topic, _never_called, profile, raw=True, callback_group=self._group
        )

    def poll(self) -> int:
        """Hand over every message that has come, in order of arrival. Returns how many."""
        now = int(self._node.get_clock().now().nanoseconds)
        batch: list[tuple[int, str, RawMessage]] = []
        for topic, subscription in self._subscriptions.items():
            with subscription.handle:
                while (taken := subscription.handle.take_message(subscription.msg_type, True)) is not None:
                    message = self._message(*taken, now)
                    batch.append((message.arrival_ns, topic, message))
        batch.sort(key=lambda item: item[0])
        for _, topic, message in batch:
            try:
                self._on_message(topic, message)
            except Exception as error:  # noqa: BLE001 - what is odd about one costs no other its place in the bag
                self._on_error(topic, error)
        return len(batch)

    def _message(self, data: bytes, info: Mapping[str, Any], now_ns: int) -> RawMessage:
        sequence = int(info.get("publication_sequence_number") or 0)
        if not self._system_time:
            return RawMessage(data, now_ns, 0, sequence)
        arrival, published = info["received_timestamp"], info["source_timestamp"]
        return RawMessage(data, int(arrival or now_ns), int(published or 0), sequence)

    def adapt(self) -> list[str]:
        """Fit subscriptions to their publishers; the topics that were subscribed anew."""
        changed = []
        for topic, spec in self.specs.items():
            publishers = self._node.get_publishers_info_by_topic(topic)
            if not publishers:
                continue
            offered = [p.qos_profile for p in publishers]
            profile = qos.fitting(_PROFILES[spec.profile], offered)
            if not qos.same(profile, self._subscriptions[topic].qos_profile):
                self._node.destroy_subscription(self._subscriptions[topic])
                self._subscribe(topic, profile)
                changed.append(topic)
        return changed

    def offered_qos(self) -> dict[str, list[dict[str, object]]]:
        """Profiles of each topic's publishers; the subscription's own where none is known yet, as it may still come."""
        offered = {}
        for topic, subscription in self._subscriptions.items():
            known = [p.qos_profile for p in self._node.get_publishers_info_by_topic(topic)]
            offered[topic] = [qos.entry(profile) for profile in known or [subscription.qos_profile]]
        return offered

    def without_publisher(self) -> list[str]:
        """Required topics that nobody publishes or whose type is not installed."""
        absent = [t for t, s in self.specs.items() if s.required and not self._node.count_publishers(t)]
        return sorted(absent + self._required_unavailable)

    def wrong_types(self, mapping: Mapping[str, str]) -> list[str]:
        """Mapped topics that are published as another type than ours: a sentence for each."""
        wrong = []
        for name, topic in mapping.items():
            kinds = sorted({p.topic_type for p in self._node.get_publishers_info_by_topic(topic)})
            if kinds and topic in self.specs and self.specs[topic].type not in kinds:
                told = f"{name} is mapped to {topic}, which has type {', '.join(kinds)}"
                wrong.append(f"{told}, expected {self.specs[topic].type}")
        return wrong

    def destroy(self) -> None:
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
