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
        metavar="H",
        help="of sound, rounded up to ten minutes (default: 1)",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="of all draws (default: 0)")
    parser.add_argument("--split", help="train or validation: other draws (default: train)")
    parser.add_argument(
        "--sessions", type=Path, metavar="SETDIR",
        help="write the contacts of a set of `foley sim sessions` instead, as far as that is there",
    )  # fmt: skip
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
    if args.sessions is not None:
        return _from_sessions(args)
    hours = 1.0 if args.hours is None else args.hours
    seed, split = args.seed or 0, "train" if args.split is None else args.split
    from foley_sim.hearing.hearing_set import SHARD_CLIPS, HearingSetConfig, make_hearing_set

    if args.preview is not None:
        from foley_sim.hearing.preview import preview

        config = HearingSetConfig(Path(), hours, seed, split, args.jobs)
        print(f"{preview(args.preview, config.seed, config.split)} written")
        return 0
    if args.out is None:
        raise ValueError("--out is missing: a folder for the set (or --preview)")
    from rich.console import Console
    from rich.progress import Progress

    config = HearingSetConfig(args.out, hours, seed, split, args.jobs)
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


def _from_sessions(args: argparse.Namespace) -> int:
    from foley_sim.hearing.from_sessions import (
        FromSessionsConfig,
        make_from_sessions,
        plan_clips,
        whole_sessions,
    )

    if given := [name for name in ("hours", "seed", "split", "preview") if getattr(args, name) is not None]:
        raise ValueError(f"--{given[0]} does not go with --sessions, whose set says how much and of what")
    if args.out is None:
        raise ValueError("--out is missing: a folder for the set")
    from rich.console import Console
    from rich.progress import Progress

    config = FromSessionsConfig(args.sessions, args.out, args.jobs)
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        sessions = whole_sessions(config.sessions)
        looked = bar.add_task("sessions", total=len(sessions))
        plan = plan_clips(sessions, lambda count: bar.advance(looked, count))
        task = bar.add_task("clips", total=len(plan.places))
        metrics = make_from_sessions(
            config,
            plan,
            lambda clips: bar.advance(task, clips),
            lambda text: bar.console.print(f"foley sim hearing: warning: {text}"),
        )
    write_metrics(args.metrics, metrics)
    print(
        f"{metrics['clips']} clips ({metrics['hours']:.2f} h) of {metrics['sessions']} sessions in {args.out}, "
        f"{metrics['clips_written']} of them new; {metrics['no_contact']} hold no contact"
    )
    return 0
