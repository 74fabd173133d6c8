"""`foley sim states`: labelled contacts with things that are loose, full or cracked, and with the same when not."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from foley_common.metrics_file import write_metrics
from foley_sim.commands.options import add_metrics
from foley_sim.commands.progress import simulated
from foley_sim.states import STATES

ACTIONS: tuple[str, ...] = ("states",)


def configure(actions: Any) -> None:
    parser = actions.add_parser(
        "states",
        help="write taps on things that are loose, full or cracked, and on the same when not, with a table of labels",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the set; finished files are kept"
    )
    parser.add_argument(
        "--state",
        nargs="+",
        choices=STATES,
        default=STATES,
        help="told apart from their opposites (default: all)",
    )
    parser.add_argument(
        "--objects", type=int, default=16, metavar="N", help="things to teach with (default: 16)"
    )
    parser.add_argument(
        "--test-objects", type=int, default=12, metavar="N", help="other things to test with (default: 12)"
    )
    parser.add_argument(
        "--scenes",
        type=int,
        default=4,
        metavar="N",
        help="of each thing: other room, microphone and place (default: 4)",
    )
    parser.add_argument(
        "--taps",
        type=int,
        default=6,
        metavar="N",
        help="contacts in each scene and state, a sound file (default: 6)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all draws (default: 0)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="files at once (default: 2)")
    add_metrics(parser, "sim_states")


def run(args: argparse.Namespace) -> int:
    """
    Raises:
        ValueError, OSError: options that cannot be, or a file that cannot be written.
    """
    from foley_sim.offline.state_set import StateSetConfig, make_state_set, taps_jobs

    config = StateSetConfig(
        out=args.out,
        states=tuple(args.state),
        objects=args.objects,
        test_objects=args.test_objects,
        scenes=args.scenes,
        taps=args.taps,
        seed=args.seed,
        jobs=args.jobs,
    )
    with simulated("taps", sum(job.duration_s for job in taps_jobs(config))) as (advance, warn):
        metrics = make_state_set(config, advance, warn)
    write_metrics(args.metrics, metrics)
    print(
        f"{metrics['contacts']} contacts in {metrics['recordings']} files in {args.out}, "
        f"{metrics['recordings_written']} of them new, labels in {args.out / 'labels.csv'}"
    )
    return 0
