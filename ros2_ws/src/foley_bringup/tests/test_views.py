"""What RViz and Foxglove are told to show: topics and fields that there are, QoS that meets what is offered."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from foley_common import topics

ROOT = Path(__file__).resolve().parents[4]
BRINGUP = ROOT / "ros2_ws/src/foley_bringup"
BY_NAME = {"/" + topic.name.lstrip("/"): topic for topic in topics.TOPICS}
PATHS = ("value", "topicPath", "imageTopic", "calibrationTopic", "topicToRender")


def found(content: Any) -> Iterator[tuple[str, Any]]:
    """Key and value of everything within."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield key, value
            yield from found(value)
    elif isinstance(content, list):
        for value in content:
            yield from found(value)


def paths(layout: dict[str, Any]) -> set[str]:
    named = {value for key, value in found(layout) if key in PATHS and isinstance(value, str)}
    return named | {name for key, value in found(layout) if key == "topics" for name in value}


def test_foxglove_is_shown_topics_and_fields_that_there_are() -> None:
    from foley_ros.topics import message_type

    asked = paths(json.loads((BRINGUP / "foxglove/foley.json").read_text()))
    assert len(asked) >= 12
    for path in asked:
        name, _, fields = path.partition(".")
        assert name in BY_NAME, path
        kind = message_type(BY_NAME[name])
        for field in filter(None, fields.split(".")):
            there = kind.get_fields_and_field_types()
            assert field in there, path
            part = getattr(kind(), field)
            kind = type(part)


def test_the_layout_is_what_foxgloves_own_classes_write() -> None:
    pytest.importorskip("foxglove.layouts", reason="`pip install foxglove-sdk` checks the layout's schema")
    script = ROOT / "scripts/write_foxglove_layout.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_namespace_goes_before_all_but_absolute_topics(tmp_path: Path) -> None:
    pytest.importorskip("foxglove.layouts")
    out = tmp_path / "left.json"
    script = ROOT / "scripts/write_foxglove_layout.py"
    subprocess.run([sys.executable, script, "--namespace", "left_arm", "--out", out], check=True)
    for path in paths(json.loads(out.read_text())):
        name = path.partition(".")[0]
        assert name.startswith("/left_arm/") or BY_NAME[name].absolute, path


def test_rviz_asks_for_what_is_offered() -> None:
    content = yaml.safe_load((BRINGUP / "rviz/foley.rviz").read_text())
    shown = 0
    for display in content["Visualization Manager"]["Displays"]:
        about = display.get("Topic") or display.get("Description Topic")
        if about is None:
            continue
        topic, shown = BY_NAME["/" + about["Value"].lstrip("/")], shown + 1
        latched = topic.qos in ("latched", "tf_static")
        assert about["Durability Policy"] == ("Transient Local" if latched else "Volatile"), topic.name
        assert about["Reliability Policy"] in ("Best Effort", "Reliable"[: 8 * (topic.qos != "image")]), (
            topic.name
        )
    assert shown >= 4
