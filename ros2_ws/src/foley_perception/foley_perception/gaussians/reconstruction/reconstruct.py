"""A scan to a scene on disk: start, fit, evaluate on views that were held out, resume where it stopped.

A scene's folder::

    scene.ply          the Gaussians, in the layout of 3D Gaussian splatting
    scene.json         source, configuration, quality, cameras of the views
    held_out.png       views that were held out: real, rendered, difference
    state.safetensors  what a resumed run goes on from
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.ply import save_ply
from foley_perception.gaussians.reconstruction.coverage import seen_elsewhere
from foley_perception.gaussians.reconstruction.initialise import at_random, focus, from_depth
from foley_perception.gaussians.reconstruction.optimise import Optimisation, OptimiseConfig, Target, targets
from foley_perception.gaussians.rendering.render import render
from foley_perception.geometry.camera import CameraModel
from foley_perception.scene.scan import Scan, ScanError, View


class TooFewViews(ScanError):
    """A scan does not show enough."""


Progress = Callable[[int, int, float, int], bool]
"""Step, steps, newest PSNR on held-out views [dB] and number of Gaussians; False stops the run."""

LEAST_VIEWS = 8
_SAVE_EVERY_S = 30.0
_START_VIEWS = 48
"""Depth images that a start looks at, spread over the scan."""
_QUICK_VIEWS = 6
"""Held-out views that are rendered while it runs; all are at the end."""


@dataclasses.dataclass(frozen=True)
class Reconstruction:
    """What a run gave."""

    folder: Path
    psnr: float | None  # [dB] mean over held-out views; None without any
    ssim: float | None
    psnr_seen: float | None  # [dB] over what training views have seen as well; None without depth
    seen: float | None  # share of the held-out pixels that these are
    start_psnr: float | None  # [dB] before the first step
    gaussians: int
    step: int
    seconds: float  # of fitting, start included
    views: int
    held_out: int
    curve: tuple[tuple[int, float, float | None], ...]  # step, seconds, PSNR of a few held-out views
    problems: tuple[str, ...]
    finished: bool

    @property
    def figures(self) -> dict[str, Any]:
        """Everything for a JSON file."""
        return dataclasses.asdict(self) | {"folder": str(self.folder)}


def reconstruct(
    scan: Scan,
    out: Path,
    config: OptimiseConfig,
    *,
    device: torch.device | None = None,
    resume: bool = False,
    budget_s: float = 0.0,
    progress: Progress = lambda step, steps, psnr, count: True,
) -> Reconstruction:
    """Fit a scene and write its folder; stopped early, the scene as it is then.

    Args:
        budget_s: stop after so many seconds of fitting; 0: no limit.

    Raises:
        ScanError: too few or unusable views, or a state of another run is to be resumed.
        FloatingPointError: the optimisation diverged.
    """
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    config = config.on(device)
    scan = scan.without_blurred()
    _check(scan, config)
    torch.manual_seed(config.seed)
    train = [v for i, v in enumerate(scan.views) if not config.hold_out or i % config.hold_out]
    held = [v for i, v in enumerate(scan.views) if config.hold_out and i % config.hold_out == 0]
    learned, kept = targets(train, config.width, device), targets(held, config.width, device)
    out.mkdir(parents=True, exist_ok=True)
    state, mark = out / "state.safetensors", _fingerprint(scan, config)
    begin = time.monotonic()
    if resume and state.is_file():
        run, before = Optimisation.load(state, device)
        if before.get("fingerprint") != mark:
            raise ScanError(
                f"{state} is of another scan or configuration; leave --resume out, or name another folder"
            )
        curve: list[tuple[int, float, float | None]] = [(p[0], p[1], p[2]) for p in before["curve"]]
        spent, first = float(before["seconds"]), before["start_psnr"]
    else:
        run = Optimisation(_start(train, config).to(device), focus([v.camera for v in train])[1], config)
        curve, spent, first = [], 0.0, _number(run.evaluate(kept).psnr)
    quick = kept[:: max(1, len(kept) // _QUICK_VIEWS)]

    def look() -> float:
        """Seconds spent; a point on the curve."""
        seconds = spent + time.monotonic() - begin
        curve.append((run.step, seconds, _number(run.evaluate(quick).psnr)))
        return seconds

    def keep() -> None:
        seconds = spent + time.monotonic() - begin
        run.save(state, {"fingerprint": mark, "curve": curve, "seconds": seconds, "start_psnr": first})

    if not curve:
        look()
    saved, going = time.monotonic(), True
    every = max(1, config.steps // 20)
    while going and run.step < config.steps:
        run.advance(learned[_pick(config.seed, run.step, len(learned))])
        if run.step % every == 0 or run.step == config.steps:
            look()
        newest = curve[-1][2]
        going = progress(run.step, config.steps, math.nan if newest is None else newest, len(run))
        going = going and not 0 < budget_s < spent + time.monotonic() - begin
        if time.monotonic() - saved > _SAVE_EVERY_S:
            keep()
            saved = time.monotonic()
    seconds = spent + time.monotonic() - begin
    keep()
    quality = run.evaluate(kept, [seen_elsewhere(target, learned) for target in kept])
    gaussians = run.gaussians.detach()
    save_ply(gaussians, out / "scene.ply")
    if kept:
        cv2.imwrite(str(out / "held_out.png"), _pictures(gaussians, kept)[..., ::-1])
    result = Reconstruction(
        folder=out,
        psnr=_number(quality.psnr),
        ssim=_number(quality.ssim),
        psnr_seen=_number(quality.psnr_seen),
        seen=_number(quality.seen),
        start_psnr=first,
        gaussians=len(gaussians),
        step=run.step,
        seconds=seconds,
        views=len(train),
        held_out=len(held),
        curve=tuple(curve),
        problems=scan.problems,
        finished=run.step >= config.steps,
    )
    (out / "scene.json").write_text(json.dumps(_manifest(scan, config, result, device), indent=1) + "\n")
    return result


# ---- inside ------------------------------------------------------------------------------------------------
def _number(value: float) -> float | None:
    """The value, or None where it is none: JSON knows no NaN."""
    return value if math.isfinite(value) else None


def _check(scan: Scan, config: OptimiseConfig) -> None:
    if len(scan.views) < LEAST_VIEWS:
        told = f" ({'; '.join(scan.problems)})" if scan.problems else ""
        raise TooFewViews(
            f"{scan.source}: {len(scan.views)} usable views, at least {LEAST_VIEWS} are needed{told}"
        )
    eyes = np.stack([view.camera.tx_world_camera.translation for view in scan.views])
    _, radius = focus([view.camera for view in scan.views])
    spread = float(np.linalg.norm(eyes - eyes.mean(0), axis=1).max())
    if config.start == "random" and spread < 0.02 * radius:
        raise ScanError(
            f"{scan.source}: the camera moves {spread * 100:.1f} cm and looks {radius * 100:.0f} cm far: without depth "
            "nothing can be told apart by distance; move it round the scene, or start from depth images"
        )
    if config.start == "rgbd" and not any(view.depth is not None for view in scan.views):
        raise ScanError(
            f"{scan.source}: no view has depth; use --start random, or record camera/depth/image_raw"
        )


def _start(train: list[View], config: OptimiseConfig) -> Gaussians:
    if config.start == "random":
        generator = np.random.default_rng(config.seed)
        return at_random([view.camera for view in train], config.random_count, generator)
    with_depth = [view for view in train if view.depth is not None]
    chosen = with_depth[:: max(1, len(with_depth) // _START_VIEWS)]
    return from_depth(chosen, voxel=config.voxel, limit=config.max_gaussians)[0]


def _pick(seed: int, step: int, count: int) -> int:
    """Which view a step looks at: every one once in each round, in an order of its own."""
    order = np.random.default_rng((seed, step // count)).permutation(count)
    return int(order[step % count])


def _fingerprint(scan: Scan, config: OptimiseConfig) -> str:
    poses = [view.camera.tx_world_camera.matrix for view in scan.views]
    digest = hashlib.sha256(np.round(np.stack(poses), 6).tobytes())
    digest.update(json.dumps(dataclasses.asdict(config), sort_keys=True).encode())
    return digest.hexdigest()


def _pictures(gaussians: Gaussians, kept: list[Target], count: int = 3) -> np.ndarray[Any, Any]:
    rows = []
    for index in np.linspace(0, len(kept) - 1, min(count, len(kept))).astype(int):
        truth = kept[index].rgb.cpu().numpy()
        with torch.no_grad():
            rendered = render(gaussians, kept[index].camera).rgb.clamp(0, 1).cpu().numpy()
        rows.append(np.hstack([truth, rendered, np.clip(3 * np.abs(rendered - truth), 0, 1)]))
    return np.asarray(np.round(np.vstack(rows) * 255), dtype=np.uint8)


def _manifest(
    scan: Scan, config: OptimiseConfig, result: Reconstruction, device: torch.device
) -> dict[str, Any]:
    def camera(c: CameraModel) -> dict[str, Any]:
        return {
            "K": c.K.tolist(),
            "size": [c.width, c.height],
            "tx_world_camera": c.tx_world_camera.matrix.tolist(),
        }

    centre, radius = focus([view.camera for view in scan.views])
    return {
        "source": str(scan.source),
        "scene_id": scan.scene_id,
        "device": device.type,
        "config": dataclasses.asdict(config),
        "focus": centre.tolist(),
        "radius": radius,
        "result": result.figures,
        "cameras": {view.name: camera(view.camera) for view in scan.views},
    }
