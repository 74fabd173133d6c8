"""`foley doctor`: what this machine has and lacks."""

from __future__ import annotations

import argparse

HELP = "check this machine: Python, ROS, middleware, rendering, disk, ports, model; with the cure for each"

EPILOG = """\
examples:
  foley doctor              a table
  foley doctor --json       the same for programs
  foley doctor --quick      without the checks that start processes

Exit codes: 0 nothing is broken (warnings may stand), 1 something is.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of a table")
    parser.add_argument("--quick", action="store_true", help="skip what starts processes of its own")


def run(args: argparse.Namespace) -> int:
    import dataclasses
    import json

    from foley_bringup import doctor

    slow = (doctor.ros, doctor.middleware, doctor.egl, doctor.checkpoint)
    checks = tuple(c for c in doctor.CHECKS if not (args.quick and c in slow))
    findings = doctor.examine(checks)
    if args.json:
        print(json.dumps([dataclasses.asdict(f) for f in findings], indent=2))
    else:
        from rich.console import Console
        from rich.table import Table

        colours = {doctor.OK: "green", doctor.WARN: "yellow", doctor.ERROR: "red"}
        table = Table("check", "", "found", "cure", title="foley doctor", title_justify="left")
        for f in findings:
            table.add_row(f.check, f"[{colours[f.level]}]{f.level}[/]", f.found, f.cure)
        Console().print(table)
    return 1 if any(f.level == doctor.ERROR for f in findings) else 0
