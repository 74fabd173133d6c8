"""``foley bag report``: the quality of one recording, or of hundreds, on a page."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foley_perception.commands import topic_options

if TYPE_CHECKING:
    from foley_perception.quality.judge import Judged

HELP = "the quality of recordings at a glance: a page, figures, and what lies outside of the limits"
_TOLD = 20  # bags of which is said what is wrong

_EPILOG = """\
writes OUT/report.html (sort by a click on a column's head, fold a bag out by a click on it), OUT/metrics.json and
OUT/bags/NAME.html, all of one bag. The pages need no network.

exit code: 0 all bags are within the limits, 1 one is not (which bag, which figure, value and limit are said),
2 there is no bag, or none can be read. Limits are the section `quality` of the robot's file (docs/robots.md).

examples:
  foley bag report bags/kitchen_1
  foley bag report bags --out out/monday --workers 4
  foley bag report bags --cached                    only what is new since then is measured
  foley bag report bags --robot robot.yaml          by this robot's limits, whatever it was recorded with
"""


def configure(actions: Any) -> None:
    """Add it to the actions of ``foley bag``."""
    report = actions.add_parser(
        "report", help=HELP, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    report.add_argument("bags", nargs="+", metavar="BAG|DIR", help="bags, or folders with bags in them")
    report.add_argument(
        "--out", default="out/bag_report", help="folder of page and figures (default: %(default)s)"
    )
    report.add_argument(
        "--workers", type=int, default=0, metavar="N", help="processes (default: one per core)"
    )
    report.add_argument(
        "--cached",
        action="store_true",
        help="bags that OUT has already, with the same files, are not read again",
    )
    report.add_argument(
        "--contacts",
        type=int,
        default=6,
        metavar="N",
        help="shown of each bag, the first ones (default: %(default)s)",
    )
    topic_options.add(report)


def run(args: argparse.Namespace) -> int:
    """Raises ValueError for options that cannot be, or where nothing can be written."""
    import os

    from foley_perception.quality.find import bags_below
    from foley_perception.quality.measure import MeasureOptions
    from foley_perception.quality.report import PAGE, report

    if args.workers < 0 or args.contacts < 0:
        raise ValueError("--workers and --contacts must not be negative")
    bags, notes = _each_once(bags_below(args.bags))
    for note in notes:
        print(note)
    naming, out = topic_options.naming_of(args, bags), Path(args.out)
    try:
        out.mkdir(parents=True, exist_ok=True)  # refused before any work
        with _bar() as progress:
            judged = report(
                bags,
                out,
                MeasureOptions(naming, args.contacts),
                limits=naming.robot.quality if naming.robot is not None else None,
                workers=args.workers or os.cpu_count() or 1,
                cached=args.cached,
                notes=notes,
                progress=progress,
            )
    except OSError as error:
        raise ValueError(f"--out {out}: cannot be written ({error})") from error
    _tell(judged)
    print(f"{out / PAGE}")
    if all(j.error for j in judged):
        return 2
    return 1 if any(j.error or j.outside for j in judged) else 0


def _tell(judged: list[Judged]) -> None:
    """What is outside, bag by bag, and how many of which kind there are."""
    from foley_perception.quality.report import totals

    wrong = [j for j in judged if j.error or j.outside]
    for bag in wrong[:_TOLD]:
        if bag.error:
            print(f"  {bag.name}: cannot be read: {bag.error}")
        for outside in bag.outside:
            print(f"  {bag.name}: {outside.text}")
    if len(wrong) > _TOLD:
        print(f"  and {len(wrong) - _TOLD} more bags; all are on the page")
    whole = totals(judged)
    taken = f", {whole['cached']} as they were measured before" if whole["cached"] else ""
    print(
        f"{whole['bags']} bags, {whole['hours']:.2f} h, {whole['contacts']} contacts, {whole['gigabytes']:.2f} GB: "
        f"{whole['good']} good, {whole['problem']} with problems, {whole['error']} with errors; "
        f"{whole['outside'] or 'none'} outside of the limits{taken}"
    )


def _each_once(bags: list[Path]) -> tuple[list[Path], list[str]]:
    """Not both of a damaged bag and its recovered copy; what was left out."""
    from foley_perception.recording.recovery import superseded

    old = set(superseded(bags)) if any(map(_may_be_recovered, bags)) else set()
    notes = [f"left out {bag}: its recovered copy is looked at instead" for bag in bags if bag in old]
    return [bag for bag in bags if bag not in old], notes


def _may_be_recovered(bag: Path) -> bool:
    """Whether a bag may say that it was made of another one. To parse hundreds of metadata.yaml would take a minute."""
    try:
        return b"recovered_fingerprint" in (bag / "metadata.yaml").read_bytes()
    except OSError:
        return True


def _bar() -> Any:
    """A progress bar on the terminal's error output, so that what is told can be piped."""
    import contextlib
    from collections.abc import Callable, Iterator

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    @contextlib.contextmanager
    def bar() -> Iterator[Callable[[int, int, str], None]]:
        columns = (TextColumn("bags"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        name = TextColumn("{task.description}", markup=False)
        with Progress(*columns, name, console=Console(file=sys.stderr), transient=True) as shown:
            task = shown.add_task("", total=None)
            yield lambda done, total, which: shown.update(
                task, completed=done, total=total, description=which
            )

    return bar()
