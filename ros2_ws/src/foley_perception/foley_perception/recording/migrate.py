"""Bags of earlier versions, rewritten in today's definitions (versions.py). Reading one does not need it."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from foley_perception.recording import definitions
from foley_perception.recording.bag import Bag, BagTopic
from foley_perception.recording.beside import write_beside
from foley_perception.recording.copy import put_message, put_rest, session_texts
from foley_perception.recording.errors import BagError
from foley_perception.recording.metadata import TopicInfo
from foley_perception.recording.recovery import ORIGIN_KEY, fingerprint_of
from foley_perception.recording.typed import UnreadableMessage, read_typed, store_of
from foley_perception.recording.versions import BAG_VERSION, VERSION_KEY, newer, version_of
from foley_perception.recording.writer import BagWriter

MIGRATED = "-migrated"  # behind the name of a bag
OURS = "foley_msgs/"

# A field that came later -> what it is in a message that was recorded before, of that message.
ADDED: Mapping[str, Mapping[str, Callable[[Any], Any]]] = {
    "foley_msgs/msg/Predicate": {
        "evidence": lambda message: "",
        "contacts": lambda message: 0,
        "calibration_id": lambda message: "",
    },
    "foley_msgs/msg/Surprise": {
        "kind": lambda message: "contact",  # nothing told contacts that did not come
        "p_value": lambda message: 1.0 - message.percentile,
    },
}


@dataclasses.dataclass(frozen=True)
class Migrated:
    """What was done.

    Attributes:
        path: the bag of today; that which was given if it is one.
        original: where that which was given is now.
        version: that it had.
        messages: in the bag of today.
        changes: in words; empty: nothing, and nothing was written.
        problems: of the bag that was given: what cannot be read is not in the new one.
    """

    path: Path
    original: Path
    version: int
    messages: int
    changes: tuple[str, ...]
    problems: tuple[str, ...]


def migrate_bag(
    path: Path,
    *,
    to: Path | None = None,
    in_place: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> Migrated:
    """Write a bag of an earlier version in today's definitions.

    Args:
        path: folder of a bag, or one file; never changed.
        to: folder of the new bag, must not exist; by default beside the old one, with :data:`MIGRATED` behind its name.
        in_place: the new bag takes the name of the old one, which is kept with `.original` behind it.
        progress: called with messages done.

    Raises:
        BagError: it is of a later version, no rule tells what becomes of a field, or nothing can be written. Then
            nothing has changed.
    """
    bag = Bag(path)
    try:
        messages = sum(1 for _ in bag.messages())  # then topics and the session's metadata are known
        version = version_of(bag.session)
        if version > BAG_VERSION:
            raise BagError(f"{path}: {newer(version, bag.session)}")
        changed = {
            name: change for name, topic in bag.topics.items() if (change := _change(topic)) is not None
        }
        changes = tuple(change.sentence for change in changed.values())
        if not changes:
            return Migrated(path, path, version, messages, (), tuple(dict.fromkeys(bag.problems)))
        unreadable: collections.Counter[str] = collections.Counter()
        done = write_beside(
            path,
            MIGRATED,
            lambda folder: _write(bag, folder, version, changed, unreadable, progress),
            to=to,
            in_place=in_place,
        )
        lost = [
            f"{name}: {count} messages cannot be read, and are left out" for name, count in unreadable.items()
        ]
        problems = tuple(dict.fromkeys((*bag.problems, *lost)))
        return Migrated(done.path, done.original, version, done.messages, changes, problems)
    finally:
        bag.close()


class Change:
    """A topic whose definition is an earlier one.

    Raises:
        BagError: no rule tells what becomes of a field.
    """

    def __init__(self, topic: BagTopic, old: Any, new: Any, today: definitions.Definition) -> None:
        self.topic, self.today = topic, today
        self._old, self._new = old, new
        self.added: dict[str, None] = {}
        self.dropped: dict[str, None] = {}
        self._compare(topic.type)

    @property
    def sentence(self) -> str:
        told = [f"gets {', '.join(self.added)}"] if self.added else []
        told += [f"loses {', '.join(self.dropped)}"] if self.dropped else []
        return f"{self.topic.name}: {self.topic.type} {' and '.join(told) or 'is ordered otherwise'}"

    @property
    def info(self) -> TopicInfo:
        """The topic as it is written."""
        return TopicInfo(
            self.topic.name,
            self.topic.type,
            self.today.text,
            type_hash=self.today.type_hash,
            offered_qos=self.topic.qos,
        )

    def rewritten(self, data: Any) -> bytes:
        """A message in today's definition.

        Raises:
            UnreadableMessage: its bytes do not fit the definition in the bag.
        """
        message = self._converted(read_typed(self._old, self.topic.type, data), self.topic.type)
        return bytes(self._new.serialize_cdr(message, self.topic.type))

    def _converted(self, message: Any, kind: str) -> Any:
        old = dict(_fields(self._old, kind))
        values = {}
        for name, form in _fields(self._new, kind):
            if name not in old:
                values[name] = ADDED[kind][name](message)
            elif inner := _message_type(form):
                value = getattr(message, name)
                several = isinstance(value, list | tuple)
                values[name] = (
                    [self._converted(item, inner) for item in value]
                    if several
                    else self._converted(value, inner)
                )
            else:
                values[name] = getattr(message, name)
        return self._new.types[kind](**values)

    def _compare(self, kind: str) -> None:
        """Find what came and what went, in this type and those that it holds."""
        old, new = dict(_fields(self._old, kind)), dict(_fields(self._new, kind))
        bare = kind.split("/")[-1]
        self.dropped |= dict.fromkeys(f"{bare}.{name}" for name in old if name not in new)
        for name, form in new.items():
            if name not in old:
                if name not in ADDED.get(kind, {}):
                    raise BagError(
                        f"{self.topic.name}: no rule tells what `{name}` is of a {kind} that was recorded without it; "
                        "use the Foley that the bag was recorded with, or a newer one"
                    )
                self.added[f"{bare}.{name}"] = None
            elif old[name] != form:
                raise BagError(
                    f"{self.topic.name}: `{name}` of {kind} is of another type than it was, and no rule tells how one "
                    "becomes the other; use the Foley that the bag was recorded with, or a newer one"
                )
            elif inner := _message_type(form):
                self._compare(inner)


def _change(topic: BagTopic) -> Change | None:
    """None where a topic is not ours, or is as it would be recorded today (words and constants may differ)."""
    if not topic.type.startswith(OURS) or not topic.definition.strip():
        return None
    try:
        today = definitions.find(topic.type)
    except definitions.DefinitionError as error:
        raise BagError(f"{topic.name}: {error}") from error
    old = store_of(((topic.type, topic.definition, topic.encoding or "ros2msg"),))
    new = store_of(((topic.type, today.text, "ros2msg"),))
    return None if _shape(old, topic.type) == _shape(new, topic.type) else Change(topic, old, new, today)


def _shape(store: Any, kind: str) -> list[Any]:
    """The fields of a type, with those of the types that it holds."""
    return [
        (name, form, _shape(store, inner) if (inner := _message_type(form)) else None)
        for name, form in _fields(store, kind)
    ]


def _fields(store: Any, kind: str) -> list[tuple[str, Any]]:
    """Names and forms of a type's fields, in order."""
    try:
        return list(store.fielddefs[kind][1])
    except KeyError as error:
        raise BagError(f"the bag holds no definition of {kind}") from error


