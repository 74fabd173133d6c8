"""Options that several actions of `foley sim` take."""

from __future__ import annotations

import argparse
from pathlib import Path

from foley_sim.editions import VERSION, VERSIONS


def add_metrics(parser: argparse.ArgumentParser, folder: str) -> None:
    """`--metrics DIR`, by default a folder of this name in `out`."""
    parser.add_argument(
        "--metrics",
        type=Path,
        default=Path("out") / folder,
        metavar="DIR",
        help=f"folder of metrics.json (default: out/{folder})",
    )


def add_edition_version(parser: argparse.ArgumentParser) -> None:
    """`--edition-version N`."""
    parser.add_argument(
        "--edition-version",
        type=int,
        choices=VERSIONS,
        default=VERSION,
        metavar="N",
        help="1: noise by the policy seed alone; 2: by scene and policy seed, hum by the scene (default: %(default)s)",
    )
