"""Options that several actions of `foley sim` take."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_metrics(parser: argparse.ArgumentParser, folder: str) -> None:
    """`--metrics DIR`, by default a folder of this name in `out`."""
    parser.add_argument(
        "--metrics",
        type=Path,
        default=Path("out") / folder,
        metavar="DIR",
        help=f"folder of metrics.json (default: out/{folder})",
    )
