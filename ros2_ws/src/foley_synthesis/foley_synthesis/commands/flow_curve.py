"""`foley flow curve`: what more data and a larger model give."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from foley_common.metrics_file import write_metrics
from foley_synthesis.commands.training_bars import Bars


def configure(actions: Any) -> None:
    """Arguments."""
    curve = actions.add_parser(
        "curve", help="train at several hours of data and sizes, and measure each on validation"
    )
    curve.add_argument(
        "--train", type=Path, nargs="+", required=True, metavar="SET", help="sessions of this split"
    )
    curve.add_argument(
        "--validation", type=Path, nargs="+", required=True, metavar="SET", help="and of this one"
    )
    curve.add_argument("--codec", type=Path, metavar="DIR", help="of the flow")
    curve.add_argument(
        "--regression", metavar="mean|sampled", help="a curve of the regression, not of the flow of contacts"
    )
    curve.add_argument(
        "--hours", type=float, nargs="+", required=True, metavar="H",
        help="of data; the scenes of fewer hours are among those of more",
    )  # fmt: skip
    curve.add_argument(
        "--sizes", nargs="+", default=["small"], metavar="SIZE",
        help="of the flow: tiny, small, paper; of the regression: tiny, small, large (default: small)",
    )  # fmt: skip
    curve.add_argument("--steps", type=int, help="a training of so many steps at each place")
    curve.add_argument("--minutes", type=float, help="and one of so many minutes")
    curve.add_argument("--batch", type=int, help="crops a step (default: as `fit` and `regress`)")
    curve.add_argument(
        "--windows", type=int, default=48, help="of validation that are measured (default: %(default)s)"
    )
    curve.add_argument("--draws", type=int, default=4, help="of each window (default: %(default)s)")
    curve.add_argument("--seed", type=int, default=0)
    curve.add_argument("--threads", type=int, default=2)
    curve.add_argument("--resume", action="store_true", help="go on where an interrupted run stopped")
    curve.add_argument(
        "--out",
        type=Path,
        default=Path("out/flow_curve"),
        help="for models and figures (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Exit code 0."""
    import torch

    from foley_synthesis.evaluation.sound_metrics import spread
    from foley_synthesis.evaluation.windows import curve_report
    from foley_synthesis.evaluation.windows.curve import Point, points_of, trace
    from foley_synthesis.evaluation.windows.sets import read_windows

    if (args.codec is None) == (args.regression is None):
        raise ValueError("name --codec, for the flow of contacts, or --regression")
    for name in ("windows", "draws", "threads"):
        if getattr(args, name) < 1:
            raise ValueError(f"--{name} is {getattr(args, name)}, must be at least 1")
    points = points_of(args.hours, args.sizes, args.steps, args.minutes)
    torch.set_num_threads(args.threads)
    settings = {"seed": args.seed, "threads": args.threads} | ({"batch": args.batch} if args.batch else {})
    with Bars() as bars:
        learner = _flow(args, settings, bars.count) if args.codec else _regression(args, settings, bars.count)
        windows = [
            window for folder in args.validation for window in read_windows(folder, "validation", views=False)
        ]
        few = [windows[k] for k in spread(len(windows), args.windows)]
        args.out.mkdir(parents=True, exist_ok=True)

        def report(point: Point, done: float, figures: dict[str, float]) -> None:
            bars.share(f"{point.hours:g} h, {point.line}", done, figures)

        def found(rows: list[dict[str, Any]]) -> None:
            text = curve_report.markdown(rows)
            (args.out / "table.md").write_text(text + "\n", "utf-8")
            curve_report.draw(rows, args.out / "curve.png")
            facts = {"of": args.regression or "flow", "windows": len(few), "draws": args.draws}
            write_metrics(args.out, {**facts, "complete": len(rows) == len(points), "trainings": rows})

        rows = trace(
            learner, points, few, args.out,
            draws=args.draws, seed=args.seed, resume=args.resume, report=report, found=found,
        )  # fmt: skip
    print(curve_report.markdown(rows))
    print(f"{args.out}/metrics.json, table.md, curve.png, and a folder for each model")
    return 0


def _flow(args: argparse.Namespace, settings: dict[str, Any], progress: Callable[..., None]) -> Any:
    from foley_synthesis.evaluation.windows.curve_learners import FlowLearner
    from foley_synthesis.flow.contact.build import open_data
    from foley_synthesis.flow.contact.config import ContactTrainConfig

    config = ContactTrainConfig(**settings, listen_every_s=0.0)
    data = open_data(args.train, args.validation, args.codec, progress=progress)
    return FlowLearner(data, config, args.seed)


def _regression(args: argparse.Namespace, settings: dict[str, Any], progress: Callable[..., None]) -> Any:
    from foley_synthesis.evaluation.windows.curve_learners import RegressionLearner
    from foley_synthesis.flow.regression.config import RegressionTrainConfig
    from foley_synthesis.flow.sessions import load_sessions

    sessions = load_sessions(
        [*args.train, *args.validation],
        progress=lambda done, total: progress("sessions", done, total),
    )
    config = RegressionTrainConfig(**settings)
    return RegressionLearner(sessions, args.regression, config, seed=args.seed)
