"""A planner that reads `predicates` as docs/messages.md says, and knows what it must not be told."""

from __future__ import annotations

from typing import Any

from foley_common.times import NS_PER_S

LEASE_S = 3.0  # of the material node
EARS_S = 3.0  # after which a contact detector, or a microphone, is known to be gone
EARS = ("contact_detector", "sim_world")
NEWEST = "sounds_as_expected"  # is about the newest contact
HAPPENED = ("was_hit", "was_scratched")
UNKNOWN, TRUE, FALSE = 0, 1, 2
_MARGIN_NS = NS_PER_S // 2  # for a planner that is itself late


class Planner:
    """Holds the newest snapshot; call :meth:`look` all the time.

    Args:
        lifetimes_s: of predicates, by name.

    Attributes:
        wrong: what it was told and should not have been.
    """

    def __init__(self, lifetimes_s: dict[str, float]) -> None:
        self.wrong: list[str] = []
        self.snapshots = 0
        self._lifetimes_s = lifetimes_s
        self._snapshot: Any = None
        self._deaf_ns = 0  # since when nobody hears all contacts; 0: somebody does

    def take(self, snapshot: Any) -> None:
        """A snapshot came. Its states end with its lease, whatever else they say."""
        self._snapshot = snapshot
        self.snapshots += 1
        stamp_ns = _ns(snapshot.header.stamp)
        for p in snapshot.predicates:
            if p.state != UNKNOWN and _ns(p.valid_until) > stamp_ns + round(LEASE_S * NS_PER_S):
                self._tell(
                    p, f"is valid for {(_ns(p.valid_until) - stamp_ns) / NS_PER_S:.1f} s after its snapshot"
                )

    def killed(self, name: str, now_ns: int) -> None:
        """A node died or hangs."""
        if name in EARS:
            self._deaf_ns = now_ns

    def holds(self, predicate: Any, now_ns: int) -> bool | None:
        """As documented."""
        if predicate.state == UNKNOWN or now_ns > _ns(predicate.valid_until):
            return None
        return bool(predicate.state == TRUE)

    def needing_ears(self, now_ns: int) -> int:
        """How much is held now that nobody can know without hearing all contacts."""
        told = self._snapshot.predicates if self._snapshot is not None else ()
        return sum(self._needs_ears(p, self.holds(p, now_ns)) for p in told)

    @staticmethod
    def _needs_ears(predicate: Any, held: bool | None) -> bool:
        return held is not None and (predicate.name == NEWEST or (predicate.name in HAPPENED and not held))

    def look(self, now_ns: int) -> None:
        """Read everything, and keep what is wrong."""
        if self._snapshot is None:
            return
        heard_ns = {
            p.arguments[0]: _ns(p.newest_evidence) for p in self._snapshot.predicates if p.name in HAPPENED
        }
        told_ns = self._deaf_ns + round((EARS_S + LEASE_S) * NS_PER_S) + _MARGIN_NS
        for p in self._snapshot.predicates:
            held, evidence_ns = self.holds(p, now_ns), _ns(p.newest_evidence)
            if held is None:
                continue
            age_s = (now_ns - evidence_ns) / NS_PER_S
            if age_s > self._lifetimes_s.get(p.name, float("inf")):
                self._tell(p, f"rests on evidence that is {age_s:.1f} s old")
            if p.name == NEWEST and evidence_ns < heard_ns.get(p.arguments[0], 0):
                self._tell(p, "is not about the newest contact")
            deaf = self._deaf_ns and evidence_ns < self._deaf_ns and now_ns > told_ns
            if deaf and self._needs_ears(p, held):
                self._tell(p, "is still told after contacts were missed")

    def _tell(self, predicate: Any, what: str) -> None:
        said = f"{predicate.name}({', '.join(predicate.arguments)}), state {predicate.state}, {what}"
        if said not in self.wrong:
            self.wrong.append(said)


def _ns(stamp: Any) -> int:
    return int(stamp.sec) * NS_PER_S + int(stamp.nanosec)
