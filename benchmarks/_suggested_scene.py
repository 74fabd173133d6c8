"""One scene of the benchmark of suggested contacts: what is known of its objects, and who chooses the next contact."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from foley_synthesis.beliefs.contact_bank import ContactBank
from foley_synthesis.beliefs.contact_choice import LEAST_RANK, ContactCosts
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.expressions import Expression, Facts
from foley_synthesis.beliefs.fusion import FusedBelief, FusionConfig, fuse
from foley_synthesis.beliefs.hysteresis import Thresholds, Truth, step
from foley_synthesis.beliefs.information import ContactWorth, Question, Worth
from foley_synthesis.evaluation.fusion.objects import TouchedObject

SURE = 0.95
QUALITIES = ("sure", "answered", "decided")
BRITTLE = ("glass", "ceramic")
CHOOSERS = ("suggested", "informative", "unsure", "round robin", "random")
COSTS = ContactCosts()


@dataclasses.dataclass(frozen=True)
class World:
    """What all choosers share."""

    labels: tuple[str, ...]
    bank: ContactBank
    fusion: FusionConfig
    aim: str  # one of QUALITIES: what contacts are made for
    # Choosers and draws meet the same evidence again and again.
    fused: dict[frozenset[tuple[str, str]], FusedBelief] = dataclasses.field(default_factory=dict)
    weighed: dict[Any, Worth] = dataclasses.field(default_factory=dict)


class Scene:
    """One draw of one scene, as one chooser works through it."""

    def __init__(
        self,
        world: World,
        things: Sequence[TouchedObject],
        contacts: Sequence[Sequence[Evidence]],
        looks: Sequence[Sequence[Evidence]],
    ) -> None:
        self.world, self.things = world, things
        self.left = [list(items) for items in contacts]
        self.evidence = [list(items) for items in looks]
        self.made = [0 for _ in things]
        self.beliefs = [FusedBelief() for _ in things]
        self.states = [Truth.UNKNOWN for _ in things]
        self._worth: list[list[Worth] | None] = [None for _ in things]
        for thing in range(len(things)):
            self._believe(thing)

    @property
    def over(self) -> bool:
        return not any(self.left)

    def touch(self, thing: int, contact: int) -> Evidence:
        item = self.left[thing].pop(contact)
        self.evidence[thing].append(item)
        self.made[thing] += 1
        self._believe(thing)
        return item

    def _believe(self, thing: int) -> None:
        key = self._key(thing)
        if key not in self.world.fused:
            self.world.fused[key] = fuse(self.evidence[thing], self.world.fusion)
        self.beliefs[thing] = self.world.fused[key]
        self._worth[thing] = None
        p = BRITTLE_IS(self.facts(thing))
        abstains = self.beliefs[thing].belief.abstain
        self.states[thing] = Truth.UNKNOWN if abstains else step(self.states[thing], p, Thresholds())

    def _key(self, thing: int) -> frozenset[tuple[str, str]]:
        return frozenset((item.kind, item.key) for item in self.evidence[thing])

    def facts(self, thing: int) -> Facts:
        belief = self.beliefs[thing].belief
        p = dict(zip(self.world.labels, belief.probabilities, strict=False))
        return Facts({"abstain": float(belief.abstain)}, p)

    def now(self) -> dict[str, list[bool]]:
        """Quality -> of each object whether it has it."""
        found: dict[str, list[bool]] = {quality: [] for quality in QUALITIES}
        for thing, fused, state in zip(self.things, self.beliefs, self.states, strict=True):
            p = fused.belief.probabilities
            right = bool(p) and int(np.argmax(p)) == thing.label
            brittle = self.world.labels[thing.label] in BRITTLE
            found["sure"].append(right and max(p) >= SURE)
            found["answered"].append(right and not fused.belief.abstain)
            found["decided"].append(state == (Truth.TRUE if brittle else Truth.FALSE))
        return found

    def wrongly_sure(self) -> int:
        """Objects of which a wrong material is 0.95 sure."""
        wrong = [
            p
            for thing, fused in zip(self.things, self.beliefs, strict=True)
            if (p := fused.belief.probabilities) and int(np.argmax(p)) != thing.label
        ]
        return sum(max(p) >= SURE for p in wrong)

    def through(self, thing: int) -> bool:
        """Whether the aim seems to be reached for an object; nobody but the belief is asked."""
        belief, aim = self.beliefs[thing].belief, self.world.aim
        if aim == "sure":
            return max(belief.probabilities, default=0.0) >= SURE
        return not belief.abstain if aim == "answered" else self.states[thing] != Truth.UNKNOWN

    def _weigh(self, thing: int, item: Evidence) -> Worth:
        """Of a contact like this one."""
        world, about = self.world, None
        if world.aim == "decided":
            about = {"x": Question(BRITTLE_IS, state=self.states[thing], facts=self.facts(thing))}
        sure = SURE if world.aim == "sure" else None
        weighed = ContactWorth({"x": self.evidence[thing]}, world.bank, world.fusion, about, sure)
        return weighed.worth("x", item.action, item.position)

    def worth(self, thing: int) -> list[Worth]:
        """Of each contact that is left, by its action and place."""
        found = self._worth[thing]
        if found is None:
            # Places where nothing was heard yet are alike, so that one of them is weighed for all.
            radius, base = self.world.bank.likeness.place_m, (self._key(thing), self.states[thing])
            heard = [item for item in self.evidence[thing] if item.kind == "heard"]
            found = []
            for item in self.left[thing]:
                near = frozenset(o.key for o in heard if math.dist(o.position, item.position) <= radius)
                key = (*base, item.action, near)
                if key not in self.world.weighed:
                    self.world.weighed[key] = self._weigh(thing, item)
                found.append(self.world.weighed[key])
            self._worth[thing] = found
        return found


BRITTLE_IS = Expression('probability("glass") or probability("ceramic")', BRITTLE)


def choose(name: str, scene: Scene, rng: np.random.Generator) -> tuple[int, int]:
    """The object and the contact of it that comes next; of equals any one."""
    open_ = [i for i, items in enumerate(scene.left) if items]
    open_ = [i for i in open_ if not scene.through(i)] or open_
    if name in ("suggested", "informative"):
        rated = [
            (max(each.rank if name == "suggested" else each.gain, LEAST_RANK), i, k)
            for i in open_
            for k, each in enumerate(scene.worth(i))
        ]
        best = max(rate for rate, _, _ in rated)
        ties = [(i, k) for rate, i, k in rated if rate >= best - 1e-12]
        return ties[int(rng.integers(len(ties)))]
    if name == "unsure":
        entropy = [scene.beliefs[i].belief.entropy for i in open_]
        entropy = [math.log(len(scene.world.labels)) if math.isnan(h) else h for h in entropy]
        most = [i for i, h in zip(open_, entropy, strict=True) if h >= max(entropy) - 1e-9]
        thing = most[int(rng.integers(len(most)))]
    elif name == "round robin":
        fewest = min(scene.made[i] for i in open_)
        thing = next(i for i in open_ if scene.made[i] == fewest)
    else:
        sizes = [len(scene.left[i]) for i in open_]
        thing = open_[int(rng.choice(len(open_), p=np.array(sizes) / sum(sizes)))]
    return thing, int(rng.integers(len(scene.left[thing])))
