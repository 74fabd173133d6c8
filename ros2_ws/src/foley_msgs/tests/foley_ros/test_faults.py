"""Standing faults of a node."""

from foley_ros.faults import LOGGED_AT_ONCE, Faults

S = 1_000_000_000
T0 = 1_763_000_000 * S


def test_faults_stand_until_cleared_or_old() -> None:
    logged: list[str] = []
    faults = Faults(logged.append, hold_s=10.0)
    assert faults.standing(T0) == []
    faults.report("a", "broken", T0)
    faults.report("b", "bent", T0 + S)
    assert faults.standing(T0 + 2 * S) == ["b: bent", "a: broken"]
    faults.clear("b")
    assert faults.standing(T0 + 2 * S) == ["a: broken"]
    assert faults.standing(T0 + 11 * S) == [] and faults.count == 2
    assert logged == ["a: broken", "b: bent"]


def test_a_fault_is_logged_when_it_is_new_or_says_something_else() -> None:
    logged: list[str] = []
    faults = Faults(logged.append)
    for what in ("late", "late", "absent"):
        faults.report("camera", what, T0)
    faults.clear("camera")
    faults.report("camera", "absent", T0)
    assert logged == ["camera: late", "camera: absent", "camera: absent"]


def test_a_clock_that_was_set_back_keeps_no_old_fault() -> None:
    faults = Faults(hold_s=10.0)
    faults.report("a", "broken", T0)
    assert faults.standing(T0 - 100 * S) == []


def test_a_source_that_says_something_else_with_every_message_does_not_fill_the_log() -> None:
    logged: list[str] = []
    faults = Faults(logged.append)
    for index in range(1000):
        faults.report("camera", f"odd {index}", T0 + index * S // 1000)
    assert len(logged) == LOGGED_AT_ONCE and faults.count == 1000
    assert faults.standing(T0 + S) == ["camera: odd 999"]
    faults.report("camera", "odd again", T0 + 2 * S)
    assert logged[-1] == "camera: odd again"


def test_a_fault_that_quotes_a_whole_message_is_cut_short() -> None:
    faults = Faults()
    faults.report("camera", "encoding `" + "x" * 10_000_000 + "`", T0)
    (said,) = faults.standing(T0)
    assert len(said) < 1050 and said.endswith("(10000011 characters)")
