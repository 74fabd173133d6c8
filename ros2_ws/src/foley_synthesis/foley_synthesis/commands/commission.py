"""`foley commission`: what hears materials, adapted to this robot, microphone and room, or left as it is."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foley_synthesis.hearing.training.commission import Commissioning, Judged

HELP = "adapt what is heard to this robot, microphone and room, from taps on a few known things"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  foley commission wood metal glass --out my_robot      asks for taps, while the system runs (`foley up`)\n"
        "  foley commission --from taps --out my_robot           of taps/wood/1.wav, taps/glass/1.wav, ...\n"
        "  foley up --set material.hearing=$PWD/my_robot         hears by it\n\n"
        "For each material it asks for some things, and some taps on each; the running system's detector finds them.\n"
        "They are kept in OUT.taps, so that --from OUT.taps goes on from there, and more may be added. Things are\n"
        "held out in turn, a third of each material at a time: the model is adapted to the others and must be better\n"
        "on those, in log loss and not worse in balanced accuracy. Then it is adapted to all and written to OUT.\n"
        "Two things of each of two materials are the least; three of three or more are worth much more.\n\n"
        "exit codes: 0 adapted, 1 the model stays as it is (and why), 2 an error, 130 ended with Ctrl-C"
    )
    parser.add_argument("material", nargs="*", help="materials of which there are things to tap, by name")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the adapted model")
    parser.add_argument(
        "--from", dest="taps", type=Path, metavar="DIR",
        help="recorded taps: a folder for each material, named by it, with a sound file or bag for each thing",
    )  # fmt: skip
    parser.add_argument("--things", type=int, default=3, help="of each material (default: %(default)s)")
    parser.add_argument("--taps-each", type=int, default=4, help="on each thing (default: %(default)s)")
    parser.add_argument(
        "--patience", type=float, default=60.0, help="[s] for the taps on one thing (default: %(default)s)"
    )
    parser.add_argument("--namespace", default="", metavar="NS", help="of the running system")
    parser.add_argument("--channel", type=int, default=0, help="of its microphone (default: %(default)s)")
    parser.add_argument(
        "--model", metavar="NAME|DIR", help="hearing model that is adapted (default: the one that ships)"
    )
    parser.add_argument("--seed", type=int, default=0, help="draws what is held out (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Exit code: see the epilog."""
    from foley_synthesis.threads import sleep_while_waiting

    sleep_while_waiting()
    try:
        _check(args)
        return _adapt(args, _record(args) if args.taps is None else args.taps)
    except KeyboardInterrupt:
        print("foley commission: ended; taps so far are kept, see --from", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError) as error:
        print(f"foley commission: error: {error}", file=sys.stderr)
        return 2


def _check(args: argparse.Namespace) -> None:
    """Raises ValueError."""
    from foley_common.metrics_file import METRICS_FILE
    from foley_synthesis.hearing.inference.adaptation import is_adaptation

    if bool(args.material) == bool(args.taps):
        raise ValueError("name materials to tap, such as `wood metal glass`, or recorded taps with --from")
    if args.material and len(set(args.material)) < 2:
        raise ValueError(f"{args.material[0]} alone: name two materials at least, three or more are better")
    for name, least in (("things", 2), ("taps_each", 1)):
        if getattr(args, name) < least:
            raise ValueError(f"--{name.replace('_', '-')} is {getattr(args, name)}, must be {least} or more")
    if not args.patience > 0.0:
        raise ValueError(f"--patience is {args.patience:g}, must be positive")
    if args.model is not None and is_adaptation(Path(args.model)):
        raise ValueError(
            f"--model {args.model} is an adaptation itself; name the model that it was made from"
        )
    there = args.out.exists() and any(file.name != METRICS_FILE for file in args.out.iterdir())
    if there and not is_adaptation(args.out):
        raise ValueError(f"--out {args.out} is not empty and holds no adaptation; name another folder")


def _record(args: argparse.Namespace) -> Path:
    """Ask for taps; the folder that holds them. Raises RuntimeError where none come."""
    from foley_synthesis.ros.tap_recorder import TapRecorder

    out: Path = args.out
    folder = out.with_name(f"{out.name}.taps")
    with TapRecorder(args.namespace, args.channel) as recorder:
        for material in dict.fromkeys(args.material):
            for thing in range(1, args.things + 1):
                path = folder / material / f"{thing}.wav"
                if path.is_file():
                    print(f"{path}: is there already; delete it to tap that thing again")
                    continue
                print(
                    f"tap thing {thing} of {args.things} made of {material}, {args.taps_each} times at places apart"
                )
                heard = recorder.record(
                    path,
                    args.taps_each,
                    args.patience,
                    lambda n: print(f"  {n} of {args.taps_each}", flush=True),
                )
                if heard < args.taps_each:
                    print(f"  {heard} alone came within {args.patience:g} s; they are kept")
    return folder


def _adapt(args: argparse.Namespace, taps: Path) -> int:
    from foley_common.metrics_file import METRICS_FILE, write_metrics
    from foley_synthesis.commands.training_bars import Bars
    from foley_synthesis.hearing.inference.hearing_model import HearingModel
    from foley_synthesis.hearing.training.commission import commission

    model = HearingModel.load(args.model)
    with Bars() as bars:
        done = commission(
            taps, model, args.out, seed=args.seed, progress=lambda stage, share: bars.share(stage, share, {})
        )
    _print(done)
    args.out.mkdir(parents=True, exist_ok=True)
    write_metrics(args.out, done.to_dict())
    if not done.adopted:
        return 1
    print(f"{args.out}, model id {done.model_id}; figures in {args.out / METRICS_FILE}")
    print(f"use it: foley up --set material.hearing={args.out.resolve()}")
    return 0


def _print(done: Commissioning) -> None:
    from rich.console import Console
    from rich.table import Table

    for note in done.notes:
        print(f"note: {note}")
    for material, (taps, things) in done.materials.items():
        print(f"{material}: {taps} taps in {things} recordings")
    table = Table(box=None, pad_edge=False)
    for name in ("held-out taps", "accuracy", "95 %", "log loss", "answered", "right of those"):
        table.add_column(name, no_wrap=True)
    table.add_row("chance", f"{done.chance:.2f}")
    table.add_row("as it was", *_row(done.before))
    table.add_row("adapted", *_row(done.after))
    Console(markup=False, highlight=False).print(table)
    low, high = done.gain_interval
    print(f"log loss gained: {done.gain:.2f} [{low:.2f}, {high:.2f}]; accuracy is balanced over materials")
    print(done.reason)
    if done.record_next:
        print(f"next: {done.record_next}")


def _row(judged: Judged) -> tuple[str, ...]:
    import math

    low, high = judged.accuracy_interval
    right = "" if math.isnan(judged.right_of_answered) else f"{judged.right_of_answered:.2f}"
    return (
        f"{judged.accuracy:.2f}",
        f"[{low:.2f}, {high:.2f}]",
        f"{judged.log_loss:.2f}",
        f"{judged.answered:.2f}",
        right,
    )
