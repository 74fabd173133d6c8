"""A recorded bag through the callbacks of the live nodes, and what their models were shown.

The nodes are the real ones, configured and active. Messages of the bag are handed to their subscriptions in the order
in which they were recorded, contacts a tenth of a second after their onset, and their timers' callbacks are called in
between; plans, hand-over, views and inputs are the nodes' own work. Only the wire, the clock and the model of the
synthesizer are replaced. Jobs are done on the spot, so that a replay gives the same arrays each time.
"""

from __future__ import annotations

import collections
import math
import types
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message, serialize_message

from foley_bringup.contract import DataSetSide, Live, ShownPlan
from foley_common import topics
from foley_common.foreign_audio import raw_formats
from foley_common.robot_file import Frames
from foley_common.times import NS_PER_S
from foley_msgs.msg import ContactEvent, PredictedAudio
from foley_perception.action.gripper import GripperHand
from foley_perception.clips.grid import CLIP_BEFORE_S, CLIP_SAMPLES, SAMPLE_RATE, clip_start_ns
from foley_perception.clips.inputs import ClipInputs
from foley_perception.contact_event import Contact
from foley_perception.dataset.cut import CutConfig, Cutter
from foley_perception.episodes import read_episode
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.frames import AS_ROBOT, FrameNames
from foley_perception.episodes.names import Naming, resolve
from foley_perception.episodes.planned_path import planned_paths
from foley_perception.nodes.hand_mapper import HandMapperNode
from foley_perception.recording.bag import BagMessage
from foley_perception.recording.heard_bag import HeardBag
from foley_ros import convert
from foley_ros.node import FoleyNode
from foley_synthesis.checkpoint import Vocabulary
from foley_synthesis.live.config import SynthesizerConfig
from foley_synthesis.live.contact_queue import HeardSound
from foley_synthesis.nodes.material import MaterialNode
from foley_synthesis.nodes.synthesizer import SynthesizerNode
from foley_synthesis.sound_model import ContactQuery, Input, Mode, PredictedSound, SoundModel

TICK_NS = NS_PER_S // 20
TOLD_NS = NS_PER_S // 10  # after its onset a contact is told, as the detector does
AFTER_NS = 3 * NS_PER_S  # the nodes' time goes on after the last message, past all that they wait for
_PICTURES = frozenset(
    t.name
    for t in (
        topics.CAMERA,
        topics.CAMERA_COMPRESSED,
        topics.CAMERA_DEPTH,
        topics.CAMERA_DEPTH_COMPRESSED,
    )
)


class RecordingModel:
    """A sound model that keeps what it is given, with the needs of VIS. See ``foley_synthesis.sound_model``."""

    model_id, domain, note = "replay", "sim", ""
    vocabulary: Vocabulary | None = None
    needs: frozenset[Input] = frozenset({Input.STILL, Input.ACTION})
    wants: frozenset[Input] = frozenset()
    modes: frozenset[Mode] = frozenset({"planned", "executed"})

    def __init__(self) -> None:
        self.given: list[ContactQuery] = []

    def warm_up(self) -> None:
        """Nothing is warmed up: what is given then would be kept."""

    def predict(self, query: ContactQuery) -> PredictedSound:
        """Silence."""
        self.given.append(query)
        silence = np.zeros(CLIP_SAMPLES, np.float32)
        return PredictedSound(silence, SAMPLE_RATE, CLIP_BEFORE_S, query.mode, self.model_id)


class ReplayedSynthesizer(SynthesizerNode):
    """The node with a model that keeps what it is given."""

    def load_model(self, config: SynthesizerConfig) -> SoundModel:
        self.recording = RecordingModel()
        return self.recording


def replay(
    bag: Path,
    episode: Episode,
    contacts: Iterable[Contact],
    hand: str,
    *,
    camera_latency_s: float = 0.0,
    naming: Naming | None = None,
) -> Live:
    """Every contact and plan of a bag as the live nodes see them. rclpy must be initialised.

    Args:
        contacts: are told to the nodes as if they had been detected.
        hand: the gripper's hand file.
        camera_latency_s: by which pictures come later than they were recorded.
        naming: how the bag's topics are called.

    Raises:
        ValueError: the latency is negative or not finite.
    """
    if not (math.isfinite(camera_latency_s) and camera_latency_s >= 0):
        raise ValueError(f"camera_latency_s is {camera_latency_s}, must not be negative")
    latency_ns = round(camera_latency_s * NS_PER_S)
    return _Replay(bag, episode, list(contacts), hand, latency_ns, naming or Naming()).run()


