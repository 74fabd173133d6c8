"""Stills by Gaussians: the views of a set that the simulator drew, drawn anew from what a short scan saw of each scene.

On a robot views are rendered from a reconstructed scene, and blur what the simulator's camera shows sharply. A set of
both lets a model learn from what it will be shown. The files are those of the simulator's set but for the pictures, and
say so: ``rendered_by`` is "gaussians".
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import multiprocessing
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from foley_common.session_file import (
    MOTION_RATE,
    VIEW_RATE,
    SessionData,
    read_arrays,
    read_session,
    write_session,
)
from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.ply import load_ply
from foley_perception.gaussians.reconstruction.optimise import OptimiseConfig, psnr
from foley_perception.gaussians.reconstruction.reconstruct import reconstruct
from foley_perception.gaussians.rendering.render import render
from foley_perception.gaussians.views.cameras import ViewConfig, local_camera, square
from foley_perception.gaussians.views.recordings import alone
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_perception.scene.scan import ScanError, read_scan
from foley_perception.scene.transforms_file import read_camera

SCANS = "scans"
"""Folder of a set, with a scan for each scene that has one."""
QUICK = OptimiseConfig(steps=20, voxel=0.006, hold_out=0)
_JPEG_QUALITY = 90  # as the simulator's views, so that it tells nothing


@dataclasses.dataclass(frozen=True)
class Drawn:
    """What was made of one file."""

    path: Path
    made: bool  # False: it was there
    moments: int
    gaussians: int
    fit_s: float
    draw_s: float
    coverage: float  # mean alpha of the views
    psnr: float  # [dB] of the views against the simulator's own, mean


def scanned(folder: Path) -> list[tuple[Path, Path]]:
    """Files of a set with the scan of their scene; those that have none are left out.

    Raises:
        ValueError: a file is damaged, or none has a scan.
        OSError: a file cannot be read.
    """
    found = []
    for path in sorted(folder.glob("[!.]*.npz")):
        facts, _ = read_arrays(path)
        scan = folder / SCANS / str(facts["scene_id"])
        if facts.get("stills") and (scan / "transforms.json").is_file():
            found.append((path, scan))
    if not found:
        raise ScanError(f"{folder}: none of its stills has a scan; make some with `foley sim stills --scan`")
    return found


def draw_still(path: Path, scan: Path, out: Path, config: OptimiseConfig = QUICK) -> Drawn:
    """Reconstruct a scan and draw the views of a file; one that was drawn with the same settings is left as it is.

    Raises:
        ScanError, ValueError: the scan or the file cannot be used.
        OSError: a file cannot be read or written.
        FloatingPointError: the reconstruction diverged.
    """
    mark, made = _fingerprint(path, scan, config), out / path.name
    if made.is_file() and (before := read_arrays(made)[0].get("gaussians", {})).get("fingerprint") == mark:
        return Drawn(made, False, **before["figures"])
    session, camera = read_session(path), read_camera(scan / "transforms.json", "view_camera")
    # Kept until the views are drawn: what was fitted of a scene is gone on with where a process died.
    fitting = out / f".{path.stem}-{mark}"
    fit_s = reconstruct(read_scan(scan), fitting, config, resume=True).seconds
    gaussians = load_ply(fitting / "scene.ply")
    drawing = time.monotonic()
    files, coverage, likeness = drawn_views(session, gaussians, camera)
    figures: dict[str, Any] = {
        "moments": session.views,
        "gaussians": len(gaussians),
        "fit_s": fit_s,
        "draw_s": time.monotonic() - drawing,
        "coverage": coverage,
        "psnr": likeness,
    }
    facts = {
        **session.facts,
        "rendered_by": "gaussians",
        "gaussians": {"fingerprint": mark, "config": dataclasses.asdict(config), "figures": figures},
    }
    write_session(
        made,
        dataclasses.replace(
            session,
            facts=facts,
            view_bytes=np.frombuffer(b"".join(files), np.uint8).copy(),
            view_offsets=np.cumsum([0, *map(len, files)]).astype(np.int64),
        ),
    )
    shutil.rmtree(fitting)
    return Drawn(made, True, **figures)


def drawn_views(
    session: SessionData, gaussians: Gaussians, camera: CameraModel
) -> tuple[list[bytes], float, float]:
    """JPEG files of all views of a session as its file has them, their mean alpha, and the mean PSNR [dB] against what
    the session's own views show.

    Args:
        camera: that looks at the interaction.
    """
    config = ViewConfig()
    names = list(session.facts["view_names"])
    files, alphas, likeness = [], [], []
    for moment, tip in enumerate(planned_tips(session)):
        for name in names:
            own = session.view(moment, name)
            if not own:
                files.append(b"")
                continue
            seen = square(camera, config.size) if name == "global" else local_camera(camera, tip, config)
            with torch.no_grad():
                image = render(gaussians, seen)
            rgb = image.rgb.clamp(0, 1)
            alphas.append(float(image.alpha.mean()))
            likeness.append(psnr(rgb, torch.from_numpy(_decoded(own)).float() / 255))
            files.append(_encoded((rgb * 255).round().to(torch.uint8).numpy()))
    return files, float(np.mean(alphas)), float(np.mean(likeness))


def planned_tips(session: SessionData) -> NDArray[np.float64]:
    """Where the planned tip is at each moment of the views [moments, 3]."""
    rows = np.round(np.arange(session.views) * MOTION_RATE / VIEW_RATE).astype(int)
    pose = session.planned_pose[np.minimum(rows, len(session.planned_pose) - 1)].astype(np.float64)
    return SE3(pose[:, 3:], pose[:, :3]).apply(session.tool_tip[:3].astype(np.float64))


def draw_stills(
    folder: Path,
    out: Path,
    config: OptimiseConfig = QUICK,
    *,
    scenes: int | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[list[Drawn], dict[str, str]]:
    """Of the files of a set that have a scan, or of the first so many: what was drawn, and why some were not.

    Args:
        workers: processes of one thread each; 1: this one, with all its threads.

    Raises:
        ValueError, OSError: the set cannot be read, has no scans, or is the folder that is to be written.
    """
    if out.resolve() == folder.resolve():
        raise ValueError(f"--out is the set itself, {out}; name another folder")
    jobs = [(path, scan, out, config) for path, scan in scanned(folder)[:scenes]]
    drawn: list[Drawn] = []
    failed: dict[str, str] = {}
    progress(0, len(jobs))
    with contextlib.ExitStack() as stack:
        results: Iterable[Drawn | str] = map(_job, jobs)
        if workers > 1:
            context = multiprocessing.get_context("spawn")
            pool = concurrent.futures.ProcessPoolExecutor(workers, mp_context=context, initializer=alone)
            results = stack.enter_context(pool).map(_job, jobs)
        for done, (job, result) in enumerate(zip(jobs, results, strict=True), start=1):
            if isinstance(result, str):
                failed[str(job[0])] = result
            else:
                drawn.append(result)
            progress(done, len(jobs))
    return drawn, failed


def figures_of(drawn: Sequence[Drawn], failed: dict[str, str]) -> dict[str, Any]:
    """For metrics.json; means over scenes."""

    def mean(name: str) -> float | None:
        return float(np.mean([getattr(one, name) for one in drawn])) if drawn else None

    return {
        "scenes": len(drawn),
        "drawn_now": sum(one.made for one in drawn),
        "views": sum(one.moments for one in drawn),
        "fit_s_per_scene": mean("fit_s"),
        "draw_s_per_scene": mean("draw_s"),
        "gaussians_per_scene": mean("gaussians"),
        "coverage": mean("coverage"),
        "psnr_db_to_simulator": mean("psnr"),
        "failed": failed,
    }


# ---- inside ------------------------------------------------------------------------------------------------
def _job(job: tuple[Path, Path, Path, OptimiseConfig]) -> Drawn | str:
    try:
        return draw_still(*job)
    except (ValueError, OSError, FloatingPointError) as error:
        return str(error)


def _fingerprint(path: Path, scan: Path, config: OptimiseConfig) -> str:
    """Of what the views are drawn from."""
    digest = hashlib.sha256(path.read_bytes())
    for file in sorted(scan.iterdir()):
        digest.update(file.name.encode() + file.read_bytes())
    digest.update(json.dumps(dataclasses.asdict(config), sort_keys=True).encode())
    return digest.hexdigest()[:16]


def _decoded(file: bytes) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("a view's JPEG file is damaged; make the stills again")
    return np.ascontiguousarray(image[:, :, ::-1])


def _encoded(image: NDArray[np.uint8]) -> bytes:
    done, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise ValueError("a view could not be encoded as JPEG")
    return data.tobytes()
