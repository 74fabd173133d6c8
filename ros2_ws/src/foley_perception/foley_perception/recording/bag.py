"""Any recorded bag, read message by message: ours, `ros2 bag record`'s, those written by `rosbags`.

A bag is a folder of MCAP or SQLite files (with or without ``metadata.yaml``), or one such file. Files may be
unfinished, damaged or compressed; so may messages, whatever ``metadata.yaml`` says of it. What cannot be read is
left out and told in ``problems``, the rest is read. Messages come as bytes that are fetched only when asked for.
"""

from __future__ import annotations

import dataclasses
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from foley_perception.recording import definitions
from foley_perception.recording.bag_files import find_files, message_count, of_unreadable
from foley_perception.recording.cdr import Buffer
from foley_perception.recording.damage import Damage
from foley_perception.recording.errors import BagError
from foley_perception.recording.information import read_information
from foley_perception.recording.mcap_check import index_damages
from foley_perception.recording.mcap_content import Message
from foley_perception.recording.mcap_file import McapFile
from foley_perception.recording.mcap_records import Attachment, Channel
from foley_perception.recording.metadata import ROSBAG2_RECORD, SESSION_KEY, Qos
from foley_perception.recording.packed_message import ZSTD_MAGIC, fault, unpack_file, unpacked
from foley_perception.recording.session import load_session
from foley_perception.recording.sqlite_file import Row, SqliteFile
from foley_perception.recording.versions import version_problems


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class BagMessage:
    topic: str
    log_time: int  # [ns] arrival at the recorder
    publish_time: int  # [ns] as its publisher says; the arrival where that is unknown
    sequence: int  # of its publisher; 0 unknown
    _fetch: Callable[[], Buffer]

    @property
    def data(self) -> Buffer:
        """The serialised bytes."""
        return self._fetch()


@dataclasses.dataclass(frozen=True)
class BagTopic:
    name: str
    type: str
    definition: str
    encoding: str  # of the definition: ros2msg or ros2idl
    qos: tuple[Qos, ...] = ()  # as its publishers offered it
    type_hash: str = ""


