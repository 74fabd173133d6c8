"""Gaussians to and from PLY, in the layout of 3D Gaussian splatting, which `gsplat`, viser and other viewers read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from foley_perception.splats.gaussians import Gaussians


class PlyError(ValueError):
    """A PLY file cannot be used; the message says which, why and what to do."""


def save_ply(gaussians: Gaussians, path: Path) -> None:
    """Write a file that appears only when it is whole.

    Raises:
        PlyError: no Gaussians, or values that are not finite.
        OSError: the disk refuses.
    """
    from plyfile import PlyData, PlyElement

    g = gaussians.detach().to("cpu").to(torch.float32)
    if not len(g):
        raise PlyError(f"{path}: there are no Gaussians to save")
    n = len(g)
    rest = g.sh[:, 1:].transpose(1, 2).reshape(n, -1)  # all of red, then green, then blue
    opacity = torch.logit(g.opacities.clamp(1e-6, 1 - 1e-6))
    columns = {
        **dict(zip(("x", "y", "z"), g.means.T, strict=True)),
        **{f"n{axis}": torch.zeros(n) for axis in "xyz"},
        **{f"f_dc_{k}": g.sh[:, 0, k] for k in range(3)},
        **{f"f_rest_{k}": rest[:, k] for k in range(rest.shape[1])},
        "opacity": opacity,
        **{f"scale_{k}": torch.log(g.scales[:, k]) for k in range(3)},
        **{f"rot_{k}": g.quats[:, k] for k in range(4)},
    }
    table = np.empty(n, dtype=[(name, "<f4") for name in columns])
    for name, value in columns.items():
        table[name] = value.numpy()
        if not np.isfinite(table[name]).all():
            raise PlyError(
                f"{path}: {name} of {int((~np.isfinite(table[name])).sum())} Gaussians is not finite"
            )
    part = path.with_name(path.name + ".part")
    PlyData([PlyElement.describe(table, "vertex")], byte_order="<").write(str(part))
    part.replace(path)


def load_ply(path: Path) -> Gaussians:
    """Read a file of Gaussians.

    Raises:
        PlyError: it is no PLY, or one of something else, is cut short, or holds values that are not finite.
    """
    from plyfile import PlyData, PlyParseError

    try:
        vertices = PlyData.read(str(path))["vertex"]
        names = set(vertices.data.dtype.names or ())
        needed = {"x", "y", "z", "opacity", *(f"f_dc_{k}" for k in range(3))}
        needed |= {*(f"scale_{k}" for k in range(3)), *(f"rot_{k}" for k in range(4))}
        if missing := sorted(needed - names):
            raise PlyError(
                f"{path}: not a file of Gaussians, `{missing[0]}` is missing (a cloud of points or a mesh has no "
                "scale_0 and rot_0)"
            )
        count = sum(name.startswith("f_rest_") for name in names)
        if count not in (0, 9, 24, 45):
            raise PlyError(f"{path}: {count} f_rest values, must be 0, 9, 24 or 45")
        data = {
            name: np.asarray(vertices[name], np.float32)
            for name in (*needed, *(f"f_rest_{k}" for k in range(count)))
        }
    except (OSError, KeyError, PlyParseError, ValueError) as error:
        raise (
            error if isinstance(error, PlyError) else PlyError(f"{path}: cannot be read ({error})")
        ) from error
    for name, value in data.items():
        if not np.isfinite(value).all():
            raise PlyError(f"{path}: {name} of {int((~np.isfinite(value)).sum())} Gaussians is not finite")

    def columns(*keys: str) -> torch.Tensor:
        return torch.from_numpy(np.stack([data[key] for key in keys], axis=-1))

    dc = columns("f_dc_0", "f_dc_1", "f_dc_2")[:, None]
    rest = (
        [columns(*(f"f_rest_{k}" for k in range(count))).reshape(len(dc), 3, -1).transpose(1, 2)]
        if count
        else []
    )
    quats = columns("rot_0", "rot_1", "rot_2", "rot_3")
    if (quats.norm(dim=-1) < 1e-8).any():
        raise PlyError(f"{path}: a rotation has length 0")
    return Gaussians(
        means=columns("x", "y", "z"),
        quats=quats,
        scales=torch.exp(columns("scale_0", "scale_1", "scale_2")),
        opacities=torch.sigmoid(torch.from_numpy(data["opacity"])),
        sh=torch.cat([dc, *rest], dim=1).contiguous(),
    )
