"""Many offline bags in several processes, with progress and resuming."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foley_sim.condition import State
from foley_sim.editions import EDITIONS, VERSION, VERSIONS
from foley_sim.foleysim1.appearances import LOOKS
from foley_sim.judge.scenes import EDITION as JUDGE
from foley_sim.materials import MATERIALS
from foley_sim.offline.collections import recordings
from foley_sim.offline.pool import work_off
from foley_sim.offline.summary import added, summary
from foley_sim.scene import SPLITS
from foley_sim.spec import Robot
from foley_sim.states import STATES, NothingCanBe

if TYPE_CHECKING:
    from foley_sim.offline.job import BagJob, BagReport


@dataclasses.dataclass(frozen=True)
class GenerateConfig:
    """What to generate: a collection by name, or scenes of an edition with seeds from ``first_seed`` on."""

    out: Path
    split: str = "train"
    scenes: int = 12
    duration_s: float = 40.0
    first_seed: int = 0
    policy_seed: int = 0
    jobs: int = 2
    depth_rate_hz: float = 5.0
    compress: bool = True
    edition: str = "tabletop"
    collection: str = ""  # everything above but `out` and `jobs` follows from it
    edition_version: int = VERSION
    only: str = ""  # one split of the collection
    robot: Robot | None = None
    hands: int = 1
    material: str = ""
    look: str = ""
    blow_speed: float = 1.0
    state: State | None = None
    state_share: float = 0.5

    def __post_init__(self) -> None:
        if self.look and self.look not in LOOKS:
            raise ValueError(f"--look is `{self.look}`, known are {', '.join(LOOKS)}")
        if self.material and self.material not in MATERIALS:
            raise ValueError(f"--material is `{self.material}`, known are {', '.join(MATERIALS)}")
        if self.material and self.edition == JUDGE:
            raise ValueError(
                f"--material is `{self.material}`: the materials of `{self.edition}` are its own"
            )
        if (self.material or self.look or self.blow_speed != 1.0 or self.state) and self.collection:
            raise ValueError(
                "--material, --look, --blow-speed and --state change scenes; a --collection stands as it is"
            )
        if self.state is not None and self.state not in STATES:
            raise ValueError(f"--state is `{self.state}`, known are {', '.join(STATES)}")
        if self.state is not None and self.edition == JUDGE:
            raise ValueError(
                f"--state is `{self.state}`: the sound of `{JUDGE}` is frozen and knows no states"
            )
        if not (math.isfinite(self.state_share) and 0.0 < self.state_share <= 1.0):
            raise ValueError(f"--state-share is {self.state_share}, must lie in (0, 1]")
        if self.look and self.edition != "foleysim-1":
            raise ValueError(f"--look needs --edition foleysim-1; `{self.edition}` draws its looks otherwise")
        if self.split not in SPLITS:
            raise ValueError(f"--split is `{self.split}`, known are {', '.join(SPLITS)}")
        if self.edition not in EDITIONS:
            raise ValueError(f"--edition is `{self.edition}`, known are {', '.join(EDITIONS)}")
        if self.edition_version not in VERSIONS:
            raise ValueError(
                f"--edition-version is {self.edition_version}, known are {', '.join(map(str, VERSIONS))}"
            )
        if self.only and not self.collection:
            raise ValueError(f"--only is `{self.only}`, which is a split of a --collection: name one")
        if self.hands not in (1, 2):
            raise ValueError(f"--hands is {self.hands}, must be 1 or 2")
        if self.scenes < 1 or self.jobs < 1:
            raise ValueError(f"--scenes is {self.scenes} and --jobs {self.jobs}, both must be at least 1")
        if self.first_seed < 0 or self.policy_seed < 0:
            raise ValueError(
                f"--seed is {self.first_seed} and --policy-seed {self.policy_seed}, must not be negative"
            )
        if not (math.isfinite(self.duration_s) and 1.0 <= self.duration_s <= 3600.0):
            raise ValueError(f"--duration is {self.duration_s} s, must lie in [1, 3600]")
        if not 0 <= self.depth_rate_hz <= 120:
            raise ValueError(f"--depth-rate is {self.depth_rate_hz} Hz, must lie in [0, 120]")


def bag_jobs(config: GenerateConfig) -> list[BagJob]:
    """Every bag that was asked for.

    Raises:
        ValueError: unknown collection or split.
    """
    from foley_sim.offline.job import BagJob, job_of

    if config.collection:
        return [
            dataclasses.replace(
                job_of(recording, config.out, edition_version=config.edition_version), hands=config.hands
            )
            for recording in recordings(config.collection, only=config.only, robot=config.robot)
        ]
    return [
        BagJob(
            folder=config.out / f"{config.split}-{seed:05d}",
            split=config.split,
            scene_seed=seed,
            policy_seed=config.policy_seed,
            duration_s=config.duration_s,
            depth_rate_hz=config.depth_rate_hz,
            compress=config.compress,
            edition=config.edition,
            edition_version=config.edition_version,
            robot=config.robot,
            hands=config.hands,
            material=config.material,
            look=config.look,
            blow_speed=config.blow_speed,
            state=config.state,
            state_share=config.state_share,
        )
        for seed in range(config.first_seed, config.first_seed + config.scenes)
    ]


def generate(
    config: GenerateConfig,
    progress: Callable[[float], None] = lambda seconds: None,
    warn: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Write all bags that are not there yet and return the figures. Scenes in which nothing can be in a state are left
    out with a warning.

    Args:
        progress: called in this thread with simulated seconds done since the last call.
        warn: called with what went wrong and could be mended.

    Raises:
        ValueError: a folder in the way holds another bag.
        OSError: a folder cannot be written.
        BrokenProcessPool: processes die again and again without getting on.
    """
    from foley_sim.offline.job import finished, read_report

    jobs = _possible(bag_jobs(config), warn)
    config.out.mkdir(parents=True, exist_ok=True)
    waiting = [job for job in jobs if not finished(job)]
    kept = [job for job in jobs if job not in waiting]
    progress(sum(job.duration_s for job in kept))
    # The longest first: at the end no process should wait for another's long bag.
    waiting.sort(key=lambda job: -job.duration_s)
    started = time.monotonic()
    reports, deaths = work_off(
        waiting,
        _write,
        processes=config.jobs,
        finished=finished,
        report=lambda job: read_report(job.folder),
        what="bags",
        progress=progress,
        warn=warn,
    )
    figures = _figures(config, reports, len(kept), time.monotonic() - started)
    everything = reports + [r for r in (read_report(job.folder) for job in kept) if r is not None]
    return {**figures, "processes_died": deaths, "set": summary(everything)}


