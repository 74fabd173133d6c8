"""`foley evaluate`: honest figures of a checkpoint on held-out contacts."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from foley_common.metrics_file import write_metrics
from foley_synthesis.commands import evaluate_contacts, evaluate_fusion, evaluate_hearing, evaluate_surprise
from foley_synthesis.hearing.inference.opened import DEFAULT_HEARING, HEARD_PART

HELP = "measure a checkpoint on held-out contacts, or hearing on real recordings, beside simple methods"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  foley evaluate out/checkpoint out/dataset\n"
        "  foley evaluate out/checkpoint out/dataset --require-above-chance\n"
        "  foley evaluate shipped out/dataset --out out/evaluate-shipped\n"
        "  foley evaluate fusion out/validation --test out/dataset        # how sight and hearing add up\n"
        "  foley evaluate surprise out/validation --test out/dataset      # what a contact may differ by\n"
        "  foley evaluate contacts out/validation --test out/dataset      # what a further contact is worth\n"
        "  foley evaluate hearing --real recordings --sets out/sets/test=FoleySim-1 --train out/hearing_train\n"
    )
    parser.add_argument(
        "checkpoint",
        help="checkpoint folder, or `shipped` for the one in the package; `hearing` alone: models of hearing on real "
        "recordings and simulated contacts; `fusion`: fit how sight and hearing add up to the validation "
        "split of a data set; `surprise`: fit what a contact may differ by from what was expected of it to the "
        "validation split, and measure false alarms and power; `contacts`: what hearing says of contacts with known "
        "things, so that a further contact can be weighed, from the validation split",
    )
    parser.add_argument("dataset", type=Path, nargs="?", help="folder written by `foley dataset build`")
    parser.add_argument(
        "--hearing",
        default="",
        metavar="NAME|DIR",
        help="what is measured as `heard` (and for `foley evaluate fusion` what hears): a hearing model; "
        f"`{HEARD_PART}`: the heard part of the checkpoint (default: {DEFAULT_HEARING})",
    )
    parser.add_argument("--split", default="test", choices=("train", "validation", "test"))
    parser.add_argument(
        "--out",
        type=Path,
        help="for metrics.json, tables and pictures (default: out/evaluate; out/hearing, out/fusion, out/surprise, "
        "out/contacts)",
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
    evaluate_hearing.configure(parser.add_argument_group("for `foley evaluate hearing`"))
    evaluate_fusion.configure(
        parser.add_argument_group("for `foley evaluate fusion`, `surprise` and `contacts`")
    )
    evaluate_surprise.configure(parser.add_argument_group("for `foley evaluate surprise`"))


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
    try:
        if args.dataset is None:
            if args.checkpoint == "hearing":
                return evaluate_hearing.run(args)
            raise ValueError("which dataset? `foley evaluate --help` has examples")
        if args.checkpoint == "surprise":
            return evaluate_surprise.run(args)
        if args.checkpoint == "contacts":
            return evaluate_contacts.run(args)
        return evaluate_fusion.run(args) if args.checkpoint == "fusion" else _of_dataset(args)
    except (ValueError, OSError) as error:  # CorruptCheckpoint and DatasetError are of these
        print(f"foley evaluate: error: {error}", file=sys.stderr)
        return 2


def _of_dataset(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import Progress

    from foley_perception.commands.opened_dataset import open_complete
    from foley_synthesis.checkpoint import load_checkpoint
    from foley_synthesis.evaluation.checkpoint.evaluate import evaluate
    from foley_synthesis.evaluation.checkpoint.report import save_confusion, tables
    from foley_synthesis.hearing.inference.opened import hearing_beside

    console, out = Console(), args.out or Path("out/evaluate")
    _check_kind(args.checkpoint)
    checkpoint = load_checkpoint(args.checkpoint)
    dataset = open_complete(args.dataset)
    hearing = hearing_beside(checkpoint, args.hearing, threads=args.threads)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("features", total=len(dataset.clips))
        evaluation = evaluate(
            checkpoint,
            dataset,
            hearing=None if hearing.model_id == checkpoint.model_id else hearing,
            split=args.split,
            threads=args.threads,
            replicates=args.replicates,
            seed=args.seed,
            progress=lambda done, _: bar.update(task, completed=done),
        )
    out.mkdir(parents=True, exist_ok=True)
    metrics = {
        "checkpoint_sha256": checkpoint.model_id,
        "hearing_sha256": hearing.model_id,
        "dataset_fingerprint": dataset.fingerprint,
        "split": args.split,
        **evaluation.to_dict(),
    }
    write_metrics(out, metrics)
    save_confusion(evaluation, out / "confusion.png")
    if args.record:
        write_metrics(checkpoint.path, {**checkpoint.metrics, "evaluation": metrics})
    console.print(
        f"{metrics['contacts']} contacts with {metrics['objects']} objects in {metrics['scenes']} scenes, "
        f"split `{args.split}`; model {checkpoint.model_id[:12]}"
        + (f", hearing {hearing.model_id[:12]}" if hearing.model_id != checkpoint.model_id else "")
    )
    for table in tables(evaluation):
        console.print(table)
    for note in evaluation.notes:
        console.print(f"note: {note}")
    console.print(f"figures in {out / 'metrics.json'}")
    if args.require_above_chance and not evaluation.above_chance():
        print("foley evaluate: heard or planned accuracy is not above chance", file=sys.stderr)
        return 1
    return 0
