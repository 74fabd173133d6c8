"""Which topics the registry knows, by their names alone: for judging, where nobody said whose they are."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from foley_common import topic_map
from foley_common.foreign_audio import TYPES as FOREIGN
from foley_common.topics import MAIN_ARM, TOPICS, Topic


def known_roles(types: Mapping[str, str]) -> dict[str, Topic]:
    """Topic -> its entry in the registry, whatever the namespace; ``types`` are the topics' types by name."""
    found: dict[str, Topic] = {}
    for name, kind in types.items():
        entries = [
            t
            for t in TOPICS
            if (t.type == kind or (t.reader == "audio" and kind in FOREIGN))
            and (t.name == name if t.absolute else f"/{name}".endswith(f"/{t.name}"))
        ]
        if entries:
            found[name] = _meant(name, sorted(entries, key=lambda t: -len(t.name)), types)
    return found


def _meant(name: str, entries: Sequence[Topic], names: Container[str]) -> Topic:
    """The longest, unless it is of a second arm where there is no first: then a robot is called as that arm is."""
    longest = entries[0]
    robot = name.removesuffix(longest.name)
    if longest.further and not any(robot + t.name in names for t in TOPICS if t.device == MAIN_ARM):
        return next((t for t in entries if not t.further), longest)
    return longest


def roles_of(types: Mapping[str, str], named: Mapping[str, str], namespace: str = "") -> dict[str, Topic]:
    """The same, where some topics bear other names than the registry's, which ``named`` gives.

    Args:
        namespace: of the robot that is meant: topics of the others play no role. Empty: of any.
    """
    known = known_roles(types)
    if whose := namespace.strip("/"):
        known = {name: t for name, t in known.items() if t.absolute or name == f"/{whose}/{t.name}"}
    return known | {name: topic_map.named(ours) for name, ours in named.items() if name in types}
