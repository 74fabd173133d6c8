"""What is written here is, byte for byte, what mcap's own writer writes."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from mcap.reader import McapReader, make_reader
from mcap.writer import CompressionType, Writer

from foley_perception.recording.bag import Bag
from foley_perception.recording.mcap_output import WholeFile
from foley_perception.recording.mcap_records import Attachment
from foley_perception.recording.mcap_writer import McapWriter


class Memory(io.BytesIO):
    def read_again(self) -> McapReader:
        self.seek(0)
        return make_reader(self)

    def write_pieces(self, pieces: Sequence[bytes | bytearray]) -> None:
        for piece in pieces:
            self.write(piece)


def fill(
    writer: Any, attach: Callable[[bytes], None], register_channel: Callable[[str, int, dict[str, str]], int]
) -> None:
    """Small and large messages in and out of order, two flushes, all other records."""
    writer.add_metadata("session", {"notes": "ä", "empty": ""})
    words = writer.register_schema("std_msgs/msg/String", "ros2msg", b"string data")
    pictures = writer.register_schema("sensor_msgs/msg/Image", "ros2msg", b"uint8[] data")
    small = register_channel("/words", words, {"offered_qos_profiles": "- depth: 1"})
    large = register_channel("/pictures", pictures, {})
    writer.flush()  # no message yet: no chunk
    for k in range(60):
        writer.add_message(small, 1000 + k, bytes([k]) * (k * 7), 900 + k, k + 1)
        if k % 4 == 0:
            writer.add_message(large, 990 + k, os.urandom(1 << 16) if k else b"", 800, 0)
        if k in (20, 40):
            writer.flush()
            attach(b"file" * k)
    writer.add_message(small, 2**62, b"x" * 300_000, 2**63, 2**32 - 1)  # longer than a chunk
    register_channel("/never", words, {})


@pytest.mark.parametrize("compressed", [False, True])
def test_same_bytes_as_mcap_and_the_same_summary(compressed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for own in (True, False):
        monkeypatch.setattr(os, "urandom", lambda size: (b"\x01\x02\x03pixels" * (size // 4))[:size])
        file = Memory()
        writer: Any
        if own:
            writer = McapWriter(file, chunk_bytes=200_000)
            writer.use(compressed)
            fill(
                writer,
                lambda data, w=writer: w.add_attachment(Attachment("a", "text/plain", 5, 6, data)),
                lambda topic, schema, items, w=writer: w.register_channel(topic, "cdr", schema, items),
            )
        else:
            compression = CompressionType.ZSTD if compressed else CompressionType.NONE
            writer = Writer(file, chunk_size=200_000, compression=compression)
            writer.start("ros2", "foley")
            fill(
                writer,
                lambda data, w=writer: w.add_attachment(6, 5, "a", "text/plain", data),
                lambda topic, schema, items, w=writer: w.register_channel(topic, "cdr", schema, items),
            )
        writer.finish()
        files.append(file)
    ours, theirs = (file.read_again().get_summary() for file in files)
    assert ours is not None and theirs is not None
    assert len(ours.chunk_indexes) > 4 and ours.statistics is not None
    assert (ours.statistics, ours.chunk_indexes) == (theirs.statistics, theirs.chunk_indexes)
    assert (ours.schemas, ours.channels) == (theirs.schemas, theirs.channels)
    assert (ours.attachment_indexes, ours.metadata_indexes) == (
        theirs.attachment_indexes,
        theirs.metadata_indexes,
    )
    stop = ours.chunk_indexes[-1].chunk_start_offset + ours.chunk_indexes[-1].chunk_length
    assert files[0].getvalue()[:stop] == files[1].getvalue()[:stop]
    times = [
        [(c.topic, m.log_time, m.sequence, m.data) for _, c, m in f.read_again().iter_messages()]
        for f in files
    ]
    assert times[0] == times[1] and len(times[0]) == 76


def test_compressed_chunks_beside_others(tmp_path: Path) -> None:
    file = Memory()
    writer = McapWriter(file, chunk_bytes=10_000)
    channels = {}
    for packed in (True, False):
        writer.use(packed)
        schema = writer.register_schema("std_msgs/msg/String", "ros2msg", b"string data")
        channels[packed] = writer.register_channel(f"/{packed}", "cdr", schema, {})
    for k in range(1000):
        writer.use(k % 3 == 0)
        writer.add_message(channels[k % 3 == 0], k, b"%4d" % k * 20, k, k)
        if k == 500:
            writer.flush()
    writer.finish()
    summary = file.read_again().get_summary()
    assert summary is not None and {c.compression for c in summary.chunk_indexes} == {"", "zstd"}
    assert all(len(c.message_index_offsets) == 1 for c in summary.chunk_indexes)
    (tmp_path / "file.mcap").write_bytes(file.getvalue())
    bag = Bag(tmp_path / "file.mcap")
    found = sorted((m.log_time, m.topic, bytes(m.data)) for m in bag.messages())
    assert found == [(k, f"/{k % 3 == 0}", b"%4d" % k * 20) for k in range(1000)] and not bag.problems


def test_an_empty_file_is_whole() -> None:
    file = Memory()
    McapWriter(file).finish()
    summary = file.read_again().get_summary()
    assert summary is not None and summary.statistics is not None
    assert (summary.statistics.message_count, summary.statistics.message_start_time) == (0, 0)


def test_pieces_of_which_the_system_takes_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = [b"", b"a" * 1000, bytearray(b"b"), b"c" * 5000, b""] * 300  # more than the system takes at once
    calls = 0

    def part(fd: int, buffers: list[memoryview]) -> int:
        nonlocal calls
        calls += 1
        return os.write(fd, b"".join(buffers)[:70_001])

    file = WholeFile(tmp_path / "file")
    monkeypatch.setattr(os, "writev", part)
    file.write_pieces(pieces)
    file.sync()
    assert (tmp_path / "file").read_bytes() == b"".join(pieces) and calls > 5
    assert file.tell() == (tmp_path / "file").stat().st_size
    file.close()
