"""Small messages whose stamps are older than their way here explains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from foley_perception.audit.arrivals import ArrivalClock
from foley_perception.audit.finding import Finding, Severity

SMALL = frozenset({"pose", "joints", "wrench", "transforms"})  # sent as they are measured, in a moment
OLD_S = 0.1
_PACE = (0.9, 1.1)  # of stamps against arrival, outside of which latencies are no times of transport


def older_than_others(
    topic: str, latency_s: float, others_s: Mapping[str, float], clock: ArrivalClock
) -> Iterator[Finding]:
    """A topic of small messages against the fastest of the others.

    Args:
        latency_s: least latency of the topic, by the common clock.
        others_s: those of the sensors beside it.
    """
    if not others_s or not (clock.same or _PACE[0] < clock.factor < _PACE[1]):
        return
    fastest = min(others_s, key=lambda name: others_s[name])
    # Where arrival is of the same clock, what comes before its stamp is ahead, and told so.
    apart = latency_s - (max(others_s[fastest], 0.0) if clock.same else others_s[fastest])
    if apart <= OLD_S:
        return
    yield Finding(
        "stamp_old",
        Severity.PROBLEM,
        topic,
        f"{topic}: its stamps lie {apart:.2f} s before those of {fastest} that arrived with it: the clock of "
        "what stamps it is behind (synchronise the computers with chrony or PTP), or it comes that late",
    )
