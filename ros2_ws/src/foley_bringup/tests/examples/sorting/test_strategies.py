import math

import pytest

from foley_bringup.examples.sorting.strategies import NAMES, strategy
from foley_bringup.examples.sorting.task import SortingTask, likelihood
from foley_common.predicate_view import Fact, State

TASK = SortingTask(touches=2)


class Table:
    """Three things: a is sure, b a coin, c nearly a coin; each may be touched once."""

    things = ("a", "b", "c")

    def __init__(self, savings=None):
        self.left = list(self.things)
        self._savings = savings or {}

    def believed(self):
        p = {"a": 0.95, "b": 0.5, "c": 0.4}
        return {name: Fact("is_hard", (name,), State.UNKNOWN, p[name]) for name in self.things}

    def touchable(self):
        return tuple(self.left)

    def suggested(self):
        return "c" if "c" in self.left else None

    def savings(self):
        return {name: self._savings[name] for name in self.left if name in self._savings}

    def sequence(self, name, seed=0, task=TASK):
        choose, made = strategy(name, self, task, seed), []
        while (thing := choose(len(made))) is not None:
            made.append(thing)
            self.left.remove(thing)
        return made


def test_each_strategy_touches_what_it_says():
    assert Table().sequence("never") == []
    assert Table().sequence("all") == ["a", "b", "c"], "whatever the budget is"
    assert Table().sequence("vision") == ["b", "c"], "least sure first, within the budget"
    assert Table().sequence("suggested") == ["c"], "until nothing is suggested"


def test_random_touches_follow_from_the_seed_and_keep_to_the_budget():
    drawn = [Table().sequence("random", seed) for seed in range(30)]
    assert drawn == [Table().sequence("random", seed) for seed in range(30)]
    assert {len(one) for one in drawn} == {2} and {thing for one in drawn for thing in one} == {"a", "b", "c"}


def test_worth_stops_where_a_touch_costs_more_than_the_wrong_grasps_that_it_saves():
    # A touch costs 0.2, a wrong grasp instead of a right one 6: a third of a tenth is what must be saved.
    assert Table({"a": 0.01, "b": 0.2, "c": 0.05}).sequence("worth") == ["b", "c"]
    assert Table({"a": 0.03}).sequence("worth") == []
    every = {"a": 0.2, "b": 0.3, "c": 0.4}
    assert Table(every).sequence("worth") == ["c", "b"], "within the budget"


def test_unknown_strategies_and_tasks_that_are_none_are_refused():
    with pytest.raises(ValueError, match=f"strategy is `guess`, known are {', '.join(NAMES)}"):
        strategy("guess", Table(), TASK, 0)
    with pytest.raises(ValueError, match="touches is -1"):
        SortingTask(touches=-1)
    with pytest.raises(ValueError, match="wrong is 2"):
        SortingTask(wrong=2.0)


def test_a_score_adds_up_and_nothing_known_is_an_even_chance():
    assert SortingTask().score(4, 1, 3) == pytest.approx(4 - 5 - 0.6)
    assert likelihood(None) == likelihood(Fact("p", ("a",), State.UNKNOWN, math.nan)) == 0.5
