"""Sorting in the simulator with every node running: `foley up --sim`, predicates by topic, touches by `make_contact`.

Where things stand is taken from `sim/scene`, as a robot's own map would tell it; what they are made of is not. What is
looked at is approached and not touched: the plan is published, sight says what it thinks of the place, and the goal is
cancelled. Only the judge reads the truth.
"""

from __future__ import annotations

import contextlib
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import rclpy
import yaml
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from foley_bringup.examples.sorting.episode import Say, run_episode
from foley_bringup.examples.sorting.run import Row
from foley_bringup.examples.sorting.strategies import TEXT, strategy
from foley_bringup.examples.sorting.task import SortingTask
from foley_bringup.examples.sorting.truth import truly
from foley_common import topics
from foley_common.predicate_view import Fact
from foley_msgs.action import MakeContact
from foley_msgs.msg import ContactEvent
from foley_msgs.srv import SuggestContacts
from foley_ros.predicate_client import PredicateClient
from foley_ros.topics import message_type, profile
from foley_synthesis.beliefs import predicates_file

FIRST_SCENE = 6000
"""Of the test split: scenes that no model, no fusion and no table of docs was made with."""
START_S = 180.0  # limits for what hangs
ANSWER_S = 60.0
HEARD_S = 8.0  # from a touch to what is believed of it
LOOK_S = 0.55  # from a plan to the end of a look; the touch would come 0.5 s later
BESIDE_M = 0.03  # what is believed of a place this near to a thing is of it
_SETTINGS = ("sim_world.explore=false", "sim_world.camera_rate_hz=10.0", "sim_world.depth_rate_hz=5.0")


class LiveFailed(OSError):
    """The live system did not start or did not answer."""


class LiveWorld:
    """One table before a running system; see :class:`foley_bringup.examples.sorting.task.SortingWorld`."""

    def __init__(self, node: Node, executor: SingleThreadedExecutor, task: SortingTask, say: Say) -> None:
        self._node, self._executor, self._task, self._say = node, executor, task, say
        self._scene: dict[str, Any] = {}
        self._labels: tuple[str, ...] = ()
        self._places: dict[str, tuple[float, float]] = {}  # of what beliefs are about
        self._touched: dict[str, int] = {}
        self._stage = ""
        self._client = PredicateClient(node)
        self._contacts = ActionClient(node, MakeContact, "make_contact")
        self._suggest = node.create_client(SuggestContacts, "contact_advisor/suggest_contacts")
        for topic, callback in (
            (topics.SIM_SCENE, self._on_scene),
            (topics.VOCABULARY, self._on_vocabulary),
            (topics.MATERIAL_ESTIMATES, self._on_estimate),
        ):
            node.create_subscription(message_type(topic), topic.name, callback, profile(topic))

    # ---- the table -----------------------------------------------------------------------------------------
    @property
    def things(self) -> tuple[str, ...]:
        return tuple(self._scene)

    def believed(self) -> Mapping[str, Fact]:
        self._executor.spin_once(timeout_sec=0.0)
        found: dict[str, Fact] = {}
        for fact in self._client.facts():
            if fact.name != self._task.predicate or fact.arguments[0] not in self._places:
                continue
            thing = self._thing_at(self._places[fact.arguments[0]])
            if thing and (thing not in found or fact.contacts > found[thing].contacts):
                found[thing] = fact
        return found

    def touchable(self) -> tuple[str, ...]:
        return self.things

    def touch(self, thing: str) -> bool:
        before = self._heard(thing)
        result = self._ask(thing)
        if result.error_code != MakeContact.Result.ERROR_NONE:
            self._say(f"make_contact: {result.error_msg}")
            return False
        if not self._spin(lambda: self._heard(thing) > before, HEARD_S):
            self._say(f"nothing was heard of {thing}")
        return True

    def suggested(self) -> str | None:
        if not self._suggest.wait_for_service(timeout_sec=5.0):
            raise LiveFailed(
                "nobody serves contact_advisor/suggest_contacts: is that node part of the system?"
            )
        request = SuggestContacts.Request(predicate=self._task.predicate, most=8)
        request.actions = bytes([ContactEvent.ACTION_TAP])
        asked = self._suggest.call_async(request)
        if not self._spin(asked.done, ANSWER_S):
            raise LiveFailed("contact_advisor/suggest_contacts gave no answer")
        for contact in asked.result().contacts:
            if thing := self._thing_at((contact.position.x, contact.position.y)):
                return thing
        return None

    def savings(self) -> Mapping[str, float]:
        raise ValueError("strategy `worth` is not live: choose never, all, random, vision or suggested")

    def truth(self, thing: str) -> bool:
        item = self._scene[thing]
        specs = {s.name: s for s in predicates_file.load(predicates_file.default_path(), self._labels)}
        return truly(
            specs[self._task.predicate],
            self._labels,
            material=item["material"],
            log10_youngs_modulus=item["log10_youngs_modulus"],
            roughness=item["roughness"],
            hollowness=item["hollowness"],
        )

    # ---- before the first touch ----------------------------------------------------------------------------
    def wait(self) -> None:
        """Until the table is known and the robot listens. Raises LiveFailed."""
        ready = self._spin(lambda: self._scene and self._labels and self._contacts.server_is_ready(), START_S)
        if not ready or not self._spin(lambda: self._client.view.snapshot is not None, START_S):
            raise LiveFailed(f"the live system is not complete: {self._client.trouble() or 'no robot'}")

    def look(self) -> None:
        """Approach everything once, touching nothing, so that sight says what it thinks of it."""
        for thing in self.things:
            for _ in range(2):
                self._ask(thing, look=True)
                if self._spin(lambda thing=thing: thing in self.believed(), HEARD_S):  # type: ignore[misc]
                    break
            else:
                self._say(f"sight says nothing of {thing}")
        for thing in self.things:
            if count := self._heard(thing):
                self._say(
                    f"{thing} was touched {count} times while it was looked at: the look ended too late"
                )

    # ---- internals -----------------------------------------------------------------------------------------
    def _ask(self, thing: str, *, look: bool = False) -> MakeContact.Result:
        goal = MakeContact.Goal()
        goal.contact.object_id, goal.contact.action = thing, ContactEvent.ACTION_TAP
        goal.contact.header.frame_id = "world"
        x, y, z = self._place_for(thing)
        goal.contact.position.x, goal.contact.position.y, goal.contact.position.z = x, y, z
        self._stage = ""
        sent = self._contacts.send_goal_async(goal, feedback_callback=self._on_feedback)
        if not self._spin(sent.done, ANSWER_S) or not sent.result().accepted:
            raise LiveFailed("make_contact took no goal: is sim_world active?")
        answer = sent.result().get_result_async()
        if look:
            self._spin(lambda: self._stage or answer.done(), ANSWER_S)
            self._spin(answer.done, LOOK_S)
            sent.result().cancel_goal_async()
        if not self._spin(answer.done, ANSWER_S):
            raise LiveFailed("make_contact gave no answer")
        result: MakeContact.Result = answer.result().result
        if not look:
            self._touched[thing] = self._touched.get(thing, 0) + 1
        return result

    def _place_for(self, thing: str) -> tuple[float, float, float]:
        """Touches of one thing go along it: a quarter of its length to either side, then its middle."""
        item = self._scene[thing]
        x, y, z = item["position"]
        share = (0.0, 0.2, -0.2)[self._touched.get(thing, 0) % 3]
        along = share * item["size"][0]
        return x + along * math.cos(item["yaw"]), y + along * math.sin(item["yaw"]), z + item["size"][2] / 2

    def _heard(self, thing: str) -> int:
        fact = self.believed().get(thing)
        return 0 if fact is None else fact.contacts

    def _thing_at(self, place: tuple[float, float]) -> str:
        """The thing that lies there; empty where none does."""
        beside = {thing: _beside(item, place) for thing, item in self._scene.items()}
        nearest = min(beside, key=lambda thing: beside[thing], default="")
        return nearest if nearest and beside[nearest] <= BESIDE_M else ""

    def _spin(self, condition: Callable[[], Any], timeout_s: float) -> bool:
        end = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > end:
                return False
            self._executor.spin_once(timeout_sec=0.05)
        return True

    def _on_scene(self, message: Any) -> None:
        self._scene = {item["id"]: item for item in yaml.safe_load(message.data)["objects"]}

    def _on_vocabulary(self, message: Any) -> None:
        self._labels = tuple(message.labels)

    def _on_estimate(self, message: Any) -> None:
        if not message.contact_id and math.isfinite(message.position.x):
            self._places[message.object_id] = (message.position.x, message.position.y)

    def _on_feedback(self, message: Any) -> None:
        self._stage = message.feedback.stage


