import pytest

pytest.importorskip("unified_planning")
pytest.importorskip("up_pyperplan")

from foley_bringup.examples.sorting.episode import run_episode
from foley_bringup.examples.sorting.strategies import strategy
from foley_bringup.examples.sorting.task import SortingTask
from foley_common.predicate_view import Fact, State

TASK = SortingTask(touches=2)
TRUTH = {"lid-1": True, "mug_2": False, "can": True}
SIGHT = {"lid-1": 0.9, "mug_2": 0.6, "can": 0.45}  # wrong of two things


class Table:
    """A touch tells the truth; one of `dumb` things says nothing, one of `away` cannot be made."""

    things = tuple(TRUTH)

    def __init__(self, dumb=(), away=()):
        self.p = dict(SIGHT)
        self.touched = []
        self._dumb, self._away = dumb, away

    def believed(self):
        def state(p):
            return State.TRUE if p > 0.7 else State.FALSE if p < 0.3 else State.UNKNOWN

        return {name: Fact("is_hard", (name,), state(p), p) for name, p in self.p.items()}

    def touchable(self):
        return self.things

    def touch(self, thing):
        self.touched.append(thing)
        if thing in self._away:
            return False
        if thing not in self._dumb:
            self.p[thing] = 0.99 if TRUTH[thing] else 0.01
        return True

    def truth(self, thing):
        return TRUTH[thing]


def _run(name, table=None, task=TASK):
    table, told = table or Table(), []
    return run_episode(table, task, strategy(name, table, task, 0), say=told.append), table, told


def test_without_touches_sight_decides_and_its_mistakes_are_wrong_grasps():
    episode, table, told = _run("never")
    assert (episode.right, episode.wrong, episode.touches) == (1, 2, 0) and episode.reached
    assert not episode.success and episode.score == pytest.approx(1 - 10) and not table.touched
    assert "grasp mug_2 for the bin `is_hard` (a bet at 0.60): WRONG" in told


def test_what_touches_tell_changes_the_plan():
    episode, table, told = _run("vision")
    assert table.touched == ["mug_2", "can"] or table.touched == ["can", "mug_2"]
    assert (episode.right, episode.wrong, episode.touches) == (3, 0, 2) and episode.success
    assert episode.score == pytest.approx(3 - 0.4) and episode.plans > 1
    assert "grasp can for the bin `is_hard` (known): right" in told
    grasped = [line.split()[1] for line in told if line.startswith("grasp")]
    assert sorted(grasped) == sorted(TRUTH), "each thing is grasped once"
    assert [line.split()[0] for line in told[:2]] == ["touch", "touch"], (
        "nothing is grasped before it is known"
    )


def test_a_touch_that_tells_nothing_leaves_a_bet():
    episode, _, _ = _run("vision", Table(dumb=("can",)))
    assert episode.touches == 2 and episode.wrong == 1 and episode.reached


def test_touches_that_cannot_be_made_end_in_sorting_by_sight():
    table = Table(away=tuple(TRUTH))
    episode, _, _ = _run("random", table)
    assert episode.reached and episode.touches == 0 and len(table.touched) == 3
    assert (episode.right, episode.wrong) == (1, 2)
