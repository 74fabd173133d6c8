"""Stills: what a scene's things look like from near, without anybody touching them, as a session's file.

Sight needs many things and no motion. A file of stills has the schema of a session (foley_common/session_file.py): the
tool is planned from place to place over each thing, one for every moment of the views, and nothing is heard: its
sound has as many samples as there are rows, all 0. Of a share of the scenes a short scan lies beside (scans.py), from
which `foley scene stills` draws the same views by Gaussians.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common.session_file import MOTION_RATE, POINT_SCALE, VIEW_RATE, SessionData, write_session
from foley_sim.editions import make_scene
from foley_sim.foleysim1.scenes import EDITION, SCENES, STREAM, STREAM_SCENES
from foley_sim.offline import scans
from foley_sim.offline.pool import work_off
from foley_sim.offline.sessions import describe_object, tool_poses
from foley_sim.offline.set_folder import claimed
from foley_sim.physics import mjcf
from foley_sim.rendering.surface import observe
from foley_sim.rendering.views import VIEW_NAMES, jpeg_views
from foley_sim.robots.tool import stick_width
from foley_sim.spec import ObjectSpec, SceneSpec

Array = NDArray[np.float64]

LOCAL = VIEW_NAMES.index("local_right")
SCHEMA = "foley-stills-set-1"
"""Of the folder's set.json."""
_INNER = 0.42  # places lie within this share of a thing's extents around its centre
_LOW_M, _HIGH_M = 0.008, 0.08
"""Half of the places lie lower than the first over the top, the others up to the second: tips that are about to touch,
and tips on their way."""


@dataclasses.dataclass(frozen=True)
class StillsConfig:
    """What to make.

    seed: of the first scene.
    views: of each thing.
    scan: share of the scenes that are scanned as well. A set that is there gets the scans that it lacks.
    """

    out: Path
    scenes: int
    views: int = 3
    split: str = "train"
    seed: int = 0
    jobs: int = 2
    scan: float = 0.0

    def __post_init__(self) -> None:
        if self.split not in SCENES:
            raise ValueError(f"--split is `{self.split}`, known are {', '.join(SCENES)}")
        if self.scenes < 1 or self.jobs < 1 or self.seed < 0 or not 1 <= self.views <= 100:
            raise ValueError(
                f"--scenes is {self.scenes}, --jobs {self.jobs}, --seed {self.seed} and --views {self.views}: need at "
                "least 1 scene and job, seeds from 0 on and 1 to 100 views"
            )
        if not 0 <= self.scan <= 1:
            raise ValueError(f"--scan is {self.scan}, must be a share within [0, 1]")
        last = STREAM_SCENES if self.split == "train" else SCENES[self.split]
        if self.seed + self.scenes > last:
            raise ValueError(
                f"--seed is {self.seed} with {self.scenes} scenes: `{self.split}` has scenes 0 to {last - 1}"
            )

    @property
    def settings(self) -> dict[str, Any]:
        """What all files of a set have in common."""
        return {"edition": EDITION, "split": self.split, "views": self.views}


Job = tuple[StillsConfig, int]


