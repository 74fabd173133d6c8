"""Gaussian splatting written plainly in torch: every pixel asks every Gaussian. For tests and as a definition.

The gates are those of `gsplat`: a contribution under 1/255 is left out, an opacity is at most 0.999, and a pixel stops
before its transmittance falls to 1e-4.
"""

from __future__ import annotations

import torch
from torch import Tensor

from foley_perception.gaussians.gaussians import Gaussians

ALPHA_MIN = 1.0 / 255.0
ALPHA_MAX = 0.999
TRANSMITTANCE_MIN = 1e-4
BLUR = 0.3
"""Variance [pixel^2] added to every Gaussian on the image."""
NEAR = 0.01
"""Gaussians nearer than this to the camera's plane [m] are not drawn."""
MARGIN = 0.3
"""Gaussians beyond the image by this part of the half field of view are flattened as if they stood there."""


def render_reference(
    gaussians: Gaussians,
    viewmat: Tensor,  # [4, 4] world to camera
    K: Tensor,  # [3, 3], the first pixel's centre at 0.5
    width: int,
    height: int,
    rows: range | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Colour [H, W, 3], summed depth [H, W] and alpha [H, W] over nothing behind; of some rows only, if asked."""
    means2d, depths, conics, keep = project(gaussians, viewmat, K, width, height)
    colours = shade(gaussians, viewmat)
    values = torch.cat([colours, depths[:, None]], dim=1)
    image, alpha = composite(
        means2d,
        depths,
        conics,
        gaussians.opacities,
        values,
        keep,
        width,
        range(height) if rows is None else rows,
    )
    return image[..., :3], image[..., 3], alpha


def composite(
    means2d: Tensor,  # [N, 2]
    depths: Tensor,  # [N]
    conics: Tensor,  # [N, 3]
    opacities: Tensor,  # [N]
    values: Tensor,  # [N, C]
    keep: Tensor,  # [N]
    width: int,
    rows: range,
) -> tuple[Tensor, Tensor]:
    """Projected Gaussians laid over each other: their values [H, W, C], and alpha [H, W]."""
    order = torch.argsort(depths, stable=True)
    order = order[keep[order]]
    v, u = torch.meshgrid(
        torch.tensor(list(rows), dtype=depths.dtype) + 0.5,
        torch.arange(width, dtype=depths.dtype) + 0.5,
        indexing="ij",
    )
    dx = means2d[order, 0, None, None] - u
    dy = means2d[order, 1, None, None] - v
    a, b, c = (conics[order, i, None, None] for i in range(3))
    sigma = 0.5 * (a * dx * dx + c * dy * dy) + b * dx * dy
    alpha = (opacities[order, None, None] * torch.exp(-sigma)).clamp(max=ALPHA_MAX)
    alpha = torch.where((sigma >= 0) & (alpha >= ALPHA_MIN), alpha, torch.zeros_like(alpha))
    after = torch.cumprod(1 - alpha, dim=0)
    alpha = torch.where(after > TRANSMITTANCE_MIN, alpha, torch.zeros_like(alpha))
    # A pixel that has stopped stays stopped: `after` never rises.
    before = torch.cat([torch.ones_like(alpha[:1]), torch.cumprod(1 - alpha, dim=0)[:-1]])
    weights = alpha * before
    return torch.einsum("nhw,nc->hwc", weights, values[order]), weights.sum(0)


def project(
    gaussians: Gaussians, viewmat: Tensor, K: Tensor, width: int, height: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Centres on the image [N, 2], depths [N], inverse covariances [N, 3] (a, b, c) and which are drawn [N]."""
    rotation, shift = viewmat[:3, :3], viewmat[:3, 3]
    points = gaussians.means @ rotation.T + shift
    x, y, z = points.unbind(-1)
    keep = z > NEAR
    z = torch.where(keep, z, torch.ones_like(z))
    fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
    more_x, more_y = MARGIN * 0.5 * width / fx, MARGIN * 0.5 * height / fy
    tx = z * torch.clamp(x / z, min=-cx / fx - more_x, max=(width - cx) / fx + more_x)
    ty = z * torch.clamp(y / z, min=-cy / fy - more_y, max=(height - cy) / fy + more_y)
    zero = torch.zeros_like(z)
    jacobian = torch.stack([fx / z, zero, -fx * tx / z**2, zero, fy / z, -fy * ty / z**2], -1).reshape(
        -1, 2, 3
    )
    spread = rotation_matrices(gaussians.quats) * gaussians.scales[:, None, :]
    onto = jacobian @ rotation @ spread
    covariance = onto @ onto.transpose(1, 2) + BLUR * torch.eye(2, dtype=z.dtype)
    determinant = covariance[:, 0, 0] * covariance[:, 1, 1] - covariance[:, 0, 1] ** 2
    conics = (
        torch.stack([covariance[:, 1, 1], -covariance[:, 0, 1], covariance[:, 0, 0]], -1)
        / determinant[:, None]
    )
    return torch.stack([fx * x / z + cx, fy * y / z + cy], -1), z, conics, keep


def rotation_matrices(quats: Tensor) -> Tensor:  # [N, 4] w, x, y, z -> [N, 3, 3]
    w, x, y, z = (quats / quats.norm(dim=-1, keepdim=True)).unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z),
        2 * (x * y - w * z),
        2 * (x * z + w * y),
        2 * (x * y + w * z),
        1 - 2 * (x * x + z * z),
        2 * (y * z - w * x),
        2 * (x * z - w * y),
        2 * (y * z + w * x),
        1 - 2 * (x * x + y * y),
    ]
    return torch.stack(rows, -1).reshape(-1, 3, 3)


def shade(gaussians: Gaussians, viewmat: Tensor) -> Tensor:
    """Colours [N, 3] as the camera sees them, not under 0."""
    eye = -viewmat[:3, :3].T @ viewmat[:3, 3]
    away = gaussians.means - eye
    basis = harmonics(away / away.norm(dim=-1, keepdim=True), gaussians.sh.shape[1])
    return (torch.einsum("nk,nkc->nc", basis, gaussians.sh) + 0.5).clamp(min=0.0)


def harmonics(directions: Tensor, count: int) -> Tensor:  # [N, 3] -> [N, count]
    """Real spherical harmonics of unit vectors, in the order and with the signs of 3D Gaussian splatting."""
    x, y, z = directions.unbind(-1)
    one = torch.ones_like(x)
    values = [0.28209479177387814 * one]
    if count > 1:
        values += [-0.4886025119029199 * y, 0.4886025119029199 * z, -0.4886025119029199 * x]
    if count > 4:
        values += [
            1.0925484305920792 * x * y,
            -1.0925484305920792 * y * z,
            0.31539156525252005 * (3 * z * z - 1),
            -1.0925484305920792 * x * z,
            0.5462742152960396 * (x * x - y * y),
        ]
    if count > 9:
        values += [
            -0.5900435899266435 * y * (3 * x * x - y * y),
            2.890611442640554 * x * y * z,
            -0.4570457994644658 * y * (5 * z * z - 1),
            0.3731763325901154 * z * (5 * z * z - 3),
            -0.4570457994644658 * x * (5 * z * z - 1),
            1.445305721320277 * z * (x * x - y * y),
            -0.5900435899266435 * x * (x * x - 3 * y * y),
        ]
    return torch.stack(values, -1)
