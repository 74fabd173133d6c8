"""`foley flow ablate`: what each thing that a flow of contacts knows is worth, each variant trained apart."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from foley_common.metrics_file import write_metrics
from foley_synthesis.commands import flow_draw
from foley_synthesis.commands.training_bars import Bars

_MAIN = ("full", "no-vision", "no-hands", "paper-motion", "no-surface")

_VARIANTS = """variants:
  full          plan over the surface, what is touched (and what views show, with --sight)
  force         full, motion and force as measured: asks the models of full
  in-context    full, last 3 sounds of the surface: asks the models of full
  no-look       without what things look like
  no-vision     hands alone: without looks and surface
  no-surface    without heights over the surface
  no-fine       without velocity and acceleration
  paper-motion  place and grip at 30 Hz, as the paper
  no-hands      without motion and earlier sounds (vision alone, as Frieren)
  vision-only   and without the room's tone
  regression    regression, one sound
  regnet        regression of what is touched alone (as RegNet)
"""


def configure(actions: Any) -> None:
    """Arguments."""
    ablate = actions.add_parser(
        "ablate",
        help="train variants that know less, at equal steps and with several seeds, and measure each",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_VARIANTS,
    )
    ablate.add_argument(
        "--train", type=Path, nargs="+", required=True, metavar="SET", help="sessions of this split"
    )
    ablate.add_argument(
        "--validation", type=Path, nargs="+", required=True, metavar="SET",
        help="and of this one, by which weights are chosen and, without --test, measured",
    )  # fmt: skip
    ablate.add_argument("--test", type=Path, nargs="+", metavar="SET", help="measure on these sessions")
    ablate.add_argument("--codec", type=Path, required=True, metavar="DIR", help="of the flows")
    flow_draw.eyes(
        ablate, "tells what is touched when a model is asked; flows are trained with its views, too"
    )
    ablate.add_argument(
        "--blind-training",
        action="store_true",
        help="train flows without views, whatever --sight tells later",
    )
    ablate.add_argument(
        "--told", action="store_true", help="also rows that are told what is touched, in truth"
    )
    ablate.add_argument(
        "--variants", nargs="+", default=list(_MAIN), metavar="NAME", help=f"default: {' '.join(_MAIN)}"
    )
    ablate.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="N", help="default: 0")
    ablate.add_argument(
        "--all-seeds", nargs="+", metavar="NAME",
        help="variants that are trained with every seed, the others with the first one alone (default: all of them)",
    )  # fmt: skip
    ablate.add_argument("--steps", type=int, required=True, help="of every training")
    ablate.add_argument(
        "--start", type=Path, metavar="DIR",
        help="all flows go on from this one, which knows everything; default: from nothing",
    )  # fmt: skip
    ablate.add_argument(
        "--learning-rate", type=float, default=1e-3, help="of flows, at its highest (default: %(default)s)"
    )
    ablate.add_argument(
        "--size", default="small", metavar="SIZE", help="tiny, small or paper (default: %(default)s)"
    )
    ablate.add_argument("--batch", type=int, help="crops a step (default: as `fit` and `regress`)")
    ablate.add_argument("--precision", default="auto", help="auto, bf16 or fp32 (default: %(default)s)")
    ablate.add_argument("--limit", type=int, metavar="N", help="so many sessions of each set at most")
    ablate.add_argument(
        "--windows", type=int, default=48, help="that are measured, spread evenly (default: %(default)s)"
    )
    ablate.add_argument("--draws", type=int, default=4, help="of each window (default: %(default)s)")
    ablate.add_argument("--seed", type=int, default=0, help="of the draws")
    ablate.add_argument("--threads", type=int, default=2)
    ablate.add_argument("--resume", action="store_true", help="go on where an interrupted run stopped")
    ablate.add_argument(
        "--out", type=Path, default=Path("out/flow_ablate"),
        help="for models and figures (default: %(default)s)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Exit code 0."""
    import torch

    from foley_synthesis.evaluation.windows import ablate_report
    from foley_synthesis.evaluation.windows.ablate import Plan, ablate
    from foley_synthesis.evaluation.windows.ablations import trainings_of, variants_of

    for name in ("windows", "draws", "threads", "steps"):
        if getattr(args, name) < 1:
            raise ValueError(f"--{name} is {getattr(args, name)}, must be at least 1")
    if args.limit is not None and args.limit < 1:
        raise ValueError(f"--limit is {args.limit}, must be at least 1")
    variants = variants_of(args.variants)
    trainings = trainings_of(variants, args.seeds, args.all_seeds)
    torch.set_num_threads(args.threads)
    began = time.monotonic()
    with Bars() as bars:
        trainer, seen = _trainer(args, trainings, bars)
        few = _windows(args, trainer, seen)
        modes = (["seen"] if seen else []) + (["told"] if args.told else [])
        views = bool(trainer.data is not None and trainer.data.sight_id)
        plan = Plan(tuple(variants), tuple(trainings), tuple(modes or ["plan"]), views, args.draws, args.seed)  # type: ignore[arg-type]
        args.out.mkdir(parents=True, exist_ok=True)
        facts = {
            "measured_on": [str(path) for path in args.test or args.validation],
            "windows": len(few),
            "scenes": len({window.scene_id for window in few}),
            "draws": args.draws,
            "size": args.size,
            "steps": args.steps,
            "start": str(args.start or ""),
            "seeds": args.seeds,
            "sight": seen.model_id if seen else "",
            "views_in_training": views,
        }

        def found(figures: dict[str, Any]) -> None:
            text = ablate_report.markdown(figures["rows"])
            (args.out / "table.md").write_text(text + "\n", "utf-8")
            ablate_report.draw(figures["rows"], args.out / "ablations.png")
            complete = len(figures["trainings"]) == len(trainings)
            seconds = round(time.monotonic() - began, 1)
            write_metrics(args.out, {**facts, "complete": complete, "seconds": seconds, **figures})

        figures = ablate(
            trainer, plan, few, args.out,
            marks=[seen.model_id] if seen else [], resume=args.resume, report=bars.share, found=found,
        )  # fmt: skip
    print(ablate_report.markdown(figures["rows"]))
    print(f"{args.out}/metrics.json, table.md, ablations.png, and a folder for each model")
    return 0


