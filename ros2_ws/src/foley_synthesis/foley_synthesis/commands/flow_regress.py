"""`foley flow regress`: what a flow must beat, sound by regression from the motion of contacts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from foley_common.metrics_file import METRICS_FILE
from foley_synthesis.commands.training_bars import Bars


def configure(actions: Any) -> None:
    """Add the command's arguments."""
    regress = actions.add_parser(
        "regress", help="train a regression from contact motion to sound, which a flow must beat"
    )
    regress.add_argument(
        "sets", type=Path, nargs="*", metavar="SET", help="of `foley sim sessions`: training and validation"
    )
    regress.add_argument(
        "--out", type=Path, required=True, help="checkpoint folder; an existing one is replaced"
    )
    regress.add_argument(
        "--variant",
        default="mean",
        metavar="mean|sampled|template",
        help="one sound; several draws; or, without a network, the mean contact where the plan touches (default: mean)",
    )
    regress.add_argument(
        "--groups", default="", metavar="NAME,...", help="of channels that it looks at (default: all)"
    )
    regress.add_argument(
        "--motion-hz", type=float, default=125.0, help="of what it looks at (default: %(default)s)"
    )
    regress.add_argument(
        "--given",
        default="plan",
        metavar="plan|motion|'motion and force'",
        help="when asked (default: %(default)s)",
    )
    regress.add_argument(
        "--what", action="store_true", help="told, when asked, what truly lies under the tip"
    )
    regress.add_argument(
        "--sight", type=Path, metavar="DIR",
        help="of `foley flow sight`: told what views show of what lies under the tip, in place of the truth; with "
        "`--groups what` nothing else, as RegNet is",
    )  # fmt: skip
    regress.add_argument(
        "--stills", type=Path, nargs="+", default=[], metavar="SET", help="show sessions that have no views"
    )
    regress.add_argument(
        "--weights",
        type=Path,
        metavar="DIR",
        help="no training: those of a regression, asked with other knowledge",
    )
    regress.add_argument(
        "--plan-error-ms",
        type=float,
        default=0.0,
        help="plans run early or late by up to so much (default: 0)",
    )
    regress.add_argument("--minutes", type=float, default=8.0, help="default: %(default)s")
    regress.add_argument("--steps", type=int, help="where they end before the minutes do")
    regress.add_argument("--hand", default="parallel_gripper", help="hand file: gripper as keypoints")
    regress.add_argument("--limit", type=int, metavar="N", help="sessions of each set at most")
    regress.add_argument("--seed", type=int, default=0)
    regress.add_argument("--threads", type=int, default=1)
    regress.add_argument("--resume", action="store_true", help="go on where an interrupted training stopped")


def run(args: argparse.Namespace) -> int:
    """Exit code 0; errors are raised."""
    from foley_synthesis.flow.contact.seen_things import Eyes
    from foley_synthesis.flow.regression.build import (
        Asked,
        ask_otherwise,
        build_regression,
        network_of,
        seen_sessions,
    )
    from foley_synthesis.flow.regression.config import RegressionTrainConfig
    from foley_synthesis.flow.regression.data import WHAT
    from foley_synthesis.flow.regression.model import is_regression
    from foley_synthesis.flow.sessions import load_sessions
    from foley_synthesis.flow.sight.inference import open_sight
    from foley_synthesis.flow.what import WHAT_DIMS

    if args.out.exists() and any(args.out.iterdir()) and not is_regression(args.out):
        raise ValueError(f"--out {args.out} is not empty and holds no regression; name another folder")
    if args.stills and args.sight is None:
        raise ValueError("--stills are looked at by sight, name it with --sight")
    if args.sight is not None and (args.weights or args.variant == "template"):
        raise ValueError("--sight is for training a network: leave out --weights, or the template")
    asked = Asked(args.given, args.what or args.sight is not None)
    if args.weights:
        print(f"{args.out}, model id {ask_otherwise(args.weights, args.out, asked)}")
        return 0
    if not args.sets:
        raise ValueError("name sets of sessions, of training and validation")
    groups = tuple(name for name in args.groups.split(",") if name)
    eyes, what = None, WHAT_DIMS
    if args.sight is not None:
        sight = open_sight(args.sight, threads=args.threads)
        eyes, what = Eyes(sight, args.stills), len(sight.model.scaling.basis)
    network = None if args.variant == "template" else network_of(args.variant, groups, args.motion_hz, what)
    config = RegressionTrainConfig(
        what=1.0 if groups == (WHAT,) else RegressionTrainConfig.what,  # of nothing there is nothing to learn
        minutes=args.minutes,
        steps=args.steps,
        plan_error_s=args.plan_error_ms / 1e3,
        seed=args.seed,
        threads=args.threads,
    )
    with Bars() as bars:
        sessions = load_sessions(
            args.sets,
            hand=args.hand,
            limit=args.limit,
            progress=lambda done, total: bars.count("sessions", done, total),
        )
        if eyes is not None:
            sessions = seen_sessions(sessions, eyes)
        model_id, metrics = build_regression(
            sessions,
            args.out,
            network,
            config,
            asked,
            hand=args.hand,
            sight_id="" if eyes is None else eyes.sight_id,
            resume=args.resume,
            report=lambda done, figures: bars.share("regression", done, figures),
        )
    if network is not None:
        print(f"{metrics['steps']} steps, validation {metrics['best']:.2f} dB")
    print(f"{metrics['hours']['train']:.2f} h, {metrics['seconds']:.0f} s; {args.out}, model id {model_id}")
    print(f"figures in {args.out / METRICS_FILE}; `foley flow table` measures on the test split")
    return 0
