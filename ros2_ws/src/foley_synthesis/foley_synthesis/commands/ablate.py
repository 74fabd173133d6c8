"""`foley ablate`: the ablation table of Visually Indicated Sounds, from a dataset by one command."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from foley_common.metrics_file import write_metrics

HELP = "train the sound model without its parts, match by image, and say what each is worth"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  foley ablate out/foleysim-1-mini/dataset --judge out/foleysim-b/dataset\n"
        "  foley ablate out/dataset --seeds 1 --epochs 5        # a quick look\n\n"
        "Methods see pictures only, as in the paper, but for `with action`, which also sees the measured motion."
    )
    parser.add_argument("dataset", type=Path, help="folder written by `foley dataset build`")
    parser.add_argument(
        "--judge", type=Path, metavar="DIR", help="dataset of another generator, all of it judged"
    )
    parser.add_argument(
        "--seeds", type=int, default=5, metavar="N", help="trainings of every variant (default: 5)"
    )
    parser.add_argument("--epochs", type=int, default=40, metavar="N", help="of every training (default: 40)")
    parser.add_argument(
        "--frozen",
        action="store_true",
        help="leave out the methods that train through the image network (half the time)",
    )
    parser.add_argument(
        "--tuned-epochs", type=int, default=5, metavar="N", help="of fine-tuning (default: 5)"
    )
    parser.add_argument(
        "--scratch-epochs", type=int, default=15, metavar="N", help="from scratch (default: 15)"
    )
    parser.add_argument(
        "--encoder",
        default="efficientnet-lite0",
        help="of the frozen ones (default: %(default)s); another one, such as `alexnet` or `clip`, implies --frozen",
    )
    parser.add_argument("--replicates", type=int, default=500, help="of the bootstrap (default: 500)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--out", type=Path, default=Path("out/ablate"), metavar="DIR", help="metrics.json, table.md, pictures"
    )


def run(args: argparse.Namespace) -> int:
    """Exit code 0; 2 for what the user can mend."""

    from rich.console import Console
    from rich.progress import Progress

    from foley_perception.commands.opened_dataset import open_complete
    from foley_perception.dataset.reader import DatasetError
    from foley_synthesis.evaluation.ablation.pictures import draw_confusion
    from foley_synthesis.evaluation.ablation.run import ablate
    from foley_synthesis.evaluation.ablation.table import markdown, orderings

    try:
        if args.seeds < 1:
            raise ValueError(f"--seeds is {args.seeds}, must be at least 1")
        with Progress(console=Console(stderr=True)) as bar:
            tasks: dict[str, object] = {}

            def progress(stage: str, done: int, total: int) -> None:
                if stage not in tasks:
                    tasks[stage] = bar.add_task(stage, total=total)
                bar.update(tasks[stage], completed=done)  # type: ignore[arg-type]

            tables = ablate(
                open_complete(args.dataset),
                None if args.judge is None else open_complete(args.judge),
                seeds=args.seeds,
                epochs=args.epochs,
                encoder_name=args.encoder,
                end_to_end=not args.frozen,
                tuned_epochs=args.tuned_epochs,
                scratch_epochs=args.scratch_epochs,
                replicates=args.replicates,
                threads=args.threads,
                progress=progress,
            )
        args.out.mkdir(parents=True, exist_ok=True)
        metrics = {
            "seeds": args.seeds,
            "epochs": args.epochs,
            "sets": {name: table.to_dict(seeds=True) for name, table in tables.items()},
            "orderings": {name: orderings(table) for name, table in tables.items()},
        }
        write_metrics(args.out, metrics)
        text = markdown(tables)
        (args.out / "table.md").write_text(text, "utf-8")
        for name, table in tables.items():
            draw_confusion(table, args.out / f"confusion_{name}.png")
    except (DatasetError, ValueError, OSError) as error:
        print(f"foley ablate: error: {error}", file=sys.stderr)
        return 2
    print(text)
    return 0
