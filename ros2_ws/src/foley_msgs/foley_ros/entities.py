"""What a node makes while it is configured and destroys when it is cleaned up."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.service import Service
from rclpy.subscription import Subscription
from rclpy.timer import Timer

from foley_common.audio_formats import AudioFormat
from foley_common.latencies import Latencies
from foley_common.topics import Topic
from foley_ros import qos, topics
from foley_ros.executor import OnError
from foley_ros.foreign_audio import OURS, ForeignAudio
from foley_ros.latency import corrected


@dataclasses.dataclass(frozen=True, eq=False)
class _Listening:
    """A subscription that may have to be made anew."""

    wanted: QoSProfile
    make: Callable[[QoSProfile], Subscription]
    replaced: Callable[[Subscription], None]
    audio: ForeignAudio | None = None  # of a microphone's topic: the type that it has


class Entities:
    """Makes publishers, subscriptions, services and timers, and destroys all of them at once.

    Args:
        on_error: is told of what cannot be taken, or fails when it is, by topic; see :mod:`foley_ros.polling`.

    Attributes:
        latencies: by which stamps of what is subscribed to are moved back.
        raw_audio: what messages of a device hold that do not say it; see :mod:`foley_ros.foreign_audio`.
    """

    def __init__(self, node: Node, on_error: OnError) -> None:
        self.latencies = Latencies()
        self.raw_audio: Mapping[str, AudioFormat] = {}
        self._node = node
        self.on_error = on_error
        self._inputs: list[Subscription | Service | Timer] = []
        self._outputs: list[Publisher] = []
        self._listening: dict[Subscription, _Listening] = {}
        self._beside: dict[Subscription, Subscription] = {}  # second ones, for publishers that offer less

    def publisher(self, *args: Any, **kwargs: Any) -> Publisher:
        self._outputs.append(self._node.create_publisher(*args, **kwargs))
        return self._outputs[-1]

    def subscription(self, *args: Any, **kwargs: Any) -> Subscription:
        return self._keep(self._node.create_subscription(*args, **kwargs))

    def publish(self, topic: Topic) -> Publisher:
        """A publisher of an entry of the registry."""
        return self.publisher(topics.message_type(topic), topic.name, topics.offered(topic))

    def subscribe(
        self,
        topic: Topic,
        callback: Callable[[Any], None],
        *,
        replaced: Callable[[Subscription], None] = lambda subscription: None,
        **kwargs: Any,
    ) -> Subscription:
        """A subscription to an entry of the registry, with its profile, or what :meth:`adapt` finds that it must be.

        Args:
            replaced: is handed the subscription that takes the place of the first.
        """
        raw = bool(kwargs.get("raw"))
        called = corrected(self.latencies, topic, callback, raw=raw)
        audio = self._foreign_audio(topic, called) if topic.type == OURS and not raw else None

        def make(profile: QoSProfile) -> Subscription:
            kind, call = (
                (audio.message_class, audio.callback) if audio else (topics.message_type(topic), called)
            )
            return self.subscription(kind, topic.name, call, profile, **kwargs)

        made = make(topics.profile(topic))
        self._listening[made] = _Listening(topics.profile(topic), make, replaced, audio)
        return made

    def _foreign_audio(self, topic: Topic, callback: Callable[[Any], None]) -> ForeignAudio:
        def unlisten(subscription: Subscription) -> None:
            if subscription in self._inputs:
                self.unsubscribe(subscription)

        audio = ForeignAudio(
            self._node,
            topic,
            callback,
            self.raw_audio.get(topic.device),
            listen=self.subscription,
            unlisten=unlisten,
        )
        audio.look()
        return audio

    def unsubscribe(self, subscription: Subscription) -> None:
        """Destroy one subscription before the others."""
        if (beside := self._beside.pop(subscription, None)) is not None:
            self.unsubscribe(beside)
        self._inputs.remove(subscription)
        self._listening.pop(subscription, None)
        self._node.destroy_subscription(subscription)

    def adapt(self) -> list[str]:
        """Fit subscriptions to publishers that offer less, or send sound of another type, in the executor's thread; the
        topics subscribed anew."""
        changed = self._follow_sound()
        for subscription, listening in list(self._listening.items()):
            name = subscription.topic_name
            offered = [p.qos_profile for p in self._node.get_publishers_info_by_topic(name)]
            if not offered:
                continue
            profile, *others = qos.covering(listening.wanted, offered)
            if not qos.same(profile, subscription.qos_profile):
                beside = self._beside.pop(subscription, None)
                self.unsubscribe(subscription)
                subscription = listening.make(profile)
                self._listening[subscription] = listening
                if beside is not None:
                    self._beside[subscription] = beside
                listening.replaced(subscription)
                changed.append(name)
            changed += [name] if self._hear_beside(subscription, listening, others) else []
        return changed

    def _follow_sound(self) -> list[str]:
        """Subscribe anew to microphones whose topics have another type now."""
        found = [(s, how) for s, how in self._listening.items() if how.audio is not None and how.audio.look()]
        # First without the old type, all of them: a process has one type for a topic.
        for subscription, _ in found:
            self.unsubscribe(subscription)
        for _, listening in found:
            made = listening.make(listening.wanted)
            self._listening[made] = listening
            listening.replaced(made)
        return [how.audio.name for _, how in found if how.audio is not None]

    def _hear_beside(
        self, subscription: Subscription, listening: _Listening, others: list[QoSProfile]
    ) -> bool:
        """Make, change or end the second subscription to a topic; whether one was made."""
        beside = self._beside.get(subscription)
        if beside is not None and others and qos.same(beside.qos_profile, others[0]):
            return False
        if beside is not None:
            del self._beside[subscription]
            self.unsubscribe(beside)
        if others:
            self._beside[subscription] = listening.make(others[0])
        return bool(others)

    def incompatible(self) -> list[str]:
        """What no QoS of ours can mend, one sentence each: who asks for more than we offer, who sends another type.

        By what the graph tells, and not by the middleware's event of an incompatible QoS: that names no node, is not
        called for subscriptions that the executor does not watch, and does not say when the trouble is over.
        """
        found = []
        for publisher in self._outputs:
            name = publisher.topic_name
            for other in self._node.get_subscriptions_info_by_topic(name):
                if why := qos.unmet(publisher.qos_profile, other.qos_profile):
                    found.append(
                        f"{name}: {topics.node_of(other)} subscribes with {why}: it receives nothing; let it ask for "
                        "no more"
                    )
        for subscription, listening in self._listening.items():
            audio = listening.audio
            found += audio.troubles() if audio is not None else []
            name, ours = subscription.topic_name, topics.type_name(subscription.msg_type)
            found += [
                f"{name}: {topics.node_of(other)} publishes {other.topic_type}, {ours} is expected: nothing of it is "
                "received; map the topic that has this type, or convert it"
                for other in self._node.get_publishers_info_by_topic(name)
                if other.topic_type != ours and not (audio is not None and audio.handles(other.topic_type))
            ]
        return list(dict.fromkeys(found))

    def service(self, *args: Any, **kwargs: Any) -> Service:
        return self._keep(self._node.create_service(*args, **kwargs))

    def timer(self, *args: Any, **kwargs: Any) -> Timer:
        return self._keep(self._node.create_timer(*args, **kwargs))

    def release_inputs(self) -> None:
        """Destroy what calls back; publishers stay, for what is still being worked on."""
        self._listening.clear()
        self._beside.clear()
        while self._inputs:
            entity = self._inputs.pop()
            if isinstance(entity, Subscription):
                self._node.destroy_subscription(entity)
            elif isinstance(entity, Service):
                self._node.destroy_service(entity)
            else:
                self._node.destroy_timer(entity)

    def release(self) -> None:
        """Destroy everything."""
        self.release_inputs()
        while self._outputs:
            self._node.destroy_publisher(self._outputs.pop())

    def _keep(self, entity: Any) -> Any:
        self._inputs.append(entity)
        return entity
