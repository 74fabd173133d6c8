"""Gaussians to and from PLY, in the layout of 3D Gaussian splatting, which `gsplat`, viser and other viewers read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from foley_perception.gaussians.gaussians import Gaussians


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
    """Read a file of Gaussians.

    Raises:
        PlyError: it is no PLY, or one of something else, is cut short, or holds values that are not finite.
    """
    try:
        table = _vertices(path.read_bytes())
    except (OSError, ValueError, KeyError) as error:
        raise PlyError(f"{path}: cannot be read ({error})") from error
    names = set(table.dtype.names or ())
    needed = {"x", "y", "z", "opacity", *(f"f_dc_{k}" for k in range(3))}
    needed |= {*(f"scale_{k}" for k in range(3)), *(f"rot_{k}" for k in range(4))}
    if missing := sorted(needed - names):
        raise PlyError(
            f"{path}: not a file of Gaussians, `{missing[0]}` is missing (a cloud of points or a mesh has no scale_0 "
            "and rot_0)"
        )
    count = sum(name.startswith("f_rest_") for name in names)
    if count not in (0, 9, 24, 45):
        raise PlyError(f"{path}: {count} f_rest values, must be 0, 9, 24 or 45")
    wanted = (*needed, *(f"f_rest_{k}" for k in range(count)))
    data = {name: table[name].astype(np.float32) for name in wanted}
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


_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}
_HEADER_MAX = 65_536


def _vertices(data: bytes) -> NDArray[Any]:
    """The table of vertices of a PLY file, which must be its first element and hold plain numbers."""
    head, mark, _ = data[:_HEADER_MAX].partition(b"end_header\n")
    lines = [line.split() for line in head.decode("ascii").replace("\r", "").splitlines()]
    if not mark or not lines or lines[0] != ["ply"]:
        raise ValueError("no PLY header")
    layout = next((line[1] for line in lines if line[0] == "format"), "")
    order = _ORDERS.get(layout)
    elements = [at for at, line in enumerate(lines) if line[:1] == ["element"]]
    if order is None or not elements or lines[elements[0]][1] != "vertex":
        raise ValueError(f"format `{layout}`, whose first element is no vertex")
    count = int(lines[elements[0]][2])
    own = lines[elements[0] + 1 : elements[1] if len(elements) > 1 else len(lines)]
    properties = [line for line in own if line[0] == "property"]
    if any(line[1] == "list" for line in properties):
        raise ValueError("a vertex holds a list")
    dtype = np.dtype([(line[2], order + _TYPES[line[1]]) for line in properties])
    body = data[len(head) + len(mark) :]
    if layout == "ascii":
        rows = [tuple(map(float, line.split())) for line in body.decode("ascii").splitlines()[:count]]
        if len(rows) < count or any(len(row) != len(properties) for row in rows):
            raise ValueError(f"fewer than the {count} vertices that the header names")
        return np.array(rows, dtype=dtype)
    if count < 0 or len(body) < count * dtype.itemsize:
        raise ValueError(f"fewer than the {count} vertices that the header names")
    return np.frombuffer(body, dtype=dtype, count=count)
