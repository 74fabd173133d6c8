"""`foley flow fit` and `reflow`: the flow of contacts, trained on sets of sessions."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from foley_synthesis.commands import flow_draw
from foley_synthesis.commands.training_bars import Bars


def configure(actions: Any) -> None:
    """Add the actions."""
    trained = actions.add_parser(
        "fit", help="train a flow of contacts on sets of sessions (`foley sim sessions`)"
    )
    _sets(trained)
    trained.add_argument(
        "--codec", type=Path, required=True, metavar="DIR", help="trained by `foley codec train`"
    )
    trained.add_argument(
        "--size", default="small", help="tiny, small or paper (160 million parameters) (default: %(default)s)"
    )
    trained.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="motion|floor|what|hits|views|GROUP",
        help="ablation: never give a condition, or a group of the motion's channels (height, velocity, place, grip, "
        "keypoints, force); may be given again",
    )
    trained.add_argument(
        "--motion-rate",
        type=float,
        metavar="HZ",
        help="ablation: hold motion at this rate (default: 125, as it is)",
    )
    trained.add_argument("--start", type=Path, metavar="DIR", help="begin with the weights of this flow")
    _training(trained, minutes=40.0, learning_rate=1e-3)
    straight = actions.add_parser(
        "reflow", help="train a flow of contacts for few steps on what another makes of noise"
    )
    straight.add_argument("flow", type=Path, help="the flow that it learns from")
    _sets(straight)
    straight.add_argument("--codec", type=Path, required=True, metavar="DIR", help="the flow's")
    straight.add_argument("--pairs", type=int, default=8192, help="of noise and sound (default: %(default)s)")
    _training(straight, minutes=15.0, learning_rate=3e-4)
    flow_draw.sampling(straight)


def _sets(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--train",
        type=Path,
        nargs="+",
        required=True,
        metavar="SET",
        help="folders of sessions of this split",
    )
    parser.add_argument(
        "--validation", type=Path, nargs="+", required=True, metavar="SET", help="and of this one"
    )
    flow_draw.eyes(parser, "what views show is given where there are any; without it none are used")
    parser.add_argument("--limit", type=int, metavar="N", help="so many sessions of each set at most")
    parser.add_argument(
        "--out", type=Path, required=True, help="checkpoint folder; an existing flow is replaced"
    )


def _training(parser: argparse.ArgumentParser, minutes: float, learning_rate: float) -> None:
    parser.add_argument("--minutes", type=float, default=minutes, help="default: %(default)s")
    parser.add_argument("--steps", type=int, help="of the training, where they end before the minutes do")
    parser.add_argument("--batch", type=int, default=32, help="crops of 2.56 s a step (default: %(default)s)")
    parser.add_argument(
        "--learning-rate", type=float, default=learning_rate, help="at its highest (default: %(default)s)"
    )
    parser.add_argument("--precision", default="auto", help="auto, bf16 or fp32 (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--resume", action="store_true", help="go on where an interrupted training stopped")


def fit(args: argparse.Namespace) -> int:
    """Exit code 0."""
    from foley_synthesis.flow.contact.build import build_flow

    rate = {} if args.motion_rate is None else {"motion_rate_hz": args.motion_rate}
    config = _config(args, size=args.size, without=tuple(args.without), **rate)
    with Bars() as bars:
        data = _open(args, bars)
        model_id, metrics = build_flow(
            data, args.out, config, start=args.start, resume=args.resume, report=bars.share
        )
    return _told(args, model_id, metrics)


def reflow(args: argparse.Namespace) -> int:
    """Exit code 0."""
    from foley_synthesis.flow.contact.build import build_reflow

    config = _config(args)
    with Bars() as bars:
        model_id, metrics = build_reflow(
            _open(args, bars),
            args.flow,
            args.out,
            config,
            args.pairs,
            sampling=lambda own: flow_draw.sampling_of(args, own),
            resume=args.resume,
            report=bars.share,
            progress=bars.count,
        )
    return _told(args, model_id, metrics)


def _config(args: argparse.Namespace, **more: Any) -> Any:
    from foley_synthesis.flow.contact.config import ContactTrainConfig
    from foley_synthesis.flow.contact.model import is_contact_flow

    if args.out.exists() and any(args.out.iterdir()) and not is_contact_flow(args.out):
        raise ValueError(f"--out {args.out} is not empty and holds no flow of contacts; name another folder")
    return ContactTrainConfig(
        minutes=args.minutes,
        steps=args.steps,
        batch=args.batch,
        learning_rate=args.learning_rate,
        precision=args.precision,
        seed=args.seed,
        threads=args.threads,
        **more,
    )


def _open(args: argparse.Namespace, bars: Bars) -> Any:
    import torch

    from foley_synthesis.flow.contact.build import open_data
    from foley_synthesis.flow.contact.seen_things import Eyes

    torch.set_num_threads(args.threads)
    sight = flow_draw.sight_of(args)
    return open_data(
        args.train,
        args.validation,
        args.codec,
        eyes=None if sight is None else Eyes(sight, args.stills),
        limit=args.limit,
        progress=bars.count,
    )


def _told(args: argparse.Namespace, model_id: str, metrics: dict[str, Any]) -> int:
    from foley_common.metrics_file import METRICS_FILE

    if model_id:  # else not the first of several processes
        print(
            f"{metrics['steps']} steps of {metrics['seconds_per_step']:.2f} s on {metrics['hours']:.1f} h, "
            f"validation {metrics['best_validation']:.4f}; {args.out}, model id {model_id}"
        )
        print(f"figures in {args.out / METRICS_FILE}; `foley flow draw` writes its sounds")
    return 0


ACTIONS = {"fit": fit, "reflow": reflow}
