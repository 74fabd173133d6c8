"""Configuration of the scene reconstructor node."""

from __future__ import annotations

import dataclasses
from typing import Any


def _doc(default: Any, text: str) -> Any:
    return dataclasses.field(default=default, metadata={"doc": text})


@dataclasses.dataclass(frozen=True)
class SceneReconstructorConfig:
    """Parameters of `scene_reconstructor`, as those of `foley scene reconstruct`."""

    start: str = _doc("rgbd", "rgbd: on the surfaces of depth images; random: anywhere")
    voxel: float = _doc(0.006, "of the start from depth [m]")
    max_gaussians: int = _doc(0, "no growth beyond it; 0: 1,000,000 on CUDA, 100,000 on a CPU")
    width: int = _doc(320, "wider pictures are reduced to it [pixel]")
    hold_out: int = _doc(8, "every so many views are kept for evaluation; 0: none")

    def __post_init__(self) -> None:
        if self.start not in ("rgbd", "random"):
            raise ValueError(f"start is `{self.start}`, must be rgbd or random")
        if not 0 < self.voxel < 1:
            raise ValueError(f"voxel is {self.voxel}, must lie in (0, 1)")
        if self.max_gaussians < 0 or self.width < 0 or self.hold_out < 0 or self.hold_out == 1:
            raise ValueError(
                f"max_gaussians is {self.max_gaussians}, width {self.width}, hold_out {self.hold_out}: must not be "
                "negative, and hold_out not 1"
            )
