"""`foley sim check`, `foley sim datasheet` and `foley sim render-audio`: what was generated, looked at as a whole."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

ACTIONS: tuple[str, ...] = ("check", "datasheet", "render-audio")


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
    sheet.add_argument(
        "--metrics",
        type=Path,
        default=Path("out/sim_datasheet"),
        metavar="DIR",
        help="folder of metrics.json (default: out/sim_datasheet)",
    )
    again = actions.add_parser(
        "render-audio", help="render a bag's sound again from its contacts; exit code 1 if it differs"
    )
    again.add_argument("bag", type=Path, metavar="BAG", help="a bag of `foley sim generate`")
    again.add_argument("--out", type=Path, metavar="FILE", help="WAV to write (default: none)")


def run(args: argparse.Namespace) -> int:
    """
    Raises:
        ValueError, OSError: the folder holds no bags, or cannot be read or written.
    """
    return {"check": _check, "datasheet": _datasheet, "render-audio": _render_audio}[args.action](args)


def _render_audio(args: argparse.Namespace) -> int:
    from foley_sim.ros.again import render_bag

    done = render_bag(args.bag)
    if args.out is not None:
        from scipy.io import wavfile

        args.out.parent.mkdir(parents=True, exist_ok=True)
        wavfile.write(args.out, done.sample_rate, done.samples)
    same = done.difference <= done.allowed
    print(
        f"{done.samples.size / done.sample_rate:.1f} s of sound in {done.render_s:.2f} s of one core "
        f"({done.real_time_factor:.0f} x real time; {done.setup_s:.2f} s of it for modes and room), "
        f"{'equal to' if same else 'DIFFERENT from'} the bag's: largest difference {done.difference:.2e}, "
        f"{done.allowed:.2e} allowed"
    )
    return 0 if same else 1


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
    from foley_sim.commands.sim import write_metrics
    from foley_sim.datasheet import datasheet
    from foley_sim.figures import summary
    from foley_sim.ros.check import reports_of

    figures = summary(reports_of(args.bags))
    write_metrics(args.metrics, figures)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(datasheet(figures), encoding="utf-8")
    print(f"{args.out}: {figures['recordings']} recordings, {figures['contacts']} contacts")
    return 0
