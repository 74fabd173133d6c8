"""The enumerations that code without messages uses are those of the messages, and no package has others."""

from __future__ import annotations

import enum
import re
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
from foley_common import enumerations
from foley_common.enumerations import ACTIONS, KNOWN_ACTIONS, UNKNOWN, Action, Gate, PredictionMode
from foley_common.predicate_view import State
from foley_msgs.msg import ContactEvent, Predicate, PredictedAudio

SOURCES = Path(__file__).resolve().parents[3]


def constants(file: str, prefix: str) -> dict[str, int]:
    """Constants of a message as its file defines them: name without prefix -> number."""
    text = (SOURCES / "foley_msgs" / "msg" / f"{file}.msg").read_text()
    return {name: int(value) for name, value in re.findall(rf"^uint8 {prefix}(\w+)=(\d+)", text, re.M)}


@pytest.mark.parametrize(
    ("ours", "message", "prefix"),
    [
        (Action, ContactEvent, "ACTION_"),
        (Gate, ContactEvent, "GATE_"),
        (PredictionMode, PredictedAudio, "MODE_"),
        (State, Predicate, ""),
    ],
)
def test_equal_to_the_message(ours: type[enum.IntEnum], message: type, prefix: str) -> None:
    defined = constants(message.__name__, prefix)
    assert {member.name: int(member) for member in ours} == defined
    assert all(getattr(message, prefix + name) == number for name, number in defined.items())


def test_labels() -> None:
    assert [enumerations.action_label(n) for n in range(len(ACTIONS))] == list(ACTIONS)
    assert enumerations.action_label(200) == enumerations.action_label(-1) == UNKNOWN == ACTIONS[0]
    assert (UNKNOWN, *KNOWN_ACTIONS) == ACTIONS
    assert [mode.label for mode in PredictionMode] == ["planned", "executed"]


def test_the_simulator_does_the_actions_that_there_are() -> None:
    actions = pytest.importorskip("foley_sim.robots.actions")
    assert sorted(actions.ACTIONS) == sorted(KNOWN_ACTIONS)


def test_predicate_states_equal_the_message() -> None:
    from foley_msgs.msg import Predicate

    truth = pytest.importorskip("foley_synthesis.beliefs.hysteresis").Truth
    assert {t.name: int(t) for t in truth} == constants("Predicate", "")
    assert all(getattr(Predicate, t.name) == int(t) for t in truth)


def test_no_package_lists_the_actions_again() -> None:
    """Three of them and more, one after the other, are a copy; the simulator's own (in another order) stands once."""
    names = "|".join(KNOWN_ACTIONS)
    row = re.compile(rf"""(["']({names})["'],\s*){{4,}}""")
    copies = [
        str(file.relative_to(SOURCES))
        for file in sorted(SOURCES.glob("foley_*/foley_*/**/*.py"))
        if row.search(file.read_text(encoding="utf-8"))
    ]
    assert copies == ["foley_sim/foley_sim/robots/actions.py"]
