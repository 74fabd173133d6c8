"""`foley sim show` and `foley sim gallery`: pictures of scenes and of what they sound like."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from foley_sim.commands.options import add_metrics
from foley_sim.editions import EDITIONS
from foley_sim.spec import ROBOTS

ACTIONS: tuple[str, ...] = ("show", "gallery")


def configure(actions: Any) -> None:
    show = actions.add_parser("show", help="a picture of one scene with its objects one by one")
    show.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the scene (default: 0)")
    show.add_argument("--split", default="test", help="train, validation or test (default: test)")
    show.add_argument("--edition", default="tabletop", help=f"{', '.join(EDITIONS)} (default: tabletop)")
    show.add_argument("--material", default="", metavar="NAME", help="every object is made of this one")
    show.add_argument("--robot", choices=ROBOTS, help="who touches things (default: the scene's own)")
    show.add_argument(
        "--out",
        type=Path,
        default=Path("scene.png"),
        metavar="FILE",
        help="PNG to write (default: scene.png)",
    )
    gallery = actions.add_parser(
        "gallery", help="FoleySim-1 in pictures: scenes, robots, disguises, a wall of spectrograms (a minute)"
    )
    gallery.add_argument(
        "--out", type=Path, default=Path("out/sim_gallery"), metavar="DIR", help="folder of the pictures"
    )
    add_metrics(gallery, "sim_gallery")


def run(args: argparse.Namespace) -> int:
    """
    Raises:
        ValueError, OSError: no such scene, or a file that cannot be written.
    """
    return {"show": _show, "gallery": _gallery}[args.action](args)


def _show(args: argparse.Namespace) -> int:
    from foley_sim.editions import make_scene
    from foley_sim.rendering.contact_sheet import contact_sheet
    from foley_sim.scene import made_of

    if args.out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise ValueError(f"--out is `{args.out}`, must end in .png or .jpg")
    scene = make_scene(args.seed, args.split, args.edition)
    if args.material:
        scene = made_of(scene, args.material)
    _write(args.out, contact_sheet(dataclasses.replace(scene, robot=args.robot or scene.robot)))
    return 0


def _gallery(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import Progress

    from foley_common.metrics_file import write_metrics
    from foley_sim.rendering import gallery

    _write(args.out / "foleysim1_scenes.jpg", gallery.scenes_sheet())
    _write(args.out / "foleysim1_robots.jpg", gallery.robots_sheet())
    _write(args.out / "foleysim1_disguises.jpg", gallery.disguises_sheet())
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("wall of spectrograms", total=len(gallery.MATERIALS))
        picture, peaks = gallery.wall(lambda material: bar.advance(task))
    _write(args.out / "foleysim1_wall.png", picture)
    write_metrics(args.metrics, {"scenes": [f"{s} {n}" for s, n in gallery.SHOWN], "peak_dbfs": peaks})
    return 0


def _write(path: Path, picture: Any) -> None:
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    options = [cv2.IMWRITE_JPEG_QUALITY, 88] if path.suffix != ".png" else [cv2.IMWRITE_PNG_COMPRESSION, 9]
    if not cv2.imwrite(str(path), picture[:, :, ::-1], options):
        raise OSError(f"{path} cannot be written")
    print(f"{path}: {picture.shape[1]}x{picture.shape[0]} pixels")
