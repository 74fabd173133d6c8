"""`foley evaluate hearing`: models of hearing on real recordings, on what is no contact, and on simulated contacts."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from foley_common.metrics_file import write_metrics

AS_IT_WAS = "as it was"


def configure(group: Any) -> None:
    """Arguments that only `foley evaluate hearing` takes."""
    group.add_argument(
        "--real", type=Path, metavar="DIR",
        help="recordings, with labels.csv of columns file, material, source_package, action",
    )  # fmt: skip
    group.add_argument(
        "--model", action="append", default=[], metavar="[NAME=]DIR",
        help="a model of hearing or a checkpoint, by its folder or its name among those that ship; may be given again "
        "(default: `hearing`, where it ships). The shipped checkpoint's heard part is always there, `as it was`",
    )  # fmt: skip
    group.add_argument(
        "--sets", action="append", default=[], metavar="DIR=NAME",
        help="sessions of scenes that no model was trained in (`foley sim sessions`); may be given again",
    )  # fmt: skip
    group.add_argument(
        "--train",
        type=Path,
        metavar="SET",
        help="the generated set that models of hearing were trained with, or one like it: how often it has each "
        "material is taken out of what they say, and MFCC with a support vector machine learns from it",
    )
    group.add_argument(
        "--validation", action="append", default=[], metavar="SET=NAME",
        help="a generated set that no model was trained on; may be given again",
    )  # fmt: skip
    group.add_argument("--draws", type=int, default=20, help="of labelled taps (default: %(default)s)")
    group.add_argument(
        "--no-contacts", type=int, default=30, metavar="N",
        help="made sounds of each kind that is no contact (default: %(default)s)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Exit code 0. Raises ValueError and OSError for what the user can mend."""
    import torch
    from rich.console import Console
    from rich.markdown import Markdown

    from foley_synthesis.checkpoint import default_path
    from foley_synthesis.commands.training_bars import Bars
    from foley_synthesis.evaluation.hearing.report import draw, markdown
    from foley_synthesis.evaluation.hearing.run import HearingTable, HearingTableConfig
    from foley_synthesis.hearing.inference.opened import open_heard

    if args.real is None:
        raise ValueError("--real is not given: which recordings? `foley evaluate --help` has an example")
    torch.set_num_threads(args.threads)
    out: Path = args.out or Path("out/hearing")
    config = HearingTableConfig(
        replicates=args.replicates, seed=args.seed, draws=args.draws, no_contacts=args.no_contacts
    )
    named: dict[str, str | Path] = {AS_IT_WAS: default_path(), **dict(_models(args.model))}
    models = {name: open_heard(path, threads=args.threads) for name, path in named.items()}
    begun = time.monotonic()
    with Bars() as bars:
        table = HearingTable(models, out / "kept", config, bars.count)
        found = table.measure(
            args.real, sessions=_named("--sets", args.sets), train=args.train,
            validation=_named("--validation", args.validation),
        )  # fmt: skip
    ids = {name: model.model_id for name, model in models.items()}
    figures = found.to_dict() | {
        "models": ids,
        "domains": {name: model.domain for name, model in models.items()},
        "given": {"sets": args.sets, "validation": args.validation, "train": args.train, "seed": args.seed},
        "total_seconds": round(time.monotonic() - begun, 1),
    }
    write_metrics(out, figures)
    text = markdown(found, ids)
    (out / "table.md").write_text(text, "utf-8")
    pictures = draw(found, ids, out)
    Console().print(Markdown(text)) if Console().is_terminal else print(text)
    print(f"{out}/metrics.json, table.md, {', '.join(pictures)}; {figures['total_seconds']:.0f} s")
    return 0


def _models(texts: list[str]) -> list[tuple[str, str]]:
    """Name and folder of each. Raises ValueError where two have one name."""
    from foley_synthesis.checkpoint import shipped

    if not texts and "hearing" in shipped():
        texts = ["hearing"]
    found = []
    for text in texts:
        name, equals, path = text.partition("=")
        found.append((name, path) if equals else (Path(text).name, text))
    names = [AS_IT_WAS, *(name for name, _ in found)]
    if len(set(names)) < len(names):
        raise ValueError(f"--model names are {', '.join(names)}: every one must be there once")
    return found


def _named(option: str, texts: list[str]) -> dict[str, Path]:
    """Name -> folder; a folder alone is called by its own name. Raises ValueError where two have one name."""
    found: dict[str, Path] = {}
    for text in texts:
        path, _, name = text.partition("=")
        name = name or Path(path).name
        if name in found:
            raise ValueError(f"{option} has two sets of the name `{name}`; give one as DIR=NAME")
        found[name] = Path(path)
    return found
