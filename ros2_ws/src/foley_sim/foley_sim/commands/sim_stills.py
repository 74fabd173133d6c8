"""`foley sim stills`: what many things look like from near, for sight to train on; nobody moves and nothing sounds."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from foley_common.metrics_file import write_metrics
from foley_sim.commands.options import add_metrics

ACTIONS: tuple[str, ...] = ("stills",)


def configure(actions: Any) -> None:
    parser = actions.add_parser(
        "stills",
        help="write views of every thing of many scenes, as files of sessions in which nothing happens",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the set; finished scenes are kept"
    )
    parser.add_argument("--scenes", type=int, required=True, metavar="N", help="one file each")
    parser.add_argument("--views", type=int, default=3, metavar="N", help="of each thing (default: 3)")
    parser.add_argument(
        "--split",
        default="train",
        help="train: scenes of the stream; validation, test: those of foleysim-1 (default: train)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the first scene (default: 0)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="scenes at once (default: 2)")
    parser.add_argument(
        "--scan", type=float, default=0.0, metavar="SHARE",
        help="of the scenes that are scanned as well, for `foley scene stills` (default: 0; again, of a set that is "
        "there, for the scans alone)",
    )  # fmt: skip
    add_metrics(parser, "sim_stills")


def run(args: argparse.Namespace) -> int:
    """
    Raises:
        ValueError, OSError: options that cannot be, or a file that cannot be written.
    """
    from rich.console import Console
    from rich.progress import Progress

    from foley_sim.offline.stills import StillsConfig, make_stills

    config = StillsConfig(args.out, args.scenes, args.views, args.split, args.seed, args.jobs, args.scan)
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(f"{config.split} scenes", total=config.scenes)
        metrics = make_stills(
            config,
            lambda scenes: bar.advance(task, scenes),
            lambda text: bar.console.print(f"foley sim stills: warning: {text}"),
        )
    write_metrics(args.metrics, metrics)
    print(
        f"{metrics['scenes_written']} scenes with {metrics['objects']} things written to {args.out}, "
        f"{metrics['scans_written']} scans, {metrics['bytes'] / 1e6:.0f} MB, "
        f"{metrics['cpu_s_per_scene'] or 0:.2f} CPU-s each"
    )
    return 0
