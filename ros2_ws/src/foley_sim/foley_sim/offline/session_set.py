"""A set of sessions: a folder of their files, made in several processes; what is finished is not made again."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from foley_common.session_file import MOTION_RATE, write_session
from foley_sim.foleysim1.scenes import EDITION, SCENES, SEALED, SEALED_SCENES, STREAM, STREAM_SCENES
from foley_sim.judge.scenes import EDITION as JUDGE
from foley_sim.judge.scenes import SCENES as JUDGE_SCENES
from foley_sim.offline.collections import SEEN, SEEN_POLICY_SEED
from foley_sim.offline.pool import work_off
from foley_sim.offline.session_sound import RATES
from foley_sim.offline.sessions import SessionJob, make_session
from foley_sim.offline.set_folder import SET_FILE, claimed
from foley_sim.offline.summary import added
from foley_sim.robots.actions import ACTIONS, Action
from foley_sim.scene import SPLITS
from foley_sim.world import contact_log

SCHEMA = "foley-session-set-1"
TABLETOP = "tabletop"  # the edition of as many light scenes as are wanted
CONTACTS = ".contacts.npz"
"""End of the file beside a session's from which its sound can be rendered again (world/contact_log.py)."""


@dataclasses.dataclass(frozen=True)
class SetConfig:
    """What to make.

    split: `test_seen`: the scenes of `train` touched anew, by another policy seed; who trains on `train` skips them.
    seed: `train`, `test_seen`, and the edition `tabletop`: of the first scene; otherwise the first policy seed, which
        all of the edition's scenes have before the next one has its turn.
    even_taps: each object is tapped so many times at places apart and so many times at one place, and nothing else is
        done; sessions last as long as that takes, whatever `duration_s` is.
    """

    out: Path
    sessions: int
    split: str = "train"
    edition: str = EDITION
    duration_s: float = 40.0
    seed: int = 0
    sound_rate: int = RATES[0]
    views: float = 0.0  # share of the sessions that have views
    actions: tuple[Action, ...] = ()  # empty: all, as the edition mixes them
    even_taps: int = 0  # 0: actions as they are drawn
    jobs: int = 2

    def __post_init__(self) -> None:
        if self.edition not in (EDITION, TABLETOP, JUDGE):
            raise ValueError(f"--edition is `{self.edition}`, must be {EDITION}, {TABLETOP} or {JUDGE}")
        if self.edition == TABLETOP and self.split not in SPLITS:
            raise ValueError(f"--split is `{self.split}`, {TABLETOP} has {', '.join(SPLITS)}")
        if self.even_taps < 0 or (self.even_taps and self.actions):
            raise ValueError(
                f"--even-taps is {self.even_taps} with --actions `{','.join(self.actions)}`: it is 0 or more, and "
                "nothing but taps"
            )
        if self.edition == JUDGE and self.split != "test":
            raise ValueError(f"--split is `{self.split}`: {JUDGE} is a judge, nothing trains or tunes on it")
        if self.split not in (*SCENES, SEALED, SEEN):
            raise ValueError(f"--split is `{self.split}`, known are {', '.join((*SCENES, SEALED, SEEN))}")
        if self.sound_rate not in RATES:
            raise ValueError(
                f"--sound-rate is {self.sound_rate}, must be {' or '.join(str(r) for r in RATES)}"
            )
        if self.sessions < 1 or self.jobs < 1:
            raise ValueError(f"--sessions is {self.sessions} and --jobs {self.jobs}, both must be at least 1")
        if unknown := [action for action in self.actions if action not in ACTIONS]:
            raise ValueError(f"--actions is `{unknown[0]}`, known are {', '.join(ACTIONS)}")
        if not 0 <= self.views <= 1:
            raise ValueError(f"--views is {self.views}, must be a share in [0, 1]")
        last = self.seed + self.sessions
        if self.seed < 0 or (self.streamed and last > STREAM_SCENES):
            raise ValueError(
                f"--seed is {self.seed} with {self.sessions} sessions: there are scenes 0 to {STREAM_SCENES - 1}"
            )
        rows = self.duration_s * MOTION_RATE  # of 8.008 s it is 1001 but for the last bit
        if not (5.0 <= self.duration_s <= 3600.0 and abs(rows - round(rows)) < 1e-6):
            raise ValueError(
                f"--duration is {self.duration_s} s, must lie in [5, 3600] and be a multiple of {1 / MOTION_RATE} s"
            )

    @property
    def streamed(self) -> bool:
        """Whether every session has a scene of its own."""
        return self.split in ("train", SEEN) or self.edition == TABLETOP

    @property
    def settings(self) -> dict[str, Any]:
        """What all sessions of a set have in common."""
        return {
            "edition": self.edition,
            "split": self.split,
            "duration_s": self.duration_s,
            "sound_rate": self.sound_rate,
            "seed": self.seed,
            **({"views": self.views} if self.views else {}),
            **({"actions": list(self.actions)} if self.actions else {}),
            **({"even_taps": self.even_taps} if self.even_taps else {}),
        }


def session_jobs(config: SetConfig) -> list[SessionJob]:
    """Every session of a set, in order."""
    streamed, seen = config.streamed, config.split == SEEN
    scenes = (
        JUDGE_SCENES if config.edition == JUDGE else {**SCENES, SEALED: SEALED_SCENES}.get(config.split, 1)
    )
    jobs = [
        SessionJob(
            edition=config.edition,
            scene_split=STREAM if streamed and config.edition != TABLETOP else config.split,
            scene_seed=config.seed + i if streamed else i % scenes,
            policy_seed=seen * SEEN_POLICY_SEED if streamed else config.seed + i // scenes,
            duration_s=config.duration_s,
            sound_rate=config.sound_rate,
            actions=config.actions,
            even_taps=config.even_taps,
            split=SEEN if seen else "",
        )
        for i in range(config.sessions)
    ]
    return [dataclasses.replace(job, views=_drawn(job) < config.views) for job in jobs]


