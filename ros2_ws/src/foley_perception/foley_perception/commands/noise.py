"""`foley calibrate noise`: what a robot sounds like by itself, as a function of its joints' speeds."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foley_common.metrics_file import write_metrics
from foley_perception.commands import frame_options, topic_options

if TYPE_CHECKING:
    from foley_perception.episodes.episode import Episode
    from foley_perception.own_noise.learn import Learnt

EPILOG = """\
what to record
  One to three minutes of mic/audio and joint_states while the arm moves through free air in a quiet room: each joint by
  itself, back and forth, at all of the speeds that it has at work, then motions of several joints, and some seconds of
  rest. Nothing is touched and nobody speaks. The microphone stands, and is set, as at work.

what it tells
  The noise of each band as a floor and, of each joint, a function of its speed. A fifth of the sweep is held out: the
  table says how much better the model foretells it than a stationary floor does. Refused are sweeps that are too short,
  in which too few joints move, with contacts, clipped or silent.

examples
  foley record --name sweep --max-duration 120                 # while the arm sweeps
  foley calibrate noise bags/sweep --out own_noise             # own_noise.npz, table, picture, metrics.json
  foley calibrate noise bags/sweep --robot robot.yaml --write  # and names it in the robot's file
  foley dataset build bags --out dataset --own-noise own_noise
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument(
        "bags", type=Path, nargs="+", metavar="BAG", help="sweeps of one robot and microphone"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("out/own_noise"),
        metavar="DIR",
        help="folder of own_noise.npz, own_noise.png and metrics.json (default: %(default)s)",
    )
    parser.add_argument(
        "--joints",
        nargs="+",
        default=(),
        metavar="NAME",
        help="joints that count, all of which must move (default: all that joint_states tell)",
    )
    parser.add_argument(
        "--write",
        type=Path,
        nargs="?",
        const=Path(),
        metavar="ROBOT_YAML",
        help="name the file in this robot's file (default: the one that --robot names)",
    )
    frame_options.add(parser)
    topic_options.add(parser)


def run(args: argparse.Namespace) -> int:
    """Exit code 0; 2: no noise is learnt, or a file is wrong."""
    from foley_perception.own_noise.file import write_own_noise
    from foley_perception.own_noise.learn import learn
    from foley_perception.own_noise.plot import draw
    from foley_perception.own_noise.robot_section import write_own_noise_name
    from foley_perception.own_noise.sweep import sweep_of

    try:
        target = args.robot if args.write == Path() else args.write
        if args.write is not None and target is None:
            raise ValueError("--write needs a file: --write robot.yaml, or --robot robot.yaml --write")
        args.out.mkdir(parents=True, exist_ok=True)
        episodes = _read(args)
        sweep = sweep_of(episodes, tuple(args.joints))
        learnt = learn(sweep, _facts(episodes), named=bool(args.joints))
        path = write_own_noise(args.out, learnt.model)
        tell(learnt)
        write_metrics(args.out, {"bags": [bag.name for bag in args.bags], **learnt.figures()})
        try:
            draw(learnt, sweep, args.out / "own_noise.png")
        except ValueError as error:
            print(f"foley calibrate noise: {error}", file=sys.stderr)
        if target is not None:
            write_own_noise_name(target, path)
    except (ValueError, OSError) as error:
        print(f"foley calibrate noise: error: {error}", file=sys.stderr)
        return 2
    print(f"{path}" + (f"; named in {target}" if target is not None else _cure(path)))
    return 0


def tell(learnt: Learnt) -> None:
    """What was learnt, as tables."""
    from rich.console import Console
    from rich.table import Table

    figures, console = learnt.figures(), Console()
    table = Table(title=f"{figures['seconds']:.0f} s of sweep, {figures['held_out_s']:.0f} s of it held out")
    for column in ("joint", "moved [s]", "fastest [1/s]"):
        table.add_column(column, justify="left" if column == "joint" else "right")
    for name, row in figures["joints"].items():
        table.add_row(
            name, f"{row['moved_s']:.1f}", f"{row['fastest']:.2f}" if row["fastest"] else "never moved"
        )
    console.print(table)
    table = Table(title="rms error of levels over 0.1 s, held out [dB]")
    for column in ("band [Hz]", "stationary floor", "by joint speeds", "explained"):
        table.add_column(column, justify="right")
    for low, high in ((0, 250), (250, 1000), (1000, 4000), (4000, 1e9)):
        rows = [b for b in figures["bands"] if low <= b["from_hz"] < high]
        if rows:
            before, after = (sum(b[k] for b in rows) / len(rows) for k in ("floor_error_db", "error_db"))
            name = f"{rows[0]['from_hz']}-{rows[-1]['to_hz']}"
            table.add_row(name, f"{before:.2f}", f"{after:.2f}", f"{before - after:.2f}")
    table.add_row("all", *(f"{figures[k]:.2f}" for k in ("floor_error_db", "error_db", "explained_db")))
    console.print(table)
    for note in learnt.notes:
        console.print(f"note: {note}", soft_wrap=True)


# ---- inside --------------------------------------------------------------------------------------------
def _read(args: argparse.Namespace) -> list[Episode]:
    from rich.console import Console
    from rich.progress import track

    from foley_perception.episodes.reader import read_episode

    naming, frames = topic_options.naming_of(args, args.bags), frame_options.frames_of(args)
    console = Console(stderr=True)
    return [
        read_episode(bag, frames=frames, **naming.reading)
        for bag in track(args.bags, "sweeps", console=console, transient=True)
    ]


def _facts(episodes: list[Episode]) -> dict[str, Any]:
    """Whose noise it is, as the first recording tells it."""
    import datetime

    from foley_perception import __version__

    first = episodes[0]
    told = first.robot.sound.get("microphone")
    return {
        "robot": first.robot.name,
        "microphone": told.device if told is not None else "",
        "recorded": datetime.datetime.fromtimestamp(first.start_ns / 1e9, datetime.UTC).date().isoformat(),
        "sessions": [episode.session_id for episode in episodes],
        "foley": __version__,
    }


def _cure(path: Path) -> str:
    return f"; name it in the robot's file:\n  sound: {{microphone: {{own_noise: {path.resolve()}}}}}"
