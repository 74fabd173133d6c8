"""`foley intervene`: change one thing about the same touches, and see what follows."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from foley_common.metrics_file import write_metrics

HELP = "change looks, speed or timing of the same touches, and see whether predictions follow as they must"

_EPILOG = """\
what it does
  Simulates scenes that no model has met, five times: as they are, with everything made to look like another
  material, and with every blow slower and faster. Sight must follow the look and hearing must not; loudness
  must follow the speed; and where the planned motion comes later, so must the predicted onset.

examples
  foley intervene out/foleysim-1-mini/checkpoint
  foley intervene out/foleysim-1-mini/checkpoint --scenes 2 --duration 20      # a quick look
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("checkpoint", help="checkpoint folder that knows the materials of FoleySim-1")
    parser.add_argument(
        "--hearing",
        default="",
        metavar="NAME|DIR",
        help="a hearing model in place of the heard part of the checkpoint",
    )
    parser.add_argument("--scenes", type=int, default=6, metavar="N", help="of every variant (default: 6)")
    parser.add_argument(
        "--duration", type=float, default=40.0, metavar="S", help="of every scene (default: 40)"
    )
    parser.add_argument(
        "--looks", nargs="+", default=["metal", "wood"], metavar="MATERIAL", help="to retexture with"
    )
    parser.add_argument(
        "--speeds", nargs="+", type=float, default=[0.5, 2.0], metavar="X", help="of the blows"
    )
    parser.add_argument("--jobs", type=int, default=2, help="simulators at once (default: 2)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("out/intervene"),
        metavar="DIR",
        help="metrics.json, interventions.png, bags",
    )


def run(args: argparse.Namespace) -> int:
    """Exit code 0; 2 for what the user can mend."""
    from rich.console import Console
    from rich.progress import Progress

    from foley_bringup.interventions import InterventionConfig, check_looks, draw, figures, simulate
    from foley_perception.dataset.schema import DatasetError
    from foley_synthesis.checkpoint import CorruptCheckpoint, load_checkpoint
    from foley_synthesis.hearing.inference.opened import hearing_beside
    from foley_synthesis.vis.inference.predictor import Predictor

    try:
        config = InterventionConfig(
            out=args.out, scenes=args.scenes, duration_s=args.duration, looks=tuple(args.looks),
            speeds=tuple(args.speeds), jobs=args.jobs,
        )  # fmt: skip
        predictor = Predictor.load(args.checkpoint, threads=2)
        heard = hearing_beside(load_checkpoint(args.checkpoint), args.hearing, threads=2)
        check_looks(config, predictor.vocabulary.labels)
        with Progress(console=Console(stderr=True)) as bar:
            total = config.scenes * config.duration_s
            tasks = {name: bar.add_task(name, total=total) for name in config.variants}
            datasets = simulate(config, lambda name, seconds: bar.advance(tasks[name], seconds))
        found = figures(config, datasets, predictor, heard)
        write_metrics(args.out, found)
        draw(found, args.out / "interventions.png")
    except (CorruptCheckpoint, DatasetError, ValueError, OSError) as error:
        print(f"foley intervene: error: {error}", file=sys.stderr)
        return 2
    for look, row in found["retexture"].items():
        print(f"made to look like {look}, {row['touches']} touches of other things:")
        for sense in ("seen", "heard"):
            before, after = (row[f"{sense} says {look}, {when}"] for when in ("as it is", "retextured"))
            print(f"  {sense:5} P({look}) {_cell(before)} -> {_cell(after)}")
    for speed, row in found["speed"].items():
        print(
            f"{speed} x as fast: real {_cell(row['real_db'])} dB, predicted {_cell(row['predicted_db'])} dB"
        )
    for shift, cell in found["shift"]["onset_ms"].items():
        follows = found["shift"]["follows_within_50_ms"][shift]
        print(
            f"motion {shift} ms later: onset {_cell(cell)} ms, {_cell(follows)} of the touches within 50 ms"
        )
    print(f"picture: {args.out / 'interventions.png'}")
    return 0


def _cell(value: dict[str, float]) -> str:
    return f"{value['value']:.2f} [{value['low']:.2f}, {value['high']:.2f}]"
