"""Raw messages to an MCAP bag, from a thread of its own.

::

    put() --> bounded queue (bytes) --> writer thread --> chunks --> file --> fsync
              full: dropped, counted                        every flush_period_s

The chunks in progress are finished and forced to disk every ``flush_period_s``. So whatever kills the process
(SIGKILL) or the machine (power) takes at most what was put within the last ``flush_period_s`` plus the time
that one flush takes; :attr:`BagWriter.longest_flush_s` says how long that was. ``foley bag recover`` writes a whole
bag of such a one. What is still to be encoded (:mod:`.encode`) waits in the queue, in its place.

A bag may be split by time or size, or when somebody asks for it. Each file has its schemas, channels, session's
metadata and index, and is read alone; a message stands in one of them only.

When the disk fills up the writer stops by itself: it gives back a reserve it took at the start, cuts the file
at the last whole record and finishes it, so that everything up to that moment can be read.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import os
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

from foley_perception.recording.compression import Encoded
from foley_perception.recording.disk import check_folder, explained
from foley_perception.recording.errors import BagError, NoSpaceError
from foley_perception.recording.finish import finish_file
from foley_perception.recording.mcap_output import CHUNK_BYTES, BagFile
from foley_perception.recording.mcap_records import Attachment
from foley_perception.recording.metadata import BagSummary, TopicInfo, joined, write_metadata
from foley_perception.recording.queued import Barrier, Item, Other, Record, Registered, SplitHere

_RESERVE_BYTES = 1 << 20  # holds the index of more than an hour
_RESERVE_NAME = ".reserve"


@dataclasses.dataclass(frozen=True)
class Split:
    """When a bag goes on in another file; 0: never for that reason."""

    seconds: float = 0.0
    size: int = 0  # [byte] about


NEVER = Split()


class BagWriter:
    """Writes one bag folder.

    Args:
        folder: made here; must not exist.
        session: metadata, put into every file and into ``metadata.yaml``.
        flush_period_s: the loss bound, see above.
        queue_bytes: messages waiting for the disk; beyond it new ones are dropped and counted.
        min_free_bytes: recording ends by itself when the disk has less.
        compressed: all chunks are compressed (zstd); else those of topics that are added as ``packed``.
        split: when another file begins.

    Attributes:
        not_encoded: topics of which images were kept as they came -> how many, and why the last one was.
        free_bytes: of the disk, as it was last looked at; None: not yet.

    Raises:
        NotWritableError, NoSpaceError: see :func:`check_folder`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        session: Mapping[str, str],
        flush_period_s: float = 1.0,
        queue_bytes: int = 128 << 20,
        min_free_bytes: int = 256 << 20,
        compressed: bool = False,
        split: Split = NEVER,
    ) -> None:
        check_folder(folder, min_free_bytes)
        self.folder = folder
        self.dropped: collections.Counter[str] = collections.Counter()
        self.failure: BagError | None = None
        self.longest_flush_s = 0.0
        self.not_encoded: dict[str, tuple[int, str]] = {}
        self.free_bytes: int | None = None
        self._session = dict(session)
        self._flush_period_s = flush_period_s
        self._queue_limit = queue_bytes
        self._min_free = min_free_bytes
        self._compressed = compressed
        self._split = split
        self._topics: dict[str, TopicInfo] = {}
        self._registered: dict[str, Registered] = {}
        self._queue: collections.deque[Item | Other] = collections.deque()
        self._queued = 0
        self._wake = threading.Condition()
        self._closing = False
        self._closed: list[BagSummary] = []  # files that are finished
        self._closed_bytes = 0
        self._split_due = False
        try:
            folder.mkdir()
            (folder / _RESERVE_NAME).write_bytes(os.urandom(_RESERVE_BYTES))
            self._file = self._begun()
            self._write_metadata()
        except OSError as error:
            raise explained(folder, error) from error
        # Not a daemon: what was put must reach the disk before the process ends.
        self._thread = threading.Thread(target=self._run, name="bag-writer")
        self._thread.start()

    # ---- any thread ------------------------------------------------------------------------------------
    def add_topic(self, info: TopicInfo, *, packed: bool = False) -> None:
        """Declare a topic before its first message. Declaring it again changes nothing.

        Args:
            packed: its messages lie in chunks that are compressed.
        """
        with self._wake:
            if info.name not in self._topics:
                self._topics[info.name] = info
                self._queue.append(Registered(info, packed or self._compressed))

    def add_record(self, name: str, items: Mapping[str, str]) -> None:
        """A record of metadata beside the session's."""
        with self._wake:
            self._queue.append(Record(name, dict(items)))

    def add_attachment(self, attachment: Attachment) -> None:
        """A file in the file; it is counted with what waits for the disk, and never dropped."""
        with self._wake:
            self._queue.append(attachment)
            self._queued += len(attachment.data)

    def put(
        self,
        topic: str,
        log_time: int,
        data: bytes,
        *,
        publish_time: int | None = None,
        sequence: int = 0,
        always: bool = False,
    ) -> bool:
        """Queue one serialised message; times in ns. False if it was dropped (and counted).

        Args:
            always: also where the queue is full, for the few that must not be dropped.
        """
        published = log_time if publish_time is None else publish_time
        item = Item(topic, log_time, published, sequence & 0xFFFFFFFF, data, len(data))
        return self._put(item, always=always)

    def put_encoded(
        self,
        topic: str,
        log_time: int,
        data: Future[Encoded],
        raw: tuple[TopicInfo, bytes],
        *,
        publish_time: int,
        sequence: int = 0,
    ) -> bool:
        """The same of an image that is being encoded.

        Args:
            raw: topic and message that are written, compressed by their chunk, should it not be possible.
        """
        size = len(raw[1])
        return self._put(Item(topic, log_time, publish_time, sequence & 0xFFFFFFFF, data, size, raw))

    def _put(self, item: Item, *, always: bool = False) -> bool:
        with self._wake:
            full = not always and self._queued + item.size > self._queue_limit
            if self._closing or self.failure is not None or full:
                self.dropped[item.topic] += 1
                return False
            self._queue.append(item)
            self._queued += item.size
            # The thread looks by itself every 20 ms; waking it for each message would double the cost.
            if self._queued > CHUNK_BYTES:
                self._wake.notify()
            return True

    def split(self) -> None:
        """Go on in another file, as soon as there is something to write into it."""
        with self._wake:
            self._queue.append(SplitHere())

    def barrier(self) -> None:
        """Whatever is put from now on stands behind what was put before, whichever chunk it goes into."""
        with self._wake:
            self._queue.append(Barrier())

    @property
    def path(self) -> Path:
        """Of the file in progress, or of the last one."""
        return self._file.path

    @property
    def files(self) -> int:
        """How many there are."""
        return len(self._closed) + (not self._is_closed())

    @property
    def counts(self) -> collections.Counter[str]:
        """Messages that were written, by topic."""
        return collections.Counter(self.summary().counts)

    @property
    def bytes_written(self) -> int:
        return self._closed_bytes + (0 if self._is_closed() else self._file.tell())

    @property
    def queued_bytes(self) -> int:
        return self._queued

    def summary(self) -> BagSummary:
        return joined(self._summaries())

    def close(self) -> BagSummary:
        """Write what is queued, finish the bag. A failure is in ``failure``, not raised."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()
        return self.summary()

    # ---- the writer's thread ---------------------------------------------------------------------------
    def _run(self) -> None:
        try:
            self._write_until_closed()
            self._file.finish()
            (self.folder / _RESERVE_NAME).unlink(missing_ok=True)
            self._write_metadata()
        except OSError as error:
            self._fail(explained(self.folder, error))
        except NoSpaceError as error:
            self._fail(error, sound=True)
        except Exception as error:  # noqa: BLE001 - whatever it was must end in a finished file and a report
            self._fail(BagError(f"{self.folder}: {type(error).__name__}: {error}"))

    def _write_until_closed(self) -> None:
        next_flush = time.monotonic() + self._flush_period_s
        closing = False
        while not (closing and not self._queue):
            with self._wake:
                if not self._closing:
                    self._wake.wait(0.02)
                closing = self._closing
                items, self._queue = self._queue, collections.deque()
            try:
                written = self._write_items(items, wait=closing)
            finally:
                if items:  # the first of them is still being encoded, or cannot be written
                    with self._wake:
                        items.extend(self._queue)
                        self._queue = items
            with self._wake:
                self._queued -= written
            if time.monotonic() >= next_flush:
                next_flush = time.monotonic() + self._flush_period_s
                self._flush()

    def _write_items(self, items: collections.deque[Item | Other], *, wait: bool) -> int:
        """Write from the front, up to an image that is still being encoded; bytes that waited for the disk."""
        written = 0
        while items:
            item = items[0]
            if isinstance(item, Item):
                if isinstance(item.data, bytes):
                    self._write(item.topic, item, item.data)
                elif not (wait or item.data.done()):
                    break
                else:
                    self._write_encoded(item, item.data.result())
                written += item.size
            else:
                written += self._add(item)
            items.popleft()
        return written

    def _write_encoded(self, item: Item, encoded: Encoded) -> None:
        if isinstance(encoded, bytes):
            self._write(item.topic, item, encoded)
            return
        assert item.raw is not None
        info, data = item.raw
        if info.name not in self._registered:
            self._topics[info.name] = info
            self._register(Registered(info, packed=True))
        self.not_encoded[info.name] = self.not_encoded.get(info.name, (0, ""))[0] + 1, encoded
        self._write(info.name, item, data)

    def _write(self, topic: str, item: Item, data: bytes) -> None:
        file = self._file
        if file.messages and (
            self._split_due
            or (0 < self._split.size <= file.size and self._split.size <= file.measured())
            or 0 < self._split.seconds * 1e9 <= item.log_time - file.start_ns
        ):
            self._next_file()
            file = self._file
        file.add(topic, item.log_time, data, item.publish_time, item.sequence)

    def _add(self, item: Other) -> int:
        """What is no message; bytes that waited for the disk with it."""
        if isinstance(item, Registered):
            self._register(item)
        elif isinstance(item, Record):
            self._file.add_record(item.name, item.items)
        elif isinstance(item, SplitHere):
            self._split_due = True
        elif isinstance(item, Barrier):
            self._flush()
        else:
            self._file.add_attachment(item)
            return len(item.data)
        return 0

    def _register(self, topic: Registered) -> None:
        self._registered[topic.info.name] = topic
        self._file.register(topic.info, packed=topic.packed)

    def _begun(self) -> BagFile:
        file = BagFile(self.folder / f"{self.folder.name}_{len(self._closed)}.mcap", self._session)
        folder = os.open(self.folder, os.O_RDONLY)  # so that its name is on the disk as well
        with contextlib.suppress(OSError):  # not every file system (of a network) does this for folders
            os.fsync(folder)
        os.close(folder)
        return file

    def _next_file(self) -> None:
        begun = time.monotonic()
        self._split_due = False
        self._file.finish()
        self._closed_bytes += self._file.tell()
        self._closed.append(self._file.summary())
        self._file = self._begun()
        for topic in self._registered.values():
            self._file.register(topic.info, packed=topic.packed)
        self._write_metadata()
        self.longest_flush_s = max(self.longest_flush_s, time.monotonic() - begun)

    def _flush(self) -> None:
        begun = time.monotonic()
        self._file.flush()
        self.longest_flush_s = max(self.longest_flush_s, time.monotonic() - begun)
        free = self.free_bytes = shutil.disk_usage(self.folder).free
        if free < self._min_free:
            raise NoSpaceError(
                f"{self.folder}: {free >> 20} MiB are left on the disk, less than the reserve of "
                f"{self._min_free >> 20} MiB (parameter `min_free_mb`); the recording was ended"
            )

    def _fail(self, error: BagError, *, sound: bool = False) -> None:
        """Keep what is there: give the reserve back, cut at the last whole record, finish the file. A file that is
        ``sound`` is finished as ever: to read all of a large one takes minutes, in which the recorder hangs."""
        self.failure = error
        with self._wake:
            for item in self._queue:
                if isinstance(item, Item):
                    self.dropped[item.topic] += 1
            self._queue.clear()
            self._queued = 0
        try:
            (self.folder / _RESERVE_NAME).unlink(missing_ok=True)
            if sound:
                with contextlib.suppress(OSError):
                    self._file.finish()
                    self._write_metadata()
                    return
            self._file.close()
            if not self._is_closed():
                summary = finish_file(self._file.path)
                self._file.counts = collections.Counter(summary.counts)
                self._file.end_ns = summary.end_ns
            self._write_metadata()
        except (OSError, BagError) as again:
            self.failure = type(error)(f"{error}; then: {again}; run `foley bag recover {self.folder}`")

    def _is_closed(self) -> bool:
        """Whether the newest file is among the finished ones: the next one could not be begun."""
        return bool(self._closed) and self._closed[-1].file == self._file.path.name

    def _summaries(self) -> Sequence[BagSummary]:
        return self._closed if self._is_closed() else [*self._closed, self._file.summary()]

    def _write_metadata(self) -> None:
        write_metadata(self.folder, self._summaries(), list(self._topics.values()), self._session)
