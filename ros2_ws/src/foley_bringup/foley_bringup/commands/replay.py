"""`foley replay`: what the live nodes would show a model of a recording, held against what a data set holds."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from foley_common.metrics_file import write_metrics
from foley_perception.commands import frame_options, topic_options

HELP = "hold what live nodes show a model against what a data set holds, for every contact of a bag"

_EPILOG = """\
what it does
  Hands the messages of a bag, in the order in which they were recorded, to the callbacks of hand_mapper,
  synthesizer and material, and keeps every array that their models are shown; the synthesizer's model is one
  that only keeps what it is given. The data set builder cuts the same bag. A model that is trained on one and
  runs on the other needs both to be the same: stills, frames, planned and measured action, and sound. What one
  side lacks counts as different, unless the data set leaves the contact out and says why.

examples
  foley replay BAG
  foley replay BAG --camera-latency-ms 20      # as if pictures had come 20 ms later than they were recorded
  foley sim generate --scenes 1 --duration 20 --out out/replay/bags && foley replay out/replay/bags/*
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("bags", nargs="+", type=Path, metavar="BAG", help="bags, or folders of bags")
    frame_options.add_hand(parser)
    frame_options.add(parser)
    parser.add_argument(
        "--camera-latency-ms",
        type=float,
        default=0.0,
        metavar="MS",
        help="by which pictures come later to the nodes than they were recorded; nothing may change (default: 0)",
    )
    parser.add_argument("--out", type=Path, default=Path("out/replay"), metavar="DIR", help="metrics.json")
    topic_options.add(parser)


def run(args: argparse.Namespace) -> int:
    """Exit code 0: all the same within the tolerances; 1: not; 2: for what the user can mend."""
    from rich.console import Console
    from rich.progress import track
    from rich.table import Table

    from foley_bringup.contract import Difference, compare, figures_of
    from foley_bringup.ros.replay import replay_bag
    from foley_perception.dataset.build import find_bags
    from foley_perception.dataset.schema import DatasetError
    from foley_perception.episodes import EpisodeError

    console, found = Console(), []
    refused: list[str] = []
    try:
        bags = find_bags(args.bags)
        naming = topic_options.naming_of(args, bags)
        results = []
        for bag in track(bags, "replaying", console=Console(stderr=True), transient=True):
            data, live = replay_bag(
                bag,
                args.hand,
                camera_latency_s=args.camera_latency_ms / 1e3,
                naming=naming,
                frames=frame_options.frames_of(args),
            )
            results.append(compare(data, live))
            refused += [f"{bag.name}: {sentence}" for sentence in live.refused]
    except (DatasetError, EpisodeError, OSError, RuntimeError, ValueError) as error:
        print(f"foley replay: error: {error}", file=sys.stderr)
        return 2
    figures = figures_of(results)
    found = [d for result in results for d in result.differences]
    table = Table(title=f"{figures['contacts']} contacts of {len(bags)} bags: live against data set")
    for column in ("array", "compared", "the same", "largest difference", "on one side only"):
        table.add_column(column, justify="left" if column == "array" else "right")
    for name, row in figures["arrays"].items():
        table.add_row(
            name, str(row["compared"]), str(row["within"]), f"{row['largest']:.3g}", str(row["missing"])
        )
    console.print(table)
    expected = figures["planned_contact"]
    if expected["plans"]:
        late, off = expected["time_error_ms"], expected["position_error_mm"]
        console.print(
            f"contacts expected from {expected['plans']} plans: off by {late['median_absolute']:.1f} ms and "
            f"{off['median_absolute']:.1f} mm (medians)"
        )
    delay = figures["executed_delay_s"]
    if delay:
        console.print(
            f"contacts that are over are predicted {1e3 * delay['median']:.0f} ms after their clip's end (median), at "
            f"most {1e3 * delay['largest_absolute']:.0f} ms"
        )
    for reason, count in figures["left_out"].items():
        console.print(f"contacts that the data set leaves out: {count}, {reason}")
    for sentence in refused[:10]:
        console.print(f"live, said: {sentence}")
    figures["camera_latency_ms"] = args.camera_latency_ms
    path = write_metrics(args.out, {**figures, "bags": [b.name for b in bags], "refused": refused})
    console.print(f"figures in {path}")
    worst: list[Difference] = [d for d in found if not d.within]
    for difference in worst[:10]:
        print(f"differs: {difference.clip_id} {difference.array} by {difference.value:.3g}", file=sys.stderr)
    return 1 if worst or not found else 0
