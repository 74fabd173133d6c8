"""``foley robot``: a robot's file, proposed from the robot itself, and held against it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foley_perception.robot.judged import Judgement
    from foley_perception.robot.watch import Watched

HELP = "write the file of a robot from what it publishes, or check one"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n  foley robot init                            # beside the robot's running drivers\n"
        "  foley robot init BAG --out robot.yaml       # of a recording\n"
        "  foley robot init --namespace left --out left.yaml\n"
        "  foley robot check robot.yaml                # the running robot against its file\n"
        "  foley robot check robot.yaml BAG\n"
        "then: foley up --robot robot.yaml, or --robot robot.yaml wherever recordings are read (docs/robots.md)\n"
        "Exit codes: init 0 written, 1 written and something that is needed is missing; check 0 good, 1 not; 2 refused."
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="init|check")
    init = actions.add_parser("init", help="propose a file: topics, frames, hand, microphones")
    init.add_argument(
        "--out", type=Path, default=Path("robot.yaml"), metavar="FILE",
        help="must not exist; - prints it (default: %(default)s)",
    )  # fmt: skip
    init.add_argument(
        "--namespace", default="", metavar="NS", help="of the robot that is meant, where there are several"
    )
    check = actions.add_parser("check", help="say what is there, missing and odd; exit code 1 if anything is")
    check.add_argument("file", type=Path, metavar="FILE", help="the robot's file")
    check.add_argument(
        "--metrics", type=Path, default=Path("out/robot_check"), metavar="DIR",
        help="folder for metrics.json (default: %(default)s)",
    )  # fmt: skip
    for sub in (init, check):
        sub.add_argument(
            "bag", nargs="?", type=Path, metavar="BAG", help="a recording (default: the running system)"
        )
        sub.add_argument(
            "--seconds",
            type=float,
            default=5.0,
            metavar="S",
            help="how long a running system is watched (default: 5)",
        )
        sub.add_argument("--sim-time", action="store_true", help="stamps are of /clock")


def run(args: argparse.Namespace) -> int:
    try:
        return _init(args) if args.action == "init" else _check(args)
    except (ValueError, OSError) as error:  # a BagError and a RobotFileError are one
        print(f"foley robot: error: {error}", file=sys.stderr)
        return 2


def _watch(args: argparse.Namespace) -> Watched:
    if args.bag is not None:
        from foley_perception.robot.watch import watch_bag

        return watch_bag(args.bag)
    from rich.console import Console

    from foley_perception.ros.robot_graph import watch_graph

    if not 0.5 <= args.seconds <= 600:
        raise ValueError(f"--seconds is {args.seconds}, must lie in [0.5, 600]")
    with Console(stderr=True).status(f"watching the running system for {args.seconds:g} s"):
        return watch_graph(args.seconds, use_sim_time=args.sim_time)


def _init(args: argparse.Namespace) -> int:
    from foley_common.topics import EE_POSE
    from foley_perception.robot.proposal import propose, text_of

    printed = str(args.out) == "-"
    if not printed and args.out.exists():
        raise ValueError(f"{args.out} exists; name another file with --out, or move it away")
    watched = _watch(args)
    proposal = propose(watched.seen, args.namespace)
    if not any(choice.found is not None for choice in proposal.choices):
        raise ValueError(
            f"{watched.seen.where}: nothing that could have a role is published; start the robot's drivers (is "
            "ROS_DOMAIN_ID theirs?)"
        )
    if (pose := proposal.found(EE_POSE)) is not None:
        proposal = propose(watched.seen, args.namespace, watched.frames_at_pose(pose.name))
    text = text_of(proposal)
    if printed:
        print(text, end="")
    else:
        args.out.write_text(text, encoding="utf-8")
        print(f"wrote {args.out}: {sum(c.found is not None for c in proposal.choices)} topics have a role")
    told = sys.stderr if printed else sys.stdout
    for sentence in proposal.guessed:
        print(f"  guessed: {sentence}", file=told)
    for sentence in proposal.open:
        print(f"  missing: {sentence}", file=told)
    return 1 if proposal.open else 0


def _check(args: argparse.Namespace) -> int:
    from foley_common.metrics_file import write_metrics
    from foley_common.robot_file import RobotFile
    from foley_perception.robot.judged import judge

    robot = RobotFile.read(args.file)
    if robot.hand or robot.gripper_joint:
        from foley_perception.action.gripper import GripperHand

        GripperHand.from_yaml(robot.hand_reference)  # refuses one that is not there
    watched = _watch(args)
    judgement = judge(robot, watched)
    _print(judgement, f"{args.file} against {watched.seen.where}")
    write_metrics(args.metrics, _figures(args, watched, judgement))
    print("good" if not judgement.problems else f"{judgement.problems} problem(s)")
    return 1 if judgement.problems else 0


def _print(judgement: Judgement, title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from foley_perception.commands.tables import print_findings

    table = Table(title=title, title_justify="left")
    for name in ("role", "topic", "type", "state"):
        table.add_column(name, overflow="fold")
    for name in ("Hz", "longest gap", "stamp to arrival"):
        table.add_column(name, justify="right")
    table.add_column("QoS offered")
    for row in judgement.rows:
        seen = row.seen
        lag = f"{row.lag_s * 1e3:.1f} ms" if row.lag_s == row.lag_s else "-"
        gap = (
            f"{seen.longest_gap_s * 1e3:.0f} ms" if seen and seen.longest_gap_s == seen.longest_gap_s else "-"
        )
        rate = f"{seen.rate_hz:.1f}" if seen and seen.rate_hz == seen.rate_hz else "-"
        kind = seen.type.rpartition("/")[2] if seen else "-"
        style = None if row.state in ("ok", "note") else "red"
        table.add_row(
            row.role, row.topic, kind, row.state, rate, gap, lag, seen.qos if seen else "-", style=style
        )
    console = Console()
    (console if console.is_terminal else Console(width=160)).print(table)
    print_findings([f"{one.severity.name.lower()}: {one.text}" for one in judgement.said])


def _figures(args: argparse.Namespace, watched: Watched, judgement: Judgement) -> dict[str, Any]:
    return {
        "file": str(args.file),
        "of": watched.seen.where,
        "seconds": watched.seen.seconds,
        "topics": {row.role: row.figures for row in judgement.rows},
        "said": [
            {"severity": one.severity.name.lower(), "role": one.role, "text": one.text}
            for one in judgement.said
        ],
        "problems": judgement.problems,
    }
