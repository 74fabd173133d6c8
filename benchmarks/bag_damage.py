"""What damage costs a bag: messages lost by `foley bag recover` against messages in the damaged chunks.

    python -m benchmarks.bag_damage [--cuts 200] [--flips 200] [--sectors 50] [--seed 0]

A simulated recording is written with plain and with compressed chunks. Each trial cuts one of these files off at a
random byte, flips a random bit of it, or zeroes a random sector (512 or 4096 bytes), and recovers it. A chunk counts as
damaged if its content or its checksum is no longer what it was or is cut off; indexes, heads of chunks,
summary and footer hold no message, so that damage to them has to cost none. In every trial the recovered bag must hold
exactly the messages of all other chunks, byte for byte, in order, none twice, as this package, `mcap` and `rosbags`
read it, and the damaged file must be as it was. Where the file is called whole, it is read itself.

Writes metrics.json to --out, with the seconds that recovering took.
"""

from __future__ import annotations

import dataclasses
import hashlib
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import zstandard
from mcap.reader import make_reader
from mcap.stream_reader import StreamReader, breakup_chunk
from mcap.writer import CompressionType, Writer

from benchmarks._bench import parser
from foley_common.metrics_file import write_metrics
from foley_perception.recording import definitions
from foley_perception.recording.bag import Bag
from foley_perception.recording.errors import BagError
from foley_perception.recording.metadata import SESSION_KEY, BagSummary, TopicInfo, write_metadata
from foley_perception.recording.recovery import recover_bag
from foley_perception.recording.writer import BagWriter

CHUNK_BYTES = 32 << 10
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
WAYS = (("plain", CompressionType.NONE), ("zstd", CompressionType.ZSTD))
KINDS = ("cut", "flip", "sector")


class Stored(NamedTuple):
    """A message in all that a bag says of it."""

    log_time: int
    topic: str
    data: bytes
    publish_time: int
    sequence: int


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Where a chunk's checksum and its content lie, and its messages."""

    checksum: range
    content: range
    messages: tuple[Stored, ...]


@dataclasses.dataclass(frozen=True)
class Trial:
    kind: str
    file: str
    at: int
    damaged_chunks: int
    messages_in_them: int
    lost: int
    wrong: str  # empty: as it must be
    seconds: float


def source_bag(folder: Path, seconds: float) -> Path:
    """A recording of the simulator."""
    from benchmarks.sim_generate import jobs
    from foley_sim.ros.bag import write_bag

    (job,) = jobs(folder, "tabletop", "gantry", 1, seconds)
    return Path(write_bag(job).folder)


