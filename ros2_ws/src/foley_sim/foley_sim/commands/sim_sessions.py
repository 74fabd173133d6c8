"""`foley sim sessions` and `redraw`: hours of touching things as files of arrays, and their sound as it might be."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from foley_common.metrics_file import write_metrics
from foley_sim.commands.options import add_metrics
from foley_sim.commands.progress import simulated

ACTIONS: tuple[str, ...] = ("sessions", "redraw")


def configure(actions: Any) -> None:
    parser = actions.add_parser(
        "sessions", help="write sessions as files of arrays (sound, motion, surface, contacts), without bags"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the set; finished sessions are kept"
    )
    parser.add_argument("--hours", type=float, metavar="H", help="how much to simulate in all")
    parser.add_argument("--sessions", type=int, metavar="N", help="the same as a number of sessions")
    parser.add_argument(
        "--duration",
        type=float,
        default=40.0,
        metavar="S",
        help="simulated seconds per session (default: 40)",
    )
    parser.add_argument(
        "--split",
        default="train",
        help="train: a scene of its own for every session; validation, test: the edition's scenes; sealed: more of the "
        "test's kind, for last figures only; test_seen: the scenes of train touched anew, for tests (default: train)",
    )
    parser.add_argument(
        "--edition", default="foleysim-1", help="foleysim-1, tabletop, or foleysim-b to be judged by"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="train, test_seen, tabletop: number of the first scene; otherwise the first policy seed (default: 0)",
    )
    parser.add_argument(
        "--sound-rate", type=int, default=16_000, metavar="HZ", help="16000 or 48000 (default: 16000)"
    )
    parser.add_argument(
        "--views",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="of the sessions that have views of the scene without the hand, at 4 Hz (default: 0)",
    )
    parser.add_argument(
        "--actions",
        default="",
        metavar="NAME,..",
        help="what is done, such as `tap`, for `foley flow taps` (default: all that the striker can do)",
    )
    parser.add_argument(
        "--even-taps",
        type=int,
        default=0,
        metavar="N",
        help="each object is tapped N times at places apart and N times at one place, and nothing else is done, "
        "as long as that takes, to measure fused beliefs with (default: 0)",
    )
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="sessions at once (default: 2)")
    add_metrics(parser, "sim_sessions")
    again = actions.add_parser(
        "redraw", help="render sessions' sound anew with what is not known of their scenes redrawn"
    )
    again.add_argument("set", type=Path, metavar="SET", help="folder of `foley sim sessions`")
    again.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of NAME-draw000.npy; finished ones stay",
    )
    again.add_argument("--draws", type=int, default=6, metavar="N", help="of each session (default: 6)")
    again.add_argument(
        "--kind",
        default="all",
        help="same: noise alone; material: the material is known; look: its look; all: room and microphone are "
        "redrawn too (default: all)",
    )
    again.add_argument("--seed", type=int, default=0, metavar="N", help="other draws (default: 0)")
    again.add_argument("--sessions", type=int, default=0, metavar="N", help="the first ones (default: all)")
    again.add_argument("--jobs", type=int, default=2, metavar="N", help="sessions at once (default: 2)")
    add_metrics(again, "sim_redraw")


def run(args: argparse.Namespace) -> int:
    """
    Raises:
        ValueError, OSError: options that cannot be, or a file that cannot be written.
    """
    return _redraw(args) if args.action == "redraw" else _sessions(args)


def _redraw(args: argparse.Namespace) -> int:
    from foley_sim.offline.redraw import RedrawConfig, redraw_set, total_s

    config = RedrawConfig(
        sessions_set=args.set,
        out=args.out,
        kind=args.kind,
        draws=args.draws,
        seed=args.seed,
        sessions=args.sessions,
        jobs=args.jobs,
    )
    with simulated(f"{config.kind} redrawn", total_s(config)) as (advance, warn):
        metrics = redraw_set(config, advance, warn)
    write_metrics(args.metrics, metrics)
    print(
        f"{metrics['sessions']} sessions in {args.out} ({metrics['sessions_kept']} were there), "
        f"{metrics['draws']} draws each"
    )
    return 0


def _sessions(args: argparse.Namespace) -> int:
    from foley_sim.offline.session_set import SetConfig, make_set, session_jobs

    if (args.hours is None) == (args.sessions is None):
        raise ValueError("give either --hours or --sessions")
    count = args.sessions if args.sessions is not None else _count(args.hours, args.duration)
    config = SetConfig(
        out=args.out,
        sessions=count,
        split=args.split,
        edition=args.edition,
        duration_s=args.duration,
        seed=args.seed,
        sound_rate=args.sound_rate,
        views=args.views,
        actions=tuple(args.actions.split(",")) if args.actions else (),  # type: ignore[arg-type]
        even_taps=args.even_taps,
        jobs=args.jobs,
    )
    seconds = sum(job.lasts_s for job in session_jobs(config))
    with simulated(f"{config.split} sessions", seconds) as (advance, warn):
        metrics = make_set(config, advance, warn)
    write_metrics(args.metrics, metrics)
    print(
        f"{metrics['sessions_written']} sessions written to {args.out} ({metrics['sessions_kept']} were there), "
        f"{metrics['bytes'] / 1e6:.0f} MB, {metrics['onsets']} onsets\n"
        f"real-time factor {metrics['real_time_factor'] or 0:.1f}, "
        f"per core {metrics['real_time_factor_per_cpu'] or 0:.1f}"
    )
    return 0


def _count(hours: float, duration_s: float) -> int:
    """Of sessions that come nearest to some hours.

    Raises:
        ValueError: there is none.
    """
    count = hours * 3600 / duration_s if duration_s > 0 else math.nan
    if not (math.isfinite(count) and round(count) >= 1):
        raise ValueError(f"--hours is {hours} with --duration {duration_s} s: that is not one session")
    return round(count)
