"""``foley dataset``: bags to clips, and the check that nothing leaks."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from foley_perception.commands import dataset_export, dataset_import, frame_options, topic_options
from foley_perception.commands.dataset_report import print_report, print_splits, print_without

if TYPE_CHECKING:
    from foley_perception.dataset.cut import CutConfig
    from foley_perception.dataset.on_ray import OnRay

HELP = "build a dataset from recordings, check one, or export it (or recordings) for other tools"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n  foley dataset build bags --out dataset\n"
        "  foley dataset build bags/a bags/b --out dataset --windows\n  foley dataset check dataset\n"
        f"  foley dataset build bags --out dataset {topic_options.EXAMPLE}\n"
        "  foley dataset build /shared/bags --out /shared/dataset --ray-address ray://head:10001\n"
        "  foley dataset sessions bags --out sessions\n"
        "  foley dataset import --from greatest-hits vis-data --out greatest_hits\n"
        "  foley dataset export dataset --format webdataset --out shards\n"
        "  foley dataset export bags --format lerobot --fps 30 --out kitchen_v3"
    )
    actions = parser.add_subparsers(
        dest="action", required=True, metavar="build|check|sessions|import|export"
    )
    build = actions.add_parser("build", help="cut clips around contacts; build again to complete")
    build.add_argument("bags", nargs="+", help="bags, or folders of bags")
    build.add_argument("--out", required=True, help="dataset folder")
    build.add_argument("--windows", action="store_true", help="also cut windows of 8 s")
    build.add_argument("--workers", type=int, default=0, help="processes (default: one per core)")
    build.add_argument(
        "--ray", action="store_true", help="cut the bags with Ray Data, started here (extra `cluster`)"
    )
    build.add_argument(
        "--ray-address",
        default="",
        metavar="ADDRESS",
        help="cut them on a Ray cluster: auto, HOST:6379 or ray://HOST:10001; its nodes must see bags and data set at "
        "the same paths",
    )
    build.add_argument("--skip-bad", action="store_true", help="leave out bags that cannot be used")
    frame_options.add_hand(build)
    frame_options.add(build)
    build.add_argument("--merge", type=float, default=0.3, help="[s] closer contacts are one clip")
    build.add_argument(
        "--clear",
        type=float,
        default=0.10,
        metavar="M",
        help="[m] with the tip nearer than this an earlier still is taken, as live; 0: never (default: %(default)s)",
    )
    build.add_argument(
        "--own-noise",
        default="",
        metavar="FILE",
        help="of `foley calibrate noise`: the robot's own noise is taken off the sound, which the manifest tells "
        "(default: it is left in)",
    )
    build.add_argument(
        "--shares",
        default="0.7,0.15,0.15",
        help="train,validation,test shares of recordings that name no split (default: %(default)s)",
    )
    topic_options.add(build)
    sessions = actions.add_parser(
        "sessions", help="each bag as one session's file, on the grids of the flow; make again to complete"
    )
    sessions.add_argument("bags", nargs="+", help="bags, or folders of bags")
    sessions.add_argument("--out", required=True, help="folder of the files")
    sessions.add_argument(
        "--split", default="", help="of recordings that name none: train, validation or test"
    )
    frame_options.add_hand(sessions)
    sessions.add_argument("--skip-bad", action="store_true", help="leave out bags that cannot be used")
    frame_options.add(sessions)
    topic_options.add(sessions)
    dataset_import.configure(actions)
    check = actions.add_parser("check", help="leaks, files, fingerprint; exit code 1 if anything is wrong")
    check.add_argument("dataset", help="dataset folder")
    dataset_export.configure(actions)


def run(args: argparse.Namespace) -> int:
    from foley_common.robot_file import RobotFileError
    from foley_common.topics import TopicError
    from foley_perception.action.gripper import HandError
    from foley_perception.dataset.schema import DatasetError
    from foley_perception.episodes.tracks import EpisodeError
    from foley_perception.own_noise.file import OwnNoiseError

    actions = {
        "build": _build,
        "check": _check,
        "sessions": _sessions,
        "import": _import,
        "import-greatest-hits": _import,
        "export": _export,
    }
    try:
        return actions[args.action](args)
    except (DatasetError, EpisodeError, TopicError, RobotFileError, OwnNoiseError, HandError) as error:
        print(f"foley dataset: error: {error}", file=sys.stderr)
        return 1 if args.action == "check" else 2


def _build(args: argparse.Namespace) -> int:
    from pathlib import Path

    from foley_perception.dataset.build import build_dataset, find_bags, without_scans

    found = _each_once(find_bags(args.bags))
    bags = without_scans(found)
    if len(bags) < len(found):
        print(f"{len(found) - len(bags)} scans of scenes were left out: there is nothing to hear in them")
    naming = topic_options.naming_of(args, bags)
    config = _cut_config(args)
    with _ray_of(args) as ray, _bar("bags") as progress:
        report = build_dataset(
            bags,
            Path(args.out),
            config=config,
            naming=naming,
            shares=_shares(args.shares),
            workers=args.workers,
            skip_bad=args.skip_bad,
            progress=progress,
            ray=ray,
        )
    print_report(report, "contacts")
    return 0


def _ray_of(args: argparse.Namespace) -> contextlib.AbstractContextManager[OnRay | None]:
    """What cuts the bags; None: processes of this machine."""
    from foley_perception.dataset.on_ray import OnRay

    return OnRay(args.ray_address, args.workers) if args.ray or args.ray_address else contextlib.nullcontext()


def _cut_config(args: argparse.Namespace) -> CutConfig:
    from foley_perception.dataset.cut import CutConfig
    from foley_perception.dataset.schema import DatasetError

    try:
        frames = frame_options.frames_of(args)
    except ValueError as error:
        raise DatasetError(str(error)) from error
    return CutConfig(
        merge_s=args.merge,
        windows=args.windows,
        hand=args.hand,
        clear_m=args.clear,
        frames=frames,
        own_noise=args.own_noise,
    )


def _sessions(args: argparse.Namespace) -> int:
    from pathlib import Path

    from foley_perception.action.gripper import GripperHand
    from foley_perception.dataset.build import find_bags, without_scans
    from foley_perception.dataset.schema import ASSIGNED, DatasetError
    from foley_perception.dataset.session import write_sessions

    if args.split and args.split not in ASSIGNED:
        raise DatasetError(f"--split is `{args.split}`, known are {', '.join(ASSIGNED)}")
    bags = without_scans(_each_once(find_bags(args.bags)))
    naming = topic_options.naming_of(args, bags)
    try:
        with _bar("bags") as progress:
            made = write_sessions(
                bags,
                Path(args.out),
                GripperHand.from_yaml(args.hand) if args.hand else None,
                naming=naming,
                frames=frame_options.frames_of(args),
                split=args.split,
                skip_bad=args.skip_bad,
                progress=progress,
            )
    except ValueError as error:  # of a bag, a hand file or the name of a frame
        raise DatasetError(str(error)) from error
    for name, reason in made.left_out.items():
        print(f"left out {name}: {reason}")
    kept = f", {made.kept} of them were there" if made.kept else ""
    print(f"{args.out}: {len(made.paths)} sessions{kept}")
    return 0


def _import(args: argparse.Namespace) -> int:
    with _bar("recordings") as progress:
        report = dataset_import.run(args, progress)
    dataset_import.print_import(args, report)
    return 0


def _export(args: argparse.Namespace) -> int:
    return dataset_export.run(args, _bar, _each_once)


@contextlib.contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar, and what the build tells of its progress."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    name = TextColumn("{task.description}")
    with Progress(TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), name) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, name: bar.update(task, completed=done, total=total, description=name)


def _shares(text: str) -> dict[str, float]:
    from foley_perception.dataset.schema import ASSIGNED, DatasetError

    try:
        values = [float(word) for word in text.split(",")]
    except ValueError:
        values = []
    if len(values) != len(ASSIGNED):
        raise DatasetError(f"--shares is `{text}`, expected three numbers such as 0.7,0.15,0.15")
    return dict(zip(ASSIGNED, values, strict=True))


def _each_once(bags: list[Any]) -> list[Any]:
    """Not both of a damaged bag and its recovered copy, no recording twice, and no snapshot of one that is there."""
    from foley_perception.dataset.build import snapshots_of_others
    from foley_perception.recording.recovery import same_content, superseded

    for original in superseded(bags):
        print(f"left out {original}: its recovered copy is used instead")
        bags.remove(original)
    for copy, first in same_content(bags).items():
        print(f"left out {copy}: it is the same recording as {first}")
        bags.remove(copy)
    for snapshot, other in snapshots_of_others(bags).items():
        print(f"left out {snapshot}: a snapshot, of which {other} holds a part as well")
        bags.remove(snapshot)
    return bags


def _check(args: argparse.Namespace) -> int:
    from pathlib import Path

    from foley_perception.dataset.manifest import check

    result = check(Path(args.dataset))
    print_without(result["without"], result["splits"])
    print_splits(result["splits"], result["fingerprint"])
    for leak in result["leaks"]:
        print(f"its splits leak, as its manifest says: {leak}")
    print(f"{'LEAKS' if result['leaks'] else 'no leaks'}; content and fingerprint agree")
    return 1 if result["leaks"] else 0
