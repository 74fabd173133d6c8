"""The CPU's rasteriser: numba kernels behind torch's autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.rendering import kernels_draw, kernels_project
from foley_perception.gaussians.rendering.reference import (
    ALPHA_MAX,
    ALPHA_MIN,
    BLUR,
    MARGIN,
    NEAR,
    TRANSMITTANCE_MIN,
)

Values = NDArray[Any]


def rasterise(
    gaussians: Gaussians, viewmat: Tensor, K: Tensor, width: int, height: int
) -> tuple[Tensor, Tensor, Tensor, dict[str, Any]]:
    """Colour [H, W, 3], summed depth [H, W], alpha [H, W] and what a densification strategy asks for.

    Args:
        viewmat: world to camera [4, 4].
        K: intrinsics [3, 3], the first pixel's centre at 0.5.
    """
    g = gaussians
    dtype = _array(g.means).dtype
    view = np.ascontiguousarray(_array(viewmat), dtype=dtype)
    k = _array(K)
    intrinsics = np.array([k[0, 0], k[1, 1], k[0, 2], k[1, 2]], dtype)
    size = np.array([width, height], np.int32)
    means2d, depths, conics, radii = _Project.apply(
        g.means, g.quats, g.scales, g.opacities, view, intrinsics, size
    )
    eye = -view[:3, :3].T @ view[:3, 3]
    colours = _Shade.apply(g.means, g.sh, eye, radii.numpy())
    batch = means2d[None]  # a strategy keeps the gradient of one tensor for all cameras [C, N, 2]
    features = torch.cat([colours, depths[:, None]], dim=1)
    out, through = _Draw.apply(batch[0], conics, g.opacities, features, _array(depths), radii.numpy(), size)
    info = {
        "means2d": batch,
        "radii": radii[None],
        "width": width,
        "height": height,
        "n_cameras": 1,
        "gaussian_ids": None,
    }
    return out[..., :3], out[..., 3], 1 - through, info


def _array(value: Tensor) -> Values:
    return np.ascontiguousarray(value.detach().numpy())


class _Project(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        means: Tensor,
        quats: Tensor,
        scales: Tensor,
        opacities: Tensor,
        viewmat: Values,
        intrinsics: Values,
        size: Values,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        limits = np.array([NEAR, BLUR, MARGIN], viewmat.dtype)
        arrays = [_array(value) for value in (means, quats, scales)]
        means2d, depths, conics, radii = kernels_project.project(
            *arrays, _array(opacities), viewmat, intrinsics, size, limits
        )
        ctx.kept = (*arrays, viewmat, intrinsics, size, limits, radii, conics)
        result = tuple(torch.from_numpy(value) for value in (means2d, depths, conics, radii))
        ctx.mark_non_differentiable(result[3])
        return result  # type: ignore[return-value]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        v_means, v_quats, v_scales = kernels_project.project_backward(
            *ctx.kept, *(_array(g) for g in grads[:3])
        )
        return *(torch.from_numpy(v) for v in (v_means, v_quats, v_scales)), None, None, None, None


class _Shade(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, means: Tensor, sh: Tensor, eye: Values, radii: Values) -> Tensor:
        arrays = (_array(means), _array(sh))
        colours = kernels_project.shade(*arrays, eye, radii)
        ctx.kept = (*arrays, eye, radii, colours)
        return torch.from_numpy(colours)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        v_means, v_sh = kernels_project.shade_backward(*ctx.kept, _array(grads[0]))
        return torch.from_numpy(v_means), torch.from_numpy(v_sh), None, None


class _Draw(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        means2d: Tensor,
        conics: Tensor,
        opacities: Tensor,
        features: Tensor,
        depths: Values,
        radii: Values,
        size: Values,
    ) -> tuple[Tensor, Tensor]:
        drawn = np.flatnonzero(radii[:, 0])
        order = drawn[np.argsort(depths[drawn], kind="stable")].astype(np.int32)
        tiles_x, tiles_y = (-(-int(side) // kernels_draw.TILE) for side in size)
        arrays = [_array(value) for value in (means2d, conics, opacities, features)]
        starts, lists = kernels_draw.bin_tiles(order, arrays[0], radii, tiles_x, tiles_y)
        gates = np.array([ALPHA_MIN, ALPHA_MAX, TRANSMITTANCE_MIN], arrays[0].dtype)
        kept = (starts, lists, arrays[0], arrays[1], radii, arrays[2], arrays[3], size, gates)
        out, through, ends = kernels_draw.draw(*kept)
        ctx.kept = (*kept, through, ends)
        return torch.from_numpy(out), torch.from_numpy(through)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        entries = kernels_draw.draw_backward(*ctx.kept, *(_array(g) for g in grads))
        total = torch.from_numpy(kernels_draw.gather(ctx.kept[1], entries, len(ctx.kept[2])))
        return total[:, 0:2], total[:, 2:5], total[:, 9], total[:, 5:9], None, None, None
