"""``foley dataset export``: a data set, or bags, in the formats of other tools."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foley_perception.commands import frame_options, topic_options
from foley_perception.commands.dataset_report import print_without

if TYPE_CHECKING:
    from foley_perception.dataset.export.format import AnyFormat, BagFormat, Facts

Bar = Callable[[str], AbstractContextManager[Callable[[int, int, str], None]]]
_OF_BAGS: tuple[str, ...] = (
    *("fps", "pictures", "task", "skip_bad", "hand", "world_frame", "tool_frame", "tip_frame"),
    *("map", "map_file", "robot", "namespace"),
)
"""Options that say how bags are read: a data set was read already."""
_TOLD = 5


def configure(actions: Any) -> None:
    from foley_perception.dataset.export.demonstrations import FPS
    from foley_perception.dataset.export.export import FORMATS

    export = actions.add_parser(
        "export",
        help="a data set, or bags, in a format of other tools; export again to go on",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=(
            "formats:\n" + "\n".join(f"  {form.name:<14}{form.help}" for form in FORMATS) + "\n\nexamples:\n"
            "  foley dataset export dataset --format webdataset --out shards\n"
            "  foley dataset export dataset --format huggingface --out hf\n"
            "  foley dataset export bags --format lerobot --fps 30 --out kitchen_v3\n"
            "  foley dataset export bags/a bags/b --format lerobot --pictures images --out kitchen_png\n\n"
            "Until it is whole an export lies in DIR.unfinished; run the same command again, and it goes on."
        ),
    )
    export.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="one data set, or bags and folders of bags: see formats"
    )
    export.add_argument("--format", required=True, choices=[form.name for form in FORMATS], help="see below")
    export.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder that is not there yet")
    bags = export.add_argument_group("formats of bags")
    bags.add_argument("--fps", type=int, metavar="N", help=f"frames per second (default: {FPS})")
    bags.add_argument(
        "--pictures",
        choices=("video", "images"),
        help="images as video (default; needs PyAV), or each as PNG, without loss",
    )
    bags.add_argument(
        "--task",
        metavar="TEXT",
        help="what is done in all of them (default: as each bag says, by its labels)",
    )
    bags.add_argument("--skip-bad", action="store_true", help="leave out bags that cannot be used")
    frame_options.add_hand(export)
    frame_options.add(export)
    topic_options.add(export)


def run(args: argparse.Namespace, bar: Bar, each_once: Callable[[list[Path]], list[Path]]) -> int:
    """Export.

    Args:
        bar: a progress bar of things of some name.
        each_once: of bags, each recording once.

    Raises:
        DatasetError, EpisodeError: see ``export.py``.
    """
    from foley_perception.dataset.export.export import format_named
    from foley_perception.dataset.export.format import BagFormat
    from foley_perception.dataset.export.unfinished import unfinished_folder

    form = format_named(args.format)
    begun = unfinished_folder(args.out).is_dir()
    try:
        about = (
            _of_bags(args, form, bar, each_once)
            if isinstance(form, BagFormat)
            else _of_dataset(args, form, bar)
        )
    except KeyboardInterrupt:
        print(
            f"\nfoley dataset: stopped; {unfinished_folder(args.out)} is not whole: run it again to go on",
            file=sys.stderr,
        )
        return 130
    if begun:
        print("went on with what was there")
    _tell(args, about)
    return 0


def _of_dataset(args: argparse.Namespace, form: AnyFormat, bar: Bar) -> Facts:
    from foley_perception.dataset.export.export import export_dataset
    from foley_perception.dataset.reader import ClipDataset
    from foley_perception.dataset.schema import DatasetError
    from foley_perception.recording.bag_files import is_bag, loose_files

    given = [Path(source) for source in args.sources]
    for path in given:
        if (path / "manifest.json").exists():
            continue
        bags = path.is_file() or is_bag(path) or (path.is_dir() and (loose_files(path) or _bags_in(path)))
        if bags:
            raise DatasetError(
                f"{path}: format `{form.name}` is made of a data set, and these are bags: make one with "
                f"`foley dataset build {path} --out DATASET`, then `foley dataset export DATASET --format {form.name}`"
            )
    if len(given) > 1:
        raise DatasetError(
            f"format `{form.name}` is made of one data set, {len(given)} were given; export each by itself"
        )
    if wrong := [name for name in _OF_BAGS if getattr(args, name)]:
        option = "--" + wrong[0].replace("_", "-")
        raise DatasetError(
            f"{option} is about how bags are read; format `{form.name}` is made of a data set, which was read when it "
            "was built: leave it out"
        )
    dataset = ClipDataset(given[0])
    with bar("clips and windows") as progress:
        about = export_dataset(dataset, form.name, args.out, lambda done, total: progress(done, total, ""))
    print(f"{args.out}: {about['clips']} clips and {about['windows']} windows as {about['format']}")
    for leak in about.get("leaks", ()):
        print(f"its splits leak, as its manifest says: {leak}")
    print_without(dataset.manifest.get("without", {}), dataset.manifest["splits"])
    return about


def _of_bags(
    args: argparse.Namespace, form: BagFormat, bar: Bar, each_once: Callable[[list[Path]], list[Path]]
) -> Facts:
    from foley_perception.dataset.build import find_bags, without_scans
    from foley_perception.dataset.export.demonstrations import FPS, Demonstrations
    from foley_perception.dataset.export.export import export_bags, export_dataset
    from foley_perception.dataset.reader import ClipDataset
    from foley_perception.dataset.schema import DatasetError

    for source in map(Path, args.sources):
        if (source / "manifest.json").exists():
            return export_dataset(ClipDataset(source), form.name, args.out)  # refuses it, naming its bags
    try:
        frames = frame_options.frames_of(args)
    except ValueError as error:
        raise DatasetError(str(error)) from error
    bags = each_once(without_scans(find_bags(args.sources)))
    naming = topic_options.naming_of(args, bags)
    with bar("frames") as progress:
        demonstrations = Demonstrations(
            tuple(bags),
            fps=FPS if args.fps is None else args.fps,
            pictures=args.pictures or ("video" if form.video else "images"),
            task=args.task or "",
            hand=args.hand,
            naming=naming,
            frames=frames,
            skip_bad=args.skip_bad,
            look=lambda done, total, name: progress(done, total, f"looking at {name}" if name else ""),
        )
        about = export_bags(
            demonstrations, form.name, args.out, lambda done, total: progress(done, total, "")
        )
    print(f"{args.out}: {about['episodes']} episodes, {about['frames']} frames as {about['format']}")
    return about


def _bags_in(folder: Path) -> bool:
    from foley_perception.recording.bag_files import is_bag

    return any(child.is_dir() and is_bag(child) for child in folder.iterdir())


def _tell(args: argparse.Namespace, about: Facts) -> None:
    """What was left out, and how far images lie from their frames."""
    left_out = about.get("left_out", {})
    for name, why in list(left_out.items())[:_TOLD]:
        print(f"left out {name}: {why}")
    if len(left_out) > _TOLD:
        print(f"and {len(left_out) - _TOLD} more: see {args.out / 'export.json'}")
    for text in about.get("dropped", []):
        print(text)
    for name, count in about.get("paused_frames", {}).items():
        print(
            f"{name}: {count} frames lie in pauses: motion is NaN, sound 0, the picture another moment's; cut them out"
        )
    if about.get("largest_image_distance_ms"):
        print(f"the farthest image lies {about['largest_image_distance_ms']:.3f} ms from its frame")
