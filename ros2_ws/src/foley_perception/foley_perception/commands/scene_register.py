"""`foley scene register`: where a camera that stands still is in a reconstructed scene."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foley_common.metrics_file import write_metrics
from foley_perception.commands import frame_options, topic_options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from foley_perception.gaussians.gaussians import Gaussians
    from foley_perception.geometry.camera import CameraModel
    from foley_perception.scene.recorded import RecordedPictures


def configure(actions: Any) -> None:
    """Add the command's arguments."""
    put = actions.add_parser(
        "register", help="find where the camera of a recording stands in a scene, by what it sees"
    )
    put.add_argument("scene", type=Path, help="a scene's folder, as `foley scene reconstruct` writes it")
    put.add_argument("bag", type=Path, help="recording of a camera that stands still")
    put.add_argument(
        "--pictures", type=int, default=5, metavar="N", help="look at so many (default: %(default)s)"
    )
    put.add_argument("--to", type=Path, metavar="DIR", help="also write a copy of the bag with the transform")
    topic_options.add(put)
    frame_options.add(put, "world")
    put.add_argument(
        "--out", type=Path, default=Path("out/register"), metavar="DIR", help="default: %(default)s"
    )


def run(args: argparse.Namespace) -> int:
    """Exit code 0; errors are raised."""
    import contextlib
    import json

    import numpy as np
    from rich.console import Console
    from rich.progress import Progress

    from foley_perception.gaussians.ply import load_ply
    from foley_perception.gaussians.register import register_still
    from foley_perception.geometry.se3 import SE3
    from foley_perception.geometry.static_transform import StaticTransform
    from foley_perception.geometry.tf_buffer import TransformUnavailable
    from foley_perception.recording.disk import check_folder
    from foley_perception.scene.recorded import read_pictures
    from foley_perception.scene.scan import ScanError

    try:
        manifest = json.loads((args.scene / "scene.json").read_text())
        guesses = [SE3.from_matrix(np.array(c["tx_world_camera"])) for c in manifest["cameras"].values()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ScanError(
            f"{args.scene}: no scene.json of a reconstruction ({type(error).__name__}: {error})"
        ) from error
    if args.pictures < 1:
        raise ValueError(f"--pictures is {args.pictures}, must be at least 1")
    if args.to is not None:
        check_folder(args.to, 0)
    naming = topic_options.naming_of(args, [args.bag])
    world = frame_options.named_frames(args, naming, args.bag).world
    seen = read_pictures(args.bag, naming)
    known: SE3 | None = None
    stamps = seen.frames.times_ns
    with contextlib.suppress(TransformUnavailable):
        known = seen.transforms.lookup(world, seen.frame_id, int(stamps[len(stamps) // 2]))
    if known is not None and args.to is not None:
        raise ValueError(
            f"{args.bag} says already where {seen.frame_id} is in {world}; leave --to out to compare"
        )
    gaussians = load_ply(args.scene / "scene.ply")
    chosen = np.unique(np.linspace(0, len(stamps) - 1, min(args.pictures, len(stamps))).astype(int))
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("pictures", total=len(chosen))
        found = register_still(
            gaussians,
            (np.asarray(seen.frames.read(int(index)), dtype=np.uint8) for index in chosen),
            seen.K,
            guesses[:: max(1, len(guesses) // 16)],
            progress=lambda done: bar.update(task, completed=done),
        )
    for problem in found.problems:
        print(f"foley scene: {problem}", file=sys.stderr)
    transform = StaticTransform(world, seen.frame_id, found.camera.tx_world_camera)
    args.out.mkdir(parents=True, exist_ok=True)
    transform.write(args.out / "camera.yaml")
    _picture(gaussians, found.camera, seen, int(chosen[len(chosen) // 2]), args.out / "register.jpg")
    figures: dict[str, Any] = {
        "scene": str(args.scene),
        "bag": str(args.bag),
        "pictures": found.pictures,
        "agree": len(found.each),
        "inliers": float(np.mean([one.inliers for one in found.each])),
        "rms_px": float(np.mean([one.rms_px for one in found.each])),
        "spread_mm": found.spread_mm,
        "spread_deg": found.spread_deg,
        "problems": list(found.problems),
        "transform": transform.fields,
    }
    told = ""
    if known is not None:
        shift, turn = found.camera.tx_world_camera.distance_to(known)
        figures["from_tf_mm"], figures["from_tf_deg"] = 1e3 * float(shift), float(np.rad2deg(turn))
        told = (
            f"tf says a place {figures['from_tf_mm']:.1f} mm and {figures['from_tf_deg']:.2f} degrees away\n"
        )
    write_metrics(args.out, figures)
    print(
        f"{len(found.each)} of {found.pictures} pictures agree, {figures['inliers']:.0f} features each, "
        f"{figures['rms_px']:.2f} px; they differ by {found.spread_mm:.1f} mm and {found.spread_deg:.2f} degrees\n"
        f"{told}"
        f"{args.out}/camera.yaml, metrics.json, register.jpg; publish it with\n  {transform.command}"
    )
    if args.to is not None:
        from foley_perception.ros.derived_topics import copy_with_transform

        copied = copy_with_transform(args.bag, args.to, transform)
        for problem in copied.problems:
            print(f"foley scene: {problem}", file=sys.stderr)
        print(f"{args.to}: {copied.messages} messages, /tf_static says where the camera is")
    return 0


def _picture(
    gaussians: Gaussians, camera: CameraModel, seen: RecordedPictures, index: int, path: Path
) -> None:
    """The camera's picture, the scene drawn from where it was found, and both in one."""
    import cv2
    import numpy as np
    import torch

    from foley_perception.gaussians.rendering.render import render

    real: NDArray[np.uint8] = np.asarray(seen.frames.read(index), dtype=np.uint8)
    with torch.no_grad():
        drawn = (render(gaussians, camera).rgb.clamp(0, 1).cpu().numpy() * 255).round().astype(np.uint8)
    both = np.hstack([real, drawn, cv2.addWeighted(real, 0.5, drawn, 0.5, 0)])
    if not cv2.imwrite(str(path), both[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92]):
        raise OSError(f"{path}: cannot be written")
