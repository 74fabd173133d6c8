"""Small recordings and what can happen to them, for the tests of what is read and recovered."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from mcap.reader import make_reader
from mcap.writer import CompressionType, Writer

from foley_perception.recording import definitions
from foley_perception.recording.bag import Bag
from foley_perception.recording.metadata import BagSummary, TopicInfo, write_metadata

STRING = "std_msgs/msg/String"
START = 1_800_000_000 * 10**9
STEP = 10_000_000  # [ns] from message to message
PER_CHUNK = 10


class Head(NamedTuple):
    """Where the words of a chunk lie."""

    at: int
    content: int
    stop: int


def text(number: int, size: int = 200) -> bytes:
    """A serialised std_msgs/String that no other message equals."""
    data = f"{number:06d}".encode() * (size // 6) + b"\0"
    return b"\0\1\0\0" + len(data).to_bytes(4, "little") + data


def write_mcap(
    path: Path,
    messages: range,
    *,
    compression: CompressionType = CompressionType.NONE,
    packed: bool = False,
    step_ns: int = STEP,
    **options: Any,
) -> Path:
    """A finished file; chunks of :data:`PER_CHUNK` messages of 200 bytes, /a and /b in turn."""
    definition = definitions.find(STRING)
    with path.open("wb") as out:
        writer = Writer(out, compression=compression, **options)
        writer.start(profile="ros2", library="test")
        writer.add_metadata("foley.session", {"session_id": "s", "notes": "ä"})
        schema = writer.register_schema(STRING, "ros2msg", definition.text.encode())
        offered = {"offered_qos_profiles": "", "topic_type_hash": definition.type_hash}
        channels = [writer.register_channel(topic, "cdr", schema, offered) for topic in ("/a", "/b")]
        for k in messages:
            data = text(k)
            if packed:
                import zstandard

                data = zstandard.ZstdCompressor().compress(data)
            at = START + k * step_ns
            writer.add_message(channels[k % 2], at, data, at - 5, k + 1)
            if (k + 1) % PER_CHUNK == 0:
                writer.flush()
        writer.finish()
    return path


def write_split(folder: Path, files: int = 3, each: int = 40) -> Path:
    """A bag of several files as `ros2 bag record --max-bag-size` leaves it."""
    import yaml

    folder.mkdir(parents=True)
    definition = definitions.find(STRING)
    infos = [
        TopicInfo(name, STRING, definition.text, type_hash=definition.type_hash) for name in ("/a", "/b")
    ]
    names = [f"bag_{k}.mcap" for k in range(files)]
    for k, name in enumerate(names):
        write_mcap(folder / name, range(k * each, (k + 1) * each))
    total = files * each
    summary = BagSummary(
        names[0], START, START + (total - 1) * STEP, {"/a": total // 2, "/b": total - total // 2}
    )
    write_metadata(folder, summary, infos, {"session_id": "s", "notes": "ä"})
    path = folder / "metadata.yaml"
    content = yaml.safe_load(path.read_text())
    information = content["rosbag2_bagfile_information"]
    information["relative_file_paths"] = names
    information["files"] = [
        {
            "path": name,
            "starting_time": {"nanoseconds_since_epoch": START + k * each * STEP},
            "duration": {"nanoseconds": (each - 1) * STEP},
            "message_count": each,
        }
        for k, name in enumerate(names)
    ]
    path.write_text(yaml.safe_dump(content))
    return folder


def heads(path: Path) -> list[Head]:
    """The chunks of a whole file."""
    with path.open("rb") as stream:
        summary = make_reader(stream).get_summary()
    assert summary is not None
    return [
        Head(c.chunk_start_offset, c.chunk_start_offset + c.chunk_length - c.compressed_size, end)
        for c in sorted(summary.chunk_indexes, key=lambda c: c.chunk_start_offset)
        for end in (c.chunk_start_offset + c.chunk_length,)
    ]


def change(path: Path, at: int, new: bytes) -> None:
    data = bytearray(path.read_bytes())
    data[at : at + len(new)] = new
    path.write_bytes(data)


def flip(path: Path, at: int, bit: int = 0) -> None:
    change(path, at, bytes([path.read_bytes()[at] ^ 1 << bit]))


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def numbers(bag: Bag | Path, **options: Any) -> list[int]:
    """Which messages are read, each of which must be what was written."""
    bag = bag if isinstance(bag, Bag) else Bag(bag)
    found = []
    for message in bag.messages(**options):
        number = (message.log_time - START) // STEP
        assert bytes(message.data) == text(number) and message.topic == ("/a", "/b")[number % 2]
        assert message.sequence in (number + 1, 0)
        found.append(number)
    return found
