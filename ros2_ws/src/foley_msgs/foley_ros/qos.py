"""QoS profiles of Foley's topics, by what the topic carries.

Audio, pose and wrench are reliable with at least two seconds of depth: a lost sample cannot be made up.
Images are best effort: a late image is worth less than the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rclpy.duration import Duration
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
)

HEARTBEAT_PERIOD_S = 0.5
HEARTBEAT_LEASE_S = 3.0
_FOR_EVER_S = 1e9


def _profile(
    depth: int, reliability: ReliabilityPolicy, durability: DurabilityPolicy = DurabilityPolicy.VOLATILE
) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability, durability=durability
    )


AUDIO = _profile(400, ReliabilityPolicy.RELIABLE)  # 10 ms chunks: 4 s
STATE = _profile(1000, ReliabilityPolicy.RELIABLE)  # pose, joints, wrench, tf at up to 500 Hz: 2 s
IMAGE = _profile(5, ReliabilityPolicy.BEST_EFFORT)
EVENT = _profile(100, ReliabilityPolicy.RELIABLE)  # contacts, plans, predictions
LATCHED = _profile(10, ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)
NEWEST = _profile(
    1, ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL
)  # offered of what is latched
TF_STATIC = _profile(100, ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)
DIAGNOSTICS = _profile(10, ReliabilityPolicy.RELIABLE)
# Asserted by every publication, so it is lost when the process dies AND when its executor hangs.
HEARTBEAT = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    liveliness=LivelinessPolicy.MANUAL_BY_TOPIC,
    liveliness_lease_duration=Duration(seconds=HEARTBEAT_LEASE_S),
)
PROFILES: dict[str, QoSProfile] = {
    "audio": AUDIO,
    "state": STATE,
    "image": IMAGE,
    "event": EVENT,
    "latched": LATCHED,
    "tf_static": TF_STATIC,
    "diagnostics": DIAGNOSTICS,
    "heartbeat": HEARTBEAT,
}
"""By the names that the registry of topics uses (``foley_common.topics.QOS``)."""
_RANKS: dict[str, tuple[Any, ...]] = {
    "reliability": (ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE),
    "durability": (DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL),
    "liveliness": (LivelinessPolicy.AUTOMATIC, LivelinessPolicy.MANUAL_BY_TOPIC),
}  # each offer meets what stands before it


def fitting(wanted: QoSProfile, offered: Iterable[QoSProfile]) -> QoSProfile:
    """A subscription's profile that every publisher's offer meets: as wanted where all offer that.

    A reliable subscription never meets a best-effort publisher, nor a latched one a volatile publisher.
    """
    reliability, durability = wanted.reliability, wanted.durability
    for offer in offered:
        if offer.reliability == ReliabilityPolicy.BEST_EFFORT:
            reliability = ReliabilityPolicy.BEST_EFFORT
        if offer.durability == DurabilityPolicy.VOLATILE:
            durability = DurabilityPolicy.VOLATILE
    return QoSProfile(
        history=wanted.history, depth=wanted.depth, reliability=reliability, durability=durability
    )


def covering(wanted: QoSProfile, offered: Sequence[QoSProfile]) -> list[QoSProfile]:
    """Profiles of the subscriptions, one or two, that together hear all that every publisher has to say.

    A volatile subscription does not get what a latched publisher said before. Where latched and other publishers share
    a topic, as of /tf_static, the latched ones are heard as wanted and the others by a second subscription; what is
    latched is told once and means the same when it is heard twice.
    """
    latched = wanted.durability == DurabilityPolicy.TRANSIENT_LOCAL
    met = [offer for offer in offered if same(fitting(wanted, [offer]), wanted)]
    if not latched or not met or len(met) == len(offered):
        return [fitting(wanted, offered)]
    return [fitting(wanted, met), fitting(wanted, [offer for offer in offered if offer not in met])]


def same(one: QoSProfile, other: QoSProfile) -> bool:
    """Whether two subscriptions meet the same publishers."""
    return (one.reliability, one.durability) == (other.reliability, other.durability)


def unmet(offered: QoSProfile, requested: QoSProfile) -> str:
    """Why a publisher's offer does not meet a subscription's request, in the names of ROS; empty where it does."""
    found = []
    for policy in ("reliability", "durability", "liveliness"):
        offer, request = getattr(offered, policy), getattr(requested, policy)
        ranks = _RANKS[policy]
        if offer in ranks and request in ranks and ranks.index(offer) < ranks.index(request):
            found.append(f"{policy} {request.name.lower()}, {offer.name.lower()} is offered")
    for policy in ("deadline", "liveliness_lease_duration"):
        offer_s, request_s = (_limit_s(getattr(profile, policy)) for profile in (offered, requested))
        if offer_s > request_s:
            offer_said = "none" if offer_s == float("inf") else f"{offer_s:g} s"
            found.append(f"{policy} of {request_s:g} s, {offer_said} is offered")
    return "; ".join(found)


def _limit_s(duration: Duration) -> float:
    """Of a policy that limits a time [s]; what is not set, which is told as 0 or as very long, is for ever."""
    seconds = float(duration.nanoseconds) / 1e9
    return seconds if 0 < seconds < _FOR_EVER_S else float("inf")


def entry(profile: QoSProfile) -> dict[str, object]:
    """A profile as `metadata.yaml` of a bag has it."""

    def duration(value: Any) -> dict[str, int]:
        seconds, nanoseconds = divmod(int(value.nanoseconds), 1_000_000_000)
        return {"sec": seconds, "nsec": nanoseconds}

    return {
        "history": profile.history.name.lower(),
        "depth": int(profile.depth),
        "reliability": profile.reliability.name.lower(),
        "durability": profile.durability.name.lower(),
        "deadline": duration(profile.deadline),
        "lifespan": duration(profile.lifespan),
        "liveliness": profile.liveliness.name.lower(),
        "liveliness_lease_duration": duration(profile.liveliness_lease_duration),
        "avoid_ros_namespace_conventions": bool(profile.avoid_ros_namespace_conventions),
    }
