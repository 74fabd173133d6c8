"""`foley planner` from a file and from a running publisher, into files that other programs read."""

from __future__ import annotations

import argparse
import math
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foley_bringup.commands import planner
from foley_bringup.planners.behavior_tree_cpp import check
from foley_bringup.planners.snapshot_file import Known, SnapshotFileError, dumps, load
from foley_common.predicate_view import Description, Fact, State

KNOWN = Known(
    (
        Fact("is_made_of_metal", ("Mug 1",), State.TRUE, 0.9, 5, 6, "heard", 2, "abc"),
        Fact("is_hollow", ("Mug 1",), State.UNKNOWN),
    ),
    (
        Description("is_made_of_metal", observed_by=("tap",), observation_cost_s=4.0),
        Description("is_hollow"),
        Description("clean", ("x", "y"), ("object", "object")),
    ),
)


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., int]:
    snapshot = tmp_path / "now.json"
    snapshot.write_text(dumps(KNOWN))

    def call(*arguments: str, source: tuple[str, ...] = ("--snapshot", str(snapshot))) -> int:
        parser = argparse.ArgumentParser()
        planner.configure(parser)
        return planner.run(parser.parse_args([*arguments, *source]))

    return call


def test_a_file_holds_what_is_known(tmp_path: Path) -> None:
    path = tmp_path / "now.json"
    path.write_text(dumps(KNOWN))
    found = load(path)
    assert str(found) == str(KNOWN) and math.isnan(found.facts[1].probability)
    assert found.facts[0] == KNOWN.facts[0] and found.descriptions[0].observation_cost_s == 4.0
    for text, told in (
        ("{", "not JSON"),
        ("[]", "TypeError"),
        ('{"facts": [{"name": "a", "arguments": [], "state": "MAYBE"}]}', "MAYBE"),
        ('{"facts": [{"name": "a", "arguments": [], "state": "TRUE", "sure": 1}]}', "sure"),
    ):
        path.write_text(text)
        with pytest.raises(SnapshotFileError, match=told):
            load(path)


def test_files_of_each_format(command: Callable[..., int], tmp_path: Path, capsys: Any) -> None:
    stem = str(tmp_path / "out" / "kitchen")
    for kind in ("pddl", "bt-xml", "clips", "json"):
        assert command("export", "--format", kind, "--out", stem) == 0
    problem = Path(f"{stem}_problem.pddl").read_text()
    assert "(is_made_of_metal mug_1)" in problem and "(unknown_is_hollow mug_1)" in problem
    assert ":action observe_is_made_of_metal_true" in Path(f"{stem}_domain.pddl").read_text()
    xml = Path(f"{stem}.xml").read_text()
    assert check(xml) == () and len(ET.fromstring(xml).findall("BehaviorTree")) == 2
    assert '(arguments "Mug 1") (state TRUE)' in Path(f"{stem}.clp").read_text()
    assert str(load(Path(f"{stem}.json"))) == str(KNOWN)
    capsys.readouterr()
    assert command("export", "--format", "pddl", "--unknown", "contingent") == 0
    assert "(unknown (is_hollow mug_1))" in capsys.readouterr().out


def test_a_domain_is_checked(command: Callable[..., int], tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("unified_planning")
    domain = tmp_path / "kitchen.pddl"
    domain.write_text(
        "(define (domain kitchen) (:requirements :strips :typing) (:predicates (is_made_of_metal ?x - object) "
        "(is_hollow ?x - object) (clean ?x - object) (dirty ?x - object)))"
    )
    assert command("check", str(domain)) == 1
    assert capsys.readouterr().out.splitlines() == [
        "is_made_of_metal: can be observed",
        "is_hollow: is told, but no action of the robot brings evidence",
        "clean: has another number of arguments than Foley's",
        "dirty: is not Foley's",
    ]
    domain.write_text("(define")
    assert command("check", str(domain)) == 2 and "cannot be read" in capsys.readouterr().err
    assert command("check", str(tmp_path / "absent.pddl")) == 2


@pytest.mark.nodes
def test_from_a_running_publisher(command: Callable[..., int], ros_context: Any, capsys: Any) -> None:
    import threading

    from foley_common import topics
    from foley_msgs.msg import Predicate, PredicateArray, PredicateDescription
    from foley_msgs.srv import ListPredicates
    from foley_ros.convert import to_stamp
    from foley_ros.topics import profile

    node = ros_context.create_node("material")
    publisher = node.create_publisher(PredicateArray, "predicates", profile(topics.PREDICATES))
    now_ns = node.get_clock().now().nanoseconds
    metal = Predicate(name="is_made_of_metal", arguments=["mug"], state=Predicate.TRUE, probability=0.9)
    for sequence, age_ns, lease_ns in ((1, 10**10, 3 * 10**9), (2, 0, 10**13)):  # the older one comes first
        metal.valid_until = to_stamp(now_ns - age_ns + lease_ns)
        message = PredicateArray(sequence=sequence, predicates=[metal])
        message.header.stamp = to_stamp(now_ns - age_ns)
        publisher.publish(message)

    def listed(request: Any, response: Any) -> Any:
        response.predicates = [
            PredicateDescription(
                name=metal.name, parameters=["x"], parameter_types=["object"], observed_by=["tap"]
            )
        ]
        return response

    node.create_service(ListPredicates, "material/list_predicates", listed)
    ended = threading.Event()
    serving = threading.Thread(
        target=lambda: [ros_context.executor.spin_once(0.05) for _ in iter(ended.is_set, True)]
    )
    serving.start()
    try:
        assert _in_a_process("export", "--format", "clips") == (
            0,
            "(name is_made_of_metal) (arguments mug) (state TRUE)",
        )
    finally:
        ended.set()
        serving.join()


def _in_a_process(*arguments: str) -> tuple[int, str]:
    """Exit code, and what is told of the first fact: rclpy's default context belongs to the test's own process."""
    import subprocess
    import sys

    result = subprocess.run(
        [sys.executable, "-m", "foley_bringup", "planner", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )
    told = [
        line.strip() for line in result.stdout.splitlines() if line.strip().startswith("(foley-predicate")
    ]
    return result.returncode, " ".join(told[0].split()[1:7]) if told else result.stderr


@pytest.mark.nodes
def test_nobody_there(ros_domain: int) -> None:
    from foley_bringup.ros.known_now import known_now
    from foley_ros.questions import AskedError

    with pytest.raises(AskedError, match=r"/nowhere/material/list_predicates is not there: is its node up"):
        known_now("/nowhere", timeout_s=0.3)
