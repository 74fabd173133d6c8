"""`foley listen`: what a touched thing is made of, from any sound file; needs no ROS."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foley_synthesis.hearing.inference.sound_file import HeardContact

HELP = "say what the things heard in sound files are made of"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  foley listen knock.wav\n"
        "  foley listen recordings/*.flac --json > heard.json\n"
        "  foley listen knock.wav --checkpoint out/checkpoint"
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="WAV, FLAC, OGG, MP3, ...")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")
    parser.add_argument("--checkpoint", type=Path, default=None, help="default: the one that ships")
    parser.add_argument("--threads", type=int, default=1)


def run(args: argparse.Namespace) -> int:
    """Exit code 0; 2 where a file or the checkpoint cannot be used (the other files are still heard)."""
    from foley_synthesis.threads import sleep_while_waiting

    sleep_while_waiting()
    from foley_perception.audio.sound_file import UnreadableSound
    from foley_synthesis.checkpoint import CorruptCheckpoint
    from foley_synthesis.hearing.inference.heard_model import HeardModel
    from foley_synthesis.hearing.inference.sound_file import listen, read_audible

    try:
        model = HeardModel.load(args.checkpoint, threads=args.threads)
    except CorruptCheckpoint as error:
        print(f"foley listen: error: {error}", file=sys.stderr)
        return 2
    code = 0
    results: list[dict[str, Any]] = []
    for path in args.files:
        try:
            contacts = listen(*read_audible(path), model)
        except UnreadableSound as error:
            print(f"foley listen: error: {error}", file=sys.stderr)
            results.append({"file": str(path), "error": str(error)})
            code = 2
            continue
        results.append({"file": str(path), "contacts": [contact.to_dict() for contact in contacts]})
        if not args.json:
            _show(path, contacts)
    if args.json:
        vocabulary = model.vocabulary
        document = {
            "model_id": model.model_id,
            "model_domain": model.domain,
            "vocabulary": f"{vocabulary.name}@{vocabulary.version}",
            "files": results,
        }
        print(json.dumps(document, indent=2, allow_nan=False))
    elif code == 0:
        print(f"model {model.model_id[:12]}, trained on `{model.domain}` sound")
    return code


def _show(path: Path, contacts: list[HeardContact]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    if not contacts:
        print(f"{_printable(path)}: no contact stands out from what is heard throughout")
        return
    table = Table(title=escape(_printable(path)))
    for column in ("time [s]", "level [dBFS]", "material", "log10 E [Pa]", "rough", "hollow", "note"):
        table.add_column(column, justify="left" if column in ("material", "note") else "right")
    for contact in contacts:
        b = contact.belief
        order = sorted(zip(b.probabilities, b.vocabulary, strict=True), reverse=True)[:3]
        table.add_row(
            f"{contact.time_s:.3f}",
            f"{contact.level_dbfs:.0f}",
            ", ".join(f"{name} {p:.2f}" for p, name in order),
            f"{b.log10_e_mean:.1f} ± {b.log10_e_std:.1f}",
            f"{b.roughness:.2f}",
            f"{b.hollowness:.2f}",
            f"abstains: {b.reason}" if b.abstain else "",
        )
    Console().print(table)


def _printable(path: Path) -> str:
    """A name that a terminal can show, whatever bytes it is made of."""
    return os.fsencode(path).decode("utf-8", "replace")
