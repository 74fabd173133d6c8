"""A recorded bag through the callbacks of the live nodes, and what their models would have been shown.

The nodes are the real ones, configured and active, with the messages of the bag handed to their subscriptions in the
order in which they were recorded; only the wire, the clock and the model are replaced. Jobs are done on the spot, so
that a replay gives the same arrays each time.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message, serialize_message

from foley_common import topics
from foley_common.times import NS_PER_S
from foley_msgs.msg import ContactEvent
from foley_perception.action.gripper import GripperHand
from foley_perception.action.trajectory import TipPath
from foley_perception.clips.inputs import ClipInputs, NoMotion, contact_point, executed_inputs, planned_inputs
from foley_perception.contact_event import Contact
from foley_perception.dataset.cut import CutConfig, Cutter
from foley_perception.dataset.schema import ClipData
from foley_perception.episodes import read_episode
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.planned_path import plan_for, planned_paths
from foley_perception.nodes.hand_mapper import HandMapperNode
from foley_perception.recording.bag import Bag
from foley_ros import convert
from foley_ros.node import FoleyNode
from foley_synthesis.live.contact_queue import HeardSound
from foley_synthesis.live.synthesis_core import View
from foley_synthesis.nodes.material import MaterialNode
from foley_synthesis.nodes.synthesizer import SynthesizerNode

TICK_NS = NS_PER_S // 20


@dataclasses.dataclass(frozen=True, eq=False)
class LivePlan:
    """A plan as the synthesizer took it in."""

    path: TipPath
    contact_ns: int  # that it expects; 0: none
    position: NDArray[np.float64]  # [3]
    inputs: ClipInputs | None  # what the model was shown when the plan came; None: nothing


@dataclasses.dataclass
class Live:
    """What the live nodes' models were shown."""

    executed: dict[int, ClipInputs] = dataclasses.field(default_factory=dict)  # by onset [ns]
    plans: dict[str, LivePlan] = dataclasses.field(default_factory=dict)  # by plan id
    heard: dict[int, HeardSound] = dataclasses.field(default_factory=dict)  # by onset [ns]
    refused: list[str] = dataclasses.field(default_factory=list)


def replay(bag: Path, episode: Episode, contacts: Iterable[Contact], hand: str) -> Live:
    """Every contact and plan of a bag as the live nodes see them. rclpy must be initialised.

    Args:
        contacts: are told to the nodes as if they had been detected.
        hand: the gripper's hand file.
    """
    return _Replay(bag, episode, list(contacts), hand).run()


def replay_bag(bag: Path, hand: str) -> tuple[list[ClipData], Callable[[int], str], Live]:
    """Clips of a bag, the plan that each contact belongs to, and what the live nodes were shown.

    Raises:
        EpisodeError, DatasetError: the bag cannot be read, or lacks what clips need.
    """
    episode = read_episode(bag)
    cutter = Cutter(episode, CutConfig(hand=hand))
    clips = list(cutter.clips())
    plans = planned_paths(episode, GripperHand.from_yaml(hand))

    def plan_of(contact_ns: int) -> str:
        plan = plan_for(plans, contact_ns)
        return plan.plan_id if plan is not None else ""

    owns = not rclpy.ok()
    if owns:
        rclpy.init(args=[])
    try:
        live = replay(bag, episode, [m.contact for m in cutter.contacts], hand)
    finally:
        if owns:
            rclpy.shutdown()
    return clips, plan_of, live


