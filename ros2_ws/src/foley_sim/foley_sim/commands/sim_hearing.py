"""`foley sim hearing`: recordings of contacts for hearing to train on, sampled directly; no scene, no robot."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from foley_common.metrics_file import write_metrics
from foley_sim.commands.options import add_metrics

ACTIONS: tuple[str, ...] = ("hearing",)


def configure(actions: Any) -> None:
    parser = actions.add_parser(
        "hearing", help="write recordings of contacts and of none, as widely drawn as real ones are"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the set; finished shards are kept")
    parser.add_argument(
        "--hours",
        type=float,
        default=1.0,
        metavar="H",
        help="of sound, rounded up to ten minutes (default: 1)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all draws (default: 0)")
    parser.add_argument("--split", default="train", help="train or validation: other draws (default: train)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="shards at once (default: 2)")
    parser.add_argument(
        "--preview", type=Path, metavar="PNG|DIR",
        help="show spectrograms of some clips of each material, in a folder beside the sound files; writes no set",
    )  # fmt: skip
    add_metrics(parser, "sim_hearing")


def run(args: argparse.Namespace) -> int:
    """
    Raises:
        ValueError, OSError: options that cannot be, or a file that cannot be written.
    """
    from foley_sim.hearing.hearing_set import SHARD_CLIPS, HearingSetConfig, make_hearing_set

    if args.preview is not None:
        from foley_sim.hearing.preview import preview

        config = HearingSetConfig(Path(), args.hours, args.seed, args.split, args.jobs)
        print(f"{preview(args.preview, config.seed, config.split)} written")
        return 0
    if args.out is None:
        raise ValueError("--out is missing: a folder for the set (or --preview)")
    from rich.console import Console
    from rich.progress import Progress

    config = HearingSetConfig(args.out, args.hours, args.seed, args.split, args.jobs)
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(f"{config.split} clips", total=config.shards * SHARD_CLIPS)
        metrics = make_hearing_set(
            config,
            lambda clips: bar.advance(task, clips),
            lambda text: bar.console.print(f"foley sim hearing: warning: {text}"),
        )
    write_metrics(args.metrics, metrics)
    print(
        f"{metrics['clips']} clips ({metrics['hours']:.2f} h) in {args.out}, {metrics['clips_written']} of them new, "
        f"{metrics['clips_per_s'] or 0:.0f} a second, {metrics['cpu_ms_per_clip'] or 0:.1f} ms of one core each"
    )
    return 0
