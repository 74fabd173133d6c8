"""Conditions in a real tree: UNKNOWN is no success, a latch bridges it, FALSE ends it."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from foley_bringup.planners.py_trees import holds, observe
from foley_common.predicate_view import Fact, State

py_trees = pytest.importorskip("py_trees")
Status = py_trees.common.Status


class Client:
    """Says what it is told to say."""

    def __init__(self) -> None:
        self.says: bool | None = None
        self.asked: list[tuple[tuple[str, ...], dict[str, Any]]] = []
        self.future: Future[Any] = Future()

    def holds(self, name: str, *arguments: str, **bounds: float) -> bool | None:
        self.asked.append(((name, *arguments), bounds))
        return self.says

    def observe(self, predicate: str, *arguments: str, **how: Any) -> Future[Any]:
        self.asked.append(((predicate, *arguments), how))
        self.future = Future()
        return self.future

    def found(self, state: State, error_msg: str = "") -> None:
        self.says = {State.TRUE: True, State.FALSE: False, State.UNKNOWN: None}[state]
        fact = Fact("is_made_of_metal", ("mug",), state)
        self.future.set_result(SimpleNamespace(fact=fact, contacts=2, error_msg=error_msg))


METAL = ("is_made_of_metal", "mug")


def tick(behaviour: Any) -> Any:
    behaviour.tick_once()
    return behaviour.status


@pytest.mark.parametrize("unknown", ["FAILURE", "RUNNING"])
@pytest.mark.parametrize("expected", [True, False])
def test_success_failure_and_what_cannot_be_told(unknown: str, expected: bool) -> None:
    client = Client()
    condition = holds(client, *METAL, expected=expected, unknown=unknown, least_confidence=0.9)
    assert tick(condition) is Status[unknown]
    client.says = expected
    assert tick(condition) is Status.SUCCESS
    client.says = not expected
    assert tick(condition) is Status.FAILURE
    client.says = expected
    assert tick(condition) is Status.SUCCESS
    client.says = None
    assert tick(condition) is Status[unknown], "nothing is latched unless it was asked for"
    assert set(map(str, client.asked)) == {str((METAL, {"least_confidence": 0.9}))}


def test_a_latch_bridges_unknown_for_its_time_and_false_ends_it() -> None:
    client, now = Client(), [100.0]
    condition = holds(client, *METAL, latch_s=5.0, clock=lambda: now[0])
    client.says = True
    assert tick(condition) is Status.SUCCESS
    client.says, now[0] = None, 105.0
    assert tick(condition) is Status.SUCCESS and "5.0 s ago" in condition.feedback_message
    now[0] = 105.1
    assert tick(condition) is Status.FAILURE
    for opposite in (False, "stopped"):
        client.says, now[0] = True, 200.0
        assert tick(condition) is Status.SUCCESS
        if opposite == "stopped":
            condition.stop(Status.INVALID)
        else:
            client.says = False
            assert tick(condition) is Status.FAILURE
        client.says = None
        assert tick(condition) is Status.FAILURE, f"the latch outlived {opposite}"


def grasp(client: Client) -> tuple[Any, list[str]]:
    """Observe if need be, then grasp what is metal."""
    done: list[str] = []

    class Grasp(py_trees.behaviour.Behaviour):  # type: ignore[misc]
        def update(self) -> Any:
            done.append(self.name)
            return Status.SUCCESS

    known = py_trees.composites.Selector(
        "known", memory=False, children=[holds(client, *METAL), observe(client, *METAL, budget_s=20.0)]
    )
    root = py_trees.composites.Sequence("root", memory=False, children=[known, Grasp("grasp")])
    return root, done


def test_a_tree_observes_and_then_grasps() -> None:
    client = Client()
    root, done = grasp(client)
    assert tick(root) is Status.RUNNING and not done
    assert client.asked[-1] == (METAL, {"budget_s": 20.0})
    assert tick(root) is Status.RUNNING and len([a for a in client.asked if a[1]]) == 1, "asked once"
    client.found(State.TRUE)
    assert tick(root) is Status.SUCCESS and done == ["grasp"]


@pytest.mark.parametrize("state", [State.FALSE, State.UNKNOWN])
def test_a_tree_does_not_grasp_what_is_not_known_to_be_metal(state: State) -> None:
    client = Client()
    root, done = grasp(client)
    tick(root)
    client.found(state, "2 contacts were not enough" if state is State.UNKNOWN else "")
    assert tick(root) is Status.FAILURE and not done
    told = root.children[0].children[1].feedback_message
    assert told.startswith(f"{state.name} after 2 contacts")


def test_known_at_all_and_errors_and_a_stop() -> None:
    client = Client()
    either = observe(client, *METAL, expected=None)
    tick(either)
    client.found(State.FALSE)
    assert tick(either) is Status.SUCCESS
    assert tick(either) is Status.RUNNING, "the next time it is asked anew"
    client.future.set_exception(RuntimeError("nobody serves make_contact"))
    assert tick(either) is Status.FAILURE and "make_contact" in either.feedback_message
    tick(either)
    either.stop(Status.INVALID)
    assert client.future.cancelled()


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="unknown is 'SUCCESS'"):
        holds(Client(), *METAL, unknown="SUCCESS")
