"""`foley train`: a dataset in, a checkpoint out; `foley train hearing`: generated contacts in, a hearing model out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foley_perception.dataset.reader import ClipDataset
    from foley_synthesis.vis.training.config import TrainConfig

from foley_synthesis.commands import train_hearing

HELP = "train the sound and material models on a dataset, or the hearing model on generated contacts"
DEFAULT_RECIPE = "paper"
_EXEMPLARS, _ENCODER = 240, "efficientnet-lite0"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    ways = (
        "DATASET --out DIR [options]",
        "--shards DIR --out DIR [options]",
        "hearing SET --validation SET --out DIR [options]",
    )
    parser.usage = "\n       ".join(f"%(prog)s {way}" for way in ways)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  foley train out/dataset --out out/checkpoint\n"
        "  foley train out/dataset --out out/checkpoint --minutes 20 --seed 1\n"
        "  foley train out/dataset --out out/checkpoint --resume     go on after Ctrl-C\n"
        "  foley train out/dataset --out out/sanity --shuffle-labels  must stay at chance\n"
        "  foley train --shards out/shards --out out/checkpoint       stream from an export's shards\n"
        "  torchrun --nproc-per-node 2 -m foley_bringup train --shards out/shards --out out/checkpoint --epochs 40\n"
        "                                                             in several processes, of one machine or more\n"
        + train_hearing.EXAMPLES
    )
    parser.add_argument(
        "dataset",
        nargs="*",
        metavar="DATASET",
        help="folder written by `foley dataset build`; or the word `hearing` and a folder of `foley sim hearing`",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="checkpoint folder; an existing checkpoint is replaced"
    )
    parser.add_argument(
        "--minutes", type=float, default=None, help="time budget, features included (default 4; of hearing 30, "
        "features not included)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2, help="of torch and ONNX Runtime (default 2)")
    parser.add_argument(
        "--resume", action="store_true", help="go on where an interrupted training into --out stopped"
    )
    group = parser.add_argument_group("of `foley train DATASET`")
    group.add_argument(
        "--epochs", type=int, default=None, help="instead of a time budget: reproducible to the bit"
    )
    group.add_argument(
        "--shards",
        metavar="DIR|URLS",
        help="in place of DATASET: what `foley dataset export --format webdataset` wrote; a folder, paths or http(s) "
        "URLs such as 'https://host/train-{000000..000041}.tar https://host/validation-{000000..000008}.tar'",
    )
    group.add_argument(
        "--shuffle-labels", action="store_true", help="permute the training labels: a sanity check"
    )
    group.add_argument(
        "--recipe",
        help="how the sound is learned: a recipe of vis/training/config.py, or a metrics.json of `foley vis`, whose "
        f"choice on validation is taken (default: {DEFAULT_RECIPE})",
    )
    group.add_argument(
        "--exemplars", type=int, help=f"real sounds kept for synthesis, at most (default: {_EXEMPLARS})"
    )
    group.add_argument(
        "--encoder",
        help=f"vision encoder: {_ENCODER} (the default), `alexnet`, `clip` (weights supplied by you) or `colour` "
        "(without weights)",
    )
    train_hearing.configure(parser)


def run(args: argparse.Namespace) -> int:
    """Exit code 0, 2 for what the user can mend, 130 after Ctrl-C."""
    if args.dataset[:1] == [train_hearing.WORD]:
        return train_hearing.run(args)
    from foley_synthesis.threads import sleep_while_waiting

    sleep_while_waiting()
    from rich.console import Console

    from foley_common.metrics_file import METRICS_FILE
    from foley_perception.commands.opened_dataset import open_complete
    from foley_perception.dataset.reader import DatasetError
    from foley_synthesis.checkpoint import MANIFEST_FILE
    from foley_synthesis.training import processes
    from foley_synthesis.training.state import Interrupted
    from foley_synthesis.vis.training.build import UntrainableDataset, build_checkpoint
    from foley_synthesis.vis.training.config import TrainConfig, recipe_of
    from foley_synthesis.vis.training.sharded import build_from_shards

    console = Console(quiet=processes.quiet())
    try:
        if len(args.dataset) > 1:
            raise ValueError("it takes one dataset; to train on several, build one of all their bags")
        if len(args.dataset) == bool(args.shards):
            raise ValueError("name a DATASET or --shards, one of them")
        if foreign := train_hearing.given(args):
            raise ValueError(f"{foreign[0]} is for `foley train hearing SET`")
        if args.out.exists() and any(args.out.iterdir()) and not (args.out / MANIFEST_FILE).is_file():
            raise ValueError(f"--out {args.out} is not empty and holds no checkpoint; name another folder")
        minutes = args.minutes if args.minutes is not None or args.epochs is not None else 4.0
        recipe = recipe_of(args.recipe or DEFAULT_RECIPE)
        config = TrainConfig(
            minutes=minutes,
            epochs=args.epochs,
            seed=args.seed,
            threads=args.threads,
            exemplars=_EXEMPLARS if args.exemplars is None else args.exemplars,
            shuffle_labels=args.shuffle_labels,
            **recipe.training(),
        )
        dataset = None if args.shards else open_complete(Path(args.dataset[0]))
        with _bars(console) as report:
            how: dict[str, Any] = {
                "encoder_name": args.encoder or _ENCODER,
                "resume": args.resume,
                "report": report,
                "model": recipe.model(),
            }
            model_id, metrics = (
                build_from_shards(args.shards, args.out, config, **how)
                if dataset is None
                else build_checkpoint(dataset, args.out, config, **how)
            )
    except (DatasetError, UntrainableDataset, ValueError, OSError) as error:
        print(f"foley train: error: {error}", file=sys.stderr)
        return 2
    except Interrupted as stop:
        print(f"foley train: {stop}; the same command with --resume goes on", file=sys.stderr)
        return 130
    if not model_id:
        return 0  # the first process has written and tells
    accuracy = metrics["validation_balanced_accuracy"]
    console.print(
        f"{metrics['clips']['train']} clips, {metrics['epochs']} epochs, {metrics['seconds']['total']:.0f} s "
        f"({metrics['seconds']['features']:.0f} s features)"
    )
    shown = ", ".join(f"{mode} {value:.3f}" for mode, value in accuracy.items() if value is not None)
    console.print(f"balanced accuracy on {metrics['selected_on']}: {shown} (chance {metrics['chance']:.3f})")
    console.print(f"checkpoint {args.out}, model id {model_id}")
    console.print(
        "fused beliefs of it abstain until `foley evaluate fusion` fits them to a data set"
        if dataset is None
        else _fuse(dataset, args.out, config)
    )
    console.print(f"figures in {args.out / METRICS_FILE}; `foley evaluate` measures on the test split")
    return 0


def _fuse(dataset: ClipDataset, out: Path, config: TrainConfig) -> str:
    """How what the new model sees and hears adds up; what there is to say of it."""
    from foley_synthesis.beliefs.fitted import save_fitted
    from foley_synthesis.checkpoint import load_checkpoint
    from foley_synthesis.evaluation.fusion.run import FusionRun, fit_fusion
    from foley_synthesis.hearing.inference.opened import hearing_beside

    checkpoint = load_checkpoint(out)
    settings = FusionRun(seed=config.seed, threads=config.threads, replicates=0)
    try:
        hears = hearing_beside(checkpoint, threads=config.threads)
        fitted = fit_fusion(hears, checkpoint, [dataset], config=settings).fitted
    except ValueError as error:
        return f"fused beliefs of it abstain: {error}; `foley evaluate fusion` fits them to another data set"
    save_fitted(fitted, out)
    answers = sum(rule.answers for rule in fitted.config.answers or ())
    return (
        f"fused beliefs answer on {answers} of {len(fitted.config.answers or ())} kinds of evidence with a risk of "
        f"{fitted.target_risk:.0%} at most; `foley evaluate fusion` says more, from more data"
    )


class _bars:
    """Two progress bars, fed by the stages of the build."""

    def __init__(self, console: object) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("{task.description:9}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[figures]}"),
            console=console,  # type: ignore[arg-type]
        )
        self._tasks: dict[str, int] = {}

    def __enter__(self) -> _bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, stage: str, done: float, figures: dict[str, float]) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = int(self._progress.add_task(stage, total=1.0, figures=""))
        shown = " ".join(
            f"{label} {figures[name]:.2f}"
            for name, label in (
                ("train_sound", "sound"),
                ("accuracy_predicted", "planned"),
                ("accuracy_heard", "heard"),
            )
            if name in figures
        )
        update = {"figures": shown} if "accuracy_heard" in figures else {}
        self._progress.update(self._tasks[stage], completed=done, **update)  # type: ignore[arg-type]