def replay_bag(
    bag: Path,
    hand: str = "",
    *,
    camera_latency_s: float = 0.0,
    naming: Naming | None = None,
    frames: FrameNames | Frames = AS_ROBOT,
) -> tuple[DataSetSide, Live]:
    """What a data set holds of a bag, and what the live nodes' models were shown of it.

    Args:
        hand: the gripper's hand file; empty: that of the robot's file.

    Raises:
        EpisodeError, DatasetError: the bag cannot be read, or lacks what clips need.
        ValueError: the latency is negative or not finite.
    """
    naming = naming or Naming()
    episode = read_episode(
        bag,
        frames=frames,
        **naming.reading,
    )
    hand = hand or episode.robot.hand_reference
    cutter = Cutter(episode, CutConfig(hand=hand, frames=frames))
    clips = tuple(cutter.clips())
    data = DataSetSide(
        clips, planned_paths(episode, GripperHand.from_yaml(hand)).paths, dict(cutter.left_out)
    )
    owns = not rclpy.ok()
    if owns:
        rclpy.init(args=[])
    try:
        contacts = [m.contact for m in cutter.contacts]
        live = replay(bag, episode, contacts, hand, camera_latency_s=camera_latency_s, naming=naming)
    finally:
        if owns:
            rclpy.shutdown()
    return data, live


