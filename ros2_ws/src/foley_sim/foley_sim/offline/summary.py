"""Sums over the reports of many bags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from foley_sim.offline.collections import DATASET_SPLITS

if TYPE_CHECKING:
    from foley_sim.offline.job import BagReport


def added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The sum of counts, by name."""
    total: Counter[str] = Counter()
    for part in counts:
        total.update(part)
    return dict(sorted(total.items()))


def summary(reports: Sequence[BagReport]) -> dict[str, Any]:
    """A set of bags: recordings, hours, contacts, sizes and the state of the sound, in all and by split."""
    splits = sorted({r.split for r in reports}, key=lambda split: (*DATASET_SPLITS, split).index(split))
    return {
        **_one(reports),
        "robots": added({r.robot: 1} for r in reports if r.kind == "interact"),
        "editions": added({f"{r.edition}, version {r.edition_version}": 1} for r in reports),
        "splits": {split: _one([r for r in reports if r.split == split]) for split in splits},
    }


def _one(reports: Sequence[BagReport]) -> dict[str, Any]:
    touched = [r for r in reports if r.kind == "interact"]
    return {
        "recordings": len(touched),
        "scans": len(reports) - len(touched),
        "interaction_s": sum(r.duration_s for r in touched),
        "scan_s": sum(r.duration_s for r in reports if r.kind != "interact"),
        "contacts": sum(r.contacts for r in reports),
        "contacts_by_action": added(r.actions for r in reports),
        "contacts_by_material": added(r.materials for r in reports),
        "contacts_by_reaction": added(r.reactions for r in reports),
        "contacts_by_cell": added(r.cells for r in reports),
        "held_out_contacts": sum(
            n for r in reports for cell, n in r.cells.items() if cell.endswith("/held_out")
        ),
        "messages": added(r.messages for r in reports),
        "topic_bytes": added(r.topic_bytes for r in reports),
        "bytes": sum(r.bytes for r in reports),
        "peak": max((r.peak for r in reports), default=0.0),
        "not_finite_samples": sum(r.not_finite for r in reports),
        "limited_samples": sum(r.limited for r in reports),
    }
