"""`foley probe`: what simple classifiers learn from a dataset, and whether they can learn it the wrong way."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from foley_common.metrics_file import write_metrics

HELP = "ask what sight, sound and both tell of a dataset, and test it for shortcuts"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  foley probe out/dataset\n"
        "  foley probe out/dataset --judge out/judge --target action\n"
        "  foley probe out/dataset --shortcuts --require"
    )
    parser.add_argument("dataset", type=Path, help="folder written by `foley dataset build`")
    parser.add_argument(
        "--judge",
        type=Path,
        action="append",
        default=[],
        help="dataset of another world, only asked; repeatable",
    )
    parser.add_argument(
        "--views", type=Path, metavar="DIR", help="rendered views (`foley scene views`) are asked as well"
    )
    parser.add_argument("--target", default="material", help="material, action or reaction")
    parser.add_argument(
        "--splits", nargs="+", default=["test", "test_seen"], help="asked where the dataset has them"
    )
    parser.add_argument("--shortcuts", action="store_true", help="test what must not tell the target")
    parser.add_argument("--require", action="store_true", help="exit 1 where a shortcut works")
    parser.add_argument("--seeds", type=int, default=5, help="fits, each on its own draw of the training set")
    parser.add_argument("--replicates", type=int, default=1000, help="of the bootstrap")
    parser.add_argument("--encoder", default="efficientnet-lite0", help="efficientnet-lite0 or colour")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("out/probe"), help="for figures and pictures")


def run(args: argparse.Namespace) -> int:
    """Exit code 0; 1 where a shortcut works and none may; 2 for what the user can mend."""
    from rich.console import Console
    from rich.markdown import Markdown
    from rich.progress import Progress

    from foley_perception.commands.opened_dataset import open_complete
    from foley_perception.dataset.reader import DatasetError
    from foley_synthesis.evaluation.probes.probe import probe
    from foley_synthesis.evaluation.probes.report import markdown, save_bars, save_confusions
    from foley_synthesis.vision.encoders import load_encoder

    if args.require and not args.shortcuts:
        print("foley probe: error: --require belongs to --shortcuts: give both", file=sys.stderr)
        return 2
    console = Console()
    try:
        dataset, judges = open_complete(args.dataset), [open_complete(path) for path in args.judge]
        with Progress(console=console, transient=True) as bar:
            task = bar.add_task("inputs")
            result = probe(
                dataset,
                load_encoder(args.encoder, threads=args.threads),
                judges=judges,
                target=args.target,
                splits=args.splits,
                shortcuts=args.shortcuts,
                views=args.views,
                seeds=args.seeds,
                replicates=args.replicates,
                progress=lambda name, done, of: bar.update(
                    task, completed=done, total=of, description=f"inputs of {name}"
                ),
            )
        args.out.mkdir(parents=True, exist_ok=True)
        metrics = {
            "dataset_fingerprint": dataset.fingerprint,
            "judge_fingerprints": [judge.fingerprint for judge in judges],
            "encoder": args.encoder,
            **result.to_dict(),
        }
        stem = f"{result.kind}_{result.target}"
        text = markdown(result)
        write_metrics(args.out, metrics)
        (args.out / f"{stem}.md").write_text(text, "utf-8")
        save_bars(result, args.out / f"{stem}.png")
        save_confusions(result, args.out / f"{stem}_confusion.png")
    except (DatasetError, ValueError, OSError) as error:
        print(f"foley probe: error: {error}", file=sys.stderr)
        return 2
    console.print(Markdown(text))
    console.print(
        f"figures in {args.out / 'metrics.json'}, pictures and table in {args.out / stem}.png and .md"
    )
    for failure in result.failures() if args.require else ():
        print(f"foley probe: shortcut works: {failure}", file=sys.stderr)
    return 1 if args.require and result.failures() else 0