class _Replay:
    def __init__(self, bag: Path, episode: Episode, contacts: list[Contact], hand: str) -> None:
        self._bag, self._episode = bag, episode
        self._contacts = sorted(contacts, key=lambda c: c.time_ns)
        self._hand = hand
        self._now_ns = 0
        self._live = Live()

    def run(self) -> Live:
        hand = [Parameter("hand", value=self._hand)]
        nodes: list[FoleyNode[Any]] = []
        try:
            self._mapper = self._start(
                HandMapperNode(namespace="foley_replay", parameter_overrides=hand), nodes
            )
            self._synthesizer = self._start(
                SynthesizerNode(namespace="foley_replay", parameter_overrides=hand), nodes
            )
            self._material = self._start(MaterialNode(namespace="foley_replay"), nodes)
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
        node.now_ns = lambda: self._now_ns
        node.put = lambda job: job()
        return node

    def _intercept(self) -> None:
        """Where a model would be asked, keep what it is shown; where a plan would be sent, hand it over."""
        self._mapper._planned_tool.publish = self._take_plan
        self._mapper._planned.publish = lambda message: None
        self._material._hear = self._take_sound

    def _feed(self) -> None:
        callbacks = self._callbacks()
        pictures = self._pictures()
        next_tick = 0
        waiting, due = list(self._contacts), list(self._contacts)
        for message in Bag(self._bag).messages():
            self._now_ns = max(self._now_ns, int(message.log_time))
            name = self._name(message.topic)
            waiting_pictures = pictures.get(name)
            while waiting_pictures and waiting_pictures[0][0] <= self._now_ns:
                waiting_pictures.popleft()[1]()
            data = bytes(message.data)
            for subscription in callbacks.get(name, ()):
                raw = subscription.raw
                subscription.callback(data if raw else deserialize_message(data, subscription.msg_type))
            while waiting and waiting[0].time_ns + NS_PER_S // 10 < self._now_ns:
                self._material._queue.add(_live_contact(waiting.pop(0)))
            while due and due[0].time_ns + NS_PER_S < self._now_ns:
                self._take_contact(due.pop(0))
            if self._now_ns >= next_tick:
                next_tick = self._now_ns + TICK_NS
                self._material._hand_over()
                self._synthesizer._scene.poll()

    def _callbacks(self) -> dict[str, list[Any]]:
        """Subscriptions by the bag's names of their topics."""
        found: dict[str, list[Any]] = {}
        for node in (self._mapper, self._synthesizer, self._material):
            for entity in node.entities._inputs:
                if hasattr(entity, "topic_name"):
                    found.setdefault(self._name(entity.topic_name), []).append(entity)
        found.pop("contacts", None)  # given apart
        return found

    def _name(self, topic: str) -> str:
        return topic.removeprefix("/foley_replay").lstrip("/")

    def _pictures(self) -> dict[str, collections.deque[tuple[int, Callable[[], None]]]]:
        """Compressed pictures as raw ones, as image_transport hands them to a node."""
        scene, found = self._synthesizer._scene, {}  # type: ignore[var-annotated]
        tracks = {
            topics.CAMERA_COMPRESSED.name: (self._episode.frames, "rgb8", scene._on_image),
            topics.CAMERA_DEPTH_COMPRESSED.name: (self._episode.depth, "32FC1", scene._on_depth),
        }
        for name, (track, encoding, take) in tracks.items():
            if track is None:
                continue

            def hand_over(index: int, track: Any = track, encoding: str = encoding, take: Any = take) -> None:
                stamp = int(track.times_ns[index])
                take(convert.array_to_image(track.read(index), encoding, stamp, ""))

            found[name] = collections.deque(
                (int(t), lambda i=i, h=hand_over: h(i))  # type: ignore[misc]
                for i, t in enumerate(track.times_ns)
            )
        return found

    # ---- what the models are shown -------------------------------------------------------------------------
    def _take_plan(self, message: Any) -> None:
        # Over its bytes, as over the wire.
        message = deserialize_message(serialize_message(message), type(message))
        node = self._synthesizer
        try:
            path: TipPath = node._tool(message).tip_path()
            view: View = node._view()
            contact = node._core.find_contact(path, view)
            inputs = planned_inputs(
                view.streams, (path.times_ns, path.tip), path.width, contact.time_ns, contact.position
            )
        except Exception as error:  # noqa: BLE001 - what the node would have said
            self._live.refused.append(f"plan `{message.plan_id}`: {error}")
            if "path" in locals():
                self._live.plans[path.plan_id] = LivePlan(path, 0, np.full(3, np.nan), None)
            return
        self._live.plans[path.plan_id] = LivePlan(path, contact.time_ns, contact.position, inputs)

    def _take_contact(self, contact: Contact) -> None:
        node = self._synthesizer
        start_ns = contact.time_ns - NS_PER_S // 4
        view: View = node._view(start_ns - NS_PER_S // 10, start_ns + NS_PER_S + NS_PER_S // 10)
        try:
            if view.streams is None:
                raise NoMotion(view.missing)
            point = contact_point(np.asarray(contact.position), view.streams, contact.time_ns)
            self._live.executed[contact.time_ns] = executed_inputs(view.streams, contact.time_ns, point)
        except ValueError as error:
            self._live.refused.append(f"contact at {contact.time_ns}: {error}")

    def _take_sound(self, sound: HeardSound) -> None:
        self._live.heard[sound.contact.time_ns] = sound


def _live_contact(contact: Contact) -> Any:
    from foley_synthesis.ros.convert import contact_of

    return contact_of(
        ContactEvent(
            header=convert.header(contact.time_ns, "world"),
            contact_id=contact.contact_id or str(contact.time_ns),
            object_id=contact.object_id,
            position=convert.array_to_point(np.asarray(contact.position)),
        )
    )
