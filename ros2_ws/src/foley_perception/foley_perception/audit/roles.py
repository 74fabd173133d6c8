"""Which topics the registry knows, by their names alone: for judging, where nobody said whose they are."""

from __future__ import annotations

from collections.abc import Mapping

from foley_common import topic_map
from foley_common.foreign_audio import TYPES as FOREIGN
from foley_common.topics import TOPICS, Topic


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
            found[name] = max(entries, key=lambda t: len(t.name))
    return found


def roles_of(types: Mapping[str, str], named: Mapping[str, str], namespace: str = "") -> dict[str, Topic]:
    """The same, where some topics bear other names than the registry's, which ``named`` gives.

    Args:
        namespace: of the robot that is meant: topics of the others play no role. Empty: of any.
    """
    known = known_roles(types)
    if whose := namespace.strip("/"):
        known = {name: t for name, t in known.items() if t.absolute or name == f"/{whose}/{t.name}"}
    return known | {name: topic_map.named(ours) for name, ours in named.items() if name in types}
