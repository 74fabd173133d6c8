"""`foley scene reconstruct`: scans to scenes of Gaussians."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foley_common.metrics_file import write_metrics
from foley_perception.commands import frame_options, topic_options

if TYPE_CHECKING:
    from foley_perception.gaussians.reconstruction.optimise import OptimiseConfig
    from foley_perception.scene.scan import Scan


def configure(actions: Any) -> None:
    """Add the command's arguments."""
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
        "--voxel", type=float, default=0.006, metavar="M", help="of the RGB-D start (default: %(default)s)"
    )
    make.add_argument("--max-gaussians", type=int, default=0, metavar="N", help="default: 100,000 on a CPU")
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
    frame_options.add(make, "world")
    topic_options.add(make)


def run(args: argparse.Namespace) -> int:
    """Exit code 0; 1 where some of several scans were left out; other errors are raised."""
    import signal

    from foley_perception.gaussians.reconstruction.optimise import OptimiseConfig
    from foley_perception.scene.scan import ScanError, read_scan

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
    naming = topic_options.naming_of(args)
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
                world = frame_options.named_frames(args, naming, source).world
                scan = read_scan(source, world_frame=world, naming=naming)
                _reconstruct_one(args, scan, out, config, stop)
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
    from foley_perception.dataset.build import find_bags
    from foley_perception.recording.bag_files import is_bag

    found: list[Path] = []
    for path in given:
        several = path.is_dir() and not (path / "transforms.json").is_file() and not is_bag(path)
        several = several and any(child.is_dir() and is_bag(child) for child in path.iterdir())
        found += find_bags([path]) if several else [path]
    return found


def _reconstruct_one(
    args: argparse.Namespace, scan: Scan, out: Path, config: OptimiseConfig, stop: list[bool]
) -> None:

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from foley_perception.gaussians.ply import load_ply
    from foley_perception.gaussians.reconstruction.reconstruct import reconstruct
    from foley_perception.gaussians.reconstruction.surface import write_surface

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
    write_metrics(out, figures)
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
