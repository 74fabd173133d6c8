"""`foley evaluate`: honest figures of a checkpoint on held-out contacts."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from foley_common.metrics_file import write_metrics

HELP = "measure a checkpoint on held-out contacts, with intervals and simple baselines"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  foley evaluate out/checkpoint out/dataset\n"
        "  foley evaluate out/checkpoint out/dataset --require-above-chance\n"
        "  foley evaluate shipped out/dataset --out out/evaluate-shipped"
    )
    parser.add_argument("checkpoint", help="checkpoint folder, or `shipped` for the one in the package")
    parser.add_argument("dataset", type=Path, help="folder written by `foley dataset build`")
    parser.add_argument("--split", default="test", choices=("train", "validation", "test"))
    parser.add_argument(
        "--out", type=Path, default=Path("out/evaluate"), help="for metrics.json and confusion.png"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--replicates", type=int, default=1000, help="of the bootstrap")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap and of what is random")
    parser.add_argument(
        "--record",
        action="store_true",
        help="store the figures in the checkpoint's own metrics.json as well (its model id does not change)",
    )
    parser.add_argument(
        "--require-above-chance",
        action="store_true",
        help="exit 1 unless the lower ends of heard and planned accuracy are above chance",
    )


_MEASURED_BY = {
    "foley-contact-flow-2": "foley flow table --model NAME=DIR",
    "foley-regression-1": "foley flow table --model NAME=DIR",
    "foley-flow-1": "foley flow score --model NAME=DIR",
    "foley-codec-1": "foley codec score",
    "foley-sight-2": "foley flow sight --score",
}
"""Schema -> what measures a model that says nothing of contacts' materials."""


def _check_kind(name: str) -> None:
    """Raises ValueError where another command measures what is named."""
    from foley_synthesis.checkpoint import CorruptCheckpoint, schema_of

    try:
        schema = schema_of(Path(name))
    except CorruptCheckpoint:
        return  # told where it is read
    if schema in _MEASURED_BY:
        raise ValueError(
            f"checkpoint is {name}, of schema `{schema}`, which has no beliefs about materials; measure it with "
            f"`{_MEASURED_BY[schema]}`, or name one of `foley train`"
        )


def run(args: argparse.Namespace) -> int:
    """Exit code 0; 1 where chance was required to be beaten and was not; 2 for what the user can mend."""
    from foley_synthesis.threads import sleep_while_waiting

    sleep_while_waiting()
    from rich.console import Console
    from rich.progress import Progress

    from foley_perception.commands.opened_dataset import open_complete
    from foley_perception.dataset.reader import DatasetError
    from foley_synthesis.checkpoint import CorruptCheckpoint, load_checkpoint
    from foley_synthesis.evaluation.checkpoint.evaluate import evaluate
    from foley_synthesis.evaluation.checkpoint.report import save_confusion, tables

    console = Console()
    try:
        _check_kind(args.checkpoint)
        checkpoint = load_checkpoint(args.checkpoint)
        dataset = open_complete(args.dataset)
        with Progress(console=console, transient=True) as bar:
            task = bar.add_task("features", total=len(dataset.clips))
            evaluation = evaluate(
                checkpoint,
                dataset,
                split=args.split,
                threads=args.threads,
                replicates=args.replicates,
                seed=args.seed,
                progress=lambda done, _: bar.update(task, completed=done),
            )
        args.out.mkdir(parents=True, exist_ok=True)
        metrics = {
            "checkpoint_sha256": checkpoint.model_id,
            "dataset_fingerprint": dataset.fingerprint,
            "split": args.split,
            **evaluation.to_dict(),
        }
        write_metrics(args.out, metrics)
        save_confusion(evaluation, args.out / "confusion.png")
        if args.record:
            write_metrics(checkpoint.path, {**checkpoint.metrics, "evaluation": metrics})
    except (CorruptCheckpoint, DatasetError, ValueError, OSError) as error:
        print(f"foley evaluate: error: {error}", file=sys.stderr)
        return 2
    console.print(
        f"{metrics['contacts']} contacts with {metrics['objects']} objects in {metrics['scenes']} scenes, "
        f"split `{args.split}`; model {checkpoint.model_id[:12]}"
    )
    for table in tables(evaluation):
        console.print(table)
    for note in evaluation.notes:
        console.print(f"note: {note}")
    console.print(f"figures in {args.out / 'metrics.json'}")
    if args.require_above_chance and not evaluation.above_chance():
        print("foley evaluate: heard or planned accuracy is not above chance", file=sys.stderr)
        return 1
    return 0
