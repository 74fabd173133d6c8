"""`foley evaluate fusion`: how what was seen and heard adds up, fitted on validation, and what it is worth."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from foley_common.metrics_file import write_metrics


def configure(group: Any) -> None:
    """Arguments of `foley evaluate fusion`, some of which `foley evaluate surprise` takes as well."""
    group.add_argument(
        "--sight", default="shipped", metavar="DIR",
        help="checkpoint that sees; its folder gets fusion.yaml (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--more", action="append", default=[], type=Path, metavar="DIR",
        help="a further data set to fit to; may be given again",
    )  # fmt: skip
    group.add_argument(
        "--test", action="append", default=[], type=Path, metavar="DIR",
        help="a data set to measure on, by its test split; may be given again",
    )  # fmt: skip
    group.add_argument(
        "--taps", action="append", default=[], type=Path, metavar="SET",
        help="sessions of validation scenes (`foley sim sessions --even-taps`) to fit to as well; may be given again",
    )  # fmt: skip
    group.add_argument(
        "--test-taps", action="append", default=[], metavar="SET=NAME",
        help="sessions to measure fused beliefs on after 1, 2, 4 and 8 contacts; may be given again",
    )  # fmt: skip
    group.add_argument(
        "--pictures", type=Path, metavar="FILE",
        help="CSV of what an image model of yours says of objects of the data sets (scene, object, a column for each "
        "material), to fit how much it weighs and from when on its beliefs answer",
    )  # fmt: skip
    group.add_argument(
        "--risk", type=float, default=0.2, help="share of answers that may be wrong (default: %(default)s)"
    )
    group.add_argument(
        "--no-record",
        action="store_true",
        help="write nothing into the checkpoint's folder, into that of --out alone",
    )


def run(args: argparse.Namespace) -> int:
    """Exit code 0. Raises ValueError and OSError for what the user can mend."""
    from rich.console import Console
    from rich.markdown import Markdown
    from rich.progress import Progress

    from foley_perception.commands.opened_dataset import open_complete
    from foley_synthesis.beliefs.fitted import save_fitted
    from foley_synthesis.checkpoint import load_checkpoint
    from foley_synthesis.evaluation.fusion.report import answers, draw_reliability, markdown, parts, taps
    from foley_synthesis.evaluation.fusion.run import FusionRun, fit_fusion
    from foley_synthesis.hearing.inference.opened import hearing_beside

    console, out = Console(), args.out or Path("out/fusion")
    checkpoint = load_checkpoint(args.sight)
    with Progress(console=console, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done, total=total)

        result = fit_fusion(
            hearing_beside(checkpoint, args.hearing, threads=args.threads),
            checkpoint,
            [open_complete(path) for path in (args.dataset, *args.more)],
            [open_complete(path) for path in args.test],
            FusionRun(args.risk, replicates=args.replicates, seed=args.seed, threads=args.threads),
            progress,
            keep=out / "kept",
            taps=args.taps,
            test_taps=_named(args.test_taps),
            pictures=args.pictures,
        )
    out.mkdir(parents=True, exist_ok=True)
    write_metrics(out, result.to_dict())
    save_fitted(result.fitted, out if args.no_record else checkpoint.path)
    text = answers(result.fitted)
    for split, figures in (("validation", result.validation), ("test", result.test)):
        if figures:
            text += f"\n{split}\n\n{markdown(figures)}"
    if result.taps:
        text += f"\ntaps\n\n{taps(result.taps)}\nparts\n\n{parts(result.parts)}"
        draw_reliability(result.taps, out / "reliability.png")
    (out / "table.md").write_text(text, "utf-8")
    config = result.fitted.config
    console.print(
        f"heard {config.heard_weight:.2f}, seen {config.sight_weight:.2f}, correlation {config.heard_correlation:.2f} "
        f"between places and {config.place_correlation:.2f} within, temperature {config.temperature:.2f}, parts from "
        f"{config.split_above:.2f} nat on"
    )
    console.print(Markdown(text))
    console.print(f"figures in {out / 'metrics.json'}")
    return 0


def _named(given: list[str]) -> dict[str, Path]:
    """Raises ValueError for what is no SET=NAME."""
    found = {}
    for text in given:
        folder, mark, name = text.rpartition("=")
        if not mark or not folder or not name:
            raise ValueError(f"--test-taps is `{text}`, must be SET=NAME, such as out/sets/taps=tabletop")
        found[name] = Path(folder)
    return found
