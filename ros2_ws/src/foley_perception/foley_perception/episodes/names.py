"""Which topics of a bag play which roles of the registry."""

from __future__ import annotations

from collections.abc import Mapping

from foley_common import topics
from foley_perception.episodes.tracks import EpisodeError
from foley_perception.recording.bag import Bag


def resolve(
    bag: Bag, namespace: str, mapping: Mapping[str, str] | None = None
) -> tuple[dict[str, str], list[str]]:
    """Roles -> the bag's topics, and which further devices' topics were left out and why.

    Args:
        mapping: topics that bear other names, by the registry's.
    """
    given = mapping or {}
    names: dict[str, str] = {}
    left_out: list[str] = []
    read = [topic for topic in topics.TOPICS if topic.reader]
    main = [topic.name for topic in read if not topic.further]
    prefix = "/" + namespace.strip("/") + "/" if namespace.strip("/") else ""
    # The main devices first: a robot may be called as another one's second arm is.
    for topic in sorted(read, key=lambda t: t.further):
        name = topic.name
        if name in given:
            candidates = [t for t in bag.topics if t == given[name]]
        elif topic.absolute:
            candidates = [t for t in bag.topics if t == name]
        elif prefix:
            candidates = [t for t in bag.topics if t == prefix + name]
        else:
            candidates = [t for t in bag.topics if t.endswith("/" + name) or t == name]
            # `sim/contacts` also ends like `contacts`.
            longer = [n for n in main if n != name and n.endswith("/" + name)]
            candidates = [t for t in candidates if not any(t.endswith("/" + n) for n in longer)]
            # `left/ee_pose` is of a second hand beside `ee_pose`.
            outer = [t for t in candidates if all(o.startswith(t.removesuffix(name)) for o in candidates)]
            candidates = outer if len(outer) == 1 else candidates
        candidates = [t for t in candidates if t not in names.values()]
        if not candidates:
            continue
        kind = bag.topics[candidates[0]].type
        wrong = ""
        if len(candidates) > 1:
            wrong = (
                f"several topics could be {name}: {', '.join(sorted(candidates))}; "
                "say whose with the namespace"
            )
        elif kind != topic.type:
            wrong = (
                f"{candidates[0]} has type {kind}, expected {topic.type}; "
                "record it through a bridge that converts it, or rename the topic"
            )
        if not wrong:
            names[topic.role] = candidates[0]
        elif topic.further:
            left_out.append(f"{wrong}; it is left out ({topic.role})")
        else:
            raise EpisodeError(f"{bag.path}: {wrong}")
    return names, left_out
