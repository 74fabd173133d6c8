"""`foley scene`: reconstruct a scene as Gaussians, draw it, look at it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from foley_perception.commands import scene_reconstruct, scene_register, scene_stills, scene_views
from foley_perception.commands.calibrate import add_board, board_of

HELP = "reconstruct a scene from a scan as 3D Gaussians, draw it, look at it"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  foley scene reconstruct out/foleysim-1-mini/bags/scans/test-00000-scan\n"
        "  foley scene reconstruct out/foleysim-1-mini/bags/scans         # all of them\n"
        "  foley scene poses photos                                       # where photographs were taken\n"
        "  foley scene poses photos --board --square 0.0302               # in metres: a printed board is in them\n"
        "  foley scene reconstruct photos --start random --steps 2000     # a folder with transforms.json\n"
        "  foley scene register out/scene/test-00000-scan bags/demo_1     # where the camera of a recording stands\n"
        "  foley scene views out/foleysim-1-mini/bags --scenes out/scene --out out/views\n"
        "  foley scene stills out/stills/train --out out/stills/train_gaussians   # of `foley sim stills --scan`\n"
        "  foley scene view out/scene/test-00000-scan                     # in the browser\n"
        "  foley scene render out/scene/test-00000-scan --eye 0 -0.6 0.5 --target 0 0 0 --to view.png\n\n"
        "A scan is a bag in which a camera with /tf moves round a still scene, or a folder of images with poses."
    )
    actions = parser.add_subparsers(
        dest="action", required=True, metavar="poses|reconstruct|register|views|stills|render|view"
    )
    poses = actions.add_parser(
        "poses", help="find where photographs were taken (COLMAP); writes transforms.json"
    )
    poses.add_argument("folder", type=Path, help="images of one camera at one focal length")
    poses.add_argument(
        "--intrinsics",
        type=float,
        nargs=4,
        metavar=("FX", "FY", "CX", "CY"),
        default=(),
        help="[pixel] if known",
    )
    poses.add_argument(
        "--board",
        action="store_true",
        help="a printed board (`foley calibrate board`) is in the scene: metres, and the board's frame as the world",
    )
    poses.add_argument(
        "--keep",
        action="store_true",
        help="the poses in transforms.json are kept, and only brought to metres",
    )
    add_board(poses)
    scene_reconstruct.configure(actions)
    scene_register.configure(actions)
    scene_views.configure(actions)
    scene_stills.configure(actions)
    draw = actions.add_parser("render", help="draw a scene from anywhere")
    draw.add_argument("scene", type=Path, help="a scene's folder, or a PLY of Gaussians")
    draw.add_argument("--eye", type=float, nargs=3, metavar=("X", "Y", "Z"), required=True)
    draw.add_argument("--target", type=float, nargs=3, metavar=("X", "Y", "Z"), default=(0.0, 0.0, 0.0))
    draw.add_argument("--size", type=int, nargs=2, metavar=("W", "H"), default=(640, 480))
    draw.add_argument("--fov", type=float, default=45.0, help="[deg] upright (default: %(default)s)")
    draw.add_argument(
        "--to", type=Path, default=Path("view.png"), help="image to write (default: %(default)s)"
    )
    look = actions.add_parser("view", help="look at a scene in the browser")
    look.add_argument("scene", type=Path, help="a scene's folder, or a PLY of Gaussians")
    look.add_argument("--port", type=int, default=8080)
    look.add_argument("--host", default="127.0.0.1", help="default: this machine only")


def run(args: argparse.Namespace) -> int:
    """Exit code 0; 1 where a run diverged; 2 for what the user can mend."""
    try:
        return {
            "poses": _poses,
            "reconstruct": scene_reconstruct.run,
            "register": scene_register.run,
            "views": scene_views.run,
            "stills": scene_stills.run,
            "render": _render,
            "view": _view,
        }[args.action](args)
    except ModuleNotFoundError as error:
        print(
            f"foley scene: error: {error.name} is not installed; set up with FOLEY_EXTRAS='learn scene'",
            file=sys.stderr,
        )
        return 2
    except FloatingPointError as error:
        print(f"foley scene: error: {error}", file=sys.stderr)
        return 1
    except (ValueError, OSError) as error:
        print(f"foley scene: error: {error}", file=sys.stderr)
        return 2


def _poses(args: argparse.Namespace) -> int:
    from rich.console import Console

    from foley_perception.scene.metric import to_metres
    from foley_perception.scene.structure import find_poses

    if args.keep and not args.board:
        raise ValueError("--keep belongs to --board: without it there is nothing to do")
    board = board_of(args)
    if not args.keep:
        with Console(stderr=True).status("COLMAP looks for what the pictures have in common"):
            found = find_poses(args.folder, args.intrinsics)
        print(
            f"{found.registered} of {found.pictures} pictures have a pose, {found.points} points, "
            f"{found.error_px:.2f} px"
        )
    scale = "the scale is free; with --board it is in metres"
    if args.board:
        metric = to_metres(args.folder, board)
        scale = (
            f"in metres, by {metric.corners} corners of the board in {metric.pictures} pictures, which fit to "
            f"{metric.rms_mm:.2f} mm"
        )
    print(f"{args.folder / 'transforms.json'} ({scale})")
    return 0


def _render(args: argparse.Namespace) -> int:
    import cv2
    import numpy as np
    import torch

    from foley_perception.gaussians.ply import load_ply
    from foley_perception.gaussians.rendering.render import render
    from foley_perception.geometry.camera import CameraModel

    path = args.scene / "scene.ply" if args.scene.is_dir() else args.scene
    up = (0, 1, 0) if np.allclose(np.subtract(args.eye, args.target)[:2], 0) else (0, 0, 1)
    width, height = args.size
    camera = CameraModel.looking_at(
        args.eye, args.target, width=width, height=height, fovy_deg=args.fov, up=up
    )
    with torch.no_grad():
        drawn = render(load_ply(path), camera)
    image = (drawn.rgb.clamp(0, 1).numpy()[..., ::-1] * 255).round().astype(np.uint8)
    if not cv2.imwrite(str(args.to), image):
        raise OSError(f"{args.to}: cannot be written")
    print(f"{args.to}: {width}x{height}, {float(drawn.alpha.mean()):.0%} of it covered")
    return 0


def _view(args: argparse.Namespace) -> int:
    from foley_perception.commands.serving import serve
    from foley_perception.gaussians.viewer import open_viewer

    server = open_viewer(args.scene, host=args.host, port=args.port)
    return serve(args.host, server.get_port(), "look at this scene", server.stop)
