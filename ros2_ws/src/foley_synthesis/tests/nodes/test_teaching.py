"""Teaching the material node over real middleware, with the hearing model that ships."""

from __future__ import annotations

import argparse
import importlib.util
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.nodes
RATE = 48_000
TRUE, FALSE = 1, 2


def _world() -> ModuleType:
    spec = importlib.util.spec_from_file_location("live_world", Path(__file__).parents[1] / "live_world.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def strike(loose: bool, seed: int) -> np.ndarray:
    """A second; what is loose beats again and rings shorter."""
    rng = np.random.default_rng(seed)
    t = np.arange(RATE) / RATE
    sound = 1e-4 * rng.standard_normal(RATE)
    for k in range(3 if loose else 1):
        after = t - 0.25 - 0.03 * k * rng.uniform(0.8, 1.2)
        for hz in (700.0, 1900.0, 3700.0):
            decay = (60.0 if loose else 25.0) * rng.uniform(0.9, 1.1)
            ring = rng.uniform(0.5, 1.0) * np.exp(-decay * after) * np.sin(2 * np.pi * hz * after)
            sound += np.where(after > 0, 0.1 * (1.0 if k == 0 else 0.5) * ring, 0.0)
    return sound.astype(np.float32)


class Person:
    """Touches a jar and says what is true of it."""

    def __init__(self, context: Any) -> None:
        from foley_msgs.msg import MaterialEstimate, PredicateArray
        from foley_ros import qos

        self.context, self.world = context, _world()
        self.observer = context.create_node()
        self.bench = self.world.Bench(self.observer)
        self.heard: set[str] = set()
        self.snapshots: list[Any] = []
        listen = self.observer.create_subscription
        listen(MaterialEstimate, "material_estimates", lambda m: self.heard.add(m.contact_id), qos.EVENT)
        listen(PredicateArray, "predicates", self.snapshots.append, qos.LATCHED)
        self.count = 0

    def matched(self) -> None:
        self.context.spin_until(
            lambda: (
                all(p.get_subscription_count() for p in (self.bench.audio, self.bench.contact))
                and self.observer.count_publishers("material_estimates")
            ),
            what="matching",
        )

    def touch(self, loose: bool) -> str:
        self.count += 1
        name = f"touch_{self.count}"
        start_ns = self.world.now_ns() - 1_000_000_000
        event = self.world.contact_message(name, start_ns + 250_000_000, object_id="jar")
        self.bench.contact.publish(event)
        self.bench.hear(strike(loose, self.count), start_ns, rate=RATE, stream_id=name)
        self.context.spin_until(lambda: name in self.heard, 20.0, f"{name} is heard")
        return name

    def teach(self, state: int, **request: Any) -> Any:
        from foley_msgs.srv import TeachPredicate

        asked = TeachPredicate.Request(name="lid_is_tight", state=state, **request)
        return self.context.call(TeachPredicate, "material/teach_predicate", asked)

    def value(self) -> Any:
        """Of the newest snapshot; None where there is no such predicate."""
        found = self.snapshots[-1].predicates if self.snapshots else []
        return next((p for p in found if p.name == "lid_is_tight" and p.arguments == ["jar"]), None)

    def until(self, state: int) -> None:
        self.context.spin_until(
            lambda: (v := self.value()) is not None and v.state == state, 20.0, f"lid_is_tight is {state}"
        )


@pytest.fixture
def person(ros_context: Any) -> Person:
    return Person(ros_context)


@pytest.fixture
def start(person: Person, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    from rclpy.lifecycle import TransitionCallbackReturn
    from rclpy.parameter import Parameter

    from foley_synthesis.nodes.material import MaterialNode

    parameters = {"taught_predicates": str(tmp_path / "taught"), "state_file": str(tmp_path / "beliefs.json")}
    nodes: list[Any] = []

    def started() -> Any:
        node = person.context.add(
            MaterialNode(parameter_overrides=[Parameter(k, value=v) for k, v in parameters.items()])
        )
        nodes.append(node)
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS, node._failure
        assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        person.matched()
        return node

    yield started
    for node in nodes:
        node._quietly(node._release)


def test_a_predicate_is_taught_believed_kept_over_a_restart_and_removed(
    person: Person, start: Callable[[], Any], tmp_path: Path
) -> None:
    from foley_msgs.srv import TeachPredicate
    from foley_synthesis.commands import predicate

    kind = TeachPredicate.Response
    node = start()
    assert person.teach(TRUE).error_code == kind.ERROR_UNKNOWN_CONTACT
    assert person.teach(7).error_code == kind.ERROR_BAD_STATE
    answers = []
    for k in range(10):
        name = person.touch(loose=k % 2 == 1)
        answers.append(person.teach(FALSE if k % 2 else TRUE, write_id=f"w{k}"))
        assert (answers[-1].error_code, answers[-1].contact_id) == (kind.ERROR_NONE, name)
    assert (answers[0].positives, answers[0].negatives) == (1, 0) and math.isnan(answers[0].left_out_accuracy)
    assert not answers[3].enough and "label 1 more positive; label 1 more negative" in answers[3].advice
    assert answers[-1].enough and answers[-1].left_out_accuracy == 1.0 and answers[-1].left_out_log_loss < 0.4

    # The same write again changes nothing; the same id for another one is refused; a label is taken back.
    again = person.teach(TRUE, write_id="w0")
    assert (again.contact_id, again.positives) == (answers[0].contact_id, 1)
    assert person.teach(FALSE, write_id="w0").error_code == kind.ERROR_WRITE_ID_USED
    back = person.teach(0, contact_id=answers[9].contact_id)
    assert (back.positives, back.negatives) == (5, 4)

    for _ in range(2):
        person.touch(loose=False)
    person.until(TRUE)
    assert person.value().evidence == "taught" and person.value().probability > 0.75
    for _ in range(2):
        person.touch(loose=True)
    person.until(FALSE)
    for _ in range(2):
        person.touch(loose=False)
    person.until(TRUE)

    # Its successor knows the predicate, and what it was of the jar.
    node._quietly(node._release)
    person.snapshots.clear()
    start()
    person.until(TRUE)

    parser = argparse.ArgumentParser()
    predicate.configure(parser)
    arguments = ["remove", "lid_is_tight", "--folder", str(tmp_path / "taught")]
    assert predicate.run(parser.parse_args(arguments)) == 0
    person.context.spin_until(lambda: person.value() is None, 20.0, "lid_is_tight is gone")
