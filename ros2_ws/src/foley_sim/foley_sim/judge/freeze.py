"""The judge does not change: FROZEN holds a hash over its sources. ``python -m foley_sim.judge.freeze --check``."""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

HERE = Path(__file__).parent
MESSAGE = "foleysim-b is frozen; a changed judge needs a new version name, foleysim-b2"


def digest(folder: Path = HERE) -> str:
    """sha256 over names and contents of the sources and data of the judge, sorted, lines ended by LF."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".py", ".yaml")):
        text = path.read_bytes().replace(b"\r\n", b"\n")
        total.update(path.name.encode() + b"\0" + text + b"\0")
    return total.hexdigest()


def frozen(folder: Path = HERE) -> str:
    """The hash that was written down."""
    return (folder / "FROZEN").read_text(encoding="ascii").strip()


def main(arguments: list[str] | None = None) -> int:
    """0: as frozen (or written); 1: changed."""
    parser = argparse.ArgumentParser(description=__doc__)
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--check", action="store_true", help="compare with FROZEN")
    choice.add_argument("--write", action="store_true", help="write FROZEN")
    if parser.parse_args(arguments).write:
        (HERE / "FROZEN").write_text(digest() + "\n", encoding="ascii")
        return 0
    if digest() != frozen():
        sys.stderr.write(MESSAGE + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
