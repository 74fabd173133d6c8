"""``foley dataset import``: data sets of others to clips and windows of ours."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foley_perception.commands.dataset_report import print_report

if TYPE_CHECKING:
    from foley_perception.dataset.importing.importer import Importer
    from foley_perception.dataset.staging import BuildReport, Progress

EARLIER = "import-greatest-hits"  # what `import --from greatest-hits` was called
_TOLD = 10  # left out recordings that are listed
_FLAGS = {  # options that not every data set takes -> their flag, and what stands where they are not given
    "merge_s": ("--merge", 0.3),
    "their_split": ("--their-split", False),
    "listeners": ("--listeners", 1),
    "materials": ("--materials", ""),
}


def configure(actions: Any) -> None:
    from foley_perception.dataset.importing.importers import IMPORTERS

    known = "\n".join(f"  {one.name:<18}{one.help}" for one in IMPORTERS)
    own = actions.add_parser(
        "import",
        help="clips and windows of other data sets, from their unpacked files; import again to complete",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=(
            f"data sets:\n{known}\n\nsplits are by object or scene, so that nothing leaks; what of a layout is "
            "unproven, and its licence,\nis told at the end and kept in manifest.json\n\nexamples:\n"
            "  foley dataset import --from hearing-hands hearing_hands/dataset --out hands\n"
            "  foley dataset import --from hearing-hands hearing_hands/dataset --out theirs --their-split\n"
            "  foley dataset import --from realimpact RealImpact/dataset --out impacts --listeners 4\n"
            "  foley dataset import --from objectfolder-real ObjectFolder_Real --out objects"
        ),
    )
    own.add_argument(
        "--from", dest="source", required=True, choices=[one.name for one in IMPORTERS], help="below"
    )
    _add_common(own)
    own.add_argument(
        "--their-split", action="store_true", help="of hearing-hands: the published split, marked as leaking"
    )
    own.add_argument(
        "--listeners", type=int, default=1, metavar="N",
        help="of realimpact: microphones of each impact that become clips, of 600 (default: the nearest)",
    )  # fmt: skip
    own.add_argument(
        "--materials", default="", metavar="FILE",
        help="of realimpact, objectfolder-real: YAML of objects or materials to names (`17: metal`, `iron: metal`)",
    )  # fmt: skip
    _add_common(actions.add_parser(EARLIER, help="as `import --from greatest-hits`"))


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", help="into which its archives were unpacked")
    parser.add_argument("--out", required=True, help="dataset folder")
    parser.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="at most so many recordings or objects (default: all)",
    )
    parser.add_argument("--workers", type=int, default=0, help="processes (default: one per core)")
    parser.add_argument("--skip-bad", action="store_true", help="leave out what cannot be read")
    parser.add_argument(
        "--merge", dest="merge_s", type=float, default=0.3, help="[s] closer hits are one clip"
    )


def run(args: argparse.Namespace, progress: Progress | None) -> BuildReport:
    """Raises DatasetError where nothing can be imported, or an option does not fit the data set."""
    from foley_perception.dataset.importing.importer import ImportOptions, read_materials
    from foley_perception.dataset.schema import DatasetError

    chosen = _chosen(args)
    for name, (flag, unset) in _FLAGS.items():
        if getattr(args, name, unset) != unset and name not in chosen.takes:
            raise DatasetError(f"{flag} is nothing that --from {chosen.name} knows; leave it out")
    listeners, materials = getattr(args, "listeners", 1), getattr(args, "materials", "")
    if listeners < 1:
        raise DatasetError(f"--listeners is {listeners}, must be at least 1")
    if args.limit is not None and args.limit < 1:
        raise DatasetError(f"--limit is {args.limit}, must be at least 1; leave it out to take all")
    if not 0 <= args.merge_s < math.inf:
        raise DatasetError(f"--merge is {args.merge_s:g}, must be 0 or more seconds")
    options = ImportOptions(
        limit=args.limit or 0,
        workers=args.workers,
        skip_bad=args.skip_bad,
        merge_s=args.merge_s,
        their_split=getattr(args, "their_split", False),
        listeners=listeners,
        materials=read_materials(Path(materials)) if materials else {},
    )
    return chosen.run(Path(args.folder), Path(args.out), options, progress)


def _chosen(args: argparse.Namespace) -> Importer:
    from foley_perception.dataset.importing.importers import GREATEST_HITS, IMPORTERS

    name = getattr(args, "source", GREATEST_HITS.name)
    return next(one for one in IMPORTERS if one.name == name)


def print_import(args: argparse.Namespace, report: BuildReport) -> None:
    """What came of it, what is unproven, and what a published split leaks."""
    chosen = _chosen(args)
    incomplete = report.manifest.get("incomplete", {})
    for name, reason in list(incomplete.items())[:_TOLD]:
        print(f"left out {name}: {reason}")
    if len(incomplete) > _TOLD:
        print(f"left out {len(incomplete) - _TOLD} more, which manifest.json lists under `incomplete`")
    print_report(report, chosen.what)
    published = report.manifest.get("published_split", {})
    used = "used as it is" if published.get("used") else "not used: splits are by scene"
    for leak in published.get("told", ()):
        print(f"the published split leaks ({used}): {leak}")
    for unproven in chosen.unproven:
        print(f"unproven without the data: {unproven}")
    print(f"licence: {chosen.licence}")
