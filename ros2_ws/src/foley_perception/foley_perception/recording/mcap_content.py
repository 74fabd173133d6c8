"""What was found in an MCAP file: where its messages lie, and what of it is damaged."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable
from typing import NamedTuple

from foley_perception.recording.damage import Damage
from foley_perception.recording.mcap_records import Channel, ChunkHead, ChunkIndex
from foley_perception.recording.mcap_summary import Summary
from foley_perception.recording.mcap_walk import Gap


class Message(NamedTuple):
    """Where one message lies; :meth:`McapFile.data` gives its bytes."""

    channel: Channel
    log_time: int
    publish_time: int
    sequence: int
    chunk: int  # offset of the chunk's record; -1: it lies in the file itself
    offset: int
    length: int


@dataclasses.dataclass
class Span:
    """Messages that lie together: a chunk, or some outside of chunks."""

    at: int
    stop: int
    head: ChunkHead | None
    first: int = 2**63 - 1  # [ns] earliest log time
    last: int = -1
    messages: int = 0


@dataclasses.dataclass
class Content:
    """What a whole walk found.

    Attributes:
        finished: the data have an end, the file was not cut off.
        end: behind the last whole record of the data.
        opaque: messages per channel whose definition is lost.
        message_indexes: entries behind each chunk, by the chunk's offset.
    """

    spans: list[Span] = dataclasses.field(default_factory=list)
    damages: list[Damage] = dataclasses.field(default_factory=list)
    finished: bool = False
    end: int = 0
    opaque: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)
    message_indexes: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)

    def count_lost(self) -> None:
        """The message indexes behind a chunk tell how many messages were in it."""
        self.damages = [
            dataclasses.replace(damage, messages=self.message_indexes[damage.at])
            if damage.messages is None and damage.at in self.message_indexes
            else damage
            for damage in self.damages
        ]

    def told(self, name: str, size: int, summary: Summary, described: Iterable[str]) -> list[Damage]:
        """Everything that is wrong with the file.

        Args:
            name, size: of the file.
            described: topics that only a damaged chunk describes.
        """
        told = list(self.damages)
        ends = bool(told) and told[-1].stop == size
        for number, count in sorted(self.opaque.items()):
            what = f"the description of channel {number}, to which they belong, is gone"
            told.append(Damage(name, 0, 0, what, messages=count))
        if topics := ", ".join(sorted(described)):
            what = f"what describes {topics} is in a damaged chunk, and may be wrong itself"
            told.append(Damage(name, 0, 0, what, messages=0))
        # What ends in damaged bytes was told with them.
        if summary.problem and not ends:
            at = summary.data_end or self.end
            told.append(Damage(name, at, size, f"no index ({summary.problem})", messages=0))
        return told


def gap_damage(gap: Gap, name: str, size: int, summary: Summary) -> Damage:
    """What is lost with bytes that are no record, of a file of ``size`` bytes."""
    if gap.mended:
        return Damage(name, gap.at, gap.stop, f"the head of a chunk is damaged ({gap.reason})", messages=0)
    if gap.lost is not None:
        stop = max(gap.lost.stop, gap.stop) if isinstance(gap.lost, ChunkHead) else gap.stop
        return chunk_damage(name, size, gap.at, stop, gap.reason, gap.lost)
    indexed = bool(summary.chunks)  # from which no chunk can hide
    return Damage(name, gap.at, gap.stop, f"damaged ({gap.reason})", messages=0 if indexed else None)


def chunk_damage(
    name: str, size: int, at: int, stop: int, reason: str, chunk: ChunkHead | ChunkIndex
) -> Damage:
    """A chunk that is lost, of a file of ``size`` bytes."""
    return Damage(
        name,
        at,
        min(stop, size),
        "a chunk, in which the file ends" if stop > size else f"a damaged chunk ({reason})",
        messages=chunk.messages if isinstance(chunk, ChunkIndex) else None,
        first_ns=chunk.start_time,
        last_ns=chunk.end_time,
    )
