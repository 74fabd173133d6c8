"""Raw messages to an MCAP bag, from a thread of its own.

::

    put() --> bounded queue (bytes) --> writer thread --> chunk --> file --> fsync
              full: dropped, counted                       every flush_period_s

The chunk in progress is finished and forced to disk every ``flush_period_s``. So whatever kills the process
(SIGKILL) or the machine (power) takes at most what was put within the last ``flush_period_s`` plus the time
that one flush takes; :attr:`BagWriter.longest_flush_s` says how long that was. ``foley bag recover`` writes a whole
bag of such a one.

When the disk fills up the writer stops by itself: it gives back a reserve it took at the start, cuts the file
at the last whole record and finishes it, so that everything up to that moment can be read.
"""

from __future__ import annotations

import collections
import errno
import itertools
import os
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from foley_perception.recording.errors import BagError, NoSpaceError, NotWritableError
from foley_perception.recording.finish import finish_file
from foley_perception.recording.mcap_records import Attachment
from foley_perception.recording.mcap_writer import McapWriter
from foley_perception.recording.metadata import SESSION_KEY, BagSummary, TopicInfo, write_metadata

_CHUNK_BYTES = 1 << 20
_RESERVE_BYTES = 1 << 20  # holds the index of more than an hour
_RESERVE_NAME = ".reserve"
_MOST_PIECES = 512  # that the system takes at once
_PAGE = 1 << 16  # [bytes] a multiple of the size of any page


class _Item(NamedTuple):
    channel: int
    topic: str
    log_time: int
    publish_time: int
    sequence: int
    data: bytes


class _Record(NamedTuple):
    """A record of metadata."""

    name: str
    items: Mapping[str, str]