class _Replay:
    def __init__(
        self,
        bag: Path,
        episode: Episode,
        contacts: list[Contact],
        hand: str,
        camera_latency_ns: int,
        naming: Naming,
    ) -> None:
        self._bag, self._episode = bag, episode
        self._waiting = collections.deque(sorted(contacts, key=lambda c: c.time_ns))
        self._hand = hand
        self._latency_ns = camera_latency_ns
        self._called = _registry_names(bag, naming)
        self._published = set(self._called.values())
        self._now_ns = self._next_tick_ns = 0
        self._listed = -1
        self._live = Live()

    def _heard(self) -> list[Parameter]:
        """The channel that the data set heard."""
        sound = self._episode.robot.sound.get(topics.MAIN_MICROPHONE)
        return [Parameter("channel", value=sound.channel)] if sound is not None else []

    def run(self) -> Live:
        frames = self._episode.frame_names
        hand = [
            Parameter(name, value=value)
            for name, value in (
                ("hand", self._hand),
                ("fixed_frame", frames.world),
                ("tool_frame", frames.tool),
            )
        ]
        tip = Parameter("tip_frame", value=frames.tip)
        late = Parameter("latencies", Parameter.Type.STRING_ARRAY, self._episode.latencies.entries())
        nodes: list[FoleyNode[Any]] = []
        try:
            self._mapper = self._start(
                HandMapperNode(namespace="foley_replay", parameter_overrides=[*hand, late]), nodes
            )
            self._synthesizer = self._start(
                ReplayedSynthesizer(namespace="foley_replay", parameter_overrides=[*hand, tip, late]), nodes
            )
            self._material = self._start(
                MaterialNode(namespace="foley_replay", parameter_overrides=[*self._heard(), late]), nodes
            )
            self._nodes = (self._mapper, self._synthesizer, self._material)
            self._intercept()
            self._feed()
        finally:
            for node in nodes:
                node._quietly(node._release)
                node.destroy_node()
        return self._live

    def _start(self, node: Any, nodes: list[FoleyNode[Any]]) -> Any:
        nodes.append(node)
        for transition in (node.trigger_configure, node.trigger_activate):
            if transition() != TransitionCallbackReturn.SUCCESS:
                raise RuntimeError(f"{node.get_name()}: {node._failure}")
        report = node.report

        def said(source: str, what: str) -> None:
            self._live.refused.append(f"{node.get_name()}, {source}: {what}")
            report(source, what)

        def put(job: Callable[[], None]) -> None:
            try:
                job()
            except Exception as error:  # noqa: BLE001 - as the node's worker does
                node._on_worker_error(error)

        node.now_ns, node.put, node.report = lambda: self._now_ns, put, said
        node.count_publishers = lambda topic: int(self._name(topic) in self._published)
        return node

    def _intercept(self) -> None:
        """The wire: plans go on to the synthesizer, its predictions end here. At material's model: the sound."""
        self._mapper._planned_tool.publish = self._hand_on_plan
        self._mapper._planned.publish = lambda message: None
        self._synthesizer._output.publish = self._take_prediction
        self._material._hear = self._take_sound
        if any(finding.rule == "pose_made" for finding in self._episode.findings):
            self._mapper._in_tf.listen()
            self._mapper._own_pose = types.SimpleNamespace(publish=self._hand_on_pose)

    # ---- what comes in -------------------------------------------------------------------------------------
    def _feed(self) -> None:
        for arrival_ns, message in self._messages():
            self._go_on(max(self._now_ns, arrival_ns))
            name, data = self._called.get(message.topic, ""), bytes(message.data)
            if name != topics.CONTACTS.name and not (name == topics.TOOL_PLAN.name and self._maps_plans):
                self._hand_to_subscriptions(name, data)
        end_ns = self._now_ns + AFTER_NS
        while self._now_ns < end_ns:
            self._go_on(self._now_ns + TICK_NS)

    def _messages(self) -> Iterator[tuple[int, BagMessage]]:
        """Messages of the bag with the time at which they come; pictures come late."""
        late: collections.deque[tuple[int, BagMessage]] = collections.deque()
        named = {name: topic for topic, name in self._called.items()}
        raw = raw_formats(self._episode.robot.sound)
        for message in HeardBag(self._bag, raw=raw, mapping=named).messages():
            arrival_ns = int(message.log_time)
            while late and late[0][0] <= arrival_ns:
                yield late.popleft()
            if self._latency_ns and self._called.get(message.topic) in _PICTURES:
                late.append((arrival_ns + self._latency_ns, message))
            else:
                yield arrival_ns, message
        yield from late

    def _go_on(self, now_ns: int) -> None:
        """Time passes: contacts are told, and the nodes' timers call back."""
        self._now_ns = now_ns
        while self._waiting and self._waiting[0].time_ns + TOLD_NS < now_ns:
            event = _event(self._waiting.popleft())
            self._hand_to_subscriptions(topics.CONTACTS.name, serialize_message(event))
        if now_ns >= self._next_tick_ns:
            self._next_tick_ns = now_ns + TICK_NS
            self._material._hearing.hand_over()
            self._synthesizer._hand_over()

    def _hand_to_subscriptions(self, name: str, data: bytes) -> None:
        for subscription in self._subscriptions().get(name, ()):
            raw_bytes = subscription.raw
            subscription.callback(data if raw_bytes else deserialize_message(data, subscription.msg_type))

    def _subscriptions(self) -> dict[str, list[Any]]:
        """By the bag's names of their topics; the nodes may add some on the way."""
        entities = [entity for node in self._nodes for entity in node.entities._inputs]
        if len(entities) != self._listed:
            self._listed, self._by_name = len(entities), collections.defaultdict(list)
            for entity in entities:
                if hasattr(entity, "topic_name"):
                    self._by_name[self._name(entity.topic_name)].append(entity)
        return self._by_name

    def _name(self, topic: str) -> str:
        return topic.removeprefix("/foley_replay").lstrip("/")

    @property
    def _maps_plans(self) -> bool:
        """Whether hand_mapper makes the tool's plans; else those that were recorded count, as for a data set."""
        return bool(self._episode.joint_plans)

    def _hand_on_plan(self, message: Any) -> None:
        if self._maps_plans:
            self._hand_to_subscriptions(topics.TOOL_PLAN.name, serialize_message(message))

    def _hand_on_pose(self, data: bytes) -> None:
        self._hand_to_subscriptions(topics.EE_POSE.name, data)

    # ---- what the models are shown -------------------------------------------------------------------------
    def _take_prediction(self, audio: PredictedAudio, material: Any) -> None:
        """Of each prediction that the synthesizer publishes: what its model was given for it."""
        query = self._synthesizer.recording.given.pop()
        if query.mode == "executed":
            assert query.still is not None and query.action is not None
            self._live.executed[query.contact_ns] = ClipInputs(query.still, query.frames, query.action)
            ended_ns = clip_start_ns(query.contact_ns) + NS_PER_S
            self._live.executed_delay_s.append((self._now_ns - ended_ns) / NS_PER_S)
            return
        assert query.still is not None and query.action is not None and query.tool is not None
        position = convert.point_to_array(audio.position)
        self._live.plans[audio.plan_id] = ShownPlan(
            query.tool.tip_path(), query.contact_ns, position, query.still, query.action
        )

    def _take_sound(self, sound: HeardSound) -> None:
        self._live.heard[sound.contact.time_ns] = sound


def _registry_names(bag: Path, naming: Naming) -> dict[str, str]:
    """A bag's topics -> the registry's names, as nodes subscribe to them."""
    recorded = HeardBag(bag, mapping=naming.mapping)
    for _ in recorded.messages():  # then all topics are known
        pass
    names, _ = resolve(recorded, naming.namespace, naming.mapping)
    named = {found: topics.topic(role).name.lstrip("/") for role, found in names.items()}
    unread = {topic.name for topic in topics.TOPICS if not topic.reader}
    below = f"/{naming.namespace.strip('/')}/" if naming.namespace.strip("/") else "/"
    others = {topic: topic.removeprefix(below).lstrip("/") for topic in recorded.topics}
    return {topic: name for topic, name in others.items() if name in unread} | named


def _event(contact: Contact) -> ContactEvent:
    return ContactEvent(
        header=convert.header(contact.time_ns, contact.frame_id),
        contact_id=contact.contact_id or str(contact.time_ns),
        object_id=contact.object_id,
        position=convert.array_to_point(np.asarray(contact.position)),
    )
