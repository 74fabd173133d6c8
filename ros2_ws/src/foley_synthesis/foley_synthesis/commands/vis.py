"""`foley vis`: how VIS learns the sound of a planned contact, compared."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import TaskID

    from foley_synthesis.vis.config import ModelConfig
    from foley_synthesis.vis.training.features import FeatureSet

HELP = "compare ways to train VIS: flat sounds, onsets, levels, with plans on time and late"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  foley vis out/sets/train out/sets/validation out/sets/test --out out/vis\n"
        "  foley vis out/foleysim-1-mini/dataset --out out/vis --seeds 3\n"
        "  foley vis ... --recipe paper --recipe onset --resume\n\n"
        "Sets of sessions are written by `foley sim sessions`: no pictures are looked at. A data set is written by\n"
        "`foley dataset build`: the still is. Every recipe is trained, chosen on validation, and measured on --split."
    )
    parser.add_argument("data", type=Path, nargs="+", help="sets of sessions, or one data set")
    parser.add_argument("--out", type=Path, default=Path("out/vis"), help="default: %(default)s")
    parser.add_argument("--split", default="test", help="default: %(default)s")
    parser.add_argument(
        "--recipe", action="append", help="of vis/training/config.py; all by default, may be repeated"
    )
    parser.add_argument("--sessions", type=int, help="of each set at most")
    parser.add_argument("--seeds", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--epochs", type=int, default=12, help="default: %(default)s")
    parser.add_argument("--hidden", type=int, default=128, help="units of the LSTM (default: %(default)s)")
    parser.add_argument("--plan-error-ms", type=float, default=30.0, help="default: %(default)s")
    parser.add_argument("--replicates", type=int, default=500, help="of the bootstrap (default: %(default)s)")
    parser.add_argument(
        "--encoder", default="efficientnet-lite0", help="of stills of a data set (default: %(default)s)"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="keep recipes that were trained already")


def run(args: argparse.Namespace) -> int:
    """Exit code 0, 2 for what the user can mend, 130 after Ctrl-C."""
    from foley_synthesis.threads import sleep_while_waiting

    sleep_while_waiting()
    try:
        return _run(args)
    except KeyboardInterrupt:
        print("foley vis: stopped; the same command with --resume goes on", file=sys.stderr)
        return 130
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"foley vis: error: {error}", file=sys.stderr)
        return 2


def _run(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from foley_common.metrics_file import METRICS_FILE, write_metrics
    from foley_perception.audio.cochleagram import Cochleagram
    from foley_synthesis.evaluation.late_plans.run import LatePlanConfig, compare
    from foley_synthesis.evaluation.report import markdown
    from foley_synthesis.vis.training.config import RECIPES

    config = LatePlanConfig(
        recipes=tuple(args.recipe or RECIPES),
        seeds=args.seeds,
        epochs=args.epochs,
        plan_error_s=args.plan_error_ms * 1e-3,
        replicates=args.replicates,
        threads=args.threads,
    )
    columns = (
        TextColumn("{task.description:28}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        features, shape, rate = _open(args, lambda done, total: progress("contacts", done, total))
        tables, metrics = compare(
            features,
            shape,
            Cochleagram(rate),
            config,
            args.out,
            split=args.split,
            resume=args.resume,
            progress=progress,
        )
    write_metrics(args.out, metrics)
    titles = {
        "on_time": "planned contacts, on time",
        "late": f"the same, up to {args.plan_error_ms:g} ms early or late",
    }
    text = []
    for key, table in tables.items():
        text.append(f"## {titles[key]}\n\n{markdown(table)}")
    (args.out / "table.md").write_text("\n".join(text), encoding="utf-8")
    print("\n".join(text))
    chosen = metrics["chosen"]
    for kind in ("regression", "example"):
        figures = "; ".join(f"{name} {value:.2f}" for name, value in chosen[kind]["figures"].items())
        print(f"best {kind} by {chosen['by']}: {chosen[kind]['recipe']} ({figures})")
    print(f"figures in {args.out / METRICS_FILE}, tables in {args.out / 'table.md'}")
    return 0


def _open(
    args: argparse.Namespace, progress: Callable[[int, int], None]
) -> tuple[FeatureSet, ModelConfig, int]:
    """Features, the shape of the model, and the rate of the sound [Hz]."""
    from foley_perception.commands.opened_dataset import open_complete
    from foley_synthesis.vis.config import ModelConfig
    from foley_synthesis.vis.training.features import SAMPLE_RATE, load_features
    from foley_synthesis.vis.training.sessions import BLIND, session_clips
    from foley_synthesis.vision.encoders import load_encoder

    if not (args.data[0] / "manifest.json").is_file():
        shape = ModelConfig(hidden=args.hidden, **BLIND)
        features, rate = session_clips(args.data, shape, limit=args.sessions, progress=progress)
        return features, shape, rate
    if len(args.data) > 1:
        raise ValueError(f"{args.data[0]} is a data set; name one alone")
    encoder = load_encoder(args.encoder, threads=args.threads)
    shape = ModelConfig(
        encoder=args.encoder, encoder_dims=encoder.dims, hidden=args.hidden, decoding="onset"
    )  # aligned sounds are loaded for any recipe
    return load_features(open_complete(args.data[0]), encoder, shape, progress), shape, SAMPLE_RATE