def _trainer(args: argparse.Namespace, trainings: Any, bars: Bars) -> tuple[Any, Any]:
    """What trains, of sets that are read once, and what sees when models are asked."""
    from foley_synthesis.evaluation.windows.ablate_trainer import SetsTrainer
    from foley_synthesis.flow.contact.build import open_data
    from foley_synthesis.flow.contact.config import ContactTrainConfig
    from foley_synthesis.flow.contact.seen_things import Eyes
    from foley_synthesis.flow.regression.config import RegressionTrainConfig
    from foley_synthesis.flow.sessions import load_sessions
    from foley_synthesis.flow.sight.windows import SeenWindows

    batch = {} if args.batch is None else {"batch": args.batch}
    flow = ContactTrainConfig(
        size=args.size, learning_rate=args.learning_rate, threads=args.threads, precision=args.precision,
        listen_every_s=0.0, **batch,
    )  # fmt: skip
    regression = RegressionTrainConfig(threads=args.threads, **batch)
    sight = flow_draw.sight_of(args)
    data = sessions = None
    if any(not training.variant.regression for training in trainings):
        eyes = None if sight is None or args.blind_training else Eyes(sight, args.stills)
        data = open_data(
            args.train, args.validation, args.codec, eyes=eyes, limit=args.limit, progress=bars.count
        )
    if any(training.variant.regression for training in trainings):
        sessions = load_sessions(
            [*args.train, *args.validation],
            limit=args.limit,
            progress=lambda done, total: bars.count("sessions", done, total),
        )
    seen = None if sight is None else SeenWindows(sight, tuple(args.stills))
    return SetsTrainer(data, sessions, flow, regression, args.size, args.steps, seen, args.start), seen


def _windows(args: argparse.Namespace, trainer: Any, seen: Any) -> list[Any]:
    """Those that are measured. Raises ValueError where something is trained in their scenes."""
    from foley_synthesis.evaluation.sound_metrics import spread
    from foley_synthesis.evaluation.windows.sets import read_windows

    split, sets = ("test", args.test) if args.test else ("validation", args.validation)
    windows = [
        window
        for folder in sets
        for window in read_windows(folder, split, most_sessions=args.limit or 0, views=seen is not None)
    ]
    few = [windows[k] for k in spread(len(windows), args.windows)]
    known = {"sight": seen.train_scenes if seen else frozenset()}
    if trainer.data is not None:
        known["training"] = trainer.data.train.scenes
    if trainer.sessions is not None:
        items = trainer.sessions
        known["training"] = frozenset(str(items.items[i].facts["scene_id"]) for i in items.of("train"))
    for name, scenes in known.items():
        if shared := scenes & {window.scene_id for window in few}:
            raise ValueError(
                f"{name} knows {len(shared)} of the scenes that are asked about, such as {min(shared)}"
            )
    return few
