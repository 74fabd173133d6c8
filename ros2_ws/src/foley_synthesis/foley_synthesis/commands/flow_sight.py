"""`foley flow sight`: learn from views what things are made of, and say how well on things nobody learned from."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from foley_common.metrics_file import METRICS_FILE
from foley_synthesis.commands.flow_sight_score import score_sets

SHARES = (0.25, 0.5)
"""Of the scenes, for the learning curve; the whole is the model itself."""


def configure(actions: Any) -> None:
    """Arguments."""
    parser = actions.add_parser(
        "sight", help="train what is touched, from views: materials, shapes, sizes; score it on unseen things"
    )
    parser.add_argument(
        "sets",
        type=Path,
        nargs="+",
        metavar="SET",
        help="of `foley sim stills`, `foley scene stills` or `foley sim sessions --views`",
    )
    parser.add_argument(
        "--score", type=Path, metavar="SIGHT",
        help="train nothing: score this one on each of the sets, which show the same things, beside the first",
    )  # fmt: skip
    parser.add_argument("--validation", type=Path, nargs="+", metavar="SET", help="chooses temperatures")
    parser.add_argument("--test", type=Path, nargs="+", metavar="SET", help="is scored")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="checkpoint folder and figures"
    )
    parser.add_argument(
        "--sessions", type=int, metavar="N", help="of each training set at most (default: all)"
    )
    parser.add_argument("--epochs", type=int, default=60, help="default: %(default)s")
    parser.add_argument(
        "--least-steps", type=int, default=800, help="more epochs where they are fewer (default: %(default)s)"
    )
    parser.add_argument(
        "--members", type=int, default=3, help="networks of the ensemble (default: %(default)s)"
    )
    parser.add_argument(
        "--replicates", type=int, default=1000, help="of the bootstrap of intervals (default: %(default)s)"
    )
    parser.add_argument(
        "--curve", type=float, nargs="+", default=SHARES, metavar="SHARE",
        help="of the training scenes, for the learning curve; that of 0.5 also tells how sight errs (default: "
        f"{' '.join(map(str, SHARES))})",
    )  # fmt: skip
    parser.add_argument("--no-curve", action="store_true", help="leave out the learning curve")
    parser.add_argument("--encoder", default="efficientnet-lite0", help="of the views (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="default: %(default)s")
    parser.add_argument(
        "--resume", action="store_true", help="take networks that an interrupted run had finished"
    )
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """
    Raises:
        ValueError, OSError: sets that cannot be used, or a folder that cannot be written.
    """
    if args.threads < 1:
        raise ValueError(f"--threads is {args.threads}, must be at least 1")
    if args.score is not None:
        for name in ("validation", "test", "resume"):
            if getattr(args, name):
                raise ValueError(f"--{name} is for training; --score looks at the sets that are named first")
        return score_sets(args)
    if not args.validation or not args.test:
        raise ValueError(
            "--validation and --test are needed to train; --score SIGHT scores one that is there"
        )
    import torch
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from foley_synthesis.evaluation.report import draw_matrices, grid
    from foley_synthesis.flow.sight.examples import examples
    from foley_synthesis.flow.sight.model_file import SCHEMA, is_sight, save_sight
    from foley_synthesis.flow.sight.study import study
    from foley_synthesis.flow.sight.training import SightTrainConfig
    from foley_synthesis.flow.what import MATERIALS
    from foley_synthesis.training.state import forget_state, state_folder
    from foley_synthesis.vision.encoders import load_encoder

    if not all(0 < share < 1 for share in args.curve):
        raise ValueError(f"--curve is {' '.join(map(str, args.curve))}, must be shares between 0 and 1")
    if args.out.exists() and any(args.out.iterdir()) and not is_sight(args.out):
        raise ValueError(f"--out {args.out} is not empty and holds no {SCHEMA}; name another folder")
    torch.set_num_threads(args.threads)
    if not args.resume:
        forget_state(state_folder(args.out))
    encoder = load_encoder(args.encoder, threads=args.threads)
    config = SightTrainConfig(
        epochs=args.epochs, least_steps=args.least_steps, members=args.members, seed=args.seed
    )
    columns = (TextColumn("{task.description:28}"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}"),
               TimeElapsedColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done, total=total)

        found = {
            split: examples(
                sets,
                split,
                encoder,
                args.sessions if split == "train" else None,
                lambda done, total, s=split: report(f"views of {s}", done, total),  # type: ignore[misc]
            )
            for split, sets in (("train", args.sets), ("validation", args.validation), ("test", args.test))
        }
        result = study(
            found["train"],
            found["validation"],
            found["test"],
            config,
            encoder=(args.encoder, encoder),
            shares=() if args.no_curve else args.curve,
            replicates=args.replicates,
            kept=state_folder(args.out),
            report=report,
        )
    forget_state(state_folder(args.out))
    model_id = save_sight(result.model, args.out, result.metrics)
    draw_matrices(
        [[(f"{name}: {s.figures['material_balanced_accuracy'].text('.2f')}", s.confusion)
          for name, s in result.scores.items() if name in ("sight", "colours")]],
        MATERIALS,
        args.out / "confusion.png",
    )  # fmt: skip
    print(grid(result.lines()))
    things = {split: len(known.material) for split, known in found.items()}
    print(", ".join(f"{count} things of {split}" for split, count in things.items()))
    print(f"{args.out}, model id {model_id}; figures in {args.out / METRICS_FILE}, confusion.png")
    return 0
