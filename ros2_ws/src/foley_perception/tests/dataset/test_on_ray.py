"""The same build on Ray: the same data set, and what is lost is done again, and nothing else."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from foley_perception.commands import dataset as command
from foley_perception.dataset.build import BagSource, build_dataset
from foley_perception.dataset.cut import CutConfig
from foley_perception.dataset.on_ray import LOST, TRIES, OnRay, _told, unseen
from foley_perception.dataset.schema import DatasetError
from foley_perception.dataset.staging import build_from

MakeBag = Callable[..., Path]
with_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="the extra `cluster` is not installed"
)


# ---- without Ray -------------------------------------------------------------------------------------------
@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_it_says_how_to_install_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = tmp_path / "bag.mcap"
    bag.write_bytes(b"")
    parser = argparse.ArgumentParser()
    command.configure(parser)
    assert command.run(parser.parse_args(["build", str(bag), "--out", str(tmp_path / "ds"), "--ray"])) == 2
    told = capsys.readouterr().err
    assert "--ray needs Ray" in told and "requirements/cluster.txt" in told


def test_what_a_node_does_not_see_is_named(tmp_path: Path) -> None:
    bag, token = tmp_path / "bag.mcap", tmp_path / "ds" / "parts" / "seen-1"
    bag.write_bytes(b"1")
    source = BagSource(bag, CutConfig())
    listed = [(source, source.identity())]
    assert unseen(listed, token) == f"the data set's folder {tmp_path / 'ds'}"
    token.parent.mkdir(parents=True)
    token.write_text("of another machine")
    assert unseen(listed, token) == f"the data set's folder {tmp_path / 'ds'}"
    token.write_text(token.name)
    assert unseen(listed, token) == ""
    bag.write_bytes(b"12")
    assert unseen(listed, token) == f"{bag} as it is (another size or time)"
    bag.unlink()
    assert unseen(listed, token) == str(bag)


def test_a_cluster_that_ends_is_told() -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield {"index": 0}
        raise ConnectionError("Traceback ...\nthe head node is gone")

    told = _told(rows())
    assert next(told) == {"index": 0}
    with pytest.raises(
        DatasetError, match=r"Ray ended before the build did \(the head node is gone\); build again"
    ):
        next(told)


# ---- on a cluster of two nodes -----------------------------------------------------------------------------
@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two nodes of one core each, on this machine."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        made.second = made.add_node(num_cpus=1)
        yield made
    finally:
        import ray

        ray.shutdown()
        made.shutdown()


def sources(bags: list[Path], log: Path, harm: dict[str, str], doomed: str = "") -> list[Any]:
    """Bags whose cutting is logged, one line each time it is begun.

    Args:
        harm: by bag, what befalls its worker before it is done.
        doomed: a node, on which none is ever done.
    """

    # Here, so that it travels to the nodes by value.
    @dataclasses.dataclass(frozen=True)
    class Watched(BagSource):
        log: Path = Path()
        harm: str = ""

        def cut(self, rows: Any) -> Any:
            import ray

            node = ray.get_runtime_context().get_node_id()
            with self.log.open("a") as file:
                file.write(f"{self.path.name} {node}\n")
            begun = self.log.read_text().count(f"{self.path.name} ")
            # On a busy machine one node may be done with all before the other has begun.
            ends = time.monotonic() + 120
            while doomed and not self.harm and time.monotonic() < ends:
                lines = [line.split() for line in self.log.read_text().splitlines()]
                if any(where == doomed and not harm.get(name) for name, where in lines):
                    break
                time.sleep(0.1)
            made = BagSource.cut(self, rows)  # all media are written, and the part is not there yet
            if self.harm == "dies always" or (self.harm == "dies" and begun == 1):
                os.kill(os.getpid(), 9)
            if node == doomed:
                time.sleep(120)
            return made

    return [
        Watched(bag, CutConfig(windows=True), bag.name, log=log, harm=harm.get(bag.name, "")) for bag in bags
    ]


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a data set, but for paths of where it was made."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.parent.name != "parts"]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def made_bags(make_bag: MakeBag, count: int) -> list[Path]:
    return [
        make_bag(
            f"bag{i}", plans=False, session_id=f"s{i}", scene_id=f"scene{i}", objects=((f"block{i}", "wood"),)
        )
        for i in range(count)
    ]


@with_ray
@pytest.mark.long
@pytest.mark.slow
def test_a_lost_worker_and_a_lost_node_cost_their_bags_work_only(
    make_bag: MakeBag, tmp_path: Path, cluster: Any
) -> None:
    bags = made_bags(make_bag, 5)
    alone = build_dataset(bags, tmp_path / "alone", config=CutConfig(windows=True), workers=1)
    log = tmp_path / "log"
    log.touch()
    second = cluster.second.node_id

    def kill_node() -> None:
        """Once a bag waits there in the middle of its work, whose worker does not die by itself."""
        while not any(line.split()[0] in ("bag0", "bag2", "bag3") for line in on(second)):
            time.sleep(0.05)
        cluster.remove_node(cluster.second, allow_graceful=False)

    def on(node: str) -> list[str]:
        return [line for line in log.read_text().splitlines() if line.endswith(node)]

    with OnRay(cluster.address) as ray:
        watched = sources(bags, log, {"bag1": "dies", "bag4": "dies always"}, doomed=second)
        killer = threading.Thread(target=kill_node, daemon=True)
        killer.start()
        report = build_from(watched, tmp_path / "together", ray=ray, skip_bad=True)
        killer.join(timeout=30)
        assert not killer.is_alive(), "the node was to die"
    assert dict(report.failed) == {str(bags[4]): LOST}
    begun = Counter(line.split()[0] for line in log.read_text().splitlines())
    lost = on(second)[-1].split()[0]
    expected = {"bag0": 1, "bag1": 2, "bag2": 1, "bag3": 1, "bag4": TRIES}
    assert begun == {**expected, lost: expected[lost] + 1}
    # Built again, only what is missing is cut; then all is as without Ray, byte by byte.
    with OnRay(cluster.address, workers=1) as ray:
        again = build_from(sources(bags, log, {}), tmp_path / "together", ray=ray)
    assert again.cut == 1 and log.read_text().count("\n") == sum(begun.values()) + 1
    assert again.manifest["fingerprint"] == alone.manifest["fingerprint"]
    assert content(tmp_path / "together") == content(tmp_path / "alone")
