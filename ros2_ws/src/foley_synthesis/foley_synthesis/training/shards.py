"""Samples that stream from shards, in an order drawn from (seed, epoch), the same for any number of readers.

::

    shards, shuffled --(cut into `lanes` of equal length)--> each lane through a buffer, shuffled --> samples

A lane is read by one reader from front to back. Readers (processes times DataLoader workers) share the lanes evenly: no
sample is read twice or left out, and what all of them give together does not depend on how many they are. Memory holds
one buffer a lane, of samples that are not decoded yet.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from torch.utils.data import IterableDataset, get_worker_info

from foley_synthesis.training import processes

Raw = TypeVar("Raw")
Made = TypeVar("Made")
Read = Callable[[int, int, int], Iterator[Raw]]
"""Samples [start, stop) of a shard, given its number."""
LANES = 8


@dataclasses.dataclass(frozen=True)
class Stretch:
    """Samples [start, stop) of a shard."""

    shard: int
    start: int
    stop: int


def lanes_of(counts: Sequence[int], lanes: int, order: Sequence[int]) -> list[list[Stretch]]:
    """All samples of shards that hold so many each, taken in an order, in lanes whose lengths differ by one at most."""
    total = sum(counts)
    edges = [total * lane // lanes for lane in range(lanes + 1)]
    found: list[list[Stretch]] = [[] for _ in range(lanes)]
    first, lane = 0, 0
    for shard in order:
        stop, at = first + counts[shard], first
        while at < stop:
            while edges[lane + 1] <= at:
                lane += 1
            until = min(stop, edges[lane + 1])
            found[lane].append(Stretch(shard, at - first, until - first))
            at = until
        first = stop
    return found


def buffered(items: Iterable[Raw], size: int, rng: random.Random) -> Iterator[Raw]:
    """All items, each from a random place of a buffer; with a size of 1 in their order."""
    buffer: list[Raw] = []
    for item in items:
        if len(buffer) < size:
            buffer.append(item)
            continue
        at = rng.randrange(size)
        yield buffer[at]
        buffer[at] = item
    rng.shuffle(buffer)
    yield from buffer


class ShardStream(IterableDataset[Made], Generic[Raw, Made]):
    """What a process (and a worker of its DataLoader) reads of an epoch, its lanes in turn.

    Args:
        counts: samples of each shard.
        decode: what becomes of a raw sample, once it leaves the buffer.
        buffer: samples that a lane holds; 0: neither shards nor samples are shuffled.
        lanes: a multiple of the number of readers.

    Raises:
        ValueError: when it is read, lanes cannot be shared evenly.
    """

    def __init__(
        self,
        counts: Sequence[int],
        read: Read[Raw],
        decode: Callable[[Raw], Made],
        *,
        seed: int = 0,
        buffer: int = 256,
        lanes: int = LANES,
    ) -> None:
        super().__init__()
        self._counts, self._read, self._decode = tuple(counts), read, decode
        self._seed, self._buffer, self._lanes = seed, buffer, lanes
        self._epoch = self._given = self._skip = 0

    def __len__(self) -> int:
        """Of all readers together."""
        return sum(self._counts)

    def set_epoch(self, epoch: int) -> None:
        """Which one is read next, from its beginning."""
        self._epoch, self._given, self._skip = epoch, 0, 0

    def state_dict(self) -> dict[str, Any]:
        """Where this reader is; of one without workers, which read on their own."""
        return {"epoch": self._epoch, "given": self._given}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The next reading goes on there. What was given is read again without being decoded."""
        self._epoch, self._skip = int(state["epoch"]), int(state["given"])

    def lane(self, number: int) -> Iterator[Raw]:
        """The raw samples of a lane in the present epoch."""
        order = list(range(len(self._counts)))
        if self._buffer:
            random.Random(f"{self._seed} {self._epoch}").shuffle(order)
        stretches = lanes_of(self._counts, self._lanes, order)[number]
        samples = (sample for s in stretches for sample in self._read(s.shard, s.start, s.stop))
        rng = random.Random(f"{self._seed} {self._epoch} {number}")
        return buffered(samples, max(self._buffer, 1), rng) if self._buffer else samples

    def own_lanes(self) -> list[int]:
        """Those of this reader."""
        worker = get_worker_info()
        workers, index = (worker.num_workers, worker.id) if worker else (1, 0)
        readers = processes.count() * workers
        if self._lanes % readers:
            raise ValueError(
                f"{self._lanes} lanes cannot be shared evenly by {readers} readers ({processes.count()} processes of "
                f"{workers} workers); give a number of lanes that is a multiple of it"
            )
        each = self._lanes // readers
        first = (processes.rank() * workers + index) * each
        return list(range(first, first + each))

    def __iter__(self) -> Iterator[Made]:
        self._given, skip, self._skip = 0, self._skip, 0
        running = [self.lane(number) for number in self.own_lanes()]
        while running:
            for lane in list(running):
                try:
                    raw = next(lane)
                except StopIteration:
                    running.remove(lane)
                    continue
                self._given += 1
                if self._given > skip:
                    yield self._decode(raw)
