"""The ReconstructScene action: a recorded scan to a scene of Gaussians. The work is done in the worker's thread."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from foley_perception.ros.reconstruct import Reconstructor
from foley_perception.scene.config import SceneReconstructorConfig
from foley_ros.node import FoleyNode, run


class SceneReconstructorNode(FoleyNode[SceneReconstructorConfig]):
    """See the module's docstring."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("scene_reconstructor", SceneReconstructorConfig, **kwargs)
        self._options: dict[str, Any] = {}
        self._server = Reconstructor(self, self.put, lambda: self._options)

    def setup(self, config: SceneReconstructorConfig) -> None:
        self._options = dataclasses.asdict(config)
        self.start_worker(capacity=1)

    def figures(self) -> dict[str, Any]:
        return {"busy": self._server.busy, "done": self._server.done, "failed": self._server.failed}


def main(args: Sequence[str] | None = None) -> int:
    return run(SceneReconstructorNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
