"""`foley flow taps`: taps at places that nobody trained on, and whether a burst is heard in time and as loud."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from foley_common.metrics_file import write_metrics
from foley_synthesis.commands.flow_table import named_folders


def configure(actions: Any) -> None:
    """Arguments."""
    taps = actions.add_parser("taps", help="share of taps with a burst in time, and of the right level")
    taps.add_argument(
        "set", type=Path,
        help="sessions of taps, of `foley sim sessions --split test --sessions 5 --actions tap --out SET`",
    )  # fmt: skip
    taps.add_argument(
        "--model", action="append", default=[], metavar="NAME=DIR",
        help="a flow of contacts or a regression; may be given again",
    )  # fmt: skip
    taps.add_argument(
        "--live", action="append", default=[], metavar="NAME=DIR",
        help="a flow of contacts as the synthesizer has it, chunk by chunk; may be given again",
    )  # fmt: skip
    taps.add_argument(
        "--train",
        type=Path,
        metavar="SET",
        help="sessions of which random sounds are a row (default: no such row)",
    )
    taps.add_argument("--draws", type=int, default=1, help="sounds of each tap (default: %(default)s)")
    taps.add_argument("--seed", type=int, default=0)
    taps.add_argument("--threads", type=int, default=1)
    taps.add_argument("--out", type=Path, default=Path("out/flow_taps"), help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Exit code 0."""
    import torch
    from rich.console import Console
    from rich.progress import Progress

    from foley_synthesis.evaluation import report
    from foley_synthesis.evaluation.measure import measure, weights_of
    from foley_synthesis.evaluation.windows.metrics import LEVEL
    from foley_synthesis.evaluation.windows.models import check_unseen, load_window_model
    from foley_synthesis.evaluation.windows.rows import model_row, random_row, true_rows
    from foley_synthesis.evaluation.windows.sets import read_windows
    from foley_synthesis.evaluation.windows.sounds import window_items
    from foley_synthesis.evaluation.windows.taps import TAP_METRICS, taps_of
    from foley_synthesis.flow.inference.contact_sound import load_live
    from foley_synthesis.flow.inference.streamed_windows import StreamedContactFlow

    for name in ("draws", "threads"):
        if getattr(args, name) < 1:
            raise ValueError(f"--{name} is {getattr(args, name)}, must be at least 1")
    torch.set_num_threads(args.threads)
    models: dict[str, Any] = {n: load_window_model(path) for n, path in named_folders("--model", args.model)}
    live = {n: StreamedContactFlow(load_live(path)) for n, path in named_folders("--live", args.live)}
    if twice := models.keys() & live.keys():
        raise ValueError(f"--model and --live both name `{sorted(twice)[0]}`, name them apart")
    models |= live
    with Progress(console=Console(stderr=True)) as bar:

        def stage(name: str) -> Callable[[int, int], None]:
            task = bar.add_task(name, total=None)
            return lambda done, total: bar.update(task, completed=done, total=total)

        test = read_windows(args.set, views=False, progress=stage("taps"))
        for name, model in models.items():
            check_unseen(name, model, test)
        items = window_items(test, args.seed)
        methods = [*true_rows()[:2], *(model_row(n, [m], args.draws, args.seed) for n, m in models.items())]
        if args.train is not None:
            train = read_windows(
                args.train, "train", most_sessions=40, views=False, progress=stage("training")
            )
            methods.append(random_row(train, len(items), args.draws, args.seed))
        table = measure(
            items,
            methods,
            (*TAP_METRICS, *LEVEL),
            weights_of(items, 500, args.seed),
            progress=stage("sounds"),
        )
    figures = {
        "taps_set": str(args.set),
        "planned_taps": int(sum(len(taps_of(window)) for window in test)),
        "scenes": len({window.scene_id for window in test}),
        "draws": args.draws,
        "models": {name: model.model_id for name, model in models.items()},
        **table.to_dict(),
    }
    args.out.mkdir(parents=True, exist_ok=True)
    write_metrics(args.out, figures)
    text = report.markdown(table)
    (args.out / "table.md").write_text(text, "utf-8")
    report.draw_bars(table, args.out / "bars.png")
    print(f"{figures['planned_taps']} taps in {figures['scenes']} scenes\n\n{text}")
    print(f"{args.out}/metrics.json, table.md and bars.png")
    return 0
