"""Options of every command that reads recordings: how a robot's topics are called that bear other names than ours."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foley_common.robot_file import RobotFile
    from foley_perception.episodes.names import Naming

EXAMPLE = "--map mic/audio=/robot/mic --map camera/image_raw=/wrist/color/image_raw"


def add_map(parser: argparse.ArgumentParser) -> None:
    """``--map``, ``--map-file`` and ``--robot``."""
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="NAME=TOPIC",
        help="a topic of another name, such as mic/audio=/robot/mic (may be repeated)",
    )
    parser.add_argument(
        "--map-file",
        type=Path,
        metavar="YAML",
        help="the same as a section `topics: {mic/audio: /robot/mic}`; --map comes before it",
    )
    parser.add_argument(
        "--robot",
        type=Path,
        metavar="FILE",
        help="the robot's file (docs/robots.md): topics, frames, hand, microphones; other options come before it",
    )


def add(parser: argparse.ArgumentParser) -> None:
    """``--map``, ``--map-file``, ``--robot`` and ``--namespace``; :func:`naming_of` reads them."""
    add_map(parser)
    parser.add_argument(
        "--namespace", default="", metavar="NS", help="of the robot that is meant, where a bag holds several"
    )


def mapping_of(args: argparse.Namespace) -> dict[str, str]:
    """What ``--map``, and ``--map-file`` or ``--robot``, say, by the registry's names.

    Raises:
        TopicError, RobotFileError: a name or topic that cannot be mapped, or the file cannot be read.
    """
    from foley_common import topic_map
    from foley_common.topics import TopicError

    asked = topic_map.parse(args.map, "--map")
    if args.map_file is not None and args.robot is not None:
        raise TopicError(
            "--map-file and --robot exclude each other; a robot's file has the section `topics` itself"
        )
    robot = robot_of(args)
    if robot is not None:
        return topic_map.merged(robot.topic_map, asked)
    return topic_map.merged(_file(args.map_file), asked) if args.map_file is not None else asked


def robot_of(args: argparse.Namespace) -> RobotFile | None:
    """The file of ``--robot``. Raises RobotFileError."""
    from foley_common.robot_file import RobotFile

    return RobotFile.read(args.robot) if args.robot is not None else None


def naming_of(args: argparse.Namespace, bags: Iterable[Path] = ()) -> Naming:
    """How the topics of recordings are called; what their own metadata say otherwise is told.

    Raises:
        TopicError, RobotFileError: see :func:`mapping_of`.
    """
    from foley_perception.episodes.names import Naming, overridden
    from foley_perception.recording.bag import Bag
    from foley_perception.recording.errors import BagError
    from foley_perception.recording.session import latencies_of

    robot = robot_of(args)
    latencies = latencies_of(robot) if robot is not None else None
    naming = Naming(args.namespace, mapping_of(args), latencies, robot)
    for bag in bags if naming.mapping else ():
        try:
            told = overridden(Bag(bag), naming.mapping)
        except BagError:
            continue  # told where it is read
        for sentence in told:
            print(f"foley: {sentence}", file=sys.stderr)
    return naming


def _file(path: Path) -> dict[str, str]:
    import yaml

    from foley_common import topic_map
    from foley_common.topics import TopicError

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TopicError(f"{path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise TopicError(f"{path}: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict) or "topics" not in content:
        raise TopicError(f"{path}: no section `topics`, such as `topics: {{mic/audio: /robot/mic}}`")
    if others := [str(key) for key in content if key != "topics"]:
        print(
            f"foley: {path}: of it `topics` is read; {', '.join(others)} changes nothing here (--robot reads all)",
            file=sys.stderr,
        )
    return topic_map.section(content["topics"], str(path))
