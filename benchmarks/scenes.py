"""Scenes from scans: `python -m benchmarks.scenes [--bags /path/to/foleysim] [--scenes 4]`.

Of each scan two scenes are fitted, one that starts from depth and one from random Gaussians: PSNR on held-out views,
and how long that took. Then the camera of a recording in the same scene is registered by five pictures with the robot
in them, and the keypoints of the hand and the tip of its tool, at all contacts, are projected by the found and by the
true camera: the distance, in pixels of 224, in the global and in the local views. Scenes that are there are not fitted
again. Writes metrics.json, and a picture of views, to --out.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks._bench import parser
from foley_common.metrics_file import write_metrics
from foley_perception.action.gripper import SIDES, GripperHand
from foley_perception.episodes.hands import hand_keypoints
from foley_perception.episodes.reader import read_episode
from foley_perception.gaussians.ply import load_ply
from foley_perception.gaussians.reconstruction.optimise import OptimiseConfig
from foley_perception.gaussians.reconstruction.reconstruct import reconstruct
from foley_perception.gaussians.register import register_still
from foley_perception.gaussians.views.cameras import ViewConfig, ViewRenderer, local_camera, square
from foley_perception.scene.scan import Scan, read_scan

WORLD = Path("out/foleysim-1-mini/bags")  # of `make world`


def written(bags: Path, scenes: int) -> Path:
    """Scans and recordings of the first test scenes of the mini edition; what is there stays."""
    from foley_sim.offline.collections import recordings
    from foley_sim.offline.job import job_of
    from foley_sim.ros.bag import write_bag

    for recording in recordings(WORLD.parent.name, only="test"):
        job = job_of(recording, bags)
        if recording.scene_seed < scenes and not job.folder.exists():
            print(f"writing {job.folder}", flush=True)
            write_bag(job)
    return bags


def fitted(scan: Scan, out: Path, config: OptimiseConfig) -> dict[str, Any]:
    """One scene: quality and time."""
    result = reconstruct(scan, out, config, device=torch.device("cpu"), resume=True)
    keys = ("psnr", "ssim", "psnr_seen", "seen", "start_psnr", "seconds", "step", "gaussians", "curve")
    return {key: result.figures[key] for key in keys}


def plot(rows: dict[str, dict[str, Any]], path: Path) -> None:
    """PSNR of held-out views over the time that was spent."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.2))
    for name, row in rows.items():
        _, seconds, ratios = zip(*row["curve"], strict=True)
        (line,) = axes.plot(seconds, ratios, label=f"start {name}, held-out views")
        label = f"{name}, what training views have seen" if row["psnr_seen"] is not None else None
        axes.plot(row["seconds"], row["psnr_seen"], "o", color=line.get_color(), label=label)
    axes.set_xlabel("seconds of fitting")
    axes.set_ylabel("PSNR [dB]")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def reprojection(scan: Scan, scene: Path, bag: Path, picture: Path | None) -> dict[str, Any]:
    """How far keypoints come to lie from where they are, if the camera is found by what it sees."""
    episode = read_episode(bag)
    assert episode.camera is not None and episode.frames is not None and episode.ee_pose is not None
    gaussians, truth, config = load_ply(scene / "scene.ply"), episode.camera, ViewConfig()
    guesses = [view.camera.tx_world_camera for view in scan.views[::8]]
    looked = np.linspace(0, len(episode.frames) - 1, 5).astype(int)
    pictures = (np.asarray(episode.frames.read(int(index)), dtype=np.uint8) for index in looked)
    found = register_still(gaussians, pictures, truth.K, guesses)
    times = np.array([contact.time_ns for contact in episode.truth], dtype=np.int64)
    gripper = GripperHand.from_yaml("parallel_gripper")
    side = SIDES.index(gripper.main_side)
    hands = hand_keypoints(episode, times, gripper)
    tips = (episode.ee_pose.at(times) @ episode.tx_tool_tip).translation
    errors: dict[str, list[float]] = {"global": [], "local": []}
    for hand, tip in zip(hands[:, side], tips, strict=True):
        points = np.vstack([hand, tip])
        # Where the keypoints lie in a picture of the true camera, if the found one is taken for it.
        for name, view in (
            ("global", square(truth, config.size)),
            ("local", local_camera(truth, tip, config)),
        ):
            pose = found.camera.tx_world_camera @ truth.tx_world_camera.inverse() @ view.tx_world_camera
            first, second = (
                camera.project(points)[0]
                for camera in (dataclasses.replace(view, tx_world_camera=pose), view)
            )
            seen = view.contains(second)
            errors[name] += np.linalg.norm(first - second, axis=1)[seen].tolist()
    shift, turn = found.camera.tx_world_camera.distance_to(truth.tx_world_camera)
    if picture is not None:
        index = len(times) // 3
        middle = np.array(json.loads((scene / "scene.json").read_text())["focus"])
        both = np.full((2, 3), np.nan)
        both[side] = tips[index]
        views = ViewRenderer(gaussians, truth, middle).views(
            hands[index], ("global", f"local_{SIDES[side]}", "top", "side"), both
        )  # type: ignore[arg-type]
        frame = np.asarray(episode.frames.read(episode.frames.nearest(int(times[index]))), dtype=np.uint8)
        real = cv2.resize(
            frame, (round(224 * frame.shape[1] / frame.shape[0]), 224), interpolation=cv2.INTER_AREA
        )
        cv2.imwrite(
            str(picture), np.hstack([real, *views.images.values()])[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90]
        )
    return {
        "camera_mm": 1e3 * float(shift),
        "camera_deg": float(np.rad2deg(turn)),
        "camera_spread_mm": found.spread_mm,
        "inliers": statistics.fmean(one.inliers for one in found.each),
        **{
            f"{name}_px": {"mean": float(np.mean(e)), "p95": float(np.percentile(e, 95))}
            for name, e in errors.items()
        },
        "contacts": len(times),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("scenes", __doc__)
    options.add_argument(
        "--bags",
        type=Path,
        help=f"of a collection with scans (default: {WORLD}, or what is needed of it, written anew)",
    )
    options.add_argument("--scenes", type=int, default=4)
    options.add_argument("--steps", type=int, default=0, help="default: that of the device, 400")
    options.add_argument(
        "--long", type=int, default=0, metavar="STEPS", help="fit the first scene for so many steps as well"
    )
    args = options.parse_args(arguments)
    bags = args.bags or (WORLD if WORLD.exists() else written(args.out / "bags", args.scenes))
    scans = sorted((bags / "scans").glob("test-*-scan"))[: args.scenes]
    if not scans:
        print(f"benchmarks.scenes: error: {bags}/scans holds no test scans", file=sys.stderr)
        return 2
    results = []
    for path in scans:
        scan, name = read_scan(path), path.name.removesuffix("-scan")
        base = OptimiseConfig(steps=args.steps)
        row: dict[str, Any] = {"scene": scan.scene_id, "views": len(scan.views)}
        row["rgbd"] = fitted(scan, args.out / name, base)
        row["random"] = fitted(scan, args.out / f"{name}-random", dataclasses.replace(base, start="random"))
        picture = None if results else args.out / "views.jpg"
        row["registered"] = reprojection(scan, args.out / name, bags / f"{name}-p000", picture)
        results.append(row)
        print(
            f"{scan.scene_id}: from depth {row['rgbd']['psnr']:.1f} dB in {row['rgbd']['seconds']:.0f} s, random "
            f"{row['random']['psnr']:.1f} dB in {row['random']['seconds']:.0f} s; camera off by "
            f"{row['registered']['camera_mm']:.1f} mm, keypoints by {row['registered']['global_px']['mean']:.2f} px "
            f"(global) and {row['registered']['local_px']['mean']:.2f} px (local)",
            flush=True,
        )
    mean = {
        start: {
            key: statistics.fmean(row[start][key] for row in results)
            for key in ("psnr", "psnr_seen", "ssim", "seconds")
        }
        for start in ("rgbd", "random")
    }
    longer: dict[str, Any] = {}
    if args.long:
        scan, name = read_scan(scans[0]), scans[0].name.removesuffix("-scan")
        for start, label in (("rgbd", "from depth"), ("random", "at random")):
            config = OptimiseConfig(steps=args.long, start=start)  # type: ignore[arg-type]
            row = longer[label] = fitted(scan, args.out / f"{name}-{start}-{args.long}", config)
            print(
                f"{scan.scene_id}, {label}, {row['step']} steps: {row['psnr']:.1f} dB, {row['psnr_seen']:.1f} dB over "
                f"what training views have seen, in {row['seconds']:.0f} s",
                flush=True,
            )
        plot(longer, args.out / "curves.png")
    head = {"threads": torch.get_num_threads(), "mean": mean, "results": results, "long": longer}
    write_metrics(args.out, head)
    return 0


if __name__ == "__main__":
    sys.exit(main())
