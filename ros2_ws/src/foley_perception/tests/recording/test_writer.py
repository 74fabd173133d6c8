"""Bags as written here, read by others; and what is left of them when things go wrong."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mcap.reader import make_reader
from rosbags.rosbag2 import Reader

from foley_perception.recording import definitions, recovery
from foley_perception.recording.bag import Bag
from foley_perception.recording.errors import NoSpaceError, NotWritableError
from foley_perception.recording.metadata import TopicInfo
from foley_perception.recording.writer import BagWriter

STRING = "std_msgs/msg/String"
QOS = {
    "history": "keep_last",
    "depth": 10,
    "reliability": "reliable",
    "durability": "volatile",
    "deadline": {"sec": 0, "nsec": 0},
    "lifespan": {"sec": 0, "nsec": 0},
    "liveliness": "automatic",
    "liveliness_lease_duration": {"sec": 0, "nsec": 0},
    "avoid_ros_namespace_conventions": False,
}


def topic(name: str = "/words") -> TopicInfo:
    definition = definitions.find(STRING)
    return TopicInfo(name, STRING, definition.text, type_hash=definition.type_hash, offered_qos=(QOS,))


def payload(size: int) -> bytes:
    """A serialised std_msgs/String of about this size."""
    return b"\x00\x01\x00\x00" + (size + 1).to_bytes(4, "little") + b"a" * size + b"\x00"


def write(folder: Path, count: int = 2000, **options: Any) -> BagWriter:
    writer = BagWriter(folder, session={"session_id": "s", "notes": "ä"}, min_free_bytes=0, **options)
    writer.add_topic(topic())
    writer.add_topic(topic("/silent"))
    for i in range(count):
        assert writer.put("/words", 10**18 + i, payload(1000), sequence=i + 1)
    writer.close()
    return writer


def test_round_trip(tmp_path: Path) -> None:
    writer = write(tmp_path / "bag")
    assert writer.failure is None and not writer.dropped
    with Reader(tmp_path / "bag") as bag:
        connections = {c.topic: c for c in bag.connections}
        messages = [(c.topic, t, d) for c, t, d in bag.messages()]
        assert bag.message_count == 2000 and bag.start_time == 10**18
        assert connections["/words"].msgdef.data == definitions.find(STRING).text
        assert connections["/words"].digest.startswith("RIHS01_")
        assert connections["/words"].ext.offered_qos_profiles[0].reliability.name == "RELIABLE"
        assert connections["/silent"].msgcount == 0
    assert messages == [("/words", 10**18 + i, payload(1000)) for i in range(2000)]
    with (tmp_path / "bag" / "bag_0.mcap").open("rb") as file:
        reader = make_reader(file)
        summary = reader.get_summary()
        assert summary is not None and summary.statistics is not None
        assert summary.statistics.message_count == 2000
        first = next(iter(reader.iter_messages(topics=["/words"])))
        assert first[0] is not None and (first[0].name, first[0].encoding) == (STRING, "ros2msg")
        assert first[2].sequence == 1 and first[2].data == payload(1000)
        assert [m.metadata["notes"] for m in reader.iter_metadata()] == ["ä"]
    own = Bag(tmp_path / "bag")
    assert [bytes(m.data) for m in own.messages()] == [payload(1000)] * 2000
    assert own.session["notes"] == "ä" and not own.problems


def test_a_full_queue_drops_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A disk that never answers: the thread sticks in its first write.
    release = __import__("threading").Event()
    original = BagWriter._register

    def stuck(self: BagWriter, info: TopicInfo) -> None:
        release.wait(120)
        original(self, info)

    monkeypatch.setattr(BagWriter, "_register", stuck)
    writer = BagWriter(tmp_path / "bag", session={}, queue_bytes=10_000, min_free_bytes=0)
    writer.add_topic(topic())
    accepted = sum(writer.put("/words", i, payload(1000)) for i in range(50))
    release.set()
    writer.close()
    assert accepted == 9 and writer.dropped["/words"] == 41 and writer.counts["/words"] == 9


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.95, 0.9999])
def test_truncated_bag_is_read_and_recovered(tmp_path: Path, keep: float) -> None:
    writer = write(tmp_path / "bag", 9000)
    data = writer.path.read_bytes()
    writer.path.write_bytes(data[: round(len(data) * keep)])
    bag = Bag(tmp_path / "bag")
    count = sum(1 for _ in bag.messages())
    assert 0 < count <= 9000 and count >= 9000 * keep - 1200  # a chunk holds 1 MiB
    assert len(bag.problems) == 1 and "foley bag recover" in bag.problems[0]
    result = recovery.recover_bag(tmp_path / "bag")
    assert result.messages == count and result.path == tmp_path / "bag-recovered" and result.faults
    with Reader(result.path) as reader:
        assert reader.message_count == count == len(list(reader.messages()))
    with next(result.path.glob("*.mcap")).open("rb") as file:
        assert sum(1 for _ in make_reader(file).iter_messages()) == count
    assert Bag(result.path).session["session_id"] == "s"
    assert not recovery.recover_bag(result.path).faults


KILLED = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from foley_perception.recording.writer import BagWriter
from foley_perception.recording.metadata import TopicInfo
from foley_perception.recording import definitions
definition = definitions.find("std_msgs/msg/String")
writer = BagWriter(Path({folder!r}), session={{"session_id": "killed"}}, flush_period_s=0.2, min_free_bytes=0)
writer.add_topic(TopicInfo("/words", definition.type, definition.text))
i = 0
while True:
    writer.put("/words", time.monotonic_ns(), b"\\0\\1\\0\\0" + i.to_bytes(4, "little"))
    i += 1
    time.sleep(0.001)
"""


