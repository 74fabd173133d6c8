"""`foley flow ship`: a trained flow of contacts as somebody is given it, with its card, and its sight within it."""

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
    ship.add_argument(
        "--sight", type=Path, metavar="DIR",
        help="also ship this sight, whose views it was trained with: a compact copy within its folder (default: the "
        "one that is there already)",
    )  # fmt: skip
    ship.add_argument(
        "--sight-members", type=int, default=2, metavar="N", help="of the copy at most (default: %(default)s)"
    )
    ship.add_argument(
        "--table", type=Path, metavar="DIR", help="folder of `foley flow table`, whose figures go on the card"
    )
    ship.add_argument(
        "--commands", type=Path, metavar="FILE", help="a line for each command that made it, for the card"
    )
    ship.add_argument("--release", default="1", help="of the card (default: %(default)s)")
    ship.add_argument("--to", type=Path, required=True, metavar="DIR", help="for the folder contact_flow")


def run(args: argparse.Namespace) -> int:
    """Exit code 0; errors are raised."""
    from foley_synthesis.checkpoint import MANIFEST_FILE, MODEL_FILE, located, sha256_of
    from foley_synthesis.flow.contact.card import card
    from foley_synthesis.flow.contact.model import load_model

    model = load_model(args.flow)
    source, target = located(args.flow), args.to / "contact_flow"
    own = sum((source / name).stat().st_size for name in _names())
    if own > MOST_BYTES:
        raise ValueError(f"{args.flow} has {own / 1e6:.0f} MB, what ships may have {MOST_BYTES / 1e6:.0f}")
    sight = _sight(args, source, model)
    way = model.sampling
    about = {
        "version": f"{args.release}, of Foley {_version()}",
        "model id": f"`{model.model_id}`, the sha256 of {MANIFEST_FILE}",
        f"sha256 of {MODEL_FILE}": f"`{sha256_of(source / MODEL_FILE)}`",
        "size": f"{own / 1e6:.1f} MB: field and codec in half precision",
        "sound": f"{model.codec.config.rate} Hz, one channel",
        "sampling": f"{way.steps} steps of {way.method}, guidance {way.guidance:g}, temperature {way.temperature:g}",
    }
    if sight is not None:
        about["sight within"] = (
            f"a copy of {len(sight.members)} of its networks, matrices in 8 bits, for the encoder "
            f"`{sight.facts['encoder']['name']}`, which is not within"
        )
    page = card(
        model.facts,
        _json(source),
        title="A contact flow",
        about=about,
        table=None if args.table is None else _table(args.table),
        commands=() if args.commands is None else args.commands.read_text("utf-8").splitlines(),
        before=_card_before((source, target), model.model_id),
    )
    size = _copied(source, target, page, sight)
    print(f"{target}, {size / 1e6:.1f} MB")
    print(f"{target / CARD_FILE} says what it is, model id {model.model_id}")
    return 0


def _sight(args: argparse.Namespace, source: Path, model: Any) -> Any:
    """What is to lie within what ships; None where nobody has any.

    Raises:
        ValueError: the flow was trained with the views of another one.
    """
    from foley_synthesis.flow.sight.model_file import compact, load_sight, sight_within

    folder = args.sight or sight_within(source)
    if folder is None:
        return None
    sight = load_sight(sight_within(folder) or folder if args.sight else folder)
    if model.sight_id not in ("", sight.features_id):
        raise ValueError(
            f"{args.flow} was trained with the views of another sight than {folder}; name that one, or none"
        )
    if args.sight_members < 1:
        raise ValueError(f"--sight-members is {args.sight_members}, must be at least 1")
    return compact(sight, min(args.sight_members, len(sight.members)))


def _card_before(folders: tuple[Path, ...], model_id: str) -> str:
    """The card of this very model that lies in one of the folders; empty where none does."""
    for folder in folders:
        file = folder / CARD_FILE
        if file.is_file() and f"`{model_id}`" in (page := file.read_text("utf-8")):
            return page
    return ""


def _copied(source: Path, target: Path, page: str, sight: Any) -> int:
    """The files of a model, its card and its sight; bytes of all.

    Raises:
        ValueError: they are too many, or the target holds something else.
    """
    import shutil

    from foley_synthesis.checkpoint import staged
    from foley_synthesis.flow.sight.model_file import WITHIN, save_sight

    if target.exists():
        if source.resolve().is_relative_to(target.resolve()):
            raise ValueError(f"{source} lies there already, name another folder with --to")
        known = (*_names(), CARD_FILE, WITHIN)
        if other := sorted(file.name for file in target.iterdir() if file.name not in known):
            raise ValueError(
                f"{target} holds {other[0]}, which is no file of a model; name another folder with --to"
            )
    with staged(target) as staging:
        for name in _names():
            shutil.copyfile(source / name, staging / name)
        (staging / CARD_FILE).write_text(page, "utf-8")
        if sight is not None:
            save_sight(sight, staging / WITHIN, {})
        size = _bytes(staging)
        if size > MOST_BYTES:
            raise ValueError(
                f"{source} would ship with {size / 1e6:.1f} MB, what ships may have {MOST_BYTES / 1e6:.0f}; ship a "
                "smaller size, or less sight (--sight-members)"
            )
    return size


def _names() -> tuple[str, ...]:
    from foley_common.metrics_file import METRICS_FILE
    from foley_synthesis.checkpoint import CONFIG_FILE, MANIFEST_FILE, MODEL_FILE

    return MODEL_FILE, CONFIG_FILE, MANIFEST_FILE, METRICS_FILE


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _table(folder: Path) -> Any:
    """Figures of a table.

    Raises:
        ValueError: there are none, or not those of a table.
    """
    from foley_common.metrics_file import METRICS_FILE

    cure = "name the folder that `foley flow table --out` wrote"
    try:
        found = _json(folder)
    except FileNotFoundError:
        raise ValueError(f"--table is {folder}, which has no {METRICS_FILE}; {cure}") from None
    except (OSError, ValueError) as error:
        raise ValueError(
            f"--table is {folder}, whose {METRICS_FILE} is not readable ({error}); {cure}"
        ) from error
    needed = ("test", "windows", "scenes", "touches", "draws", "methods")
    if missing := [name for name in needed if not isinstance(found, dict) or name not in found]:
        raise ValueError(
            f"--table is {folder}, whose {METRICS_FILE} lacks `{missing[0]}` and is none of a table; {cure}"
        )
    return found


def _json(folder: Path) -> Any:
    from foley_common.metrics_file import METRICS_FILE

    return json.loads((folder / METRICS_FILE).read_text("utf-8"))


def _version() -> str:
    import importlib.metadata

    return importlib.metadata.version("foley_synthesis")
