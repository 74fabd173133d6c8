"""Hands found with the real networks: `python -m benchmarks.hands [--seconds 6] [--photos photo.jpg ...]`.

A right hand taps on a table before a camera, a left one comes in later and rests; both are drawn with depth, so every
joint is known. The tracker follows them: with depth, without it, and with depth that is noisy and full of holes. What
it says is put into the scene as the sound model sees it: projected into the global and the local views, in pixels
of 224. With --photos, what is found in photographs is told as well. Writes metrics.json and a picture to --out.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks._bench import parser
from foley_common.metrics_file import write_metrics
from foley_perception.gaussians.views.cameras import ViewConfig, local_camera, square
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_perception.hands.analytic import DrawnHand
from foley_perception.hands.detect import HandDetector
from foley_perception.hands.draw import draw_landmarks
from foley_perception.hands.models import HandModelError
from foley_perception.hands.tracking_pipeline import HandFollower
from foley_perception.scene.analytic import BOXES, bench_camera, render_depth

Array = NDArray[np.float64]
RATE_HZ = 15
SIDES = ("left", "right")


def moment(t: float) -> tuple[list[tuple[DrawnHand, SE3]], Array]:
    """The hands at a time [s], and their joints [2, 21, 3], NaN where there is none."""
    height = 0.06 + 0.07 * abs(np.sin(1.6 * np.pi * t))
    right = SE3.from_rotation(
        _turned(
            np.array([[0.0, -1, 0], [-1, 0, 0], [0, 0, -1]]), 0.25 * np.sin(0.9 * t), 0.2 * np.sin(1.3 * t)
        ),
        (0.17 + 0.04 * np.sin(0.7 * t), -0.08 + 0.06 * np.sin(0.5 * t), height),
    )
    shown = [(DrawnHand(right=True, curl=0.25 + 0.2 * np.sin(2.1 * t)), right)]
    if t > 2.0:
        left = SE3.from_rotation(
            _turned(np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, -1]]), -0.2, 0.1 * np.sin(t)),
            (-0.24, -0.14, 0.08),
        )
        shown.append((DrawnHand(right=False, curl=0.15), left))
    joints = np.full((2, 21, 3), np.nan)
    for hand, pose in shown:
        joints[int(hand.right)] = hand.joints(pose)
    return shown, joints


def _turned(rotation: Array, yaw: float, roll: float) -> Array:
    return cv2.Rodrigues(np.array([0.0, 0, yaw]))[0] @ rotation @ cv2.Rodrigues(np.array([0.0, roll, 0]))[0]


def film(
    camera: CameraModel, seconds: float
) -> list[tuple[int, NDArray[np.uint8], NDArray[np.float32], Array]]:
    """Stamps, pictures, depth, joints."""
    rng = np.random.default_rng(0)
    depth = render_depth(camera, BOXES)
    cloth = cv2.GaussianBlur(rng.random((camera.height, camera.width, 3)), (0, 0), camera.width / 40)
    cloth = 0.35 + 0.3 * (cloth - cloth.min()) / np.ptp(cloth)
    taken = []
    for k in range(round(seconds * RATE_HZ)):
        rgb, far = np.asarray(np.round(cloth * 255), np.uint8), depth
        shown, joints = moment(k / RATE_HZ)
        for hand, pose in shown:
            rgb, far = hand.draw(camera, pose, rgb, far)
        noisy = np.clip(rgb + rng.normal(0, 3, rgb.shape), 0, 255).astype(np.uint8)
        taken.append((round(k * 1e9 / RATE_HZ), noisy, far, joints))
    return taken


def spoiled(depth: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """As a depth camera gives it: noise that grows with the square of the distance, holes along edges and at random."""
    noise = rng.normal(0, 1, depth.shape) * 0.002 * np.nan_to_num(depth, nan=0.0) ** 2
    far = (depth + noise).astype(np.float32)
    step = np.abs(cv2.Laplacian(np.nan_to_num(depth, nan=5.0), cv2.CV_32F)) > 0.05
    far[(cv2.dilate(step.astype(np.uint8), np.ones((3, 3))) > 0) | (rng.random(depth.shape) < 0.1)] = np.nan
    return far


def judge(film_: list[Any], camera: CameraModel, mode: str) -> dict[str, Any]:
    """The tracker against what is known."""
    follower, rng = HandFollower(HandDetector()), np.random.default_rng(1)
    view = ViewConfig()
    errors: dict[str, list[float]] = {"mm": [], "shape_mm": [], "global_px": [], "local_px": []}
    there = found = wrong = 0
    spent = []
    for time_ns, rgb, depth, joints in film_:
        far = {"depth": depth, "noisy depth": spoiled(depth, rng), "no depth": None}[mode]
        began = time.perf_counter()
        seen, _ = follower.follow(time_ns, rgb, camera, far)
        spent.append(time.perf_counter() - began)
        for side in range(2):
            real, told = np.isfinite(joints[side]).all(), np.isfinite(seen[side]).all()
            there, found, wrong = there + real, found + (real and told), wrong + (told and not real)
            if not (real and told):
                continue
            off = np.linalg.norm(seen[side] - joints[side], axis=1)
            errors["mm"] += (1e3 * off).tolist()
            drift = (seen[side] - joints[side]).mean(axis=0)
            errors["shape_mm"] += (1e3 * np.linalg.norm(seen[side] - joints[side] - drift, axis=1)).tolist()
            for name, one in (
                ("global_px", square(camera, view.size)),
                ("local_px", local_camera(camera, joints[side].mean(axis=0), view)),
            ):
                gap = one.project(seen[side])[0] - one.project(joints[side])[0]
                errors[name] += np.linalg.norm(gap, axis=1).tolist()
    return {
        "hands": int(there),
        "found": int(found),
        "told_but_not_there": int(wrong),
        "ms_mean": 1e3 * float(np.mean(spent)),
        **{
            name: {"mean": float(np.mean(e)), "p95": float(np.percentile(e, 95))} if e else None
            for name, e in errors.items()
        },
    }


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("hands", __doc__)
    options.add_argument("--seconds", type=float, default=6.0)
    options.add_argument("--photos", nargs="*", type=Path, default=[], help="photographs of hands")
    args = options.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        detector = HandDetector()
    except HandModelError as error:
        print(f"benchmarks.hands: error: {error}", file=sys.stderr)
        return 2
    results: dict[str, Any] = {"pictures_hz": RATE_HZ, "seconds": args.seconds, "drawn": {}, "photos": {}}
    for size in ((320, 240), (640, 480)):
        camera = bench_camera(*size)
        taken = film(camera, args.seconds)
        for mode in ("depth", "noisy depth", "no depth"):
            row = judge(taken, camera, mode)
            results["drawn"][f"{size[0]}x{size[1]}, {mode}"] = row
            print(
                f"{size[0]}x{size[1]}, {mode}: {row['found']} of {row['hands']} hands, "
                + (f"{row['mm']['mean']:.1f} mm, " if row["mm"] else "")
                + (
                    f"{row['global_px']['mean']:.2f} px global, {row['local_px']['mean']:.1f} px local, "
                    if row["mm"]
                    else ""
                )
                + f"{row['ms_mean']:.0f} ms a picture",
                flush=True,
            )
        if size[0] == 640:
            tiles = []
            for index in (len(taken) // 6, len(taken) // 2, len(taken) - 1):
                detector.forget()
                tiles.append(draw_landmarks(taken[index][1], detector.detect(taken[index][1])))
            cv2.imwrite(
                str(args.out / "hands.jpg"), np.hstack(tiles)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90]
            )
    for path in args.photos:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            print(f"{path}: not a picture, or damaged", file=sys.stderr)
            return 2
        detector.forget()
        results["photos"][path.name] = [
            {"right": hand.right, "score": hand.score}
            for hand in detector.detect(np.ascontiguousarray(image[..., ::-1]))
        ]
    write_metrics(args.out, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
