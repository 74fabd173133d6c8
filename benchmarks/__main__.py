"""Run every benchmark of this folder, one after the other, each in a process of its own.

`make bench`, or `python -m benchmarks [NAME ...]`; one with options of its own is `python -m benchmarks.NAME`. Each
prints a table and writes `out/bench_NAME/metrics.json`. Figures are ratios within one run, with the floor beside them;
absolute times belong to the machine.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ASKED_FOR = {"export_formats"}  # installs 6 GB of other projects, so it runs only where it is named


def known() -> list[str]:
    """Names of all benchmarks."""
    return sorted(p.stem for p in HERE.glob("*.py") if not p.stem.startswith("_"))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"one or more of: {', '.join(known())}; default: all but {', '.join(ASKED_FOR)}",
    )
    parser.add_argument("--list", action="store_true", help="print the names and end")
    args = parser.parse_args(arguments)
    if args.list:
        print("\n".join(known()))
        return 0
    names = args.names or [name for name in known() if name not in ASKED_FOR]
    unknown = sorted(set(names) - set(known()))
    if unknown:
        parser.error(f"no benchmark named {', '.join(unknown)}; known are {', '.join(known())}")
    failed = []
    for name in names:
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
