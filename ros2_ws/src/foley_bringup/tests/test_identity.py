"""One owner of names: whichever node is killed, contacts and predicates go on to name the same objects alike."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.nodes
pytest.importorskip("rclpy")

HERE, THERE = (
    np.array([0.1, 0.0, 0.1]),
    np.array([0.4, 0.0, 0.1]),
)  # [m], where the tip rests above two objects


def _robot() -> ModuleType:
    path = Path(__file__).parents[2] / "foley_perception" / "tests" / "nodes" / "test_contact_detector.py"
    spec = importlib.util.spec_from_file_location("tapping_robot", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Bench:
    """A robot that taps, the two nodes, and a planner that listens to both."""

    def __init__(self, context: Any, start_node: Any, folder: Path) -> None:
        from foley_msgs.msg import ContactEvent, PredicateArray
        from foley_ros import qos

        self.context, self.start_node, self.folder = context, start_node, folder
        self.contacts: list[Any] = []
        self.snapshots: list[Any] = []
        self.nodes: dict[str, Any] = {}
        self.node = context.create_node("robot")
        self.node.create_subscription(ContactEvent, "contacts", self.contacts.append, qos.EVENT)
        self.node.create_subscription(PredicateArray, "predicates", self.snapshots.append, qos.LATCHED)
        self.robot = _robot().Robot(self.node)

    def start(self, name: str) -> None:
        package = {"contact_detector": "foley_perception", "material": "foley_synthesis"}[name]
        parameters = {"state_file": self.folder / f"{name}.json"}
        self.nodes[name] = self.start_node(f"{package}.nodes.{name}", parameters=parameters)
        self.context.transition(f"/{name}", "configure", "activate")
        self.robot.skip()  # what it did meanwhile: all at once it would be more than queues hold
        heard = self.robot.now() + 0.7
        self.until(lambda: self.robot.matched() and self.robot.now() > heard, "a background to be heard")

    def restart(self, name: str) -> None:
        self.nodes.pop(name).kill()
        self.start(name)

    def until(self, condition: Any, what: str, timeout_s: float = 20.0) -> Any:
        def pumped() -> Any:
            self.robot.pump()
            return condition()

        return self.context.spin_until(pumped, timeout_s, what)

    def touch(self, where: Any) -> str:
        """Tap, and return the name that contact and predicates agree upon."""
        from foley_ros.convert import to_ns

        self.robot.rest = where
        for _ in range(
            3
        ):  # `material` may not know a detector that was started just now, and miss its contact
            contact = self._contact()

            def told(contact: Any = contact) -> bool:
                return bool(self.snapshots) and any(
                    p.name == "was_hit" and p.arguments == [contact.object_id]
                    and to_ns(p.newest_evidence) >= to_ns(contact.header.stamp)
                    for p in self.snapshots[-1].predicates
                )  # fmt: skip

            over = self.robot.now() + 10.0
            self.until(lambda: told() or self.robot.now() > over, f"predicates about {contact.object_id}")  # noqa: B023
            if told():
                return str(contact.object_id)
        pytest.fail(f"no predicates about {contact.object_id}")

    def _contact(self) -> Any:
        """Tap until a contact is heard."""
        before = len(self.contacts)
        for _ in range(10):  # whoever was started just now may not be known to the robot yet
            over = self.robot.tap() + 1.5
            self.until(lambda: self.contacts[before:] or self.robot.now() > over, "a contact")  # noqa: B023
            if self.contacts[before:]:
                break
        return self.contacts[before]

    def named(self) -> set[str]:
        return {p.arguments[0] for p in self.snapshots[-1].predicates}


@pytest.mark.slow
def test_names_stay_whichever_node_is_killed(ros_context: Any, start_node: Any, tmp_path: Path) -> None:
    bench = Bench(ros_context, start_node, tmp_path / "run")
    bench.start("contact_detector")
    bench.start("material")
    here, there = bench.touch(HERE), bench.touch(THERE)
    assert here != there and bench.named() == {here, there}
    bench.restart("contact_detector")
    # The other one first: whoever counts anew would give it the first one's name.
    assert bench.touch(THERE) == there and bench.named() == {here, there}
    bench.restart("material")
    bench.until(
        lambda: bench.snapshots[-1].sequence < 20 and bench.named() == {here, there}, "restored beliefs"
    )
    assert bench.touch(HERE) == here and bench.named() == {here, there}

    # All that was kept of objects is lost: no name of the run before is given again, and no belief changes its object.
    (tmp_path / "run" / "contact_detector.json").unlink()
    bench.restart("contact_detector")
    again = bench.touch(THERE)
    assert again not in (here, there) and bench.named() == {here, there, again}
    shutil.rmtree(tmp_path / "run")
    bench.restart("material")
    assert bench.touch(THERE) == again and bench.named() == {again}