def noise_bag(folder: Path) -> Path:
    """Messages of sizes as they come, of noise: a recording for which no simulator has to run."""
    rng = np.random.default_rng(7)
    text = definitions.find("std_msgs/msg/String")
    writer = BagWriter(folder, session={"session_id": "trial"}, min_free_bytes=0)
    sizes = {"/sound": 1928, "/pose": 84, "/picture": 9000}
    for name in sizes:
        writer.add_topic(TopicInfo(name, text.type, text.text, type_hash=text.type_hash))
    for k in range(400):
        name = "/picture" if k % 20 == 0 else "/sound" if k % 3 == 0 else "/pose"
        writer.put(
            name, 10**18 + k * 4_000_000, b"\0\1\0\0" + rng.bytes(sizes[name] // 2) + bytes(sizes[name] // 2)
        )
    writer.close()
    return folder


def rewrite(source: Path, folder: Path, compression: CompressionType) -> Path:
    """The same bag with chunks of :data:`CHUNK_BYTES`, as its recorder would write them."""
    bag = Bag(source)
    messages = list(bag.messages())
    folder.mkdir(parents=True)
    file = folder / f"{folder.name}_0.mcap"
    infos = [
        TopicInfo(t.name, t.type, t.definition, t.encoding, t.type_hash, t.qos) for t in bag.topics.values()
    ]
    channels: dict[str, int] = {}
    with file.open("wb") as out:
        writer = Writer(out, chunk_size=CHUNK_BYTES, compression=compression)
        writer.start(profile="ros2", library="foley")
        writer.add_metadata(SESSION_KEY, {"session_id": "trial"})
        for info in infos:
            schema = writer.register_schema(info.type, info.definition_encoding, info.definition.encode())
            offered = {"offered_qos_profiles": info.qos_yaml, "topic_type_hash": info.type_hash}
            channels[info.name] = writer.register_channel(info.name, "cdr", schema, offered)
        for k, m in enumerate(messages):
            writer.add_message(channels[m.topic], m.log_time, bytes(m.data), m.publish_time, k + 1)
        writer.finish()
    counts = {info.name: sum(m.topic == info.name for m in messages) for info in infos}
    times = [m.log_time for m in messages]
    summary = BagSummary(file.name, min(times), max(times), counts)
    write_metadata(folder, summary, infos, {"session_id": "trial"})
    return folder


def layout(file: Path) -> list[Chunk]:
    """The chunks of a whole file, as `mcap` reads them."""
    chunks = []
    with file.open("rb") as stream:
        reader = make_reader(stream)
        summary = reader.get_summary()
        assert summary is not None
        for index in sorted(summary.chunk_indexes, key=lambda index: index.chunk_start_offset):
            stream.seek(index.chunk_start_offset)
            chunk = next(iter(StreamReader(stream, skip_magic=True, emit_chunks=True).records))
            end = index.chunk_start_offset + index.chunk_length
            messages = tuple(
                Stored(
                    r.log_time,
                    summary.channels[r.channel_id].topic,
                    bytes(r.data),
                    r.publish_time,
                    r.sequence,
                )
                for r in breakup_chunk(chunk)
                if type(r).__name__ == "Message"
            )
            checksum = range(index.chunk_start_offset + 33, index.chunk_start_offset + 37)
            chunks.append(Chunk(checksum, range(end - index.compressed_size, end), messages))
    return chunks


def damaged(data: bytes, kind: str, rng: np.random.Generator) -> tuple[bytes, int]:
    """The bytes of a file after one accident, and where it happened."""
    at = int(rng.integers(len(data)))
    if kind == "cut":
        return data[:at], at
    changed = bytearray(data)
    if kind == "flip":
        changed[at] ^= 1 << int(rng.integers(8))
    else:
        size = int(rng.choice([512, 4096]))
        at -= at % size
        changed[at : at + size] = bytes(len(changed[at : at + size]))
    return bytes(changed), at


def is_damaged(chunk: Chunk, before: bytes, after: bytes) -> bool:
    """A compressed byte may change and still say the same; then the chunk is as it was."""
    if (
        before[chunk.checksum.start : chunk.checksum.stop]
        != after[chunk.checksum.start : chunk.checksum.stop]
    ):
        return True
    old, new = (data[chunk.content.start : chunk.content.stop] for data in (before, after))
    if old == new or not old.startswith(ZSTD_MAGIC):
        return old != new
    try:
        return zstandard.ZstdDecompressor().decompress(new) != zstandard.ZstdDecompressor().decompress(old)
    except zstandard.ZstdError:
        return True


def run_trial(bag: Path, chunks: Sequence[Chunk], kind: str, rng: np.random.Generator, folder: Path) -> Trial:
    """Damage a copy of a bag, recover it, and read what came of it."""
    (file,) = bag.glob("*.mcap")
    before = file.read_bytes()
    after, at = damaged(before, kind, rng)
    broken = folder / bag.name
    broken.mkdir()
    (broken / "metadata.yaml").write_bytes((bag / "metadata.yaml").read_bytes())
    (broken / file.name).write_bytes(after)
    digest = hashlib.sha256(after).digest()
    hit = [chunk for chunk in chunks if is_damaged(chunk, before, after)]
    expected = [m for chunk in chunks if chunk not in hit for m in chunk.messages]
    begin = time.perf_counter()
    found, wrong = recovered_messages(broken, expected)
    seconds = time.perf_counter() - begin
    if (
        hashlib.sha256((broken / file.name).read_bytes()).digest() != digest
        or len(list(broken.iterdir())) != 2
    ):
        wrong = "the original was changed"
    total = sum(len(chunk.messages) for chunk in chunks)
    inside = sum(len(chunk.messages) for chunk in hit)
    return Trial(kind, bag.name, at, len(hit), inside, total - len(found), wrong, seconds)


def recovered_messages(broken: Path, expected: list[Stored]) -> tuple[list[Stored], str]:
    """What is read after recovering, and what is wrong with it."""
    try:
        result = recover_bag(broken)
    except BagError as error:
        return [], f"refused: {error}" if expected else ""
    bag = Bag(result.path)
    found = [Stored(m.log_time, m.topic, bytes(m.data), m.publish_time, m.sequence) for m in bag.messages()]
    if found != expected:
        return found, "other messages than those of the whole chunks"
    if bag.problems or bag.index_faults():
        return found, f"the recovered bag is not whole: {(*bag.problems, *bag.index_faults())}"
    others = (("mcap", read_by_mcap), ("rosbags", read_by_rosbags))
    for name, read in others:
        try:
            theirs = sorted(read(result.path))
        except Exception as error:  # noqa: BLE001 - whatever it is, it could not be read
            return found, f"{name} cannot read it: {error!r}"
        ours = found if name == "mcap" else [m._replace(publish_time=0, sequence=0) for m in found]
        if theirs != sorted(ours):
            return found, f"{name} reads other messages"
    return found, ""


def read_by_mcap(bag: Path) -> Iterator[Stored]:
    (file,) = bag.glob("*.mcap")
    with file.open("rb") as stream:
        for _, channel, m in make_reader(stream).iter_messages():
            yield Stored(m.log_time, channel.topic, bytes(m.data), m.publish_time, m.sequence)


def read_by_rosbags(bag: Path) -> Iterator[Stored]:
    """All that `rosbags` tells of a message: neither publish time nor sequence."""
    from rosbags.rosbag2 import Reader

    with Reader(bag) as reader:
        for connection, log_time, data in reader.messages():
            yield Stored(log_time, connection.topic, bytes(data), 0, 0)


def run_trials(bags: Sequence[Path], counts: dict[str, int], seed: int, folder: Path) -> list[Trial]:
    """Trials of each kind on several bags in turn."""
    chunks = {bag: layout(next(bag.glob("*.mcap"))) for bag in bags}
    rng = np.random.default_rng(seed)
    trials = []
    for kind in KINDS:
        for k in range(counts[kind]):
            bag = bags[k % len(bags)]
            with tempfile.TemporaryDirectory(dir=folder) as place:
                trials.append(run_trial(bag, chunks[bag], kind, rng, Path(place)))
    return trials


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("bag_damage", __doc__)
    options.add_argument("--cuts", type=int, default=200)
    options.add_argument("--flips", type=int, default=200)
    options.add_argument("--sectors", type=int, default=50)
    options.add_argument("--seconds", type=float, default=1.5, help="of the recording")
    options.add_argument("--seed", type=int, default=0)
    args = options.parse_args(arguments)
    counts = {"cut": args.cuts, "flip": args.flips, "sector": args.sectors}
    with tempfile.TemporaryDirectory(prefix="foley_bag_damage_") as folder:
        source = source_bag(Path(folder) / "source", args.seconds)
        bags = [rewrite(source, Path(folder) / name, compression) for name, compression in WAYS]
        trials = run_trials(bags, counts, args.seed, Path(folder))
    table = {}
    print(f"{'':8} {'trials':>7} {'chunks hit':>11} {'messages in them':>17} {'lost':>7} {'right':>6}")
    for kind in KINDS:
        of = [trial for trial in trials if trial.kind == kind]
        right = sum(not t.wrong and t.lost == t.messages_in_them for t in of)
        row = table[kind] = {
            "trials": len(of),
            "damaged_chunks": sum(t.damaged_chunks for t in of),
            "messages_in_damaged_chunks": sum(t.messages_in_them for t in of),
            "messages_lost": sum(t.lost for t in of),
            "right": right,
            "seconds_median": float(np.median([t.seconds for t in of])) if of else 0.0,
        }
        print(
            f"{kind:8} {row['trials']:7} {row['damaged_chunks']:11} {row['messages_in_damaged_chunks']:17} "
            f"{row['messages_lost']:7} {right:6}"
        )
    wrong = [t for t in trials if t.wrong or t.lost != t.messages_in_them]
    for trial in wrong[:20]:
        print(f"wrong: {trial}")
    write_metrics(
        args.out, {"seed": args.seed, "kinds": table, "wrong": [dataclasses.asdict(t) for t in wrong]}
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
