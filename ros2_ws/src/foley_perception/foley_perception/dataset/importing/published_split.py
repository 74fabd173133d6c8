"""The split of Hearing Hands (`split.json`), and by how much it leaks.

::

    {"train": [["cement", "video_A001_02141504_C361_1_with_audio_fps_4_truncate_40_48"], ...], "val": ..., "test": ...}
                scene      recording                 view                          seconds

Views are pictures of one interaction from different places, most of them rendered; all have the sound of the recording.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from foley_perception.dataset.hit_times import read_text
from foley_perception.dataset.schema import DatasetError

SPLITS = {"train": "train", "val": "validation", "test": "test"}
_NAME = re.compile(r"(.+)_(\d+)_with_audio_fps_(\d+)_truncate_(\d+)_(\d+)")
_NAMED = 3  # recordings that a sentence names


@dataclasses.dataclass(frozen=True)
class Item:
    """One line of the split: a stretch of a recording, seen from one view."""

    split: str  # as ours are called; empty of one that is in no split
    scene: str
    recording: str
    view: int
    start_s: int
    end_s: int
    name: str  # of its files

    @property
    def session(self) -> str:
        return f"{self.scene}/{self.recording}"


def parse_item(scene: str, name: str, split: str = "") -> Item | None:
    """What a file's name says; None of another name."""
    match = _NAME.fullmatch(name)
    if match is None or int(match[5]) <= int(match[4]):
        return None
    return Item(split, scene, match[1], int(match[2]), int(match[4]), int(match[5]), name)


def read_split(path: Path) -> list[Item]:
    """All lines of a split's file.

    Raises:
        DatasetError: it is none; the message names the entry.
    """
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}: is not JSON ({error}); get it once more") from error
    if not isinstance(content, dict) or not set(content) <= set(SPLITS):
        raise DatasetError(f"{path}: must hold lists {', '.join(SPLITS)}; is it the split of Hearing Hands?")
    items: list[Item] = []
    for split, entries in content.items():
        for number, entry in enumerate(entries if isinstance(entries, list) else [entries]):
            whole = isinstance(entry, list) and len(entry) == 2 and all(isinstance(e, str) for e in entry)
            item = parse_item(entry[0], entry[1], SPLITS[split]) if whole else None
            if item is None:
                raise DatasetError(
                    f"{path}: {split}[{number}] is `{str(entry)[:120]}`, must be [scene, "
                    "<recording>_<view>_with_audio_fps_<rate>_truncate_<start>_<end>]"
                )
            items.append(item)
    return items


def find_leaks(items: Sequence[Item]) -> dict[str, Any]:
    """What stands in several splits, as it is kept in a manifest; empty where nothing does.

    ``same_sound`` are stretches that are in two splits as two views: one sound, learnt and tested on. ``overlap`` are
    pairs of stretches of one recording in two splits that share a time but are not the same.
    """
    where: dict[str, dict[Any, set[str]]] = {kind: collections.defaultdict(set) for kind in _WORDS}
    for item in items:
        where["scenes"][item.scene].add(item.split)
        where["recordings"][item.session].add(item.split)
        where["same_sound"][item.session, item.start_s, item.end_s].add(item.split)
    found: dict[str, Any] = {}
    for kind, places in where.items():
        several = {thing: splits for thing, splits in places.items() if len(splits) > 1}
        if several:
            by_splits = collections.Counter("+".join(sorted(splits)) for splits in several.values())
            found[kind] = {"of": len(places), **by_splits, "which": sorted(map(_told, several))}
    if overlap := _overlaps(items):
        found["overlap"] = overlap
    return found


_WORDS = {
    "scenes": "scenes are in more than one split",
    "recordings": "recordings are cut between splits",
    "same_sound": "stretches are in two splits, as two views of one interaction with the same sound",
}


def leak_lines(found: dict[str, Any]) -> list[str]:
    """The same in sentences."""
    lines = []
    for kind, words in _WORDS.items():
        if told := found.get(kind):
            by_splits = {splits: n for splits, n in told.items() if splits not in ("of", "which")}
            counts = ", ".join(f"{splits}: {n}" for splits, n in sorted(by_splits.items()))
            named = ", ".join(told["which"][:_NAMED])
            lines.append(f"{sum(by_splits.values())} of {told['of']} {words} ({counts}), such as {named}")
    if "overlap" in found:
        lines.append(f"{found['overlap']} pairs of stretches of one recording overlap in time across splits")
    return lines


def _told(thing: Any) -> str:
    return thing if isinstance(thing, str) else f"{thing[0]} {thing[1]}-{thing[2]} s"


def _overlaps(items: Iterable[Item]) -> int:
    stretches: dict[str, dict[tuple[int, int], set[str]]] = {}
    for item in items:
        own = stretches.setdefault(item.session, {})
        own.setdefault((item.start_s, item.end_s), set()).add(item.split)
    count = 0
    for own in stretches.values():
        ordered = sorted(own)
        for i, (start, end) in enumerate(ordered):
            for later in ordered[i + 1 :]:
                if later[0] >= end:
                    break
                count += len(own[start, end] | own[later]) > 1
    return count
