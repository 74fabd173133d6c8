"""`foley flow ship`: a trained flow of contacts as somebody is given it, with its card, and its sight beside it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

MOST_BYTES = 25_000_000
"""Of a flow that ships with the package."""
CARD_FILE = "CARD.md"


def configure(actions: Any) -> None:
    """Arguments."""
    ship = actions.add_parser(
        "ship",
        help="write a trained flow of contacts, with a card of figures, data and licence, to be given away",
    )
    ship.add_argument("flow", type=Path, help="folder written by `foley flow fit` or `reflow`")
    ship.add_argument("--sight", type=Path, metavar="DIR", help="also ship this sight, beside it")
    ship.add_argument(
        "--table", type=Path, metavar="DIR", help="folder of `foley flow table`, whose figures go on the card"
    )
    ship.add_argument(
        "--commands", type=Path, metavar="FILE", help="a line for each command that made it, for the card"
    )
    ship.add_argument("--release", default="1", help="of the card (default: %(default)s)")
    ship.add_argument(
        "--to", type=Path, required=True, metavar="DIR", help="for the folders contact_flow and sight"
    )


def run(args: argparse.Namespace) -> int:
    """Exit code 0; errors are raised."""
    from foley_synthesis.checkpoint import (
        CONFIG_FILE,
        MANIFEST_FILE,
        MODEL_FILE,
        located,
        model_id_of,
        sha256_of,
    )
    from foley_synthesis.flow.contact.card import card
    from foley_synthesis.flow.contact.model import load_model
    from foley_synthesis.flow.sight.model_file import load_sight

    model = load_model(args.flow)
    source = located(args.flow)
    size = sum((source / name).stat().st_size for name in (MODEL_FILE, CONFIG_FILE, MANIFEST_FILE))
    if size > MOST_BYTES:
        raise ValueError(f"{args.flow} has {size / 1e6:.0f} MB, what ships may have {MOST_BYTES / 1e6:.0f}")
    sight = source if args.sight is None else located(args.sight)
    if args.sight is not None:
        load_sight(sight)
        if model.sight_id not in ("", model_id_of(sight)):
            raise ValueError(
                f"{args.flow} was trained with the views of another sight than {args.sight}; name that one, or none"
            )
    way = model.sampling
    about = {
        "version": f"{args.release}, of Foley {_version()}",
        "model id": f"`{model.model_id}`, the sha256 of {MANIFEST_FILE}",
        f"sha256 of {MODEL_FILE}": f"`{sha256_of(source / MODEL_FILE)}`",
        "size": f"{size / 1e6:.1f} MB: field and codec in half precision",
        "sound": f"{model.codec.config.rate} Hz, one channel",
        "sampling": f"{way.steps} steps of {way.method}, guidance {way.guidance:g}, temperature {way.temperature:g}",
    }
    page = card(
        model.facts,
        _json(source),
        title="A contact flow",
        about=about,
        table=None if args.table is None else _json(args.table),
        commands=() if args.commands is None else args.commands.read_text("utf-8").splitlines(),
    )
    told = [_copied(source, args.to / "contact_flow", page)]
    if args.sight is not None:
        told.append(_copied(sight, args.to / "sight", ""))
    for folder, bytes_ in told:
        print(f"{folder}, {bytes_ / 1e6:.1f} MB")
    print(f"{args.to / 'contact_flow' / CARD_FILE} says what it is, model id {model.model_id}")
    return 0


def _copied(source: Path, target: Path, page: str) -> tuple[Path, int]:
    """The files of a model, and its card; where they are now, and their size."""
    import shutil

    from foley_common.metrics_file import METRICS_FILE
    from foley_synthesis.checkpoint import CONFIG_FILE, MANIFEST_FILE, MODEL_FILE, staged

    names = (MODEL_FILE, CONFIG_FILE, MANIFEST_FILE, METRICS_FILE)
    if target.exists():
        if source.resolve().is_relative_to(target.resolve()):
            raise ValueError(f"{source} lies there already, name another folder with --to")
        if other := sorted(file.name for file in target.iterdir() if file.name not in (*names, CARD_FILE)):
            raise ValueError(
                f"{target} holds {other[0]}, which is no file of a model; name another folder with --to"
            )
    with staged(target) as staging:
        for name in names:
            shutil.copyfile(source / name, staging / name)
        if page:
            (staging / CARD_FILE).write_text(page, "utf-8")
    return target, sum(file.stat().st_size for file in target.iterdir())


def _json(folder: Path) -> Any:
    from foley_common.metrics_file import METRICS_FILE

    return json.loads((folder / METRICS_FILE).read_text("utf-8"))


def _version() -> str:
    import importlib.metadata

    return importlib.metadata.version("foley_synthesis")
