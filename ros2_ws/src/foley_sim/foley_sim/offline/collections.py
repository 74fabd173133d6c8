"""Collections: the recordings of an edition's scenes that make a data set, and what each of them holds.

A collection is a list that follows from its name alone. `whole` and `mini` of FoleySim-1 show the same scenes by the
same rules and differ in how long each is recorded.

    train        training scenes; the held-out objects stand there and are never touched
    validation   scenes of their own
    test         scenes of their own
    test_seen    training scenes again, with other policy seeds, and the held-out objects are touched too
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from foley_sim.foleysim1 import scenes as foleysim1
from foley_sim.judge import scenes as judge
from foley_sim.spec import Robot

Kind = Literal["interact", "scan"]
DATASET_SPLITS: tuple[str, ...] = ("train", "validation", "test", "test_seen")

SEEN = "test_seen"
SEEN_POLICY_SEED = 900
"""Policy seeds of `test_seen` begin here, far from those of `train`."""

COLOUR_RATE_HZ, DEPTH_RATE_HZ = 15.0, 2.0
SCAN_RATE_HZ = 10.0
_DAY_S = 86_400  # between the beginnings of two recordings of one scene list, so that no two overlap
_EPOCH_S = {"foleysim-1": 1_710_000_000, "foleysim-1-mini": 1_750_000_000, "foleysim-b": 1_790_000_000}


@dataclasses.dataclass(frozen=True)
class Recording:
    """One bag of a collection."""

    name: str
    collection: str
    edition: str  # of its scene, see editions.py
    scene_split: str
    scene_seed: int
    split: str  # of the data set, one of DATASET_SPLITS
    kind: Kind
    policy_seed: int
    duration_s: float
    start_s: int  # ROS time of its beginning, different for every recording
    held_out: bool  # whether held-out objects are touched
    robot: Robot | None = None  # None: the scene's own
    colour_rate_hz: float = COLOUR_RATE_HZ
    depth_rate_hz: float = DEPTH_RATE_HZ
    images: Literal["raw", "compressed"] = "compressed"
    sample_bits: int = 16  # of the converter behind the microphone


@dataclasses.dataclass(frozen=True)
class _Plan:
    """How many recordings of how many seconds each split of a collection has per scene."""

    recordings: dict[str, tuple[int, float]]
    scan_s: float


_PLANS = {
    # 4 h of training, 40 min of validation, 1 h of test, 20 min of test_seen: 6 h
    "foleysim-1": _Plan(
        {"train": (6, 150.0), "validation": (2, 150.0), "test": (1, 150.0), "test_seen": (1, 75.0)}, 20.0
    ),
    # 24 + 4 + 8 + 4 min
    "foleysim-1-mini": _Plan(
        {"train": (1, 90.0), "validation": (1, 30.0), "test": (1, 20.0), "test_seen": (1, 15.0)}, 10.0
    ),
    "foleysim-b": _Plan({"test": (1, 120.0)}, 20.0),
}
COLLECTIONS: tuple[str, ...] = tuple(_PLANS)


def recordings(collection: str, *, only: str = "", robot: Robot | None = None) -> tuple[Recording, ...]:
    """Everything of a collection, in the order in which it is written.

    Args:
        only: one of DATASET_SPLITS; empty for all.
        robot: records every scene instead of its own.

    Raises:
        ValueError: unknown collection or split, or a split that the collection does not have.
    """
    if collection not in _PLANS:
        raise ValueError(f"collection is `{collection}`, known are {', '.join(COLLECTIONS)}")
    plan = _PLANS[collection]
    if only and only not in plan.recordings:
        raise ValueError(f"only is `{only}`, `{collection}` has {', '.join(plan.recordings)}")
    edition = judge.EDITION if collection == "foleysim-b" else foleysim1.EDITION
    found: list[Recording] = []
    number = 0
    for split, (count, seconds) in plan.recordings.items():
        scene_split = "train" if split == "test_seen" else split
        first = SEEN_POLICY_SEED if split == "test_seen" else 0
        scenes = judge.SCENES if edition == judge.EDITION else foleysim1.SCENES[scene_split]
        for scene_seed in range(scenes):
            kinds: list[tuple[Kind, int, float]] = [("interact", first + i, seconds) for i in range(count)]
            if split != "test_seen":  # its scenes are scanned for `train`
                kinds.append(("scan", 0, plan.scan_s))
            for kind, policy_seed, duration_s in kinds:
                tail = "scan" if kind == "scan" else f"p{policy_seed:03d}"
                found.append(
                    Recording(
                        name=f"{split}-{scene_seed:05d}-{tail}",
                        collection=collection,
                        edition=edition,
                        scene_split=scene_split,
                        scene_seed=scene_seed,
                        split=split,
                        kind=kind,
                        policy_seed=policy_seed,
                        duration_s=duration_s,
                        start_s=_EPOCH_S[collection] + _DAY_S * number,
                        held_out=split != "train",
                        robot=robot,
                        colour_rate_hz=SCAN_RATE_HZ if kind == "scan" else COLOUR_RATE_HZ,
                        depth_rate_hz=SCAN_RATE_HZ if kind == "scan" else DEPTH_RATE_HZ,
                    )
                )
                number += 1
    return tuple(r for r in found if not only or r.split == only)


def interaction_s(items: tuple[Recording, ...]) -> float:
    """Seconds in which a robot touches things."""
    return sum(r.duration_s for r in items if r.kind == "interact")