def make_stills(
    config: StillsConfig,
    progress: Callable[[float], None] = lambda scenes: None,
    warn: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Write all files that are not there yet and return the figures.

    Args:
        progress: called in this thread with scenes done since the last call.
        warn: called with what went wrong and could be mended.

    Raises:
        ValueError: the folder holds a set of other settings, or another process is writing it.
        OSError: a file cannot be written.
        BrokenProcessPool: processes die again and again without getting on.
    """
    with claimed(config.out, SCHEMA, config.settings):
        return _make(config, progress, warn)


def _make(
    config: StillsConfig, progress: Callable[[float], None], warn: Callable[[str], None]
) -> dict[str, Any]:
    """In a folder that is claimed."""
    jobs = [(config, seed) for seed in range(config.seed, config.seed + config.scenes)]
    waiting = [job for job in jobs if not _finished(job)]
    progress(len(jobs) - len(waiting))
    started = time.monotonic()
    reports, deaths = work_off(
        waiting, _write, processes=config.jobs, finished=_finished, report=lambda job: None, what="scenes",
        progress=progress, warn=warn,
    )  # fmt: skip
    cpu_s = sum(cpu for cpu, *_ in reports)
    return {
        **config.settings,
        "scenes": len(jobs),
        "scenes_written": len(reports),
        "objects": sum(objects for _, objects, _, _ in reports),
        "scans_written": sum(scan for *_, scan in reports),
        "bytes": sum(size for _, _, size, _ in reports),
        "cpu_s_per_scene": round(cpu_s / len(reports), 4) if reports else None,
        "wall_s": round(time.monotonic() - started, 3),
        "jobs": config.jobs,
        "processes_died": deaths,
    }


def stills(scene: SceneSpec, count: int, facts: dict[str, Any]) -> SessionData:
    """Views of each thing of a scene, one after another.

    Args:
        facts: further ones of the file.

    Raises:
        NoRenderer: no OpenGL context.
    """
    rng = np.random.default_rng([0x571115, scene.seed])
    tips = np.concatenate([_places(item, count, rng) for item in scene.objects])
    model = mjcf.load(scene)
    moments = [(model.qpos0, tip) for tip in tips]
    files = [views[LOCAL] for views in jpeg_views(scene, model, moments)]
    surface = observe(scene, model)
    rows = math.ceil(len(tips) * MOTION_RATE / VIEW_RATE)
    # The row at a view's own time shows it: the first at or after i / VIEW_RATE.
    which = np.minimum(np.round(np.arange(rows) * VIEW_RATE / MOTION_RATE).astype(int), len(tips) - 1)
    tool = tips + np.array([0.0, 0.0, scene.striker.length])
    place = np.hstack([tool[which], np.zeros((rows, 1))])
    pose = tool_poses(place, scene.striker).astype(np.float32)
    width = np.full(rows, stick_width(), np.float32)
    return SessionData(
        facts={
            "scene_id": scene.scene_id,
            "edition": scene.edition,
            "split": scene.split,
            "stills": True,
            "robot": scene.robot,
            "duration_s": rows / MOTION_RATE,
            "sound_rate": MOTION_RATE,
            "objects": [describe_object(item) for item in scene.objects],
            "contact_actions": [],
            "view_names": [VIEW_NAMES[LOCAL]],
            **facts,
        },
        sound=np.zeros(rows, np.int16),
        planned_pose=pose,
        executed_pose=pose,
        planned_width=width,
        executed_width=width,
        wrench=np.zeros((rows, 6), np.float32),
        tool_tip=np.array([0, 0, scene.striker.length, 0, 0, 0, 1], np.float32),
        surface_points=np.round(surface.points / POINT_SCALE).astype(np.int16),
        surface_colours=surface.colours,
        contact_s=np.zeros(0, np.float32),
        contact_planned_s=np.zeros(0, np.float32),
        contact_object=np.zeros(0, np.int16),
        contact_impulse=np.zeros(0, np.float32),
        view_bytes=np.frombuffer(b"".join(files), np.uint8).copy(),
        view_offsets=np.cumsum([0, *map(len, files)]).astype(np.int64),
    )


def _places(item: ObjectSpec, count: int, rng: np.random.Generator) -> Array:
    """Places [count, 3] of a tip over a thing; every other one is about to touch it."""
    along = rng.uniform(-_INNER, _INNER, (count, 2)) * np.array(item.size[:2])
    c, s = math.cos(item.yaw), math.sin(item.yaw)
    xy = along @ np.array([[c, s], [-s, c]]) + np.array(item.position[:2])
    low = rng.uniform(0.0, _LOW_M, count)
    high = rng.uniform(_LOW_M, _HIGH_M, count)
    return np.column_stack([xy, item.top + np.where(np.arange(count) % 2 == 0, low, high)])


# ---- in worker processes -------------------------------------------------------------------------------------
def _scene(job: Job) -> tuple[SceneSpec, str]:
    config, seed = job
    split = STREAM if config.split == "train" else config.split
    return make_scene(seed, split, EDITION), split


def _path(job: Job) -> Path:
    return job[0].out / f"{_scene(job)[0].scene_id}-stills.npz"


def _scan(job: Job) -> Path | None:
    """Where the scan of a scene belongs; None where it is not of the share."""
    config, seed = job
    return config.out / scans.FOLDER / _scene(job)[0].scene_id if scans.scanned(seed, config.scan) else None


def _finished(job: Job) -> bool:
    scan = _scan(job)
    return _path(job).is_file() and (scan is None or scan.is_dir())


def _write(job: Job, progress: Callable[[float], None]) -> tuple[float, int, int, int]:
    """CPU seconds, objects, bytes, scans."""
    cpu = time.process_time()
    config, seed = job
    scene, split = _scene(job)
    path, scan = _path(job), _scan(job)
    size = 0
    if not path.is_file():
        write_session(path, stills(scene, config.views, {"scene_split": split, "scene_seed": seed}))
        size = path.stat().st_size
    if missing := scan is not None and not scan.is_dir():
        scans.write_scan(scan, scene)
        size += sum(file.stat().st_size for file in scan.iterdir())
    progress(1)
    return time.process_time() - cpu, len(scene.objects), size, int(missing)
