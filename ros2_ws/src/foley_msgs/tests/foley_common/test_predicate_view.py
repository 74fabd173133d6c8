"""No TRUE outlives its lease, its publisher or its clock, and no old message replaces a newer one."""

from __future__ import annotations

import dataclasses
import math

import pytest

from foley_common.predicate_view import Fact, PredicateView, Snapshot, State

S = 1_000_000_000
T0 = 1_000 * S
METAL = Fact(
    "is_made_of_metal",
    ("mug",),
    State.TRUE,
    probability=0.9,
    newest_evidence_ns=T0 - 5 * S,
    valid_until_ns=T0 + 3 * S,
)
HOLLOW = Fact("is_hollow", ("mug",), State.FALSE, probability=0.2, valid_until_ns=T0 + 3 * S)
ROUGH = Fact("surface_is_rough", ("mug",), State.UNKNOWN, valid_until_ns=T0 + 3 * S)
INSIDE = Fact("rattles_in", ("bead", "box"), State.TRUE, probability=0.8, valid_until_ns=T0 + S)


def snapshot(sequence: int, stamp_ns: int, *facts: Fact) -> Snapshot:
    return Snapshot(sequence, stamp_ns, facts)


def seen(*facts: Fact, now_ns: int = T0) -> PredicateView:
    view = PredicateView()
    assert view.take(snapshot(7, T0, *facts), now_ns)
    return view


def test_true_false_and_all_that_cannot_be_told() -> None:
    view = seen(METAL, HOLLOW, ROUGH, INSIDE)
    assert view.holds("is_made_of_metal", "mug", now_ns=T0) is True
    assert view.holds("is_hollow", "mug", now_ns=T0) is False
    assert view.holds("rattles_in", "bead", "box", now_ns=T0) is True
    for unknown in (
        ("surface_is_rough", "mug"),
        ("is_hollow", "cup"),
        ("no_such", "mug"),
        ("rattles_in", "box", "bead"),
        ("rattles_in", "bead"),
    ):
        assert view.holds(*unknown, now_ns=T0) is None
    assert PredicateView().holds("is_hollow", "mug", now_ns=T0) is None


def test_a_lease_that_ended_is_unknown() -> None:
    view = seen(METAL, INSIDE)
    at = lambda *key, s: view.holds(*key, now_ns=T0 + round(s * S))  # noqa: E731
    assert at("is_made_of_metal", "mug", s=3.0) is True
    assert at("is_made_of_metal", "mug", s=3.000001) is None
    assert [f.state for f in view.facts(T0 + 2 * S)] == [State.TRUE, State.UNKNOWN], "each has its own"


def test_what_is_not_sure_or_fresh_enough_for_the_question_is_unknown() -> None:
    view = seen(METAL, HOLLOW)
    ask = lambda name, **bounds: view.holds(name, "mug", now_ns=T0, **bounds)  # noqa: E731
    assert ask("is_made_of_metal", least_confidence=0.9) is True
    assert ask("is_made_of_metal", least_confidence=0.91) is None
    assert ask("is_hollow", least_confidence=0.8) is False, "of a FALSE the complement counts"
    assert ask("is_hollow", least_confidence=0.81) is None
    assert ask("is_made_of_metal", greatest_age_s=5.0) is True
    assert ask("is_made_of_metal", greatest_age_s=4.9) is None
    assert ask("is_hollow", greatest_age_s=1e6) is None, "no evidence has no age"
    sure_of_nothing = seen(dataclasses.replace(METAL, probability=math.nan))
    assert sure_of_nothing.holds("is_made_of_metal", "mug", now_ns=T0, least_confidence=0.5) is None


def test_what_the_next_snapshot_does_not_tell_is_unknown() -> None:
    view = seen(METAL, HOLLOW)
    assert view.take(snapshot(8, T0 + 1, HOLLOW), T0)
    assert view.holds("is_made_of_metal", "mug", now_ns=T0) is None
    assert view.holds("is_hollow", "mug", now_ns=T0) is False


@pytest.mark.parametrize(
    ("sequence", "stamp_ns", "taken", "restarts"),
    [
        (8, T0 + S, True, 0),  # the next one
        (6, T0 - S, False, 0),  # one that was overtaken
        (7, T0, False, 0),  # the same, heard twice
        (9, T0 - S, False, 0),  # a dead publisher's last word behind its successor's first
        (1, T0 + S, True, 1),  # a publisher that was started again
        (7, T0 + S, True, 1),  # likewise, which happens to have got as far
        (8, T0, True, 0),  # two in one instant
    ],
)
def test_order(sequence: int, stamp_ns: int, taken: bool, restarts: int) -> None:
    view = seen(METAL)
    assert view.take(snapshot(sequence, stamp_ns), T0 + S) is taken
    assert view.holds("is_made_of_metal", "mug", now_ns=T0 + S) is (None if taken else True)
    assert (view.restarts, view.ignored) == (restarts, 0 if taken else 1)


def test_time_that_is_set_back() -> None:
    """A simulation that begins anew must not find last run's facts to hold for a quarter of an hour."""
    view = seen(METAL)
    assert view.holds("is_made_of_metal", "mug", now_ns=5 * S) is None
    assert "one clock" in view.trouble(5 * S) and "995.0 s" in view.trouble(5 * S)
    assert view.take(snapshot(1, 5 * S), 5 * S) and view.restarts == 1
    assert view.trouble(5 * S) == ""
    assert seen(METAL).holds("is_made_of_metal", "mug", now_ns=T0 - S) is True, "clocks of two machines"


def test_a_publisher_that_is_gone() -> None:
    view = seen(METAL)
    view.lost()
    assert view.holds("is_made_of_metal", "mug", now_ns=T0) is None and not list(view.facts(T0))
    assert "foley up" in view.trouble(T0)
    assert view.take(snapshot(1, T0 - S, METAL), T0), "whoever comes next is heard"


def test_trouble_says_that_leases_are_over() -> None:
    view = seen(METAL, ROUGH)
    assert view.trouble(T0) == ""
    assert "4.0 s old" in view.trouble(T0 + 4 * S)
    assert seen(ROUGH).trouble(T0 + 4 * S) == "", "nothing was known"


def test_a_snapshot_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match=r"is_made_of_metal\(mug\) twice"):
        snapshot(1, T0, METAL, dataclasses.replace(METAL, state=State.FALSE))
    assert snapshot(1, T0, METAL, INSIDE).objects == ("bead", "box", "mug")
