"""Predicted sounds and the contacts that they are of; planned contacts that do not come."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from foley_perception.audio.ring import AudioRing
from foley_perception.contact_event import Contact
from foley_synthesis.live.contact import ExpectedSound
from foley_synthesis.live.expectation import Expectations, Fate

S = 1_000_000_000
T0 = 1_763_000_000 * S
RATE = 48_000
QUIET: NDArray[np.float32] = np.zeros(1, np.float32)


def expected(time_ns: int = T0, plan_id: str = "plan", x: float = 0.0) -> ExpectedSound:
    return ExpectedSound(time_ns, QUIET, 0.0, RATE, plan_id, "", (x, 0.0, 0.0))


def contact(time_ns: int = T0, x: float = 0.0, name: str = "c1", plan_id: str = "") -> Contact:
    return Contact(time_ns, name, position=(x, 0.0, 0.0), plan_id=plan_id)


def heard(until_ns: int, *, contact_ns: int | None = None, noise: float = 1e-3) -> AudioRing:
    """Two seconds of noise, and a contact in it."""
    n = 2 * RATE
    samples = noise * np.random.default_rng(0).standard_normal(n)
    if contact_ns is not None:
        t = np.arange(n) / RATE - (contact_ns - (until_ns - 2 * S)) / S
        ringing = sum(np.sin(2 * np.pi * f * t) for f in (700.0, 1900.0, 3300.0, 6100.0))
        samples += np.where(t >= 0, 0.1 * ringing * np.exp(-20 * np.maximum(t, 0)), 0.0)
    ring = AudioRing(RATE, 4.0)
    ring.append(samples.astype(np.float32), first_sample=0, time_ns=until_ns - 2 * S)
    return ring


def at(seconds: float) -> int:
    return T0 + round(seconds * S)


def fates(found: list[tuple[ExpectedSound, Fate]]) -> list[tuple[str, Fate]]:
    return [(sound.plan_id, fate) for sound, fate in found]


@pytest.fixture
def expectations() -> Expectations:
    return Expectations()


# ---- which contact -----------------------------------------------------------------------------------------
def test_a_contact_takes_the_sound_that_was_expected_of_it(expectations: Expectations) -> None:
    for sound in (expected(at(0.1), "near"), expected(at(0.2), "mine"), expected(at(0.1), "aside", x=0.2)):
        expectations.expect(sound, at(-1))
    assert expectations.take(contact(at(-0.2))) is None
    taken = expectations.take(contact(plan_id="mine"))
    assert taken is not None and taken.plan_id == "mine", "its plan rather than its time"
    taken = expectations.take(contact())
    assert taken is not None and taken.plan_id == "near"
    assert expectations.take(contact()) is None, "not twice, and not that of another place"


def test_a_newer_prediction_of_a_plan_replaces_the_older(expectations: Expectations) -> None:
    expectations.expect(expected(), at(-1))
    expectations.expect(expected(at(0.1)), at(-0.9))
    assert len(expectations) == 1
    taken = expectations.take(contact())
    assert taken is not None and taken.contact_ns == at(0.1)


# ---- what did not come -------------------------------------------------------------------------------------
def test_a_contact_that_does_not_come_is_missed_within_a_third_of_a_second_and_told_once(
    expectations: Expectations,
) -> None:
    expectations.expect(expected(), at(-1))
    assert expectations.overdue(at(0.2), heard(at(0.2)), deaf=False) == []
    assert not expectations.due(at(0.2)) and expectations.due(at(0.26))
    assert fates(expectations.overdue(at(0.26), heard(at(0.25)), deaf=False)) == [("plan", Fate.MISSED)]
    assert not expectations.due(at(0.3)) and expectations.overdue(at(0.3), heard(at(0.3)), deaf=False) == []
    assert expectations.take(contact(at(0.2))) is not None, "it comes late: its sound is still compared"


@pytest.mark.parametrize("when_s", [-0.2, 0.0, 0.2])
def test_a_contact_that_was_announced_came(expectations: Expectations, when_s: float) -> None:
    expectations.expect(expected(), at(-1))
    expectations.announced(contact(at(when_s)))
    assert expectations.overdue(at(0.3), heard(at(0.3)), deaf=False) == []
    assert expectations.overdue(at(1.3), heard(at(1.3)), deaf=False) == []


def test_a_contact_that_sounded_and_is_announced_late_came(expectations: Expectations) -> None:
    expectations.expect(expected(), at(-1))
    ring = heard(at(0.3), contact_ns=at(0.05))
    assert expectations.overdue(at(0.3), ring, deaf=False) == []
    expectations.announced(contact(at(0.05)))
    assert expectations.overdue(at(1.1), ring, deaf=False) == []
    expectations.expect(expected(at(2), "next"), at(1))
    assert fates(expectations.overdue(at(2.3), heard(at(2.3)), deaf=False)) == [("next", Fate.MISSED)]


@pytest.mark.parametrize(("x", "when_s"), [(0.3, 0.0), (0.0, -0.4)])
def test_another_contact_is_not_the_planned_one(expectations: Expectations, x: float, when_s: float) -> None:
    expectations.expect(expected(), at(-1))
    expectations.announced(contact(at(when_s), x))
    assert fates(expectations.overdue(at(0.3), heard(at(0.3)), deaf=False)) == [("plan", Fate.MISSED)]


def test_a_contact_that_sounded_and_was_not_announced_puts_the_detector_in_doubt(
    expectations: Expectations,
) -> None:
    expectations.expect(expected(), at(-1))
    ring = heard(at(0.3), contact_ns=at(0.05))
    assert expectations.overdue(at(0.3), ring, deaf=False) == [], "it may be announced late"
    assert fates(expectations.overdue(at(1.1), ring, deaf=False)) == [("plan", Fate.UNDETECTED)]
    expectations.expect(expected(at(2), "second"), at(1))
    assert fates(expectations.overdue(at(2.3), heard(at(2.3)), deaf=False)) == [("second", Fate.NOT_KNOWN)]
    expectations.announced(contact(at(3)))
    expectations.expect(expected(at(4), "third"), at(3))
    assert fates(expectations.overdue(at(4.3), heard(at(4.3)), deaf=False)) == [("third", Fate.MISSED)]


def test_without_ears_nothing_is_missed(expectations: Expectations) -> None:
    silent = AudioRing(RATE, 4.0)
    for number, (ring, deaf) in enumerate(
        [(heard(at(0.3)), True), (heard(at(0.3), noise=0.0), False), (silent, False), (heard(at(0.1)), False)]
    ):
        expectations.expect(expected(plan_id=f"plan_{number}"), at(-1))
        late = ring is silent or number == 3
        found = expectations.overdue(at(0.3), ring, deaf=deaf)
        assert fates(found) == ([] if late else [(f"plan_{number}", Fate.NOT_KNOWN)]), number
        found = expectations.overdue(at(1.1), ring, deaf=deaf)
        assert fates(found) == ([(f"plan_{number}", Fate.NOT_KNOWN)] if late else [])


@pytest.mark.parametrize("plan_first", [True, False])
def test_a_plan_that_was_replaced_is_not_missed(expectations: Expectations, plan_first: bool) -> None:
    expectations.planned("plan", at(-1))
    steps = [lambda: expectations.expect(expected(), at(-0.9)), lambda: expectations.planned("new", at(-0.5))]
    for step in reversed(steps) if plan_first else steps:
        step()
    assert expectations.overdue(at(0.3), heard(at(0.3)), deaf=False) == []


def test_a_plan_that_begins_later_replaces_nothing(expectations: Expectations) -> None:
    expectations.planned("plan", at(-1))
    expectations.expect(expected(), at(-0.9))
    expectations.planned("next", at(0.5))
    expectations.planned("plan", at(-1))
    assert fates(expectations.overdue(at(0.3), heard(at(0.3)), deaf=False)) == [("plan", Fate.MISSED)]


def test_a_prediction_that_comes_late_is_compared_and_never_missed(expectations: Expectations) -> None:
    expectations.expect(expected(), at(0.1))
    assert expectations.overdue(at(0.3), heard(at(0.3)), deaf=False) == []
    assert expectations.take(contact()) is not None
