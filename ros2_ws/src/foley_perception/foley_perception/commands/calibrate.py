"""`foley calibrate`: where a camera sits, how late devices are, and what the robot sounds like by itself."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from foley_common.metrics_file import write_metrics
from foley_perception.commands import frame_options, latency, noise, topic_options

if TYPE_CHECKING:
    from foley_perception.scene.charuco import Board

HELP = "find where a camera sits, how late devices are, and what the robot sounds like by itself"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  foley calibrate board --to board.png                       # print it, measure a square\n"
        "  foley calibrate hand-eye bag --square 0.0302 --camera in-hand\n"
        "  foley calibrate hand-eye bag --square 0.0302 --camera static    # the gripper holds the board\n"
        "  foley calibrate latency bag --write robot.yaml                  # of a few taps\n"
        "  foley calibrate noise sweep --write robot.yaml                  # of a sweep without contact\n\n"
        "For hand-eye record camera/image_raw, camera/camera_info and /tf while the tool stands in ten or more poses,\n"
        "tilted in two directions. The result is a file with the static transform, and the command that publishes it."
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="board|hand-eye|latency|noise")
    draw = actions.add_parser("board", help="draw the board to be printed")
    draw.add_argument(
        "--to", type=Path, default=Path("board.png"), help="image to write (default: %(default)s)"
    )
    eye = actions.add_parser("hand-eye", help="fit the camera's place to a recording")
    eye.add_argument("bag", type=Path)
    eye.add_argument(
        "--camera", choices=("in-hand", "static"), required=True, help="moves with the tool, or stands still"
    )
    frame_options.add(eye, "tool", "world")
    eye.add_argument(
        "--still",
        type=float,
        default=0.002,
        metavar="M",
        help="pictures where the tool moves more between frames are left out (default: %(default)s)",
    )
    eye.add_argument("--every", type=int, default=1, metavar="N", help="look at every so many pictures")
    eye.add_argument(
        "--out", type=Path, default=Path("out/hand_eye"), metavar="DIR", help="default: %(default)s"
    )
    topic_options.add(eye)
    for one in (draw, eye):
        add_board(one)
    latency.configure(actions.add_parser("latency", help="how late stamps of devices are, from a few taps"))
    noise.configure(actions.add_parser("noise", help="what the robot sounds like by itself, from a sweep"))


def add_board(parser: argparse.ArgumentParser) -> None:
    """Arguments that say which board it is."""
    parser.add_argument("--columns", type=int, default=8, help="squares (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=6, help="squares (default: %(default)s)")
    parser.add_argument(
        "--square", type=float, default=0.03, metavar="M", help="side of a square (default: %(default)s)"
    )
    parser.add_argument(
        "--marker", type=float, metavar="M", help="side of a marker (default: 0.733 of a square)"
    )
    parser.add_argument("--dictionary", default="DICT_5X5_100", help="default: %(default)s")


def board_of(args: argparse.Namespace) -> Board:
    """The board of :func:`add_board`'s arguments.

    Raises:
        ValueError: a board that cannot be made.
    """
    from foley_perception.scene.charuco import Board

    marker = args.marker or round(args.square * 0.733, 6)
    return Board(args.columns, args.rows, args.square, marker, args.dictionary)


def run(args: argparse.Namespace) -> int:
    """Exit code 0; 2 for what the user can mend."""
    if args.action == "latency":
        return latency.run(args)
    if args.action == "noise":
        return noise.run(args)
    try:
        board = board_of(args)
        return _board(args, board) if args.action == "board" else _hand_eye(args, board)
    except (ValueError, OSError) as error:
        print(f"foley calibrate: error: {error}", file=sys.stderr)
        return 2


def _board(args: argparse.Namespace, board: Board) -> int:
    import cv2

    if not cv2.imwrite(str(args.to), board.picture()):
        raise OSError(f"{args.to}: cannot be written")
    print(f"{args.to}: {board.columns} x {board.rows} squares; print it, measure a square and give --square")
    return 0


def _hand_eye(args: argparse.Namespace, board: Board) -> int:
    import dataclasses

    from rich.console import Console
    from rich.progress import Progress

    from foley_perception.geometry.hand_eye import calibrate
    from foley_perception.geometry.static_transform import StaticTransform
    from foley_perception.scene.board_views import find_board
    from foley_perception.scene.recorded import read_pictures

    naming = topic_options.naming_of(args, [args.bag])
    frames = frame_options.named_frames(args, naming, args.bag)
    seen = read_pictures(args.bag, naming)
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("pictures", total=None)
        views, told = find_board(
            seen,
            board,
            world_frame=frames.world,
            tool_frame=frames.tool,
            still_m=args.still,
            every=args.every,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    for problem in told:
        print(f"foley calibrate: {problem}", file=sys.stderr)
    answer = calibrate(views, seen.K, in_hand=args.camera == "in-hand")
    parent = frames.tool if args.camera == "in-hand" else frames.world
    transform = StaticTransform(parent, seen.frame_id, answer.tx_parent_camera)
    args.out.mkdir(parents=True, exist_ok=True)
    transform.write(args.out / "camera.yaml")
    figures = {k: v for k, v in dataclasses.asdict(answer).items() if not k.startswith("tx_")}
    write_metrics(args.out, {**figures, "transform": transform.fields})
    print(
        f"{answer.pictures} pictures, {answer.corners} corners: residual {answer.rms_px:.2f} px (worst picture "
        f"{answer.worst_px:.2f}); the camera is known to {answer.std_mm:.2f} mm and {answer.std_deg:.3f} degrees\n"
        f"{args.out / 'camera.yaml'}; publish it with\n  {transform.command}"
    )
    return 0
