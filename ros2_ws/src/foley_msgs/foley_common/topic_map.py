"""Topics that bear other names than the registry's: which foreign topic stands for which of ours.

A mapping is a dictionary, name in the registry -> foreign topic (absolute)::

    {"mic/audio": "/robot/mic", "camera/image_raw": "/wrist/color/image_raw"}

It is written as ``name=topic`` (``--map``, the recorder's parameter ``topic_map``) or as the section ``topics`` of a
robot's file. For a name its role may be said too: ``microphone=/robot/mic``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from foley_common.topics import TOPICS, Topic, TopicError

TopicMap = Mapping[str, str]
_NEAR = 0.5  # of difflib's ratio: 1 for the same, 0 for nothing in common


def near(name: str, known: Iterable[str]) -> list[str]:
    """``known`` with those first that are written most alike."""

    def likeness(other: str) -> float:
        whole = difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio()
        last = difflib.SequenceMatcher(None, _last(name), _last(other)).ratio()
        return max(whole, 0.9 * last)

    return sorted(known, key=lambda other: (-likeness(other), other))


def named(name: str) -> Topic:
    """The registry's topic of this name (with or without a leading slash) or role.

    Raises:
        TopicError: there is none, or it cannot be mapped.
    """
    by_name = {entry.name.strip("/"): entry for entry in TOPICS}
    found = by_name.get(name.strip("/")) or {entry.role: entry for entry in TOPICS}.get(name)
    if found is None:
        named_alike = [k for k in near(name, by_name) if _alike(name, k)]
        roles_alike = [k for k in near(name, (entry.role for entry in TOPICS)) if _alike(name, k)]
        alike = (named_alike or roles_alike)[:4]
        meant = (
            f"; is {' or '.join(f'`{k}`' for k in alike)} meant?"
            if alike
            else f"; known are {', '.join(by_name)}"
        )
        raise TopicError(f"no topic of Foley is called `{name}`{meant}")
    if found.name.startswith("~"):
        raise TopicError(f"`{name}`: every node has its own {found.name}, it cannot be mapped")
    return found


def topic_map(pairs: Iterable[tuple[str, str]], where: str) -> dict[str, str]:
    """A mapping of pairs, checked.

    Args:
        where: what is named first in errors, such as ``--map``.

    Raises:
        TopicError: a name that the registry does not have, one that is mapped twice, a topic that two are mapped to.
    """
    mapping: dict[str, str] = {}
    for left, right in pairs:
        try:
            entry = named(left)
        except TopicError as error:
            raise TopicError(f"{where}: {error}") from error
        topic = "/" + right.strip().strip("/")
        if topic == "/" or any(c.isspace() for c in topic) or "//" in topic:
            raise TopicError(f"{where}: `{right}`, which `{left}` is mapped to, is not the name of a topic")
        if entry.name in mapping:
            raise TopicError(
                f"{where}: {entry.name} is mapped to {mapping[entry.name]} and to {topic}; leave one out"
            )
        for name, taken in mapping.items():
            if taken == topic:
                raise TopicError(
                    f"{where}: {topic} is given for {name} and for {entry.name}; a topic has one role"
                )
        mapping[entry.name] = topic
    return mapping


def parse(entries: Iterable[str], where: str) -> dict[str, str]:
    """A mapping of ``name=topic`` entries.

    Raises:
        TopicError: an entry of another form, or see :func:`topic_map`.
    """
    pairs = []
    for entry in entries:
        left, equals, right = entry.partition("=")
        if not (equals and left.strip() and right.strip()):
            raise TopicError(f"{where}: `{entry}` is not NAME=TOPIC, such as mic/audio=/robot/mic")
        pairs.append((left.strip(), right.strip()))
    return topic_map(pairs, where)


def section(content: Any, where: str) -> dict[str, str]:
    """A mapping of the section ``topics`` of a robot's file, which was read already.

    Raises:
        TopicError: it is not a mapping of names to topics; see :func:`topic_map`.
    """
    if not isinstance(content, Mapping):
        raise TopicError(
            f"{where}: `topics` is a {type(content).__name__}, expected a mapping such as {{mic/audio: /robot/mic}}"
        )
    for key, value in content.items():
        if not (isinstance(key, str) and isinstance(value, str)):
            raise TopicError(f"{where}: `topics` holds {key!r}: {value!r}, expected a name and a topic")
    return topic_map(content.items(), where)


def merged(general: TopicMap, particular: TopicMap) -> dict[str, str]:
    """Both; where they differ the particular one holds, also about whom a topic belongs to."""
    kept = {
        name: topic
        for name, topic in general.items()
        if name not in particular and topic not in particular.values()
    }
    return kept | dict(particular)


def entries(mapping: TopicMap) -> list[str]:
    """As :func:`parse` reads it."""
    return [f"{name}={topic}" for name, topic in mapping.items()]


def implied(mapping: TopicMap) -> dict[str, str]:
    """Where those lie that are not mapped and belong to one that is.

    Compressed pictures lie below the raw ones, as image_transport publishes them, and ``camera_info`` beside them.
    """
    found: dict[str, str] = {}
    for entry in TOPICS:
        if entry.name in mapping:
            continue
        for name, topic in mapping.items():
            if entry.name.startswith(name + "/"):
                found[entry.name] = topic + entry.name.removeprefix(name)
            elif entry.reader == "camera_info" and _pictures(name, entry.device):
                base = topic.removesuffix("/compressed")
                found.setdefault(entry.name, base.rpartition("/")[0] + "/camera_info")
    return {name: topic for name, topic in found.items() if topic not in mapping.values()}


def ours(mapping: TopicMap) -> dict[str, str]:
    """The other way round, with what is implied: foreign topic -> the registry's name."""
    return {topic: name for name, topic in (implied(mapping) | dict(mapping)).items()}


def mapped_cameras(mapping: TopicMap) -> set[str]:
    """Cameras whose pictures are mapped: nothing else of theirs is then taken for its name alone."""
    return {entry.device for entry in TOPICS if entry.reader == "image" and entry.name in mapping}


def _pictures(name: str, device: str) -> bool:
    return any(e.name == name and e.reader == "image" and e.device == device for e in TOPICS)


def _last(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2].lower()


def _alike(name: str, other: str) -> bool:
    matcher = difflib.SequenceMatcher(None, name.lower(), other.lower())
    return matcher.ratio() >= _NEAR or _last(name) == _last(other)
