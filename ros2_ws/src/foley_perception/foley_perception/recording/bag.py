"""Any recorded bag, read message by message: ours, `ros2 bag record`'s, those written by `rosbags`.

A bag is a folder of MCAP or SQLite files (with or without ``metadata.yaml``), or one such file. Files may be
unfinished or compressed. Messages come as bytes that are fetched only when asked for.
"""

from __future__ import annotations

import dataclasses
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from foley_perception.recording import definitions
from foley_perception.recording.cdr import Buffer
from foley_perception.recording.errors import BagError
from foley_perception.recording.mcap_file import Channel, McapFile
from foley_perception.recording.metadata import SESSION_KEY, Qos
from foley_perception.recording.session import load_session


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
    """An opened bag. After :meth:`messages` is exhausted ``topics`` and ``problems`` are complete.

    Raises:
        BagError: nothing there that is a bag.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.topics: dict[str, BagTopic] = {}
        self.problems: list[str] = []
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._information = self._read_metadata()
        self._custom: dict[str, Any] = dict(self._information.get("custom_data") or {})
        self._record: dict[str, str] = {}
        self.files = self._find_files()

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
            values = yaml.safe_load(nested)
            if isinstance(values, Mapping):
                merged.update(load_session({str(k): v for k, v in values.items()}))
        merged.update(load_session(self._record))
        return merged

    def messages(
        self, *, start_ns: int | None = None, end_ns: int | None = None, check_crc: bool = False
    ) -> Iterator[BagMessage]:
        """Messages in the order in which they were written.

        Args:
            start_ns, end_ns: only those with ``start_ns <= log_time < end_ns``, wherever in the bag they lie.
        """
        if start_ns is None and end_ns is None:
            yield from self._all_messages(check_crc)
            return
        for message in self._all_messages(check_crc):
            if (start_ns is None or start_ns <= message.log_time) and (
                end_ns is None or message.log_time < end_ns
            ):
                yield message

    # ---- inside ----------------------------------------------------------------------------------------
    def _all_messages(self, check_crc: bool) -> Iterator[BagMessage]:
        unpack = self._unpacker()
        for path in self.files:
            if path.suffix == ".db3":
                yield from self._sqlite_messages(path, unpack)
            else:
                yield from self._mcap_messages(path, unpack, check_crc)

    def _read_metadata(self) -> dict[str, Any]:
        if not self.path.exists():
            raise BagError(f"{self.path}: does not exist")
        file = self.path / "metadata.yaml"
        if not self.path.is_dir() or not file.is_file():
            return {}
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
            return dict(content["rosbag2_bagfile_information"])
        except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
            self.problems.append(f"metadata.yaml cannot be used ({error}); the files were read without it")
            return {}

    def _find_files(self) -> list[Path]:
        if not self.path.is_dir():
            files = [self.path]
        else:
            names = [Path(str(name)).name for name in self._information.get("relative_file_paths") or ()]
            files = [self.path / name for name in names if (self.path / name).is_file()]
            if len(files) < len(names):
                lost = sorted(set(names) - {file.name for file in files})
                self.problems.append(f"files named in metadata.yaml are missing: {', '.join(lost)}")
            if not files:
                found = [p for p in self.path.iterdir() if re.search(r"\.(mcap|db3)(\.zstd)?$", p.name)]
                files = sorted(found, key=lambda p: [int(n) for n in re.findall(r"\d+", p.name)] or [0])
        if not files:
            raise BagError(f"{self.path}: no .mcap or .db3 file in it; give the folder of one bag")
        return [self._decompressed(file) if file.suffix == ".zstd" else file for file in files]

    def _decompressed(self, path: Path) -> Path:
        import zstandard

        if self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="foley_bag_")
        target = Path(self._temporary.name) / path.stem
        try:
            with path.open("rb") as source, target.open("wb") as sink:
                zstandard.ZstdDecompressor().copy_stream(source, sink)
        except (OSError, zstandard.ZstdError) as error:
            raise BagError(f"{path}: cannot be decompressed ({error})") from error
        return target

    def _unpacker(self) -> Callable[[Buffer], Buffer]:
        if str(self._information.get("compression_mode", "")).lower() != "message":
            return lambda data: data
        import zstandard

        decompressor = zstandard.ZstdDecompressor()
        return lambda data: decompressor.decompressobj().decompress(data)

    def _mcap_messages(
        self, path: Path, unpack: Callable[[Buffer], Buffer], check_crc: bool
    ) -> Iterator[BagMessage]:
        file = McapFile(path)
        for message in file.scan(check_crc=check_crc):
            channel = message.channel
            if channel.topic not in self.topics:
                self._add_channel(channel)
            yield BagMessage(
                channel.topic,
                message.log_time,
                message.publish_time or message.log_time,
                message.sequence,
                lambda file=file, message=message: unpack(file.data(message)),  # type: ignore[misc]
            )
        for channel in file.channels.values():
            if channel.topic not in self.topics:
                self._add_channel(channel)
        self._record.update(file.metadata.get(SESSION_KEY, {}))
        if file.problem:
            self.problems.append(f"{path.name}: {file.problem}; `foley bag recover {self.path}` finishes it")

    def _sqlite_messages(self, path: Path, unpack: Callable[[Buffer], Buffer]) -> Iterator[BagMessage]:
        try:
            database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            columns = {row[1] for row in database.execute("PRAGMA table_info(topics)")}
            offer = "offered_qos_profiles" if "offered_qos_profiles" in columns else "''"
            topics = database.execute(f"SELECT id, name, type, {offer} FROM topics").fetchall()
            names, offered = (
                {row[0]: (row[1], row[2]) for row in topics},
                {row[1]: str(row[3]) for row in topics},
            )
            texts: dict[str, tuple[str, str]] = {}
            if database.execute("SELECT 1 FROM sqlite_master WHERE name='message_definitions'").fetchone():
                rows = database.execute(
                    "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
                )
                texts = {row[0]: (row[2], row[1]) for row in rows}
            for name, kind in names.values():
                text, encoding = texts.get(kind, ("", ""))
                self._add_topic(name, kind, text, encoding, offered[name])
            for row in database.execute("SELECT id, topic_id, timestamp FROM messages ORDER BY timestamp"):
                yield BagMessage(
                    names[row[1]][0],
                    row[2],
                    row[2],
                    0,
                    lambda i=row[0]: unpack(_row(database, i)),  # type: ignore[misc]
                )
        except sqlite3.DatabaseError as error:
            raise BagError(f"{path}: not a readable SQLite bag ({error})") from error

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
    except yaml.YAMLError:
        return ()
    return tuple(p for p in profiles if isinstance(p, dict)) if isinstance(profiles, list) else ()


def _row(database: sqlite3.Connection, number: int) -> bytes:
    return bytes(database.execute("SELECT data FROM messages WHERE id=?", (number,)).fetchone()[0])