class Bag:
    """An opened bag. After :meth:`messages` is exhausted ``topics``, ``damages`` and ``problems`` are complete.

    Attributes:
        damages: every place that cannot be read.
        information: what metadata.yaml says, as far as it can be used.
        information_faults: why the rest of it cannot.
        problems: they and all else that is wrong, in words.

    Raises:
        BagError: nothing there that is a bag.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.topics: dict[str, BagTopic] = {}
        self.problems: list[str] = []
        self.damages: list[Damage] = []
        self.start_ns = 0  # log time of the first message; known when `messages` is exhausted
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        if not self.path.exists():
            raise BagError(f"{self.path}: does not exist")
        self.information, self.information_faults = read_information(self.path)
        self.problems += self.information_faults
        self._custom: dict[str, Any] = self.information.get("custom_data", {})
        self._record: dict[str, str] = {}
        self.files, self._file_damages = find_files(self.path, self.information)
        self._stored: list[McapFile | SqliteFile] | None = None
        self._complete = False
        self._packed = False
        mode = str(self.information.get("compression_mode", ""))
        self._packed_messages = mode.lower() == "message"  # or the first one that is compressed says it
        self._unreadable: dict[tuple[int, int, int], Damage] = {}  # messages that cannot be decompressed

    def close(self) -> None:
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    @property
    def session(self) -> dict[str, Any]:
        """Session metadata from the file's own record and from ``custom_data``; empty if there is none."""
        merged: dict[str, Any] = {}
        for key, value in self._custom.items():
            if key != SESSION_KEY:
                merged.update(load_session({key: value}))
        nested = self._custom.get(SESSION_KEY)
        if isinstance(nested, str):
            try:
                values = yaml.safe_load(nested)
            except (yaml.YAMLError, ValueError):
                values = None
            if isinstance(values, Mapping):
                merged.update(load_session({str(k): v for k, v in values.items()}))
        merged.update(load_session(self._record))
        return merged

    def messages(self, *, start_ns: int | None = None, end_ns: int | None = None) -> Iterator[BagMessage]:
        """Messages in the order in which they were written.

        The first time all of the bag is read, and every checksum is checked. From then on a range of time costs only
        what is in it (of MCAP: the chunks in which messages of such times lie).

        Args:
            start_ns, end_ns: only those with ``start_ns <= log_time < end_ns``, wherever in the bag they lie.

        Raises:
            BagError: none of the files can be read.
        """
        earliest = 2**63 - 1
        for number, stored in enumerate(self._open()):
            if isinstance(stored, SqliteFile):
                messages = self._sqlite_messages(number, stored, start_ns, end_ns)
            else:
                messages = self._mcap_messages(number, stored, start_ns, end_ns)
            for message in messages:
                earliest = min(earliest, message.log_time)
                yield message
        if not self._complete:
            self._conclude(earliest)

    @property
    def compressed(self) -> bool:
        """Its files, its chunks or its messages were; known when :meth:`messages` is exhausted."""
        return self._packed or any(
            span.head.compression
            for file in self._open()
            if isinstance(file, McapFile) and file.content is not None
            for span in file.content.spans
            if span.head is not None
        )

    def attachments(self) -> Iterator[Attachment]:
        """Files in the bag's files; known when :meth:`messages` is exhausted."""
        for file in self._open():
            if isinstance(file, McapFile):
                yield from file.attachments()

    @property
    def foreign_metadata(self) -> list[tuple[str, dict[str, str]]]:
        """Records of metadata but those that are written anew with a bag; known likewise."""
        return [
            record
            for file in self._open()
            if isinstance(file, McapFile)
            for record in file.records
            if record[0] not in (SESSION_KEY, ROSBAG2_RECORD)
        ]

    def index_faults(self) -> list[str]:
        """Where an index is wrong, which costs nothing here but messages elsewhere.

        Reads all of the bag once more, after :meth:`messages` was exhausted.
        """
        faults = []
        for file in self._open():
            if isinstance(file, McapFile):
                faults += [damage.sentence(self.start_ns) for damage in index_damages(file)]
            elif fault := file.check():
                faults.append(f"{file.path.name}: {fault}")
        return faults

    # ---- inside ----------------------------------------------------------------------------------------
    def _open(self) -> list[McapFile | SqliteFile]:
        """Every file that can be read."""
        if self._stored is None:
            stored: list[McapFile | SqliteFile] = []
            failures = []
            for file in self.files:
                try:
                    path = self._decompressed(file)
                    said = message_count(file.name, self.information)
                    stored.append(SqliteFile(path, said) if path.suffix == ".db3" else McapFile(path))
                except BagError as error:
                    failures.append(error)
                    reason = str(error).removeprefix(f"{file}: ")
                    self._file_damages.append(of_unreadable(file.name, reason, self.information))
            if not stored:
                raise failures[0]
            self._stored = stored
        return self._stored

    def _decompressed(self, path: Path) -> Path:
        """The file itself, or a copy without the compression of all of it."""
        try:
            with path.open("rb") as file:
                packed = file.read(len(ZSTD_MAGIC)) == ZSTD_MAGIC
        except OSError as error:
            raise BagError(f"{path}: cannot be read ({error.strerror})") from error
        if not packed:
            return path
        self._packed = True
        if self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="foley_bag_")
        target = Path(self._temporary.name) / path.name.removesuffix(".zstd")
        if reason := unpack_file(path, target):
            what = f"the compressed file is damaged ({reason}); what comes before it is read"
            self._file_damages.append(Damage(path.name, 0, 0, what))
        return target

    def _mcap_messages(
        self, number: int, file: McapFile, start_ns: int | None, end_ns: int | None
    ) -> Iterator[BagMessage]:
        first_time = file.content is None
        for message in file.scan(start_ns, end_ns):
            channel = message.channel
            if channel.topic not in self.topics:
                self._add_channel(channel)
            packed = file.begins_with(message, ZSTD_MAGIC)
            key = (number, message.chunk, message.offset)
            if first_time and (packed or self._packed_messages):
                self._packed_messages = True
                self._packed |= packed
                if reason := fault(file.data(message)):
                    self._unreadable[key] = _lost_message(file.path, message, reason)
            if key in self._unreadable:
                continue
            yield BagMessage(
                channel.topic,
                message.log_time,
                message.publish_time or message.log_time,
                message.sequence,
                lambda message=message, packed=packed: (  # type: ignore[misc]
                    unpacked(file.data(message)) if packed else file.data(message)
                ),
            )
        for channel in file.channels.values():
            if channel.topic not in self.topics:
                self._add_channel(channel)
        self._record.update(file.metadata.get(SESSION_KEY, {}))

    def _sqlite_messages(
        self, number: int, file: SqliteFile, start_ns: int | None, end_ns: int | None
    ) -> Iterator[BagMessage]:
        first_time = not file.scanned
        for topic in file.topics:
            if topic.name not in self.topics:
                self._add_topic(*topic)
        for row in file.scan(start_ns, end_ns):
            key = (number, row.id, row.timestamp)
            if first_time and (row.packed or self._packed_messages):
                self._packed_messages = True
                self._packed |= row.packed
                if reason := fault(file.data(row)):
                    self._unreadable[key] = _lost_row(file.path, row, reason)
            if key in self._unreadable:
                continue
            yield BagMessage(
                row.topic,
                row.timestamp,
                row.timestamp,
                0,
                lambda row=row: _row_data(file, row),  # type: ignore[misc]
            )

    def _conclude(self, earliest: int) -> None:
        """Everything was read once: say what could not be."""
        self._complete = True
        self.damages = [
            *self._file_damages,
            *(damage for file in self._open() for damage in file.damages),
            *self._unreadable.values(),
        ]
        starts = [
            s.first for f in self._open() if isinstance(f, McapFile) and f.content for s in f.content.spans
        ]
        told = [damage.first_ns for damage in self.damages if damage.first_ns]
        self.start_ns = min([earliest, *starts])
        if self.start_ns == 2**63 - 1:  # there is no message
            self.start_ns = min(told, default=0)
        self.problems += [*self._session_differences(), *version_problems(self.session)]
        cure = f"`foley bag recover {self.path}` writes a whole bag of what is left beside it"
        self.problems += [f"{damage.sentence(self.start_ns)}; {cure}" for damage in self.damages]

    def _session_differences(self) -> list[str]:
        """Both copies of the session's metadata were the same when they were written."""
        if SESSION_KEY not in self._custom:
            return []
        try:
            copy = yaml.safe_load(str(self._custom[SESSION_KEY]))
        except (yaml.YAMLError, ValueError):  # the latter of a date that there is not
            copy = None
        if not isinstance(copy, Mapping):
            return [
                "metadata.yaml: the session's metadata in it are damaged; those in the bag's file are used"
            ]
        if not self._record:
            return []
        copy = {str(key): value for key, value in copy.items()}
        keys = sorted(k for k in {*copy, *self._record} if str(copy.get(k)) != self._record.get(k))
        return [
            f"session metadata `{key}` is {self._record.get(key)!r} in the bag's file, which is used, and "
            f"{copy.get(key)!r} in metadata.yaml; correct the one that is wrong"
            for key in keys
        ]

    def _add_channel(self, channel: Channel) -> None:
        offered = channel.metadata.get("offered_qos_profiles", "")
        mark = channel.metadata.get("topic_type_hash", "")
        self._add_topic(
            channel.topic, channel.type, channel.definition, channel.definition_encoding, offered, mark
        )

    def _add_topic(
        self, name: str, kind: str, text: str, encoding: str, offered: str = "", mark: str = ""
    ) -> None:
        if not text.strip():
            try:
                text, encoding = definitions.find(kind).text, "ros2msg"
            except definitions.DefinitionError as error:
                self.problems.append(f"topic {name}: {error}")
        self.topics[name] = BagTopic(name, kind, text, encoding, _qos(offered), mark)


def _qos(text: str) -> tuple[Qos, ...]:
    """Profiles out of their YAML; none if it cannot be read."""
    try:
        profiles = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return ()
    return tuple(p for p in profiles if isinstance(p, dict)) if isinstance(profiles, list) else ()


def _row_data(file: SqliteFile, row: Row) -> bytes:
    try:
        data = file.data(row)
    except sqlite3.DatabaseError as error:
        raise BagError(f"{file.path}: message {row.id} cannot be read ({error})") from error
    return unpacked(data) if data.startswith(ZSTD_MAGIC) else data


def _lost_row(path: Path, row: Row, reason: str) -> Damage:
    what = f"compressed message {row.id}, of {row.topic}, is damaged ({reason})"
    return Damage(path.name, 0, 0, what, 1, row.timestamp, row.timestamp)


def _lost_message(path: Path, message: Message, reason: str) -> Damage:
    at = max(message.chunk, 0) + message.offset
    what = f"a compressed message of {message.channel.topic} is damaged ({reason})"
    return Damage(path.name, at, at + message.length, what, 1, message.log_time, message.log_time)
