"""`foley calibrate latency`: how late the stamps of devices are against each other, from a few taps."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from foley_common.metrics_file import write_metrics
from foley_perception.commands import frame_options, topic_options

if TYPE_CHECKING:
    from foley_perception.latency.calibrate import Calibration

EPILOG = """\
what to record
  6 to 10 taps of the tool on a hard thing, at uneven intervals of a second and more, in sight of the camera: sound,
  ee_pose (or what it is made of), wrench and pictures, each where it is there. The tool comes down at 50 to 300 mm/s
  and is stopped by the thing, not by its controller.

what it tells
  Stamps tell differences only. The device whose stamps are the earliest gets 0, or the one that --reference names: take
  a microphone whose stamps are of its device's clock (Foley's own node), because then the others are absolute.
  The sound's way through the air is in it: 3 ms for a metre.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument("bag", type=Path)
    parser.add_argument(
        "--reference",
        default="earliest",
        metavar="DEVICE",
        help="whose stamps are right (default: the device that tells taps earliest)",
    )
    parser.add_argument(
        "--write",
        type=Path,
        nargs="?",
        const=Path(),
        metavar="ROBOT_YAML",
        help="put what was found into this robot's file (default: the one that --robot names)",
    )
    parser.add_argument(
        "--metrics",
        type=Path,
        default=Path("out/calibrate_latency"),
        metavar="DIR",
        help="folder of metrics.json (default: %(default)s)",
    )
    parser.add_argument("--plot", action="store_true", help="draw taps.png beside metrics.json")
    frame_options.add(parser)
    topic_options.add(parser)


def run(args: argparse.Namespace) -> int:
    """Exit code 0: all recorded devices; 1: some are refused; 2: no latency is told, or a file is wrong."""
    from foley_common.robot_file import Latency
    from foley_perception.latency.calibrate import calibrate_bag
    from foley_perception.latency.robot_section import write_latencies

    try:
        target = args.robot if args.write == Path() else args.write
        if args.write is not None and target is None:
            raise ValueError(
                "--write needs a file to write into: --write robot.yaml, or --robot robot.yaml --write"
            )
        naming = topic_options.naming_of(args, [args.bag])
        frames = frame_options.frames_of(args)
        answer = calibrate_bag(args.bag, naming, frames=frames, reference=args.reference)
        tell(answer)
        path = write_metrics(args.metrics, {"bag": args.bag.name, **answer.figures()})
        if args.plot:
            draw(answer, args.metrics / "taps.png")
        if target is not None:
            found = {
                device: Latency(round(one.seconds, 5), round(one.std, 5))
                for device, one in answer.found.items()
            }
            told = write_latencies(target, found)
            if kept := [device for device in told.latencies if device not in found]:
                print(
                    f"foley calibrate latency: {target} keeps {', '.join(kept)} as before: that was against "
                    f"{answer.reference} only if the earlier calibration was",
                    file=sys.stderr,
                )
    except (ValueError, OSError) as error:
        print(f"foley calibrate latency: error: {error}", file=sys.stderr)
        return 2
    print(f"figures in {path}" + (f"; latencies in {target}" if target is not None else ""))
    return 1 if answer.refused else 0


def tell(answer: Calibration) -> None:
    """What was found, as a table."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(title=f"{answer.taps} taps; against {answer.reference}")
    for column in ("device", "late by [ms]", "standard error [ms]", "of one tap [ms]", "taps"):
        table.add_column(column, justify="left" if column == "device" else "right")
    for device, one in answer.found.items():
        spread = "" if math.isnan(one.spread_s) else f"{1e3 * one.spread_s:.2f}"
        table.add_row(device, f"{1e3 * one.seconds:.2f}", f"{1e3 * one.std:.2f}", spread, str(one.taps))
    console.print(table)
    for device, why in answer.refused.items():
        console.print(f"refused: {device}: {why}", soft_wrap=True)
    for note in answer.notes:
        console.print(f"note: {note}", soft_wrap=True)


def draw(answer: Calibration, path: Path) -> None:
    """Taps by device over time, as their own stamps tell them.

    Raises:
        ValueError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ValueError("--plot needs matplotlib: pip install matplotlib") from error
    figure = Figure(figsize=(9, 1 + 0.5 * len(answer.felt_s)))
    axes = figure.add_subplot()
    for row, (device, times) in enumerate(answer.felt_s.items()):
        late = answer.found[device].seconds if device in answer.found else 0.0
        axes.plot(times, [row] * len(times), "|", markersize=14, color="tab:grey")
        axes.plot([t - late for t in times], [row] * len(times), "|", markersize=14, color="tab:blue")
    axes.set_yticks(range(len(answer.felt_s)), list(answer.felt_s))
    axes.set_xlabel("time [s]: stamps grey, without latencies blue")
    figure.tight_layout()
    figure.savefig(str(path))
