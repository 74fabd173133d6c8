"""`foley flow fit`, `reflow` and `draw`: the flow of contacts on sets of sessions."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def configure(actions: Any) -> None:
    """Add the actions."""
    fit = actions.add_parser(
        "fit", help="train a flow of contacts on sets of sessions (`foley sim sessions`)"
    )
    fit.add_argument(
        "sets", type=Path, nargs="+", metavar="SET", help="folders of sessions of the split `train`"
    )
    fit.add_argument(
        "--validation", type=Path, nargs="+", required=True, metavar="SET", help="of the split `validation`"
    )
    fit.add_argument(
        "--codec", type=Path, required=True, metavar="DIR", help="trained by `foley codec train`"
    )
    fit.add_argument(
        "--out", type=Path, required=True, help="checkpoint folder; an existing flow is replaced"
    )
    fit.add_argument(
        "--size", default="small", help="tiny, small or paper (160 million parameters) (default: %(default)s)"
    )
    fit.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="motion|floor|what|hits|views",
        help="ablation: never give a condition; may be given again",
    )
    fit.add_argument("--minutes", type=float, default=40.0, help="default: %(default)s")
    fit.add_argument("--steps", type=int, help="where they end before the minutes do")
    fit.add_argument("--batch", type=int, default=32, help="crops of 2.56 s a step (default: %(default)s)")
    fit.add_argument(
        "--learning-rate", type=float, default=1e-3, help="at its highest (default: %(default)s)"
    )
    fit.add_argument("--precision", default="auto", help="auto, bf16 or fp32 (default: %(default)s)")
    fit.add_argument("--start", type=Path, metavar="DIR", help="begin with the weights of this flow")
    fit.add_argument("--limit", type=int, metavar="N", help="so many sessions of each set at most")
    _common(fit)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--resume", action="store_true", help="go on where an interrupted training stopped")


def fit(args: argparse.Namespace) -> int:
    """Exit code 0."""
    from foley_common.metrics_file import METRICS_FILE
    from foley_synthesis.flow.contact.build import build_flow, open_data
    from foley_synthesis.flow.contact.config import ContactTrainConfig
    from foley_synthesis.flow.contact.model import is_contact_flow

    if args.out.exists() and any(args.out.iterdir()) and not is_contact_flow(args.out):
        raise ValueError(f"--out {args.out} is not empty and holds no flow of contacts; name another folder")
    config = ContactTrainConfig(
        size=args.size,
        without=tuple(args.without),
        minutes=args.minutes,
        steps=args.steps,
        batch=args.batch,
        learning_rate=args.learning_rate,
        precision=args.precision,
        seed=args.seed,
        threads=args.threads,
    )
    import torch

    torch.set_num_threads(args.threads)
    with _Bars() as bars:
        data = open_data(args.sets, args.validation, args.codec, limit=args.limit, progress=bars.count)
        model_id, metrics = build_flow(
            data, args.out, config, start=args.start, resume=args.resume, report=bars.share
        )
    if not model_id:  # not the first of several processes
        return 0
    print(
        f"{metrics['steps']} steps of {metrics['seconds_per_step']:.2f} s on {metrics['hours']:.1f} h, "
        f"validation {metrics['best_validation']:.4f}; {args.out}, model id {model_id}"
    )
    print(f"figures in {args.out / METRICS_FILE}; `foley flow draw` writes its sounds")
    return 0


class _Bars:
    """A bar for each stage, those of training with its figures."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("{task.description:10}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[figures]}"),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> _Bars:
        self._progress.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._progress.__exit__(*error)

    def count(self, stage: str, done: int, total: int) -> None:
        """So many of so many."""
        self._set(stage, total=total, completed=done)

    def share(self, stage: str, done: float, figures: dict[str, float]) -> None:
        """A share, and what is to be said."""
        text = ", ".join(
            f"{name} {value:.4f}" if isinstance(value, float) else f"{name} {value}"
            for name, value in figures.items()
        )
        self._set(stage, total=1.0, completed=done, figures=text)
        if "validation" in figures:
            self._progress.console.print(f"{stage} {100 * done:.0f} %: {text}", highlight=False)

    def _set(self, stage: str, **values: Any) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=1.0, figures="")
        self._progress.update(self._tasks[stage], **values)


ACTIONS = {"fit": fit}
