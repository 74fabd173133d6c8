"""`foley sim check`, `datasheet`, `render-audio` and `digest`: what was generated, looked at as a whole."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from foley_sim.commands.options import add_edition_version, add_metrics
from foley_sim.offline.collections import COLLECTIONS

ACTIONS: tuple[str, ...] = ("check", "datasheet", "render-audio", "digest")


def configure(actions: Any) -> None:
    check = actions.add_parser(
        "check", help="nothing is NaN, nothing clips, every contact sounds; exit code 1 if not"
    )
    check.add_argument("bags", type=Path, metavar="DIR", help="folder of bags")
    sheet = actions.add_parser("datasheet", help="write the datasheet of a folder of bags")
    sheet.add_argument("bags", type=Path, metavar="DIR", help="folder of bags")
    sheet.add_argument(
        "--out", type=Path, default=Path("datasheet.md"), metavar="FILE", help="Markdown to write"
    )
    add_metrics(sheet, "sim_datasheet")
    again = actions.add_parser(
        "render-audio", help="render the sound of bags again from their contacts; exit code 1 if it differs"
    )
    again.add_argument(
        "bag", type=Path, metavar="DIR", help="a bag of `foley sim generate`, or a folder of them"
    )
    cores = os.cpu_count() or 1
    again.add_argument("--jobs", type=int, default=cores, metavar="N", help="processes (default: all cores)")
    again.add_argument("--out", type=Path, metavar="DIR", help="folder of WAVs to write (default: none)")
    again.add_argument(
        "--no-compare",
        dest="compare",
        action="store_false",
        help="do not read the bags' own sound to compare",
    )
    add_metrics(again, "sim_render_audio")
    digest = actions.add_parser(
        "digest", help="a digest of each topic of bags, or of how a collection's recordings begin, to compare"
    )
    digest.add_argument("bags", type=Path, nargs="?", metavar="DIR", help="a bag, or a folder of them")
    digest.add_argument(
        "--collection",
        choices=COLLECTIONS,
        help="instead of DIR: simulate the beginning of one recording of each split, without images",
    )
    digest.add_argument(
        "--seconds", type=float, default=8.0, metavar="S", help="of each beginning (default: 8)"
    )
    add_edition_version(digest)
    add_metrics(digest, "sim_digest")


def run(args: argparse.Namespace) -> int:
    """
    Raises:
        ValueError, OSError: the folder holds no bags, or cannot be read or written.
    """
    return {"check": _check, "datasheet": _datasheet, "render-audio": _render_audio, "digest": _digest}[
        args.action
    ](args)


def _render_audio(args: argparse.Namespace) -> int:
    import time

    from rich.console import Console
    from rich.progress import Progress

    from foley_common.metrics_file import write_metrics
    from foley_sim.offline.job import CONTACTS
    from foley_sim.ros.check import bags_in
    from foley_sim.ros.rerender import RenderedBag, render_bags

    bags = [bag for bag in bags_in(args.bag) if (bag / CONTACTS).is_file()] or [args.bag]
    begin = time.monotonic()
    with Progress(console=Console(stderr=True), disable=len(bags) == 1) as bar:
        task = bar.add_task("sound again", total=len(bags))

        def progress(done: RenderedBag) -> None:
            bar.advance(task)
            if not done.same:
                bar.console.print(f"{done.bag.name}: DIFFERENT from the bag's by {done.difference:.2e}")

        done = render_bags(bags, jobs=args.jobs, compare=args.compare, out=args.out, progress=progress)
    wall_s = time.monotonic() - begin
    audio_s, busy_s = sum(d.audio_s for d in done), sum(d.render_s for d in done)
    differing = sum(not d.same for d in done)
    verdict = (
        "not compared" if not args.compare else f"{differing} differ" if differing else "equal to the bags'"
    )
    print(
        f"{len(done)} bags, {audio_s:.1f} s of sound in {busy_s:.2f} s of a core ({audio_s / busy_s:.0f} x real "
        f"time on one core; {audio_s / wall_s:.0f} x in all with {args.jobs} processes, start and reading "
        f"included), {verdict}"
    )
    write_metrics(
        args.metrics,
        {
            "bags": len(done),
            "audio_s": round(audio_s, 3),
            "jobs": args.jobs,
            "compared": args.compare,
            "differing": differing,
            "largest_difference": max((d.difference or 0.0 for d in done), default=0.0),
            "real_time_factor": round(audio_s / wall_s, 2),
            "real_time_factor_per_core": round(audio_s / busy_s, 2),
            "wall_s": round(wall_s, 3),
        },
    )
    return 1 if differing else 0


def _digest(args: argparse.Namespace) -> int:
    from foley_common.metrics_file import write_metrics
    from foley_sim.ros.check import bags_in
    from foley_sim.ros.digest import bag_digests, opening_digests

    if (args.bags is None) == (args.collection is None):
        raise ValueError("foley sim digest takes either a folder of bags or --collection")
    named = (
        ((bag.name, bag_digests(bag)) for bag in bags_in(args.bags))
        if args.bags is not None
        else opening_digests(args.collection, args.seconds, args.edition_version)
    )
    found = {}
    for name, digests in named:
        found[name] = digests
        for topic, digest in digests.items():
            print(f"{name} {topic} {digest}", flush=True)
    made = (args.seconds, args.edition_version) if args.collection else (None, None)
    write_metrics(args.metrics, {"seconds": made[0], "edition_version": made[1], "recordings": found})
    return 0


def _check(args: argparse.Namespace) -> int:
    from foley_sim.ros.check import check_set

    troubles, figures = check_set(args.bags)
    for line in troubles:
        print(line)
    print(
        f"{figures['bags']} bags, {figures['audio_s']:.0f} s of sound, peak {figures['peak']:.3f}, "
        f"{figures['contacts']} contacts ({figures['audible']} stand out of the room's noise), {len(troubles)} troubles"
    )
    return 1 if troubles else 0


def _datasheet(args: argparse.Namespace) -> int:
    from foley_common.metrics_file import write_metrics
    from foley_sim.offline.datasheet import datasheet
    from foley_sim.offline.summary import summary
    from foley_sim.ros.check import reports_of

    figures = summary(reports_of(args.bags))
    write_metrics(args.metrics, figures)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(datasheet(figures), encoding="utf-8")
    print(f"{args.out}: {figures['recordings']} recordings, {figures['contacts']} contacts")
    return 0
