"""Which thing to touch next, or none: the only difference between the robots that are compared."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from foley_bringup.examples.sorting.task import SortingTask, SortingWorld, likelihood

Choose = Callable[[int], str | None]
"""The next thing to touch after so many touches; None: no more."""
NAMES: tuple[str, ...] = ("never", "all", "random", "vision", "suggested", "worth")
TEXT = {
    "never": "never touch: sight alone decides",
    "all": "touch everything once",
    "random": "touch something at random",
    "vision": "touch what sight is least sure of",
    "suggested": "touch what Foley suggests",
    "worth": "touch what saves most wrong grasps, while that is worth it",
}


def strategy(name: str, world: SortingWorld, task: SortingTask, seed: int) -> Choose:
    """How one robot chooses at one table.

    `all` is not bound by the budget: it shows what touches can tell. The others have the same one; `worth` may leave
    some of it.

    Raises:
        ValueError: an unknown name.
    """
    if name not in NAMES:
        raise ValueError(f"strategy is `{name}`, known are {', '.join(NAMES)}")
    if name == "never":
        return lambda made: None
    if name == "all":
        waiting = list(world.things)
        return lambda made: _first(waiting, world)
    if name == "vision":
        unsure = {thing: _entropy(likelihood(fact)) for thing, fact in world.believed().items()}
        ranked = sorted(world.things, key=lambda thing: -unsure.get(thing, math.log(2.0)))
        return lambda made: _first(ranked, world) if made < task.touches else None
    if name == "random":
        rng = np.random.default_rng([0x50F7, seed])

        def draw(made: int) -> str | None:
            able = world.touchable() if made < task.touches else ()
            return able[int(rng.integers(len(able)))] if able else None

        return draw
    if name == "worth":
        return lambda made: _worth_it(world, task) if made < task.touches else None
    return lambda made: world.suggested() if made < task.touches else None


def _worth_it(world: SortingWorld, task: SortingTask) -> str | None:
    saved = world.savings()
    best = max(saved, key=lambda thing: saved[thing], default=None)
    gained = saved[best] * (task.right - task.wrong) if best is not None else 0.0
    return best if gained > -task.touch else None


def _first(waiting: list[str], world: SortingWorld) -> str | None:
    """Take the first that can be touched."""
    able = world.touchable()
    while waiting:
        thing = waiting.pop(0)
        if thing in able:
            return thing
    return None


def _entropy(p: float) -> float:
    return -sum(q * math.log(q) for q in (p, 1.0 - p) if q > 0.0)
