"""`foley example`: robots that plan with what Foley knows."""

from __future__ import annotations

import argparse

HELP = "robots that plan with what Foley knows"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
