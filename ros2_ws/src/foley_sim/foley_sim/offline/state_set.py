"""A set of labelled contacts with things in opposite states: sound files, and a table of what is heard in them.

DIR/labels.csv                                   one row per contact, see COLUMNS
DIR/loose/train-003/scene1-tight.wav             48 kHz, 16 bit: taps on one thing in one scene and state
DIR/set.json                                     what the set is

A row's `split` is its thing's: no thing is in two. A test with the same thing goes by `scene`: taught in some, tested
in others. Files follow from the settings alone; those that are there are kept.
"""

from __future__ import annotations

import csv
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from foley_sim.condition import OPPOSITE, State
from foley_sim.offline.pool import work_off
from foley_sim.offline.set_folder import claimed
from foley_sim.offline.state_taps import MOST_THINGS, SPLITS, TapsJob, blows_of, record, scene_of
from foley_sim.states import STATES

SCHEMA = "foley-state-set-1"
LABELS = "labels.csv"
COLUMNS: tuple[str, ...] = (
    "contact", "file", "onset_s", "predicate", "value", "state", "split", "object", "scene", "material", "shape",
    "action", "speed", "detail",
)  # fmt: skip
"""Of labels.csv. contact: unique; onset_s: first touch in the file [s]; speed: of that touch [m/s]; detail: how loose,
full or cracked."""


@dataclasses.dataclass(frozen=True)
class StateSetConfig:
    """Which set to write.

    Raises:
        ValueError: naming the option that cannot be.
    """

    out: Path
    states: tuple[State, ...] = STATES
    objects: int = 16
    test_objects: int = 12
    scenes: int = 4
    taps: int = 6
    seed: int = 0
    jobs: int = 2

    def __post_init__(self) -> None:
        for state in self.states:
            if state not in STATES:
                raise ValueError(f"--state is `{state}`, known are {', '.join(STATES)}")
        if not self.states or len(set(self.states)) != len(self.states):
            raise ValueError(f"--state is `{' '.join(self.states)}`: name each once, at least one")
        for name, value, low in (
            ("objects", self.objects, 0), ("test-objects", self.test_objects, 0), ("scenes", self.scenes, 1),
            ("taps", self.taps, 1), ("seed", self.seed, 0), ("jobs", self.jobs, 1),
        ):  # fmt: skip
            if value < low:
                raise ValueError(f"--{name} is {value}, must be at least {low}")
        if not self.objects + self.test_objects > 0 or max(self.objects, self.test_objects) > MOST_THINGS:
            raise ValueError(
                f"--objects is {self.objects} and --test-objects {self.test_objects}: from 1 to {MOST_THINGS} each"
            )

    @property
    def settings(self) -> dict[str, Any]:
        """What all files of a set have in common; more objects or scenes are added to a set that is there."""
        return {"taps": self.taps, "seed": self.seed}


def taps_jobs(config: StateSetConfig) -> list[TapsJob]:
    """Every recording of a set."""
    counts = dict(zip(SPLITS, (config.objects, config.test_objects), strict=True))
    return [
        TapsJob(pair, split, thing, scene, state, config.taps, config.seed)
        for pair in config.states
        for split in SPLITS
        for thing in range(counts[split])
        for scene in range(config.scenes)
        for state in (pair, OPPOSITE[pair])
    ]


def rows_of(job: TapsJob) -> list[dict[str, Any]]:
    """What is heard in one recording, by COLUMNS."""
    item = scene_of(job).objects[0]
    predicate, value = job.predicate
    told = item.condition.describe()
    detail = " ".join(f"{name}={told[name]}" for name in sorted(told))
    return [
        {
            "contact": f"{job.name}/{i}",
            "file": f"{job.name}.wav",
            "onset_s": round(blow.time_s, 5),
            "predicate": predicate,
            "value": str(value).lower(),
            "state": job.state,
            "split": job.split,
            "object": job.object_id,
            "scene": job.scene,
            "material": item.material.name,
            "shape": item.shape,
            "action": blow.action,
            "speed": round(blow.speed, 4),
            "detail": detail,
        }
        for i, blow in enumerate(blows_of(job, item))
    ]


