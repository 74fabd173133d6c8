"""A small system of dummy nodes, installed as an ament package of its own in a temporary prefix."""

from __future__ import annotations

import dataclasses
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from foley_sim.ros.generate import GenerateConfig

DUMMY_NODE = '''#!{python}
"""A lifecycle node that does what its parameters say."""
import dataclasses
import pathlib
import sys
import time

from foley_ros.node import FoleyNode, run


@dataclasses.dataclass(frozen=True)
class DummyConfig:
    refuse: str = ""  # reason to refuse configuration with
    setup_s: float = 0.0  # how long configuration blocks
    journal: str = ""  # file to which each step is appended


class DummyNode(FoleyNode[DummyConfig]):
    def __init__(self) -> None:
        super().__init__("dummy", DummyConfig)

    def setup(self, config: DummyConfig) -> None:
        self._journal = config.journal
        self._write("setup")
        if config.refuse:
            raise ValueError(config.refuse)
        time.sleep(config.setup_s)

    def start(self) -> None:
        self._write("start")

    def stop(self) -> None:
        self._write("stop")

    def teardown(self) -> None:
        self._write("teardown")

    def _write(self, step: str) -> None:
        if self._journal:
            with pathlib.Path(self._journal).open("a") as file:
                file.write(f"{{self.get_name()}} {{step}}\\n")


sys.exit(run(DummyNode))
'''


@dataclasses.dataclass
class DummySystem:
    """Where the dummy system is installed, and the environment in which it is found."""

    prefix: Path
    system_file: Path
    journal: Path
    names: tuple[str, ...]

    def steps(self) -> list[str]:
        return self.journal.read_text().splitlines() if self.journal.exists() else []


@pytest.fixture
def dummy_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DummySystem:
    prefix = tmp_path / "prefix"
    index = prefix / "share/ament_index/resource_index/packages"
    index.mkdir(parents=True)
    (index / "dummies").touch()
    executable = prefix / "lib/dummies/dummy"
    executable.parent.mkdir(parents=True)
    executable.write_text(DUMMY_NODE.format(python=sys.executable))
    executable.chmod(executable.stat().st_mode | stat.S_IXUSR)
    config = prefix / "share/dummies/config"
    config.mkdir(parents=True)
    journal = tmp_path / "journal"
    (config / "dummy.yaml").write_text(
        yaml.safe_dump({"/**": {"ros__parameters": {"journal": str(journal), "setup_s": 0.0}}})
    )
    names = ("first", "second", "third")
    system_file = tmp_path / "system.yaml"
    system_file.write_text(
        yaml.safe_dump({"nodes": [{"name": n, "package": "dummies", "executable": "dummy"} for n in names]})
    )
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{prefix}{os.pathsep}{os.environ.get('AMENT_PREFIX_PATH', '')}")
    return DummySystem(prefix, system_file, journal, names)


@pytest.fixture(scope="session")
def generate_here() -> Callable[..., None]:
    """``generate_here(GenerateConfig(...))``: what `generate` writes, by this process and not packed.

    To begin two processes for each bag of some seconds, and to unpack it again for every topic, takes longer than to
    simulate it.
    """

    def write(config: GenerateConfig, progress: Callable[[float], None] = lambda seconds: None) -> None:
        from foley_sim.ros.bag import write_bag
        from foley_sim.ros.generate import bag_jobs

        config.out.mkdir(parents=True, exist_ok=True)
        for job in bag_jobs(dataclasses.replace(config, compress=False)):
            write_bag(job, progress)

    return write
