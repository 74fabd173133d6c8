"""`foley listen`: what a touched thing is made of, from sound files or a microphone; needs no ROS."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from foley_synthesis.hearing.listening.files import HeardFile
    from foley_synthesis.hearing.listening.listener import Listener

HELP = "say what the things heard in sound files, or by a microphone, are made of"
_BESIDE = Path()  # the picture of each file beside it


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  foley listen knock.wav                           a table, one row per contact\n"
        "  foley listen knock.wav --plot                    and a picture, knock.wav.heard.png\n"
        "  foley listen recordings --csv heard.csv          every sound file below the folder\n"
        "  foley listen recordings --plot pictures\n"
        "  foley listen recordings/*.flac --json > heard.json\n"
        "  foley listen --live                              the default microphone, until Ctrl-C\n"
        "  foley listen --live list                         which inputs there are\n"
        "  foley listen --live 3 --seconds 60 --csv heard.csv\n"
        "  foley listen knock.wav --checkpoint out/checkpoint\n"
        "\n"
        "A contact is one row, however long it rings. Where the model is not sure enough, the row says `abstains` and\n"
        "why: such a material is not to be acted on. A file that cannot be heard is a row with its error, the others\n"
        "are heard, and the exit code is 2.\n"
        "\n"
        "--live needs PortAudio: `pip install sounddevice`, and on Debian and Ubuntu `sudo apt install libportaudio2`."
    )
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="WAV, FLAC, OGG, MP3, ... or a folder of them"
    )
    parser.add_argument(
        "--json", action="store_true", help="JSON instead of tables; a line per estimate with --live"
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="one row per contact")
    parser.add_argument(
        "--plot",
        nargs="?",
        const=_BESIDE,
        type=Path,
        metavar="DIR",
        help="waveform, spectrogram and beliefs as NAME.heard.png, in this folder or beside each file",
    )
    parser.add_argument(
        "--live",
        nargs="?",
        const="default",
        metavar="DEVICE",
        help="listen to a microphone: its number, part of its name, or `list`",
    )
    parser.add_argument("--seconds", type=float, metavar="S", help="end --live after so long")
    parser.add_argument("--checkpoint", type=Path, default=None, help="default: the one that ships")
    parser.add_argument("--threads", type=int, default=1)


def run(args: argparse.Namespace) -> int:
    """Exit code 0; 2 where a file or the checkpoint cannot be used (the other files are still heard)."""
    from foley_synthesis.threads import sleep_while_waiting

    sleep_while_waiting()
    from foley_synthesis.checkpoint import CorruptCheckpoint
    from foley_synthesis.hearing.inference.opened import open_heard

    if wrong := _misuse(args):
        return _error(wrong)
    if args.live == "list":
        from foley_synthesis.commands.listen_live import list_inputs

        return list_inputs()
    try:
        model = open_heard(args.checkpoint, threads=args.threads)
    except CorruptCheckpoint as error:
        return _error(str(error))
    if args.live is not None:
        from foley_synthesis.commands.listen_live import listen_to_microphone

        return listen_to_microphone(args, model)
    return _listen_to_files(args, model)


def _misuse(args: argparse.Namespace) -> str:
    """What is wrong with the arguments together; empty where nothing is."""
    if args.live is not None:
        if args.files:
            return "--live takes no files; leave one of them out"
        if args.plot is not None:
            return "--live draws nothing; record to a file and plot that"
        if args.seconds is not None and not args.seconds > 0:
            return f"--seconds is {args.seconds:g}, must be positive"
        return ""
    if args.seconds is not None:
        return "--seconds is for --live"
    if args.plot is not None and args.plot.is_file():
        return (
            f"--plot takes a folder and {args.plot} is a file; write `foley listen {args.plot} --plot`, "
            "the files first"
        )
    return "" if args.files else "nothing to listen to; name sound files or a folder, or `--live`"


def _listen_to_files(args: argparse.Namespace, model: Listener) -> int:
    from rich.console import Console
    from rich.progress import Progress

    from foley_synthesis.hearing.listening.files import hear_file, printable, short_names, sound_files
    from foley_synthesis.hearing.listening.table import rich_table, write_csv

    paths = list(dict.fromkeys(sound_files(args.files)))
    names = short_names(paths)
    heard: list[HeardFile] = []
    pictures = 0
    try:
        with Progress(console=Console(stderr=True), transient=True, disable=len(paths) == 1) as bar:
            for path in bar.track(paths, description="listening"):
                file = hear_file(path, model)
                if file.error:
                    bar.console.print(f"foley listen: error: {file.error}", markup=False, soft_wrap=True)
                elif args.plot is not None:
                    _plot(file, args.plot, names[path])
                    pictures += 1
                # An hour of sound that nobody needs any more.
                heard.append(dataclasses.replace(file, samples=np.zeros(0, np.float32)))
        if args.csv is not None:
            write_csv(args.csv, heard, model.vocabulary.labels)
    except OSError as error:
        return _error(f"{error.filename}: cannot be written ({error.strerror})")
    failed = any(file.error for file in heard)
    if args.json:
        vocabulary = model.vocabulary
        document = {
            "model_id": model.model_id,
            "model_domain": model.domain,
            "vocabulary": f"{vocabulary.name}@{vocabulary.version}",
            "files": [file.to_dict() for file in heard],
        }
        print(json.dumps(document, indent=2, allow_nan=False))
        return 2 if failed else 0
    if len(heard) == 1 and not heard[0].contacts:
        if not failed:
            print(f"{printable(heard[0].path)}: no contact stands out from what is heard throughout")
    else:
        console = Console()
        console.print(rich_table(heard, names, console.width))
    if pictures:
        where = "beside each file" if args.plot == _BESIDE else str(args.plot)
        print(f"{pictures} pictures (NAME.heard.png) {where}")
    if not failed:
        print(f"model {model.model_id[:12]}, trained on `{model.domain}` sound")
    return 2 if failed else 0


def _plot(file: HeardFile, folder: Path, name: Path) -> None:
    """Beside the file, or below a folder as the files lie below theirs. Raises OSError."""
    from foley_synthesis.hearing.listening.plot import draw

    target = file.path if folder == _BESIDE else folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    draw(file, target.with_name(f"{target.name}.heard.png"))


def _error(text: str) -> int:
    print(f"foley listen: error: {text}", file=sys.stderr)
    return 2