def _message_type(form: Any) -> str:
    """The type of a field's message, or of its items; empty of numbers and strings."""
    from rosbags.interfaces import Nodetype

    node, inner = form
    if node in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        return _message_type(inner[0])
    return str(inner) if node == Nodetype.NAME else ""


def _write(
    bag: Bag,
    folder: Path,
    version: int,
    changed: Mapping[str, Change],
    unreadable: collections.Counter[str],
    progress: Callable[[int], None],
) -> int:
    notes = {
        VERSION_KEY: BAG_VERSION,
        "migrated_from": f"{bag.path.resolve().name}, bag version {version}",
        ORIGIN_KEY: fingerprint_of(bag.path),
    }
    session = session_texts(bag.session | notes)
    writer = BagWriter(folder, session=session, min_free_bytes=0, compressed=bag.compressed)
    try:
        for topic in bag.topics.values():
            writer.add_topic(changed[topic.name].info if topic.name in changed else _as_it_is(topic))
        put_rest(writer, bag)
        for done, message in enumerate(bag.messages(), start=1):
            if change := changed.get(message.topic):
                try:
                    data = change.rewritten(message.data)
                except UnreadableMessage:
                    unreadable[message.topic] += 1
                    continue
                message = dataclasses.replace(message, _fetch=lambda data=data: data)  # type: ignore[misc]
            put_message(writer, message)
            progress(done)
        summary = writer.close()
        if writer.failure is not None:
            raise writer.failure
    except BaseException:
        writer.close()
        raise
    return sum(summary.counts.values())


def _as_it_is(topic: BagTopic) -> TopicInfo:
    return TopicInfo(
        topic.name, topic.type, topic.definition, topic.encoding or "ros2msg", topic.type_hash, topic.qos
    )