def _beside(item: Mapping[str, Any], place: tuple[float, float]) -> float:
    """How far a place lies beside the outline of a thing [m]."""
    away = (place[0] - item["position"][0], place[1] - item["position"][1])
    c, s = math.cos(item["yaw"]), math.sin(item["yaw"])
    local = (c * away[0] + s * away[1], c * away[1] - s * away[0])
    return math.hypot(
        *(max(abs(v) - extent / 2, 0.0) for v, extent in zip(local, item["size"][:2], strict=True))
    )


# ---- running ---------------------------------------------------------------------------------------------------
@contextlib.contextmanager
def live_system(scene_seed: int, log_file: Path) -> Iterator[None]:
    """`foley up --sim` before one scene, until the block ends. Raises LiveFailed where it does not come up."""
    command = [sys.executable, "-m", "foley_bringup.cli", "up", "--sim", "--scene-seed", str(scene_seed)]
    command += ["--without", "recorder", *(f"--set={setting}" for setting in _SETTINGS)]
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + START_S
        while "the system is up" not in log_file.read_text("utf-8", errors="replace"):
            if process.poll() is not None or time.monotonic() > end:
                raise LiveFailed(f"`foley up --sim` did not come up; its words are in {log_file}")
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def run_live(
    task: SortingTask,
    seeds: Sequence[int],
    *,
    names: Sequence[str],
    engine: str,
    say: Say,
    folder: Path,
) -> list[Row]:
    """A system for every seed and strategy; that which never touches goes first, before another one's.

    Raises:
        LiveFailed: the system does not come up or does not answer.
        ValueError: a strategy that cannot be live.
    """
    folder.mkdir(parents=True, exist_ok=True)
    without, touching = [n for n in names if n == "never"], [n for n in names if n != "never"]
    rows = []
    for seed in seeds:
        for number, name in enumerate(touching or [""]):
            of_system = [*(without if number == 0 else []), *([name] if name else [])]
            with live_system(FIRST_SCENE + seed, folder / f"live_{seed}_{name or 'never'}.log"):
                rows += _tables(task, seed, of_system, engine, say)
    return rows


def _tables(task: SortingTask, seed: int, names: Sequence[str], engine: str, say: Say) -> list[Row]:
    scene = f"test-{FIRST_SCENE + seed:05d}"
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("sorting", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    rows = []
    try:
        world = LiveWorld(node, executor, task, say)
        world.wait()
        world.look()
        for name in names:
            say(f"seed {seed}, {scene}: {TEXT[name]}")
            choose = strategy(name, world, task, seed)
            rows.append(Row(seed, scene, name, run_episode(world, task, choose, engine=engine, say=say)))
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)
    return rows
