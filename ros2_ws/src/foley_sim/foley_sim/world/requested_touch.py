"""A requested contact on its way: from the request to the arm at rest again."""

from __future__ import annotations

import enum

from foley_common.times import NS_PER_S
from foley_sim.robots.actions import Plan, Target
from foley_sim.world.contacts import BLOWS_GAP_S, Contact
from foley_sim.world.readings import Batch
from foley_sim.world.world import World

SETTLE_NS = round((BLOWS_GAP_S + 0.1) * NS_PER_S)
"""A contact is told at the latest so long after the motion's end."""


class Stage(enum.Enum):
    """What is going on. The first three are still on their way."""

    WAITING = "waiting"  # for the arm
    APPROACH = "approach"
    CONTACT = "contact"
    RETREAT = "retreat"
    TOUCHED = "touched"
    NOT_TOUCHED = "not touched"  # or something else than was meant
    GIVEN_UP = "given up"  # somebody steered the arm


class RequestedTouch:
    """Follows one target through the world's batches.

    Args:
        world: that shall carry it out; the target is requested of it here.
    """

    def __init__(self, world: World, target: Target) -> None:
        self._world, self._target = world, target
        self.plan: Plan | None = None  # once it is published
        self.contact: Contact | None = None  # once it is over
        world.request(target)

    def take(self, batch: Batch) -> Stage:
        """What has become of it after what the world has just delivered."""
        if self.plan is None:
            self.plan = next((p for p in batch.plans if p.target is self._target), None)
        plan = self.plan
        if plan is None:
            return Stage.WAITING
        if self.contact is None:
            self.contact = next((c for c in batch.contacts if c.plan_id == plan.plan_id), None)
        now, under_way = self._world.time_ns, self._world.hands[0].plan is plan
        if now < plan.end_ns and not under_way:
            return Stage.GIVEN_UP
        if under_way:
            if now < plan.contact_ns:
                return Stage.APPROACH
            return Stage.CONTACT if self.contact is None else Stage.RETREAT
        if self.contact is None:
            return Stage.RETREAT if now < plan.end_ns + SETTLE_NS else Stage.NOT_TOUCHED
        met = self.contact.object_id == self._target.object_id
        return Stage.TOUCHED if met else Stage.NOT_TOUCHED
