"""Topics have one registry: nothing else names them, and what is written from it agrees with it."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from foley_common import topics

ROOT = Path(__file__).resolve().parents[4]
SOURCES = ROOT / "ros2_ws" / "src"
REGISTRY = "foley_msgs/foley_common/topics.py"
# Nodes and their inputs that still name their topics themselves. The list may only become shorter.
NAMES = {topic.name for topic in topics.TOPICS}
# `contacts` or `labels` are words of many meanings: where they make an entity, they are topics.
DISTINCT = {name for name in NAMES if "/" in name or "_" in name}
ENTITIES = {"create_publisher", "create_subscription", "publisher", "subscription", "resolve_topic_name"}


def named(tree: ast.AST) -> list[tuple[int, str]]:
    """Lines that name a topic by a string, and which."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in DISTINCT:
            found.append((node.lineno, str(node.value)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ENTITIES:
            words = (a for a in node.args if isinstance(a, ast.Constant) and a.value in NAMES - DISTINCT)
            found += [(word.lineno, str(word.value)) for word in words]
    return found


def test_only_the_registry_names_topics() -> None:
    offences = []
    for file in sorted(SOURCES.glob("foley_*/foley_*/**/*.py")):
        name = file.relative_to(SOURCES).as_posix()
        if name != REGISTRY:
            offences += [
                f"{name}:{line}: `{topic}`"
                for line, topic in named(ast.parse(file.read_text(encoding="utf-8")))
            ]
    assert not offences, "take these from foley_common.topics: " + ", ".join(offences)


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("x = 'mic/audio'", 1),
        ("owned.publisher(Msg, 'contacts', qos)", 1),
        ("found['contacts'] = 'mic/audio of the gripper'", 0),
    ],
)
def test_a_topic_that_is_named_is_found(source: str, count: int) -> None:
    assert len(named(ast.parse(source))) == count


def test_docs_and_parameter_files_agree() -> None:
    script = ROOT / "scripts" / "write_topics.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}run python scripts/write_topics.py"


def test_other_files_name_topics_that_there_are() -> None:
    """Comments of parameter files and what RViz shows."""
    first = {name.split("/")[0] for name in NAMES if "/" in name.lstrip("~/")} - {"", "~"}
    pattern = re.compile(rf"(?<![\w/])(?:{'|'.join(sorted(first))})/\w[\w/]*")
    files = [*SOURCES.glob("*/config/*.yaml"), *SOURCES.glob("*/rviz/*.rviz")]
    assert len(files) > 8
    for file in files:
        for word in pattern.findall(file.read_text(encoding="utf-8")):
            assert any(f"{name}/".startswith(f"{word}/") for name in NAMES), (
                f"{file.name}: no topic is `{word}`"
            )


def test_every_topic_has_a_class_and_a_profile() -> None:
    pytest.importorskip("rclpy")
    from foley_ros import qos
    from foley_ros.topics import message_type, profile

    assert set(qos.PROFILES) == set(topics.QOS)
    for topic in topics.TOPICS:
        package, _, name = topic.type.split("/")
        assert message_type(topic) is getattr(importlib.import_module(f"{package}.msg"), name)
        assert profile(topic) is qos.PROFILES[topic.qos]
    assert profile(topics.MICROPHONE) is qos.AUDIO and profile(topics.CAMERA) is qos.IMAGE
    assert profile(topics.EE_POSE) is qos.STATE and profile(topics.PREDICATES) is qos.LATCHED
