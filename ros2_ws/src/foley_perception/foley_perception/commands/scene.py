"""`foley scene`: reconstruct a scene as Gaussians, draw it, look at it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from foley_perception.commands import scene_register
from foley_perception.commands.calibrate import add_board, board_of

if TYPE_CHECKING:
    from foley_perception.scene.scan import Scan
    from foley_perception.splats.optimise import OptimiseConfig

HELP = "reconstruct a scene from a scan as 3D Gaussians, draw it, look at it"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  foley scene reconstruct out/foleysim-1-mini/bags/scans/test-00000-scan\n"
        "  foley scene reconstruct out/foleysim-1-mini/bags/scans         # all of them\n"
        "  foley scene poses photos                                       # where photographs were taken\n"
        "  foley scene poses photos --board --square 0.0302               # in metres: a printed board is in them\n"
        "  foley scene reconstruct photos --start random --steps 2000     # a folder with transforms.json\n"
        "  foley scene register out/scene/test-00000-scan bags/demo_1     # where the camera of a recording stands\n"
        "  foley scene views out/foleysim-1-mini/bags --scenes out/scene --out out/views\n"
        "  foley scene view out/scene/test-00000-scan                     # in the browser\n"
        "  foley scene render out/scene/test-00000-scan --eye 0 -0.6 0.5 --target 0 0 0 --to view.png\n\n"
        "A scan is a bag in which a camera with /tf moves round a still scene, or a folder of images with poses."
    )
    actions = parser.add_subparsers(
        dest="action", required=True, metavar="poses|reconstruct|register|views|render|view"
    )
    poses = actions.add_parser(
        "poses", help="find where photographs were taken (COLMAP); writes transforms.json"
    )
    poses.add_argument("folder", type=Path, help="images of one camera at one focal length")
    poses.add_argument(
        "--intrinsics",
        type=float,
        nargs=4,
        metavar=("FX", "FY", "CX", "CY"),
        default=(),
        help="[pixel] if known",
    )
    poses.add_argument(
        "--board",
        action="store_true",
        help="a printed board (`foley calibrate board`) is in the scene: metres, and the board's frame as the world",
    )
    poses.add_argument(
        "--keep",
        action="store_true",
        help="the poses in transforms.json are kept, and only brought to metres",
    )
    add_board(poses)
    make = actions.add_parser("reconstruct", help="fit Gaussians to scans; PSNR on views that were held out")
    make.add_argument(
        "source", type=Path, nargs="+", help="bags or folders with transforms.json, or a folder of bags"
    )
    make.add_argument(
        "--out", type=Path, metavar="DIR", help="of one scene (default: <into>/<name of the source>)"
    )
    make.add_argument(
        "--into",
        type=Path,
        default=Path("out/scene"),
        metavar="DIR",
        help="of all scenes (default: %(default)s)",
    )
    make.add_argument("--start", choices=("rgbd", "random"), default="rgbd", help="default: %(default)s")
    make.add_argument(
        "--steps", type=int, default=0, metavar="N", help="default: 20,000 on CUDA, 400 on a CPU"
    )
    make.add_argument("--budget", type=float, default=0.0, metavar="S", help="stop after so many seconds")
    make.add_argument(
        "--voxel", type=float, default=0.01, metavar="M", help="of the RGB-D start (default: %(default)s)"
    )
    make.add_argument("--max-gaussians", type=int, default=0, metavar="N", help="default: 40,000 on a CPU")
    make.add_argument(
        "--width", type=int, default=320, help="[pixel] wider pictures are reduced (default: %(default)s)"
    )
    make.add_argument(
        "--hold-out", type=int, default=8, metavar="N", help="every so many views; 0: none (default: 8)"
    )
    make.add_argument("--seed", type=int, default=0)
    make.add_argument(
        "--resume", action="store_true", help="go on where the last run into this folder stopped"
    )
    make.add_argument("--mesh", action="store_true", help="also write mesh.ply and cloud.ply for planners")
    make.add_argument(
        "--world-frame", default="world", help="frame of the scene in a bag (default: %(default)s)"
    )
    scene_register.configure(actions)
    views = actions.add_parser(
        "views", help="draw what a sound model looks at, for whole recordings; again to complete"
    )
    views.add_argument("bags", nargs="+", help="bags, or folders of bags")
    views.add_argument(
        "--scenes", type=Path, required=True, metavar="DIR", help="reconstructed scenes, found by scene_id"
    )
    views.add_argument(
        "--out", type=Path, default=Path("out/views"), metavar="DIR", help="default: %(default)s"
    )
    views.add_argument(
        "--rate", type=float, default=4.0, metavar="HZ", help="0: every frame (default: %(default)s)"
    )
    views.add_argument(
        "--views", nargs="+", metavar="NAME", help="global local_left local_right top side (default: all)"
    )
    views.add_argument("--size", type=int, default=224, help="[pixel] (default: %(default)s)")
    views.add_argument("--hand", default="parallel_gripper", help="hand file: gripper as keypoints")
    views.add_argument("--workers", type=int, default=0, help="processes (default: one per core)")
    draw = actions.add_parser("render", help="draw a scene from anywhere")
    draw.add_argument("scene", type=Path, help="a scene's folder, or a PLY of Gaussians")
    draw.add_argument("--eye", type=float, nargs=3, metavar=("X", "Y", "Z"), required=True)
    draw.add_argument("--target", type=float, nargs=3, metavar=("X", "Y", "Z"), default=(0.0, 0.0, 0.0))
    draw.add_argument("--size", type=int, nargs=2, metavar=("W", "H"), default=(640, 480))
    draw.add_argument("--fov", type=float, default=45.0, help="[deg] upright (default: %(default)s)")
    draw.add_argument(
        "--to", type=Path, default=Path("view.png"), help="image to write (default: %(default)s)"
    )
    look = actions.add_parser("view", help="look at a scene in the browser")
    look.add_argument("scene", type=Path, help="a scene's folder, or a PLY of Gaussians")
    look.add_argument("--port", type=int, default=8080)
    look.add_argument("--host", default="127.0.0.1", help="default: this machine only")


def run(args: argparse.Namespace) -> int:
    """Exit code 0; 1 where a run diverged; 2 for what the user can mend."""
    try:
        return {
            "poses": _poses,
            "reconstruct": _reconstruct,
            "register": scene_register.run,
            "views": _views,
            "render": _render,
            "view": _view,
        }[args.action](args)
    except ModuleNotFoundError as error:
        print(
            f"foley scene: error: {error.name} is not installed; set up with FOLEY_EXTRAS='learn scene'",
            file=sys.stderr,
        )
        return 2
    except FloatingPointError as error:
        print(f"foley scene: error: {error}", file=sys.stderr)
        return 1
    except (ValueError, OSError) as error:
        print(f"foley scene: error: {error}", file=sys.stderr)
        return 2


def _poses(args: argparse.Namespace) -> int:
    from rich.console import Console

    from foley_perception.scene.metric import to_metres
    from foley_perception.scene.structure import find_poses

    if args.keep and not args.board:
        raise ValueError("--keep belongs to --board: without it there is nothing to do")
    board = board_of(args)
    if not args.keep:
        with Console(stderr=True).status("COLMAP looks for what the pictures have in common"):
            found = find_poses(args.folder, args.intrinsics)
        print(
            f"{found.registered} of {found.pictures} pictures have a pose, {found.points} points, "
            f"{found.error_px:.2f} px"
        )
    scale = "the scale is free; with --board it is in metres"
    if args.board:
        metric = to_metres(args.folder, board)
        scale = (
            f"in metres, by {metric.corners} corners of the board in {metric.pictures} pictures, which fit to "
            f"{metric.rms_mm:.2f} mm"
        )
    print(f"{args.folder / 'transforms.json'} ({scale})")
    return 0


def _reconstruct(args: argparse.Namespace) -> int:
    import signal

    from foley_perception.scene.scan import ScanError, read_scan
    from foley_perception.splats.optimise import OptimiseConfig

    config = OptimiseConfig(
        start=args.start,
        steps=args.steps,
        voxel=args.voxel,
        max_gaussians=args.max_gaussians,
        width=args.width,
        hold_out=args.hold_out,
        seed=args.seed,
    )
    sources = _sources(args.source)
    if args.out is not None and len(sources) > 1:
        raise ValueError(
            f"--out names one folder and there are {len(sources)} scans; use --into to name the folder of all scenes"
        )
    stop: list[bool] = []
    failed = 0
    before = signal.signal(
        signal.SIGINT, lambda *_: stop.append(True)
    )  # ends after the step that is under way
    try:
        for source in sources:
            out = args.out or args.into / source.resolve().name
            try:
                _reconstruct_one(args, read_scan(source, world_frame=args.world_frame), out, config, stop)
            except (ScanError, FloatingPointError) as error:
                if len(sources) == 1:
                    raise
                failed += 1
                print(f"foley scene: error: {error}", file=sys.stderr)
            if stop:
                break
    finally:
        signal.signal(signal.SIGINT, before)
    if failed:
        print(f"{failed} of {len(sources)} scans were left out", file=sys.stderr)
    return 1 if failed else 0


def _sources(given: list[Path]) -> list[Path]:
    """Scans, where a folder of bags stands for the bags in it."""
    from foley_perception.dataset.build import find_bags, is_bag

    found: list[Path] = []
    for path in given:
        several = path.is_dir() and not (path / "transforms.json").is_file() and not is_bag(path)
        several = several and any(child.is_dir() and is_bag(child) for child in path.iterdir())
        found += find_bags([path]) if several else [path]
    return found


def _reconstruct_one(
    args: argparse.Namespace, scan: Scan, out: Path, config: OptimiseConfig, stop: list[bool]
) -> None:
    import json

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from foley_perception.splats.ply import load_ply
    from foley_perception.splats.reconstruct import reconstruct
    from foley_perception.splats.surface import write_surface

    columns = (
        TextColumn(scan.source.name),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None)

        def progress(step: int, steps: int, psnr: float, count: int) -> bool:
            bar.update(
                task, completed=step, total=steps, description=f"held out {psnr:.2f} dB, {count} Gaussians"
            )
            return not stop

        result = reconstruct(scan, out, config, resume=args.resume, budget_s=args.budget, progress=progress)
    for problem in result.problems:
        print(f"foley scene: {problem}", file=sys.stderr)
    figures = {"source": str(scan.source), "start": args.start, **result.figures}
    if args.mesh:
        figures["surface"] = write_surface(scan, out, gaussians=load_ply(out / "scene.ply"))
    (out / "metrics.json").write_text(json.dumps(figures, indent=1, allow_nan=False) + "\n", "utf-8")
    quality = "no view was held out"
    if result.psnr is not None:
        quality = f"held out: {result.psnr:.2f} dB, SSIM {result.ssim:.3f} over {result.held_out} views"
        quality += f" (before the first step {result.start_psnr:.2f} dB)"
        if result.psnr_seen is not None and result.seen is not None:
            quality += f"; {result.psnr_seen:.2f} dB over the {result.seen:.1%} that training views have seen"
    print(f"{result.gaussians} Gaussians, {result.step} steps in {result.seconds:.0f} s; {quality}")
    if not result.finished:
        print(f"stopped at step {result.step}; the same command with --resume goes on")
    print(
        f"{out}/scene.ply, scene.json, metrics.json"
        + (", held_out.png" if result.held_out else "")
        + (", mesh.ply, cloud.ply" if args.mesh else ""),
        flush=True,
    )


def _views(args: argparse.Namespace) -> int:
    import json
    import os
    import time

    from rich.console import Console
    from rich.progress import Progress

    from foley_perception.dataset.build import find_bags, without_scans
    from foley_perception.splats.recordings import ALL_VIEWS, BulkConfig, draw_recordings, find_scenes
    from foley_perception.splats.views import ViewConfig

    names = tuple(args.views) if args.views else ALL_VIEWS
    config = BulkConfig(rate_hz=args.rate, names=names, hand=args.hand, views=ViewConfig(size=args.size))
    scenes = find_scenes(args.scenes)
    bags = without_scans(find_bags(args.bags))
    workers = args.workers or len(os.sched_getaffinity(0))
    began = time.monotonic()
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("recordings", total=len(bags))
        made, failed = draw_recordings(
            bags,
            scenes,
            args.out,
            config,
            workers=workers,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    for bag, reason in failed.items():
        print(f"left out {bag}: {reason}", file=sys.stderr)
    drawn = [one for one in made if one["drawn_now"]]
    seconds, moments = time.monotonic() - began, sum(one["moments"] for one in drawn)
    figures = {
        "recordings": len(made),
        "drawn_now": len(drawn),
        "moments": moments,
        "seconds": seconds,
        "failed": failed,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "metrics.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    print(
        f"{len(made)} recordings ({len(drawn)} drawn now, {moments} moments in {seconds:.0f} s), "
        f"{len(failed)} left out; {args.out}"
    )
    return 0 if made else 2


def _render(args: argparse.Namespace) -> int:
    import cv2
    import numpy as np
    import torch

    from foley_perception.scene.camera import CameraModel
    from foley_perception.splats.ply import load_ply
    from foley_perception.splats.render import render

    path = args.scene / "scene.ply" if args.scene.is_dir() else args.scene
    up = (0, 1, 0) if np.allclose(np.subtract(args.eye, args.target)[:2], 0) else (0, 0, 1)
    width, height = args.size
    camera = CameraModel.looking_at(
        args.eye, args.target, width=width, height=height, fovy_deg=args.fov, up=up
    )
    with torch.no_grad():
        drawn = render(load_ply(path), camera)
    image = (drawn.rgb.clamp(0, 1).numpy()[..., ::-1] * 255).round().astype(np.uint8)
    if not cv2.imwrite(str(args.to), image):
        raise OSError(f"{args.to}: cannot be written")
    print(f"{args.to}: {width}x{height}, {float(drawn.alpha.mean()):.0%} of it covered")
    return 0


def _view(args: argparse.Namespace) -> int:
    import time

    from foley_perception.splats.viewer import is_loopback, open_viewer

    server = open_viewer(args.scene, host=args.host, port=args.port)
    if not is_loopback(args.host):
        print(
            f"foley scene: anyone who reaches {args.host}:{args.port} can look at this scene", file=sys.stderr
        )
    print(f"http://{args.host}:{server.get_port()}  (Ctrl-C ends it)", flush=True)
    try:
        while True:
            time.sleep(1.0)
    except KeyboardInterrupt:
        return 0
    finally:
        server.stop()
