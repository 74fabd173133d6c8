"""QoS profiles of Foley's topics, by what the topic carries.

Audio, pose and wrench are reliable with at least two seconds of depth: a lost sample cannot be made up.
Images are best effort: a late image is worth less than the next one.
"""

from __future__ import annotations

from collections.abc import Iterable
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


def same(one: QoSProfile, other: QoSProfile) -> bool:
    """Whether two subscriptions meet the same publishers."""
    return (one.reliability, one.durability) == (other.reliability, other.durability)


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
