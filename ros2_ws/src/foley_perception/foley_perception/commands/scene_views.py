"""`foley scene views`: what a sound model looks at, rendered for whole recordings."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from foley_common.metrics_file import write_metrics
from foley_perception.commands import topic_options


def configure(actions: Any) -> None:
    """Add the command's arguments."""
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
    views.add_argument(
        "--local-half",
        type=float,
        default=0.06,
        metavar="M",
        help="local views show so much to each side (default: %(default)s)",
    )
    views.add_argument("--hand", default="parallel_gripper", help="hand file: gripper as keypoints")
    topic_options.add(views)
    views.add_argument("--workers", type=int, default=0, help="processes (default: one per core)")


def run(args: argparse.Namespace) -> int:
    """Exit code 0; 2 where no recording has views; errors are raised."""
    import os
    import time

    from rich.console import Console
    from rich.progress import Progress

    from foley_perception.dataset.build import find_bags, without_scans
    from foley_perception.gaussians.views.cameras import ViewConfig
    from foley_perception.gaussians.views.recordings import (
        ALL_VIEWS,
        BulkConfig,
        draw_recordings,
        find_scenes,
    )

    names = tuple(args.views) if args.views else ALL_VIEWS
    views = ViewConfig(size=args.size, local_half_m=args.local_half)
    config = BulkConfig(rate_hz=args.rate, names=names, hand=args.hand, views=views)
    scenes = find_scenes(args.scenes)
    bags = without_scans(find_bags(args.bags))
    naming = topic_options.naming_of(args, bags)
    workers = args.workers or len(os.sched_getaffinity(0))
    began = time.monotonic()
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("recordings", total=len(bags))
        made, failed = draw_recordings(
            bags,
            scenes,
            args.out,
            config,
            naming=naming,
            workers=workers,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    for bag, reason in failed.items():
        print(f"left out {bag}: {reason}", file=sys.stderr)
    rendered = [one for one in made if one["rendered_now"]]
    seconds, moments = time.monotonic() - began, sum(one["moments"] for one in rendered)
    figures = {
        "recordings": len(made),
        "rendered_now": len(rendered),
        "moments": moments,
        "seconds": seconds,
        "failed": failed,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    write_metrics(args.out, figures)
    print(
        f"{len(made)} recordings ({len(rendered)} rendered now, {moments} moments in {seconds:.0f} s), "
        f"{len(failed)} left out; {args.out}"
    )
    return 0 if made else 2
