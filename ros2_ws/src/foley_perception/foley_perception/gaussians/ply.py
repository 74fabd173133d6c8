"""Gaussians to and from PLY, in the layout of 3D Gaussian splatting, which `gsplat`, viser and other viewers read."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch

from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.ply_table import read_vertices

_LOG = logging.getLogger(__name__)


class PlyError(ValueError):
    """A PLY file cannot be used; the message says which, why and what to do."""


def save_ply(gaussians: Gaussians, path: Path) -> None:
    """Write a file that appears only when it is whole.

    Raises:
        PlyError: no Gaussians, or values that are not finite.
        OSError: the disk refuses.
    """
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
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {n}"]
    lines += [*(f"property float {name}" for name in columns), "end_header", ""]
    part = path.with_name(path.name + ".part")
    part.write_bytes("\n".join(lines).encode("ascii") + table.tobytes())
    part.replace(path)


def load_ply(path: Path) -> Gaussians:
    """Read a file of Gaussians. Those that hold no numbers are left out, which is logged.

    Raises:
        PlyError: it is no PLY, or one of something else, is cut short, or nothing of it can be drawn.
    """
    try:
        table = read_vertices(path.read_bytes())
    except (OSError, ValueError) as error:
        raise PlyError(f"{path}: cannot be read ({error})") from error
    names = set(table.dtype.names or ())
    needed = {"x", "y", "z", "opacity", *(f"f_dc_{k}" for k in range(3))}
    needed |= {*(f"scale_{k}" for k in range(3)), *(f"rot_{k}" for k in range(4))}
    count = sum(name.startswith("f_rest_") for name in names)
    needed |= {f"f_rest_{k}" for k in range(count)}
    if missing := sorted(needed - names):
        raise PlyError(
            f"{path}: not a file of Gaussians, `{missing[0]}` is missing (a cloud of points or a mesh has no scale_0 "
            "and rot_0)"
        )
    if count not in (0, 9, 24, 45):
        raise PlyError(
            f"{path}: {count} f_rest values, must be 0, 9, 24 or 45 (harmonics of degree 0 to 3); export it so"
        )
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is left out
        data = {name: table[name].astype(np.float32) for name in needed}

    def columns(*keys: str) -> torch.Tensor:
        return torch.from_numpy(np.stack([data[key] for key in keys], axis=-1))

    dc = columns("f_dc_0", "f_dc_1", "f_dc_2")[:, None]
    rest = (
        [columns(*(f"f_rest_{k}" for k in range(count))).reshape(len(dc), 3, -1).transpose(1, 2)]
        if count
        else []
    )
    gaussians = Gaussians(
        means=columns("x", "y", "z"),
        quats=columns("rot_0", "rot_1", "rot_2", "rot_3"),
        scales=torch.exp(columns("scale_0", "scale_1", "scale_2")),
        # Infinite ones have a meaning: opaque, and not there.
        opacities=torch.sigmoid(torch.from_numpy(data["opacity"])),
        sh=torch.cat([dc, *rest], dim=1).contiguous(),
    )
    drawn = _drawable(gaussians)
    if not drawn.any():
        raise PlyError(f"{path}: none of its {len(drawn)} Gaussians can be drawn: all hold NaN or infinity")
    if drawn.all():
        return gaussians
    _LOG.warning(
        "%s: %d of %d Gaussians hold NaN, infinity or a rotation of length 0 and were left out",
        path, int((~drawn).sum()), len(drawn),
    )  # fmt: skip
    return gaussians[drawn]


def _drawable(gaussians: Gaussians) -> torch.Tensor:
    """[N]: every number of it is one."""
    g = gaussians
    length = g.quats.norm(dim=-1)
    finite = g.means.isfinite().all(dim=-1) & g.scales.isfinite().all(dim=-1) & g.opacities.isfinite()
    drawn: torch.Tensor = (
        finite & g.sh.isfinite().flatten(1).all(dim=-1) & length.isfinite() & (length >= 1e-8)
    )
    return drawn
