"""`foley scene stills`: the views of a set of stills drawn anew by Gaussians, from scans of its scenes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from foley_common.metrics_file import write_metrics


def configure(actions: Any) -> None:
    """Add the command's arguments."""
    stills = actions.add_parser(
        "stills", help="draw the views of `foley sim stills --scan` by Gaussians; again to complete"
    )
    stills.add_argument("set", type=Path, help="folder of `foley sim stills` with scans")
    stills.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the set by Gaussians"
    )
    stills.add_argument("--scenes", type=int, metavar="N", help="the first N that have a scan (default: all)")
    stills.add_argument(
        "--steps", type=int, default=20, metavar="N", help="of a reconstruction (default: %(default)s)"
    )
    stills.add_argument(
        "--voxel", type=float, default=0.006, metavar="M", help="of its start (default: %(default)s)"
    )
    stills.add_argument("--workers", type=int, default=1, help="processes (default: %(default)s)")
    stills.add_argument(
        "--metrics",
        type=Path,
        default=Path("out/scene_stills"),
        metavar="DIR",
        help="folder for metrics.json (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Exit code 0; 2 where no scene was drawn; errors are raised."""
    import dataclasses
    import time

    from rich.console import Console
    from rich.progress import Progress

    from foley_perception.gaussians.views.stills import QUICK, draw_stills, figures_of

    if args.workers < 1 or (args.scenes is not None and args.scenes < 1) or args.steps < 1:
        raise ValueError(
            f"--workers is {args.workers}, --steps {args.steps} and --scenes {args.scenes}: must be at least 1"
        )
    config = dataclasses.replace(QUICK, steps=args.steps, voxel=args.voxel)
    began = time.monotonic()
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("scenes", total=None)
        drawn, failed = draw_stills(
            args.set,
            args.out,
            config,
            scenes=args.scenes,
            workers=args.workers,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    for path, reason in failed.items():
        print(f"left out {path}: {reason}", file=sys.stderr)
    figures = {**figures_of(drawn, failed), "wall_s": time.monotonic() - began}
    write_metrics(args.metrics, figures)
    if not drawn:
        return 2
    print(
        f"{len(drawn)} scenes ({figures['drawn_now']} drawn now), {figures['views']} views, "
        f"{figures['fit_s_per_scene']:.1f} s a scene to fit and {figures['draw_s_per_scene']:.1f} s to draw, "
        f"{figures['psnr_db_to_simulator']:.1f} dB to the simulator's; {len(failed)} left out; {args.out}"
    )
    return 0
