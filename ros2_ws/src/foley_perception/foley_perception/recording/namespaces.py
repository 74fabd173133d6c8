"""Whose topics a bag holds: the namespaces in which topics of the registry lie, and one that was asked for in vain."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from foley_common import topic_map, topics

_TOLD = 12


def namespaces(names: Iterable[str]) -> list[str]:
    """Those in which topics of our names lie, without slashes; an empty one for topics in none."""
    found = set()
    ours = sorted(_names(), key=len, reverse=True)
    for topic in names:
        name = next((n for n in ours if f"/{topic.lstrip('/')}".endswith(f"/{n}")), "")
        if name:
            found.add(topic.removesuffix(name).strip("/"))
    return sorted(found)


def empty_namespace(namespace: str, names: Collection[str], mapped: Iterable[str] = ()) -> str:
    """What is wrong where a bag has nothing in the namespace that was asked for; empty where it has, or none was.

    Args:
        namespace: as ``--namespace`` gives it; empty: any.
        names: topics of the bag.
        mapped: those of them that are mapped; one in the namespace is enough.
    """
    asked = namespace.strip("/")
    if not asked:
        return ""
    below = f"/{asked}/"
    if any(topic.startswith(below) and topic.removeprefix(below) in _names() for topic in names):
        return ""
    if any(topic in names and topic.startswith(below) for topic in mapped):
        return ""
    there = namespaces(names)
    said = f"--namespace {namespace}: none of its topics is one of ours in /{asked}"
    named = topic_map.near(asked, (n for n in there if n))[:_TOLD]
    if named:
        root = "; others lie in none" if "" in there else ""
        return f"{said}; they lie in {', '.join(named)}{root}: --namespace {named[0]}"
    if there:
        return f"{said}; they lie in no namespace: leave --namespace out"
    return f"{said}, nor elsewhere: say which topic is meant with --map NAME=TOPIC"


def _names() -> set[str]:
    return {t.name for t in topics.TOPICS if not t.absolute and not t.name.startswith("~")}
