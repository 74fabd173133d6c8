"""Drawing Gaussians on the CPU: `python -m benchmarks.renderer [--count 20000 100000]`.

A picture of 224x224 pixels with its projection, colours, sorting and, apart, its gradient; best of several, on all
cores. The error is against the dense float64 definition in some rows. The floor is one exponential for every pair of
pixel and Gaussian above 1/255 that the picture needs. Beside it stands Open3D's own renderer of Gaussians (offscreen,
software GL), where it runs. Ratios are over the floor. Writes metrics.json to --out.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._bench import best, parser
from foley_common.metrics_file import write_metrics
from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.ply import save_ply
from foley_perception.gaussians.rendering import kernels_draw
from foley_perception.gaussians.rendering.reference import project, render_reference
from foley_perception.gaussians.rendering.render import render
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3

SIDE = 224
ROWS = range(3, SIDE, 37)


def scene(count: int) -> Gaussians:
    """A cloud of flat Gaussians in front of the camera, opaque enough that little is seen through it."""
    g = torch.Generator().manual_seed(0)
    even = torch.rand(count, 3, generator=g)
    means = torch.stack([even[:, 0] * 2 - 1, even[:, 1] * 2 - 1, even[:, 2] * 3 + 0.5], -1)
    size = 0.02 * (20_000 / count) ** 0.5
    scales = size * torch.exp(0.7 * torch.randn(count, 3, generator=g))
    opacities = 0.02 + 0.98 * torch.rand(count, generator=g)
    sh = 0.3 * torch.randn(count, 1, 3, generator=g)
    return Gaussians(means, torch.randn(count, 4, generator=g), scales, opacities, sh)


def gradient(gaussians: Gaussians, camera: CameraModel, repeats: int) -> float:
    """Milliseconds of the fastest backward pass."""
    names = ("means", "quats", "scales", "opacities", "sh")
    leaves = [getattr(gaussians, name).clone().requires_grad_() for name in names]
    times = []
    for _ in range(repeats + 1):
        image = render(Gaussians(*leaves), camera)
        loss = image.rgb.sum() + image.depth.sum()
        began = time.perf_counter()
        loss.backward()
        times.append(time.perf_counter() - began)
    return 1e3 * min(times[1:])


def pairs(gaussians: Gaussians, viewmat: torch.Tensor, K: torch.Tensor) -> int:
    """Pairs of pixel and Gaussian above 1/255 that come before the pixel is full."""
    means2d, depths, conics, keep = project(gaussians, viewmat, K, SIDE, SIDE)
    reach = torch.sqrt(2 * torch.log((gaussians.opacities * 255).clamp(min=1.001)))
    determinant = conics[:, 0] * conics[:, 2] - conics[:, 1] ** 2
    extent = reach[:, None] * torch.sqrt(torch.stack([conics[:, 2], conics[:, 0]], -1) / determinant[:, None])
    radii = torch.where(keep[:, None], extent.ceil(), torch.zeros(1)).int().numpy()
    order = torch.argsort(depths)[keep[torch.argsort(depths)]].int().numpy()
    tiles = -(-SIDE // kernels_draw.TILE)
    starts, lists = kernels_draw.bin_tiles(order, means2d.numpy(), radii, tiles, tiles)
    ones = np.ones((len(gaussians), 4), np.float32)
    gates = np.array([1 / 255, 0.999, 1e-4], np.float32)
    size = np.array([SIDE, SIDE], np.int32)
    _, _, ends = kernels_draw.draw(
        starts, lists, means2d.numpy(), conics.numpy(), radii, gaussians.opacities.numpy(), ones, size, gates
    )
    total = 0
    for row in ROWS:
        for column in range(0, SIDE, 3):
            tile = (row // kernels_draw.TILE) * tiles + column // kernels_draw.TILE
            near = lists[starts[tile] : starts[tile] + ends[row, column]]
            dx = means2d[near, 0] - column - 0.5
            dy = means2d[near, 1] - row - 0.5
            a, b, c = conics[near].T
            alpha = gaussians.opacities[near] * torch.exp(-0.5 * (a * dx * dx + c * dy * dy) - b * dx * dy)
            total += int((alpha >= 1 / 255).sum())
    return round(total / (len(ROWS) * len(range(0, SIDE, 3))) * SIDE * SIDE)


def open3d_ms(gaussians: Gaussians, camera: CameraModel, repeats: int) -> float | None:
    """Milliseconds of Open3D's renderer; None where it does not run."""
    try:
        import open3d as o3d
        from open3d.visualization import rendering

        with tempfile.TemporaryDirectory() as folder:
            save_ply(gaussians, Path(folder) / "scene.ply")
            cloud = o3d.t.io.read_point_cloud(str(Path(folder) / "scene.ply"))
        renderer = rendering.OffscreenRenderer(SIDE, SIDE)
        material = rendering.MaterialRecord()
        material.shader = "gaussianSplat"
        renderer.scene.add_geometry("scene", cloud, material)
        renderer.setup_camera(camera.K, camera.tx_world_camera.inverse().matrix, SIDE, SIDE)
        return 1e3 * best(lambda: np.asarray(renderer.render_to_image()), repeats)
    except Exception as error:  # noqa: BLE001  a graphics stack fails in many ways, and this row is optional
        print(f"Open3D's renderer does not run here: {type(error).__name__}: {error}")
        return None


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("renderer", __doc__)
    options.add_argument("--count", type=int, nargs="*", default=[20_000, 100_000], help="Gaussians")
    options.add_argument("--repeats", type=int, default=15)
    args = options.parse_args(arguments)
    K = np.array([[200.0, 0, SIDE / 2 - 0.5], [0, 200.0, SIDE / 2 - 0.5], [0, 0, 1]])
    camera = CameraModel(K, SIDE, SIDE, SE3.identity())
    viewmat, edges = torch.eye(4), torch.as_tensor(K.copy()).float()
    edges[:2, 2] += 0.5
    results: list[dict[str, Any]] = []
    for count in args.count:
        gaussians = scene(count)
        with torch.no_grad():
            forward = 1e3 * best(lambda: render(gaussians, camera), args.repeats)  # noqa: B023
            ours = render(gaussians, camera).rgb
            exact = [
                render_reference(
                    gaussians.to(torch.float64), viewmat.double(), edges.double(), SIDE, SIDE, range(r, r + 1)
                )[0]
                for r in ROWS
            ]
            error = torch.cat([ours[r : r + 1] - one for r, one in zip(ROWS, exact, strict=True)])
            needed = pairs(gaussians, viewmat, edges)
        values = -torch.rand(needed)
        floor = 1e3 * best(lambda: torch.exp(values), args.repeats)  # noqa: B023
        row = {
            "gaussians": count,
            "forward_ms": forward,
            "backward_ms": gradient(gaussians, camera, args.repeats),
            "error_db": -10 * float(torch.log10((error**2).mean())),
            "pairs": needed,
            "floor_ms": floor,
            "open3d_ms": open3d_ms(gaussians, camera, args.repeats),
        }
        results.append(row)
        beside = f"; Open3D {row['open3d_ms']:.0f} ms" if row["open3d_ms"] else ""
        print(
            f"{count:7d} Gaussians: forward {forward:.1f} ms = {forward / floor:.1f} x floor, backward "
            f"{row['backward_ms']:.1f} ms, {row['error_db']:.0f} dB from the definition{beside}"
        )
    head = {"threads": torch.get_num_threads(), "side": SIDE, "rows_compared": len(ROWS)}
    write_metrics(args.out, {**head, "results": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())
