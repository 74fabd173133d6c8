"""A damaged bag once more, whole, with everything in it that can be read. The old one stays as it is."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

from foley_perception.recording.bag import Bag
from foley_perception.recording.beside import write_beside
from foley_perception.recording.byte_file import ByteFile
from foley_perception.recording.copy import put_message, put_rest, session_texts, topic_infos
from foley_perception.recording.errors import BagError
from foley_perception.recording.mcap_file import McapFile
from foley_perception.recording.metadata import SESSION_KEY
from foley_perception.recording.metadata_check import information_faults
from foley_perception.recording.writer import BagWriter

RECOVERED = "-recovered"
ORIGIN_KEY = "recovered_fingerprint"  # of the session of a bag that is a copy of another: what that was
_SEEN_BYTES = 1 << 16


@dataclasses.dataclass(frozen=True)
class Recovered:
    """What was done.

    Attributes:
        path: the whole bag; that which was given if it is whole.
        original: where that which was given is now.
        messages: in the whole bag.
        faults: what was wrong, in words; empty: nothing, and nothing was written.
        lost: messages that are lost.
        lost_more: nothing tells how many were lost somewhere, beside ``lost``.
    """

    path: Path
    original: Path
    messages: int
    faults: tuple[str, ...]
    lost: int
    lost_more: bool = False


def recover_bag(path: Path, *, to: Path | None = None, in_place: bool = False) -> Recovered:
    """Write a whole bag of what can be read of a damaged one.

    Args:
        path: folder of a bag, or one file; never changed.
        to: folder of the new bag, must not exist; by default beside the old one, named like it with
            :data:`RECOVERED` behind.
        in_place: the new bag takes the name of the old one, which is kept with :data:`beside.ORIGINAL` behind it.

    Raises:
        BagError: nothing can be read there, or nothing written. Then nothing has changed.
    """
    bag = Bag(path)
    try:
        counts: collections.Counter[str] = collections.Counter()
        for message in bag.messages():
            counts[message.topic] += 1
        faults = [*(damage.sentence(bag.start_ns) for damage in bag.damages), *bag.index_faults()]
        faults += information_faults(bag, counts)
        if not faults:
            return Recovered(path, path, counts.total(), (), 0)
        lost = sum(damage.messages or 0 for damage in bag.damages)
        more = any(damage.messages is None for damage in bag.damages)
        if not counts:
            raise BagError(f"{path}: nothing in it can be read: {'; '.join(faults)}")
        done = write_beside(
            path, RECOVERED, lambda folder: _write(bag, folder, faults), to=to, in_place=in_place
        )
        return Recovered(done.path, done.original, done.messages, tuple(faults), lost, more)
    finally:
        bag.close()


def superseded(bags: Sequence[Path]) -> list[Path]:
    """Those of the bags whose recovered copy is among them as well, so that the same is not used twice; of several
    copies of one, all but the first.

    A copy says in its session's metadata what it was made of, whatever both are called and wherever they lie.
    """
    origins = {bag: origin for bag in bags if (origin := _origin(bag))}
    first = {origin: bag for bag, origin in reversed(origins.items())}
    return [
        bag
        for bag in bags
        if first and (fingerprint_of(bag) in first or (bag in origins and first[origins[bag]] != bag))
    ]


def same_content(bags: Sequence[Path]) -> dict[Path, Path]:
    """Bags that are copies of an earlier one, whatever they are called -> that."""
    first: dict[str, Path] = {}
    found: dict[Path, Path] = {}
    for bag in bags:
        if mark := fingerprint_of(bag):
            found |= {bag: first[mark]} if mark in first else {}
            first.setdefault(mark, bag)
    return found


def fingerprint_of(path: Path) -> str:
    """Of a bag's files, by their sizes, their beginnings and their ends; empty if they cannot be read."""
    digest = hashlib.sha256()
    try:
        for name in Bag(path).files:
            file = ByteFile(name)
            digest.update(file.size.to_bytes(8, "little"))
            digest.update(file.read(0, _SEEN_BYTES) + file.read(max(file.size - _SEEN_BYTES, 0), _SEEN_BYTES))
    except BagError:
        return ""
    return f"sha256:{digest.hexdigest()}"


# ---- inside --------------------------------------------------------------------------------------------
def _origin(path: Path) -> str:
    """Fingerprint of the bag that a bag was recovered from; empty for one that was not."""
    try:
        bag = Bag(path)
        session = bag.session
        if not session and bag.files[0].suffix == ".mcap":  # no metadata.yaml
            file = McapFile(bag.files[0])
            next(file.scan(), None)
            session = file.metadata.get(SESSION_KEY, {})
    except BagError:  # told where it is read
        return ""
    return str(session.get(ORIGIN_KEY, ""))


def _write(bag: Bag, folder: Path, faults: list[str]) -> int:
    notes = {
        "recovered_from": bag.path.resolve().name,
        "recovered_faults": "; ".join(faults),
        ORIGIN_KEY: fingerprint_of(bag.path),
    }
    writer = BagWriter(
        folder, session=session_texts(bag.session | notes), min_free_bytes=0, compressed=bag.compressed
    )
    try:
        for info in topic_infos(bag):
            writer.add_topic(info)
        put_rest(writer, bag)
        for message in bag.messages():
            put_message(writer, message)
        summary = writer.close()
        if writer.failure is not None:
            raise writer.failure
    except BaseException:
        writer.close()
        raise
    return sum(summary.counts.values())
