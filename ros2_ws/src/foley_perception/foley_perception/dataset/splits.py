"""Which split an item belongs to, and the proof that nothing belongs to two.

Sessions that share a scene or an object belong together (a connected component); a component goes to one
split as a whole. Splits given by the recordings (simulated scenes carry theirs) are kept; the rest is assigned
by a hash of the component, so that adding bags does not move others.

`test_seen` is a split of its own only in part: its recordings may share scenes and objects with `train` (that is
what they are for), but neither a session nor a stretch of time, and nothing at all with validation and test.
"""

from __future__ import annotations

import collections
import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from foley_perception.dataset.schema import ASSIGNED, SEEN, SPLITS, Clip, DatasetError, LeakError, Window

_GIVEN = "a recording's split is that of its metadata (`foley record --metadata`), else of its sim/scene"
DEFAULT_SHARES: dict[str, float] = {"train": 0.7, "validation": 0.15, "test": 0.15}


class SessionGroup(NamedTuple):
    """What ties one session to others."""

    session_id: str
    scene_id: str
    object_ids: frozenset[str]
    split: str  # given by the recording; empty if not
    source: str = ""  # where the recording lies; empty if it is not known

    def __str__(self) -> str:
        return f"session `{self.session_id}`" + (f" ({self.source})" if self.source else "")


def check_known(split: str, where: object = "") -> None:
    """Raises DatasetError, which begins with where, for a split that a recording names, and that there is not."""
    if split and split not in SPLITS:
        place = f"{where}: " if where else ""
        raise DatasetError(
            f"{place}split is `{split}`, known are {', '.join(SPLITS)}; {_GIVEN}: name one of these there, or none"
        )


def assign(
    sessions: Sequence[SessionGroup], shares: Mapping[str, float] = DEFAULT_SHARES, seed: str = "foley"
) -> dict[str, str]:
    """Split of every session.

    Raises:
        LeakError: two sessions that share a scene or an object were given different splits.
        DatasetError: shares that are not known splits or not positive in sum.
    """
    if set(shares) - set(ASSIGNED) or sum(shares.values()) <= 0 or min(shares.values()) < 0:
        raise DatasetError(
            f"shares are {dict(shares)}: give {', '.join(ASSIGNED)} weights that are not negative"
        )
    assigned: dict[str, str] = {}
    _check_sessions(sessions)
    for component in _components(sessions):
        given = {_family(s.split): s for s in component if s.split}
        if len(given) > 1:
            (_, a), (_, b), *_ = sorted(given.items())
            shared = sorted(a.object_ids & b.object_ids)
            if not shared:
                shared = [a.scene_id if a.scene_id == b.scene_id else "sessions that share objects with both"]
            raise LeakError(
                f"{a} is given to {a.split} and {b} to {b.split}, but they are tied by {', '.join(shared[:3])}; "
                f"{_GIVEN}: give both one split, or leave one of them out"
            )
        key = min(s.scene_id or s.session_id for s in component)
        split = next(iter(given)) if given else _hashed_split(f"{seed}/{key}", shares)
        assigned.update({s.session_id: SEEN if s.split == SEEN else split for s in component})
    return assigned


def _family(split: str) -> str:
    """The split whose scenes and objects a split may show."""
    return ASSIGNED[0] if split == SEEN else split


def _check_sessions(sessions: Sequence[SessionGroup]) -> None:
    given: dict[str, str] = {}
    for session in sessions:
        check_known(session.split, session)
        other = given.setdefault(session.session_id, session.split)
        if {other, session.split} == {SEEN, ASSIGNED[0]}:
            raise LeakError(f"{session} is given to {other} and to {session.split}; a session has one split")


def _hashed_split(key: str, shares: Mapping[str, float]) -> str:
    position = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64 * sum(shares.values())
    for split in ASSIGNED:
        position -= shares.get(split, 0.0)
        if position < 0:
            return split
    return ASSIGNED[0]


def _components(sessions: Sequence[SessionGroup]) -> list[list[SessionGroup]]:
    parent = list(range(len(sessions)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    owner: dict[tuple[str, str], int] = {}
    for i, session in enumerate(sessions):
        ties = [("session", session.session_id), ("scene", session.scene_id)]
        ties += [("object", object_id) for object_id in session.object_ids]
        for tie in ties:
            if tie[1]:
                j = owner.setdefault(tie, i)
                parent[root(i)] = root(j)
    groups: dict[int, list[SessionGroup]] = collections.defaultdict(list)
    for i, session in enumerate(sessions):
        groups[root(i)].append(session)
    return list(groups.values())


def check_leaks(clips: Sequence[Clip], windows: Sequence[Window] = ()) -> None:
    """Refuse a dataset in which something stands in two splits.

    Raises:
        LeakError: names the session, scene, object or stretch of time, and the splits.
    """
    seen: dict[tuple[str, str], tuple[str, str]] = {}

    def see(kind: str, value: str, split: str, item: str) -> None:
        if not value:
            return
        earlier, first = seen.setdefault((kind, value), (split, item))
        shared = kind != "session" and _family(earlier) == _family(split)
        if earlier != split and not shared:
            raise LeakError(
                f"{kind} `{value}` stands in {earlier} (`{first}`) and in {split} (`{item}`); "
                "keep everything of one session, scene and object in one split"
            )

    for clip in clips:
        see("session", clip.session_id, clip.split, clip.clip_id)
        see("scene", clip.scene_id, clip.split, clip.clip_id)
        see("object", clip.object_id, clip.split, clip.clip_id)
    for window in windows:
        see("session", window.session_id, window.split, window.window_id)
        see("scene", window.scene_id, window.split, window.window_id)
        for object_id in window.object_ids:
            see("object", object_id, window.split, window.window_id)
    _check_times([(c.origin, c.start_ns, c.end_ns, c.split, c.clip_id) for c in clips])
    _check_times([(w.origin, w.start_ns, w.end_ns, w.split, w.window_id) for w in windows])


def _check_times(segments: list[tuple[str, int, int, str, str]]) -> None:
    """Two recordings of one machine that overlap in time are one event seen twice."""
    newest: dict[tuple[str, str], tuple[int, str]] = {}
    for origin, start, end, split, item in sorted(segments):
        if not origin:
            continue
        for other in SPLITS:
            latest, name = newest.get((origin, other), (start, ""))
            if other != split and latest > start:
                raise LeakError(
                    f"`{name}` in {other} and `{item}` in {split} overlap in time on `{origin}`: they are "
                    "the same event recorded twice; put both sessions in one split"
                )
        if end > newest.get((origin, split), (0, ""))[0]:
            newest[(origin, split)] = (end, item)