def _possible(jobs: list[BagJob], warn: Callable[[str], None]) -> list[BagJob]:
    """Those whose scenes can be in their state."""
    kept = []
    for job in jobs:
        try:
            if job.state is not None:
                job.scene()
            kept.append(job)
        except NothingCanBe as error:
            warn(f"{job.folder.name} is left out: {error}")
    if not kept:
        raise ValueError(f"--state is `{jobs[0].state}`: nothing in these scenes can be so; choose others")
    return kept


def _figures(config: GenerateConfig, reports: list[BagReport], skipped: int, wall_s: float) -> dict[str, Any]:
    simulated = sum(r.duration_s for r in reports)
    busy = sum(r.wall_s for r in reports)
    contacts = sum(r.contacts for r in reports)
    return {
        "split": config.only if config.collection else config.split,
        "collection": config.collection,
        "edition_version": config.edition_version,
        "first_seed": config.first_seed,
        "scenes_written": len(reports),
        "scenes_skipped": skipped,
        "simulated_s": simulated,
        "wall_s": round(wall_s, 3),
        "jobs": config.jobs,
        "real_time_factor": round(simulated / wall_s, 3) if reports else None,
        "real_time_factor_per_process": round(simulated / busy, 3) if busy else None,
        "contacts": contacts,
        "contacts_per_minute": round(contacts / simulated * 60, 2) if simulated else None,
        "contacts_by_action": added(r.actions for r in reports),
        "contacts_by_material": added(r.materials for r in reports),
        "messages": added(r.messages for r in reports),
        "bytes": sum(r.bytes for r in reports),
    }


def _write(job: BagJob, progress: Callable[[float], None]) -> BagReport:
    from foley_sim.ros.bag import write_bag

    return write_bag(job, progress)
