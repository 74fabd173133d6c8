"""Every interface survives serialisation with every field set, and is documented field by field."""

from __future__ import annotations

import array
import importlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
from rclpy.serialization import deserialize_message, serialize_message

PACKAGE = Path(__file__).resolve().parent.parent
FILES = sorted(p for kind in ("msg", "srv", "action") for p in (PACKAGE / kind).glob(f"*.{kind}"))
DESIGNED = {
    *(
        "AudioChunk",
        "HandKeypoints",
        "HandTrajectory",
        "ToolTrajectory",
        "ContactEvent",
        "MaterialEstimate",
        "Predicate",
    ),
    *("PredicateArray", "PredictedAudio", "Surprise", "GetPredicates", "StartRecording", "StopRecording"),
    *("LabelSegment", "PredictContact", "ReconstructScene"),
}


def parts(path: Path) -> list[type]:
    """The message classes of an interface file: one for msg, two for srv, three for action."""
    interface = getattr(importlib.import_module(f"foley_msgs.{path.suffix[1:]}"), path.stem)
    names = {".msg": (), ".srv": ("Request", "Response"), ".action": ("Goal", "Result", "Feedback")}[
        path.suffix
    ]
    return [getattr(interface, name) for name in names] or [interface]


CLASSES = [pytest.param(c, id=c.__name__) for path in FILES for c in parts(path)]


def fill(message: Any, counter: Iterator[int]) -> Any:
    """Give every field, at any depth, a value of its own that is not the default."""
    for field, kind in message.get_fields_and_field_types().items():
        setattr(message, field, value_of(kind, counter))
    return message


def value_of(kind: str, counter: Iterator[int]) -> Any:
    fixed = re.fullmatch(r"(.+)\[(\d+)\]", kind)
    sequence = re.fullmatch(r"sequence<(.+?)(?:, \d+)?>", kind)
    if fixed or sequence:
        element = (fixed or sequence)[1]  # type: ignore[index]
        values = [value_of(element, counter) for _ in range(int(fixed[2]) if fixed else 3)]
        if fixed and element in ("float", "double"):
            return np.array(values, dtype=np.float32 if element == "float" else np.float64)
        return (
            array.array("f" if element == "float" else "d", values)
            if element in ("float", "double")
            else values
        )
    number = next(counter)
    if "/" in kind:
        package, name = kind.split("/")
        return fill(getattr(importlib.import_module(f"{package}.msg"), name)(), counter)
    if kind in ("float", "double"):
        return number + 0.5  # exact in both widths
    if kind == "boolean":
        return True
    if kind.startswith("string"):
        return f"text {number} °"
    return number % 100 + 1


@pytest.mark.parametrize("message_class", CLASSES)
def test_round_trip(message_class: type) -> None:
    message = fill(message_class(), itertools.count(1))
    assert message != message_class(), "nothing was set"
    again = deserialize_message(serialize_message(message), message_class)
    assert again == message


@pytest.mark.parametrize("message_class", CLASSES)
def test_defaults_round_trip(message_class: type) -> None:
    assert deserialize_message(serialize_message(message_class()), message_class) == message_class()


def test_every_interface_of_the_design_exists() -> None:
    assert {path.stem for path in FILES} >= DESIGNED


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_numbers_say_their_unit_or_meaning(path: Path) -> None:
    """A float without a word about its unit, or a stamp without a word about its moment, is a trap."""
    for raw in path.read_text().splitlines():
        declaration, _, comment = raw.partition("#")
        words = declaration.split()
        if len(words) < 2 or "=" in declaration:
            continue
        if words[0].startswith(("float32", "float64")):
            assert comment.strip(), f"{path.name}: `{declaration.strip()}` has no comment"
        if words[0] == "std_msgs/Header":
            assert "stamp:" in comment, f"{path.name}: what moment is the stamp?"


@pytest.mark.parametrize("path", [p for p in FILES if p.suffix != ".msg"], ids=lambda p: p.stem)
def test_results_carry_an_error_code_and_a_sentence(path: Path) -> None:
    if path.suffix == ".srv" or path.suffix == ".action":
        result = parts(path)[1]
        fields = result.get_fields_and_field_types()
        assert fields["error_code"] == "uint16" and fields["error_msg"] == "string"
        codes = {name: getattr(result, name) for name in dir(result) if name.startswith("ERROR_")}
        assert codes["ERROR_NONE"] == 0 and len(set(codes.values())) == len(codes)


def test_sentinels_survive() -> None:
    from foley_msgs.msg import AudioChunk, ContactEvent

    event = ContactEvent(duration=float("nan"), impulse=float("nan"), level=float("-inf"))
    event.position.x = float("nan")
    again = deserialize_message(serialize_message(event), ContactEvent)
    assert np.isnan([again.duration, again.impulse, again.position.x]).all() and again.level == float("-inf")
    chunk = AudioChunk(first_sample=2**63 + 1, stamp_uncertainty=AudioChunk.UNCERTAINTY_UNKNOWN)
    assert deserialize_message(serialize_message(chunk), AudioChunk).first_sample == 2**63 + 1