def make_state_set(
    config: StateSetConfig,
    progress: Callable[[float], None] = lambda seconds: None,
    warn: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Write all recordings that are not there yet, and the table; return the figures.

    Args:
        progress: called in this thread with seconds of sound done since the last call.
        warn: called with what went wrong and could be mended.

    Raises:
        ValueError: the folder holds a set of other settings, or another process is writing it.
        OSError: a file cannot be written.
    """
    with claimed(config.out, SCHEMA, config.settings):
        jobs = taps_jobs(config)
        placed = [(job, config.out) for job in jobs]
        waiting = [job for job in placed if not _finished(job)]
        progress(sum(job.duration_s for job in jobs) - sum(job.duration_s for job, _ in waiting))
        started = time.monotonic()
        reports, deaths = work_off(
            waiting, _write, processes=config.jobs, finished=_finished, report=lambda job: None, what="recordings",
            progress=progress, warn=warn,
        )  # fmt: skip
        wall_s = time.monotonic() - started
        rows = _write_labels(config.out, jobs)
    sound_s, cpu_s = sum(r.sound_s for r in reports), sum(r.cpu_s for r in reports)
    counted: dict[str, int] = {}
    for row in rows:
        name = f"{row['predicate']}={row['value']} {row['split']}"
        counted[name] = counted.get(name, 0) + 1
    return {
        **config.settings,
        "states": list(config.states),
        "objects": config.objects,
        "test_objects": config.test_objects,
        "scenes": config.scenes,
        "recordings": len(jobs),
        "recordings_written": len(reports),
        "contacts": len(rows),
        "contacts_by_label": counted,
        "sound_s": round(sound_s, 1),
        "wall_s": round(wall_s, 2),
        "real_time_factor_per_cpu": round(sound_s / cpu_s, 1) if cpu_s else None,
        "largest_sample": max((r.peak for r in reports), default=None),
        "processes_died": deaths,
    }


def read_labels(folder: Path) -> list[dict[str, str]]:
    """Rows of a set's table, by COLUMNS.

    Raises:
        ValueError: there is none, or it lacks a column.
    """
    path = folder / LABELS
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise ValueError(f"{folder}: is no set of `foley sim states` ({error})") from None
    if missing := [name for name in COLUMNS if rows and name not in rows[0]]:
        raise ValueError(f"{path}: column {missing[0]} is missing; write the set anew")
    return rows


def _others(path: Path, files: set[str]) -> list[dict[str, Any]]:
    """Rows of files that an earlier command wrote and this one did not ask for."""
    return (
        [dict(row) for row in read_labels(path.parent) if row["file"] not in files] if path.is_file() else []
    )


def _write_labels(folder: Path, jobs: list[TapsJob]) -> list[dict[str, Any]]:
    """And return all of its rows."""
    rows = [row for job in jobs for row in rows_of(job)]
    rows = _others(folder / LABELS, {row["file"] for row in rows}) + rows
    partial = folder / f".{LABELS}.partial"
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        partial.replace(folder / LABELS)
    finally:
        partial.unlink(missing_ok=True)
    return rows


# ---- in worker processes -------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True)
class _Report:
    sound_s: float
    cpu_s: float
    peak: float


Placed = tuple[TapsJob, Path]


def _path(placed: Placed) -> Path:
    job, folder = placed
    return folder / f"{job.name}.wav"


def _finished(placed: Placed) -> bool:
    return _path(placed).is_file()


def _write(placed: Placed, progress: Callable[[float], None]) -> _Report:
    from scipy.io import wavfile

    job, path = placed[0], _path(placed)
    cpu = time.process_time()
    samples, _ = record(job)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        wavfile.write(partial, scene_of(job).microphone.sample_rate, samples)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    progress(job.duration_s)
    return _Report(job.duration_s, time.process_time() - cpu, float(abs(samples.astype(float)).max()) / 2**15)