class _File:
    """An unbuffered file whose writes are whole or raise."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        self._at = self._synced = 0

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            written = os.write(self._fd, view)
            view = view[written:]
            self._at += written
        return len(data)

    def write_pieces(self, pieces: Sequence[bytes | bytearray]) -> None:
        left = collections.deque(memoryview(piece) for piece in pieces if piece)
        while left:
            written = os.writev(self._fd, [*itertools.islice(left, _MOST_PIECES)])
            self._at += written
            while left and written >= len(left[0]):
                written -= len(left.popleft())
            if written:
                left[0] = left[0][written:]

    def tell(self) -> int:
        return self._at

    def sync(self) -> None:
        """Force all to the disk, and keep nothing of it in memory: the system would fill all memory with pictures that
        nobody reads again, and finding a new page for each costs more than writing does."""
        os.fdatasync(self._fd)
        os.posix_fadvise(self._fd, self._synced, self._at - self._synced, os.POSIX_FADV_DONTNEED)
        self._synced = self._at - self._at % _PAGE

    def close(self) -> None:
        os.close(self._fd)


def check_folder(folder: Path, min_free_bytes: int) -> None:
    """Refuse a place that cannot take a bag.

    Raises:
        NotWritableError: the parent is missing and cannot be made, or is not writable; the bag exists.
        NoSpaceError: less than ``min_free_bytes`` free.
    """
    if folder.exists():
        raise NotWritableError(f"{folder}: exists already; give the recording another name")
    parent = folder.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        probe = parent / f".probe_{os.getpid()}_{threading.get_ident()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise NoSpaceError(f"{parent}: the disk is full; free some space") from error
        raise NotWritableError(
            f"{parent}: cannot be written ({error.strerror}); choose another folder or correct its "
            "permissions"
        ) from error
    free = shutil.disk_usage(parent).free
    if free < min_free_bytes:
        raise NoSpaceError(
            f"{parent}: {free >> 20} MiB are free, the recorder keeps {min_free_bytes >> 20} MiB free "
            "(parameter `min_free_mb`); free some space or choose another disk"
        )


class BagWriter:
    """Writes one bag folder.

    Args:
        folder: made here; must not exist.
        session: metadata, put into the file and into ``metadata.yaml``.
        flush_period_s: the loss bound, see above.
        queue_bytes: messages waiting for the disk; beyond it new ones are dropped and counted.
        min_free_bytes: recording ends by itself when the disk has less.
        compressed: chunks are compressed (zstd).

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
    ) -> None:
        check_folder(folder, min_free_bytes)
        self.folder = folder
        self.path = folder / f"{folder.name}_0.mcap"
        self.dropped: collections.Counter[str] = collections.Counter()
        self.counts: collections.Counter[str] = collections.Counter()
        self.failure: BagError | None = None
        self.longest_flush_s = 0.0
        self._session = dict(session)
        self._flush_period_s = flush_period_s
        self._queue_limit = queue_bytes
        self._min_free = min_free_bytes
        self._topics: dict[str, tuple[int, TopicInfo]] = {}
        self._schemas: dict[str, int] = {}
        self._queue: collections.deque[_Item | TopicInfo | _Record | Attachment] = collections.deque()
        self._queued = 0
        self._wake = threading.Condition()
        self._closing = False
        self._start_ns, self._end_ns = 2**63 - 1, 0
        try:
            folder.mkdir()
            (folder / _RESERVE_NAME).write_bytes(os.urandom(_RESERVE_BYTES))
            self._file = _File(self.path)
            self._writer = McapWriter(self._file, chunk_bytes=_CHUNK_BYTES)
            self._writer.use(compressed)
            self._writer.add_metadata(SESSION_KEY, self._session)
            self._write_metadata()
        except OSError as error:
            raise _explained(folder, error) from error
        # Not a daemon: what was put must reach the disk before the process ends.
        self._thread = threading.Thread(target=self._run, name="bag-writer")
        self._thread.start()

    # ---- any thread ------------------------------------------------------------------------------------
    def add_topic(self, info: TopicInfo) -> None:
        """Declare a topic before its first message. Declaring it again changes nothing."""
        with self._wake:
            if info.name not in self._topics:
                self._topics[info.name] = (len(self._topics) + 1, info)
                self._queue.append(info)

    def add_record(self, name: str, items: Mapping[str, str]) -> None:
        """A record of metadata beside the session's."""
        with self._wake:
            self._queue.append(_Record(name, dict(items)))

    def add_attachment(self, attachment: Attachment) -> None:
        """A file in the file; it is counted with what waits for the disk, and never dropped."""
        with self._wake:
            self._queue.append(attachment)
            self._queued += len(attachment.data)

    def put(
        self, topic: str, log_time: int, data: bytes, *, publish_time: int | None = None, sequence: int = 0
    ) -> bool:
        """Queue one serialised message; times in ns. False if it was dropped (and counted)."""
        with self._wake:
            if self._closing or self.failure is not None or self._queued + len(data) > self._queue_limit:
                self.dropped[topic] += 1
                return False
            published = log_time if publish_time is None else publish_time
            channel = self._topics[topic][0]
            self._queue.append(_Item(channel, topic, log_time, published, sequence & 0xFFFFFFFF, data))
            self._queued += len(data)
            # The thread looks by itself every 20 ms; waking it for each message would double the cost.
            if self._queued > _CHUNK_BYTES:
                self._wake.notify()
            return True

    @property
    def bytes_written(self) -> int:
        return self._file.tell()

    @property
    def queued_bytes(self) -> int:
        return self._queued

    def summary(self) -> BagSummary:
        return BagSummary(self.path.name, self._start_ns, self._end_ns, dict(self.counts))

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
            self._writer.finish()
            self._file.sync()
            self._file.close()
            (self.folder / _RESERVE_NAME).unlink(missing_ok=True)
            self._write_metadata()
        except OSError as error:
            self._fail(_explained(self.folder, error))
        except BagError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - whatever it was must end in a finished file and a report
            self._fail(BagError(f"{self.folder}: {type(error).__name__}: {error}"))

    def _write_until_closed(self) -> None:
        next_flush = time.monotonic() + self._flush_period_s
        closing = False
        while not closing:
            with self._wake:
                if not self._closing:
                    self._wake.wait(0.02)
                closing = self._closing
                items, self._queue = self._queue, collections.deque()
            written = 0
            for item in items:
                if not isinstance(item, _Item):
                    written += self._add(item)
                    continue
                self._writer.add_message(
                    item.channel, item.log_time, item.data, item.publish_time, item.sequence
                )
                written += len(item.data)
                self.counts[item.topic] += 1
                self._start_ns = min(self._start_ns, item.log_time)
                self._end_ns = max(self._end_ns, item.log_time)
            with self._wake:
                self._queued -= written
            if time.monotonic() >= next_flush:
                next_flush = time.monotonic() + self._flush_period_s
                self._flush()

    def _add(self, item: TopicInfo | _Record | Attachment) -> int:
        """What is no message; bytes that waited for the disk with it."""
        if isinstance(item, TopicInfo):
            self._register(item)
        elif isinstance(item, _Record):
            self._writer.add_metadata(item.name, dict(item.items))
        else:
            self._writer.add_attachment(item)
            return len(item.data)
        return 0

    def _register(self, info: TopicInfo) -> None:
        schema = self._schemas.get(info.type)
        if schema is None:
            schema = self._writer.register_schema(
                info.type, info.definition_encoding, info.definition.encode()
            )
            self._schemas[info.type] = schema
        metadata = {"offered_qos_profiles": info.qos_yaml, "topic_type_hash": info.type_hash}
        channel = self._writer.register_channel(info.name, "cdr", schema, metadata)
        if channel != self._topics[info.name][0]:
            raise BagError(f"{self.path}: channel {channel} of `{info.name}` is out of order")

    def _flush(self) -> None:
        begun = time.monotonic()
        self._writer.flush()
        self._file.sync()
        self.longest_flush_s = max(self.longest_flush_s, time.monotonic() - begun)
        free = shutil.disk_usage(self.folder).free
        if free < self._min_free:
            raise NoSpaceError(
                f"{self.folder}: {free >> 20} MiB are left on the disk, less than the reserve of "
                f"{self._min_free >> 20} MiB (parameter `min_free_mb`); the recording was ended"
            )

    def _fail(self, error: BagError) -> None:
        """Keep what is there: give the reserve back, cut at the last whole record, finish the file."""
        self.failure = error
        with self._wake:
            for item in self._queue:
                if isinstance(item, _Item):
                    self.dropped[item.topic] += 1
            self._queue.clear()
            self._queued = 0
        try:
            (self.folder / _RESERVE_NAME).unlink(missing_ok=True)
            self._file.close()
            summary = finish_file(self.path)
            self.counts = collections.Counter(summary.counts)
            self._end_ns = summary.end_ns
            self._write_metadata()
        except (OSError, BagError) as again:
            self.failure = type(error)(f"{error}; then: {again}; run `foley bag recover {self.folder}`")

    def _write_metadata(self) -> None:
        write_metadata(
            self.folder, self.summary(), [info for _, info in self._topics.values()], self._session
        )


def _explained(folder: Path, error: OSError) -> BagError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return NoSpaceError(f"{folder}: the disk is full ({error.strerror}); the recording was ended")
    return NotWritableError(f"{folder}: cannot be written ({error.strerror})")
