"""A scene of 3D Gaussians (Kerbl et al. 2023), in the units in which it is drawn."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from foley_perception.geometry.se3 import SE3

SH0 = 0.28209479177387814
"""The constant spherical harmonic: colour = SH0 * coefficient + 0.5."""


@dataclasses.dataclass(frozen=True, eq=False)
class Gaussians:
    """N Gaussians in the world, all of one float type on one device.

    Args:
        means: centres [N, 3] [m].
        quats: rotations [N, 4] as w, x, y, z; normalised where they are used.
        scales: standard deviations [N, 3] along the rotated axes [m].
        opacities: [N] in [0, 1].
        sh: colour coefficients [N, K, 3], K = (degree + 1) ** 2 of spherical harmonics, degree 0 to 3.

    Raises:
        ValueError: shapes disagree, or types or devices differ.
    """

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    sh: Tensor

    def __post_init__(self) -> None:
        n = self.means.shape[0] if self.means.ndim else -1
        coefficients = self.sh.shape[1] if self.sh.ndim == 3 else -1
        expected = {
            "means": (n, 3),
            "quats": (n, 4),
            "scales": (n, 3),
            "opacities": (n,),
            "sh": (n, coefficients, 3),
        }
        for name, shape in expected.items():
            value: Tensor = getattr(self, name)
            if tuple(value.shape) != shape:
                raise ValueError(
                    f"Gaussians: {name} has shape {tuple(value.shape)}, expected {shape} for {n} Gaussians"
                )
            if value.dtype != self.means.dtype or value.device != self.means.device:
                raise ValueError(
                    f"Gaussians: {name} is {value.dtype} on {value.device}, means are {self.means.dtype} on "
                    f"{self.means.device}; bring them together"
                )
        if coefficients not in (1, 4, 9, 16):
            raise ValueError(f"Gaussians: sh has {coefficients} coefficients a colour, must be 1, 4, 9 or 16")

    def __len__(self) -> int:
        return int(self.means.shape[0])

    @property
    def sh_degree(self) -> int:
        return int(self.sh.shape[1] ** 0.5) - 1

    @property
    def colours(self) -> Tensor:
        """Colours [N, 3] in [0, 1] without what depends on the direction of view."""
        return (self.sh[:, 0] * SH0 + 0.5).clamp(0.0, 1.0)

    def _map(self, change: Callable[[Tensor], Tensor]) -> Gaussians:
        return Gaussians(**{f.name: change(getattr(self, f.name)) for f in dataclasses.fields(self)})

    def to(self, target: torch.device | torch.dtype | str) -> Gaussians:
        return self._map(lambda value: value.to(target))

    def detach(self) -> Gaussians:
        return self._map(lambda value: value.detach())

    def __getitem__(self, which: Tensor | slice) -> Gaussians:
        return self._map(lambda value: value[which])

    def moved(self, tx_new_old: SE3) -> Gaussians:
        """The same scene in another frame.

        Raises:
            ValueError: colours depend on the direction of view; their harmonics are not rotated.
        """
        if self.sh_degree > 0 and not np.allclose(tx_new_old.rotation, np.eye(3)):
            raise ValueError(
                "Gaussians of sh degree 1 and more cannot be rotated; render them in their own frame"
            )
        rotation = torch.tensor(tx_new_old.rotation).to(self.means)
        shift = torch.tensor(tx_new_old.translation).to(self.means)
        x, y, z, w = (float(v) for v in tx_new_old.quaternion)
        w2, x2, y2, z2 = self.quats.unbind(-1)
        turned = torch.stack(
            [
                w * w2 - x * x2 - y * y2 - z * z2,
                w * x2 + x * w2 + y * z2 - z * y2,
                w * y2 - x * z2 + y * w2 + z * x2,
                w * z2 + x * y2 - y * x2 + z * w2,
            ],
            dim=-1,
        )
        return dataclasses.replace(self, means=self.means @ rotation.T + shift, quats=turned)
