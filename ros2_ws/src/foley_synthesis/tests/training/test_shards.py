"""Streams from shards: nothing twice, nothing left out, the same for any number of readers, gone on from anywhere."""

from __future__ import annotations

import functools
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from torch.utils.data import DataLoader

from foley_synthesis.training import processes, webdataset_files
from foley_synthesis.training.shards import ShardStream, lanes_of
from foley_synthesis.training.webdataset_files import ShardError, count_samples, find_shards, read_samples

COUNTS = (7, 1, 0, 12, 5, 30)


def read(shard: int, start: int, stop: int) -> Iterator[str]:
    for k in range(start, stop):
        yield f"{shard}-{k}"


EVERYTHING = sorted(f"{shard}-{k}" for shard, count in enumerate(COUNTS) for k in range(count))


def stream(**options: int) -> ShardStream[str, str]:
    return ShardStream(COUNTS, read, str.upper, **{"buffer": 4, **options})


def of_processes(monkeypatch: pytest.MonkeyPatch, count: int, epoch: int = 0) -> list[list[str]]:
    """What each of several processes reads."""
    found = []
    for rank in range(count):
        monkeypatch.setattr(processes, "rank", lambda rank=rank: rank)
        monkeypatch.setattr(processes, "count", lambda: count)
        own = stream()
        own.set_epoch(epoch)
        found.append(list(own))
    monkeypatch.undo()
    return found


def test_lanes_hold_every_sample_once_and_are_of_one_length() -> None:
    for lanes in (1, 3, 8, 60):
        made = lanes_of(COUNTS, lanes, [5, 2, 0, 4, 1, 3])
        rows = [f"{s.shard}-{k}" for lane in made for s in lane for k in range(s.start, s.stop)]
        assert sorted(rows) == EVERYTHING
        sizes = [sum(s.stop - s.start for s in lane) for lane in made]
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_processes_share_an_epoch_without_overlap_or_loss(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = of_processes(monkeypatch, count)
    assert sorted(row for part in parts for row in part) == EVERYTHING
    assert max(map(len, parts)) - min(map(len, parts)) <= 8 // count


def test_a_lane_is_the_same_whoever_reads_it_and_epochs_differ() -> None:
    lanes = [list(stream().lane(n)) for n in range(8)]
    assert [list(stream().lane(n)) for n in range(8)] == lanes
    assert [row for lane in lanes for row in lane] != EVERYTHING  # shuffled
    other = stream()
    other.set_epoch(1)
    assert [list(other.lane(n)) for n in range(8)] != lanes
    assert [list(stream(seed=1).lane(n)) for n in range(8)] != lanes
    assert [row for n in range(8) for row in stream(buffer=0).lane(n)] == [
        row for shard, count in enumerate(COUNTS) for row in read(shard, 0, count)
    ]


def test_workers_of_a_loader_share_too() -> None:
    loader = DataLoader(stream(), batch_size=None, num_workers=2, multiprocessing_context="fork")
    assert sorted(loader) == EVERYTHING


def test_it_goes_on_where_it_stopped_without_decoding_what_was_given() -> None:
    whole, first = stream(), stream()
    whole.set_epoch(3)
    first.set_epoch(3)
    running, expected = iter(first), list(whole)
    given = [next(running) for _ in range(20)]
    decoded: list[str] = []
    rest = ShardStream(COUNTS, read, lambda raw: decoded.append(raw) or raw, buffer=4)
    rest.load_state_dict(first.state_dict())
    assert given + list(rest) == expected and len(decoded) == len(expected) - 20
    assert sorted(rest) == EVERYTHING  # the next reading begins at the front


def test_no_more_is_held_than_the_buffers() -> None:
    taken = 0

    def counted(shard: int, start: int, stop: int) -> Iterator[int]:
        nonlocal taken
        for k in range(start, stop):
            taken += 1
            yield k

    running = iter(ShardStream([10_000] * 4, counted, int, buffer=16, lanes=4))
    for number in range(1, 401):
        next(running)
        assert taken <= number + 4 * 17


def test_readers_that_cannot_share_the_lanes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "count", lambda: 3)
    with pytest.raises(ValueError, match="8 lanes cannot be shared evenly by 3 readers"):
        next(iter(stream()))


# ---- tar files ---------------------------------------------------------------------------------------------
def write_tar(path: Path, count: int) -> None:
    with tarfile.open(path, "w") as tar:
        for number in range(count):
            for ending in ("json", "a.b.npy"):
                content = f"{path.stem} {number} {ending}".encode()
                info = tarfile.TarInfo(f"{number:08d}.{ending}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))


def test_shards_are_found_counted_and_read_from_a_folder_and_over_http(tmp_path: Path) -> None:
    for name, count in (
        ("train-000000", 5),
        ("train-000001", 3),
        ("train-windows-000000", 2),
        ("test-000000", 1),
    ):
        write_tar(tmp_path / f"{name}.tar", count)
    here = find_shards(str(tmp_path), "train")
    assert [Path(shard).name for shard in here] == ["train-000000.tar", "train-000001.tar"]
    assert [count_samples(shard) for shard in here] == [5, 3]
    (blank := tmp_path / "my shards").mkdir()
    write_tar(blank / "train-000000.tar", 1)
    assert find_shards(str(blank), "train") == [str(blank / "train-000000.tar")]
    many = [f"/shards/train-{number:06}.tar" for number in range(300)]
    assert find_shards(" ".join(many), "train") == many
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.log_message = lambda *args: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        given = f"{base}/train-{{000000..000001}}.tar {base}/test-000000.tar"
        urls = find_shards(given, "train")
        assert urls == [f"{base}/train-00000{k}.tar" for k in (0, 1)]
        for shard, url in zip(here, urls, strict=True):
            assert list(read_samples(url)) == list(read_samples(shard))
        with pytest.raises(ShardError, match="404"):
            list(read_samples(f"{base}/train-000009.tar"))
        server.shutdown()
    assert list(read_samples(here[0], 2, 4)) == [
        {ending: f"train-000000 {k} {ending}".encode() for ending in ("json", "a.b.npy")} for k in (2, 3)
    ]


def test_a_shard_that_is_cut_off_is_named(tmp_path: Path) -> None:
    write_tar(tmp_path / "train-000000.tar", 5)
    whole = (tmp_path / "train-000000.tar").read_bytes()
    for left in (1700, 4096):  # within a member, and between two samples
        (tmp_path / "train-000000.tar").write_bytes(whole[:left])
        with pytest.raises(ShardError, match=r"train-000000\.tar: cannot be read"):
            list(read_samples(str(tmp_path / "train-000000.tar")))
        with pytest.raises(tarfile.TarError):  # as by http
            list(webdataset_files._samples(io.BytesIO(whole[:left]), True, 0))
