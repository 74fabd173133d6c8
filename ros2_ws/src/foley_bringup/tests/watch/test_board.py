"""What the page is told: leases, history, which prediction belongs to which contact."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from foley_bringup.watch.board import Board, Sound, Told

S = 1_000_000_000
SOUND = Sound(np.zeros(480, np.float32), 48_000, 0.0)


def told(state: int, valid_until_ns: int, *arguments: str) -> Told:
    return Told(
        "is_made_of_metal", arguments or ("mug",), state, 0.9, 5 * S, valid_until_ns, "heard", 2, "ab12"
    )


def believed(board: Board, name: str) -> None:
    board.belief(name, 5 * S, {"wood": 0.25, "metal": 0.75}, (0.1, 0.2, 0.3), abstain=False, contacts=(2, 1))


def test_a_state_whose_lease_is_over_is_unknown() -> None:
    board = Board()
    board.predicates(6 * S, [told(1, 9 * S)])
    assert board.view(8 * S)["predicates"][0]["state"] == "true"
    late = board.view(10 * S)["predicates"][0]
    assert late["state"] == "unknown" and late["lapsed"]
    assert (late["evidence"], late["contacts"], late["age_s"]) == ("heard", 2, 5.0)


def test_history_holds_changes_alone_and_older_snapshots_are_left_out() -> None:
    board = Board()
    for at, state in ((1, 0), (2, 1), (3, 1), (4, 2)):
        board.predicates(at * S, [told(state, 99 * S)])
    board.predicates(3 * S, [told(1, 99 * S)])
    shown = board.view(5 * S)["predicates"][0]
    assert shown["state"] == "false"
    assert shown["history"] == [[1.0, "unknown"], [2.0, "true"], [4.0, "false"]]


def test_objects_that_a_snapshot_does_not_name_are_gone() -> None:
    board = Board()
    believed(board, "mug")
    believed(board, "place_1")
    board.predicates(6 * S, [told(1, 9 * S, "mug")])
    objects = board.view(7 * S)["objects"]
    assert [entry["id"] for entry in objects] == ["mug"]
    assert objects[0]["top"][0] == ["metal", 0.75]
    assert board.positions() == {"mug": (0.1, 0.2, 0.3)}


def test_the_prediction_of_a_contacts_plan_comes_before_a_nearer_one() -> None:
    board = Board()
    mine, other = (Sound(np.full(9, v, np.float32), 48_000, 0.0) for v in (1.0, 2.0))
    board.predicted("plan_1", 10 * S + S // 5, mine)
    board.predicted("plan_2", 10 * S, other)
    board.contact("c1", 10 * S, "mug", "tap", "plan_1")
    board.contact("c2", 10 * S, "mug", "tap", "")
    board.contact("c3", 12 * S, "mug", "tap", "plan_1")
    assert board.sounds("c1") == (None, mine)
    assert board.sounds("c2") == (None, other)
    assert board.sounds("c3") == (None, None), "two seconds away"
    assert board.sounds("c9") is None


def test_surprises_belong_to_contacts_and_missed_contacts_to_plans() -> None:
    board = Board()
    board.contact("c1", 10 * S, "mug", "tap", "plan_1")
    board.surprise("c1", "plan_1", 10 * S, (0.2, 0.97, True))
    board.surprise("", "plan_2", 11 * S, (math.nan, math.nan, True))
    view = board.view(12 * S)
    assert view["contacts"][0]["surprised"] and view["contacts"][0]["percentile"] == 0.97
    assert view["missed"] == [{"plan_id": "plan_2", "time_s": 11.0}]


def test_a_node_that_is_not_heard_is_silent() -> None:
    board = Board()
    board.health("/material", 10 * S, 1, "no sound", {"objects": "2"})
    assert board.view(11 * S)["nodes"][0]["level"] == "warn"
    assert board.view(14 * S)["nodes"][0]["level"] == "silent"


def test_it_is_json_whatever_is_not_known() -> None:
    board = Board()
    board.belief("mug", 0, {}, (math.nan,) * 3, abstain=True, contacts=(0, 0))
    board.predicates(1, [Told("p", ("mug",), 7, math.nan, 0, 2 * S)])
    board.contact("c1", S, "", "", "")
    view = board.view(S)
    json.dumps(view, allow_nan=False)
    assert view["predicates"][0]["state"] == "unknown"
    assert view["objects"][0]["position"] == [None, None, None]


@pytest.mark.parametrize("count", [30])
def test_only_the_last_contacts_are_kept(count: int) -> None:
    board = Board()
    for number in range(count):
        board.contact(f"c{number}", number * S, "", "tap", "")
    shown = [entry["id"] for entry in board.view(count * S)["contacts"]]
    assert shown == [f"c{number}" for number in range(count - 1, count - 25, -1)]