def test_sigkill_costs_at_most_the_bound(tmp_path: Path) -> None:
    import time

    folder = tmp_path / "killed"
    script = textwrap.dedent(KILLED.format(folder=str(folder), tests=str(Path(__file__).parents[1])))
    process = subprocess.Popen([sys.executable, "-c", script])
    file, deadline = folder / "killed_0.mcap", time.monotonic() + 240
    try:
        while not (file.exists() and file.stat().st_size > 30_000):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        killed_ns = time.monotonic_ns()
    finally:
        process.kill()
        process.wait()
    times = [m.log_time for m in Bag(folder).messages()]
    assert len(times) > 300
    # 0.2 s flush period, plus the flush itself and scheduling on a busy machine.
    assert killed_ns - times[-1] < 5.0e9
    with Reader(recovery.recover_bag(folder).path) as bag:
        assert bag.message_count == len(times)
        assert [d[4:8] for _, _, d in bag.messages()] == [i.to_bytes(4, "little") for i in range(len(times))]


# ---- disks -------------------------------------------------------------------------------------------------
def in_child(action: Callable[[], None]) -> int:
    """Run in a forked child, so that limits and mounts of the test stay there. Returns the exit code."""
    child = os.fork()
    if child == 0:
        try:
            action()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - reported, then the child ends
            __import__("traceback").print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_full_disk_keeps_what_is_there(tmp_path: Path) -> None:
    """A file-size limit of 3 MiB stands for the full disk: writing beyond it fails with EFBIG."""

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, resource.RLIM_INFINITY))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        writer = BagWriter(tmp_path / "bag", session={}, flush_period_s=0.05, min_free_bytes=0)
        writer.add_topic(topic())
        deadline = __import__("time").monotonic() + 240
        i = 0
        while writer.failure is None and __import__("time").monotonic() < deadline:
            writer.put("/words", i, payload(1000))
            i += 1
            if i % 100 == 0:
                __import__("time").sleep(0.01)
        summary = writer.close()
        assert isinstance(writer.failure, NoSpaceError), writer.failure
        assert "full" in str(writer.failure)
        assert summary.counts["/words"] > 1000
        assert summary.counts["/words"] + writer.dropped["/words"] <= i

    assert in_child(fill) == 0
    with Reader(tmp_path / "bag") as bag:  # finished by the writer itself
        count = bag.message_count
        assert count > 1000 and [t for _, t, _ in bag.messages()] == list(range(count))


def test_too_little_space_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoSpaceError, match="min_free_mb"):
        BagWriter(tmp_path / "bag", session={}, min_free_bytes=1 << 60)
    assert not (tmp_path / "bag").exists()


def test_reserve_ends_a_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    import time

    writer = BagWriter(tmp_path / "bag", session={}, flush_period_s=0.02, min_free_bytes=1000)
    writer.add_topic(topic())
    writer.put("/words", 1, payload(10))
    usage = shutil.disk_usage(tmp_path)
    # The file is sound: to read all of a large one takes longer than a recorder may hang.
    monkeypatch.setattr("foley_perception.recording.writer.finish_file", None)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=999))
    deadline = time.monotonic() + 240
    while writer.failure is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert isinstance(writer.failure, NoSpaceError)
    assert not writer.put("/words", 2, payload(10)) and writer.dropped["/words"] == 1
    writer.close()
    assert "then:" not in str(writer.failure) and not (tmp_path / "bag" / ".reserve").exists()
    with Reader(tmp_path / "bag") as bag:
        assert bag.message_count == 1
    assert Bag(tmp_path / "bag").problems == []


def test_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(NotWritableError, match="cannot be written"):
        BagWriter(tmp_path / "file" / "bag", session={})
    with pytest.raises(NotWritableError, match="another folder"):
        BagWriter(Path("/proc/foley/bag"), session={})
    (tmp_path / "there").mkdir()
    with pytest.raises(NotWritableError, match="exists already"):
        BagWriter(tmp_path / "there", session={})


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to drop it")
def test_missing_permission(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    for parent in (tmp_path, *tmp_path.parents[:3]):
        if parent.stat().st_uid == os.geteuid() and str(parent).startswith("/tmp/"):
            parent.chmod(parent.stat().st_mode | 0o055)

    def attempt() -> None:
        os.setuid(65534)
        with pytest.raises(NotWritableError, match="permissions"):
            BagWriter(locked / "bag", session={})

    assert in_child(attempt) == 0


def test_a_file_system_that_takes_no_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)  # of folders
    monkeypatch.setattr(os, "posix_fadvise", refuse)
    writer = write(tmp_path / "bag", 10)
    assert writer.failure is None and writer.counts["/words"] == 10
