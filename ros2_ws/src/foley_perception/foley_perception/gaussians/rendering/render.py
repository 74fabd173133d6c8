"""One way to draw Gaussians, wherever they lie: `gsplat` on CUDA, our own rasteriser on the CPU.

Both know the same gates and give gradients; nothing else needs to know which one runs.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.rendering.reference import BLUR, NEAR
from foley_perception.geometry.camera import CameraModel


@dataclasses.dataclass(frozen=True, eq=False)
class Rendered:
    """An image of a scene.

    Args:
        rgb: colour [H, W, 3], over the background that was asked for.
        depth: expected depth [H, W] along the optical axis [m]; 0 where nothing is.
        alpha: how much of a pixel is covered [H, W]; near 0 where the scene was never seen.
        info: what a densification strategy of `gsplat` asks for.
    """

    rgb: Tensor
    depth: Tensor
    alpha: Tensor
    info: dict[str, Any]


def render(
    gaussians: Gaussians, camera: CameraModel, background: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> Rendered:
    """Draw a scene as a camera sees it, differentiable in every field of the Gaussians."""
    like = gaussians.means
    viewmat = torch.as_tensor(camera.tx_world_camera.inverse().matrix).to(like)
    intrinsics = torch.as_tensor(camera.K.copy()).to(like)
    intrinsics[:2, 2] += 0.5  # from pixel centres at whole numbers to pixel edges at whole numbers
    draw = _cuda if like.is_cuda else _cpu
    rgb, summed, alpha, info = draw(gaussians, viewmat, intrinsics, camera.width, camera.height)
    behind = torch.tensor(background, dtype=rgb.dtype, device=rgb.device)
    return Rendered(rgb + (1 - alpha)[..., None] * behind, summed / alpha.clamp(min=1e-10), alpha, info)


def _cpu(
    gaussians: Gaussians, viewmat: Tensor, K: Tensor, width: int, height: int
) -> tuple[Tensor, Tensor, Tensor, dict[str, Any]]:
    from foley_perception.gaussians.rendering.cpu_rasteriser import rasterise

    return rasterise(gaussians, viewmat, K, width, height)


def _cuda(
    gaussians: Gaussians, viewmat: Tensor, K: Tensor, width: int, height: int
) -> tuple[Tensor, Tensor, Tensor, dict[str, Any]]:
    from gsplat import rasterization

    out, alpha, info = rasterization(
        gaussians.means,
        gaussians.quats,
        gaussians.scales,
        gaussians.opacities,
        gaussians.sh,
        viewmat[None],
        K[None],
        width,
        height,
        near_plane=NEAR,
        eps2d=BLUR,
        sh_degree=gaussians.sh_degree,
        packed=False,
        render_mode="RGB+D",
    )
    return out[0, ..., :3], out[0, ..., 3], alpha[0, ..., 0], info