def _drawn(job: SessionJob) -> float:
    """In [0, 1), the same for a session whatever set it is in: it has views where their share is above."""
    return float(np.random.default_rng([0x71E35, job.scene_seed, job.policy_seed]).uniform())


@dataclasses.dataclass(frozen=True)
class SessionReport:
    """What one file holds."""

    name: str
    duration_s: float
    wall_s: float
    cpu_s: float
    onsets: int
    unplanned: int  # onsets that no plan has
    actions: dict[str, int]
    materials: dict[str, int]
    points: int
    bytes: int
    limited: int
    peak: float
    views: int


def make_set(
    config: SetConfig,
    progress: Callable[[float], None] = lambda seconds: None,
    warn: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Write all sessions that are not there yet and return the figures.

    Args:
        progress: called in this thread with simulated seconds done since the last call.
        warn: called with what went wrong and could be mended.

    Raises:
        ValueError: the folder holds a set of other settings, or another process is writing it.
        OSError: a file cannot be written.
        BrokenProcessPool: processes die again and again without getting on.
    """
    with claimed(config.out, SCHEMA, config.settings):
        return _make(config, progress, warn)


def _make(
    config: SetConfig, progress: Callable[[float], None], warn: Callable[[str], None]
) -> dict[str, Any]:
    """In a folder that is claimed."""
    jobs = [(job, config.out) for job in session_jobs(config)]
    waiting = [job for job in jobs if not _finished(job)]
    seconds = [job.lasts_s for job, _ in jobs]
    progress(sum(seconds) - sum(job.lasts_s for job, _ in waiting))
    started = time.monotonic()
    reports, deaths = work_off(
        waiting, _write, processes=config.jobs, finished=_finished, report=_report, what="sessions",
        progress=progress, warn=warn,
    )  # fmt: skip
    wall_s = time.monotonic() - started
    simulated, cpu_s = sum(r.duration_s for r in reports), sum(r.cpu_s for r in reports)
    return {
        **config.settings,
        "sessions": len(jobs),
        "sessions_written": len(reports),
        "sessions_kept": len(jobs) - len(waiting),
        "hours": sum(seconds) / 3600,
        "simulated_s": simulated,
        "wall_s": round(wall_s, 3),
        "jobs": config.jobs,
        "real_time_factor": round(simulated / wall_s, 3) if reports else None,
        "real_time_factor_per_cpu": round(simulated / cpu_s, 3) if cpu_s else None,
        "onsets": sum(r.onsets for r in reports),
        "unplanned_onsets": sum(r.unplanned for r in reports),
        "onsets_by_action": added(r.actions for r in reports),
        "onsets_by_material": added(r.materials for r in reports),
        "points_mean": round(sum(r.points for r in reports) / len(reports)) if reports else None,
        "bytes": sum(r.bytes for r in reports),
        "sessions_with_views": sum(r.views > 0 for r in reports),
        "limited_samples": sum(r.limited for r in reports),
        "peak": max((r.peak for r in reports), default=None),
        "processes_died": deaths,
    }


def read_settings(folder: Path) -> dict[str, Any]:
    """What all sessions of a set have in common.

    Raises:
        ValueError: the folder holds no set of sessions.
    """
    path = folder / SET_FILE
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        if held["schema"] == SCHEMA:
            return dict(held["settings"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise ValueError(
        f"{folder}: holds no set of `foley sim sessions` ({SET_FILE} is missing or of another schema)"
    )


# ---- in worker processes -------------------------------------------------------------------------------------
Placed = tuple[SessionJob, Path]


def _path(placed: Placed) -> Path:
    job, folder = placed
    return folder / f"{job.name}.npz"


def _contacts(placed: Placed) -> Path:
    job, folder = placed
    return folder / (job.name + CONTACTS)


def _finished(placed: Placed) -> bool:
    return _path(placed).is_file() and _contacts(placed).is_file()


def _report(placed: Placed) -> SessionReport | None:
    """Of a finished one whose process died before it could tell."""
    return None


def _write(placed: Placed, progress: Callable[[float], None]) -> SessionReport:
    begin, cpu = time.monotonic(), time.process_time()
    job, path = placed[0], _path(placed)
    data, saved = make_session(job, progress)
    # The contacts first: a session's file says that all is there.
    contacts = _contacts(placed)
    partial = path.with_name(f".{contacts.name}.partial")
    try:
        contact_log.write(partial, saved)
        partial.replace(contacts)
    finally:
        partial.unlink(missing_ok=True)
    write_session(path, data)
    names = [o["material"] for o in data.facts["objects"]]
    return SessionReport(
        name=job.name,
        duration_s=job.lasts_s,
        wall_s=time.monotonic() - begin,
        cpu_s=time.process_time() - cpu,
        onsets=len(data.contact_s),
        unplanned=int(np.isnan(data.contact_planned_s).sum()),
        actions=added({action: 1} for action in data.facts["contact_actions"]),
        materials=added({names[i] if i >= 0 else "table": 1} for i in data.contact_object.tolist()),
        points=len(data.surface_points),
        bytes=path.stat().st_size + contacts.stat().st_size,
        views=data.views,
        limited=data.facts["limited_samples"],
        peak=float(np.abs(data.sound.astype(np.float64)).max(initial=0.0)) / 2**15,
    )
